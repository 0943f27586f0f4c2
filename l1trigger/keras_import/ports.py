"""Quantizers at the ports of QKeras graphs, which firmware needs, and the same graphs without any quantizers."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import numpy as np

from l1trigger import frameworks
from l1trigger.errors import UnsupportedLayerError
from l1trigger.fixed_point import FixedPoint, Overflow, Rounding
from l1trigger.keras_import.graph import Graph, Node
from l1trigger.network import qkeras_objects
from l1trigger.normal_form import covering, quantized_weights
from l1trigger.quantize.keras_graph import type_of
from l1trigger.quantize.quantizers import fixed_point

_MOVING = ("Flatten", "Reshape", "Permute")
_WIDEST = 32
"""Bits of an output type that is added to a network without one; more are hardly meant."""


def with_ports(graph: Graph, input_type: FixedPoint) -> Graph:
    """A QKeras graph whose inputs and output have a quantizer; one that is added changes no number.

    Args:
        graph: of QKeras layers, with one output.
        input_type: holds every input that comes.

    Raises:
        UnsupportedLayerError: the exact type of its outputs cannot be told.
    """
    return _typed_output(_typed_inputs(graph, input_type))


def _typed_inputs(graph: Graph, input_type: FixedPoint) -> Graph:
    def rule(node: Node) -> Iterator[Node]:
        yield node
        if node.kind == "InputLayer" and not all(map(_is_port, graph.consumers[node.name])):
            name = graph.fresh("input_type" if len(graph.inputs) == 1 else f"{node.name}_input")
            yield Node(name, "QActivation", (node.name,), {"activation": type_of(input_type)})

    return graph.rewritten(rule)


def _is_port(node: Node) -> bool:
    """Whether a node gives an input its type in hls4ml, too; a quantized ReLU leaves it open."""
    return node.kind == "QActivation" and type(quantizer_of(node)).__name__ == "quantized_bits"


def _typed_output(graph: Graph) -> Graph:
    (name,) = graph.outputs
    if graph[name].kind == "QActivation":
        return graph
    kept = replace(graph, outputs=(graph.fresh("output_type"),))
    return replace(kept, nodes=(*graph.nodes, Node(kept.outputs[0], "QActivation", (name,), {
        "activation": type_of(exact_type(graph, name)),
    })))


def exact_type(graph: Graph, name: str) -> FixedPoint:
    """The signed type that holds every result of a node.

    Raises:
        UnsupportedLayerError: it cannot be told, or is too wide.
    """
    low, high, fraction = _range(graph, name)
    integer = 1 + max(int(np.ceil(np.log2(max(abs(low), abs(high) + 2.0**-fraction, 2.0**-fraction)))), 1 - fraction)
    t = FixedPoint(integer + fraction, integer, True, Rounding.RND_CONV, Overflow.SAT)
    if t.width > _WIDEST:
        raise _unknown(graph[name], f"its exact outputs need {t.width} bits")
    return t



def _range(graph: Graph, name: str) -> tuple[float, float, int]:
    """Smallest and largest possible result of a node, and bits behind its binary point."""
    node = graph[name]
    if node.kind == "QActivation":
        t = fixed_point(quantizer_of(node))
        if t is None:
            raise _unknown(node, "its quantizer is no fixed-point type")
        low, high = (t.value(np.array(v)) for v in t.raw_range)
        return float(low), float(high), t.fraction
    before = [_range(graph, n) for n in node.inputs]
    if node.kind == "QDense":
        return _of_dense(node, before[0])
    if node.kind == "Add":
        (a, b) = before
        return a[0] + b[0], a[1] + b[1], max(a[2], b[2])
    if node.kind in ("Concatenate", "MaxPooling1D", "MaxPooling2D", "ReLU", *_MOVING):
        return min(b[0] for b in before), max(b[1] for b in before), max(b[2] for b in before)
    raise _unknown(node, "what it gives at most is not known")


def _of_dense(node: Node, before: tuple[float, float, int]) -> tuple[float, float, int]:
    low, high, fraction = before
    (kernel, *bias), fractions = _quantized_weights(node)
    up, down = np.maximum(kernel, 0), np.minimum(kernel, 0)
    added = bias[0] if bias else 0.0
    return (float((up * low + down * high).sum(0).min() + np.min(added)),
            float((up * high + down * low).sum(0).max() + np.max(added)), max(fraction + fractions[0], *fractions))


def _quantized_weights(node: Node) -> tuple[list[Any], list[int]]:
    """Kernel and bias on the grids of their quantizers, and bits behind their binary points."""
    layer = Graph((Node("x", "InputLayer", (), {"shape": node.weights[0].shape[:-1]}), replace(node, inputs=("x",))),
                  ("x",), (node.name,)).model().get_layer(node.name)
    on_grid = [weights for _, _, weights in quantized_weights(layer)]
    types = [t for weights in on_grid if (t := covering(weights)) is not None]
    if len(types) < len(node.weights):
        raise _unknown(node, "its weights have no fixed-point type")
    return [np.asarray(weights, np.float64) for weights in on_grid], [t.fraction for t in types]


def _unknown(node: Node, why: str) -> UnsupportedLayerError:
    return UnsupportedLayerError(f"{node.name} ({node.kind}): the output has no quantizer, and {why}. Remedy: end with "
                                 "QActivation(quantized_bits(bits, integer, alpha=1))")


def quantizer_of(node: Node) -> Any:
    """The quantizer of a QActivation."""
    objects = qkeras_objects()
    config = {key: value for key, value in node.config.items() if key != "dtype"}
    with frameworks.keras().utils.custom_object_scope(objects):
        return objects["QActivation"].from_config({**config, "name": node.name}).quantizer


def without_quantizers(graph: Graph) -> Graph:
    """The same graph of Keras layers, with float weights; activations as their quantizers have them without rounding.

    Raises:
        UnsupportedLayerError: a layer of QKeras has no twin.
    """

    def rule(node: Node) -> Iterator[Node]:
        if node.kind == "QActivation":
            if (function := _function(quantizer_of(node))) is not None:
                yield Node(node.name, "Activation", node.inputs, {"activation": function})
        elif node.is_quantized:
            yield _twin(node)
        else:
            yield node

    return graph.rewritten(rule)


def _function(quantizer: Any) -> Callable[[Any], Any] | None:
    """What a quantizer computes without rounding; None where it leaves numbers as they are."""
    k, q = frameworks.keras(), frameworks.qkeras()
    kind = type(quantizer).__name__
    if kind == "quantized_relu":
        slope = float(quantizer.negative_slope or 0)
        return lambda x: k.activations.relu(x, alpha=slope)
    if kind == "quantized_tanh":
        real: Callable[[Any], Any] = k.activations.tanh
        return real if quantizer.use_real_tanh else lambda x: k.backend.clip(x, -1.0, 1.0)
    if kind == "quantized_sigmoid":
        smooth: Callable[[Any], Any] = k.activations.sigmoid
        hard: Callable[[Any], Any] = q.quantizers.hard_sigmoid
        return smooth if quantizer.use_real_sigmoid else hard
    if kind in ("quantized_bits", "quantized_linear", "quantized_po2", "quantized_ulaw"):
        return None
    step: Callable[[Any], Any] = quantizer
    return step  # which no straight line stands for


_SAME = ("units", "filters", "kernel_size", "strides", "padding", "use_bias", "depth_multiplier", "dilation_rate",
         "groups", "data_format")


def _twin(node: Node) -> Node:
    kind = node.kind.removeprefix("Q")
    if not hasattr(frameworks.keras().layers, kind):
        raise UnsupportedLayerError(f"{node.name} ({node.kind}): has no twin without quantizers. Remedy: use QDense, "
                                    "QConv1D, QConv2D, QDepthwiseConv2D and QActivation")
    return replace(node, kind=kind, config={n: node.config[n] for n in _SAME if n in node.config})
