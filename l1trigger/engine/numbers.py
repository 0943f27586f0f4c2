"""Numbers of a program: arrays of integers of one event with known ranges, each with a fraction of its own."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from l1trigger.engine.operations import Ints

Floats = NDArray[np.float64]


class Arithmetic(ABC):
    """What operators of numbers need; a program has it."""

    @abstractmethod
    def linear(self, x: Numbers, weights: Floats, bias: Floats) -> Numbers:
        """Sums of weighted numbers (..., channels) at many places.

        Args:
            x: what is seen from each place (..., size).
            weights: (size, channels); those that are 0 cost nothing.
            bias: (channels,).
        """

    @abstractmethod
    def scaled(self, x: Numbers, scale: Floats, bias: Floats) -> Numbers:
        """Every number times a scale, plus a bias, both of its last axis."""

    @abstractmethod
    def combined(self, parts: Sequence[Numbers], factors: Sequence[float]) -> Numbers:
        """Sum of arrays of one shape, each times a factor."""

    @abstractmethod
    def multiplied(self, a: Numbers, b: Numbers) -> Numbers:
        """Element by element."""


@dataclass(frozen=True, eq=False)
class Numbers:
    """Numbers of one event, of any shape.

    Attributes:
        program: that makes them.
        rows: number of the row of each.
        fraction: of each.
        low, high: smallest and largest integer that each can be.
    """

    program: Arithmetic
    rows: Ints
    fraction: Ints
    low: Ints
    high: Ints

    @property
    def shape(self) -> tuple[int, ...]:
        """As of a NumPy array."""
        return self.rows.shape

    @property
    def size(self) -> int:
        """How many."""
        return self.rows.size

    def view(self, function: Callable[[Ints], Ints]) -> Numbers:
        """The same numbers in another order or shape.

        Args:
            function: of one array.
        """
        return Numbers(self.program, *(function(a) for a in (self.rows, self.fraction, self.low, self.high)))

    def __getitem__(self, key: Any) -> Numbers:
        return self.view(lambda a: a[key])

    def reshape(self, *shape: int) -> Numbers:
        """As of a NumPy array."""
        return self.view(lambda a: a.reshape(*shape))

    def ravel(self) -> Numbers:
        """As of a NumPy array."""
        return self.reshape(-1)

    def by_power(self, exponent: int) -> Numbers:
        """The same integers, which stand for numbers 2^exponent times as large."""
        return replace(self, fraction=self.fraction - exponent)

    def __add__(self, other: Numbers) -> Numbers:
        return self.program.combined([self, other], [1.0, 1.0])

    def __sub__(self, other: Numbers) -> Numbers:
        return self.program.combined([self, other], [1.0, -1.0])

    def __mul__(self, other: Any) -> Numbers:
        """By other numbers, by a power of two, or by one weight for each of the last axis."""
        if isinstance(other, Numbers):
            return self.program.multiplied(self, other)
        if np.ndim(other) == 0:
            mantissa, exponent = math.frexp(float(other))
            if mantissa == 0.5:
                return self.by_power(exponent - 1)
        weights = np.asarray(other, np.float64)
        if weights.ndim == 1 and self.shape[-1] == 1:
            return self.program.linear(self, weights[None], np.zeros(len(weights)))
        return self.program.scaled(self, np.broadcast_to(weights, self.shape[-1:]), np.zeros(self.shape[-1]))

    def __truediv__(self, other: int) -> Numbers:
        return self * (1 / other)


def joined(parts: Sequence[Numbers], axis: int = -1) -> Numbers:
    """Numbers side by side."""
    arrays = zip(*((p.rows, p.fraction, p.low, p.high) for p in parts), strict=True)
    return Numbers(parts[0].program, *(np.concatenate(a, axis) for a in arrays))


def fraction_bits(values: Floats) -> Ints:
    """Bits right of the binary point of each value; far below 0 where it is 0."""
    mantissa, exponent = np.frexp(values)
    whole = (np.abs(mantissa) * 2.0**53).astype(np.int64)
    zeros = np.round(np.log2(np.maximum(whole & -whole, 1).astype(np.float64))).astype(np.int64)
    return np.where(whole == 0, -(2**20), 53 - exponent - zeros)
