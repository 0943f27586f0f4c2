"""Types wide enough to hold every intermediate value of a quantized stack exactly."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from l1trigger.fixed_point import FixedPoint
from l1trigger.garnet.function import Layer, Stack


@dataclass(frozen=True)
class Interval:
    """All multiples of 2^-fraction from low to high."""

    low: float
    high: float
    fraction: int

    @classmethod
    def of(cls, t: FixedPoint) -> Interval:
        """What a type holds."""
        return cls(*t.range, t.fraction)

    @classmethod
    def hull(cls, parts: Iterable[Interval]) -> Interval:
        """The smallest interval that holds all."""
        each = list(parts)
        return cls(min(p.low for p in each), max(p.high for p in each), max(p.fraction for p in each))

    def __add__(self, other: Interval) -> Interval:
        return Interval(self.low + other.low, self.high + other.high, max(self.fraction, other.fraction))

    def __mul__(self, other: Interval) -> Interval:
        corners = [a * b for a in (self.low, self.high) for b in (other.low, other.high)]
        return Interval(min(corners), max(corners), self.fraction + other.fraction)

    def times(self, count: int) -> Interval:
        """Sums of so many values, or of fewer."""
        return Interval(min(self.low * count, 0.0), max(self.high * count, 0.0), self.fraction)

    def halved(self, times: int) -> Interval:
        """The values divided by 2^times, which may be negative."""
        return Interval(self.low * 2.0**-times, self.high * 2.0**-times, self.fraction + times)

    @property
    def type(self) -> FixedPoint:
        """The signed type that holds all values; it neither rounds nor saturates."""
        scale = 2.0**self.fraction
        largest = max(math.floor(self.high * scale), -math.floor(self.low * scale) - 1, 1)
        width = int(largest).bit_length() + 1
        return FixedPoint(width, width - self.fraction, True)


def grid(values: NDArray[np.float64]) -> int:
    """Fractional bits that an array needs; at least 0."""
    fraction = 0
    while not np.array_equal(np.rint(values * 2.0**fraction), values * 2.0**fraction):
        fraction += 1
    return fraction


def number(value: float) -> Interval:
    """A constant."""
    return Interval(value, value, grid(np.array([value])))


def product(inputs: Iterable[Interval], weights: NDArray[np.float64], bias: NDArray[np.float64]) -> Interval:
    """Every partial sum of ``inputs @ weights + bias``, in any order: weights (inputs, outputs), bias (outputs,)."""
    each = list(inputs)
    low = np.minimum(bias, 0) + sum(
        np.minimum(np.minimum(w * x.low, w * x.high), 0) for x, w in zip(each, weights, strict=True)
    )
    high = np.maximum(bias, 0) + sum(
        np.maximum(np.maximum(w * x.low, w * x.high), 0) for x, w in zip(each, weights, strict=True)
    )
    fraction = max(grid(bias), grid(weights) + max(x.fraction for x in each))
    return Interval(float(low.min()), float(high.max()), fraction)


@dataclass(frozen=True)
class LayerIntervals:
    """Exact intervals of what is computed inside a layer; names as in the firmware's headers.

    Attributes:
        input, edge_weight, feature: of x, w, p.
        distance_sum, propagated_sum: before they are rounded.
        aggregated_sum: sums and maxima over vertices of w * p.
        gathered_sum, output_sum: before they are rounded.
        product: of one w * p.
    """

    input: Interval
    edge_weight: Interval
    feature: Interval
    distance_sum: Interval
    propagated_sum: Interval
    product: Interval
    aggregated_sum: Interval
    gathered_sum: Interval
    output_sum: Interval


def layer_intervals(layer: Layer, x: Interval, vertices: int) -> LayerIntervals:
    """The intervals of a layer whose inputs lie in ``x``."""
    t, n = layer.types, layer.inputs
    w = Interval.of(t.edge_weight)
    if layer.propagate is None or layer.propagate_bias is None or t.propagated is None:
        propagated_sum, p = number(0.0), Interval.hull([x, number(1.0)])
    else:
        propagated_sum = product([x] * n, layer.propagate, layer.propagate_bias)
        p = Interval.of(t.propagated)
    p = p if layer.maximum is None else Interval.hull([p, w])
    one = w * p
    h = Interval.of(t.aggregated)
    parts = [layer.mean] + ([layer.maximum] if layer.maximum is not None else [])
    matrix = np.concatenate([a.transpose(1, 0, 2).reshape(layer.features, -1) for a in parts])
    return LayerIntervals(
        x, w, p, product([x] * n, layer.distance, layer.distance_bias), propagated_sum, one, one.times(vertices),
        product([h] * len(matrix), matrix, np.zeros(matrix.shape[1])), output_interval(layer, number(1.0), x, w),
    )


def output_interval(layer: Layer, count: Interval, x: Interval, w: Interval) -> Interval:
    """Every partial sum of the bias, the returned features and the direct terms; see ``garnet.function``."""
    g = Interval.of(layer.types.gathered)
    bias = Interval(min(float(layer.bias.min()), 0.0), max(float(layer.bias.max()), 0.0), grid(layer.bias))
    total = Interval.hull([number(0.0), count]) * bias + (w * g).times(layer.aggregators)
    if layer.direct is not None and layer.edges is not None:
        zero = np.zeros(layer.filters)
        total = total + product([x] * layer.inputs, layer.direct, zero)
        total = total + product([w] * layer.aggregators, layer.edges, zero)
    return total


@dataclass(frozen=True)
class CollapseIntervals:
    """Exact intervals of the collapse.

    Attributes:
        x_sum, w_sum: sums over vertices of inputs and edge weights of the last layer.
        total: what is collapsed to, before it is rounded; for a sum still divided by the number of vertices.
        scaled: what is rounded.
    """

    x_sum: Interval
    w_sum: Interval
    total: Interval
    scaled: Interval


def collapse_intervals(stack: Stack, last: LayerIntervals) -> CollapseIntervals:
    """The intervals of the collapse of a stack whose last layer has these intervals."""
    layer, v = stack.layers[-1], stack.vertices
    x_sum, w_sum = last.input.times(v), last.edge_weight.times(v)
    if stack.collapse == "max":
        total = Interval.hull([Interval.of(layer.types.output), number(0.0)])
    else:
        shift = v.bit_length() - 1
        w = Interval.of(layer.types.aggregated)
        total = output_interval(layer, Interval(0.0, 1.0, shift), x_sum.halved(shift), w)
    is_sum = stack.collapse == "sum"
    return CollapseIntervals(x_sum, w_sum, total, total.halved(1 - v.bit_length()) if is_sum else total)
