"""Pictures of ``l1trigger rate``: rate against threshold at each pile-up, and rate against pile-up."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from l1trigger.physics import rates
from l1trigger.physics.baselines import TITLES as BASELINE_TITLES
from l1trigger.rate.result import RateResult
from l1trigger.report.measurement import Measurement
from l1trigger.report.model import Picture, Report
from l1trigger.report.plots_physics import rate_band
from l1trigger.report.style import BASELINE_COLORS, BASELINE_DASHES, BASELINE_STYLE, SIGNAL_COLORS
from l1trigger.report.text import number

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from l1trigger.figures import Figure

Drawn = Iterator[tuple[Picture, Callable[["Axes"], None]]]


def pileup_plots(measured: Measurement, report: Report) -> Drawn:
    """Both pictures; none where the run has no such rates."""
    result = measured.results.rate
    if result is None:
        return
    fewest = min(int(f.conditions["crossings"]) for f in report.find("rate_at_pileup_khz"))
    yield Picture(
        name="pileup_threshold", section="rates", title="Rate against threshold, by pile-up",
        caption=f"Engine, at least {number(fewest)} crossings each. Bands: one standard deviation from disjoint "
        f"sub-pools. Curves end where the rate rests on fewer than {rates.MINIMUM_EVENTS} effective events. Dashed: "
        "the part that no cut of the menu takes. Dotted: the design's threshold.",
    ), partial(_thresholds, result)
    if len(result.pileups) > 1:
        yield Picture(
            name="rate_pileup", section="rates", title="Rate against pile-up",
            caption="At thresholds that stay as they are: the network, what it takes alone, and the cuts of the menu. "
            "Bars: one standard deviation.",
        ), partial(_pileups, report)


def _thresholds(result: RateResult, ax: Axes) -> None:
    for color, pileup in zip(SIGNAL_COLORS * len(result.pileups), result.pileups, strict=False):
        binned = result.binned(pileup)
        curve = rates.rate_curve(binned.scored, result.colliding_bunches, points=60)
        rate_band(ax, curve.threshold, curve, color=color, linewidth=2.5, label=f"pile-up {pileup:g}")
        pure = [rates.rate(binned.scored, float(t), result.colliding_bunches, binned.pattern == 0)
                for t in curve.threshold]
        known = [r for r in pure if r.reason is None]
        ax.plot([r.threshold for r in known], [r.khz for r in known], color=color, linewidth=1.8, linestyle="--",
                label="no cut takes it" if pileup == list(result.pileups)[-1] else None)
    ax.axvline(result.threshold * result.lsb, color="black", linestyle=":", linewidth=1.5)
    ax.set(yscale="log", xlabel="threshold of the firmware's score", ylabel="rate [kHz]")
    ax.legend(loc="upper right")


def _pileups(report: Report, ax: Axes) -> None:
    _line(ax, report.find("rate_at_pileup_khz"), color=SIGNAL_COLORS[0], linewidth=3, marker="o", label="network")
    _line(ax, report.find("pure_rate_khz"), color=SIGNAL_COLORS[0], linewidth=2, marker="o", linestyle="--",
          markerfacecolor="white", label="network alone")
    for k, cut in enumerate(dict.fromkeys(str(f.conditions["cut"]) for f in report.find("cut_rate_khz"))):
        figures = [f for f in report.find("cut_rate_khz") if f.conditions["cut"] == cut]
        name = BASELINE_TITLES.get(cut, cut).replace("pT", "$p_T$").replace("missing ET", "missing $E_T$")
        _line(ax, figures, color=BASELINE_COLORS[k % 6], linestyle=BASELINE_DASHES[k % 6], label=name,
              **BASELINE_STYLE)
    ax.set(yscale="log", xlabel="pile-up", ylabel="rate [kHz]")
    ax.legend(loc="best")


def _line(ax: Axes, figures: list[Figure], **look: object) -> None:
    known = [f for f in figures if f.value is not None]
    if not known:
        return
    x = [float(f.conditions["pileup"]) for f in known]
    y = np.array([f.value for f in known], np.float64)
    spans = np.array([f.interval or (f.value, f.value) for f in known], np.float64).reshape(-1, 2)
    ax.errorbar(x, y, np.abs(spans.T - y), capsize=2, **look)  # type: ignore[arg-type]
