"""Layers that only scale and shift channels (batch normalization and its kin), folded into layers with weights.

Behind a layer with weights, y = a (W x + b) + c is again such a layer. Where an activation or a sum stands between, a
normalization goes into the layers behind it, W (a x + c) + b, unless these add zeros around an image, which it would
shift, too. What can go nowhere becomes a depthwise convolution of 1 x 1.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from l1trigger.errors import UnsupportedLayerError
from l1trigger.keras_import.graph import Graph, Node

KIND = "BatchNormalization"
"""The Keras layer that stands for all of them: with mean 0 and variance 1."""
_LINEAR = ("Dense", "Conv1D", "Conv2D", "DepthwiseConv2D")
_HALF = 0.5  # of the variance, the other half is Keras' epsilon, which must not be 0

Vector = NDArray[np.float64]


def node(name: str, before: str, scale: Vector, offset: Vector) -> Node:
    """A node that scales and shifts.

    Args:
        name: of the node.
        before: name of the node whose result it takes.
        scale, offset: of each channel, or one for all.
    """
    return Node(name, "Rescaling", (before,), {"scale": scale, "offset": offset})


def _named(graph: Graph) -> Graph:
    """All layers that only scale and shift in one form.

    Raises:
        UnsupportedLayerError: another axis than the channels is normalized.
    """
    of_kind: dict[str, Callable[[Node], tuple[Any, Any]]] = {
        KIND: _of_batch, "Normalization": _of_inputs, "Rescaling": lambda n: (n.config["scale"], n.config["offset"]),
    }

    def rule(one: Node) -> Iterator[Node]:
        if one.kind not in of_kind:
            yield one
            return
        shape = graph.shapes[one.name]
        given = one.config.get("axis", -1)
        axes = {a % (len(shape) + 1) for a in ([given] if isinstance(given, int) else given or [])}
        if one.kind != "Rescaling" and axes != {len(shape)}:
            raise UnsupportedLayerError(f"{one.name} ({one.kind}): normalizes along axis {', '.join(map(str, axes))}, "
                                        "and firmware has channels last. Remedy: write axis=-1")
        scale, offset = (np.broadcast_to(np.asarray(v, np.float64).ravel(), shape[-1:]) for v in of_kind[one.kind](one))
        yield _affine(one.name, one.inputs, scale, offset)

    return graph.rewritten(rule)


def _of_batch(one: Node) -> tuple[Vector, Vector]:
    *learned, mean, variance = one.weights
    scale = 1 / np.sqrt(variance + one.config["epsilon"])
    if one.config["scale"]:
        scale = scale * learned[0]
    offset = -mean * scale
    return scale, offset + learned[-1] if one.config["center"] else offset


def _of_inputs(one: Node) -> tuple[Vector, Vector]:
    mean, variance = (w.ravel() for w in one.weights)
    width = np.maximum(np.sqrt(variance), 1e-7)  # as Keras has it
    return (width, mean) if one.config.get("invert") else (1 / width, -mean / width)


def _affine(name: str, inputs: tuple[str, ...], scale: Vector, offset: Vector) -> Node:
    config = {"axis": -1, "epsilon": _HALF}
    weights = (scale, offset, np.zeros_like(scale), np.full_like(scale, 1 - _HALF))
    return Node(name, KIND, inputs, config, weights)


def clipped_at_powers_of_two(graph: Graph) -> Graph:
    """A ReLU that clips at any value becomes one that clips at a power of two, scaled in front and behind.

    In firmware the clipping is the saturation of a fixed-point type.
    """
    if graph.is_quantized:
        return graph

    def rule(one: Node) -> Iterator[Node]:
        limit = one.config.get("max_value")
        if one.kind != "ReLU" or not limit or (limit >= 1 and math.log2(limit).is_integer()):
            yield one
            return
        power = 2.0 ** max(0, math.ceil(math.log2(limit)))
        before, clip = graph.fresh(f"{one.name}_in"), graph.fresh(f"{one.name}_clip")
        yield node(before, one.inputs[0], np.array(power / limit), np.array(0.0))
        yield Node(clip, "ReLU", (before,), {**one.config, "max_value": power})
        yield node(one.name, clip, np.array(limit / power), np.array(0.0))

    return graph.rewritten(rule)


def folded(graph: Graph) -> Graph:
    """The graph with every layer that only scales and shifts folded into others, or as a layer with weights.

    Raises:
        UnsupportedLayerError: another axis than the channels is normalized.
    """
    graph = _named(graph)
    # From the last on, for one behind another goes into it.
    for name in [n.name for n in reversed(graph.nodes) if n.kind == KIND]:
        graph = _without(graph, graph[name])
    return graph


def _without(graph: Graph, one: Node) -> Graph:
    scale, offset = one.weights[:2]
    before = graph[one.inputs[0]]
    if before.kind in (*_LINEAR, KIND) and graph.only_consumer(before.name) is not None:
        return _replaced(graph, {before.name: behind(before, scale, offset), one.name: None})
    takers = list(_takers(graph, one))
    if takers and one.name not in graph.outputs and all(_can_take(n, offset) for n in takers):
        repeated = {n.name: graph.shapes[n.inputs[0]][-1] // len(scale) for n in takers}
        new = {n.name: _before(n, np.tile(scale, repeated[n.name]), np.tile(offset, repeated[n.name])) for n in takers}
        return _replaced(graph, {**new, one.name: None})
    return graph.rewritten(lambda n: _depthwise(graph, n) if n.name == one.name else (n,))


def _replaced(graph: Graph, new: dict[str, Node | None]) -> Graph:
    def rule(one: Node) -> Iterator[Node]:
        made = new.get(one.name, one)
        if made is not None:
            yield replace(made, inputs=one.inputs)

    return graph.rewritten(rule)


def behind(layer: Node, scale: Vector, offset: Vector) -> Node:
    """A layer with a scale and an offset of its results folded in."""
    if layer.kind == KIND:
        return _affine(layer.name, layer.inputs, layer.weights[0] * scale, layer.weights[1] * scale + offset)
    kernel, *bias = layer.weights
    channels = scale.reshape(kernel.shape[2:]) if layer.kind == "DepthwiseConv2D" else scale
    return _with(layer, kernel * channels, (bias[0] if bias else 0.0) * scale + offset)


def _before(layer: Node, scale: Vector, offset: Vector) -> Node:
    """A layer with a scale and an offset of what it takes folded in."""
    kernel, *bias = layer.weights
    scale, offset = (v[:, None] for v in (scale, offset))
    added = (kernel * offset).sum(axis=tuple(range(kernel.ndim - 2)))
    added = added.ravel() if layer.kind == "DepthwiseConv2D" else added.sum(axis=0)
    return _with(layer, kernel * scale, (bias[0] if bias else 0.0) + added)


def _with(layer: Node, kernel: Vector, bias: Vector) -> Node:
    return replace(layer, weights=(kernel, bias), config={**layer.config, "use_bias": True})


def _takers(graph: Graph, one: Node) -> Iterator[Node]:
    """The layers that take a result, flattened or not."""
    for taker in graph.consumers[one.name]:
        if taker.kind == "Flatten" and taker.name not in graph.outputs:
            yield from graph.consumers[taker.name]
        else:
            yield taker


def _can_take(layer: Node, offset: Vector) -> bool:
    whole = layer.kind == "Dense" or layer.config.get("padding", "valid") == "valid"
    return layer.kind in _LINEAR and len(set(layer.inputs)) == 1 and (whole or not offset.any())


def _depthwise(graph: Graph, one: Node) -> Iterator[Node]:
    """A depthwise convolution of 1 x 1 in place of a node that scales and shifts."""
    shape, (scale, offset) = graph.shapes[one.name], one.weights[:2]
    *places, channels = shape
    image = (*places, *(1,) * (2 - len(places)), channels)
    layer = Node(one.name, "DepthwiseConv2D", one.inputs, {"kernel_size": 1, "use_bias": True},
                 (scale.reshape(1, 1, -1, 1), offset))
    if image == shape:
        yield layer
        return
    before, name = graph.fresh(f"{one.name}_image"), graph.fresh(f"{one.name}_scaled")
    yield Node(before, "Reshape", one.inputs, {"target_shape": image})
    yield replace(layer, name=name, inputs=(before,))
    yield Node(one.name, "Reshape", (name,), {"target_shape": shape})
