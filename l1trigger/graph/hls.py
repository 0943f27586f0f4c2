"""The headers of graph stacks in hls4ml's projects.

hls4ml only has to know the shape and type of a stack's outputs; weights, inner types and loops stand in a header that
is written from its plain values.
"""

from __future__ import annotations

import shutil
from dataclasses import asdict
from pathlib import Path
from typing import Any

import jinja2
import numpy as np

from l1trigger.errors import DesignError
from l1trigger.fixed_point import FixedPoint
from l1trigger.graph import extension
from l1trigger.graph.algebra import AggregatingLayer
from l1trigger.graph.arrays import Array
from l1trigger.graph.intervals import Interval, Intervals, grid
from l1trigger.graph.keras_layers import QuantizedStack
from l1trigger.graph.stack import Stack
from l1trigger.package_files import firmware_folder

INCLUDED = "graph_stacks.h"
"""Includes the headers of all stacks of a network."""
_INDICES = "ijk"


def stacks(model: Any) -> list[Any]:
    """The graph stacks among the layers of a quantized Keras model."""
    return [layer for layer in model.layers if isinstance(layer, QuantizedStack)]


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
    by_name = {layer.name: Stack.of(layer) for layer in stacks(model)}
    if not by_name:
        return
    source, target = firmware_folder() / "hls", project / "firmware" / "nnet_utils"
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(source), undefined=jinja2.StrictUndefined, trim_blocks=True,
        lstrip_blocks=True, keep_trailing_newline=True, autoescape=False,
    )
    template = environment.get_template("graph_stack.h.j2")
    for path in {source / "graph.h", *(stack.algebra.header() for stack in by_name.values())}:
        shutil.copy(path, target / path.name)
    for name, stack in by_name.items():
        parallel = _parallel(stack.vertices, reuse_factor)
        values = _values(extension.function_name(name), stack, inputs, parallel)
        (target / extension.header_name(name)).write_text(template.render(values))
    includes = "".join(f'#include "{extension.header_name(name)}"\n' for name in by_name)
    (target / INCLUDED).write_text(includes)


def _parallel(vertices: int, reuse_factor: int) -> int:
    """Vertices at a time when all are gone through in ``reuse_factor`` steps."""
    if vertices % reuse_factor:
        raise DesignError(
            None, "convert.reuse_factor", f"{reuse_factor} does not divide the {vertices} vertices",
            "take a power of two up to the number of vertices",
        )
    return vertices // reuse_factor


def _values(function: str, stack: Stack, inputs: FixedPoint, parallel: int) -> dict[str, object]:
    """What the template of the header needs."""
    readings = stack.intervals(inputs)
    algebra = stack.algebra
    aggregates = isinstance(algebra, AggregatingLayer)
    closes = aggregates and stack.collapse != "max"
    # A closed collapse is a mean, any other one a sum, until the binary point is moved.
    shift = stack.vertices.bit_length() - 1
    places = {("sum", True): -shift, ("mean", False): shift}.get((stack.collapse, closes), 0)
    return {
        "name": function, "title": algebra.title, "kernel": algebra.name(), "header": algebra.header().name,
        "vertices": stack.vertices, "parallel": parallel, "mask_feature": stack.mask_feature,
        "inputs": stack.inputs, "outputs": stack.outputs, "collapse": stack.collapse, "aggregates": aggregates,
        "closes": closes, "collapsed_type": stack.collapsed.cpp(), "places": places,
        "sums": {n: readings[-1].exact_types[n].cpp() for n in ("collapse_sum", *(_CLOSING if closes else ()))},
        "layers": [_layer(i, stack, r, parallel) for i, r in enumerate(readings)],
    }


_CLOSING = ("input_sum", "edge_sum")


def _layer(index: int, stack: Stack, r: Intervals, parallel: int) -> dict[str, object]:
    algebra, layer = stack.algebra, stack.layers[index]
    constants = {n: int(v) for n, v in asdict(algebra).items() if isinstance(v, int)}
    sizes = {"vertices": stack.vertices, "parallel": parallel, **stack.axes(index)}
    return {
        "index": index, "sizes": sizes, "constants": constants,
        "maxima": str(isinstance(algebra, AggregatingLayer) and algebra.maximum(layer.weights)),
        "types": {**{n: t.cpp() for n, t in r.exact_types.items()}, **{n: t.cpp() for n, t in layer.types.items()}},
        "lacking": [n for role in algebra.roles if role not in layer.types for n in (role, f"{role}_sum")],
        "tables": {role: [int(v) for v in values] for role, values in r.tables.items()},
        "weights": [_weight(n, axes, layer.weights.get(n)) for n, axes in algebra.weights.items()],
    }


def _weight(name: str, axes: tuple[str, ...], values: Array | None) -> dict[str, object]:
    """Name, numbers and the narrowest type of one weight, and how a number is found by its indices."""
    letters = _INDICES[: len(axes)]
    arguments = ", ".join(f"unsigned {i}" for i in letters)
    if values is None:
        return {"name": name, "numbers": [], "arguments": arguments}
    t = Interval(min(float(values.min()), 0.0), max(float(values.max()), 0.0), grid(values)).type
    at = letters[0]
    for letter, size in zip(letters[1:], values.shape[1:], strict=True):
        at = f"({at}) * {size} + {letter}"
    return {"name": name, "type": t.cpp(), "numbers": [float(v) for v in np.ravel(values)], "arguments": arguments,
            "at": at}
