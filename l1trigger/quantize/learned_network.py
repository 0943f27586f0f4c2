"""A network that learns its bit widths: fractional bits of every weight, every channel and every input are trained.

Values are rounded in the forward pass and passed straight through in the backward pass; a width learns from how much
the rounding error shrinks with one bit more, ln 2 times the error (High Granularity Quantization, arXiv:2405.00645).
What the network costs is counted in effective bit operations (EBOPs): the bits of every weight times those of what it
multiplies, plus the bits of every result.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from l1trigger import frameworks
from l1trigger.data.scaling import InputScaling
from l1trigger.network import as_inputs, batch_size
from l1trigger.quantize.keras_graph import Point, is_moving, last_points, points, sources

Values = NDArray[np.float64]
Applied = Callable[[Any, Any], Any]

FIRST_BITS = 8
"""Bits that the largest weight of a layer, and the largest usual result, begin with."""
_MOST, _LEAST = 14, -8
"""Range of fractional bits that are learned."""
_SAMPLE = 2000
"""Events on which the sizes of results are seen."""
_LN2 = math.log(2)


@dataclass(frozen=True)
class Widths:
    """A network with the widths that it learned, as plain values.

    Attributes:
        kernels, biases: float weights by layer.
        weight_bits: fractional bits of every weight, by layer, shaped as the kernel.
        result_bits: fractional bits of every channel of a result, by layer; one number where channels share them.
        dropped: low bits that every input loses, flat.
    """

    kernels: Mapping[str, Values]
    biases: Mapping[str, Values]
    weight_bits: Mapping[str, Values]
    result_bits: Mapping[str, Values]
    dropped: NDArray[np.int64]


class Layout:
    """The graph of a float network: what is typed where, and which channels feed which layer.

    Every channel of a typed result, and every input, carries a number from 1 on.

    Attributes:
        model: the float network.
        points: its typed layers by name, in order.
        clipped: names of those whose results are clipped to [-1, 1].
        last: names of those whose results are the network's outputs.
        first_input: place of the first element of each input among all of them, by layer.
        numbers: of the channels of each typed result, and of the elements of each input, by layer.
        feeds: numbers of the channels that a layer with weights multiplies; None where they vary with the position.
        free: numbers of the channels that only layers with weights read, so that they may carry a scale.
    """

    def __init__(self, model: Any, clipped: Collection[str] = ()) -> None:
        self.model, self.clipped = model, frozenset(clipped)
        self.points = points(model)
        self.last = last_points(model, self.points)
        self.ends = {p.end.name: name for name, p in self.points.items()}
        self.numbers: dict[str, NDArray[np.int64]] = {}
        self.feeds: dict[str, NDArray[np.int64] | None] = {}
        sizes = [math.prod(t.shape[1:]) for t in model.inputs]
        self.first_input = dict(zip(model.input_names, np.cumsum([0, *sizes[:-1]]).tolist(), strict=True))
        self._bound: set[int] = set()
        self._count = 1
        flow = self.walk(self._numbered_input, self._numbered)
        compared = [s.name for la in model.layers if type(la).__name__ in ("Maximum", "Minimum") for s in sources(la)]
        for name in (*compared, *model.output_names):
            self._bound |= set(np.unique(flow[name]).astype(int).tolist())
        every = {int(n) for name in self.points for n in self.numbers[name].ravel()}
        self.free = frozenset(every - self._bound)

    def walk(self, of_input: Callable[[Any], Any], of_point: Callable[[str, Point, list[Any]], Any]) -> dict[str, Any]:
        """Values of the results of all layers, by name: of typed ones by a function, of those that move by themselves.

        Args:
            of_input: gives the value of an input layer.
            of_point: gives the typed value of a layer, from its name and the values that it reads.
        """
        values: dict[str, Any] = {}
        for layer in self.model.layers:
            kind = type(layer).__name__
            if kind == "InputLayer":
                values[layer.name] = of_input(layer)
                continue
            given = [values[s.name] for s in sources(layer)]
            if layer.name in self.points:
                values[layer.name] = of_point(layer.name, self.points[layer.name], given)
            elif is_moving(layer):
                values[layer.name] = layer(given[0] if len(given) == 1 else given)
            else:  # a normalization or an activation that its point has taken in, or what does nothing in firmware
                values[layer.name] = given[0]
        return values

    def has_scale(self, name: str) -> bool:
        """Whether the channels of a result may each have bits of their own: weights on both sides take the scale."""
        point = self.points[name]
        free = all(int(n) in self.free for n in self.numbers[name].ravel())
        return free and name in self.feeds and point.limit is None and name not in self.clipped

    def _numbered_input(self, layer: Any) -> Any:
        shape = layer.output.shape[1:]
        self.numbers[layer.name] = self._new(math.prod(shape)).reshape(shape)
        return self._tensor(self.numbers[layer.name][None])

    def _numbered(self, name: str, point: Point, given: list[Any]) -> Any:
        read = [np.asarray(g).astype(np.int64) for g in given]
        if point.weights is None:
            for r in read:
                self._bound |= set(np.unique(r).tolist())
        else:
            channels = read[0].reshape(-1, read[0].shape[-1])
            low, high = np.where(channels > 0, channels, self._count).min(0), channels.max(0)
            self.feeds[name] = high if np.array_equal(low, high) else None
            if self.feeds[name] is None:
                self._bound |= set(np.unique(channels).tolist())
        shape = point.end.output.shape[1:]
        self.numbers[name] = self._new(shape[-1])
        return self._tensor(np.broadcast_to(self.numbers[name], (1, *shape)))

    def _new(self, n: int) -> NDArray[np.int64]:
        first, self._count = self._count, self._count + n
        return np.arange(first, first + n)

    @staticmethod
    def _tensor(values: NDArray[Any]) -> Any:
        return frameworks.tensorflow().constant(values, "float32")


def apply(point: Point, x: Any, kernel: Any) -> Any:
    """What a layer with weights makes of ``x`` (events, ...) without its bias: sums of products with ``kernel``."""
    tf = frameworks.tensorflow()
    layer, kind = point.layer, type(point.layer).__name__
    if kind == "Dense":
        return tf.tensordot(x, kernel, 1)
    padding = layer.padding.upper()
    if kind == "DepthwiseConv2D":
        return tf.nn.depthwise_conv2d(x, kernel, [1, *layer.strides, 1], padding)
    return tf.nn.convolution(x, kernel, list(layer.strides), padding)


class LearnedNetwork:
    """The float network with trainable widths.

    Attributes:
        layout: of its graph.
        variables: all that is trained.
        dense: whether all its layers with weights are dense.
    """

    def __init__(
        self, layout: Layout, scaling: InputScaling, x: NDArray[Any], learn_inputs: bool = True
    ) -> None:
        """Begins with the float weights and ``FIRST_BITS`` bits everywhere.

        Args:
            layout: of the float network.
            scaling: of its inputs.
            x: firmware inputs (events, inputs), on which the sizes of results are seen.
            learn_inputs: whether inputs may lose bits, too.
        """
        tf = frameworks.tensorflow()
        self.layout = layout
        self.kernels: dict[str, Any] = {}
        self.biases: dict[str, Any] = {}
        self._weight_bits: dict[str, Any] = {}
        self._result_bits: dict[str, Any] = {}
        self.dense = True

        def variable(values: Any, name: str) -> Any:
            return tf.Variable(np.asarray(values, np.float32), name=name)

        sizes = self._sizes(x)
        for name, point in layout.points.items():
            if point.weights is not None:
                kernel, bias = point.weights
                self.kernels[name] = variable(kernel, f"{name}_kernel")
                self.biases[name] = variable(bias, f"{name}_bias")
                first = FIRST_BITS - math.ceil(math.log2(max(float(np.abs(kernel).max()), 1e-6)))
                self._weight_bits[name] = variable(np.full(kernel.shape, first), f"{name}_weight_bits")
                self.dense &= type(point.layer).__name__ == "Dense"
            if name not in layout.last:
                first = FIRST_BITS - math.ceil(math.log2(sizes[name]))
                channels = layout.numbers[name].shape if layout.has_scale(name) else (1,)
                self._result_bits[name] = variable(np.full(channels, first), f"{name}_result_bits")
        self._inputs = _Inputs(layout, scaling, learn_inputs)
        self.variables = [
            *self.kernels.values(), *self.biases.values(), *self._weight_bits.values(), *self._result_bits.values(),
            *self._inputs.variables,
        ]

    def _sizes(self, x: NDArray[Any]) -> dict[str, float]:
        """The largest usual value of each result."""
        k, model = frameworks.keras(), self.layout.model
        few = as_inputs(model, x[:: max(1, len(x) // _SAMPLE)].astype(np.float32))
        names = [n for n in self.layout.points if n not in self.layout.last]
        if not names:
            return {}
        part = k.Model(model.inputs, [self.layout.points[n].end.output for n in names])
        results = part.predict(few, batch_size=batch_size(model), verbose=0)
        results = results if isinstance(results, list) else [results]
        return {n: max(float(np.quantile(np.abs(r), 0.99)), 2.0**-6) for n, r in zip(names, results, strict=True)}

    def forward(self, x: Any) -> tuple[Any, Any]:
        """Outputs of a batch, in the shape of the model's, and the EBOPs of the network.

        Args:
            x: inputs, shaped as the model takes them.
        """
        tf = frameworks.tensorflow()
        layout = self.layout
        tensors = dict(zip(layout.model.input_names, x if isinstance(x, list | tuple) else [x], strict=True))
        costs: list[Any] = []

        bits: dict[str, Any] = {}

        def of_input(layer: Any) -> Any:
            value, bits[layer.name] = self._inputs.quantized(layer.name, tensors[layer.name])
            return value

        def of_point(name: str, point: Point, given: list[Any]) -> Any:
            if name in self.kernels:
                fraction = _whole(self._weight_bits[name], _LEAST, _MOST)
                kernel = self.kernels[name]
                y = apply(point, given[0], on_grid(kernel, fraction)) + self.biases[name]
                costs.append((name, significant_bits(kernel, fraction)))
            elif type(point.layer).__name__ == "ReLU":
                y = given[0]
            else:
                y = point.layer(given if len(given) > 1 else given[0])
            if name in layout.last:
                return tf.nn.relu(y) if point.relu else y
            value, bits[name] = self._result(name, point, y)
            return value

        values = layout.walk(of_input, of_point)
        return values[layout.model.output_names[0]], self._ebops(bits, dict(costs))

    def _result(self, name: str, point: Point, y: Any) -> tuple[Any, Any]:
        """A typed result, and the bits of each of its channels."""
        tf = frameworks.tensorflow()
        least = _LEAST if self.layout.has_scale(name) else 1  # hls4ml rounds only what has a fractional bit
        fraction = _whole(self._result_bits[name], least, _MOST)
        y = on_grid(y, fraction)
        lsb = tf.stop_gradient(tf.pow(2.0, -fraction))
        if name in self.layout.clipped:
            return tf.clip_by_value(y, -1.0, 1.0 - lsb), fraction + 1.0
        if point.limit is not None:
            return tf.clip_by_value(y, 0.0, point.limit - lsb), fraction + math.log2(point.limit)
        if point.relu:
            y = tf.nn.relu(y)
        top = tf.stop_gradient(tf.reduce_max(tf.abs(y), list(range(y.shape.rank - 1))))
        integer = tf.math.ceil(tf.math.log(top + lsb) / _LN2)
        used = tf.nn.relu(integer + fraction + (0.0 if point.relu else 1.0))
        return y, tf.where(top > 0, used, tf.zeros_like(used))

    def _ebops(self, bits: Mapping[str, Any], weight_bits: Mapping[str, Any]) -> Any:
        """Effective bit operations of the whole network, as if every product had logic of its own."""
        tf = frameworks.tensorflow()
        total: list[Any] = []

        def spread(name: str, shape: Any) -> Any:
            return tf.broadcast_to(bits[name], (1, *shape))

        def of_point(name: str, point: Point, given: list[Any]) -> Any:
            if name in weight_bits:
                total.append(tf.reduce_sum(apply(point, given[0], weight_bits[name])))
            if name in self.layout.last:
                return tf.zeros((1, *point.end.output.shape[1:]))
            result = spread(name, point.end.output.shape[1:])
            total.append(tf.reduce_sum(result))
            return result

        self.layout.walk(lambda layer: spread(layer.name, layer.output.shape[1:]), of_point)
        return tf.add_n(total)

    def widths(self) -> Widths:
        """What has been learned so far."""
        layout = self.layout
        result_bits = {
            n: _numbers(v, _LEAST if layout.has_scale(n) else 1, _MOST) for n, v in self._result_bits.items()
        }
        return Widths(
            {n: v.numpy().astype(np.float64) for n, v in self.kernels.items()},
            {n: v.numpy().astype(np.float64) for n, v in self.biases.items()},
            {n: _numbers(v, _LEAST, _MOST) for n, v in self._weight_bits.items()}, result_bits, self._inputs.dropped(),
        )


class _Inputs:
    """Inputs that lose low bits, each element its own, or each channel of an image where convolutions read it."""

    def __init__(self, layout: Layout, scaling: InputScaling, learned: bool) -> None:
        tf = frameworks.tensorflow()
        self._fraction: dict[str, Any] = {}
        self._integer: dict[str, Any] = {}
        self._most: dict[str, Any] = {}
        self._dropped: dict[str, Any] = {}
        names = layout.model.input_names
        for name in names:
            numbered, first = layout.numbers[name], layout.first_input[name]
            shape, types = numbered.shape, scaling.types[first : first + numbered.size]
            fraction, integer = (np.array(v, np.float32).reshape(shape) for v in (
                [t.fraction for t in types], [t.integer for t in types]
            ))
            # One bit stays, of a signed input its sign, which costs; a type begins left of its binary point.
            least = np.maximum(0, np.array([1.0 - t.integer for t in types]).reshape(shape))
            self._fraction[name], self._integer[name] = tf.constant(fraction), tf.constant(integer)
            most = np.maximum(fraction - least, 0)
            numbers = set(numbered.ravel().tolist())
            own = all(f is not None for n, f in layout.feeds.items() if self._reads(layout, n, numbers))
            if not own:
                most = np.broadcast_to(most.min(tuple(range(most.ndim - 1)), keepdims=True), most.shape)
            self._most[name] = tf.constant(most.astype(np.float32))
            if learned:
                start = np.full(shape if own else (shape[-1],), -0.2, np.float32)
                self._dropped[name] = tf.Variable(start, name=f"{name}_dropped")
        self._names = names
        self.variables = list(self._dropped.values())

    @staticmethod
    def _reads(layout: Layout, name: str, numbers: set[int]) -> bool:
        feed = layout.feeds[name]
        return feed is None or bool(numbers & set(feed.tolist()))

    def _fractions(self, name: str) -> Any:
        """Fractional bits that each element keeps."""
        tf = frameworks.tensorflow()
        if name not in self._dropped:
            return self._fraction[name]
        # Unlike tf.nn.relu, tf.maximum passes the gradient at 0, where every input begins.
        dropped = tf.maximum(_straight(self._dropped[name]), 0.0)
        return self._fraction[name] - tf.minimum(dropped, self._most[name])

    def quantized(self, name: str, x: Any) -> tuple[Any, Any]:
        """Values of an input, floored to the bits that are kept, and how many these are."""
        tf = frameworks.tensorflow()
        fraction = self._fractions(name)
        return on_grid(x, fraction, floor=True), tf.nn.relu(self._integer[name] + fraction)

    def dropped(self) -> NDArray[np.int64]:
        """Low bits that every input loses, flat."""
        parts = [(self._fraction[n] - self._fractions(n)).numpy().ravel() for n in self._names]
        return np.asarray(np.rint(np.concatenate(parts)), np.int64)


def _straight(v: Any) -> Any:
    """Rounded, with the gradient passed straight through."""
    tf = frameworks.tensorflow()
    return v + tf.stop_gradient(tf.round(v) - v)


def _whole(bits: Any, least: int, most: int) -> Any:
    return frameworks.tensorflow().clip_by_value(_straight(bits), float(least), float(most))


def _numbers(variable: Any, least: int, most: int) -> Values:
    return np.asarray(np.clip(np.rint(variable.numpy()), least, most), np.float64)


def on_grid(x: Any, fraction: Any, floor: bool = False) -> Any:
    """``x`` in multiples of 2^-fraction, rounded to even or down; gradients of arXiv:2405.00645.

    Args:
        x: values.
        fraction: fractional bits, whole numbers.
        floor: whether low bits are cut off.
    """
    tf = frameworks.tensorflow()
    scale = tf.stop_gradient(tf.pow(2.0, fraction))
    y = (tf.floor(x * scale) if floor else tf.round(x * scale)) / scale
    error = tf.stop_gradient(x - y - (0.5 / scale if floor else 0.0))
    return tf.stop_gradient(y - x) + x + _LN2 * error * (fraction - tf.stop_gradient(fraction))


def significant_bits(weights: Any, fraction: Any) -> Any:
    """Bits from the first to the last of each weight on its grid; 0 for one that rounds to zero.

    The gradient is that of log2(abs(weight) 2^fraction) + 1, where that is positive.
    """
    tf = frameworks.tensorflow()
    multiples = tf.abs(weights) * tf.pow(2.0, fraction)
    smooth = tf.nn.relu(tf.math.log(multiples + 1e-6) / _LN2 + 1.0)
    rounded = tf.round(multiples)
    exact = tf.floor(tf.math.log(tf.maximum(rounded, 1.0)) / _LN2 + 1e-4) + 1.0
    return smooth + tf.stop_gradient(tf.where(rounded > 0, exact, tf.zeros_like(exact)) - smooth)
