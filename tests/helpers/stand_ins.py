"""Plugins for the time of a test."""

from dataclasses import dataclass
from typing import Any

from l1trigger import plugins


@dataclass(frozen=True)
class StandIn:
    """What an installed package would have among its entry points."""

    plugin: Any
    value: str = "tests:stand_in"
    dist: Any = None

    def load(self) -> Any:
        if isinstance(self.plugin, Exception):
            raise self.plugin
        return self.plugin


def install(monkeypatch, group, **named):
    """Puts plugins among those of a group; an exception stands for one that cannot be imported."""
    entries = plugins._entries
    more = {name: StandIn(plugin) for name, plugin in named.items()}

    def found(entry_points):
        return entries(entry_points) | (more if entry_points == group.entry_points else {})

    monkeypatch.setattr(plugins, "_entries", found)
