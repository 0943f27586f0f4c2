"""Receiver operating characteristics of weighted samples, and efficiencies with their intervals.

An event is accepted when its score is **greater** than the threshold, in all levels and in firmware. Quantized scores
tie a lot; a threshold for a wanted false positive rate is the lowest score value that keeps the achieved rate at or
below the wanted one, so the same scores always give the same threshold.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import beta, norm

from l1trigger.data.events import Events
from l1trigger.figures import Estimate
from l1trigger.physics.estimate import Groups

ONE_SIGMA = float(norm.cdf(1) - norm.cdf(-1))
"""Coverage of one standard deviation, 0.6827."""

INTERVAL_METHOD = "Clopper-Pearson 68.27 %, threshold held fixed"

_ROUNDING = 1e-9
"""Relative tolerance on a wanted fraction: sums of 10^5 weights round by less."""


@dataclass(frozen=True)
class Spectrum:
    """A weighted sample of scores, sorted once.

    Attributes:
        values: distinct scores, rising.
        at, above: fraction of the weight at and above each value.
        events_above: number of events above each value.
        events: number of events.
    """

    values: NDArray[np.float64]
    at: NDArray[np.float64]
    above: NDArray[np.float64]
    events_above: NDArray[np.int64]
    events: int

    @classmethod
    def of(
        cls, scores: NDArray[Any], weight: NDArray[np.float64], counts: NDArray[np.int64] | None = None
    ) -> Spectrum:
        """Sorts scores (events,) with weights (events,).

        Args:
            scores: of events, or of entries that stand for several events with the same score.
            weight: of each.
            counts: events that each stands for; None for one each.

        Raises:
            ValueError: shapes differ, the sample is empty, or a score is not finite.
        """
        if scores.shape != weight.shape or not len(scores):
            raise ValueError(f"scores {scores.shape} and weights {weight.shape} do not fit, or are empty")
        if not np.isfinite(scores).all():
            raise ValueError("a score is not a finite number")
        values, inverse = np.unique(scores, return_inverse=True)
        number = np.bincount(inverse, counts, len(values)).astype(np.int64)
        at = np.asarray(np.bincount(inverse, weight / weight.sum(), len(values)), np.float64)
        # Summed from the top, so that small tails do not drown in the rounding of the bulk.
        above = np.append(np.cumsum(at[:0:-1])[::-1], 0.0)
        events = np.append(np.cumsum(number[:0:-1])[::-1], 0)
        return cls(values.astype(np.float64), at, above, events.astype(np.int64), int(number.sum()))

    def fraction_above(self, thresholds: NDArray[np.float64] | float) -> NDArray[np.float64]:
        """Fraction of the weight with a score greater than each threshold."""
        k = np.searchsorted(self.values, thresholds, side="right")
        return np.asarray(np.append(np.minimum(self.above + self.at, 1.0), 0.0)[k], np.float64)

    def count_above(self, threshold: float) -> int:
        """Number of events with a score greater than the threshold."""
        k = int(np.searchsorted(self.values, threshold, side="right"))
        return int(self.events_above[k - 1]) if k else self.events

    def threshold(self, fraction: float) -> float:
        """The lowest score value from which on at most this fraction of the weight lies above.

        With negative weights the fraction may rise again with the score; it does not from this value on.
        """
        fits = np.maximum.accumulate(self.above[::-1])[::-1] <= fraction * (1 + _ROUNDING)
        return float(self.values[int(np.argmax(fits))])

    def placement(self, scores: NDArray[Any]) -> NDArray[np.float64]:
        """Fraction of this sample below each score, ties counted half."""
        below = np.append(0.0, np.cumsum(self.at))
        low = below[np.searchsorted(self.values, scores, side="left")]
        high = below[np.searchsorted(self.values, scores, side="right")]
        return np.asarray(0.5 * (low + high), np.float64)


@dataclass(frozen=True)
class Scored:
    """Scores of one sample, with what is needed for errors.

    Attributes:
        scores: (events,).
        groups: independent groups of the events.
        spectrum: the scores, sorted.
    """

    scores: NDArray[np.float64]
    groups: Groups
    spectrum: Spectrum

    @classmethod
    def of(cls, scores: NDArray[Any], events: Events, by_block: bool = True) -> Scored:
        """Joins scores with the events that they belong to; see ``aligned`` and ``Groups.of``."""
        groups = Groups.of(aligned(events, len(scores)), by_block)
        return cls(scores.astype(np.float64), groups, Spectrum.of(scores, groups.weight))


@dataclass(frozen=True)
class Efficiency:
    """A fraction of accepted events with its binomial interval.

    Attributes:
        value, low, high: the fraction and its 68.27 % interval.
        trials: independent events behind it; less than the number of events when they are weighted or share rows.
    """

    value: float
    low: float
    high: float
    trials: float


def aligned(events: Events, count: int) -> Events:
    """The first ``count`` events; a level may have been computed for fewer than there are.

    Raises:
        ValueError: there are fewer events than scores.
    """
    if count > len(events):
        raise ValueError(f"{count} scores for the {len(events)} events of sample '{events.name}'")
    return events if count == len(events) else events.select(slice(0, count))


def binomial_interval(
    passed: NDArray[np.float64], trials: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Clopper-Pearson interval of 68.27 % (Biometrika 26 (1934) 404); real numbers of effective events are allowed."""
    tail = (1 - ONE_SIGMA) / 2
    with np.errstate(invalid="ignore", divide="ignore"):
        low = np.where(passed > 0, beta.ppf(tail, passed, trials - passed + 1), 0.0)
        high = np.where(passed < trials, beta.ppf(1 - tail, passed + 1, trials - passed), 1.0)
    return np.where(trials > 0, low, 0.0), np.where(trials > 0, high, 1.0)


def efficiency(accept: NDArray[Any], groups: Groups) -> Efficiency:
    """Accepted fraction of a sample, from yes or no, or a probability, for each event.

    The trials behind the interval are the events where they are equal and independent, and otherwise as many as
    reproduce the variance between groups.
    """
    estimate = groups.mean(accept)
    p = min(max(estimate.value, 0.0), 1.0)
    n = float(len(accept))
    if not groups.single or np.ptp(groups.weight) > 1e-9 * groups.weight[0]:
        known = 0 < p < 1 and 0 < estimate.error < float("inf")
        n = max(p * (1 - p) / estimate.error**2 if known else groups.effective_events(), 1.0)
    low, high = binomial_interval(np.array(p * n), np.array(n))
    return Efficiency(p, float(low), float(high), n)


def true_positive_rate(signal: Scored, threshold: float) -> Efficiency:
    """Efficiency of ``score > threshold`` on a signal."""
    return efficiency(signal.scores > threshold, signal.groups)


@dataclass(frozen=True)
class Cut:
    """A threshold that accepts a share of the events right at it, too, so that any false positive rate is met exactly.

    This is the straight line between two points of the ROC, or a prescale on the last step of the score; it takes
    away the handicap of coarse scores at a fixed false positive rate.

    Attributes:
        threshold: events with a greater score are accepted.
        share: of the events at the threshold that is accepted.
    """

    threshold: float
    share: float = 0.0

    @classmethod
    def at(cls, background: Spectrum, false_positive_rate: float) -> Cut:
        """The cut that accepts this fraction of a background."""
        t = background.threshold(false_positive_rate)
        k = int(np.searchsorted(background.values, t))
        left, step = false_positive_rate - float(background.above[k]), float(background.at[k])
        return cls(t, min(max(left / step, 0.0), 1.0) if step > 0 else 0.0)

    def accepted(self, scores: NDArray[np.float64]) -> NDArray[np.float64]:
        """With what probability each event is accepted (events,)."""
        return np.asarray((scores > self.threshold) + self.share * (scores == self.threshold), np.float64)

    def fraction(self, sample: Spectrum) -> float:
        """Fraction of the weight of a sample that is accepted."""
        i = int(np.searchsorted(sample.values, self.threshold))
        tied = float(sample.at[i]) if i < len(sample.values) and sample.values[i] == self.threshold else 0.0
        return float(sample.fraction_above(self.threshold)) + self.share * tied


def interpolated_true_positive_rate(background: Spectrum, signal: Spectrum, false_positive_rate: float) -> float:
    """TPR when events right at the threshold are accepted with the probability that meets the FPR exactly."""
    return Cut.at(background, false_positive_rate).fraction(signal)


def auc(background: Scored, signal: Scored) -> Estimate:
    """Area under the ROC: probability that a signal event scores above a background event, ties counted half.

    The error is DeLong's (Biometrics 44 (1988) 837), with the background's part from its groups.
    """
    s = signal.groups.mean(background.spectrum.placement(signal.scores))
    b = background.groups.mean(1 - signal.spectrum.placement(background.scores))
    return Estimate(s.value, float(np.hypot(s.error, b.error)), f"DeLong, background by {b.method}")


def auc_loss(background: tuple[Scored, Scored], signal: tuple[Scored, Scored]) -> Estimate:
    """AUC of the first level minus that of the second, with the error of the paired difference.

    Args:
        background: the same events at the two levels.
        signal: likewise.
    """
    (b0, b1), (s0, s1) = background, signal
    s = s0.groups.mean(b0.spectrum.placement(s0.scores) - b1.spectrum.placement(s1.scores))
    b = b0.groups.mean(s1.spectrum.placement(b1.scores) - s0.spectrum.placement(b0.scores))
    return Estimate(s.value, float(np.hypot(s.error, b.error)), f"paired DeLong, background by {b.method}")


def roc_curve(background: Spectrum, signal: Spectrum) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """False and true positive rate at every distinct score of the background, from (0, ...) up to (1, 1)."""
    fpr = np.append(background.above[::-1], 1.0)
    tpr = np.append(signal.fraction_above(background.values[::-1]), 1.0)
    return fpr, tpr


def spearman(a: Scored, b: Scored) -> Estimate:
    """Spearman's rank correlation of two levels of the same events, from weighted ranks.

    The rank of an event is the weight below its score plus half the weight at it, which is the usual average rank
    when weights are equal. The error is the scatter of rho over sub-pools, where there are any.
    """
    rank_a, rank_b = a.spectrum.placement(a.scores), b.spectrum.placement(b.scores)
    rho = _correlation(rank_a, rank_b, a.groups.weight)
    if not a.groups.by_block:
        return Estimate(rho, float("nan"), "none: the sample has no disjoint sub-pools")
    parts = []
    for g in range(a.groups.count):
        one = a.groups.ids == g
        parts.append(_correlation(rank_a[one], rank_b[one], a.groups.weight[one]))
    return Estimate(rho, float(np.std(parts, ddof=1) / len(parts) ** 0.5), a.groups.method)


def _correlation(x: NDArray[np.float64], y: NDArray[np.float64], weight: NDArray[np.float64]) -> float:
    w = weight / weight.sum()
    dx, dy = x - (w * x).sum(), y - (w * y).sum()
    variances = float((w * dx**2).sum() * (w * dy**2).sum())  # below 0 only where negative weights prevail
    scale = max(variances, 0.0) ** 0.5
    # Ranks lie between 0 and 1; a constant one scatters by rounding alone.
    return float((w * dx * dy).sum()) / scale if scale > 1e-14 else float("nan")
