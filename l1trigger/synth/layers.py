"""Logic of a network's layers, from hls4ml's graph: what its C++ computes, bit for bit.

A layer is a function of its inputs, shaped as in the graph and without the axis of events. It gives exact values; they
are brought into the layer's result type afterwards, in one place. The C++ referred to is hls4ml's ``nnet_utils``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from l1trigger.convert.graph import GraphLayer, input_slices
from l1trigger.errors import UnsupportedLayerError
from l1trigger.fixed_point import FixedPoint, Overflow, Rounding
from l1trigger.synth import tables, windows
from l1trigger.synth.products import weighted_sums
from l1trigger.synth.quantization import like, quantized

LayerFunction = Callable[[GraphLayer, Sequence[Any]], Any]


def network(
    layers: Sequence[GraphLayer], x: Any, known: Mapping[str, Any] | None = None
) -> tuple[Any, dict[str, tuple[float, float]]]:
    """Network outputs of its inputs, and when each layer works: estimated arrival of its inputs and outputs [ns].

    Args:
        layers: of the graph, in order.
        x: inputs, one after the other.
        known: values that layers find by name, where those that make them are not among the layers.
    """
    values = dict(known or {})
    times = {}
    result = x
    taken = input_slices(layers)
    for layer in layers:
        if layer.name in taken:
            inputs = [x.ravel()[taken[layer.name]].reshape(layer.shape)]
        else:
            inputs = [values[name] for name in layer.inputs]
        result = logic(layer, inputs)
        values |= dict.fromkeys(layer.outputs, result)
        times[layer.name] = (min(float(v.latency.min()) for v in inputs), float(result.latency.max()))
    return result, times


def logic(layer: GraphLayer, inputs: Sequence[Any]) -> Any:
    """Outputs of one layer, in its result type."""
    value = KINDS[layer.kind](layer, inputs)
    return quantized(value, layer.types["result"]).reshape(layer.shape)


def require_supported(layers: Sequence[GraphLayer]) -> None:
    """Raises when a network has layers without logic.

    Raises:
        UnsupportedLayerError: names all of them.
    """
    wrong = [f"{layer.name} ({problem})" for layer in layers if (problem := _problem(layer))]
    if wrong:
        raise UnsupportedLayerError(
            f"The stage synth has no logic for these layers: {', '.join(wrong)}. "
            f"Remedy: use {', '.join(KINDS)}, or leave this stage out with synth.route: none"
        )


def _problem(layer: GraphLayer) -> str:
    """Why a layer has no logic; empty when it has."""
    if layer.kind not in KINDS:
        return f"a {layer.kind}"
    if unknown := [f"its type {role} is {text}" for role, text in layer.unknown.items() if role in _NEEDED]:
        return "; ".join(unknown)
    if layer.word("data_format") == "channels_first":
        return "channels first"
    if layer.kind in ACTIVATED and layer.word("activation") not in ACTIVATIONS:
        return f"activation {layer.word('activation')}"
    if layer.kind == "Merge" and layer.word("op") not in MERGES:
        return f"a merge by {layer.word('op')}"
    return windows.problem(layer) or tables.problem(layer)


_NEEDED = ("result", "accum", "weight", "bias", "table", "param", "scale", "slope", "shift")


def _dense(layer: GraphLayer, inputs: Sequence[Any]) -> Any:
    weight, bias = layer.weights["weight"], layer.weights["bias"]
    rows = inputs[0].reshape(-1, len(weight))
    return like(rows, [np.asarray(weighted_sums(layer, row, weight, bias)) for row in rows])


def _scaled(layer: GraphLayer, inputs: Sequence[Any]) -> Any:
    """Batch normalization and scales: by element, or by channel."""
    flat = inputs[0].ravel()
    repeat = len(flat) // len(layer.weights["scale"])
    scale, bias = (np.tile(layer.weights[role], repeat) for role in ("scale", "bias"))
    return like(flat, [v * float(a) + float(b) for v, a, b in zip(np.asarray(flat), scale, bias, strict=True)])


def _relu(layer: GraphLayer, inputs: Sequence[Any]) -> Any:
    # An unsigned type that saturates makes 0 of whatever is negative by itself.
    t = layer.types["result"]
    if not t.signed and t.overflow is Overflow.SAT and t.rounding in (Rounding.TRN, Rounding.RND, Rounding.RND_CONV):
        return inputs[0]
    return np.maximum(inputs[0], 0)


def _relu_up_to(top: float) -> LayerFunction:
    return lambda layer, inputs: np.minimum(np.maximum(inputs[0], 0), top)


def _leaky_relu(layer: GraphLayer, inputs: Sequence[Any]) -> Any:
    slope = layer.types["param"].quantize(float(layer.attributes["activ_param"]))
    return _by_sign(inputs[0], np.full(inputs[0].size, slope))


def _prelu(layer: GraphLayer, inputs: Sequence[Any]) -> Any:
    return _by_sign(inputs[0], layer.weights["param"].ravel())


def _by_sign(x: Any, slopes: Any) -> Any:
    """``x`` where it is positive, else ``x`` times its slope."""
    values = zip(np.asarray(x.ravel()), slopes, strict=True)
    return like(x, [v.is_negative().msb_mux(v * float(a), v) for v, a in values])


def _thresholded_relu(layer: GraphLayer, inputs: Sequence[Any]) -> Any:
    theta = float(layer.types["param"].quantize(float(layer.attributes["activ_param"])))
    values = np.asarray(inputs[0].ravel())
    return like(inputs[0], [(v > theta).msb_mux(v, 0.0) for v in values])


def _binary_tanh(layer: GraphLayer, inputs: Sequence[Any]) -> Any:
    return like(inputs[0], [v.is_negative().msb_mux(-1.0, 1.0) for v in np.asarray(inputs[0].ravel())])


def _hard(low: float, factor: float) -> LayerFunction:
    """A straight line with two ends: hard sigmoid, and hard tanh, which is twice that less 1."""
    def function(layer: GraphLayer, inputs: Sequence[Any]) -> Any:
        slope, shift = (float(layer.types[r].quantize(float(layer.attributes[r]))) for r in ("slope", "shift"))
        line = np.minimum(np.maximum(inputs[0] * slope + shift, 0), 1)
        return line * factor + low

    return function


ACTIVATIONS: Mapping[str, LayerFunction] = {
    "linear": lambda layer, inputs: inputs[0],
    "relu": _relu, "relu1": _relu_up_to(1), "relu6": _relu_up_to(6), "leakyrelu": _leaky_relu,
    "leaky_relu": _leaky_relu, "thresholdedrelu": _thresholded_relu, "prelu": _prelu, "binary_tanh": _binary_tanh,
    "hard_sigmoid": _hard(0.0, 1.0), "hard_tanh": _hard(-1.0, 2.0), **tables.ACTIVATIONS,
}
ACTIVATED = ("Activation", "HardActivation", "ParametrizedActivation", "PReLU")


def _activation(layer: GraphLayer, inputs: Sequence[Any]) -> Any:
    return ACTIVATIONS[layer.word("activation")](layer, inputs)


MERGES: Mapping[str, Callable[[Any, Any], Any]] = {
    "add": lambda a, b: a + b, "subtract": lambda a, b: a - b, "multiply": lambda a, b: a * b,
    "average": lambda a, b: (a + b) * 0.5, "maximum": np.maximum, "minimum": np.minimum,
}


def _merge(layer: GraphLayer, inputs: Sequence[Any]) -> Any:
    n = int(np.prod(layer.shape))
    # The C++ starts the shorter input over again, which is how it broadcasts.
    first, second = (like(v, np.resize(np.asarray(v.ravel()), n)) for v in inputs)
    return MERGES[layer.word("op")](first, second)


def _dot(layer: GraphLayer, inputs: Sequence[Any]) -> Any:
    accumulator = layer.types["accum"]
    pairs = zip(np.asarray(inputs[0].ravel()), np.asarray(inputs[1].ravel()), strict=True)
    products = quantized(like(inputs[0], [a * b for a, b in pairs]), accumulator)
    return quantized(np.sum(products, keepdims=True), accumulator)


def _concatenate(layer: GraphLayer, inputs: Sequence[Any]) -> Any:
    axis = layer.number("axis", -1)
    return np.concatenate(inputs, axis=axis - 1 if axis > 0 else axis)


def _unchanged(layer: GraphLayer, inputs: Sequence[Any]) -> Any:
    return inputs[0]


def _transpose(layer: GraphLayer, inputs: Sequence[Any]) -> Any:
    return inputs[0].transpose(layer.attributes["perm"])


def _quantizer(layer: GraphLayer, inputs: Sequence[Any]) -> Any:
    """A type of its own for every element."""
    shape = layer.shape
    signed, width, integer = (
        np.broadcast_to(layer.weights[role], shape).ravel().astype(int) for role in ("signed", "width", "integer")
    )
    rounding, overflow = Rounding(layer.attributes["RND"]), Overflow(layer.attributes["SAT"])
    values = []
    for v, k, w, i in zip(np.asarray(inputs[0].ravel()), signed, width, integer, strict=True):
        one = like(inputs[0], [v])
        t = FixedPoint(int(w), int(i), bool(k), rounding, overflow) if w else None
        values.append(np.asarray(quantized(one, t) if t else one * 0.0)[0])
    return like(inputs[0], values)


KINDS: Mapping[str, LayerFunction] = {
    "Input": _unchanged, "Dense": _dense, **dict.fromkeys(ACTIVATED, _activation), "Softmax": tables.softmax,
    "BatchNormalization": _scaled, "ApplyAlpha": _scaled, "Merge": _merge, "Concatenate": _concatenate, "Dot": _dot,
    "Reshape": _unchanged, "Repack": _unchanged, "Clone": _unchanged, "Transpose": _transpose,
    "FixedPointQuantizer": _quantizer, **windows.KINDS,
}
"""Layers that have logic, by hls4ml's class names."""
