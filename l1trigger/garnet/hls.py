"""The GarNet kernel in hls4ml's projects: what the template of its header needs; see ``graph.hls``."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from l1trigger.fixed_point import FixedPoint
from l1trigger.garnet import exact, quantized
from l1trigger.garnet.exact import Interval
from l1trigger.garnet.function import Layer, Stack
from l1trigger.graph.hls import Kernel, shifted

_ARGUMENTS = {
    "distance": "unsigned i, unsigned s", "distance_bias": "unsigned s", "propagate": "unsigned i, unsigned f",
    "propagate_bias": "unsigned f", "mean": "unsigned s, unsigned f, unsigned o",
    "maximum": "unsigned s, unsigned f, unsigned o", "direct": "unsigned i, unsigned o",
    "edges": "unsigned s, unsigned o", "bias": "unsigned o",
}


def _values(name: str, stack: Stack, inputs: FixedPoint, parallel: int) -> dict[str, object]:
    """What the template of the header needs."""
    x, layers, intervals = Interval.of(inputs), [], None
    for index, layer in enumerate(stack.layers):
        intervals = exact.layer_intervals(layer, x, stack.vertices)
        layers.append(_layer(index, layer, intervals, stack.vertices))
        x = Interval.of(layer.types.output)
    assert intervals is not None  # a stack has layers
    collapse = exact.collapse_intervals(stack, intervals)
    total, x_sum, w_sum = collapse.total.type, collapse.x_sum.type, collapse.w_sum.type
    shift = stack.vertices.bit_length() - 1
    scaled = shifted(total, -shift) if stack.collapse == "sum" else total
    return {
        "name": name, "vertices": stack.vertices, "parallel": parallel, "mask_feature": stack.mask_feature,
        "collapse": stack.collapse, "layers": layers, "count_bits": stack.vertices.bit_length(),
        "collapsed_type": stack.collapsed.cpp(), "collapse_sum_type": total.cpp(),
        "collapse_scaled_type": scaled.cpp(), "collapse_bits": total.width, "collapse_lowest": total.range[0],
        "x_sum_type": x_sum.cpp(), "w_sum_type": w_sum.cpp(), "x_sum_bits": x_sum.width, "w_sum_bits": w_sum.width,
        "x_mean_type": shifted(x_sum, shift).cpp(), "w_mean_type": shifted(w_sum, shift).cpp(),
    }


def _layer(index: int, layer: Layer, i: exact.LayerIntervals, vertices: int) -> dict[str, object]:
    t = layer.types
    total = i.aggregated_sum.type
    types = {
        "input": i.input.type, "feature": i.feature.type, "distance_sum": i.distance_sum.type, "distance": t.distance,
        "edge_weight": t.edge_weight, "propagated_sum": i.propagated_sum.type,
        "propagated": t.propagated or i.feature.type, "aggregated_sum": total, "aggregated": t.aggregated,
        "mean": shifted(total, vertices.bit_length() - 1),
        "gathered_sum": i.gathered_sum.type, "gathered": t.gathered, "output_sum": i.output_sum.type,
        "output": t.output,
    }
    weights = {n: getattr(layer, n) for n in _ARGUMENTS}
    return {
        "index": index, "n_in": layer.inputs, "n_aggregators": layer.aggregators, "n_features": layer.features,
        "n_propagate": layer.features - (layer.aggregators if layer.maximum is not None else 0),
        "n_filters": layer.filters, "folded": str(layer.folded), "full": str(layer.maximum is not None),
        "types": {role: found.cpp() for role, found in types.items()}, "lowest": total.range[0],
        "table": [int(v) for v in layer.table],
        "weights": [weight(n, w) for n, w in weights.items() if w is not None],
        "functions": list(_functions(index, layer)),
    }


def weight(name: str, values: NDArray[np.float64]) -> dict[str, object]:
    """Name, numbers and the narrowest type of one weight."""
    t = Interval(min(float(values.min()), 0.0), max(float(values.max()), 0.0), exact.grid(values)).type
    return {"name": name, "type": t.cpp(), "numbers": [float(v) for v in values.ravel()]}


def _functions(index: int, layer: Layer) -> Iterator[dict[str, str]]:
    """Access to each weight by its indices; weights that a variant lacks are 0."""
    for name, arguments in _ARGUMENTS.items():
        values = getattr(layer, name)
        if values is None:
            yield {"name": name, "type": "ap_uint<1>", "arguments": arguments, "value": "0"}
            continue
        letters = [a.rpartition(" ")[2] for a in arguments.split(", ")]
        at = letters[0]
        for letter, size in zip(letters[1:], values.shape[1:], strict=True):
            at = f"({at}) * {size} + {letter}"
        yield {"name": name, "type": f"{name}{index}_t", "arguments": arguments, "value": f"{name}{index}[{at}]"}


KERNEL = Kernel("garnet", quantized.NAME, quantized.stack_of, _values)

stacks = KERNEL.stacks
