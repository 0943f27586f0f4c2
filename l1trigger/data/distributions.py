"""The picture of an event file: distributions of what it holds, in the style of CMS figures."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from l1trigger.data.description import REGION_LSB, Description
from l1trigger.data.events import Events
from l1trigger.data.image_summary import draw_images
from l1trigger.data.image_summary import size as image_size
from l1trigger.data.objects import CLASSES, ObjectClass, to_physical
from l1trigger.data.showers.cluster_summary import draw_clusters
from l1trigger.errors import DataError

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure as Canvas

_TITLES = {"met": "missing ET", "egamma": r"e/$\gamma$", "muon": r"$\mu$", "jet": "jets"}
_COLUMNS_SHOWN = 12


def plot(description: Description, path: Path) -> Path:
    """A picture of the distributions in a file; the suffix (png, pdf, svg) tells the format.

    Raises:
        DataError: the picture cannot be written, or there is nothing to draw.
    """
    import mplhep
    from matplotlib import style
    from matplotlib.figure import Figure as Canvas

    settings = {
        "font.size": 15, "figure.constrained_layout.use": True, "legend.fontsize": 14, "lines.linewidth": 2,
        "xaxis.labellocation": "right", "yaxis.labellocation": "top", "axes.labelsize": 16,
    }
    with style.context([mplhep.style.CMS, settings]):
        if description.objects is not None:
            canvas = Canvas(figsize=(18, 10.5))
            _draw_objects(canvas, description.objects)
        elif description.regions is not None:
            canvas = Canvas(figsize=(18, 6.2))
            _draw_regions(canvas, description.regions)
        elif description.clusters is not None:
            canvas = Canvas(figsize=(18, 10.5))
            draw_clusters(canvas, description.clusters)
        elif description.images is not None:
            canvas = Canvas(figsize=image_size(description.images))
            draw_images(canvas, description.images)
        elif description.columns:
            canvas = Canvas(figsize=(18, 3.4 * min(3, -(-len(description.columns) // 4)) + 0.8))
            _draw_columns(canvas, description.columns)
        else:
            raise DataError(description.path, "has no numeric column to draw")
        _label(canvas, description)
        part = path.with_name(path.name + ".part")
        try:
            canvas.savefig(part, format=path.suffix.lstrip(".") or "png", dpi=110)
            part.replace(path)
        except (OSError, ValueError) as e:
            part.unlink(missing_ok=True)
            raise DataError(path, f"could not be written ({e})", "name a .png, .pdf or .svg file") from e
    return path


def _label(canvas: Canvas, d: Description) -> None:
    """Who made it and of what, above the panels."""
    # A file without a card from a generator may well hold recorded collisions.
    simulated = bool({"versions", "approximations", "generator_settings"} & set(d.summary.get("card", {})))
    kind = r" $\it{simulation}$" if simulated else ""
    name = d.summary.get("sample", d.path.name)
    read = d.summary.get("events read", d.summary["events"])
    text = rf"$\bf{{l1trigger}}${kind}"
    canvas.suptitle(f"{text}      {name}: {read:,} events".replace(",", " "), x=0.01, ha="left", fontsize=20)


def _steps(ax: Axes, values: NDArray[Any], weight: NDArray[Any], edges: NDArray[Any], **style: Any) -> None:
    """A histogram per event and unit of x, drawn as steps; what lies outside is in the outermost bins."""
    inside = np.clip(values, edges[0], np.nextafter(edges[-1], edges[0]))
    height, _ = np.histogram(inside, edges, weights=weight)
    ax.stairs(height / np.diff(edges), edges, **({"linewidth": 2} | style))


def _edges(units_per_bin: int, low: int, high: int) -> NDArray[Any]:
    """Bin edges between hardware units, so that each bin holds equally many of them."""
    return np.arange(low, high + units_per_bin, units_per_bin) - 0.5


def _eta_edges(c: ObjectClass, largest: float) -> NDArray[Any]:
    per_bin = round(0.261 / c.lsb[1])
    bins = int(largest / 0.261) + 1
    return _edges(per_bin, -per_bin * bins - per_bin // 2, per_bin * bins + per_bin // 2) * c.lsb[1]


def _phi_edges(c: ObjectClass) -> NDArray[Any]:
    return _edges(c.phi_steps // 24, -c.phi_steps // 2, c.phi_steps // 2) * c.lsb[2]


def _pt_edges(values: NDArray[Any], lsb: float) -> NDArray[Any]:
    """About 50 bins between hardware units, growing with pT, from the smallest to the largest value above zero."""
    whole = np.rint(values[values > 0] / lsb)
    low, high = whole.min(initial=1e9), whole.max(initial=0)
    if high < low:
        low, high = 1, 2
    return (np.unique(np.rint(np.geomspace(low, high + 1, 51))) - 0.5) * lsb


def _spectrum(ax: Axes, edges: NDArray[Any], xlabel: str, ylabel: str) -> None:
    """Labels and scales of a falling spectrum."""
    from matplotlib.ticker import NullFormatter

    ax.set(xlabel=xlabel, ylabel=ylabel)
    if ax.dataLim.y1 > 0:
        ax.set_yscale("log")
    if edges[-1] > 20 * edges[0]:
        ax.set_xscale("log")
        ax.xaxis.set_minor_formatter(NullFormatter())


def _draw_objects(canvas: Canvas, e: Events) -> None:
    axes = canvas.subplots(2, 3)
    physical = to_physical(e.inputs)
    pt = physical[..., 0]
    total = pt[:, 1:].sum(axis=1)
    weight = np.broadcast_to(e.weight[:, None], pt.shape)
    _pt_panel(axes[0, 0], pt, weight)
    for ax, value, title in ((axes[0, 1], pt[:, 0], "missing ET [GeV]"), (axes[0, 2], total, r"sum of $p_T$ [GeV]")):
        edges = _pt_edges(value, 0.5)
        _steps(ax, value, e.weight, edges, color="black")
        _spectrum(ax, edges, title, "events / GeV (normalized)")
    for c in CLASSES[1:]:
        used = pt[:, c.rows] > 0
        w = weight[:, c.rows][used]
        color, title = f"C{c.adc_class - 2}", _TITLES[c.name]
        _steps(axes[1, 0], used.sum(axis=1), e.weight, np.arange(12) - 0.5, color=color, label=title)
        share = w / max(w.sum(), 1e-300)
        eta, phi = physical[:, c.rows, 1][used], physical[:, c.rows, 2][used]
        _steps(axes[1, 1], eta, share, _eta_edges(c, np.abs(eta).max(initial=1.0)), color=color, label=title)
        _steps(axes[1, 2], phi, share, _phi_edges(c), color=color, label=title)
    axes[1, 0].set(xlabel="objects per event", ylabel="share of events", yscale="log", xticks=range(11))
    axes[1, 0].minorticks_off()
    axes[1, 1].set(xlabel=r"$\eta$", ylabel="objects (normalized)")
    axes[1, 2].set(xlabel=r"$\phi$ [rad]", ylabel="objects (normalized)")
    axes[0, 0].legend(loc="upper right")
    for ax in axes[1]:
        low, high = ax.get_ylim()  # room for the legend
        ax.set_ylim(*((low, 6 * high) if ax is axes[1, 0] else (0, 1.2 * high)))
        ax.legend(ncols=3, loc="upper center")


def _pt_panel(ax: Axes, pt: NDArray[np.float64], weight: NDArray[np.float64]) -> None:
    edges = _pt_edges(pt[:, 1:], 0.5)
    for c in CLASSES[1:]:
        mine = pt[:, c.rows] > 0
        _steps(
            ax, pt[:, c.rows][mine], weight[:, c.rows][mine], edges, color=f"C{c.adc_class - 2}", label=_TITLES[c.name]
        )
    _spectrum(ax, edges, r"$p_T$ [GeV]", "objects / event / GeV")


def _draw_regions(canvas: Canvas, e: Events) -> None:
    axes = canvas.subplots(1, 3)
    et = e.inputs * REGION_LSB
    mean = np.tensordot(e.weight, et, axes=1)
    image = axes[0].imshow(mean, origin="lower", aspect="auto", cmap="viridis")
    canvas.colorbar(image, ax=axes[0], label="mean ET [GeV]")
    axes[0].set(xlabel=r"region in $\eta$", ylabel=r"region in $\phi$")
    flat = et.reshape(len(e), -1)
    weight = np.broadcast_to(e.weight[:, None], flat.shape).ravel()
    edges = _pt_edges(flat, REGION_LSB)
    _steps(axes[1], flat.ravel(), weight, edges, color="black")
    _spectrum(axes[1], edges, "ET of a region [GeV]", "regions / event / GeV")
    total = flat.sum(axis=1)
    edges = _pt_edges(total, REGION_LSB)
    _steps(axes[2], total, e.weight, edges, color="black")
    _spectrum(axes[2], edges, "sum of ET [GeV]", "events / GeV (normalized)")


def _draw_columns(canvas: Canvas, columns: Mapping[str, NDArray[np.float64]]) -> None:
    shown = list(columns.items())[:_COLUMNS_SHOWN]
    axes = canvas.subplots(-(-len(shown) // 4), 4, squeeze=False).ravel()
    for ax, (name, values) in zip(axes, shown, strict=False):
        low, high = np.quantile(values, [0.001, 0.999])
        edges = np.linspace(low, high if high > low else low + 1, 51)
        ax.stairs(*np.histogram(values, edges), linewidth=2, color="black")
        ax.set(xlabel=name, ylabel="entries", yscale="log")
    for ax in axes[len(shown) :]:
        ax.set_visible(False)
