"""Sums of products as hls4ml makes them, in the layer's accumulator."""

from __future__ import annotations

import numpy as np

from l1trigger.convert.graph import GraphLayer
from l1trigger.engine.numbers import Floats, Numbers, fraction_bits
from l1trigger.engine.program import Program
from l1trigger.fixed_point import Overflow


def weighted_sums(program: Program, layer: GraphLayer, window: Numbers, weights: Floats, bias: Floats) -> Numbers:
    """Sums of weighted numbers (places, channels).

    Args:
        program: in the making.
        layer: gives the accumulator's type.
        window: what is seen from each place (places, size).
        weights: (size, channels).
        bias: (channels,).
    """
    accumulator = layer.types["accum"]
    bias = np.asarray(accumulator.quantize(bias))
    below = int(window.fraction.max(initial=0)) + int(fraction_bits(weights).max(initial=0))
    if below <= accumulator.fraction and accumulator.overflow is Overflow.WRAP:
        return program.cast(program.linear(window, weights, bias), accumulator)
    # Otherwise every product and every partial sum is cut or saturates by itself.
    total = program.constant(np.broadcast_to(bias, (len(window.rows), len(bias))))
    for k, row in enumerate(weights):
        term = program.cast(program.linear(window[:, k : k + 1], row[None], np.zeros(len(bias))), accumulator)
        total = program.cast(total + term, accumulator)
    return total
