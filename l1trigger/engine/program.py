"""Builds the program of an engine: integers with known ranges, and operations on them that lose nothing.

Every number is an integer times 2^-fraction of its own, from a smallest to a largest: the ranges settle in how few bits
sums are made and results are kept, and which roundings and limits do nothing. The compiled kernels know nothing of
networks; layers are put together here, on NumPy arrays of numbers without an axis of events.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from l1trigger.engine.assembly import Code, assembled
from l1trigger.engine.numbers import Arithmetic, Floats, Numbers, fraction_bits, joined
from l1trigger.engine.operations import (
    Bound,
    Cast,
    Constants,
    Extremes,
    Gather,
    Ints,
    Nearest,
    Operation,
    Presence,
    Products,
    Rows,
    Scaling,
    Summing,
    Sums,
    Tables,
    kind_of,
    too_wide,
)
from l1trigger.errors import UnsupportedLayerError
from l1trigger.fixed_point import FixedPoint, Overflow, Rounding

LARGEST_TABLE = 2**20
"""Entries of a table."""
_INPUT = (-(2**15), 2**15 - 1)
_MOST, _WEIGHT = 2.0**62, 2**31


class Program(Arithmetic):
    """A program in the making.

    Args:
        inputs: hardware integers of an event, of 16 bits each.
    """

    def __init__(self, inputs: int) -> None:
        self._operations: list[Operation] = []
        self._sums: dict[int, Summing] = {}
        self._rows: list[Rows] = []
        self._count = 0
        hardware = self._new(inputs, 0)
        self.hardware = self._numbers(hardware, (inputs,), 0, *_INPUT)

    # what makes rows

    def constant(self, values: Floats) -> Numbers:
        """Numbers that are the same in every event, of any shape."""
        fraction = np.maximum(fraction_bits(values), 0)
        raw = np.rint(values * 2.0**fraction).astype(np.int64)
        target = self._new(raw.size, kind_of(int(raw.min()), int(raw.max())))
        self._operations.append(Constants(target, raw.ravel()))
        return self._numbers(target, raw.shape, fraction, raw, raw)

    def scaling(self, x: Numbers, settings: Ints, fraction: Ints) -> Numbers:
        """Hardware integers through the input scaling.

        Args:
            x: hardware integers (inputs,).
            settings: offset, drop, fold, low and high of each (inputs, 5).
            fraction: of each result.
        """
        low, high = settings[:, 3], settings[:, 4]
        target = self._new(x.size, kind_of(int(low.min()), int(high.max())))
        self._operations.append(Scaling(target, x.rows, settings))
        return self._numbers(target, x.shape, fraction, low, high)

    def linear(self, x: Numbers, weights: Floats, bias: Floats) -> Numbers:
        """Sums of weighted numbers (..., channels) at many places.

        Args:
            x: what is seen from each place (..., size).
            weights: (size, channels); those that are 0 cost nothing.
            bias: (channels,).
        """
        channel, index = np.nonzero(weights.T)
        first = np.searchsorted(channel, np.arange(weights.shape[1] + 1))
        window = x.reshape(-1, len(weights))
        return self.sums(window, first, index, weights.T[channel, index], bias).reshape(*x.shape[:-1], -1)

    def scaled(self, x: Numbers, scale: Floats, bias: Floats) -> Numbers:
        """Every number times a scale, plus a bias, both of its last axis."""
        n = x.shape[-1]
        return self.sums(x.reshape(-1, n), np.arange(n + 1), np.arange(n), scale, bias).reshape(*x.shape)

    def totals(self, groups: Sequence[Numbers]) -> Numbers:
        """The sum of each group (groups,)."""
        first = np.cumsum([0, *(g.size for g in groups)])
        window = joined([g.ravel() for g in groups]).reshape(1, -1)
        n = window.size
        return self.sums(window, first, np.arange(n), np.ones(n), np.zeros(len(groups))).ravel()

    def combined(self, parts: Sequence[Numbers], factors: Sequence[float]) -> Numbers:
        """Sum of arrays of one shape, each times a factor."""
        shape = np.broadcast_shapes(*(p.shape for p in parts))
        flat = [p.view(lambda a: np.broadcast_to(a, shape).ravel()) for p in parts]
        n = math.prod(shape)
        index = np.arange(n * len(parts)).reshape(len(parts), n).T.ravel()
        window = joined(flat).reshape(1, -1)
        first = np.arange(n + 1) * len(parts)
        return self.sums(window, first, index, np.tile(factors, n), np.zeros(n)).reshape(*shape)

    def sums(self, window: Numbers, first: Ints, index: Ints, weights: Floats, bias: Floats) -> Numbers:
        """Sums of weighted numbers (places, channels).

        Args:
            window: what is seen from each place (places, size).
            first: where the terms of each channel begin (channels + 1,).
            index, weights: of every term.
            bias: of every channel.
        """
        places, channels = len(window.rows), len(bias)
        window = self._one_kind(self.aligned(window))
        own = window.fraction[0, index] if places else np.zeros(len(index), np.int64)
        fraction = self._largest(np.where(weights == 0, -(2**20), own + fraction_bits(weights)), first)
        fraction = np.maximum(fraction, fraction_bits(bias))
        fraction = np.where(fraction < -(2**19), 0, fraction)
        channel = np.repeat(np.arange(channels), np.diff(first))
        whole = np.rint(np.ldexp(weights, fraction[channel] - own)).astype(np.int64)
        offset = np.rint(np.ldexp(bias, fraction)).astype(np.int64)
        if np.abs(whole).max(initial=0) >= _WEIGHT and (window.fraction != window.fraction.max()).any():
            return self.sums(self._even(window), first, index, weights, bias)
        low, high = (window.low[:, index], window.high[:, index])
        up, down = np.maximum(whole, 0), np.minimum(whole, 0)
        least = self._added(low, up, first) + self._added(high, down, first) + offset
        most = self._added(high, up, first) + self._added(low, down, first) + offset
        low_all, high_all = int(least.min(initial=0)), int(most.max(initial=0))
        target = self._new(places * channels, kind_of(low_all, high_all))
        self._append(Sums(
            target, low_all, high_all, Cast.none(channels), window.rows, first, index, whole, offset,
        ))
        return self._numbers(target, (places, channels), fraction, least, most)

    def products(self, first: Ints, left: Numbers, right: Numbers) -> Numbers:
        """Sums of products (channels,).

        Args:
            first: where the pairs of each channel begin (channels + 1,).
            left, right: of every pair.
        """
        both = self._one_kind(self._even(joined([left, right])))
        left, right = both[: left.size], both[left.size :]
        reach = [max(-float(v.low.min(initial=0)), float(v.high.max(initial=0))) for v in (left, right)]
        if reach[0] * reach[1] > _MOST:
            raise too_wide()
        corners = [a * b for a in (left.low, left.high) for b in (right.low, right.high)]
        one = np.ones_like(left.low)
        square = left.rows == right.rows
        low = np.where(square & (left.low < 0) & (left.high > 0), 0, np.minimum.reduce(corners))
        high = np.maximum.reduce(corners)
        low = np.where(square, np.maximum(low, 0), low)
        least, most = self._added(low[None], one, first)[0], self._added(high[None], one, first)[0]
        low_all, high_all = int(least.min(initial=0)), int(most.max(initial=0))
        channels = len(first) - 1
        target = self._new(channels, kind_of(low_all, high_all))
        self._append(Products(target, low_all, high_all, Cast.none(channels), first, left.rows, right.rows))
        return self._numbers(target, (channels,), left.fraction[0] + right.fraction[0], least, most)

    def multiplied(self, a: Numbers, b: Numbers) -> Numbers:
        """Element by element."""
        shape = np.broadcast_shapes(a.shape, b.shape)
        a, b = (v.view(lambda n: np.broadcast_to(n, shape).ravel()) for v in (a, b))
        return self.products(np.arange(a.size + 1), a, b).reshape(*shape)

    def extremes(self, groups: Sequence[Numbers], largest: bool = True) -> Numbers:
        """The largest, or the smallest, of each group (groups,)."""
        first = np.cumsum([0, *(g.size for g in groups)])
        flat = self._one_kind(self._even(joined([g.ravel() for g in groups])))
        choose = np.maximum if largest else np.minimum
        low, high = (choose.reduceat(a, first[:-1]) for a in (flat.low, flat.high))
        target = self._new(len(groups), self._kind(flat))
        self._operations.append(Extremes(target, flat.rows, largest, first))
        return self._numbers(target, (len(groups),), flat.fraction[0], low, high)

    def table(self, x: Numbers, function: Callable[[Floats], Floats], to: FixedPoint) -> Numbers:
        """A function of single numbers, as integers of a type.

        Args:
            x: numbers.
            function: of real numbers; its values are those of the type.
            to: the type.

        Raises:
            UnsupportedLayerError: a number can have too many values for a table.
        """
        flat = self._one_kind(x.ravel())
        sizes = flat.high - flat.low + 1
        if int(sizes.max()) > LARGEST_TABLE:
            raise UnsupportedLayerError(
                f"The engine would need a table of {int(sizes.max()):,} entries. Remedy: quantize what goes into the "
                "function to 20 bits or fewer; csim simulates the network as it is"
            )
        known: dict[tuple[int, int, int], Ints] = {}
        for key in zip(flat.low.tolist(), flat.high.tolist(), flat.fraction.tolist(), strict=True):
            if key not in known:
                low, high, fraction = key
                known[key] = to.raw(function(np.arange(low, high + 1) * 2.0**-fraction))
        tables = [known[k] for k in zip(flat.low.tolist(), flat.high.tolist(), flat.fraction.tolist(), strict=True)]
        low, high = (np.array([f(t) for t in tables], np.int64) for f in (np.min, np.max))
        target = self._new(flat.size, kind_of(int(low.min()), int(high.max())))
        self._operations.append(Tables(target, flat.rows, flat.low, tuple(tables)))
        return self._numbers(target, x.shape, to.fraction, low.reshape(x.shape), high.reshape(x.shape))

    def presence(self, x: Numbers) -> Numbers:
        """1 where a number is not 0, else 0."""
        target = self._new(x.size, 0)
        self._operations.append(Presence(target, self._one_kind(x).rows.ravel()))
        return self._numbers(target, x.shape, 0, 0, 1)

    def nearest(self, coordinates: Numbers, mask: Numbers, neighbours: int, loops: bool) -> tuple[Numbers, Numbers]:
        """Indices of the nearest vertices of each (vertices, neighbours), and 1 where there are both.

        Args:
            coordinates: (vertices, dimensions).
            mask: 1 where there is a vertex (vertices,).
            neighbours: how many.
            loops: whether a vertex can be its own neighbour.
        """
        c = self._one_kind(self._even(coordinates))
        reach = int((c.high.max(0) - c.low.min(0)).max())
        vertices, dimensions = c.shape
        target = self._new(2 * vertices * neighbours, 0)
        self._operations.append(
            Nearest(target, c.rows, mask.rows.ravel(), neighbours, loops, dimensions * reach**2)
        )
        low, high = np.zeros((2, vertices, neighbours), np.int64), np.ones((2, vertices, neighbours), np.int64)
        high[0] = vertices - 1
        both = self._numbers(target, (2, vertices, neighbours), 0, low, high)
        return both[0], both[1]

    def gathered(self, x: Numbers, at: Numbers) -> Numbers:
        """Features of chosen vertices (..., features).

        Args:
            x: of all vertices (vertices, features).
            at: indices (...).
        """
        x = self._one_kind(self.aligned(x))
        target = self._new(at.size * x.shape[1], self._kind(x))
        self._operations.append(Gather(target, at.rows.ravel(), x.rows))
        shape = (*at.shape, x.shape[1])
        return self._numbers(target, shape, x.fraction[0], x.low.min(0), x.high.max(0))

    # types

    def cast(self, x: Numbers, to: FixedPoint, relu: bool = False) -> Numbers:
        """Numbers brought into a type.

        Args:
            x: numbers.
            to: the type.
            relu: whether negative ones become 0 first.
        """
        if relu and to.overflow in (Overflow.WRAP, Overflow.SAT_ZERO):
            x, relu = self.clipped(x, 0, None), False
        low, high = to.raw_range
        bound = {
            Overflow.SAT: Bound.SAT, Overflow.SAT_SYM: Bound.SAT, Overflow.SAT_ZERO: Bound.SAT_ZERO,
            Overflow.WRAP: Bound.WRAP_SIGNED if to.signed else Bound.WRAP_UNSIGNED,
        }[to.overflow]
        return self._cast(x, x.fraction - to.fraction, to.rounding, bound, max(low, 0) if relu else low, high)

    def exactly(self, x: Numbers, t: FixedPoint) -> Numbers:
        """Numbers of a type, as its own integers.

        Args:
            x: numbers that the type holds.
            t: the type.
        """
        return self._moved(x, np.full_like(x.fraction, t.fraction))

    def floored(self, x: Numbers, fraction: int) -> Numbers:
        """Numbers cut to multiples of 2^-fraction."""
        return self._cast(x, np.maximum(x.fraction - fraction, 0), Rounding.TRN, Bound.NONE, -(2**62), 2**62)

    def clipped(self, x: Numbers, low: int | None, high: int | None) -> Numbers:
        """Numbers between two whole numbers; None is no limit."""
        fraction = max(0, int(x.fraction.max(initial=0)))
        x = self._moved(x, np.full_like(x.fraction, fraction))
        bottom = int(x.low.min()) if low is None else low << fraction
        top = int(x.high.max()) if high is None else high << fraction
        return self._cast(x, np.zeros_like(x.fraction), Rounding.TRN, Bound.SAT, bottom, top)

    def _cast(
        self, x: Numbers, shift: Ints, rounding: Rounding, bound: Bound, low: int, high: int
    ) -> Numbers:
        least, most = _shifted(x.low, shift, rounding), _shifted(x.high, shift, rounding)
        inside = bool((least >= low).all() and (most <= high).all())
        if inside and (shift <= 0).all():
            return x
        if inside:
            bound = Bound.NONE
        elif bound is Bound.WRAP_UNSIGNED and high >= 2**63:
            raise too_wide()
        elif bound is Bound.SAT:  # no wider than what can come
            low, high = min(max(low, int(least.min())), high), max(min(high, int(most.max())), low)
            least, most = np.clip(least, low, high), np.clip(most, low, high)
        elif bound is Bound.SAT_ZERO:
            least, most = np.clip(least, low, 0), np.clip(most, 0, high)
        else:
            out = (least < low) | (most > high)
            least, most = np.where(out, low, least), np.where(out, high, most)
        limits = (0, 0) if bound is Bound.NONE else (low, high)
        target = self._new(x.size, kind_of(int(least.min()), int(most.max())))
        source = self._sums_of(x)
        if source is None:
            wide = self._one_kind(x.ravel())
            n = x.size
            source = Sums(
                target, int(x.low.min()), int(x.high.max()), Cast.none(n), wide.rows[None], np.arange(n + 1),
                np.arange(n), np.ones(n, np.int64), np.zeros(n, np.int64),
            )
        channels = len(source.cast.shift)
        by_place = shift.reshape(-1, channels)
        reach = _reach(x.low, x.high, shift)
        self._append(source.into(target, Cast(rounding, by_place[0], bound, *limits, reach)))
        return self._numbers(target, x.shape, x.fraction - shift, least, most)

    def _sums_of(self, x: Numbers) -> Summing | None:
        """The operation whose sums these numbers are, all of them and in its order, with one fraction per channel."""
        flat = x.rows.ravel()
        source = self._sums.get(int(flat[0]))
        if source is None or not source.cast.is_none or not np.array_equal(flat, source.target.numbers):
            return None
        by_place = x.fraction.reshape(-1, len(source.cast.shift))
        return source if (by_place == by_place[0]).all() else None

    # the end

    def finished(self, results: Numbers) -> Code:
        """The program as plain integers.

        Args:
            results: what it gives (outputs,).
        """
        return assembled(self._operations, self._rows, results.rows, self.hardware.size)

    # rows

    def _append(self, op: Summing) -> None:
        self._operations.append(op)
        self._sums[op.target.first] = op

    def _new(self, count: int, kind: int) -> Rows:
        rows = Rows(self._count, count, kind)
        self._rows.append(rows)
        self._count += count
        return rows

    def _numbers(self, rows: Rows, shape: tuple[int, ...], fraction: Any, low: Any, high: Any) -> Numbers:
        each = (np.broadcast_to(np.asarray(v, np.int64), shape) for v in (fraction, low, high))
        return Numbers(self, rows.numbers.reshape(shape), *each)

    def _kinds(self, x: Numbers) -> Ints:
        starts = np.array([r.first for r in self._rows])
        kinds = np.array([r.kind for r in self._rows])
        return np.asarray(kinds[np.searchsorted(starts, x.rows, side="right") - 1])

    def _kind(self, x: Numbers) -> int:
        return int(self._kinds(x).max(initial=0))

    def _one_kind(self, x: Numbers) -> Numbers:
        """The same numbers, all in the widest kind of row that there is among them."""
        kinds = self._kinds(x)
        widest = int(kinds.max(initial=0))
        for kind in range(widest):
            if (kinds == kind).any():
                x = self._copied(x, np.zeros_like(x.fraction), kinds == kind, widest)
        return x

    def aligned(self, window: Numbers) -> Numbers:
        """The same numbers (places, size) with the same fraction at every place."""
        return self._moved(window, np.broadcast_to(window.fraction.max(0), window.shape))

    def _even(self, x: Numbers) -> Numbers:
        """The same numbers, all with one fraction."""
        return self._moved(x, np.full_like(x.fraction, x.fraction.max(initial=-(2**20))))

    def _moved(self, x: Numbers, fraction: Ints) -> Numbers:
        by = fraction - x.fraction
        return self._copied(self._one_kind(x), by, by > 0) if by.any() else x

    def _copied(self, x: Numbers, by: Ints, where: NDArray[np.bool_], kind: int = 0) -> Numbers:
        """Numbers with zeros appended where it is wanted; each row is copied once.

        Args:
            x: numbers, those that are copied of one kind.
            by: how many zeros each is to have.
            where: which are copied.
            kind: of the copies, at least.
        """
        keys = np.stack([x.rows, by], -1)[where]
        unique, place, inverse = np.unique(keys, axis=0, return_index=True, return_inverse=True)
        shift, n = unique[:, 1], len(unique)
        before = [a[where][place] for a in (x.low, x.high)]
        low, high = (a << shift for a in before)
        target = self._new(n, max(kind, kind_of(int(low.min()), int(high.max()))))
        zeros = Cast(Rounding.TRN, -shift, Bound.NONE, 0, 0, _reach(before[0], before[1], -shift))
        self._operations.append(Sums(
            target, int(before[0].min()), int(before[1].max()), zeros, unique[None, :, 0], np.arange(n + 1),
            np.arange(n), np.ones(n, np.int64), np.zeros(n, np.int64),
        ))
        copies = self._numbers(target, (n,), x.fraction[where][place] + shift, low, high)
        arrays = [a.copy() for a in (x.rows, x.fraction, x.low, x.high)]
        for a, b in zip(arrays, (copies.rows, copies.fraction, copies.low, copies.high), strict=True):
            a[where] = b[inverse.ravel()]
        return Numbers(self, *arrays)

    @staticmethod
    def _largest(values: Ints, first: Ints) -> Ints:
        """The largest of the values of each channel; far below 0 where it has none."""
        result = np.full(len(first) - 1, -(2**20), np.int64)
        np.maximum.at(result, np.repeat(np.arange(len(first) - 1), np.diff(first)), values)
        return result

    @staticmethod
    def _added(values: Ints, factors: Ints, first: Ints) -> Ints:
        """Sums of values (places, terms) times factors (terms,) over the terms of each channel (places, channels)."""
        bound = np.zeros(len(first) - 1)
        reach = np.abs(values.astype(np.float64)).max(0, initial=0) * np.abs(factors.astype(np.float64))
        np.add.at(bound, np.repeat(np.arange(len(bound)), np.diff(first)), reach)
        if bound.max(initial=0) > _MOST:
            raise too_wide()
        # Sums over several channels may wrap; their differences do not.
        weighted = values * factors
        ends = np.concatenate([np.zeros((len(values), 1), np.int64), np.cumsum(weighted, axis=1)], axis=1)
        return np.asarray(ends[:, first[1:]] - ends[:, first[:-1]])


def _reach(low: Ints, high: Ints, shift: Ints) -> int:
    """The largest magnitude of numbers while they are shifted, with what rounding adds."""
    reach = np.maximum(-low.astype(np.float64), high.astype(np.float64))
    added = np.where(shift > 0, np.ldexp(0.5, np.maximum(shift, 0)), 0.0)
    most = np.ldexp(reach, np.maximum(-shift, 0)) + added
    return int(max(most.max(initial=1), 2.0 ** int(shift.max(initial=0))))


def _shifted(values: Ints, shift: Ints, rounding: Rounding) -> Ints:
    """Integers without their last bits, rounded; exact where they have 53 bits or fewer."""
    result = np.left_shift(values, np.maximum(-shift, 0))
    for s in np.unique(shift[shift > 0]):
        at = shift == s
        result[at] = FixedPoint(53, 53, True, rounding, Overflow.SAT).raw(np.ldexp(values[at].astype(float), -int(s)))
    return result
