"""What is in a sample of clusters, in numbers and in a picture: the two classes beside each other."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from l1trigger.data import hits
from l1trigger.data.events import Events

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure as Canvas

_CLASSES = (
    ("e/gamma", r"e/$\gamma$", "C0"), ("pions", r"$\pi^\pm$", "C1"), ("neutral pions", r"$\pi^0$", "C2"),
    ("muons", r"$\mu$", "C3"),
)
_EGAMMA, _PIONS = (name for name, _, _ in _CLASSES[:2])
_BY_PDG = {111: "neutral pions", 13: "muons"}
_WHOLE = "clusters"


def by_class(events: Events) -> dict[str, Events]:
    """The clusters of each class; all of them under one name where the class is not known."""
    label = events.truth.get("label")
    if label is None:
        return {_WHOLE: events}
    kind = np.where(label == 1, _EGAMMA, _PIONS).astype(object)
    for code, name in _BY_PDG.items():
        kind[events.truth.get("pdg", np.zeros(len(kind))) == code] = name
    return {name: events.select(kind == name) for name, _, _ in _CLASSES if (kind == name).any()}


def cluster_summary(events: Events) -> dict[str, dict[str, float]]:
    """Numbers of hits, energies, depth and response of each class."""
    return {name: _numbers(e) for name, e in by_class(events).items()}


def _numbers(e: Events) -> dict[str, float]:
    count = (e.inputs[..., 3] > 0).sum(axis=1)
    total = hits.total_gev(e.inputs)
    numbers = {
        "mean number of hits": count.mean(), "share without a free place":
        (count == e.inputs.shape[1]).mean(), "mean energy of a hit [GeV]": total.sum() / max(count.sum(), 1),
        "largest energy of a hit [GeV]": e.inputs[..., 3].max() * hits.ENERGY_GEV,
        "mean sum of hits [GeV]": total.mean(), "mean depth (layers)": hits.mean_layer(e.inputs)[count > 0].mean(),
    }
    if "energy" in e.truth:
        ratio = total / e.truth["energy"]
        numbers |= {
            "mean true energy [GeV]": e.truth["energy"].mean(), "mean sum of hits over true energy": ratio.mean(),
            "its standard deviation": ratio.std(),
        }
    return {"clusters": len(e), **{name: float(f"{value:.4g}") for name, value in numbers.items()}}


def draw_clusters(canvas: Canvas, events: Events) -> None:
    """Hits per cluster, their energies, depth and place, and the sum of hits against the true energy."""
    axes = canvas.subplots(2, 3).ravel()
    styles = {name: {"color": color, "label": title} for name, title, color in _CLASSES}
    styles[_WHOLE] = {"color": "black", "label": "clusters"}
    for name, e in by_class(events).items():
        _draw_class(axes, e, styles[name])
    axes[0].set(xlabel="hits per cluster", ylabel="share of clusters")
    axes[1].set(xlabel="energy of a hit [GeV]", ylabel="hits / cluster / GeV", xscale="log", yscale="log")
    axes[2].set(xlabel="layer", ylabel="mean energy / cluster [GeV]")
    axes[3].set(xlabel="distance of a hit from the centre [cells]", ylabel="mean energy / cluster [GeV]", yscale="log")
    axes[4].set(xlabel="energy-weighted layer", ylabel="share of clusters")
    axes[5].set(xlabel="true energy [GeV]", ylabel="sum of hits / true energy")
    if "energy" not in events.truth:
        axes[5].set(xlabel="sum of hits [GeV]", ylabel="share of clusters")
    for ax in axes:
        _, labels = ax.get_legend_handles_labels()
        if labels:
            ax.legend()


def _draw_class(axes: NDArray[Any], e: Events, style: dict[str, str]) -> None:
    n = max(len(e), 1)
    units = e.inputs[..., 3]
    there = units > 0
    x, y, layer, energy = (e.inputs[..., i][there].astype(np.float64) for i in range(4))
    energy *= hits.ENERGY_GEV
    _share(axes[0], there.sum(axis=1), np.arange(-0.5, e.inputs.shape[1] + 4, 4), style)
    edges = (np.unique(np.rint(np.geomspace(1, hits.MAX_ENERGY + 1, 40))) - 0.5) * hits.ENERGY_GEV
    axes[1].stairs(np.histogram(energy, edges)[0] / n / np.diff(edges), edges, **style, linewidth=2)
    edges = np.arange(-0.5, hits.LAYERS)
    axes[2].stairs(np.histogram(layer, edges, weights=energy)[0] / n, edges, **style, linewidth=2)
    edges = np.arange(-0.5, 26)
    axes[3].stairs(np.histogram(np.hypot(x, y), edges, weights=energy)[0] / n, edges, **style, linewidth=2)
    _share(axes[4], hits.mean_layer(e.inputs), np.linspace(0, hits.LAYERS, 51), style)
    if "energy" in e.truth:
        _response(axes[5], e.truth["energy"], hits.total_gev(e.inputs), style)
    else:
        total = hits.total_gev(e.inputs)
        _share(axes[5], total, np.linspace(0, max(float(total.max(initial=0)), 1), 51), style)


def _share(ax: Axes, values: NDArray[Any], edges: NDArray[Any], style: dict[str, Any]) -> None:
    """Share of clusters per bin; what lies outside is in the outermost bins."""
    inside = np.clip(values, edges[0], np.nextafter(edges[-1], edges[0]))
    ax.stairs(np.histogram(inside, edges)[0] / max(len(values), 1), edges, **style, linewidth=2)


def _response(ax: Axes, true: NDArray[np.float64], total: NDArray[np.float64], style: dict[str, Any]) -> None:
    """Every cluster as a point; median in slices of true energy, with the band that holds the middle 68 %."""
    ax.plot(true, total / true, ".", markersize=1.5, alpha=0.25, color=style["color"], rasterized=True)
    edges = np.linspace(true.min(), true.max() * (1 + 1e-9), 10)
    slot = np.digitize(true, edges) - 1
    filled = [i for i in range(len(edges) - 1) if (slot == i).sum() > 1]
    bands = np.array([np.quantile((total / true)[slot == i], [0.5, 0.16, 0.84]) for i in filled]).reshape(-1, 3)
    middle = np.array([true[slot == i].mean() for i in filled])
    bars = np.abs(bands[:, 1:] - bands[:, :1]).T
    ax.errorbar(middle, bands[:, 0], bars, fmt="o", capsize=3, **style)
