"""Trigger rates in kHz on zero-bias samples, with errors that know which events are independent.

The weights of a zero-bias sample are probabilities per bunch crossing and sum to one, so

    rate = colliding bunches * revolution frequency * sum of the weights of accepted events

The error is the scatter over disjoint sub-pools where the sample has them (see ``estimate``), and
``n_eff = (rate / error)^2`` is the number of independent events that a rate rests on. From sub-pools it is never taken
larger than the number of accepted events. Rates with fewer than 30 are withheld.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from l1trigger.figures import Estimate
from l1trigger.physics.estimate import Groups
from l1trigger.physics.roc import Scored
from l1trigger.units import crossing_rate_khz

MINIMUM_EVENTS = 30
"""Effective independent events below which a rate is withheld."""


@dataclass(frozen=True)
class Rate:
    """A rate at one threshold.

    Attributes:
        threshold: events with a greater score are accepted.
        khz, error_khz: rate and its error; read ``reason`` before quoting them.
        n_eff: effective number of independent events behind the rate.
        events: accepted events.
        method: how the error was made.
    """

    threshold: float
    khz: float
    error_khz: float
    n_eff: float
    events: int
    method: str

    @property
    def reason(self) -> str | None:
        """Why the rate must be withheld, or None when it may be quoted."""
        if self.n_eff >= MINIMUM_EVENTS:
            return None
        return (
            f"rests on {self.n_eff:.3g} effective independent events ({self.events} accepted); "
            f"{MINIMUM_EVENTS} are needed"
        )

    @property
    def interval(self) -> tuple[float, float]:
        """Rate minus and plus error [kHz], not below zero."""
        return max(self.khz - self.error_khz, 0.0), self.khz + self.error_khz


@dataclass(frozen=True)
class Shift:
    """Difference of two rates on the same events.

    Attributes:
        khz, error_khz: second rate minus first, and the error of the paired difference.
        reference: the first rate.
        reason: why the shift must be withheld, or None.
    """

    khz: float
    error_khz: float
    reference: Rate
    reason: str | None


@dataclass(frozen=True)
class RateCurve:
    """Rate against threshold.

    Attributes:
        threshold, khz, error_khz, n_eff: one entry per point.
    """

    threshold: NDArray[np.float64]
    khz: NDArray[np.float64]
    error_khz: NDArray[np.float64]
    n_eff: NDArray[np.float64]


def rate(
    sample: Scored, threshold: float, colliding_bunches: int, among: NDArray[np.bool_] | None = None
) -> Rate:
    """Rate of ``score > threshold`` on a zero-bias sample.

    Args:
        sample: scores.
        threshold: events with a greater score are accepted.
        colliding_bunches: bunch crossings with collisions per turn.
        among: which events count (events,); None takes all.
    """
    accept = sample.scores > threshold
    if among is not None:
        accept &= among
    fraction, n_eff = accepted_fraction(accept, sample.groups)
    scale = crossing_rate_khz(colliding_bunches)
    events = sample.groups.number(accept)
    return Rate(threshold, scale * fraction.value, scale * fraction.error, n_eff, events, sample.groups.method)


def threshold_for_rate(sample: Scored, khz: float, colliding_bunches: int) -> Rate:
    """The lowest threshold whose rate does not exceed ``khz``, with the rate that it achieves.

    Raises:
        ValueError: the rate is not between zero and the crossing rate.
    """
    highest = crossing_rate_khz(colliding_bunches)
    if not 0 < khz < highest:
        raise ValueError(f"a rate of {khz} kHz is not between 0 and the crossing rate of {highest:.0f} kHz")
    return rate(sample, sample.spectrum.threshold(khz / highest), colliding_bunches)


def rate_shift(samples: tuple[Scored, Scored], thresholds: tuple[float, float], colliding_bunches: int) -> Shift:
    """Second rate minus first, each at its own fixed threshold; both levels hold the same events in the same order.

    Raises:
        ValueError: the levels do not hold the same number of events.
    """
    first, second = samples
    if len(first.scores) != len(second.scores):
        raise ValueError(f"levels of {len(first.scores)} and {len(second.scores)} events cannot be paired")
    a, b = first.scores > thresholds[0], second.scores > thresholds[1]
    estimate = first.groups.mean(b.astype(np.float64) - a)
    scale = crossing_rate_khz(colliding_bunches)
    reference = rate(first, thresholds[0], colliding_bunches)
    reason = reference.reason
    return Shift(
        scale * estimate.value, scale * estimate.error, reference, f"the reference rate {reason}" if reason else None
    )


def rate_curve(sample: Scored, colliding_bunches: int, points: int = 60, highest_khz: float | None = None) -> RateCurve:
    """Rate against threshold at points spaced evenly in the logarithm of the rate, down to the last honest one.

    Args:
        sample: scores of a zero-bias sample.
        colliding_bunches: bunch crossings with collisions per turn.
        points: most points; scores with few values give fewer.
        highest_khz: where the curve starts; None starts at a third of the crossing rate.
    """
    scale = crossing_rate_khz(colliding_bunches)
    top = highest_khz or scale / 3
    lowest = max(scale * float(sample.spectrum.at[-1]), scale * 1e-7)
    wanted = np.geomspace(min(top, 0.999 * scale), min(lowest, top / 2), points)
    thresholds = sorted({sample.spectrum.threshold(float(w) / scale) for w in wanted})
    rates = [rate(sample, t, colliding_bunches) for t in thresholds]
    rates = [r for r in rates if r.reason is None]
    columns = [[r.threshold, r.khz, r.error_khz, r.n_eff] for r in rates]
    t, khz, error, n_eff = np.array(columns, np.float64).reshape(-1, 4).T
    return RateCurve(t, khz, error, n_eff)


def accepted_fraction(accept: NDArray[Any], groups: Groups) -> tuple[Estimate, float]:
    """Accepted fraction of a background, and n_eff, the effective number of independent events behind it."""
    estimate = groups.mean(accept)
    accepted = float(groups.number(accept != 0))
    if estimate.value <= 0:
        return replace(estimate, value=0.0, error=0.0), 0.0
    n_eff = (estimate.value / estimate.error) ** 2 if estimate.error > 0 else accepted
    if n_eff <= accepted or not groups.by_block:
        return estimate, n_eff
    # Few accepted events can fall evenly over the sub-pools by luck; that is no proof of a small error.
    return replace(estimate, error=estimate.value / accepted**0.5), accepted
