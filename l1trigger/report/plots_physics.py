"""Pictures of scores: ROC, efficiencies, rates, distributions, turn-on."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from l1trigger.data.titles import SIGNAL_TITLES
from l1trigger.figures import Level
from l1trigger.physics import rates, roc
from l1trigger.physics.baselines import TITLES as BASELINE_TITLES
from l1trigger.physics.measure import MINIMUM_ABOVE, MINIMUM_ABOVE_HIGH, RATES_KHZ
from l1trigger.physics.roc import Scored
from l1trigger.physics.turn_on import EDGES_GEV, MINIMUM_TRIALS, quantities, turn_on_curve
from l1trigger.physics.turn_on import TITLES as QUANTITY_TITLES
from l1trigger.report.measurement import Measurement
from l1trigger.report.model import Picture, Report
from l1trigger.report.style import BASELINE_COLORS, BASELINE_DASHES, BASELINE_STYLE, LEVEL_STYLE, SIGNAL_COLORS
from l1trigger.report.text import number, plain_title
from l1trigger.units import crossing_rate_khz

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Drawn = Iterator[tuple[Picture, Callable[["Axes"], None]]]
LOWEST_FPR = 1e-5
_LEAST_SIGNAL = 3


@dataclass(frozen=True)
class WorkingPoint:
    """Where scores are compared.

    Attributes:
        figure: name of what is compared.
        conditions: that fix its meaning, beside the signal.
        words: the conditions in words.
    """

    figure: str
    conditions: Mapping[str, Any] = field(default_factory=dict)
    words: str = ""


def _math(words: str) -> str:
    """Plain words as matplotlib sets them."""
    return words.replace("pT", "$p_T$").replace("missing ET", "missing $E_T$")


def title(signal: str) -> str:
    """A signal's title in mathtext."""
    return SIGNAL_TITLES.get(signal, signal)


def roc_plots(measured: Measurement) -> Drawn:
    """One ROC per signal, with all levels and baselines."""
    for s in measured.data.signals:
        yield Picture(
            name=f"roc_{s.name}", section="physics", title=f"ROC of {plain_title(title(s.name))}",
            caption=f"Levels {', '.join(measured.levels)}, and baselines on the same hardware integers. Curves end "
            f"where fewer than {MINIMUM_ABOVE_HIGH} background events remain ({MINIMUM_ABOVE} below 10⁻³), "
            f"or {_LEAST_SIGNAL} signal events.",
        ), partial(_roc, measured, s.name)


def _roc(measured: Measurement, signal: str, ax: Axes) -> None:
    background = measured.data.test.name
    low, left = 1.0, 1.0
    for k, (name, samples) in enumerate(measured.baselines.items()):
        x, y = _visible(samples[background], samples[signal])
        ax.plot(x, y, color=BASELINE_COLORS[k % 6], linestyle=BASELINE_DASHES[k % 6],
                label=_math(BASELINE_TITLES.get(name, name)), **BASELINE_STYLE)
    for level, samples in measured.levels.items():
        x, y = _visible(samples[background], samples[signal])
        low = min(low, *y[x >= LOWEST_FPR], 1.0) if len(x) else low
        left = min(left, *x, 1.0)
        ax.plot(x, y, label=level, **LEVEL_STYLE[level])
    ax.set(xscale="log", yscale="log", xlim=(max(left / 3, LOWEST_FPR), 1), ylim=(max(low / 3, 1e-4), 1.4),
           xlabel="false positive rate", ylabel=f"signal efficiency, {title(signal)}")
    if measured.data.zero_bias:
        for khz in RATES_KHZ:
            at = khz / crossing_rate_khz(measured.data.colliding_bunches)
            ax.axvline(at, color="#c8ccd2", linewidth=1.2, zorder=0)
            ax.text(at, 0.02, f" {khz:g} kHz", fontsize=13, color="#80868f", transform=ax.get_xaxis_transform())
    handles, labels = ax.get_legend_handles_labels()
    n = len(measured.baselines)
    ax.legend(handles[n:] + handles[:n], labels[n:] + labels[:n], loc="lower right")


def _visible(background: Scored, signal: Scored) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The ROC where enough background events remain, at no more points than can be seen."""
    fpr, tpr = roc.roc_curve(background.spectrum, signal.spectrum)
    counts = np.append(background.spectrum.events_above[::-1], background.spectrum.events)
    enough = counts >= np.where(fpr < 1e-3, MINIMUM_ABOVE, MINIMUM_ABOVE_HIGH)
    enough &= tpr >= _LEAST_SIGNAL / len(signal.scores)
    fpr, tpr = fpr[enough], tpr[enough]
    picked = np.unique(np.clip(np.searchsorted(fpr, np.geomspace(LOWEST_FPR / 2, 1, 400)), 0, max(len(fpr) - 1, 0)))
    return (fpr[picked], tpr[picked]) if len(fpr) else (fpr, tpr)


def efficiency_bars(report: Report) -> Drawn:
    """Signal efficiency at fixed rates, or at a false positive rate where there are none."""
    if report.zero_bias:
        points = [WorkingPoint("tpr_at_rate", {"rate_khz": r}, f"{r:g} kHz") for r in RATES_KHZ]
    else:
        points = [
            WorkingPoint("tpr", {"false_positive_rate": r}, f"a false positive rate of {number(r)}")
            for r in (1e-2, 1e-3)
        ]
    for at in points:
        if any(f.value is not None for f in report.find(at.figure, None, **at.conditions)):
            (value,) = at.conditions.values()
            yield Picture(
                name=f"{at.figure}_{value:g}".replace(".", "p").replace("-", "m"),
                section="rates" if report.zero_bias else "physics", title=f"Signal efficiency at {at.words}",
                caption="Levels and baselines, 68 % Clopper-Pearson intervals. A cross stands for a figure that is "
                "withheld.",
            ), partial(_bars, report, at)


def _bars(report: Report, at: WorkingPoint, ax: Axes) -> None:
    signals = [s.name for s in report.samples if s.role == "signal"]
    baselines = dict.fromkeys(str(f.conditions["baseline"]) for f in report.figures if "baseline" in f.conditions)
    ends = [report.levels[0], report.levels[-1]] if len(report.levels) > 1 else report.levels
    rows = [(lv, lv, dict[str, Any](), LEVEL_STYLE[lv]["color"]) for lv in ends]
    rows += [(_math(BASELINE_TITLES.get(b, b)), "baseline", {"baseline": b}, BASELINE_COLORS[k % 6])
             for k, b in enumerate(baselines)]
    width = 0.84 / len(rows)
    values: list[float] = []
    for k, (label, level, more, color) in enumerate(rows):
        x = np.arange(len(signals)) - 0.42 + (k + 0.5) * width
        figures = [report.figure(at.figure, level, signal=s, **at.conditions, **more) for s in signals]
        y = np.array([f.value if f and f.value is not None else np.nan for f in figures])
        spans = [f.interval if f and f.interval else (np.nan, np.nan) for f in figures]
        errors = np.abs(np.array(spans).T - y)
        ax.bar(x, y, width * 0.92, color=color, label=label, yerr=errors, error_kw={"elinewidth": 1.2},
               alpha=1.0 if level != "baseline" else 0.55)
        ax.plot(x[np.isnan(y)], np.full(np.isnan(y).sum(), 0.02), "x", transform=ax.get_xaxis_transform(),
                color=color, markersize=7)
        values += [float(v) for v in y if v > 0]
    ax.set_xticks(np.arange(len(signals)), [title(s) for s in signals], fontsize=16)
    ax.tick_params(axis="x", which="both", length=0)
    ax.set(yscale="log", ylim=(max(min(values) / 3, 1e-4), max(values) * 12), ylabel=f"signal efficiency at {at.words}")
    ax.legend(ncols=2, loc="upper left", fontsize=14.5)


def rate_plots(measured: Measurement) -> Drawn:
    """Rate against threshold for zero-bias samples."""
    if measured.data.zero_bias:
        yield Picture(
            name="rate_threshold", section="rates", title="Rate against threshold",
            caption=f"Test background, levels {', '.join(measured.levels)}. Bands: one standard deviation, "
            f"{measured.background(measured.last).groups.method}. Curves end where the rate rests on fewer than 30 "
            "effective events. Dotted: the design's threshold.",
        ), partial(_rate, measured)


def _rate(measured: Measurement, ax: Axes) -> None:
    for level in measured.levels:
        curve = rates.rate_curve(measured.background(level), measured.data.colliding_bunches, points=50)
        rate_band(ax, measured.in_float_units(level, curve.threshold), curve, label=level, **LEVEL_STYLE[level])
    ax.axvline(measured.thresholds.get("float", measured.thresholds[measured.last]), color="black", linestyle=":",
               linewidth=1.5)
    ax.set(yscale="log", xlabel="threshold, in units of the float score", ylabel="rate [kHz]")
    ax.legend(loc="upper right")


def rate_band(ax: Axes, x: NDArray[np.float64], curve: rates.RateCurve, **look: Any) -> None:
    """Draws rates against thresholds, with a band of one standard deviation.

    Args:
        ax: to draw on.
        x: the curve's thresholds in the units of the axis.
        curve: the rates.
        look: of the line, its colour at least.
    """
    ax.plot(x, curve.khz, **look)
    ax.fill_between(x, np.maximum(curve.khz - curve.error_khz, 1e-3), curve.khz + curve.error_khz,
                    color=look["color"], alpha=0.25, linewidth=0)


def shift_plots(measured: Measurement) -> Drawn:
    """How far the rate of each level is from the float one at equal thresholds."""
    if measured.data.zero_bias and "float" in measured.levels and len(measured.levels) > 1:
        yield Picture(
            name="rate_shift", section="rates", title="Rate shift at fixed threshold",
            caption="Difference to the float rate, relative to it, when both cut at the same threshold in units of "
            "the float score. Bands: one standard deviation of the paired difference. Dotted: the design's threshold.",
        ), partial(_shift, measured)


def _shift(measured: Measurement, ax: Axes) -> None:
    reference, bunches = measured.background("float"), measured.data.colliding_bunches
    bounds = [0.0]
    for level in list(measured.levels)[1:]:
        # Thresholds that the level can have: a quantized score knows no others.
        other = measured.background(level)
        own = rates.rate_curve(other, bunches, points=30).threshold
        shifts = [
            rates.rate_shift((reference, other), (float(a), float(b)), bunches)
            for a, b in zip(measured.in_float_units(level, own), own, strict=True)
        ]
        shifts = [s for s in shifts if s.reason is None]
        x = np.array([s.reference.khz for s in shifts])
        y, e = (np.array([getattr(s, k) for s in shifts]) / x * 100 for k in ("khz", "error_khz"))
        look = LEVEL_STYLE[level]
        ax.plot(x, y, label=f"{level} $-$ float", **look)
        bounds.append(float(np.percentile(np.abs(y) + e, 85)) if len(y) else 0.0)
        ax.fill_between(x, y - e, y + e, color=look["color"], alpha=0.2, linewidth=0)
    ax.axhline(0, color="black", linewidth=1)
    at = rates.rate(reference, measured.thresholds["float"], bunches)
    ax.axvline(at.khz, color="black", linestyle=":", linewidth=1.5)
    bound = 1.5 * max(2.0, *bounds)
    ax.set(xscale="log", xlabel="rate of the float level [kHz]", ylabel="rate shift [%]", ylim=(-bound, bound))
    ax.legend(loc="upper right")


def score_plots(measured: Measurement) -> Drawn:
    """Distributions of the score per level."""
    seen: list[Level] = []
    for level in reversed(list(measured.levels)):
        # A level that a later one equals event by event has the same picture.
        if not any(_equal(measured, level, later) for later in seen):
            seen.insert(0, level)
    for level in seen:
        yield Picture(
            name=f"scores_{level}", section="fidelity", title=f"Scores at level {level}",
            caption="Test background (filled, by event weight) and signals, each normalized to one. Dotted: the "
            "design's threshold.",
        ), partial(_scores, measured, level)


def _equal(measured: Measurement, a: Level, b: Level) -> bool:
    return all(np.array_equal(s.scores, measured.levels[b][n].scores) for n, s in measured.levels[a].items())


def _scores(measured: Measurement, level: Level, ax: Axes) -> None:
    samples = measured.levels[level]
    background = samples[measured.data.test.name]
    every = np.concatenate([s.scores for s in samples.values()])
    edges = _edges(every, 60)
    kwargs: dict[str, Any] = {"bins": edges}
    ax.hist(_inside(background.scores, edges), weights=background.groups.weight, color="#d9dce1",
            label="background", **kwargs)
    for s, color in zip(measured.data.signals, SIGNAL_COLORS, strict=False):
        one = samples[s.name]
        ax.hist(_inside(one.scores, edges), weights=one.groups.weight, histtype="step", linewidth=2.2, color=color,
                label=title(s.name), **kwargs)
    ax.axvline(measured.thresholds[level], color="black", linestyle=":", linewidth=1.5)
    ax.set(yscale="log", ylim=(1e-6, 30), xlim=(edges[0], edges[-1]), xlabel=f"score, level {level}",
           ylabel="fraction of events")
    ax.legend(loc="upper right", ncols=2)


def _edges(values: NDArray[np.float64], bins: int) -> NDArray[np.float64]:
    """Bin edges over nearly all values; no finer than the step of a quantized score."""
    low, high = np.percentile(values, [0.01, 99.95])
    steps = np.unique(values)
    step = float(np.min(np.diff(steps))) if len(steps) > 1 else 1.0
    width = max(float(high - low) / bins, 1e-9)
    if len(steps) < 5000:
        width = max(round(width / step), 1) * step
        low = low - step / 2
    return np.asarray(low + width * np.arange(int(np.ceil((high - low) / width)) + 2))


def _inside(values: NDArray[np.float64], edges: NDArray[np.float64]) -> NDArray[np.float64]:
    """What lies outside counts into the first and last bin."""
    half = 0.5 * (edges[1] - edges[0])
    return np.clip(values, edges[0] + half, edges[-1] - half)


def correlation_plots(measured: Measurement) -> Drawn:
    """The last level's score against the float score."""
    if "float" in measured.levels and measured.last != "float":
        yield Picture(
            name=f"float_{measured.last}", section="fidelity", title=f"Scores of float and {measured.last}",
            caption="Test background by event weight, with the line on which both are equal. Dotted: the design's "
            "threshold.",
        ), partial(_correlation, measured)


def _correlation(measured: Measurement, ax: Axes) -> None:
    from matplotlib.colors import LogNorm

    a, b = measured.background("float"), measured.background(measured.last)
    translated = measured.in_float_units(measured.last, b.scores)
    ex, ey = _edges(a.scores, 90), _edges(translated, 90)
    counts, _, _ = np.histogram2d(_inside(a.scores, ex), _inside(translated, ey), (ex, ey), weights=a.groups.weight)
    shown = np.ma.masked_less_equal(counts.T, 0)
    mesh = ax.pcolormesh(ex, ey, shown, norm=LogNorm(vmin=max(float(shown.min()), 1e-7)), cmap="viridis",
                         rasterized=True)
    bar = ax.figure.colorbar(mesh, ax=ax, pad=0.01)
    bar.set_label("fraction of crossings" if measured.data.zero_bias else "fraction of events", loc="top")
    both = max(ex[0], ey[0]), min(ex[-1], ey[-1])
    ax.plot(both, both, color="#e42536", linewidth=1.5)
    ax.axvline(measured.thresholds["float"], color="black", linestyle=":", linewidth=1.5)
    ax.axhline(measured.thresholds["float"], color="black", linestyle=":", linewidth=1.5)
    ax.set(xlabel="float score", ylabel=f"{measured.last} score, in units of the float score",
           xlim=(ex[0], ex[-1]), ylim=(ey[0], ey[-1]))


def turn_on_plots(measured: Measurement) -> Drawn:
    """Efficiency of the decision against what an analysis would cut on."""
    names = list(quantities(measured.data.test))
    for name in names:
        yield Picture(
            name=f"turn_on_{name}", section="turn_on", title=f"Turn-on in the {QUANTITY_TITLES[name]}",
            caption=f"Decision bit of level {measured.last} on each signal; the quantity is made from the trigger "
            "objects themselves and stands in for an offline selection. 68 % Clopper-Pearson intervals; the last bin "
            f"holds everything above; bins of fewer than {MINIMUM_TRIALS} events are left out.",
        ), partial(_turn_on, measured, name)


def _turn_on(measured: Measurement, name: str, ax: Axes) -> None:
    edges = EDGES_GEV[name]
    centres, half = 0.5 * (edges[1:] + edges[:-1]), 0.5 * np.diff(edges)
    for s, color in zip(measured.data.signals, SIGNAL_COLORS, strict=False):
        curve = turn_on_curve(measured.accepts[s.name], quantities(s)[name], s, edges)
        enough = curve.trials >= MINIMUM_TRIALS
        errors = np.maximum([curve.efficiency - curve.low, curve.high - curve.efficiency], 0)[:, enough]
        ax.errorbar(centres[enough], curve.efficiency[enough], errors, half[enough], fmt="o", markersize=5, color=color,
                    elinewidth=1.6, label=title(s.name))
    ax.axhline(1, color="#c8ccd2", linewidth=1.2, zorder=0)
    ax.set(xlim=(edges[0], edges[-1]), ylim=(0, 1.4), xlabel=f"{_math(QUANTITY_TITLES[name])} [GeV]",
           ylabel="trigger efficiency")
    ax.legend(loc="upper left", ncols=2)
