"""From scores to figures: everything that a report says about physics, under stable names.

A level is accepted where its score is greater than a threshold. Every figure carries its level, its source, what
computed it, and under ``conditions`` whatever else fixes its meaning.

| name | value | conditions |
| --- | --- | --- |
| ``auc`` | area under the ROC against the test background | signal |
| ``mean_auc`` | its plain mean over the signals | signals |
| ``tpr`` | true positive rate at a false positive rate | signal, false_positive_rate, achieved_false_positive_rate, |
| | | threshold, background_events, n_eff |
| ``tpr_interpolated`` | the same, events at the threshold accepted in part to meet it exactly | signal, |
| | | false_positive_rate |
| ``tpr_at_rate`` | true positive rate at a trigger rate | signal, rate_khz, achieved_rate_khz, threshold, n_eff |
| ``threshold_for_rate`` | lowest threshold that does not exceed a rate | rate_khz, achieved_rate_khz, n_eff |
| ``rate_khz`` | rate at the design's threshold [kHz] | threshold, n_eff, colliding_bunches |
| ``false_positive_rate`` | background accepted at the design's threshold | threshold, background_events, n_eff |
| ``tpr_at_threshold`` | signal accepted at the design's threshold | signal, threshold |
| ``spearman_rho`` | rank correlation with the float score on the test background | ranks |
| ``auc_loss`` | AUC of the float level minus that of this level | signal |
| ``mean_auc_loss``, ``worst_auc_loss`` | mean and largest over the signals | signals |
| ``rate_shift_khz`` | rate of this level minus that of float, each at its fixed threshold [kHz] | threshold, |
| | | float_threshold, float_rate_khz |

Baselines give the same figures at level ``baseline`` with the condition ``baseline``. What cannot be measured is a
figure without value, with the reason.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from l1trigger.data.events import DataSet
from l1trigger.figures import Estimate, Figure, FigureMaker
from l1trigger.physics import rates, roc
from l1trigger.physics.roc import INTERVAL_METHOD, Scored

FALSE_POSITIVE_RATES = (1e-2, 1e-3, 1e-4, 1e-5)
RATES_KHZ = (1.0, 10.0, 100.0)

MINIMUM_ABOVE = 100
"""Background events that must remain above threshold at false positive rates below 10^-3."""
MINIMUM_ABOVE_HIGH = 10
"""The same at false positive rates of 10^-3 and more."""

NOT_ZERO_BIAS = "the test background is not a zero-bias sample, so that no rate in kHz follows from it"
NO_THRESHOLD = "the design's threshold does not apply to this score"

Samples = Mapping[str, NDArray[Any]]


def scored(scores: Samples, data: DataSet) -> dict[str, Scored]:
    """Joins the scores of a level with the events of the test background and the signals, by sample name.

    Raises:
        ValueError: a sample has no scores, or more scores than events.
    """
    missing = [e.name for e in data.evaluated if e.name not in scores]
    if missing:
        raise ValueError(f"no scores for {', '.join(missing)}; there are {', '.join(scores)}")
    return {e.name: Scored.of(scores[e.name], e, by_block=e is data.test) for e in data.evaluated}


def level_figures(
    scores: Samples | Mapping[str, Scored],
    data: DataSet,
    make: FigureMaker,
    threshold: float | None = None,
    rates_khz: Sequence[float] = RATES_KHZ,
) -> list[Figure]:
    """What one level, or one baseline, does on its own.

    Args:
        scores: sample name to scores (events,), or what ``scored`` made of them.
        data: the events.
        make: of the level or baseline.
        threshold: of the design, in units of these scores; None where it does not apply.
        rates_khz: rates to measure efficiencies at.
    """
    samples = _samples(scores, data)
    figures = _auc_figures(samples, data, make)
    for wanted in FALSE_POSITIVE_RATES:
        figures += _tpr_figures(samples, data, make, wanted)
    figures += _rate_figures(samples, data, make, rates_khz)
    if threshold is not None:
        figures += _threshold_figures(samples, data, make, threshold)
    return figures


def comparison_figures(
    float_scores: Samples | Mapping[str, Scored],
    other_scores: Samples | Mapping[str, Scored],
    data: DataSet,
    make: FigureMaker,
    thresholds: tuple[float, float] | None = None,
) -> list[Figure]:
    """How faithful a level, or a baseline, is to the float level on the same events.

    Args:
        float_scores: of the reference; sample name to scores (events,), or what ``scored`` made of them.
        other_scores: of the level in question, likewise.
        data: the events.
        make: of the level in question.
        thresholds: the design's threshold in units of the float score and in units of the other score; None where it
            does not apply.
    """
    reference, other = _paired(_samples(float_scores, data), _samples(other_scores, data), data)
    background = (reference[data.test.name], other[data.test.name])
    rho = roc.spearman(*background)
    ranks = "average ranks" if data.test.equally_weighted else "weighted average ranks"
    figures = [make("spearman_rho", rho, "a score is constant", ranks=ranks)]
    losses = {s.name: roc.auc_loss(background, (reference[s.name], other[s.name])) for s in data.signals}
    figures += [make("auc_loss", loss, signal=name) for name, loss in losses.items()]
    values = [loss.value for loss in losses.values()]
    none = None if values else "there is no signal sample"
    figures.append(make("mean_auc_loss", float(np.mean(values)) if values else None, none, signals=len(values)))
    figures.append(make("worst_auc_loss", max(values) if values else None, none, signals=len(values)))
    return figures if thresholds is None else [*figures, _shift_figure(background, data, make, thresholds)]


def _shift_figure(
    background: tuple[Scored, Scored], data: DataSet, make: FigureMaker, thresholds: tuple[float, float]
) -> Figure:
    """By how much the rate at the design's threshold differs from that of the float level."""
    at = {"threshold": thresholds[1], "float_threshold": thresholds[0]}
    if not data.zero_bias:
        return make("rate_shift_khz", None, NOT_ZERO_BIAS, conditions=at)
    shift = rates.rate_shift(background, thresholds, data.colliding_bunches)
    estimate = Estimate(shift.khz, shift.error_khz, f"paired difference, {background[0].groups.method}")
    value = None if shift.reason else estimate
    return make("rate_shift_khz", value, shift.reason, float_rate_khz=shift.reference.khz, conditions=at)


def _samples(scores: Samples | Mapping[str, Scored], data: DataSet) -> dict[str, Scored]:
    ready = {k: v for k, v in scores.items() if isinstance(v, Scored)}
    return ready or scored({k: v for k, v in scores.items() if not isinstance(v, Scored)}, data)


def _paired(
    a: dict[str, Scored], b: dict[str, Scored], data: DataSet
) -> tuple[dict[str, Scored], dict[str, Scored]]:
    """Both levels cut to the events that both have; a C-simulation may have run on fewer."""
    out: tuple[dict[str, Scored], dict[str, Scored]] = ({}, {})
    for events in data.evaluated:
        both = a[events.name], b[events.name]
        n = min(len(s.scores) for s in both)
        for level, one in zip(out, both, strict=True):
            same = len(one.scores) == n
            level[events.name] = one if same else Scored.of(one.scores[:n], events, by_block=events is data.test)
    return out


def _auc_figures(samples: dict[str, Scored], data: DataSet, make: FigureMaker) -> list[Figure]:
    areas = {s.name: roc.auc(samples[data.test.name], samples[s.name]) for s in data.signals}
    figures = [make("auc", area, signal=name) for name, area in areas.items()]
    mean = float(np.mean([a.value for a in areas.values()])) if areas else None
    return [*figures, make("mean_auc", mean, "there is no signal sample", signals=len(areas))]


def _tpr_figures(samples: dict[str, Scored], data: DataSet, make: FigureMaker, wanted: float) -> list[Figure]:
    background = samples[data.test.name]
    threshold = background.spectrum.threshold(wanted)
    events = background.spectrum.count_above(threshold)
    n_eff = rates.accepted_fraction(background.scores > threshold, background.groups)[1]
    least = MINIMUM_ABOVE if wanted < 1e-3 else MINIMUM_ABOVE_HIGH
    reason = None
    if events < least:
        reason = f"only {events} background events lie above the threshold; {least} are needed"
    elif data.zero_bias and wanted < 1e-3 and n_eff < rates.MINIMUM_EVENTS:
        reason = f"the threshold rests on {n_eff:.3g} effective events; {rates.MINIMUM_EVENTS} are needed"
    achieved = float(background.spectrum.fraction_above(threshold))
    figures = []
    for s in data.signals:
        if reason:
            figures += [
                make(name, None, reason, signal=s.name, false_positive_rate=wanted, background_events=events)
                for name in ("tpr", "tpr_interpolated")
            ]
            continue
        e = roc.true_positive_rate(samples[s.name], threshold)
        figures.append(make(
            "tpr", e.value, interval=(e.low, e.high), method=INTERVAL_METHOD, signal=s.name,
            false_positive_rate=wanted, achieved_false_positive_rate=achieved, threshold=threshold,
            background_events=events, n_eff=n_eff,
        ))
        smooth = roc.interpolated_true_positive_rate(background.spectrum, samples[s.name].spectrum, wanted)
        figures.append(make("tpr_interpolated", smooth, signal=s.name, false_positive_rate=wanted))
    return figures


def _rate_figures(
    samples: dict[str, Scored], data: DataSet, make: FigureMaker, rates_khz: Sequence[float]
) -> list[Figure]:
    figures = []
    for wanted in rates_khz:
        if not data.zero_bias:
            figures.append(make("threshold_for_rate", None, NOT_ZERO_BIAS, rate_khz=wanted))
            figures += [
                make("tpr_at_rate", None, NOT_ZERO_BIAS, signal=s.name, rate_khz=wanted) for s in data.signals
            ]
            continue
        r = rates.threshold_for_rate(samples[data.test.name], wanted, data.colliding_bunches)
        known: dict[str, float] = {"rate_khz": wanted, "achieved_rate_khz": r.khz, "n_eff": r.n_eff}
        reason = f"the rate at this threshold {r.reason}" if r.reason else None
        figures.append(make("threshold_for_rate", None if reason else r.threshold, reason, conditions=known))
        for s in data.signals:
            if reason:
                figures.append(make("tpr_at_rate", None, reason, signal=s.name, conditions=known))
                continue
            e = roc.true_positive_rate(samples[s.name], r.threshold)
            figures.append(make(
                "tpr_at_rate", e.value, interval=(e.low, e.high), method=INTERVAL_METHOD, signal=s.name,
                threshold=r.threshold, conditions=known,
            ))
    return figures


def _threshold_figures(
    samples: dict[str, Scored], data: DataSet, make: FigureMaker, threshold: float
) -> list[Figure]:
    background = samples[data.test.name]
    if data.zero_bias:
        r = rates.rate(background, threshold, data.colliding_bunches)
        reason = f"the rate {r.reason}" if r.reason else None
        figures = [make(
            "rate_khz", None if reason else r.khz, reason, interval=r.interval, method=r.method,
            threshold=threshold, n_eff=r.n_eff, colliding_bunches=data.colliding_bunches,
        )]
    else:
        figures = [make("rate_khz", None, NOT_ZERO_BIAS, threshold=threshold)]
    fraction, n_eff = rates.accepted_fraction(background.scores > threshold, background.groups)
    if background.groups.single:
        e = roc.true_positive_rate(background, threshold)
        interval, method = (e.low, e.high), INTERVAL_METHOD
    else:
        interval, method = fraction.interval, fraction.method
    figures.append(make(
        "false_positive_rate", fraction.value, interval=interval, method=method, threshold=threshold,
        background_events=background.spectrum.count_above(threshold), n_eff=n_eff,
    ))
    for s in data.signals:
        e = roc.true_positive_rate(samples[s.name], threshold)
        figures.append(make(
            "tpr_at_threshold", e.value, interval=(e.low, e.high), method=INTERVAL_METHOD, signal=s.name,
            threshold=threshold,
        ))
    return figures
