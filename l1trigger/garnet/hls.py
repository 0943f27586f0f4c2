"""The GarNet kernel in hls4ml's projects: a layer of hls4ml's own kind, and the header that it calls.

hls4ml only has to know the shape and type of the outputs; weights, inner types and loops stand in a header that is
written from the plain values of ``garnet.function``.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from l1trigger.convert import extension
from l1trigger.convert.extension import function_name, header_name
from l1trigger.errors import DesignError
from l1trigger.fixed_point import FixedPoint
from l1trigger.garnet import exact, quantized
from l1trigger.garnet.exact import Interval
from l1trigger.garnet.function import Layer, Stack
from l1trigger.resources import firmware_folder

_HEADERS = "garnet_stacks.h"
_ARGUMENTS = {
    "distance": "unsigned i, unsigned s", "distance_bias": "unsigned s", "propagate": "unsigned i, unsigned f",
    "propagate_bias": "unsigned f", "mean": "unsigned s, unsigned f, unsigned o",
    "maximum": "unsigned s, unsigned f, unsigned o", "direct": "unsigned i, unsigned o",
    "edges": "unsigned s, unsigned o", "bias": "unsigned o",
}


@cache
def register(hls4ml: Any) -> None:
    """Makes hls4ml know ``QGarNetStack`` on Vivado and Vitis; once.

    Args:
        hls4ml: the module.
    """
    extension.register_stack(hls4ml, quantized.NAME, _HEADERS)


def stacks(model: Any) -> dict[str, Stack]:
    """The stacks of a built QKeras model, by layer name."""
    return {
        layer.name: quantized.stack_of(layer) for layer in model.layers if type(layer).__name__ == quantized.NAME
    }


def require_parallel(vertices: int, reuse_factor: int) -> int:
    """Vertices at a time when all are gone through in ``reuse_factor`` steps.

    Raises:
        DesignError: the reuse factor does not divide the number of vertices.
    """
    if vertices % reuse_factor:
        raise DesignError(
            None, "convert.reuse_factor", f"{reuse_factor} does not divide the {vertices} vertices",
            "take a power of two up to the number of vertices",
        )
    return vertices // reuse_factor


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
    import jinja2

    found = stacks(model)
    if not found:
        return
    source, target = firmware_folder() / "hls", project / "firmware" / "nnet_utils"
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(source), undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True,
        keep_trailing_newline=True, autoescape=False,
    )
    template = environment.get_template("garnet_stack.h.j2")
    shutil.copy(source / "garnet.h", target / "garnet.h")
    for name, stack in found.items():
        parallel = require_parallel(stack.vertices, reuse_factor)
        (target / header_name(name)).write_text(template.render(_values(function_name(name), stack, inputs, parallel)))
    (target / _HEADERS).write_text("".join(f'#include "{header_name(name)}"\n' for name in found))


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
    scaled = _shifted(total, -shift) if stack.collapse == "sum" else total
    return {
        "name": name, "vertices": stack.vertices, "parallel": parallel, "mask_feature": stack.mask_feature,
        "collapse": stack.collapse, "layers": layers, "count_bits": stack.vertices.bit_length(),
        "collapsed_type": stack.collapsed.cpp(), "collapse_sum_type": total.cpp(),
        "collapse_scaled_type": scaled.cpp(), "collapse_bits": total.width, "collapse_lowest": total.range[0],
        "x_sum_type": x_sum.cpp(), "w_sum_type": w_sum.cpp(), "x_sum_bits": x_sum.width, "w_sum_bits": w_sum.width,
        "x_mean_type": _shifted(x_sum, shift).cpp(), "w_mean_type": _shifted(w_sum, shift).cpp(),
    }


def _shifted(t: FixedPoint, places: int) -> FixedPoint:
    """The type of the same bits divided by 2^places."""
    return FixedPoint(t.width, t.integer - places, t.signed)


def _layer(index: int, layer: Layer, i: exact.LayerIntervals, vertices: int) -> dict[str, object]:
    t = layer.types
    total = i.aggregated_sum.type
    types = {
        "input": i.input.type, "feature": i.feature.type, "distance_sum": i.distance_sum.type, "distance": t.distance,
        "edge_weight": t.edge_weight, "propagated_sum": i.propagated_sum.type,
        "propagated": t.propagated or i.feature.type, "aggregated_sum": total, "aggregated": t.aggregated,
        "mean": _shifted(total, vertices.bit_length() - 1),
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
        "weights": [_weight(n, w) for n, w in weights.items() if w is not None],
        "functions": list(_functions(index, layer)),
    }


def _weight(name: str, values: NDArray[np.float64]) -> dict[str, object]:
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
