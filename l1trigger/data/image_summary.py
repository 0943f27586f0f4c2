"""What is in a sample of images, in numbers and in a picture: the mean image of each class."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from l1trigger.data.classes import CLASS, NAMES
from l1trigger.data.events import Events
from l1trigger.data.showers import cluster_summary
from l1trigger.data.titles import SIGNAL_TITLES

if TYPE_CHECKING:
    from matplotlib.figure import Figure as Canvas

_STEEP = 20
"""Largest over mean pixel of a mean image above which its colours are logarithmic."""
_DECADES = 3.5
"""Range of logarithmic colours."""
_SHOWN = 10
"""Most classes in a picture."""
_WIDTH, _LARGEST, _BELOW = 18.0, 4.5, 5.5
"""Width of a picture, height of a mean image at most, and of what is below [inches]."""


def by_class(events: Events) -> dict[str, Events]:
    """The images of each class, in order; all under one name where nothing is known of classes."""
    index = events.truth.get(CLASS)
    if index is None:
        classes = cluster_summary.by_class(events)
        return classes if len(classes) > 1 or "label" in events.truth else {"images": events}
    names = events.card.get(NAMES, ())
    called = {k: names[k] if k < len(names) else f"class {k}" for k in np.unique(index).astype(int).tolist()}
    return {name: events.select(index == k) for k, name in called.items()}


def image_summary(events: Events) -> dict[str, Any]:
    """Shape, and for each class number of images, sum and share of pixels above zero."""
    shape = " x ".join(str(s) for s in events.inputs.shape[1:])
    pixels = events.inputs
    spread = {"shape": shape, "smallest pixel": int(pixels.min()), "largest pixel": int(pixels.max())}
    return {"images": spread | _numbers(events), "classes": {n: _numbers(e) for n, e in by_class(events).items()}}


def _numbers(e: Events) -> dict[str, Any]:
    flat = e.inputs.reshape(len(e), -1)
    total = flat.sum(axis=1, dtype=np.int64)
    mean = e.weight @ total
    numbers = {
        "mean sum": mean, "standard deviation of the sum": np.sqrt(e.weight @ (total - mean) ** 2),
        "mean share of pixels above zero": e.weight @ (flat > 0).mean(axis=1),
    }
    channels = e.inputs.reshape(len(e), -1, e.inputs.shape[-1]).sum(axis=1, dtype=np.int64)
    if channels.shape[1] > 1:
        numbers |= {f"mean sum of channel {k}": e.weight @ channels[:, k] for k in range(channels.shape[1])}
    return {"events": len(e), **{name: float(f"{round(value, 9):.4g}") for name, value in numbers.items()}}


def size(events: Events) -> tuple[float, float]:
    """Width and height of the picture [inches]."""
    return _WIDTH, _height(_grid(events)) + _BELOW + 1


def _grid(events: Events) -> list[list[tuple[str, Events, int]]]:
    """Mean images to draw, row by row: class and channel of each; channels below each other, or beside when few."""
    classes = list(by_class(events).items())[:_SHOWN]
    channels = range(events.inputs.shape[-1])
    if len(channels) == 1 and len(classes) > _SHOWN // 2:
        half = -(-len(classes) // 2)
        return [[(n, e, 0) for n, e in part] for part in (classes[:half], classes[half:])]
    if len(classes) <= len(channels):
        return [[(n, e, k) for k in channels] for n, e in classes]
    return [[(n, e, k) for n, e in classes] for k in channels]


def _height(grid: list[list[tuple[str, Events, int]]]) -> float:
    """Height of the mean images, about square, [inches]."""
    return min(_WIDTH / len(grid[0]), _LARGEST) * len(grid)


def draw_images(canvas: Canvas, events: Events) -> None:
    """Mean image of each class and channel, and below the sums of pixels and their values."""
    grid = _grid(events)
    parts: Any = canvas.subfigures(2, 1, height_ratios=[_height(grid), _BELOW])
    axes = parts[0].subplots(len(grid), len(grid[0]), squeeze=False)
    means = {(n, k): np.tensordot(e.weight, e.inputs[..., k], axes=1) for row in grid for n, e, k in row}
    channels = {k for _, k in means}
    styles = {k: _colours([m for (_, channel), m in means.items() if channel == k]) for k in channels}
    for ax in axes.ravel():
        ax.set_axis_off()
    for row, line in zip(axes, grid, strict=True):
        for ax, (name, _, k) in zip(row, line, strict=False):
            ax.set_axis_on()
            image = ax.imshow(means[name, k], cmap="viridis", **styles[k])
            ax.set(xticks=(), yticks=())
            parts[0].colorbar(image, ax=ax, fraction=0.046, pad=0.03).ax.tick_params(labelsize=9)
            ax.set_title(f"{_title(name)}, channel {k}" if len(channels) > 1 else _title(name), fontsize=13)
    _draw_sums(parts[1].subplots(1, 3), {n: e for row in grid for n, e, _ in row})


def _title(name: str) -> str:
    return SIGNAL_TITLES.get(name, name.replace("_", " "))


def _colours(means: list[NDArray[np.float64]]) -> dict[str, Any]:
    """One scale for the mean images of a channel; logarithmic where few pixels hold nearly everything."""
    from matplotlib.colors import LogNorm

    largest = max(float(m.max()) for m in means)
    if largest > 0 and any(float(m.max()) > _STEEP * float(m.mean()) for m in means):
        return {"norm": LogNorm(largest * 10**-_DECADES, largest, clip=True)}
    return {"vmin": 0.0, "vmax": largest or 1.0}


def _draw_sums(axes: NDArray[Any], shown: dict[str, Events]) -> None:
    """Sum of pixels, pixels above zero, and values of pixels."""
    from matplotlib import colormaps

    flat = {name: e.inputs.reshape(len(e), -1) for name, e in shown.items()}
    sums = {name: f.sum(axis=1, dtype=np.int64) for name, f in flat.items()}
    filled = {name: (f > 0).sum(axis=1) for name, f in flat.items()}
    largest = max(int(f.max()) for f in flat.values())
    values = np.unique(np.rint(np.geomspace(1, largest + 2, 41))) - 0.5
    for k, (name, e) in enumerate(shown.items()):
        style = {"color": colormaps["tab10"](k), "label": _title(name), "linewidth": 2}
        for ax, quantity in ((axes[0], sums), (axes[1], filled)):
            edges = _edges(quantity)
            ax.stairs(np.histogram(quantity[name], edges, weights=e.weight)[0], edges, **style)
        height = np.histogram(flat[name][flat[name] > 0], values)[0] / len(e) / np.diff(values)
        axes[2].stairs(height, values, **style)
    axes[0].set(xlabel="sum of pixels", ylabel="share of images")
    axes[1].set(xlabel="pixels above zero", ylabel="share of images")
    axes[2].set(xlabel="value of a pixel above zero", ylabel="pixels / image / unit")
    if largest > 0:
        axes[2].set(xscale="log", yscale="log")
    axes[0].legend(fontsize=11, ncols=1 + (len(shown) > _SHOWN // 2))


def _edges(values: dict[str, NDArray[np.int64]]) -> NDArray[np.float64]:
    """About 50 bins that hold equally many whole numbers."""
    low, high = min(int(v.min()) for v in values.values()), max(int(v.max()) for v in values.values())
    step = max(1, -(-(high - low + 1) // 50))
    return np.asarray(np.arange(low, high + 1 + step, step) - 0.5)
