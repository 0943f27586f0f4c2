"""Whether a level is better than the best baseline where the design cuts: the same signals at the same rate.

| name | value | conditions |
| --- | --- | --- |
| ``tpr_above_best_baseline`` | true positive rate at the design's threshold minus that of the best baseline at the | |
| | same false positive rate | signal, best_baseline, best_baseline_value, threshold, achieved_false_positive_rate, |
| | | n_eff |
| ``tpr_at_same_rate`` | true positive rate of that baseline there, at level ``baseline`` | signal, baseline, |
| | | achieved_false_positive_rate |

The best baseline is chosen signal by signal on the test events, which flatters the baselines rather than the level. So
does the cut: baselines accept a share of the events at their threshold (see ``roc.Cut``), the level does not.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from l1trigger.data.events import DataSet
from l1trigger.figures import Estimate, Figure, FigureMaker
from l1trigger.physics import rates, roc
from l1trigger.physics.measure import MINIMUM_ABOVE_HIGH
from l1trigger.physics.roc import INTERVAL_METHOD, Cut, Scored

Samples = Mapping[str, Scored]


def tpr_figures(
    level: Samples, baselines: Mapping[str, Samples], data: DataSet, threshold: float,
    maker: Callable[[str], FigureMaker], name: str,
) -> list[Figure]:
    """Both figures of every signal.

    Args:
        level: sample name to scores.
        baselines: name, then sample name, to scores; at least one.
        data: the events.
        threshold: of the design, in units of the level's score.
        maker: makes figures of a level or baseline of a name.
        name: of the level.
    """
    background, make = level[data.test.name], maker(name)
    rate = float(background.spectrum.fraction_above(threshold))
    n_eff = rates.accepted_fraction(background.scores > threshold, background.groups)[1]
    at = {"threshold": threshold, "achieved_false_positive_rate": rate, "n_eff": n_eff}
    reason, figures = _reason(background, threshold, n_eff, data.zero_bias), list[Figure]()
    for s in data.signals:
        if reason:
            figures.append(make("tpr_above_best_baseline", None, reason, signal=s.name, conditions=at))
            continue
        cuts = {b: Cut.at(scores[data.test.name].spectrum, rate) for b, scores in baselines.items()}
        tpr = {b: cut.fraction(baselines[b][s.name].spectrum) for b, cut in cuts.items()}
        best = max(tpr, key=tpr.__getitem__)
        other = baselines[best]
        signal, reference = level[s.name], other[s.name]
        gain = difference((background, other[data.test.name]), (signal, reference), threshold)
        e = roc.efficiency(cuts[best].accepted(reference.scores), reference.groups)
        figures += [
            make("tpr_above_best_baseline", gain, signal=s.name, best_baseline=best, best_baseline_value=tpr[best],
                 conditions=at),
            maker(best)("tpr_at_same_rate", e.value, interval=(e.low, e.high), method=INTERVAL_METHOD, signal=s.name,
                        achieved_false_positive_rate=rate),
        ]
    return figures


def _reason(background: Scored, threshold: float, n_eff: float, zero_bias: bool) -> str | None:
    """Why the design's threshold is no place for a comparison, or None."""
    events = background.spectrum.count_above(threshold)
    if events < MINIMUM_ABOVE_HIGH:
        return f"only {events} background events lie above the design's threshold; {MINIMUM_ABOVE_HIGH} are needed"
    if zero_bias and n_eff < rates.MINIMUM_EVENTS:
        return (f"the design's threshold rests on {n_eff:.3g} effective independent events; {rates.MINIMUM_EVENTS} are "
                "needed")
    return None


def difference(background: tuple[Scored, Scored], signal: tuple[Scored, Scored], threshold: float) -> Estimate:
    """TPR of the first score at a threshold minus that of the second at the same false positive rate.

    The error has two parts, both of paired differences on the same events: of the accepted signal, and of the accepted
    background. The latter says how well it is known that both false positive rates are the same, and moves the second
    score along its ROC, here by the secant over plus and minus that error. The variance of a TPR at a fixed false
    positive rate falls into the same two parts in Hsieh and Turnbull, Ann. Statist. 24 (1996) 25.

    Args:
        background: the same events with the two scores.
        signal: likewise.
        threshold: of the first score.
    """
    spectrum = background[1].spectrum
    rate = float(background[0].spectrum.fraction_above(threshold))
    cuts = Cut(threshold), Cut.at(spectrum, rate)
    accepted_signal, accepted_background = (
        [cut.accepted(s.scores) for cut, s in zip(cuts, samples, strict=True)] for samples in (signal, background)
    )
    gain = signal[0].groups.mean(accepted_signal[0] - accepted_signal[1])
    shift = background[0].groups.mean(accepted_background[0] - accepted_background[1])
    low, high = (
        roc.interpolated_true_positive_rate(spectrum, signal[1].spectrum, min(max(rate + move, 0.0), 1.0))
        for move in (-shift.error, shift.error)
    )
    method = f"paired differences; signal: {gain.method}, equality of the rates: {shift.method}"
    return Estimate(gain.value, float(np.hypot(gain.error, (high - low) / 2)), method)
