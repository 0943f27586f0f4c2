"""Rules that bring a graph into the form that firmware is made from; none changes what the network computes.

Every layer does one thing: activations are nodes of their own, sums have two terms, a dense layer of a row of vectors
is a convolution of width 1. What only scales and shifts is folded into layers with weights (``affine``).
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from dataclasses import replace
from typing import Any

import numpy as np

from l1trigger.errors import UnsupportedLayerError
from l1trigger.keras_import import affine
from l1trigger.keras_import.graph import Graph, Node

_WEIGHTED = ("Dense", "Conv1D", "Conv2D", "DepthwiseConv2D", "SeparableConv2D")
ENDS = ("softmax", "sigmoid")
_PORTS = re.compile(r"x\d*|input_type\d*|output_type")


def canonical(graph: Graph, logits: bool = False) -> Graph:
    """The same network in the form that firmware is made from.

    Args:
        graph: of a model.
        logits: whether a softmax or sigmoid at the end is left out.

    Raises:
        UnsupportedLayerError: a layer has options that no rule knows.
    """
    for rule in (activations_apart, without_end if logits else _same, plain_activations, separated, pointwise, averages,
                 pairs, without_padding_before, pooled_flat):
        graph = rule(graph)
    if not graph.is_quantized:  # QKeras' layers keep the weights that their quantizers round
        graph = affine.folded(graph)
    for rule in (without_repeats, one_output, valid_names):
        graph = rule(graph)
    return graph


def _same(graph: Graph) -> Graph:
    return graph


def activations_apart(graph: Graph) -> Graph:
    """Activations of layers with weights become nodes behind them."""

    def rule(node: Node) -> Iterator[Node]:
        activation = node.config.get("activation")
        if node.kind.removeprefix("Q") not in _WEIGHTED or activation in (None, "linear"):
            yield node
            return
        yield replace(node, config={**node.config, "activation": None})
        kind = "Activation" if isinstance(activation, str) and activation.isidentifier() else "QActivation"
        name = graph.fresh(f"{node.name}_activation")
        yield Node(name, kind, (node.name,), {"activation": activation})

    return graph.rewritten(rule)


def without_end(graph: Graph) -> Graph:
    """Outputs without softmax or sigmoid at the end.

    Raises:
        UnsupportedLayerError: there is none.
    """
    cut = {}
    for name in graph.outputs:
        node = graph[name]
        if node.kind != "Softmax" and end_of(node) not in ENDS:
            raise UnsupportedLayerError(
                f"{name} ({node.kind}): the network does not end in softmax or sigmoid. Remedy: leave out model.logits"
            )
        cut[name] = node.inputs[0]
    return replace(graph, outputs=tuple(cut[n] for n in graph.outputs)).reachable()


def end_of(node: Node) -> str:
    """Name of a node's activation."""
    return "softmax" if node.kind == "Softmax" else str(node.config.get("activation", ""))


def plain_activations(graph: Graph) -> Graph:
    """Every ReLU is a layer ``ReLU``; straight lines are left out."""

    def rule(node: Node) -> Iterator[Node]:
        activation = node.config.get("activation")
        if node.kind == "Activation" and activation == "linear":
            return
        if node.kind == "Activation" and activation in ("relu", "relu6"):
            limit = 6.0 if activation == "relu6" else None
            yield Node(node.name, "ReLU", node.inputs, {"max_value": limit})
        elif node.kind == "LeakyReLU" and not (node.config.get("alpha") or node.config.get("negative_slope")):
            yield Node(node.name, "ReLU", node.inputs, {"max_value": None})
        elif node.kind == "ReLU" and not node.config.get("negative_slope") and not node.config.get("threshold"):
            limit = node.config.get("max_value")
            yield replace(node, config={"max_value": None if limit is None else float(limit)})
        else:
            yield node

    return affine.clipped_at_powers_of_two(graph.rewritten(rule))


def separated(graph: Graph) -> Graph:
    """A separable convolution becomes a depthwise one and one of 1 x 1 behind it."""

    def rule(node: Node) -> Iterator[Node]:
        if node.kind != "SeparableConv2D":
            yield node
            return
        depthwise, pointwise, *bias = node.weights
        name = graph.fresh(f"{node.name}_depthwise")
        config = {k: v for k, v in node.config.items() if k not in ("filters", "use_bias", "activation")}
        yield Node(name, "DepthwiseConv2D", node.inputs, {**config, "use_bias": False}, (depthwise,))
        yield Node(node.name, "Conv2D", (name,), {"filters": node.config["filters"], "kernel_size": 1,
                                                  "use_bias": bool(bias)}, (pointwise, *bias))

    return graph.rewritten(rule)


def pointwise(graph: Graph) -> Graph:
    """A dense layer of a row or an image of vectors becomes a convolution of width 1."""

    def rule(node: Node) -> Iterator[Node]:
        rank = len(graph.shapes[graph[node.name].inputs[0]]) if node.inputs else 0
        if node.kind not in ("Dense", "QDense") or rank not in (2, 3):
            yield node
            return
        kernel, *bias = node.weights
        config = {k: v for k, v in node.config.items() if k != "units"}
        kind = f"{'Q' * node.is_quantized}Conv{rank - 1}D"
        yield Node(node.name, kind, node.inputs, {**config, "filters": node.config["units"], "kernel_size": 1},
                   (kernel.reshape((1,) * (rank - 1) + kernel.shape), *bias))

    return graph.rewritten(rule)


def averages(graph: Graph) -> Graph:
    """An average of more than two results becomes a sum that is scaled."""

    def rule(node: Node) -> Iterator[Node]:
        if node.kind == "Average" and len(node.inputs) > 2:
            name = graph.fresh(f"{node.name}_sum")
            yield Node(name, "Add", node.inputs)
            yield affine.node(node.name, name, np.array(1 / len(node.inputs)), np.array(0.0))
        else:
            yield node

    return graph.rewritten(rule)


def pairs(graph: Graph) -> Graph:
    """What joins results joins two at a time, and two of one shape.

    Raises:
        UnsupportedLayerError: results of several shapes are added, or more than two are subtracted.
    """

    def rule(node: Node) -> Iterator[Node]:
        if len(node.inputs) < 2:
            yield node
            return
        if node.kind != "Concatenate" and len({graph.shapes[n] for n in graph[node.name].inputs}) > 1:
            raise UnsupportedLayerError(f"{node.name} ({node.kind}): takes results of different shapes. "
                                        "Remedy: bring them to one shape before")
        last = node.inputs[0]
        for i, other in enumerate(node.inputs[1:], 2):
            name = node.name if i == len(node.inputs) else graph.fresh(f"{node.name}_of{i}")
            yield replace(node, name=name, inputs=(last, other))
            last = name

    return graph.rewritten(rule)


def without_padding_before(graph: Graph) -> Graph:
    """A causal convolution becomes one behind a layer that adds the zeros in front."""

    def rule(node: Node) -> Iterator[Node]:
        if node.config.get("padding") != "causal":
            yield node
            return
        (size,), (dilation,) = _tuple(node.config["kernel_size"]), _tuple(node.config.get("dilation_rate", 1))
        name = graph.fresh(f"{node.name}_zeros")
        yield Node(name, "ZeroPadding1D", node.inputs, {"padding": ((size - 1) * dilation, 0)})
        yield replace(node, inputs=(name,), config={**node.config, "padding": "valid"})

    return graph.rewritten(rule)


def pooled_flat(graph: Graph) -> Graph:
    """Global pooling that keeps its axes is pooling with a change of shape behind it."""

    def rule(node: Node) -> Iterator[Node]:
        if not node.config.get("keepdims"):
            yield node
            return
        name = graph.fresh(f"{node.name}_flat")
        yield replace(node, name=name, config={**node.config, "keepdims": False})
        yield Node(node.name, "Reshape", (name,), {"target_shape": graph.shapes[node.name]})

    return graph.rewritten(rule)


def without_repeats(graph: Graph) -> Graph:
    """Leaves out a ReLU behind a ReLU, and changes of shape that change nothing."""
    shapes = graph.shapes

    def rule(node: Node) -> Iterator[Node]:
        before = graph[graph[node.name].inputs[0]] if node.inputs else node
        again = node.kind == before.kind == "ReLU" and node.inputs and before.config == node.config
        idle = node.kind in ("Flatten", "Reshape") and shapes[before.name] == shapes[node.name]
        if again or idle:
            return
        if node.kind == "Reshape":
            node = replace(node, config={"target_shape": shapes[node.name]})
        yield node

    return graph.rewritten(rule)


def one_output(graph: Graph) -> Graph:
    """Outputs one behind the other in one vector; changes of shape at the end are left out, for events are flat."""
    outputs = [_before_reshaping(graph, name) for name in graph.outputs]
    graph = replace(graph, outputs=tuple(outputs)).reachable()
    if len(outputs) == 1:
        return graph
    nodes, flat = list(graph.nodes), []
    for name in outputs:
        flat.append(name if len(graph.shapes[name]) == 1 else graph.fresh(f"{name}_flat"))
        if flat[-1] != name:
            nodes.append(Node(flat[-1], "Flatten", (name,)))
    nodes.append(Node(graph.fresh("outputs"), "Concatenate", tuple(flat), {"axis": -1}))
    return pairs(Graph(tuple(nodes), graph.inputs, (nodes[-1].name,)))


def _before_reshaping(graph: Graph, name: str) -> str:
    while graph[name].kind in ("Flatten", "Reshape") and graph[graph[name].inputs[0]].inputs:
        name = graph[name].inputs[0]
    return name


def valid_names(graph: Graph) -> Graph:
    """Names that are C++ identifiers and none of those that quantized networks have besides."""
    given = {node.name for node in graph.nodes}
    names: dict[str, str] = {}
    for node in graph.nodes:
        base = re.sub(r"\W", "_", node.name, flags=re.ASCII).strip("_") or "layer"
        base = base if base[0].isalpha() else f"layer_{base}"
        new, n = base, 1
        while new in names.values() or (new != node.name and new in given) or _is_taken(new, given):
            n += 1
            new = f"{base}_l{n}"
        names[node.name] = new
    nodes = tuple(replace(n, name=names[n.name], inputs=tuple(names[i] for i in n.inputs)) for n in graph.nodes)
    return Graph(nodes, tuple(names[n] for n in graph.inputs), tuple(names[n] for n in graph.outputs))


def _is_taken(name: str, others: Collection[str]) -> bool:
    """Whether the network's ports, or the quantizer behind another layer, have a name."""
    layer, _, role = name.rpartition("_")
    return bool(_PORTS.fullmatch(name)) or (role in ("relu", "type") and layer in others)


def _tuple(value: Any) -> tuple[int, ...]:
    return (value,) if isinstance(value, int) else tuple(int(v) for v in value)
