"""Logic of sums of products as hls4ml computes them: its accumulator may cut bits or saturate on the way."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from l1trigger.convert.graph import GraphLayer
from l1trigger.fixed_point import FixedPoint, Overflow
from l1trigger.synth.quantization import like, quantized

Weights = NDArray[np.float64]


def weighted_sums(layer: GraphLayer, x: Any, weights: Weights, bias: Weights) -> Any:
    """``x @ weights + bias`` in the layer's accumulator.

    Args:
        layer: gives the accumulator's type.
        x: inputs (inputs,).
        weights: (inputs, outputs).
        bias: (outputs,).
    """
    accumulator = layer.types["accum"]
    bias = accumulator.quantize(bias)
    if _sums_once(accumulator, x, weights):
        return quantized(product(x, weights) + bias, accumulator)
    columns = [_accumulated(accumulator, x, weights[:, j], float(bias[j])) for j in range(weights.shape[1])]
    return like(x, columns)


def product(x: Any, weights: Weights) -> Any:
    """``x @ weights`` by shared adders; the solver takes float32, so weights of more bits are split."""
    high = weights.astype(np.float32).astype(np.float64)
    y = x @ high
    return y if np.array_equal(high, weights) else y + product(x, weights - high)


def _sums_once(accumulator: FixedPoint, x: Any, weights: Weights) -> bool:
    """Whether cutting to the accumulator after the whole sum gives what cutting at every step gives."""
    below = max(int(v.kif[2]) for v in np.asarray(x).ravel()) + fraction_bits(weights)
    return below <= accumulator.fraction and accumulator.overflow is Overflow.WRAP


def fraction_bits(values: Weights) -> int:
    """Bits right of the binary point that some values need."""
    fraction = 0
    while fraction < 64 and not np.array_equal(np.floor(values * 2.0**fraction), values * 2.0**fraction):
        fraction += 1
    return fraction


def _accumulated(accumulator: FixedPoint, x: Any, weights: Weights, bias: float) -> Any:
    """One sum as the C++ makes it: every product and every partial sum in the accumulator's type."""
    total: Any = bias
    for v, w in zip(np.asarray(x).ravel(), weights, strict=True):
        if w:
            (term,) = np.asarray(quantized(like(x, [v * float(w)]), accumulator))
            (total,) = np.asarray(quantized(like(x, [term + total]), accumulator))
    return total
