"""Sums of products as hls4ml makes them, in the layer's accumulator."""

from __future__ import annotations

import numpy as np

from l1trigger.convert.graph import GraphLayer
from l1trigger.engine.program import Floats, Numbers, Program, fraction_bits
from l1trigger.errors import UnsupportedLayerError
from l1trigger.fixed_point import Overflow


def weighted_sums(program: Program, layer: GraphLayer, window: Numbers, weights: Floats, bias: Floats) -> Numbers:
    """Sums of weighted numbers (places, channels).

    Args:
        program: in the making.
        layer: gives the accumulator's type.
        window: what is seen from each place (places, size).
        weights: (size, channels).
        bias: (channels,).

    Raises:
        UnsupportedLayerError: the accumulator cuts or saturates while it sums.
    """
    accumulator = layer.types["accum"]
    below = int(window.fraction.max(initial=0)) + int(fraction_bits(weights).max(initial=0))
    if below > accumulator.fraction or accumulator.overflow is not Overflow.WRAP:
        raise UnsupportedLayerError(
            f"The engine has no sums that are cut on the way: those of {layer.name} are in {accumulator}. Remedy: none "
            "is needed; csim simulates the network as it is, event by event"
        )
    return program.cast(program.linear(window, weights, np.asarray(accumulator.quantize(bias))), accumulator)
