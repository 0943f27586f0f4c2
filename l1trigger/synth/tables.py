"""Logic of functions that hls4ml computes from tables: sigmoid, tanh, elu, softmax."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import reduce
from typing import Any

import numpy as np
from numpy.typing import NDArray

from l1trigger.convert import functions
from l1trigger.convert.graph import GraphLayer
from l1trigger.fixed_point import FixedPoint
from l1trigger.synth.quantization import like, quantized

Array = NDArray[np.float64]

LARGEST = 2**16
"""Entries of a table; more make no sense as logic."""

_EXACT_BITS = 24
"""Of a table's values: alkaid finds their last bit in float32, and keeps them as integers of 32 bits."""



def problem(layer: GraphLayer) -> str:
    """Why a layer of this module has no logic; empty when it has, or is none of this module."""
    if layer.kind == "Softmax":
        if layer.word("implementation") not in ("latency", "stable", "argmax"):
            return f"the {layer.word('implementation')} softmax"
        for role in () if layer.word("implementation") == "argmax" else ("exp_table", "inv_table", "inv_inp", "accum"):
            if role not in layer.types:
                return f"its type {role} is {layer.unknown.get(role, 'missing')}"
    if layer.kind in ("Activation", "ParametrizedActivation") and layer.word("activation") in ACTIVATIONS:
        t = layer.types["input"]
        if t.width > LARGEST.bit_length() - 1:
            return f"a table of {layer.word('activation')} for {t}; quantize its input to 16 bits or fewer"
    return ""


def looked_up(v: Any, function: Callable[[Array], Array]) -> Any:
    """A function of one value as a table of all the values that it can have."""
    count = round((v.high - v.low) / v.step) + 1
    return _table(v, np.asarray(function(v.low + v.step * np.arange(count)), np.float64))


def _table(v: Any, values: Array) -> Any:
    """The table of some values; those of too many bits become a sum of two tables."""
    if v.low == v.high or (values == values[0]).all():
        return v.from_const(float(values[0]), v.hwconf)
    step = 2.0 ** (np.frexp(np.abs(values).max())[1] - _EXACT_BITS)
    high = np.floor(values / step) * step
    return v.lookup(high) if np.array_equal(high, values) else _table(v, high) + _table(v, values - high)


def _each(function: Callable[[GraphLayer, Array], Array]) -> Callable[[GraphLayer, Sequence[Any]], Any]:
    """A layer that looks every element up, in its result type already."""
    def layer_function(layer: GraphLayer, inputs: Sequence[Any]) -> Any:
        result = layer.types["result"]
        return like(inputs[0], [
            looked_up(v, lambda x: result.quantize(function(layer, x))) for v in np.asarray(inputs[0].ravel())
        ])

    return layer_function


ACTIVATIONS: Mapping[str, Callable[[GraphLayer, Sequence[Any]], Any]] = {
    name: _each(function) for name, function in functions.TABLES.items()
}


def softmax(layer: GraphLayer, inputs: Sequence[Any]) -> Any:
    """Softmax along one axis; exponentials and the reciprocal of their sum are tables."""
    flat = np.asarray(inputs[0].ravel())
    inner, outer = layer.number("n_inner", 1), layer.number("n_outer", 1)
    out = np.empty_like(flat)
    for slots in np.arange(len(flat)).reshape(outer, -1, inner).swapaxes(1, 2).reshape(outer * inner, -1):
        out[slots] = _SOFTMAX[layer.word("implementation")](layer, like(inputs[0], flat[slots]))
    return like(inputs[0], out)


def _argmax(layer: GraphLayer, x: Any) -> Any:
    """1 for the first of the largest values, 0 for all others."""
    values = list(np.asarray(x))
    best, winners = values[0], [values[0].from_const(1.0, values[0].hwconf)]
    for v in values[1:]:
        larger = v > best
        winners = [larger.msb_mux(0.0, w) for w in winners] + [larger]
        best = best.max_of(v)
    return winners


def _latency(layer: GraphLayer, x: Any) -> Any:
    return _normalized(layer, x, layer.types["input"], 1.0)


def _stable(layer: GraphLayer, x: Any) -> Any:
    """Softmax of the distances to the largest value, which keeps the exponentials from overflowing."""
    values = list(np.asarray(x))
    largest = reduce(lambda a, b: a.max_of(b), values)
    distance = functions.distance_type(layer)
    return _normalized(layer, quantized(like(x, [largest - v for v in values]), distance), distance, -1.0)


_SOFTMAX: Mapping[str, Callable[[GraphLayer, Any], Any]] = {
    "argmax": _argmax, "latency": _latency, "stable": _stable,
}


def _normalized(layer: GraphLayer, x: Any, address: FixedPoint, sign: float) -> Any:
    """Exponentials of ``x`` of type ``address``, times the reciprocal of their sum."""
    exponential = functions.exponential(layer, address, sign)
    exponentials = like(x, [looked_up(v, exponential) for v in np.asarray(x)])
    total = _tree_sum(exponentials, layer.types["accum"])
    t = layer.types["inv_inp"]
    (address_of_sum,) = np.asarray(quantized(like(x, [total]), t))
    addressed = _addressed(address_of_sum, t, layer.attributes["inv_table_size"])
    return exponentials * looked_up(addressed, functions.reciprocal(layer))


def _tree_sum(x: Any, accumulator: FixedPoint) -> Any:
    """Sum by a balanced tree, every partial sum in the accumulator's type."""
    values = list(np.asarray(x))
    if len(values) == 1:
        return values[0]
    half = 1 << ((len(values) - 1).bit_length() - 1)
    left, right = (_tree_sum(like(x, part), accumulator) for part in (values[:half], values[half:]))
    return np.asarray(quantized(like(x, [left + right]), accumulator))[0]


def _addressed(v: Any, t: FixedPoint, size: float) -> Any:
    """The bits that address a table of some size."""
    return v.quantize(int(t.signed), t.integer - t.signed, -round(np.log2(functions.address_step(t, size))))
