"""The GravNet kernel in hls4ml's projects: a layer of hls4ml's own kind, and the header that it calls.

As for GarNet, hls4ml only knows shape and type of the outputs; weights, inner types and loops stand in a header that is
written from the plain values of ``gravnet.function``.
"""

from __future__ import annotations

import shutil
from functools import cache
from pathlib import Path
from typing import Any

import jinja2
import numpy as np
from numpy.typing import NDArray

from l1trigger.convert import extension
from l1trigger.fixed_point import FixedPoint
from l1trigger.garnet import exact
from l1trigger.garnet.exact import Interval
from l1trigger.garnet.hls import require_parallel
from l1trigger.gravnet import quantized
from l1trigger.gravnet.function import Layer, Stack
from l1trigger.resources import firmware_folder

_HEADERS = "gravnet_stacks.h"


@cache
def register(hls4ml: Any) -> None:
    """Makes hls4ml know ``QGravNetStack`` on Vivado and Vitis; once.

    Args:
        hls4ml: the module.
    """
    extension.register_stack(hls4ml, quantized.NAME, _HEADERS)


def stacks(model: Any) -> dict[str, Stack]:
    """The stacks of a built QKeras model, by layer name."""
    return {
        layer.name: quantized.stack_of(layer) for layer in model.layers if type(layer).__name__ == quantized.NAME
    }


def write(model: Any, inputs: FixedPoint, reuse_factor: int, project: Path) -> None:
    """Writes the headers of a model's stacks into an HLS project; does nothing without any.

    Args:
        model: built QKeras model.
        inputs: type of the network's input, which is that of every vertex's features.
        reuse_factor: in how many steps the vertices are gone through.
        project: its folder.

    Raises:
        DesignError: the reuse factor does not divide the number of vertices.
    """
    found = stacks(model)
    if not found:
        return
    source, target = firmware_folder() / "hls", project / "firmware" / "nnet_utils"
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(source), undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True,
        keep_trailing_newline=True, autoescape=False,
    )
    template = environment.get_template("gravnet_stack.h.j2")
    shutil.copy(source / "gravnet.h", target / "gravnet.h")
    for name, stack in found.items():
        parallel = require_parallel(stack.vertices, reuse_factor)
        values = _values(extension.function_name(name), stack, inputs, parallel)
        (target / extension.header_name(name)).write_text(template.render(values))
    includes = "".join(f'#include "{extension.header_name(name)}"\n' for name in found)
    (target / _HEADERS).write_text(includes)


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


def shifted(t: FixedPoint, places: int) -> FixedPoint:
    """The type of the same bits divided by 2^places."""
    return FixedPoint(t.width, t.integer - places, t.signed)


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
    t = Interval(min(float(values.min()), 0.0), max(float(values.max()), 0.0), exact.grid(values)).type
    index = "unsigned i, unsigned o" if values.ndim == 2 else "unsigned o"
    at = f"i * {values.shape[1]} + o" if values.ndim == 2 else "o"
    return {"name": name, "type": t.cpp(), "numbers": [float(v) for v in values.ravel()], "index": index, "at": at}
