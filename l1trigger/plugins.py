"""Everything that can be added without touching this package: data sources, models, scores, found by entry point.

What ships with the package is found the same way; see ``[project.entry-points]`` in ``pyproject.toml``.
"""

from __future__ import annotations

from functools import cache
from importlib.metadata import entry_points
from typing import Any

from l1trigger.errors import DesignError, nearest

GROUPS = ("l1trigger.sources", "l1trigger.models", "l1trigger.scores")


@cache
def load(group: str) -> dict[str, Any]:
    """All plugins of a group, by name."""
    return {e.name: e.load() for e in sorted(entry_points(group=group), key=lambda e: e.name)}


def get(group: str, name: str, key: str = "") -> Any:
    """One plugin.

    Raises:
        DesignError: no plugin has this name; lists those that exist.
    """
    found = load(group)
    if name not in found:
        kind = group.rpartition(".")[2].rstrip("s")
        raise DesignError(None, key, f"there is no {kind} '{name}'", nearest(name, found))
    return found[name]
