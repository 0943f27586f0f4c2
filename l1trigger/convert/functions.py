"""Functions that hls4ml computes from tables: sigmoid, tanh, elu, and those of which softmax is made.

The tables are filled here as hls4ml's C++ fills them: arguments and values in float32, then its table's type.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import NDArray

from l1trigger.convert.graph import GraphLayer
from l1trigger.fixed_point import FixedPoint, Overflow

Array = NDArray[np.float64]

# Of G. Klambauer et al., arXiv:1706.02515; the slope in the type that the C++ has it in.
_SELU_SCALE, _SELU_ALPHA = 1.0507009873554805, 1.6732632423543772
_SELU_SLOPE = FixedPoint(16, 1, False).quantize(_SELU_SCALE)


def _filled(layer: GraphLayer, x: Array, reach: float, function: Callable[[Array], Array]) -> Array:
    """Values of a table over -reach to reach at some arguments; beyond its ends it stays at its last values."""
    size = layer.number("table_size")
    argument = (2 * reach * (np.arange(size) - size / 2) / size).astype(np.float32)
    table = layer.types["table"].quantize(function(argument.astype(np.float64)).astype(np.float32))
    index = np.trunc(x * size / (2 * reach)) + size // 2
    return np.asarray(table[np.clip(index, 0, size - 1).astype(int)])


def _sigmoid(layer: GraphLayer, x: Array) -> Array:
    return _filled(layer, x, 8.0, lambda v: 1 / (1 + _exp(-v)))


def _tanh(layer: GraphLayer, x: Array) -> Array:
    return _filled(layer, x, 4.0, np.tanh)


def _softplus(layer: GraphLayer, x: Array) -> Array:
    return _filled(layer, x, 8.0, lambda v: np.log(_exp(v) + 1))


def _softsign(layer: GraphLayer, x: Array) -> Array:
    return _filled(layer, x, 8.0, lambda v: v / (np.abs(v) + 1))


def _elu(layer: GraphLayer, x: Array) -> Array:
    alpha = layer.types["param"].quantize(float(layer.attributes.get("activ_param", 1.0)))
    return np.where(x >= 0, x, alpha * _left(layer, x, lambda v: _exp(v) - 1))


def _selu(layer: GraphLayer, x: Array) -> Array:
    return np.where(x >= 0, _SELU_SLOPE * x, _left(layer, x, lambda v: _SELU_SCALE * (_SELU_ALPHA * (_exp(v) - 1))))


def _left(layer: GraphLayer, x: Array, function: Callable[[Array], Array]) -> Array:
    """Values of a table over 0 to -8."""
    size = layer.number("table_size")
    argument = (-8.0 * np.arange(size) / size).astype(np.float32).astype(np.float64)
    table = layer.types["table"].quantize(function(argument).astype(np.float32))
    return np.asarray(table[np.clip(np.trunc(x * size / -8), 0, size - 1).astype(int)])


def _exp(x: Array) -> Array:
    """Exponentials rounded to float32, as the C++ function of float gives them."""
    return np.exp(x).astype(np.float32).astype(np.float64)


TABLES: Mapping[str, Callable[[GraphLayer, Array], Array]] = {
    "sigmoid": _sigmoid, "tanh": _tanh, "softplus": _softplus, "softsign": _softsign, "elu": _elu, "selu": _selu,
}
"""Activations that are tables, by hls4ml's name; their values are not yet in the layer's result type."""


def distance_type(layer: GraphLayer) -> FixedPoint:
    """The type of distances to the largest value in the stable softmax."""
    t = layer.types["input"]
    return layer.types.get("inp_norm", FixedPoint(t.width - t.signed, t.integer - t.signed, False))


def exponential(layer: GraphLayer, address: FixedPoint, sign: float) -> Callable[[Array], Array]:
    """The exponential of softmax.

    Args:
        layer: a softmax.
        address: type of its argument.
        sign: of its argument.
    """
    types, attributes = layer.types, layer.attributes
    scale = sign * float(attributes.get("exp_scale", 1.0))

    def function(v: Array) -> Array:
        argument = (_top_bits(v, address, attributes["exp_table_size"]) * scale).astype(np.float32)
        return types["accum"].quantize(types["exp_table"].quantize(_exp(argument.astype(np.float64))))

    return function


def reciprocal(layer: GraphLayer) -> Callable[[Array], Array]:
    """The reciprocal of the sum of exponentials in softmax."""
    def function(v: Array) -> Array:
        t = layer.types["inv_table"]
        argument = _top_bits(v, layer.types["inv_inp"], layer.attributes["inv_table_size"])
        whole = t.range[1] if t.overflow is Overflow.SAT else 0.0
        safe = np.where(argument == 0, 1.0, argument)
        return np.where(argument == 0, whole, t.quantize((1 / safe).astype(np.float32)))

    return function


def _top_bits(v: Array, t: FixedPoint, size: float) -> Array:
    """Values cut to the bits that address a table of some size."""
    step = address_step(t, size)
    return np.floor(v / step) * step


def address_step(t: FixedPoint, size: float) -> float:
    """The step between entries of a table of some size over the range of a type."""
    return float(2.0 ** (t.integer - (int(size) - 1).bit_length()))
