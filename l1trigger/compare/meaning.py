"""What a figure means in a comparison: which of its conditions are part of what it is, and where it is shown."""

from __future__ import annotations

from collections.abc import Sequence

from l1trigger.catalogue import MEASURED_ALONG, PARTS, Group, entry
from l1trigger.figures import Figure, Name, Source, Value
from l1trigger.report.model import Report

HARDWARE = frozenset({
    Source.ESTIMATE, Source.VERILATOR, Source.YOSYS, Source.SYNTHESIS, Source.CSYNTH, Source.COSIM, Source.VSYNTH,
    Source.ROUTE,
})

_MEASURES_PHYSICS = frozenset({Source.VERILATOR})
"""Sources of hardware figures that also give those of physics: only figures with a group are shown of the former."""

OTHER_HARDWARE = "Further figures of the hardware"
"""Heading of figures without a group whose source measures hardware."""

HARDWARE_GROUPS = frozenset({Group.LATENCY, Group.RESOURCES})
_PHYSICS = frozenset({Group.AREA, Group.EFFICIENCY, Group.THRESHOLD, Group.CLASSES, Group.ENERGY})
_DETAILS = frozenset({*PARTS, "seed", "baseline"})
"""Conditions of figures that a comparison leaves to the details."""


class Identity(Value):
    """What must agree before two figures may stand in one row.

    Attributes:
        name, level, unit: of the figure.
        source: that measured it; figures of different sources never share a row.
        conditions: that fix its meaning.
        number: tells figures apart that agree in all of this.
    """

    name: Name
    level: str | None
    source: Source
    unit: str
    conditions: tuple[tuple[str, str | float | int], ...]
    number: int = 0

    @property
    def text(self) -> str:
        """On one line, without level and source."""
        which = ", ".join(f"{k} {v if isinstance(v, str) else format(v, 'g')}" for k, v in self.conditions
                          if k not in {"signals", "colliding_bunches", "counted"})
        return f"{self.name} ({which})" if which else self.name


def identity(figure: Figure, number: int = 0) -> Identity:
    """The identity of a figure."""
    conditions = tuple(sorted(
        (k, v) for k, v in figure.conditions.items() if k not in MEASURED_ALONG and not k.startswith("achieved_")
    ))
    return Identity(name=figure.name, level=figure.level, source=figure.source, unit=figure.unit,
                    conditions=conditions, number=number)


def identified(figures: Sequence[Figure]) -> dict[Identity, Figure]:
    """Figures by identity; none is lost when several agree."""
    by_identity: dict[Identity, Figure] = {}
    for figure in figures:
        number = 0
        while (key := identity(figure, number)) in by_identity:
            number += 1
        by_identity[key] = figure
    return by_identity


def heading(key: Identity, level: str) -> str | None:
    """Under which heading a comparison shows a figure, or None when it is a detail.

    Args:
        key: of the figure.
        level: whose physics is shown.
    """
    conditions = dict(key.conditions)
    if _DETAILS & conditions.keys():
        return None
    if conditions.get("true_energy_gev", "all") != "all":
        return None  # a bin of many
    group = entry(key.name).group
    if group in HARDWARE_GROUPS | {Group.NETWORK}:
        return group
    if group is not None:
        return group if key.level == level or key.name == "bit_mismatches" else None
    # A percentage of the part says nothing that the count does not say.
    further = key.source in HARDWARE - _MEASURES_PHYSICS and key.unit != "%"
    return OTHER_HARDWARE if further else None


def deepest_level(reports: Sequence[Report]) -> str:
    """The level nearest to hardware at which all reports have figures of physics; empty when there is none.

    Reports of nothing but hardware do not count.
    """
    measured = [r for r in reports if r.levels]
    levels = measured[0].levels if measured else []
    common = [level for level in levels if all(_has_physics(r, level) for r in measured)]
    return common[-1] if common else ""


def _has_physics(report: Report, level: str) -> bool:
    return level in report.levels and any(
        f.level == level and f.value is not None and heading(identity(f), level) in _PHYSICS for f in report.figures
    )
