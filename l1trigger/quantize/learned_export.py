"""From learned widths to plain QKeras layers: one type for the weights of a layer, and one for its results.

A weight with fewer bits is a multiple of a larger power of two, so that one type holds weights of any widths. A ReLU
lets powers of two pass: a channel with fewer fractional bits than its neighbours is made smaller by a power of two
until its last bit is theirs, and the weights that read it are made larger by the same. Results get enough bits never
to saturate.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from l1trigger import frameworks
from l1trigger.data.scaling import InputScaling
from l1trigger.fixed_point import FixedPoint
from l1trigger.network import as_inputs
from l1trigger.quantize.dense_layers import LayerTypes
from l1trigger.quantize.keras_graph import Point, rebuilt
from l1trigger.quantize.learned_network import Layout, Values, Widths, apply

_WEIGHT_BITS = 24
"""Bits that float32 holds, and with it every weight of a Keras model."""


@dataclass(frozen=True)
class Exported:
    """A network of plain QKeras layers.

    Attributes:
        model: QKeras model with its weights.
        scaling: of its inputs; they lose the low bits that the network does not read.
    """

    model: Any
    scaling: InputScaling


def exported(layout: Layout, widths: Widths, scaling: InputScaling, score_bits: int, x: Values) -> Exported:
    """The QKeras model of learned widths.

    Args:
        layout: of the float network.
        widths: that it learned.
        scaling: of the inputs that it was trained on.
        score_bits: bits of the network's outputs.
        x: firmware inputs (events, inputs) on which the range of the outputs is seen.
    """
    made = _Export(layout, widths, scaling, score_bits)
    scaling = made.scaling
    types = made.types(_floored(x, scaling))
    model = rebuilt(layout.model, layout.points, types, scaling.network_type)
    for name, kernel in made.kernels.items():
        weights = [kernel.astype(np.float32), made.biases[name].astype(np.float32)]
        assert all(np.array_equal(w, v) for w, v in zip(weights, (kernel, made.biases[name]), strict=True))
        model.get_layer(name).set_weights(weights)
    return Exported(model, scaling)


def without_low_bits(scaling: InputScaling, dropped: NDArray[np.int64]) -> InputScaling:
    """The scaling whose inputs lose some low bits more."""
    return replace(
        scaling, drop=tuple(int(d + n) for d, n in zip(scaling.drop, dropped, strict=True)),
        magnitude_bits=tuple(int(m - n) for m, n in zip(scaling.magnitude_bits, dropped, strict=True)),
    )


def _floored(x: Values, scaling: InputScaling) -> Values:
    lsb = np.array([t.lsb for t in scaling.types])
    return np.asarray(np.floor(x / lsb) * lsb)


class _Export:
    """Weights and types, layer by layer.

    Attributes:
        scaling: of the inputs.
        kernels, biases: as firmware has them.
    """

    def __init__(self, layout: Layout, widths: Widths, scaling: InputScaling, score_bits: int) -> None:
        self._layout, self._widths, self._score_bits = layout, widths, score_bits
        self.scaling = without_low_bits(scaling, widths.dropped)
        self.kernels: dict[str, Values] = {}
        self.biases: dict[str, Values] = {}
        self._sums: dict[str, tuple[Values, Values, NDArray[np.bool_]]] = {}
        """Bias, fractional bits of the products, and whether there are any, of each output."""
        self._fraction: dict[str, int] = {}
        self._range: dict[str, tuple[float, float]] = {}
        self._scales = {0: 1.0}
        """Of each channel by number: what firmware holds over what the network means."""
        kernels = {n: _rounded(k, widths.weight_bits[n]) for n, k in widths.kernels.items()}
        self._used = self._read(kernels)
        for name in layout.points:
            if name not in layout.last:
                self._fraction[name] = self._common_fraction(name)
        layout.walk(self._input, lambda name, point, given: self._point(name, point, given, kernels))

    def types(self, x: Values) -> dict[str, LayerTypes]:
        """Types of all layers.

        Args:
            x: network inputs on which the range of the outputs is seen.
        """
        outputs = self._outputs(x)
        types = {}
        for name, point in self._layout.points.items():
            if name in self._layout.last:
                integer = min(_integer_bits(float(np.abs(outputs[name]).max())), self._score_bits - 2)
                activation = FixedPoint.from_quantized_bits(self._score_bits, integer, not point.relu)
                if name in self._sums:
                    self.biases[name] = _tie_free(*self._sums[name], activation.fraction)
            else:
                activation = self._result_type(name, point)
            weight, bias = (_covering(v.get(name, np.zeros(1))) for v in (self.kernels, self.biases))
            types[name] = LayerTypes(weight, bias, activation)
        return types

    def _result_type(self, name: str, point: Point) -> FixedPoint:
        fraction = self._fraction[name]
        if name in self._layout.clipped:
            return FixedPoint.from_quantized_bits(fraction + 1, 0)
        if point.limit is not None:
            integer = round(math.log2(point.limit))
            return FixedPoint.from_quantized_bits(integer + fraction, integer, False)
        low, high = self._range[name]
        integer = _integer_bits(max(high, 0 if point.relu else -low) + 2.0**-fraction)
        return FixedPoint.from_quantized_bits(integer + fraction + int(not point.relu), integer, not point.relu)

    def _read(self, kernels: Mapping[str, Values]) -> set[int]:
        """Numbers of the channels that some weight multiplies, or that something else reads."""
        layout = self._layout
        used = {int(n) for numbers in layout.numbers.values() for n in numbers.ravel()} - layout.free
        for name, feed in layout.feeds.items():
            if feed is not None:
                read = (np.moveaxis(kernels[name], -2, -1) != 0).reshape(-1, len(feed)).any(0)
                used |= set(feed[read].tolist())
        return used

    def _common_fraction(self, name: str) -> int:
        """Fractional bits of a result, after which every channel is scaled to have its last bit there."""
        bits, numbers = self._widths.result_bits[name], self._layout.numbers[name]
        if not self._layout.has_scale(name):
            self._scales |= dict.fromkeys((int(n) for n in numbers), 1.0)
            return int(bits.max())
        alive = np.array([int(n) in self._used for n in numbers])
        fraction = max(int(bits[alive].max()) if alive.any() else 1, 1)
        self._scales |= {int(n): 2.0 ** float(b - fraction) for n, b in zip(numbers, bits, strict=True)}
        return fraction

    def _input(self, layer: Any) -> Any:
        numbers = self._layout.numbers[layer.name]
        first = self._layout.first_input[layer.name]
        types = self.scaling.types[first : first + numbers.size]
        self._scales |= dict.fromkeys((int(n) for n in numbers.ravel()), 1.0)
        values = [[t.range[0] for t in types], [t.range[1] for t in types], [float(t.fraction) for t in types]]
        return _tensor(np.array(values).reshape(3, *numbers.shape))

    def _point(self, name: str, point: Point, given: list[Any], kernels: Mapping[str, Values]) -> Any:
        """Smallest and largest value and fractional bits of a result, one after the other (3, ...)."""
        shape = point.end.output.shape[1:]
        if point.weights is not None:
            low, high = self._weighted(name, point, given[0], kernels[name])
        else:
            low, high = _bounds(point, given)
        if point.relu:
            low, high = np.maximum(low, 0), np.maximum(high, 0)
        if point.limit is not None:
            high = np.minimum(high, point.limit)
        if name in self._layout.clipped:
            low, high = np.clip(low, -1, 1), np.clip(high, -1, 1)
        self._range[name] = float(low.min()), float(high.max())
        fraction = self._fraction.get(name, 0)
        lsb = 2.0**-fraction
        low, high = (np.broadcast_to(np.rint(v / lsb) * lsb, shape) for v in (low, high))
        return _tensor(np.stack([low, high, np.full(shape, float(fraction))]))

    def _weighted(self, name: str, point: Point, given: Any, kernel: Values) -> tuple[Values, Values]:
        """Range of the results of a layer with weights; its weights are put into the form of firmware on the way."""
        tf, layout = frameworks.tensorflow(), self._layout
        feed, given = layout.feeds[name], tf.cast(given, "float64")
        scales = [1.0] * kernel.shape[-2] if feed is None else [self._scales[int(n)] for n in feed]
        own = np.array([self._scales.get(int(n), 1.0) for n in layout.numbers[name]])
        alive = np.array([name in layout.last or int(n) in self._used for n in layout.numbers[name]])
        factor = np.where(alive, own, 0.0)
        outputs = kernel.shape[-2:] if _is_depthwise(point) else kernel.shape[-1:]
        kernel = self.kernels[name] = kernel / np.array(scales)[:, None] * factor.reshape(outputs)
        below = given.numpy()[2].reshape(-1, kernel.shape[-2]).max(0)
        fractions = (_last_bits(kernel) + below[:, None]).reshape(-1, len(factor)).max(0)
        bias = self._widths.biases[name] * factor
        self._sums[name] = bias, fractions, alive & (fractions > -np.inf)
        self.biases[name] = _tie_free(*self._sums[name], self._fraction.get(name))
        up, down = (tf.constant(v) for v in (np.maximum(kernel, 0), np.minimum(kernel, 0)))
        low, high = given[0:1], given[1:2]
        largest = apply(point, high, up) + apply(point, low, down)
        smallest = apply(point, low, up) + apply(point, high, down)
        return smallest.numpy()[0] + self.biases[name], largest.numpy()[0] + self.biases[name]

    def _outputs(self, x: Values) -> dict[str, Values]:
        """Results of the last layers without their rounding, of network inputs."""
        tf, layout = frameworks.tensorflow(), self._layout
        shaped = as_inputs(layout.model, x)
        tensors = dict(zip(layout.model.input_names, shaped if isinstance(shaped, list) else [shaped], strict=True))
        of_last: dict[str, Values] = {}

        def of_point(name: str, point: Point, given: list[Any]) -> Any:
            given = [tf.cast(g, "float64") for g in given]
            if name in self.kernels:
                y = apply(point, given[0], tf.constant(self.kernels[name])) + self.biases[name]
            elif type(point.layer).__name__ == "ReLU":
                y = given[0]
            else:
                y = tf.cast(point.layer(given if len(given) > 1 else given[0]), "float64")
            if name in layout.last:
                of_last[name] = y.numpy()
                return tf.nn.relu(y) if point.relu else y
            t = self._result_type(name, point)
            return tf.constant(t.quantize(np.maximum(y.numpy(), 0) if point.relu else y.numpy()))

        layout.walk(lambda layer: tf.constant(tensors[layer.name]), of_point)
        return of_last


def _tie_free(bias: Values, fractions: Values, alive: NDArray[np.bool_], rounded_at: int | None) -> Values:
    """Biases on the grid of the products that they are added to, or half a step above it.

    Where a sum is rounded, the half step makes sure that it never lies in the middle between two results: rounding to
    even is then rounding up with the half in the bias, and costs nothing in firmware.

    Args:
        bias: of each output.
        fractions: fractional bits of the products of each output.
        alive: whether there are products at all.
        rounded_at: fractional bits of the result; None where they are not known.
    """
    whole = np.clip(np.where(alive, fractions, rounded_at or 0), 0, None)
    largest = np.maximum(np.abs(bias), 2.0**-10)
    whole = np.minimum(whole, _WEIGHT_BITS - 3 - np.maximum(np.ceil(np.log2(largest)), 0))
    step = 2.0**-whole
    rounds = alive & (whole > (np.inf if rounded_at is None else rounded_at))
    return np.asarray(np.where(rounds, np.floor(bias / step) * step + step / 2, np.rint(bias / step) * step))


def _last_bits(values: Values) -> Values:
    """Fractional bits that each value needs; -inf for 0."""
    mantissa, exponent = np.frexp(values)
    whole = np.abs(mantissa * 2.0**_MANTISSA).astype(np.int64)
    with np.errstate(divide="ignore"):
        zeros = np.log2((whole & -whole).astype(np.float64))
    return np.asarray(np.where(whole == 0, -np.inf, _MANTISSA - exponent - zeros))


_MANTISSA = 53


def _rounded(kernel: Values, fraction: Values) -> Values:
    return np.asarray(np.rint(kernel * 2.0**fraction) * 2.0**-fraction)


def _is_depthwise(point: Point) -> bool:
    return type(point.layer).__name__ == "DepthwiseConv2D"


def _bounds(point: Point, given: list[Any]) -> tuple[Values, Values]:
    """Range of the result of arithmetic without weights, from the ranges of what it takes."""
    kind, values = type(point.layer).__name__, [g.numpy() for g in given]
    if kind == "Subtract":
        return values[0][0] - values[1][1], values[0][1] - values[1][0]
    if kind == "Multiply":
        corners = [values[0][a] * values[1][b] for a in (0, 1) for b in (0, 1)]
        return np.minimum.reduce(corners), np.maximum.reduce(corners)
    if kind == "ReLU":
        return values[0][0], values[0][1]
    pair = [v[:2].astype(np.float32) for v in values]  # sums and averages rise with what they take
    low, high = point.layer(pair if len(pair) > 1 else pair[0]).numpy().astype(np.float64)
    margin = 2.0**-20 * max(1.0, float(np.abs(high).max()), float(np.abs(low).max()))
    return low - margin, high + margin


def _covering(values: Values) -> FixedPoint:
    """The narrowest type of QKeras that holds some values exactly."""
    bits = _last_bits(values)
    fraction = max(int(bits.max()), 1) if np.isfinite(bits).any() else 1
    integer = _integer_bits(float(np.abs(values).max(initial=0)) + 2.0**-fraction)
    return FixedPoint.from_quantized_bits(integer + fraction + 1, integer)


def _integer_bits(largest: float) -> int:
    """Bits left of the binary point for values up to ``largest``, which has one of its own."""
    return max(math.ceil(math.log2(max(largest, 1e-9))), 0)


def _tensor(values: Values) -> Any:
    return frameworks.tensorflow().constant(values, "float64")
