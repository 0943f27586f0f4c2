"""Figures that other packages add to the report.

A package names a value of :class:`Addition` in its entry points, and what it gives stands in the report like any other
figure: in its tables and tiles as the catalogue entry says, in comparisons, baselines and budgets::

    MUON_RATE = Entry("muon_rate_khz", "rate of the muon trigger", unit="kHz", better=Better.LOWER)

    def measure(measured: Measurement) -> Iterator[Figure]:
        for level, scores in measured.levels.items():
            yield measured.maker(level)("muon_rate_khz", ...)

    FIGURES = Addition((MUON_RATE,), measure)

    [project.entry-points."l1trigger.figures"]
    muon_rate = "my_package.figures:FIGURES"
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from l1trigger import catalogue
from l1trigger.catalogue import Entry
from l1trigger.figures import Figure
from l1trigger.report.measurement import Measurement


@dataclass(frozen=True)
class Addition:
    """Figures of another package.

    Attributes:
        entries: of the catalogue.
        measure: gives the figures, from the scores of all levels and baselines and from the results of all stages.
    """

    entries: tuple[Entry, ...]
    measure: Callable[[Measurement], Iterable[Figure]]


def figures(measured: Measurement) -> list[Figure]:
    """What the installed packages add."""
    return [f for addition in catalogue.additions() for f in addition.measure(measured)]
