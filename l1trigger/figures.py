"""Figures: numbers that carry their unit, source and conditions. The vocabulary of ``report.json``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from l1trigger.catalogue import PARTS, entry


class Source(StrEnum):
    """Where a number comes from."""

    ESTIMATE = "estimate"
    DATASET = "dataset"
    CSIM = "csim"
    ENGINE = "engine"
    VERILATOR = "verilator"
    YOSYS = "yosys"
    SYNTHESIS = "synthesis"
    CSYNTH = "csynth"
    COSIM = "cosim"
    VSYNTH = "vsynth"
    ROUTE = "route"


Level = Literal["float", "quantized", "csim", "rtl", "baseline"]


class Value(BaseModel):
    """Base of frozen report values."""

    model_config = ConfigDict(frozen=True, extra="forbid")


def _known(name: str) -> str:
    return entry(name).name


Name = Annotated[str, AfterValidator(_known)]
"""Name of a figure; one that the catalogue does not have is refused."""


class Figure(Value):
    """One number.

    Attributes:
        name: in the catalogue, e.g. ``auc``, ``tpr``, ``rate_khz``, ``latency_cycles``, ``lut``.
        value: the number, or None when it was not measured.
        reason: why it was not measured.
        unit: e.g. ``kHz``, ``ns``, or empty for pure numbers.
        source: what measured it.
        tool: tool and version.
        part, clock_ns: FPGA and clock period, where they matter.
        level: of the computation.
        interval: 68 % interval, where there is one.
        interval_method: how the interval was made.
        conditions: what else fixes its meaning: signal, false_positive_rate, threshold, n_eff, seed, baseline ...
    """

    name: Name
    value: float | None
    reason: str | None = None
    unit: str = ""
    source: Source
    tool: str | None = None
    part: str | None = None
    clock_ns: float | None = None
    level: Level | None = None
    interval: tuple[float, float] | None = None
    interval_method: str | None = None
    conditions: dict[str, str | float | int] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _reason(self) -> Figure:
        if (self.value is None) == (self.reason is None):
            raise ValueError(f"{self.name}: a figure has either a value or the reason why it has none")
        return self

    @property
    def of_whole(self) -> bool:
        """Whether it is of the whole design, not of a layer or module inside."""
        return not any(part in self.conditions for part in PARTS)

    def matches(self, name: str, level: str | None = None, **conditions: Any) -> bool:
        """Whether this is the figure of that name, level and those conditions."""
        return (
            self.name == name
            and (level is None or self.level == level)
            and all(self.conditions.get(k) == v for k, v in conditions.items())
        )


class Judgement(Value):
    """One limit of the budget and the figure it was held against.

    Attributes:
        figure: name of the figure.
        minimum, maximum: the limit.
        level, conditions: which figure of that name.
        value: what was measured; None when it was not.
        met: None when there was nothing to hold against it.
        reason: why not, in that case.
    """

    figure: str
    minimum: float | None = None
    maximum: float | None = None
    level: str | None = None
    conditions: dict[str, str | float | int] = Field(default_factory=dict)
    value: float | None = None
    met: bool | None = None
    reason: str | None = None


@dataclass(frozen=True)
class Estimate:
    """A number and its error (one standard deviation).

    Attributes:
        value, error: the number and its error.
        method: how the error was made.
    """

    value: float
    error: float
    method: str

    @property
    def interval(self) -> tuple[float, float]:
        """Value minus and plus error."""
        return self.value - self.error, self.value + self.error


Conditions = Mapping[str, str | float | int]


@dataclass(frozen=True)
class FigureMaker:
    """Makes figures of one level; numbers that are not finite become figures without value.

    Attributes:
        level: of the figures; None where they belong to none.
        source: what kind of computation they come from.
        tool: what computed them, with version.
        fixed: conditions that all of them share.
    """

    level: Level | None
    source: Source
    tool: str | None
    fixed: Conditions = field(default_factory=dict)

    def __call__(
        self, name: str, value: float | Estimate | None, reason: str | None = None, *,
        interval: tuple[float, float] | None = None, method: str | None = None, conditions: Conditions | None = None,
        **more: str | float,
    ) -> Figure:
        """One figure, in the unit of the catalogue.

        Args:
            name: in the catalogue.
            value: the number, which may bring its interval.
            reason: why there is none; only used then.
            interval: 68 % interval.
            method: how the interval was made.
            conditions: what else fixes its meaning.
            **more: further conditions.

        Raises:
            UnknownFigureError: the catalogue has no such name.
        """
        if isinstance(value, Estimate):
            interval, method, value = value.interval, value.method, value.value
        if value is not None and not np.isfinite(value):
            value, reason = None, reason or "is not a finite number"
        if interval is None or value is None or not np.isfinite(interval).all():
            interval, method = None, None
        else:
            interval = (float(interval[0]), float(interval[1]))
        return Figure(
            name=name, value=None if value is None else float(value), reason=reason if value is None else None,
            unit=entry(name).unit, source=self.source, tool=self.tool, level=self.level, interval=interval,
            interval_method=method, conditions={**self.fixed, **(conditions or {}), **more},
        )
