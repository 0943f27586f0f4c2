"""What hls4ml's C++ computes in each layer, as plain values that the analytic model of ``hls_estimate`` works on."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from l1trigger.fixed_point import FixedPoint


@dataclass(frozen=True)
class Products:
    """Multiplications by weights, and the sums behind them: dense, convolution, batch normalization.

    Attributes:
        name: of the layer.
        weights: in units of their least significant bit (terms of a sum, sums).
        biased: sums with a bias that is not zero.
        input_bits, weight_bits, sum_bits: widths.
        positions: times that the matrix is applied to one event, one after the other.
        copies: of the matrix that work side by side.
        reuse: products that share one multiplier.
        resource: whether hls4ml's strategy is Resource, which keeps products by zero.
        own_inputs: whether each sum has an input of its own (batch normalization, depthwise convolution).
    """

    name: str
    weights: NDArray[np.int64]
    biased: int
    input_bits: int
    weight_bits: int
    sum_bits: int
    positions: int = 1
    copies: int = 1
    reuse: int = 1
    resource: bool = False
    own_inputs: bool = False


@dataclass(frozen=True)
class Tables:
    """Activations that are looked up.

    Attributes:
        name: of the layer.
        lookups: values that are looked up side by side.
        entries, bits: of one table.
        products: of two variables behind it, e.g. of a softmax.
        levels: additions behind each other.
        positions: times that this is done for one event, one after the other.
    """

    name: str
    lookups: int
    entries: int
    bits: int
    products: int = 0
    levels: int = 0
    positions: int = 1


@dataclass(frozen=True)
class Logic:
    """Comparisons, roundings and additions without weights: ReLU, pooling, merging.

    Attributes:
        name: of the layer.
        bits: of all adders and comparators.
        levels: of them behind each other.
        products: of two variables.
        input_bits: of such a product.
        positions: times that this is done for one event, one after the other.
    """

    name: str
    bits: int
    levels: int
    products: int = 0
    input_bits: int = 0
    positions: int = 1


@dataclass(frozen=True)
class Unknown:
    """A layer that the model does not know."""

    name: str
    kind: str


Operation = Products | Tables | Logic | Unknown


def operations(graph: Any, stream: bool) -> tuple[Operation, ...]:
    """Operations of hls4ml's ModelGraph in order; layers that cost nothing are left out.

    Args:
        graph: the ModelGraph.
        stream: whether data pass from layer to layer as streams, one position after the other.
    """
    candidates = (_operation(node, stream) for node in graph.get_layers())
    return tuple(o for o in candidates if o is not None)


def _operation(node: Any, stream: bool) -> Operation | None:
    kind = str(node.class_name)
    if kind in _FREE:
        return None
    reader = _READERS.get(kind)
    return Unknown(node.name, kind) if reader is None else reader(node, stream)


def _bits(precision: Any) -> int:
    return FixedPoint.parse(str(precision)).width


def _input_bits(node: Any) -> int:
    return _bits(node.get_input_variable().type.precision)


def _output_bits(node: Any) -> int:
    return _bits(node.get_output_variable().type.precision)


def _size(variable: Any) -> int:
    return math.prod(variable.shape)


def _streamed(node: Any, stream: bool) -> int:
    """Positions of a stream: all axes of the input but the last."""
    return math.prod(node.get_input_variable().shape[:-1]) if stream else 1


def _raw(weights: Any) -> tuple[NDArray[np.int64], int]:
    """Weights in units of their least significant bit, and their width."""
    try:
        t = FixedPoint.parse(str(weights.type.precision))
    except ValueError:  # hls4ml's type for weights that are all zero is none
        return np.zeros(np.shape(weights.data), np.int64), 1
    return np.rint(np.asarray(weights.data, np.float64) / t.lsb).astype(np.int64), t.width


def _biased(node: Any) -> int:
    bias = node.weights.get("bias")
    return 0 if bias is None else int(np.count_nonzero(np.asarray(bias.data)))


def _products(node: Any, weights: NDArray[np.int64], weight_bits: int, **more: Any) -> Products:
    width = _input_bits(node)
    whole = width + weight_bits + math.ceil(math.log2(max(len(weights), 1)))
    accumulator = node.types.get("accum_t")
    sums = min(_bits(accumulator.precision), whole) if accumulator is not None else whole
    return Products(
        node.name, weights, _biased(node), width, weight_bits, sums, reuse=int(node.get_attr("reuse_factor", 1)),
        resource=str(node.get_attr("strategy", "latency")).lower() == "resource", **more,
    )


def _dense(node: Any, stream: bool) -> Operation:
    weights, bits = _raw(node.weights["weight"])
    return _products(node, weights.reshape(-1, weights.shape[-1]), bits)


def _convolution(node: Any, stream: bool) -> Operation:
    weights, bits = _raw(node.weights["weight"])
    outputs = math.prod(node.get_output_variable().shape[:-1])
    if stream:
        return _products(node, weights.reshape(-1, weights.shape[-1]), bits, positions=_streamed(node, stream))
    positions = int(node.get_attr("n_partitions", outputs))
    return _products(
        node, weights.reshape(-1, weights.shape[-1]), bits, positions=positions, copies=max(outputs // positions, 1)
    )


def _normalization(node: Any, stream: bool) -> Operation:
    weights, bits = _raw(node.weights["scale"])
    times = 1 if stream else max(_size(node.get_input_variable()) // max(weights.size, 1), 1)
    return _products(
        node, np.tile(weights.reshape(1, -1), (1, times)), bits, own_inputs=True, positions=_streamed(node, stream)
    )


def _activation(node: Any, stream: bool) -> Operation | None:
    name = str(node.get_attr("activation", "")).lower()
    positions = _streamed(node, stream)
    size = _size(node.get_output_variable()) // positions
    if name in {"sigmoid", "tanh", "elu", "selu", "softplus", "softsign"} or node.class_name == "Softmax":
        entries = int(node.get_attr("table_size", 1024))
        if node.class_name != "Softmax":
            return Tables(node.name, size, entries, _bits(node.types["table_t"].precision), positions=positions)
        bits = _bits(node.types["exp_table_t"].precision) if "exp_table_t" in node.types else 18
        return Tables(node.name, size + 1, entries, bits, size, math.ceil(math.log2(max(size, 1))), positions)
    # Rounding and saturation: an adder and a choice; nothing where the type stays as it is.
    same = str(node.get_input_variable().type.precision) == str(node.get_output_variable().type.precision)
    if name == "linear" and same:
        return None
    return Logic(node.name, 2 * size * _output_bits(node), 1, positions=positions)


def _pooling(node: Any, stream: bool) -> Operation:
    inputs, outputs = _size(node.get_input_variable()), _size(node.get_output_variable())
    positions = _streamed(node, stream)
    window = int(node.get_attr("pool_height", 1)) * int(node.get_attr("pool_width", 1))
    if node.class_name.startswith("Global"):
        window = inputs // outputs
    side_by_side = node.get_output_variable().shape[-1] if stream else outputs
    bits = side_by_side * max(window - 1, 0) * _input_bits(node)
    return Logic(node.name, bits, math.ceil(math.log2(max(window, 1))), positions=positions)


def _merging(node: Any, stream: bool) -> Operation | None:
    positions, bits = _streamed(node, stream), _input_bits(node)
    size = _size(node.get_output_variable()) // positions
    operator = str(node.get_attr("op", node.class_name)).lower()
    if operator.startswith("concatenate"):
        return None
    if operator.startswith("dot"):
        terms = _size(node.get_input_variable()) // positions
        return Logic(node.name, terms * 2 * bits, math.ceil(math.log2(max(terms, 1))), terms, bits, positions)
    if operator.startswith("multiply"):
        return Logic(node.name, 0, 0, size, bits, positions)
    return Logic(node.name, size * (bits + 1), 1, positions=positions)


_FREE = frozenset({
    "Input", "Reshape", "Transpose", "Repack", "Clone", "ZeroPadding1D", "ZeroPadding2D", "Cropping1D", "Cropping2D",
    "Resize", "Constant", "Concatenate",
})
"""Layers that only move data. Buffers of streams are not modelled."""

_READERS: Mapping[str, Callable[[Any, bool], Operation | None]] = {
    "Dense": _dense,
    **dict.fromkeys(("Conv1D", "Conv2D", "Conv2DBatchnorm", "PointwiseConv1D", "PointwiseConv2D"), _convolution),
    **dict.fromkeys(("BatchNormalization", "ApplyAlpha"), _normalization),
    **dict.fromkeys(("Activation", "HardActivation", "ParametrizedActivation", "PReLU", "Softmax"), _activation),
    **dict.fromkeys(("Pooling1D", "Pooling2D", "GlobalPooling1D", "GlobalPooling2D"), _pooling),
    **dict.fromkeys(("MaxPooling1D", "MaxPooling2D", "AveragePooling1D", "AveragePooling2D"), _pooling),
    **dict.fromkeys(("Merge", "Add", "Subtract", "Multiply", "Average", "Maximum", "Minimum", "Dot"), _merging),
}
