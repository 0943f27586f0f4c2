"""Energy response and resolution against the true energy, and efficiency at fixed purity.

| name | value | conditions |
| --- | --- | --- |
| ``response`` | median of measured over true energy | sample; true_energy_gev of a bin, or ``all`` |
| ``resolution`` | half the central 68.27 % of measured over true energy, divided by its median | the same |
| ``resolution_stochastic`` | a of a/sqrt(E) + b/E + c, added in quadrature [sqrt(GeV)] | sample, bins |
| ``resolution_noise`` | b [GeV] | sample, bins |
| ``resolution_constant`` | c | sample, bins |
| ``resolution_ratio`` | resolution of this level over that of float, on the same events | sample |
| ``resolution_ratio_to_best_baseline`` | resolution of this level over that of the best baseline, likewise | sample, |
| | | best_baseline, best_baseline_value |
| ``auc_ratio`` | AUC of this level over that of float | signal |
| ``efficiency_at_purity`` | largest true positive rate with at least this purity, both classes equally | signal, |
| | abundant | purity, threshold |

Medians and quantiles do not care for tails, which pions have in plenty. Errors come from bootstrapping events.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from l1trigger.data.events import DataSet, Events
from l1trigger.figures import Estimate, Figure, FigureMaker
from l1trigger.physics import roc
from l1trigger.physics.roc import ONE_SIGMA, Scored

PURITIES = (0.9, 0.95, 0.99)
BINS = 9
MINIMUM_EVENTS = 20
"""Events that a bin needs for a resolution."""
_DRAWS = 200
_NOTHING = 1e-3
"""Size of a term, as a fraction of what the lowest bin has, below which it counts as zero."""
_METHOD = f"bootstrap of events, {_DRAWS} draws, 68.27 %"
_TAIL = (1 - ONE_SIGMA) / 2

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Spread:
    """Response and resolution of some events.

    Attributes:
        events: how many.
        energy: their mean true energy [GeV].
        response, resolution: with errors; NaN for fewer than ``MINIMUM_EVENTS``.
    """

    events: int
    energy: float
    response: Estimate
    resolution: Estimate


def spread(measured: Array, true: Array) -> Spread:
    """Response and resolution of events with measured and true energies [GeV], both (events,)."""
    n = len(true)
    if n < MINIMUM_EVENTS:
        nothing = Estimate(float("nan"), float("nan"), f"{n} events; {MINIMUM_EVENTS} are needed")
        return Spread(n, float(true.mean()) if n else float("nan"), nothing, nothing)
    ratio = measured / true
    drawn = ratio[np.random.default_rng(n).integers(0, n, (_DRAWS, n))]
    middle, width = _middle_and_width(ratio[None])
    middles, widths = _middle_and_width(drawn)
    return Spread(
        n, float(true.mean()), Estimate(float(middle[0]), float(middles.std(ddof=1)), _METHOD),
        Estimate(float(width[0]), float(widths.std(ddof=1)), _METHOD),
    )


def _middle_and_width(ratio: Array) -> tuple[Array, Array]:
    """Median, and half the central 68.27 % divided by it, of each row."""
    low, middle, high = np.quantile(ratio, [_TAIL, 0.5, 1 - _TAIL], axis=1)
    with np.errstate(divide="ignore", invalid="ignore"):  # no figure is made of what is not finite
        return middle, (high - low) / 2 / middle


def edges(true: Array) -> Array:
    """Bin edges [GeV] that divide the range of true energies evenly."""
    return np.linspace(np.floor(true.min()), np.ceil(true.max()), BINS + 1)


def in_bins(measured: Array, true: Array, edge: Array) -> list[Spread]:
    """Response and resolution in bins of the true energy."""
    which = np.clip(np.digitize(true, edge) - 1, 0, len(edge) - 2)
    return [spread(measured[which == i], true[which == i]) for i in range(len(edge) - 1)]


@dataclass(frozen=True)
class Resolution:
    """The curve sigma/E = a/sqrt(E) + b/E + c, added in quadrature, fitted to bins.

    Attributes:
        a, b, c: in sqrt(GeV), GeV and 1; with errors, which are NaN for terms that came out as zero.
        chi2, degrees: of the fit.
    """

    a: Estimate
    b: Estimate
    c: Estimate
    chi2: float
    degrees: int

    def __call__(self, energy: Array) -> Array:
        """Resolution at energies [GeV]."""
        return _curve(energy, self.a.value, self.b.value, self.c.value)


def _curve(energy: Array, a: float, b: float, c: float) -> Array:
    return np.asarray(np.sqrt(a**2 / energy + b**2 / energy**2 + c**2), np.float64)


def fit(bins: list[Spread]) -> Resolution | None:
    """The curve through bins by least squares with errors; None for fewer than four usable bins.

    A term that the fit drives to zero is left out and the others are fitted again: at the edge of what is possible
    no error can be given.
    """
    from scipy.optimize import curve_fit

    # An untrained network may give negative energies, whose width has no sense relative to them.
    good = [s for s in bins if np.isfinite(s.resolution.value) and min(s.resolution.value, s.resolution.error) > 0]
    if len(good) < 4:
        return None
    energy = np.array([s.energy for s in good])
    value, error = np.array([(s.resolution.value, s.resolution.error) for s in good]).T
    scale = np.array([value[0] * energy[0] ** 0.5, value[0] * energy[0], value[0]])
    free, best, errors = [0, 1, 2], np.zeros(3), np.zeros(3)
    while free:
        def some(e: Array, *terms: float, free: tuple[int, ...] = tuple(free)) -> Array:
            every = np.zeros(3)
            every[list(free)] = terms
            return _curve(e, *every)

        best[:], errors[:] = 0.0, 0.0
        best[free], covariance = curve_fit(
            some, energy, value, scale[free] / 2, error, absolute_sigma=True, bounds=(0, np.inf), max_nfev=20_000
        )
        errors[free] = np.sqrt(np.diag(covariance))
        gone = [i for i in free if best[i] < _NOTHING * scale[i]]
        if not gone:
            break
        free.remove(min(gone, key=lambda i: best[i] / scale[i]))
    chi2 = float((((value - _curve(energy, *best)) / error) ** 2).sum())
    degrees = len(good) - len(free)
    method = f"least squares over {len(good)} bins, chi2 {chi2:.1f} for {degrees} degrees of freedom"
    a, b, c = (
        Estimate(float(v), float(e) if i in free else float("nan"), method)
        for i, (v, e) in enumerate(zip(best, errors, strict=True))
    )
    return Resolution(a, b, c, chi2, degrees)


def true_energy(events: Events) -> Array | None:
    """True energies [GeV] of a sample; None where it has none."""
    return events.truth.get("energy")


def response_figures(energies: Mapping[str, Array], data: DataSet, make: FigureMaker) -> list[Figure]:
    """What one level's energies are worth.

    Args:
        energies: sample name to measured energies [GeV], as many as the sample has events.
        data: the events, with true energies.
        make: of the level.
    """
    figures = []
    for sample in data.evaluated:
        true = true_energy(sample)
        if true is None or sample.name not in energies:
            continue
        measured, edge = energies[sample.name], edges(true)
        bins = in_bins(measured, true, edge)
        wheres = [("all", spread(measured, true)), *(
            (f"{low:g}-{high:g}", s) for low, high, s in zip(edge[:-1], edge[1:], bins, strict=True)
        )]
        for where, s in wheres:
            few = f"{s.events} events; {MINIMUM_EVENTS} are needed"
            at: dict[str, str | float | int] = {"sample": sample.name, "true_energy_gev": where, "events": s.events}
            figures += [make("response", s.response, few, conditions=at),
                        make("resolution", s.resolution, few, conditions=at)]
        figures += _fit_figures(fit(bins), sample.name, make)
    return figures


def _fit_figures(curve: Resolution | None, sample: str, make: FigureMaker) -> list[Figure]:
    few = "fewer than four bins have a resolution"
    names = ("resolution_stochastic", "resolution_noise", "resolution_constant")
    terms = (None, None, None) if curve is None else (curve.a, curve.b, curve.c)
    return [make(name, term, few, sample=sample) for name, term in zip(names, terms, strict=True)]


def ratio_figures(
    reference: Mapping[str, Array], other: Mapping[str, Array], data: DataSet, make: FigureMaker
) -> list[Figure]:
    """Resolution of a level over that of the float level, on the same events; errors from common bootstrap draws.

    Args:
        reference: sample name to energies [GeV] of the float level.
        other: of the level.
        data: the events, with true energies.
        make: of the level.
    """
    return [
        make("resolution_ratio", _ratio(reference[name], other[name], true), _few(true), sample=name)
        for name, true in _with_truth(data, other)
    ]


def baseline_ratio_figures(
    baselines: Mapping[str, Mapping[str, Array]], level: Mapping[str, Array], data: DataSet, make: FigureMaker
) -> list[Figure]:
    """Resolution of a level over that of the baseline whose resolution is best, likewise.

    Args:
        baselines: name, then sample name, to energies [GeV]; at least one.
        level: sample name to energies [GeV].
        data: the events, with true energies.
        make: of the level.
    """
    figures = []
    for name, true in _with_truth(data, level):
        widths = {b: float(_middle_and_width((e[name] / true)[None])[1][0]) for b, e in baselines.items()}
        best = min(widths, key=lambda b: np.nan_to_num(widths[b], nan=np.inf))
        figures.append(make(
            "resolution_ratio_to_best_baseline", _ratio(baselines[best][name], level[name], true), _few(true),
            sample=name, best_baseline=best, best_baseline_value=widths[best],
        ))
    return figures


def _with_truth(data: DataSet, energies: Mapping[str, Array]) -> list[tuple[str, Array]]:
    """Names and true energies [GeV] of the samples that have them."""
    pairs = [(e.name, true_energy(e)) for e in data.evaluated]
    return [(name, true) for name, true in pairs if true is not None and name in energies]


def _few(true: Array) -> str:
    return f"{len(true)} events; {MINIMUM_EVENTS} are needed"


def _ratio(reference: Array, other: Array, true: Array) -> Estimate | None:
    """Resolution of the second measured energies over that of the first; None for too few events."""
    n = len(true)
    if n < MINIMUM_EVENTS:
        return None
    ratios = np.stack([reference / true, other / true])
    draws = np.random.default_rng(n).integers(0, n, (_DRAWS, n))
    widths = [_middle_and_width(r[draws])[1] for r in ratios]
    whole = _middle_and_width(ratios)[1]
    return Estimate(float(whole[1] / whole[0]), float((widths[1] / widths[0]).std(ddof=1)), _METHOD)


def auc_ratio_figures(
    reference: Mapping[str, Scored], other: Mapping[str, Scored], data: DataSet, make: FigureMaker
) -> list[Figure]:
    """AUC of a level over that of the float level."""
    out, background = [], data.test.name
    for s in data.signals:
        areas = [roc.auc(level[background], level[s.name]).value for level in (reference, other)]
        out.append(make("auc_ratio", areas[1] / areas[0] if areas[0] else None, "the AUC is 0", signal=s.name))
    return out


def purity_figures(samples: Mapping[str, Scored], data: DataSet, make: FigureMaker) -> list[Figure]:
    """The largest efficiency at which a selection is still this pure, with as many background as signal events."""
    background, figures = samples[data.test.name].spectrum, []
    for s in data.signals:
        signal = samples[s.name].spectrum
        thresholds = np.append(-np.inf, signal.values)
        tpr, fpr = signal.fraction_above(thresholds), background.fraction_above(thresholds)
        with np.errstate(invalid="ignore"):
            pure = tpr / (tpr + fpr)
        for wanted in PURITIES:
            good = np.flatnonzero(pure >= wanted)
            at: dict[str, str | float | int] = {"signal": s.name, "purity": wanted}
            if not len(good):
                figures.append(make("efficiency_at_purity", None, "no threshold gives this purity", conditions=at))
                continue
            threshold = float(thresholds[good[np.argmax(tpr[good])]])
            e = roc.true_positive_rate(samples[s.name], threshold)
            figures.append(make("efficiency_at_purity", e.value, interval=(e.low, e.high), method=roc.INTERVAL_METHOD,
                                conditions=at, threshold=threshold if np.isfinite(threshold) else "none"))
    return figures
