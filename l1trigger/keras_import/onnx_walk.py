"""From a file of ONNX or QONNX to the graph of Keras and QKeras layers that the importer takes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from l1trigger.errors import UnsupportedLayerError
from l1trigger.keras_import import affine, onnx_file
from l1trigger.keras_import.graph import Graph, Node
from l1trigger.keras_import.onnx_file import OnnxModel, Operation
from l1trigger.keras_import.onnx_nodes import WEIGHTED, Nodes
from l1trigger.keras_import.onnx_operators import MOVING, POWERS_OF_TWO, RULES
from l1trigger.normal_form import covering
from l1trigger.quantize.keras_graph import type_of


@dataclass(frozen=True)
class LoadedOnnx:
    """A user's ONNX model, and which of its results the nodes of its graph stand for.

    Attributes:
        model: as it was written.
        places: by name of a node: the result, and its order in the node.
    """

    model: OnnxModel
    places: Mapping[str, tuple[str, NDArray[np.intp]]]

    def has_once(self, name: str) -> bool:
        """Whether a node stands for one result of the file."""
        return name in self.places

    def outputs(
        self, inputs: Sequence[NDArray[np.float64]], layers: Sequence[str] = (), logits: bool = False
    ) -> list[NDArray[np.float64]]:
        """What the model itself gives, computed in float64, one array for each of its outputs.

        Args:
            inputs: one array for each of its inputs, first axis events.
            layers: names of results, or of nodes, which have an order of their own; none takes the model's outputs.
            logits: whether results are taken before a softmax or sigmoid.
        """
        if not layers:
            return self.model.run(inputs, self.model.outputs)
        places = [self.places.get(n, (n, None)) for n in layers]
        wanted = [self.model.makers[result].inputs[0] if logits else result for result, _ in places]
        results = self.model.run(inputs, wanted)
        return [_placed(y, order) for y, (_, order) in zip(results, places, strict=True)]


def _placed(y: NDArray[np.float64], order: NDArray[np.intp] | None) -> NDArray[np.float64]:
    if order is None:
        return y
    out = np.empty((len(y), order.size))
    out[:, order.ravel()] = y.reshape(len(y), -1)
    return out


def read(content: bytes, name: str, outputs: Sequence[str] = ()) -> tuple[LoadedOnnx, Graph]:
    """An ONNX model and its graph; raises as ``onnx_file.read`` does.

    Args:
        content: of the file.
        name: of the file, for messages.
        outputs: names of the results that are its outputs; none takes the model's own.

    Raises:
        UnsupportedLayerError: an operator, an option or a scale cannot be brought to firmware, or there is no such
            result.
    """
    model = onnx_file.read(content, name)
    if unknown := [n for n in outputs if n not in model.makers]:
        raise UnsupportedLayerError(f"{name}: there is no result {unknown[0]}. Remedy: model.outputs takes some of "
                                    + ", ".join(model.makers))
    wanted = tuple(outputs) or model.outputs
    nodes = Nodes(model, wanted)
    for operation in _reached(model, wanted):
        _take(nodes, operation)
    graph = nodes.graph()
    return LoadedOnnx(model, {v: p for v, p in nodes.places.items() if v in graph.consumers}), _quantized(graph)


def _reached(model: OnnxModel, outputs: Sequence[str]) -> list[Operation]:
    """The operations that outputs depend on, in order."""
    wanted, reached = set(outputs), []
    for operation in reversed(model.operations):
        if operation.output in wanted:
            wanted.update(operation.inputs)
            reached.append(operation)
    return reached[::-1]


def _take(nodes: Nodes, operation: Operation) -> None:
    """Makes the nodes of an operation."""
    if operation.kind not in RULES:
        raise operation.refused("the operator cannot be brought to firmware", f"use some of {', '.join(RULES)}")
    rule = RULES[operation.kind]
    value = rule(nodes, operation)
    if value.node == operation.output and not value.is_plain:
        value = replace(value, node=nodes.renamed(value.node, f"{value.node}_channels_last"))
    nodes.values[operation.output] = value
    if rule not in MOVING:
        nodes.places[value.node] = (operation.output, value.order)


def _quantized(graph: Graph) -> Graph:
    """A graph whose results have quantizers, with its weights in the types that hold them; any other as it is.

    Raises:
        UnsupportedLayerError: weights have no such type.
    """
    if not graph.is_quantized:
        return graph

    def rule(node: Node) -> list[Node]:
        if node.kind not in WEIGHTED:
            return [node]
        kernel, *bias = node.weights
        of_kernel = "depthwise_quantizer" if node.kind == "DepthwiseConv2D" else "kernel_quantizer"
        types = {of_kernel: _type(node, "weights", kernel)}
        if bias:
            types["bias_quantizer"] = _type(node, "biases", bias[0])
        return [replace(node, kind=f"Q{node.kind}", config={**node.config, **types})]

    return affine.folded(graph).rewritten(rule)


def _type(node: Node, what: str, values: NDArray[Any]) -> Any:
    t = covering(values)
    if t is None:
        raise UnsupportedLayerError(f"{node.name} ({node.kind}): no type of up to 24 bits holds its {what}. Remedy: "
                                    f"quantize them (Quant), and {POWERS_OF_TWO}; merge batch normalization before")
    if t.fraction < 0:  # a type of RTL reaches down to the binary point
        t = replace(t, width=t.integer)
    return type_of(t)
