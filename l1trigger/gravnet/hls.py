"""The GravNet kernel in hls4ml's projects: what the template of its header needs; see ``graph.hls``."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from l1trigger.fixed_point import FixedPoint
from l1trigger.garnet import exact
from l1trigger.garnet.exact import Interval
from l1trigger.garnet.hls import weight
from l1trigger.graph.hls import Kernel, shifted
from l1trigger.gravnet import quantized
from l1trigger.gravnet.function import Layer, Stack


def _values(name: str, stack: Stack, inputs: FixedPoint, parallel: int) -> dict[str, object]:
    """What the template of the header needs."""
    x, layers = Interval.of(inputs), []
    for index, layer in enumerate(stack.layers):
        layers.append(_layer(index, layer, x))
        x = Interval.hull([Interval.of(layer.types.output), exact.number(0.0)])
    total = (x if stack.collapse == "max" else x.times(stack.vertices)).type
    shift = stack.vertices.bit_length() - 1 if stack.collapse == "mean" else 0
    return {
        "name": name, "vertices": stack.vertices, "parallel": parallel, "mask_feature": stack.mask_feature,
        "collapse": stack.collapse, "layers": layers, "index_bits": (stack.vertices - 1).bit_length(),
        "collapsed_type": stack.collapsed.cpp(), "collapse_sum_type": total.cpp(), "collapse_bits": total.width,
        "collapse_start": total.range[0] if stack.collapse == "max" else 0,
        "collapse_scaled_type": shifted(total, shift).cpp(),
    }


def _layer(index: int, layer: Layer, x: Interval) -> dict[str, object]:
    t, n = layer.types, layer.inputs
    product = Interval.of(t.edge_weight) * Interval.of(t.propagated)
    total = product.times(layer.neighbours).type
    squares = square_bits(layer)
    matrix = np.concatenate([layer.direct, layer.mean, layer.maximum])
    each = [x] * n + [Interval.of(t.aggregated)] * (2 * layer.features)
    types = {
        "input": x.type, "coordinate": t.coordinate, "propagated": t.propagated, "edge_weight": t.edge_weight,
        "coordinate_sum": exact.product([x] * n, layer.coordinate, layer.coordinate_bias).type,
        "propagated_sum": exact.product([x] * n, layer.propagate, layer.propagate_bias).type,
        "exact_square": FixedPoint(squares, squares - 2 * t.coordinate.fraction, False), "square": t.square,
        "aggregated_sum": total, "mean": shifted(total, layer.neighbours.bit_length() - 1),
        "aggregated": t.aggregated, "output_sum": exact.product(each, matrix, layer.bias).type, "output": t.output,
    }
    return {
        "index": index, "n_in": n, "n_coordinates": layer.coordinates, "n_features": layer.features,
        "n_filters": layer.filters, "n_neighbours": layer.neighbours, "loops": str(layer.loops),
        "square_bits": squares, "types": {role: found.cpp() for role, found in types.items()},
        "table": [int(v) for v in layer.table],
        "weights": [_weight(n, getattr(layer, n)) for n in quantized.WEIGHTS],
    }


def square_bits(layer: Layer) -> int:
    """Bits that hold every squared distance, as an integer."""
    return int(layer.coordinates * (2**layer.types.coordinate.width - 1) ** 2).bit_length()


def _weight(name: str, values: NDArray[np.float64]) -> dict[str, object]:
    index = "unsigned i, unsigned o" if values.ndim == 2 else "unsigned o"
    at = f"i * {values.shape[1]} + o" if values.ndim == 2 else "o"
    return {**weight(name, values), "index": index, "at": at}


KERNEL = Kernel("gravnet", quantized.NAME, quantized.stack_of, _values)
