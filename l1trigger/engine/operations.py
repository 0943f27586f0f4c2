"""Operations of an engine's program, and how they are written for ``firmware/engine/engine.cpp``.

A row is one integer of every event of a block; here rows are numbered in the order in which they are made, each in the
narrowest of 16, 32 and 64 bits.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, replace
from enum import IntEnum
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from l1trigger.errors import UnsupportedLayerError
from l1trigger.fixed_point import Rounding

Ints = NDArray[np.int64]
BITS = (16, 32, 64)
"""Width of each kind of row."""
ROUNDINGS = (
    Rounding.TRN, Rounding.TRN_ZERO, Rounding.RND, Rounding.RND_MIN_INF, Rounding.RND_ZERO, Rounding.RND_INF,
    Rounding.RND_CONV,
)
"""In the order of the C++."""


class Bound(IntEnum):
    """What happens to values beyond limits, in the order of the C++."""

    NONE = 0
    SAT = 1
    SAT_ZERO = 2
    WRAP_SIGNED = 3
    WRAP_UNSIGNED = 4


def kind_of(low: int, high: int) -> int:
    """The narrowest kind of row that holds a range.

    Raises:
        UnsupportedLayerError: there is none.
    """
    for kind, bits in enumerate(BITS):
        if -(2 ** (bits - 1)) <= low and high < 2 ** (bits - 1):
            return kind
    raise too_wide()


def _only(kinds: Ints) -> int:
    """The one kind of some rows; kernels read rows of one kind only."""
    distinct = np.unique(kinds)
    assert len(distinct) < 2, f"rows of the kinds {distinct.tolist()} are read together"
    return int(distinct[0]) if len(distinct) else 0


def too_wide() -> UnsupportedLayerError:
    """The error for numbers that no kind of row holds."""
    return UnsupportedLayerError(
        "The engine has no integers of more than 64 bits for sums of this network. Remedy: fewer bits for weights or "
        "activations; csim simulates it as it is"
    )


@dataclass(frozen=True)
class Cast:
    """How sums are brought into types.

    Attributes:
        rounding: of bits below the last.
        shift: how many bits are cut off each channel; negative appends zeros.
        bound: what happens beyond the limits.
        low, high: limits of every channel.
        reach: largest magnitude on the way, with what rounding adds.
    """

    rounding: Rounding
    shift: Ints
    bound: Bound
    low: int
    high: int
    reach: int

    @classmethod
    def none(cls, channels: int) -> Cast:
        """Sums as they are."""
        return cls(Rounding.TRN, np.zeros(channels, np.int64), Bound.NONE, 0, 0, 0)

    @property
    def is_none(self) -> bool:
        """Whether sums stay as they are."""
        return self.bound is Bound.NONE and not self.shift.any()

    @property
    def kind(self) -> int:
        """The narrowest kind of sums in which this can be done."""
        return max(kind_of(-self.reach, self.reach), kind_of(min(self.low, 0), max(self.high, 0)))


@dataclass(frozen=True)
class Rows:
    """Rows that lie one behind the other.

    Attributes:
        first, count: numbers.
        kind: of all.
    """

    first: int
    count: int
    kind: int

    @property
    def numbers(self) -> Ints:
        """Of each."""
        return np.arange(self.first, self.first + self.count)


class Layout:
    """Where rows lie in the arena, and the numbers that need 64 bits.

    Args:
        units: place of every row, in 16-bit rows.
    """

    def __init__(self, units: Ints) -> None:
        self.units = units
        self._wide: list[Ints] = []
        self._length = 0
        self._known: dict[bytes, int] = {}

    def wide(self, values: Ints) -> int:
        """Where some 64-bit numbers lie; the same numbers lie there once."""
        key = values.tobytes()
        if key not in self._known:
            self._known[key] = self._length
            self._wide.append(values)
            self._length += len(values)
        return self._known[key]

    @property
    def numbers(self) -> Ints:
        """All of them."""
        return np.concatenate([*self._wide, np.zeros(1, np.int64)])


@dataclass(frozen=True)
class Operation(ABC):
    """One operation.

    Attributes:
        target: rows that it writes.
    """

    code: ClassVar[int]
    target: Rows

    @property
    @abstractmethod
    def reads(self) -> Ints:
        """Numbers of the rows that it reads."""

    @abstractmethod
    def arguments(self, layout: Layout) -> list[Ints]:
        """Its integers in C++."""

    def kinds(self, kind: Ints) -> tuple[int, int, int]:
        """Kind of what is read, of sums and of what is written.

        Args:
            kind: of every row.
        """
        read = _only(kind[self.reads])
        return read, max(read, self.target.kind), self.target.kind

    def words(self, layout: Layout, kind: Ints) -> NDArray[np.int32]:
        """The operation as integers of the program."""
        arguments = np.concatenate([np.ravel(a) for a in self.arguments(layout)]).astype(np.int64)
        if arguments.size and (arguments.min() < -(2**31) or arguments.max() >= 2**31):
            raise UnsupportedLayerError(
                "The engine has no weights of more than 32 bits. Remedy: fewer bits for weights; csim simulates the "
                "network as it is"
            )
        return np.concatenate([[self.code, *self.kinds(kind), len(arguments)], arguments]).astype(np.int32)


@dataclass(frozen=True)
class Summing(Operation):
    """An operation that makes sums and brings them into a type.

    Attributes:
        low, high: smallest and largest sum before that.
        cast: what is done with them.
    """

    low: int
    high: int
    cast: Cast

    def kinds(self, kind: Ints) -> tuple[int, int, int]:
        """Sums are as wide as they, and what is read and written, need."""
        read = _only(kind[self.reads])
        return read, max(kind_of(self.low, self.high), self.cast.kind, read, self.target.kind), self.target.kind

    def into(self, target: Rows, cast: Cast) -> Summing:
        """The same sums, brought into a type at once."""
        return replace(self, target=target, cast=cast)

    def _cast(self, layout: Layout, *more: Ints) -> list[Ints]:
        """Integers of the cast; ``more`` lies behind the limits."""
        channels = len(self.cast.shift)
        limits = [np.full(channels, v, np.int64) for v in (self.cast.low, self.cast.high)]
        place = layout.wide(np.concatenate([*limits, *more]))
        head = [ROUNDINGS.index(self.cast.rounding), int(self.cast.bound), place]
        return [np.array(head), self.cast.shift]


@dataclass(frozen=True)
class Sums(Summing):
    """Sums of weighted rows: y[p, c] = cast(bias[c] + sum over terms of weight x[window[p, index]]).

    Attributes:
        window: rows (places, size).
        first: where the terms of each channel begin (channels + 1,).
        index, weight: of every term.
        bias: of every channel.
    """

    code: ClassVar[int] = 0
    window: Ints
    first: Ints
    index: Ints
    weight: Ints
    bias: Ints

    @property
    def reads(self) -> Ints:
        """Rows that have a weight."""
        return np.unique(self.window[:, np.unique(self.index)])

    def arguments(self, layout: Layout) -> list[Ints]:
        """See the C++."""
        places, size = self.window.shape
        sizes = np.array([places, size, len(self.bias), layout.units[self.target.first]])
        terms = [self.first, self.index, self.weight]
        return [sizes, *self._cast(layout, self.bias), *terms, layout.units[self.window]]


@dataclass(frozen=True)
class Products(Summing):
    """Sums of products of rows: y[c] = cast(sum over pairs of left right).

    Attributes:
        first: where the pairs of each channel begin (channels + 1,).
        left, right: rows of every pair.
    """

    code: ClassVar[int] = 1
    first: Ints
    left: Ints
    right: Ints

    @property
    def reads(self) -> Ints:
        """All rows."""
        return np.unique(np.concatenate([self.left, self.right]))

    def arguments(self, layout: Layout) -> list[Ints]:
        """See the C++."""
        sizes = np.array([len(self.first) - 1, layout.units[self.target.first]])
        return [sizes, *self._cast(layout), self.first, layout.units[self.left], layout.units[self.right]]


@dataclass(frozen=True)
class OfRows(Operation):
    """An operation on rows in a list.

    Attributes:
        source: the rows.
    """

    source: Ints

    @property
    def reads(self) -> Ints:
        """All of them."""
        return np.unique(self.source)


@dataclass(frozen=True)
class Extremes(OfRows):
    """The largest or the smallest of some rows, all of one kind.

    Attributes:
        largest: which of the two.
        first: where the rows of each channel begin (channels + 1,).
    """

    code: ClassVar[int] = 2
    largest: bool
    first: Ints

    def arguments(self, layout: Layout) -> list[Ints]:
        """See the C++."""
        sizes = np.array([len(self.first) - 1, layout.units[self.target.first], int(self.largest)])
        return [sizes, self.first, layout.units[self.source]]


@dataclass(frozen=True)
class Tables(OfRows):
    """Functions of single numbers as tables.

    Attributes:
        lowest: smallest number that each can be.
        tables: values from there on.
    """

    code: ClassVar[int] = 3
    lowest: Ints
    tables: tuple[Ints, ...]

    def arguments(self, layout: Layout) -> list[Ints]:
        """See the C++."""
        places = np.array([layout.wide(t) for t in self.tables])
        sizes = np.array([len(self.source), layout.units[self.target.first]])
        return [sizes, layout.units[self.source], places, np.array([layout.wide(self.lowest)])]


@dataclass(frozen=True)
class Presence(OfRows):
    """1 where a number is not 0."""

    code: ClassVar[int] = 4

    def arguments(self, layout: Layout) -> list[Ints]:
        """See the C++."""
        return [np.array([len(self.source), layout.units[self.target.first]]), layout.units[self.source]]


@dataclass(frozen=True)
class Scaling(OfRows):
    """The input scaling; see ``data.scaling``.

    Attributes:
        settings: offset, drop, fold, low and high of each (inputs, 5).
    """

    code: ClassVar[int] = 6
    settings: Ints

    def arguments(self, layout: Layout) -> list[Ints]:
        """See the C++."""
        sizes = np.array([len(self.source), layout.units[self.target.first]])
        return [sizes, np.concatenate([layout.units[self.source][:, None], self.settings], axis=1)]


@dataclass(frozen=True)
class Constants(Operation):
    """Numbers that are the same in every event.

    Attributes:
        values: one of each row.
    """

    code: ClassVar[int] = 5
    values: Ints

    @property
    def reads(self) -> Ints:
        """None."""
        return np.zeros(0, np.int64)

    def arguments(self, layout: Layout) -> list[Ints]:
        """See the C++."""
        return [np.array([len(self.values), layout.units[self.target.first], layout.wide(self.values)])]


@dataclass(frozen=True)
class Nearest(Operation):
    """Indices of the nearest vertices, and then whether there are any (vertices, neighbours) each.

    Attributes:
        coordinates: rows (vertices, dimensions).
        mask: rows, 1 where there is a vertex.
        neighbours: how many.
        loops: whether a vertex can be its own neighbour.
        farthest: largest squared distance.
    """

    code: ClassVar[int] = 7
    coordinates: Ints
    mask: Ints
    neighbours: int
    loops: bool
    farthest: int

    @property
    def reads(self) -> Ints:
        """Coordinates and mask."""
        return np.unique(np.concatenate([self.coordinates.ravel(), self.mask]))

    def kinds(self, kind: Ints) -> tuple[int, int, int]:
        """Squared distances stay below the largest number of their kind."""
        read = _only(kind[self.coordinates])
        return read, max(read, kind_of(0, self.farthest + 1)), 0

    def arguments(self, layout: Layout) -> list[Ints]:
        """See the C++."""
        vertices, dimensions = self.coordinates.shape
        at = int(layout.units[self.target.first])
        there = at + vertices * self.neighbours
        sizes = np.array([vertices, dimensions, self.neighbours, int(self.loops), at, there])
        return [sizes, layout.units[self.coordinates], layout.units[self.mask]]


@dataclass(frozen=True)
class Gather(Operation):
    """Features of vertices that are chosen by index.

    Attributes:
        at: rows of the indices (places,).
        source: rows (vertices, features), all of one kind.
    """

    code: ClassVar[int] = 8
    at: Ints
    source: Ints

    @property
    def reads(self) -> Ints:
        """Indices and features."""
        return np.unique(np.concatenate([self.at, self.source.ravel()]))

    def kinds(self, kind: Ints) -> tuple[int, int, int]:
        """That of the features."""
        read = _only(kind[self.source])
        return read, read, read

    def arguments(self, layout: Layout) -> list[Ints]:
        """See the C++."""
        sizes = np.array([len(self.at), self.source.shape[1], layout.units[self.target.first]])
        return [sizes, layout.units[self.at], layout.units[self.source]]
