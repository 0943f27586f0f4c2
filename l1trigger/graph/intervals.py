"""Reading of the algebra in intervals: types wide enough to hold every intermediate value of a layer exactly.

Every array is one interval that holds all its numbers, and every partial sum of those it is a sum of.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from l1trigger.fixed_point import FixedPoint
from l1trigger.graph.algebra import Function, Reading
from l1trigger.graph.arrays import Array


@dataclass(frozen=True)
class Interval:
    """All multiples of 2^-fraction from low to high.

    Attributes:
        low, high, fraction: of each number.
        features: how many numbers stand side by side.
        rounded: the type that they have been brought into; None where none has.
    """

    low: float
    high: float
    fraction: int
    features: int = 1
    rounded: FixedPoint | None = None

    @classmethod
    def of(cls, t: FixedPoint, features: int = 1) -> Interval:
        """What a type holds."""
        return cls(*t.range, t.fraction, features, t)

    @classmethod
    def hull(cls, parts: Iterable[Interval]) -> Interval:
        """The smallest interval that holds all."""
        each = list(parts)
        return cls(min(p.low for p in each), max(p.high for p in each), max(p.fraction for p in each), each[0].features)

    def __add__(self, other: Interval) -> Interval:
        return Interval(
            self.low + other.low, self.high + other.high, max(self.fraction, other.fraction), self.features
        )

    def __mul__(self, other: Interval | Array | int) -> Interval:
        """By an interval, by weights or 0, or by a power of two."""
        if isinstance(other, int):
            return self / (1 / other)
        if not isinstance(other, Interval):
            other = Interval(min(float(other.min()), 0.0), max(float(other.max()), 0.0), grid(other), other.shape[-1])
        corners = [a * b for a in (self.low, self.high) for b in (other.low, other.high)]
        return Interval(min(corners), max(corners), self.fraction + other.fraction, other.features)

    def __truediv__(self, power: float) -> Interval:
        """By a power of two."""
        places = round(math.log2(power))
        return replace(
            self, low=self.low * 2.0**-places, high=self.high * 2.0**-places, fraction=self.fraction + places,
            rounded=None,
        )

    def times(self, count: int) -> Interval:
        """Sums of so many values, or of fewer."""
        return Interval(min(self.low * count, 0.0), max(self.high * count, 0.0), self.fraction, self.features)

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


def number(value: float, features: int = 1) -> Interval:
    """A constant."""
    return Interval(value, value, grid(np.array([value])), features)


ZERO = number(0.0)
MASK = Interval(0.0, 1.0, 0)


def product(terms: Sequence[tuple[Interval, Array]], bias: Array | None = None) -> Interval:
    """Every partial sum of the products of values and weights, and of a bias, in any order.

    Args:
        terms: values with weights (n, m), or (k, n, m).
        bias: (m,).
    """
    columns = [(x, np.moveaxis(w, -2, 0).reshape(w.shape[-2], -1)) for x, w in terms]
    start = np.zeros(columns[0][1].shape[1]) if bias is None else bias
    low, high = np.minimum(start, 0), np.maximum(start, 0)
    for x, weights in columns:
        low = low + np.minimum(np.minimum(weights * x.low, weights * x.high), 0).sum(0)
        high = high + np.maximum(np.maximum(weights * x.low, weights * x.high), 0).sum(0)
    fraction = max(grid(w) for _, w in columns) + max(x.fraction for x, _ in columns)
    return Interval(float(low.min()), float(high.max()), max(grid(start), fraction), terms[0][1].shape[-1])


class Intervals(Reading):
    """Intervals of what a layer computes; values that a type rounds are what it holds.

    Args:
        vertices: V.
        types: by role.

    Attributes:
        exact_types: of every value that no type rounds, by name; of what is rounded to the type of a role the name is
            ``<role>_sum``.
        tables: integers by the bits of what is looked up, read as an unsigned number, by role.
    """

    def __init__(self, vertices: int, types: Mapping[str, FixedPoint]) -> None:
        self.vertices, self._types = vertices, types
        self.exact_types: dict[str, FixedPoint] = {}
        self.tables: dict[str, NDArray[np.int64]] = {}

    def q(self, role: str, value: Interval, there: Any = None) -> Interval:
        """What the type holds."""
        self.exact_types.setdefault(f"{role}_sum", value.type)
        return Interval.of(self._types[role], value.features)

    def table(self, role: str, function: Function, value: Interval) -> Interval:
        """What the type holds; the table is kept."""
        assert value.rounded is not None  # a table is one of values that have a type
        self.tables[role] = table(function, value.rounded, self._types[role])
        return Interval.of(self._types[role], value.features)

    def exact(self, name: str, value: Interval) -> Interval:
        """The value; its type is kept."""
        self.exact_types[name] = value.type
        return value

    def affine(self, terms: Sequence[tuple[Interval, Array]], bias: Array | None = None) -> Interval:
        """Every partial sum."""
        return product(terms, bias)

    def masked(self, mask: Interval, value: Interval) -> Interval:
        """With 0."""
        return Interval.hull([value, ZERO])

    def joined(self, parts: Sequence[Interval]) -> Interval:
        """What holds all."""
        return replace(Interval.hull(parts), features=sum(p.features for p in parts))

    def one(self, like: Interval) -> Interval:
        """The number."""
        return number(1.0)

    def total(self, value: Interval) -> Interval:
        """Of any number of the vertices."""
        return value.times(self.vertices)

    def largest(self, value: Interval) -> Interval:
        """One of the values."""
        return value

    def weighted_sum(self, w: Interval, p: Interval) -> Interval:
        """Of any number of the vertices."""
        return (w * p).times(self.vertices)

    def weighted_max(self, w: Interval, p: Interval) -> Interval:
        """One of the products."""
        return w * p

    def spread(self, w: Interval, g: Interval) -> Interval:
        """Of any number of the aggregators."""
        return (w * g).times(w.features)

    def nearest(self, s: Interval, mask: Interval, neighbours: int, loops: bool) -> tuple[int, Interval]:
        """In place of indices how many there are."""
        return neighbours, MASK

    def of_neighbours(self, value: Interval, at: int) -> Interval:
        """One of the values."""
        return value

    def square_distances(self, s: Interval, at: int) -> Interval:
        """Sum of the squares of differences."""
        farthest = s.high - s.low
        return replace(Interval(0.0, farthest**2, 2 * s.fraction).times(s.features), features=at)

    def over_neighbours(self, w: Interval, p: Interval) -> tuple[Interval, Interval]:
        """Of any number of the neighbours, and of one."""
        one = w * p
        return one.times(w.features), one


def table(function: Function, given: FixedPoint, result: FixedPoint) -> NDArray[np.int64]:
    """A function as integers, by the bits of its argument read as an unsigned number: what firmware looks up."""
    code = np.arange(2**given.width)
    if given.signed:
        code = np.where(code >= 2 ** (given.width - 1), code - 2**given.width, code)
    return result.raw(function(np, code * given.lsb))
