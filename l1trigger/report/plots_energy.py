"""Pictures of regressed energies: response, resolution with its fit, and distributions, at every level."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from l1trigger.data.events import Events
from l1trigger.data.titles import SIGNAL_TITLES
from l1trigger.physics import response
from l1trigger.physics.baselines import TITLES as BASELINE_TITLES
from l1trigger.report.measurement import Measurement
from l1trigger.report.model import Picture
from l1trigger.report.style import BASELINE_COLORS, BASELINE_DASHES, BASELINE_STYLE, LEVEL_STYLE
from l1trigger.report.text import plain_title

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Drawn = Iterator[tuple[Picture, Callable[["Axes"], None]]]


def energy_plots(measured: Measurement) -> Drawn:
    """Response, resolution and distribution of each sample with true energies."""
    if not measured.energies:
        return
    for sample in measured.data.evaluated:
        if response.true_energy(sample) is None:
            continue
        title = plain_title(SIGNAL_TITLES.get(sample.name, sample.name))
        yield Picture(
            name=f"response_{sample.name}", section="energy", title=f"Response to {title}",
            caption="Median of measured over true energy in bins of the true energy, with its error by bootstrap.",
        ), partial(_response, measured, sample)
        yield Picture(
            name=f"resolution_{sample.name}", section="energy", title=f"Resolution of {title}",
            caption="Half the central 68 % of measured over true energy, divided by its median; the curves are fits of "
            "a/√E ⊕ b/E ⊕ c.",
        ), partial(_resolution, measured, sample)
        yield Picture(
            name=f"energy_ratio_{sample.name}", section="energy", title=f"Measured over true energy, {title}",
            caption="All energies together.",
        ), partial(_ratio, measured, sample)


def _styled(measured: Measurement) -> Iterator[tuple[str, Mapping[str, Any], Mapping[str, NDArray[np.float64]]]]:
    """Label, style and energies of each level and baseline, baselines first so that levels are drawn over them."""
    trivial = [name for name in measured.energies if name not in measured.levels]
    for k, name in enumerate(trivial):
        style = {"color": BASELINE_COLORS[k % 6], "linestyle": BASELINE_DASHES[k % 6], **BASELINE_STYLE}
        yield BASELINE_TITLES.get(name, name), style, measured.energies[name]
    for level in measured.levels:
        if level in measured.energies:
            yield level, LEVEL_STYLE[level], measured.energies[level]


def _bins(measured: Measurement, sample: Events) -> Iterator[tuple[str, Mapping[str, Any], list[response.Spread]]]:
    true = response.true_energy(sample)
    assert true is not None  # energy_plots
    edges = response.edges(true)
    for label, style, energies in _styled(measured):
        yield label, style, response.in_bins(energies[sample.name], true, edges)


def _response(measured: Measurement, sample: Events, ax: Axes) -> None:
    for label, style, bins in _bins(measured, sample):
        x, y, e = _points(bins, "response")
        ax.errorbar(x, y, e, marker="o", markersize=6, capsize=3, label=label, **style)
    ax.axhline(1, color="black", linewidth=1)
    ax.set(xlabel="true energy [GeV]", ylabel="median of measured / true energy")
    _room(ax)


def _resolution(measured: Measurement, sample: Events, ax: Axes) -> None:
    for label, style, bins in _bins(measured, sample):
        x, y, e = _points(bins, "resolution")
        curve = response.fit(bins)
        plain = {k: v for k, v in style.items() if k != "linestyle"}
        ax.errorbar(x, y, e, marker="o", markersize=6, capsize=3, label=label if curve is None else None,
                    **{**plain, "linestyle": "none"})
        if curve is not None:
            fine = np.linspace(x[0], x[-1], 200)
            terms = ", ".join(f"{n} {t.value:.3g}" for n, t in (("a", curve.a), ("b", curve.b), ("c", curve.c)))
            ax.plot(fine, curve(fine), label=f"{label}: {terms}", **style)
    ax.set(xlabel="true energy [GeV]", ylabel="resolution σ(E)/E", ylim=(0, None))
    _room(ax)


def _points(bins: list[response.Spread], what: str) -> tuple[NDArray[np.float64], ...]:
    good = [s for s in bins if np.isfinite(getattr(s, what).value)]
    return (np.array([s.energy for s in good]), np.array([getattr(s, what).value for s in good]),
            np.array([getattr(s, what).error for s in good]))


def _ratio(measured: Measurement, sample: Events, ax: Axes) -> None:
    true = response.true_energy(sample)
    assert true is not None  # energy_plots
    edges = np.linspace(0, 2, 61)
    for label, style, energies in _styled(measured):
        ratio = np.clip(energies[sample.name] / true, edges[0], edges[-1] - 1e-9)
        ax.stairs(np.histogram(ratio, edges)[0] / len(true), edges, label=label, **style)
    ax.set(xlabel="measured / true energy", ylabel="fraction of clusters", xlim=(0, 2))
    _room(ax)


def _room(ax: Axes) -> None:
    """Room for the legend above what is drawn."""
    low, high = ax.get_ylim()
    ax.set_ylim(low, high + 0.45 * (high - low))
    ax.legend(loc="upper right", fontsize=13)
