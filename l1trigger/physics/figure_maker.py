"""Figures of one level, made without repeating what they have in common."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from l1trigger.physics.estimate import Estimate
from l1trigger.report.figures import Figure, Level, Source

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
        self, name: str, value: float | Estimate | None, reason: str | None = None, *, unit: str = "",
        interval: tuple[float, float] | None = None, method: str | None = None, conditions: Conditions | None = None,
        **more: str | float | int,
    ) -> Figure:
        """One figure; ``value`` may bring its interval, ``conditions`` and keywords are joined."""
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
            unit=unit, source=self.source, tool=self.tool, level=self.level, interval=interval,
            interval_method=method, conditions={**self.fixed, **(conditions or {}), **more},
        )
