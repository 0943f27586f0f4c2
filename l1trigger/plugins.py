"""Everything that can be added without touching this package: data sources, models, scores, found by entry point.

What ships with the package is found the same way; see ``[project.entry-points]`` in ``pyproject.toml``. A plugin is
imported when it is asked for, so that one that is broken harms only those who use it.
"""

from __future__ import annotations

from contextlib import suppress
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from typing import Any

from l1trigger.errors import DesignError, nearest

GROUPS = ("l1trigger.sources", "l1trigger.models", "l1trigger.scores")


@cache
def _entries(group: str) -> dict[str, EntryPoint]:
    return {e.name: e for e in sorted(entry_points(group=group), key=lambda e: e.name)}


def names(group: str) -> list[str]:
    """Names of the plugins of a group."""
    return list(_entries(group))


@cache
def _loaded(group: str, name: str) -> Any:
    return _entries(group)[name].load()


def load(group: str) -> dict[str, Any]:
    """All plugins of a group, by name."""
    return {name: _loaded(group, name) for name in _entries(group)}


def working(group: str) -> list[Any]:
    """The plugins of a group that can be imported."""
    found = []
    for name in _entries(group):
        with suppress(ImportError, AttributeError):
            found.append(_loaded(group, name))
    return found


def get(group: str, name: str, key: str = "") -> Any:
    """One plugin.

    Args:
        group: one of ``GROUPS``.
        name: of the plugin.
        key: of the design that names it, for the message.

    Raises:
        DesignError: no plugin has this name; lists those that exist. Or the plugin cannot be imported.
    """
    kind = group.rpartition(".")[2].rstrip("s")
    if name not in _entries(group):
        raise DesignError(None, key, f"there is no {kind} '{name}'", nearest(name, _entries(group)))
    try:
        return _loaded(group, name)
    except (ImportError, AttributeError) as e:
        package = _entries(group)[name].value
        raise DesignError(
            None, key, f"the {kind} '{name}' ({package}) cannot be imported: {e}", "run `l1trigger doctor`"
        ) from e
