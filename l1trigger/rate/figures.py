"""Figures of ``l1trigger rate``.

| name | value | conditions |
| --- | --- | --- |
| ``rate_at_pileup_khz`` | rate at the design's threshold [kHz] | pileup, threshold, n_eff, crossings |
| ``pure_rate_khz`` | what the network takes of it alone, beside the menu | likewise |
| ``menu_rate_khz`` | rate of the menu | pileup, n_eff |
| ``cut_rate_khz`` | rate of one of its cuts | pileup, cut, cut_threshold, n_eff |
| ``overlap_khz`` | rate of events that the network and a cut take both | pileup, cut, threshold, n_eff |
| ``rate_shift_at_pileup_khz`` | rate of the firmware minus that of float, each at its fixed threshold | pileup, |
| | | threshold, float_threshold, float_rate_khz, crossings |
| ``threshold_at_pileup`` | lowest threshold that does not exceed a rate | pileup, rate_khz, achieved_rate_khz, |
| | | achieved_error_khz, n_eff |
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from l1trigger.figures import Estimate, Figure, FigureMaker, Source
from l1trigger.physics import rates
from l1trigger.physics.estimate import Groups
from l1trigger.rate.counts import Binned
from l1trigger.rate.result import RateResult
from l1trigger.units import crossing_rate_khz


def figures(result: RateResult) -> list[Figure]:
    """All figures, pile-up by pile-up."""
    make = FigureMaker("csim", Source.ENGINE, result.tool)
    return [f for pileup in result.pileups for f in _AtPileup(result, pileup, make).figures()]


class _AtPileup:
    """Makes the figures of one pile-up."""

    def __init__(self, result: RateResult, pileup: float, make: FigureMaker) -> None:
        self.result, self.pileup, self.make = result, pileup, make
        self.binned: Binned = result.binned(pileup)
        self.threshold = result.threshold * result.lsb
        self.scale = crossing_rate_khz(result.colliding_bunches)

    def figures(self) -> list[Figure]:
        """In the order of the table above."""
        menu, pattern = self.result.menu, self.binned.pattern
        network = self.binned.scored.scores > self.threshold
        at: dict[str, float | str] = {"pileup": self.pileup, "threshold": self.threshold}
        found = [
            self._rate("rate_at_pileup_khz", network, at), self._rate("pure_rate_khz", network & (pattern == 0), at),
            self._rate("menu_rate_khz", pattern != 0, {"pileup": self.pileup}),
        ]
        for i, cut in enumerate(menu.cuts):
            passed = menu.passed(pattern, i)
            of: dict[str, float | str] = {"pileup": self.pileup, "cut": cut.baseline}
            found += [
                self._rate("cut_rate_khz", passed, {**of, "cut_threshold": cut.threshold}),
                self._rate("overlap_khz", passed & network, {**of, "threshold": self.threshold}),
            ]
        return [*found, *self._shift(), *(self._threshold(khz) for khz in self.result.rates_khz)]

    def _rate(self, name: str, accept: NDArray[np.bool_], conditions: Mapping[str, float | str]) -> Figure:
        groups = self.binned.scored.groups
        fraction, n_eff = rates.accepted_fraction(accept, groups)
        r = rates.Rate(0.0, self.scale * fraction.value, self.scale * fraction.error, n_eff, groups.number(accept),
                       groups.method)
        reason = f"the rate {r.reason}" if r.reason else None
        known = {**conditions, "n_eff": round(n_eff, 2), "crossings": self.binned.crossings}
        return self.make(name, None if reason else r.khz, reason, interval=r.interval, method=r.method,
                         conditions=known)

    def _shift(self) -> list[Figure]:
        levels = self.result.levels(self.pileup)
        if levels is None:
            return []
        groups: Groups = levels.scored.groups
        by_float, by_firmware = (levels.pattern >> bit & 1 for bit in (0, 1))
        difference = groups.mean((by_firmware - by_float).astype(np.float64))
        fraction, n_eff = rates.accepted_fraction(by_float == 1, groups)
        reference = rates.Rate(0.0, self.scale * fraction.value, self.scale * fraction.error, n_eff,
                               groups.number(by_float == 1), groups.method)
        reason = f"the reference rate {reference.reason}" if reference.reason else None
        estimate = Estimate(self.scale * difference.value, self.scale * difference.error,
                            f"paired difference, {groups.method}")
        at = {"pileup": self.pileup, "threshold": self.threshold, "float_threshold": self.result.float_threshold,
              "float_rate_khz": reference.khz, "crossings": levels.crossings}
        return [self.make("rate_shift_at_pileup_khz", None if reason else estimate, reason, conditions=at)]

    def _threshold(self, khz: float) -> Figure:
        r = rates.threshold_for_rate(self.binned.scored, khz, self.result.colliding_bunches)
        reason = f"the rate at this threshold {r.reason}" if r.reason else None
        known = {"pileup": self.pileup, "rate_khz": khz, "achieved_rate_khz": r.khz,
                 "achieved_error_khz": r.error_khz, "n_eff": round(r.n_eff, 2)}
        return self.make("threshold_at_pileup", None if reason else r.threshold, reason, conditions=known)
