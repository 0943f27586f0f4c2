"""Numbers from the literature that a design may be held beside, with how sure they are."""

from __future__ import annotations

import csv
from functools import cache
from importlib.resources import files

from l1trigger.errors import ReportError, nearest
from l1trigger.figures import Value

HARDWARE_COLUMNS = ("latency_ns", "latency_cycles", "initiation_interval", "lut", "ff", "dsp", "bram")

_FAMILIES = {
    "anomaly": frozenset({"anomaly"}), "calorimeter": frozenset({"calorimeter"}),
    "classification": frozenset({"images"}),
}
"""Families of published designs by the task that they fit."""


class PublishedRow(Value):
    """A published design. Numbers are text as printed: they may be bounds, ranges or percent.

    Attributes:
        family: what it is for.
        system, paper, model, dataset: what and where.
        figure, value: a figure of physics, where one was read.
        precision, part, clock_ns: of the hardware.
        latency_ns, latency_cycles, initiation_interval, lut, ff, dsp, bram: of the hardware.
        stage: that the resources come from: ``csynth``, ``vsynth``, ``route``, ``estimate`` or ``not stated``.
        confidence: ``READ-primary`` (in the paper's abstract, or the authors' own repository) or ``READ-secondary``
            (as quoted by others).
        notes: in few words.
    """

    family: str
    system: str
    paper: str
    model: str
    dataset: str
    figure: str
    value: str
    precision: str
    part: str
    clock_ns: str
    latency_ns: str
    latency_cycles: str
    initiation_interval: str
    dsp: str
    lut: str
    ff: str
    bram: str
    stage: str
    confidence: str
    notes: str

    @property
    def hardware(self) -> bool:
        """Whether it says anything about latency or resources."""
        return any(getattr(self, column) for column in HARDWARE_COLUMNS)


@cache
def all_published() -> tuple[PublishedRow, ...]:
    """The whole shipped table."""
    text = files("l1trigger.compare").joinpath("published.csv").read_text(encoding="utf-8")
    return tuple(PublishedRow.model_validate(row) for row in csv.DictReader(text.splitlines()))


def published_rows(task: str) -> list[PublishedRow]:
    """The published designs that fit a task.

    Raises:
        ReportError: the table holds none for this task.
    """
    if task not in _FAMILIES:
        raise ReportError(f"no published designs fit the task {task!r}; {nearest(task, _FAMILIES)}")
    return [row for row in all_published() if row.family in _FAMILIES[task]]
