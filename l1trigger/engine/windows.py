"""Layers of an engine that look at an image through windows: convolutions, pooling, padding, enlarging.

Images are (height, width, channels); a row of a time series is an image of height 1.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from itertools import pairwise

import numpy as np

from l1trigger.convert.geometry import CONVOLUTIONS, below_everything, nearest, of
from l1trigger.convert.graph import GraphLayer
from l1trigger.engine.elements import by_group
from l1trigger.engine.numbers import Numbers, joined
from l1trigger.engine.products import weighted_sums
from l1trigger.engine.program import Program


def _seen(program: Program, layer: GraphLayer, x: Numbers) -> Numbers:
    """What each window of a layer sees (windows, places, channels), zeros around the image included."""
    where = of(layer)
    pixels = program.aligned(_pixels(x))
    zero = program.constant(np.zeros((1, pixels.shape[1])))
    padded = joined([pixels, replace(zero, fraction=pixels.fraction[:1])], axis=0)
    at = np.full((where.out[0] * where.out[1], where.size[0] * where.size[1]), len(pixels.rows))
    for row, (places, inside) in zip(at, where, strict=True):
        row[places] = [y * where.image[1] + x for y, x in inside]
    return padded[at]


def _convolution(program: Program, layer: GraphLayer, inputs: Sequence[Numbers]) -> Numbers:
    seen = _seen(program, layer, inputs[0])
    windows = seen.reshape(len(seen.rows), -1)
    return weighted_sums(
        program, layer, windows, layer.weights["weight"].reshape(windows.shape[1], -1), layer.weights["bias"]
    )


def _depthwise(program: Program, layer: GraphLayer, inputs: Sequence[Numbers]) -> Numbers:
    seen = _seen(program, layer, inputs[0])
    windows, places, channels = seen.shape
    weight = np.zeros((places, channels, channels))
    weight[:, np.arange(channels), np.arange(channels)] = layer.weights["weight"].reshape(places, channels)
    return weighted_sums(
        program, layer, seen.reshape(windows, -1), weight.reshape(-1, channels), layer.weights["bias"]
    )


def _pooling(program: Program, layer: GraphLayer, inputs: Sequence[Numbers]) -> Numbers:
    where, pixels = of(layer), _pixels(inputs[0])
    whole = where.size[0] * where.size[1]
    groups, counts, borders = [], [], []
    for places, inside in where:
        window = pixels[[y * where.image[1] + x for y, x in inside]]
        for c in range(pixels.shape[1]):
            groups.append(window[:, c])
            counts.append(whole if layer.attributes.get("count_pad") else len(places))
            borders.append(len(places) < whole)
    return _pooled(program, layer, groups, counts, borders)


def _global_pooling(program: Program, layer: GraphLayer, inputs: Sequence[Numbers]) -> Numbers:
    pixels = inputs[0].reshape(-1, inputs[0].shape[-1])
    channels = pixels.shape[1]
    groups = [pixels[:, c] for c in range(channels)]
    return _pooled(program, layer, groups, [len(pixels.rows)] * channels, [False] * channels)


def _pooled(
    program: Program, layer: GraphLayer, groups: Sequence[Numbers], counts: Sequence[int], borders: Sequence[bool]
) -> Numbers:
    """The largest of each group, or its average over so many values, in the layer's accumulator."""
    if layer.word("pool_op") == "average":
        return _averages(program, layer, groups, counts)
    if any(borders):
        edge = program.constant(np.array([below_everything(layer)]))
        groups = [joined([g, edge]) if b else g for g, b in zip(groups, borders, strict=True)]
    return program.cast(program.extremes(groups), layer.types.get("accum", layer.types["result"]))


def _averages(
    program: Program, layer: GraphLayer, groups: Sequence[Numbers], counts: Sequence[int]
) -> Numbers:
    """Sums in the accumulator, divided there: what lies below its last bit is cut towards zero."""
    accumulator, result = layer.types["accum"], layer.types["result"]
    parts = program.cast(joined(groups), accumulator)
    ends = np.cumsum([0, *(g.size for g in groups)])
    cut = [parts[a:b] for a, b in pairwise(ends)]
    totals = program.cast(program.totals(cut), accumulator)

    def divided(total: Numbers, count: int) -> Numbers:
        fraction = int(total.fraction.max())
        if count & (count - 1) == 0 and fraction + count.bit_length() - 1 <= accumulator.fraction:
            return total.by_power(1 - count.bit_length())
        # Bits of the quotient beyond these cannot change how it is rounded, and float64 holds no more.
        last = min(accumulator.fraction, max(fraction, result.fraction + 1) + count.bit_length() + 2)
        return program.table(
            total, lambda v: result.quantize(np.trunc(v * 2.0**last / count) * 2.0**-last), result
        )

    return by_group(totals, list(counts), divided)


def _padded(program: Program, layer: GraphLayer, inputs: Sequence[Numbers]) -> Numbers:
    width, rows = (layer.number("pad_left"), layer.number("pad_right")), (0, 0)
    if layer.kind.endswith("2D"):
        rows = (layer.number("pad_top"), layer.number("pad_bottom"))
    image = _as_image(inputs[0])
    flat = joined([image.ravel(), program.constant(np.zeros(1))])
    at = np.arange(image.size).reshape(image.shape)
    return flat[np.pad(at, (rows, width, (0, 0)), constant_values=image.size)]


def _cropped(program: Program, layer: GraphLayer, inputs: Sequence[Numbers]) -> Numbers:
    top, left = layer.number("crop_top"), layer.number("crop_left")
    *rows, width, _ = layer.shape
    height = rows[0] if rows else 1
    return _as_image(inputs[0])[top : top + height, left : left + width]


def _resized(program: Program, layer: GraphLayer, inputs: Sequence[Numbers]) -> Numbers:
    """Nearest neighbours."""
    image = _as_image(inputs[0])
    *rows, width, _ = layer.shape
    y, x = (nearest(old, new) for old, new in zip(image.shape, (rows[0] if rows else 1, width), strict=False))
    return image[y][:, x]


def _as_image(x: Numbers) -> Numbers:
    return x if x.rows.ndim == 3 else x.reshape(1, *x.shape)


def _pixels(x: Numbers) -> Numbers:
    return x.reshape(-1, x.shape[-1])


KINDS: Mapping[str, Callable[[Program, GraphLayer, Sequence[Numbers]], Numbers]] = {
    **dict.fromkeys(CONVOLUTIONS[:4], _convolution), **dict.fromkeys(CONVOLUTIONS[4:], _depthwise),
    "Pooling1D": _pooling, "Pooling2D": _pooling, "GlobalPooling1D": _global_pooling,
    "GlobalPooling2D": _global_pooling, "ZeroPadding1D": _padded, "ZeroPadding2D": _padded, "Cropping1D": _cropped,
    "Cropping2D": _cropped, "Resize": _resized,
}
"""Layers of this module, by hls4ml's class names."""
