"""Pictures of the network: how its training went, and the bits and zeros of its layers."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from l1trigger.catalogue import PERCENT, entry
from l1trigger.compress.result import CompressResult
from l1trigger.figures import Figure
from l1trigger.report.model import Picture, Report
from l1trigger.report.run_tables import bits
from l1trigger.train.result import TrainResult

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Drawn = Iterator[tuple[Picture, Callable[["Axes"], None]]]
_COLORS = ("#5790fc", "#f89c20", "#e42536", "#964a8b", "#9c9ca1", "#7a21dd")


def history_plots(trained: TrainResult, compressed: CompressResult) -> Drawn:
    """Losses per epoch of the float reference and of the quantized network."""
    if any(any(t.history.values()) for t in trained.trainings):
        yield Picture(
            name="training", section="network", title="Training of the float reference",
            caption="Losses per epoch; strong: the training that goes on, faint: other seeds.",
        ), partial(_training, trained)
    if any(compressed.history.values()):
        yield Picture(
            name="fine_tune", section="network", title="Quantization-aware training",
            caption="Losses per epoch of the quantized network, while it is pruned.",
        ), partial(_history, compressed.history)


def _training(trained: TrainResult, ax: Axes) -> None:
    for k, training in enumerate(trained.trainings):
        if k != trained.best:
            _curves(training.history, ax, alpha=0.25, labelled=False)
    _curves(trained.trainings[trained.best].history, ax, alpha=1.0, labelled=True)
    _finish(ax)


def _history(history: Mapping[str, list[float]], ax: Axes) -> None:
    _curves(history, ax, alpha=1.0, labelled=True)
    _finish(ax)


def _curves(history: Mapping[str, list[float]], ax: Axes, alpha: float, labelled: bool) -> None:
    for (name, values), color in zip(history.items(), _COLORS, strict=False):
        ax.plot(np.arange(1, len(values) + 1), values, color=color, alpha=alpha, linewidth=2.5,
                marker="o" if len(values) < 3 else None, label=name.replace("_", " ") if labelled else None)


def _finish(ax: Axes) -> None:
    from matplotlib.ticker import MaxNLocator

    values = np.concatenate([np.asarray(line.get_ydata(), float) for line in ax.get_lines()])
    if len(values) and values.min() > 0 and values.max() > 10 * values.min():
        ax.set_yscale("log")
    ax.xaxis.set_major_locator(MaxNLocator(integer=True))
    ax.set(xlabel="epoch", ylabel="loss")
    ax.legend(loc="upper right")


def resource_plots(report: Report) -> Drawn:
    """Resources as a share of the device."""
    shares = [f for f in report.figures if f.unit == "%" and f.level == "rtl"]
    if any(f.value is not None for f in shares):
        counts = [report.figure(f.name.removesuffix(PERCENT), "rtl") for f in shares]
        yield Picture(
            name="resources", section="hardware", title="Resources against the device",
            caption=f"Share of {shares[0].part} that the RTL of the whole trigger function takes, counted by "
            f"{shares[0].tool or shares[0].source}.",
        ), partial(_resources, shares, counts)
    layers = [f for f in report.find("lut") if "layer" in f.conditions and f.value is not None]
    if layers:
        yield Picture(
            name="layer_resources", section="hardware", title="Look-up tables per part",
            caption=f"Each part synthesized by {layers[0].tool or layers[0].source} {layers[0].conditions['counted']}.",
        ), partial(_layer_resources, layers)


def _layer_resources(layers: Sequence[Figure], ax: Axes) -> None:
    shown = list(reversed(layers))
    counts = [f.value or 0.0 for f in shown]
    bars = ax.barh([str(f.conditions["layer"]) for f in shown], counts, 0.6, color=_COLORS[0])
    ax.bar_label(bars, [f"{c:,.0f}" for c in counts], padding=6, fontsize=17)
    ax.tick_params(axis="y", which="both", length=0, labelsize=14)
    ax.set(xlabel=f"look-up tables ({layers[0].source})", xlim=(0, 1.2 * max(*counts, 1.0)))


def _resources(shares: Sequence[Figure], counts: Sequence[Figure | None], ax: Axes) -> None:
    """Bars from the top down, each with its share and its count."""
    names = [entry(f.name.removesuffix(PERCENT)).head for f in shares]
    percent, numbers = [f.value or 0.0 for f in shares], [(f.value if f else None) or 0.0 for f in counts]
    bars = ax.barh(names[::-1], percent[::-1], 0.6, color=_COLORS[0])
    texts = [f"{share:.3g} %  ({count:,.0f})" for share, count in zip(percent, numbers, strict=True)]
    ax.bar_label(bars, texts[::-1], padding=6, fontsize=17)
    ax.tick_params(axis="y", which="both", length=0)
    ax.set(xlabel="share of the device [%]", xlim=(0, 1.6 * max(*percent, 0.1)))


def layer_plots(report: Report) -> Drawn:
    """Bit widths and sparsity of each layer."""
    if report.layers:
        yield Picture(
            name="layers", section="network", title="Bits and zeros per layer",
            caption="Bars: width in bits of weights, biases and activations. Points: fraction of weights that are "
            "zero. Level quantized.",
        ), partial(_layers, report)


def _layers(report: Report, ax: Axes) -> None:
    from matplotlib.ticker import MaxNLocator

    x = np.arange(len(report.layers))
    parts = ("weight_type", "bias_type", "activation_type")
    for k, (part, word) in enumerate(zip(parts, ("weights", "biases", "activations"), strict=True)):
        widths = [bits(getattr(layer, part)) or 0 for layer in report.layers]
        drawn = ax.bar(x + (k - 1) * 0.27, widths, 0.25, color=_COLORS[k], label=word)
        ax.bar_label(drawn, [str(w) if w else "" for w in widths], fontsize=14, padding=2)
    ax.set_xticks(x, [layer.name for layer in report.layers])
    ax.tick_params(axis="x", which="both", length=0)
    ax.yaxis.set_major_locator(MaxNLocator(integer=True))
    ax.set(ylabel="bits", ylim=(0, 1.45 * ax.get_ylim()[1]))
    right = ax.twinx()
    sparsity = [100 * layer.zeros / layer.weights if layer.weights else np.nan for layer in report.layers]
    right.plot(x, sparsity, "D", color="black", markersize=9, label="sparsity")
    right.set(ylim=(0, 145), ylabel="sparsity [%]", yticks=[0, 25, 50, 75, 100])
    handles = [h + g for h, g in zip(ax.get_legend_handles_labels(), right.get_legend_handles_labels(), strict=True)]
    ax.legend(*handles, loc="upper left", ncols=2)
