"""What vendors' reports say, as values: one reading per report, all of them together the result of the HLS route."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from l1trigger import catalogue
from l1trigger.errors import ReportError

Step = Literal["csynth", "cosim", "vsynth", "route"]
STEPS: tuple[Step, ...] = ("csynth", "cosim", "vsynth", "route")
"""Steps of the HLS route in their order; also the sources of their figures."""

RESOURCES = tuple(r for r in catalogue.RESOURCES if r != "carry")
"""Those that are read in vendors' reports; carry chains are not."""
_SIGNED = ("slack_ns", "hold_slack_ns")
_ABSURD = 100.0
"""A count above this many whole devices is a misread or damaged report, not a large design."""


@dataclass(frozen=True)
class Reading:
    """What one report says; every number is named as the figures of a report are.

    Attributes:
        step: that it describes.
        kind: ``csynth``, ``utilization``, ``hierarchy``, ``timing``, ``power``, ``export`` or ``cosim``.
        file: the report, as messages and figures name it.
        tool: and version.
        top: function or design that is described; empty when the report does not say.
        state: of the design where that is finer than the step, e.g. ``Fully Placed``.
        part: FPGA; None when the report does not say.
        clock_ns: clock period that was asked for [ns].
        values: the numbers of the whole design; None where the report has none.
        reasons: why a value is None, by name.
        available: what the device holds, by resource.
        modules: function or instance to its numbers.
        remarks: what a reader of the numbers must know beside them, e.g. that constraints are not met.
    """

    step: Step
    kind: str
    file: str
    tool: str = ""
    top: str = ""
    state: str = ""
    part: str | None = None
    clock_ns: float | None = None
    values: Mapping[str, float | None] = field(default_factory=dict)
    reasons: Mapping[str, str] = field(default_factory=dict)
    available: Mapping[str, float] = field(default_factory=dict)
    modules: Mapping[str, Mapping[str, float | None]] = field(default_factory=dict)
    remarks: tuple[str, ...] = ()


@dataclass(frozen=True)
class LeftOut:
    """A report that is no part of the result.

    Attributes:
        file: the report.
        why: it was left out, as the rest of a sentence that begins with the file.
        kind: of the report where it could not be read, so that numbers may be missing; empty otherwise.
        step: that it describes, where that is known.
    """

    file: str
    why: str
    kind: str = ""
    step: Step | None = None


@dataclass(frozen=True)
class VendorResult:
    """What vendors' tools say about an HLS project.

    Attributes:
        readings: of their reports; of several that give the same number the first counts.
        seconds: that the tool took; None where the reports were made elsewhere.
        left_out: reports that were found and are not among them.
    """

    readings: tuple[Reading, ...]
    seconds: float | None = None
    left_out: tuple[LeftOut, ...] = ()

    def of(self, step: Step) -> tuple[Reading, ...]:
        """The readings of a step."""
        return tuple(r for r in self.readings if r.step == step)

    @property
    def part(self) -> str | None:
        """The FPGA, as the first report that names one has it."""
        return next((r.part for r in self.readings if r.part), None)

    @property
    def clock_ns(self) -> float | None:
        """The clock period that was asked for [ns]."""
        return next((r.clock_ns for r in self.readings if r.clock_ns), None)

    @property
    def remarks(self) -> list[str]:
        """Sentences that a reader of the numbers must know: reports left out, constraints that are not met."""
        left_out = [f"{x.file} {'cannot be read and is left out: it ' if x.kind else ''}{x.why}" for x in self.left_out]
        return [*left_out, *(f"{r.step}: {remark} ({r.file})" for r in self.readings for remark in r.remarks)]

    def as_dict(self) -> dict[str, Any]:
        """Plain values, as JSON has them."""
        return asdict(self)

    @classmethod
    def from_dict(cls, content: Mapping[str, Any]) -> VendorResult:
        """From what ``as_dict`` gave."""
        return cls(
            tuple(Reading(**{**r, "remarks": tuple(r.get("remarks", ()))}) for r in content["readings"]),
            content["seconds"], tuple(LeftOut(**x) for x in content.get("left_out", ())),
        )


def sane(reading: Reading) -> Reading:
    """The reading itself.

    Raises:
        ReportError: a count is negative or beyond any device, or there is no number at all.
    """
    groups = {"": reading.values, **{f" of {name}": v for name, v in reading.modules.items()}}
    for where, values in groups.items():
        for name, value in values.items():
            if value is None or name in _SIGNED:
                continue
            if value < 0:
                raise ReportError(f"{reading.file}: {name}{where} is {value:g}, which no design can have. "
                                  "Remedy: run the tool again; the report is damaged")
            holds = reading.available.get(name)
            if holds and value > _ABSURD * holds:
                raise ReportError(f"{reading.file}: {name}{where} is {value:g} where the device holds {holds:g}. "
                                  "Remedy: run the tool again; the report is damaged")
    if all(v is None for values in groups.values() for v in values.values()) and not reading.reasons:
        raise ReportError(f"{reading.file}: holds no numbers. Remedy: run the tool again; the report is incomplete")
    return reading
