"""Everything that can be added without touching this package is a plugin: a class, found by entry point.

What ships with the package is found the same way; see ``[project.entry-points]`` in ``pyproject.toml``. A plugin is
imported when it is asked for, so that one that is broken harms only those who use it. What a plugin has to be is said
by the base class of its group; see ``l1trigger.contracts``.
"""

from __future__ import annotations

from abc import ABC
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from typing import Any, Generic, TypeVar

from l1trigger.errors import DesignError, nearest
from l1trigger.sections import Section

OptionsT = TypeVar("OptionsT", bound=Section)


class Plugin(ABC, Generic[OptionsT]):
    """Base of the bases of plugins. The class is what is registered; an object of it does what one section asks for.

    Attributes:
        Options: the section of a design file that the plugin understands; its keys, their defaults and checks.
        options: what a design says.
    """

    Options: type[OptionsT]

    def __init__(self, options: OptionsT) -> None:
        self.options = options


PluginT = TypeVar("PluginT", bound=Plugin[Any])


@dataclass(frozen=True)
class Group(Generic[PluginT]):
    """The plugins of one kind.

    Attributes:
        entry_points: name of the group of entry points, e.g. ``l1trigger.models``.
        base: class that every plugin of the group derives from.
        kind: what such a plugin is, in words.
        section: of a design, that the plugin's options fill.
        key: of that section, that names the plugin.
    """

    entry_points: str
    base: type[PluginT]
    kind: str
    section: str
    key: str

    def names(self) -> list[str]:
        """Names of the plugins, in alphabetical order."""
        return names(self.entry_points)

    def get(self, name: str) -> type[PluginT]:
        """The plugin of a name.

        Raises:
            DesignError: no plugin has this name; lists those that exist. Or it cannot be imported, or is not what the
                base class asks for; says what it lacks.
        """
        entries, key = _entries(self.entry_points), f"{self.section}.{self.key}"
        if name not in entries:
            raise DesignError(None, key, f"there is no {self.kind} '{name}'", nearest(name, entries))
        what = f"the {self.kind} '{name}' ({entries[name].value})"
        try:
            loaded = entries[name].load()
        except Exception as e:  # whatever a module of another package does when it is imported
            raise DesignError(None, key, f"{what} cannot be imported: {e}", "run `l1trigger doctor`") from e
        if problem := self._problem(loaded):
            raise DesignError(None, key, f"{what} {problem}", f"see the class {self.base.__name__} in "
                              f"{self.base.__module__}")
        plugin: type[PluginT] = loaded
        return plugin

    def working(self) -> dict[str, type[PluginT]]:
        """The plugins that can be imported and are what the base class asks for, by name."""
        plugins = {}
        for name in self.names():
            with suppress(DesignError):
                plugins[name] = self.get(name)
        return plugins

    def of(self, options: Section) -> PluginT:
        """The plugin that a section names, with the section as its options."""
        return self.get(str(getattr(options, self.key)))(options)

    def _problem(self, loaded: Any) -> str:
        """What keeps something that an entry point gives from being a plugin of this group; empty when nothing."""
        if not (isinstance(loaded, type) and issubclass(loaded, self.base)):
            return f"does not derive from {self.base.__name__}"
        given = {name for c in loaded.mro() for name in vars(c)}
        wanted = {name for c in self.base.mro() for name in vars(c).get("__annotations__", ())}
        if missing := sorted(loaded.__abstractmethods__ | (wanted - given)):
            return f"lacks {', '.join(missing)}"
        options: Any = loaded.Options
        if not (isinstance(options, type) and issubclass(options, Section) and self.key in options.model_fields):
            return f"has Options that are no section with the key {self.key}"
        return ""


def names(entry_points: str) -> list[str]:
    """Names of the plugins of a group of entry points, in alphabetical order."""
    return list(_entries(entry_points))


def package_of(entry_points: str, name: str) -> str | None:
    """Name of the installed package that brings a plugin; None where there is none."""
    entry = _entries(entry_points).get(name)
    return None if entry is None or entry.dist is None else entry.dist.name


@cache
def _entries(group: str) -> dict[str, EntryPoint]:
    return {e.name: e for e in sorted(entry_points(group=group), key=lambda e: e.name)}
