"""Logic of layers that look at an image through windows: convolutions, pooling, padding, enlarging.

Images are (height, width, channels); a row of a time series is an image of height 1.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import reduce
from typing import Any

import numpy as np

from l1trigger.convert.geometry import CONVOLUTIONS, below_everything, nearest, of
from l1trigger.convert.graph import GraphLayer
from l1trigger.fixed_point import Overflow
from l1trigger.synth.products import weighted_sums
from l1trigger.synth.quantization import like, quantized
from l1trigger.synth.tables import looked_up


def problem(layer: GraphLayer) -> str:
    """Why a layer of this module has no logic; empty when it has, or is none of this module."""
    if layer.kind.startswith("Depthwise") and layer.number("n_filt") != layer.number("n_chan"):
        return "several filters per channel"
    if layer.kind == "Resize" and layer.word("algorithm") not in ("", "nearest"):
        return f"enlarged by {layer.word('algorithm')}"
    if "Pooling" in layer.kind and layer.word("pool_op") == "average":
        accumulator = layer.types["accum"]
        if accumulator.overflow is not Overflow.WRAP:
            return f"averages in {accumulator}"
    return ""


def _convolution(layer: GraphLayer, inputs: Sequence[Any]) -> Any:
    where = of(layer)
    image = _as_image(inputs[0])
    weight = layer.weights["weight"].reshape(where.size[0] * where.size[1], image.shape[-1], -1)
    sums = []
    for places, pixels in where:
        window = like(image, [v for p in pixels for v in np.asarray(image[p])])
        rows = weight[places].reshape(len(window), -1)
        sums.append(np.asarray(weighted_sums(layer, window, rows, layer.weights["bias"])))
    return like(image, sums)


def _depthwise(layer: GraphLayer, inputs: Sequence[Any]) -> Any:
    where = of(layer)
    image = _as_image(inputs[0])
    weight = layer.weights["weight"].reshape(where.size[0] * where.size[1], image.shape[-1])
    bias = layer.weights["bias"]
    values = []
    for places, pixels in where:
        for c in range(image.shape[-1]):
            window = like(image, [np.asarray(image[p])[c] for p in pixels])
            column = weight[places, c : c + 1]
            values.append(np.asarray(weighted_sums(layer, window, column, bias[c : c + 1]))[0])
    return like(image, values)


def _pooling(layer: GraphLayer, inputs: Sequence[Any]) -> Any:
    where = of(layer)
    image = _as_image(inputs[0])
    whole = where.size[0] * where.size[1]
    values = []
    for places, pixels in where:
        for c in range(image.shape[-1]):
            window = [np.asarray(image[p])[c] for p in pixels]
            count = whole if layer.attributes.get("count_pad") else len(places)
            values.append(_pool(layer, image, window, count, len(places) < whole))
    return like(image, values)


def _global_pooling(layer: GraphLayer, inputs: Sequence[Any]) -> Any:
    pixels = inputs[0].reshape(-1, inputs[0].shape[-1])
    columns = [list(np.asarray(pixels[:, c])) for c in range(pixels.shape[-1])]
    return like(pixels, [_pool(layer, pixels, column, len(column), False) for column in columns])


def _pool(layer: GraphLayer, x: Any, window: list[Any], count: int, at_border: bool) -> Any:
    """The largest of a window, or its average over ``count`` values, in the layer's accumulator."""
    if layer.word("pool_op") == "average":
        return _average(layer, x, window, count)
    value = reduce(lambda a, b: a.max_of(b), window)
    if at_border:
        value = value.max_of(below_everything(layer))
    (result,) = np.asarray(quantized(like(x, [value]), layer.types.get("accum", layer.types["result"])))
    return result


def _average(layer: GraphLayer, x: Any, window: list[Any], count: int) -> Any:
    """Sum in the accumulator, divided there: what lies below its last bit is cut towards zero."""
    accumulator, result = layer.types["accum"], layer.types["result"]
    total = np.asarray(quantized(np.sum(quantized(like(x, window), accumulator), keepdims=True), accumulator))[0]
    fraction = int(total.kif[2])
    if count & (count - 1) == 0 and fraction + count.bit_length() - 1 <= accumulator.fraction:
        return total * (1.0 / count)
    # Bits of the quotient beyond these cannot change how it is rounded, and float64 holds no more.
    last = min(accumulator.fraction, max(fraction, result.fraction + 1) + count.bit_length() + 2)
    return looked_up(total, lambda v: result.quantize(np.trunc(v * 2.0**last / count) * 2.0**-last))


def _padded(layer: GraphLayer, inputs: Sequence[Any]) -> Any:
    width, rows = (layer.number("pad_left"), layer.number("pad_right")), (0, 0)
    if layer.kind.endswith("2D"):
        rows = (layer.number("pad_top"), layer.number("pad_bottom"))
    image = np.asarray(_as_image(inputs[0]))
    return like(inputs[0], np.pad(image, (rows, width, (0, 0)), constant_values=0.0))


def _cropped(layer: GraphLayer, inputs: Sequence[Any]) -> Any:
    top, left = layer.number("crop_top"), layer.number("crop_left")
    *rows, width, _ = layer.shape
    height = rows[0] if rows else 1
    return _as_image(inputs[0])[top : top + height, left : left + width]


def _resized(layer: GraphLayer, inputs: Sequence[Any]) -> Any:
    """Nearest neighbours; which one is nearest is settled by fixed-point arithmetic of 16 bits, as in the C++."""
    image = _as_image(inputs[0])
    *rows, width, _ = layer.shape
    y, x = (nearest(old, new) for old, new in zip(image.shape, (rows[0] if rows else 1, width), strict=False))
    return image[y][:, x]


def _as_image(x: Any) -> Any:
    return x if x.ndim == 3 else x.reshape(1, *x.shape)


KINDS: Mapping[str, Callable[[GraphLayer, Sequence[Any]], Any]] = {
    **dict.fromkeys(CONVOLUTIONS[:4], _convolution), **dict.fromkeys(CONVOLUTIONS[4:], _depthwise),
    "Pooling1D": _pooling, "Pooling2D": _pooling, "GlobalPooling1D": _global_pooling,
    "GlobalPooling2D": _global_pooling, "ZeroPadding1D": _padded, "ZeroPadding2D": _padded, "Cropping1D": _cropped,
    "Cropping2D": _cropped, "Resize": _resized,
}
"""Layers of this module, by hls4ml's class names."""
