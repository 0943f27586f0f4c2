"""Assembles the operations of a program: leaves out what nothing reads, gives rows their places, writes integers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from l1trigger.engine.operations import BITS, Ints, Layout, Operation, Rows


@dataclass(frozen=True)
class Code:
    """A finished program.

    Attributes:
        code: its operations.
        wide: its numbers of 64 bits.
        units: size of the arena in 16-bit rows.
        inputs: hardware integers of an event.
        results: place and kind of every result (outputs, 2).
    """

    code: NDArray[np.int32]
    wide: Ints
    units: int
    inputs: int
    results: NDArray[np.int32]


def assembled(operations: Sequence[Operation], rows: Sequence[Rows], results: Ints, inputs: int) -> Code:
    """The program as plain integers.

    Args:
        operations: in order.
        rows: all that they write, those of the inputs first.
        results: numbers of the rows that are wanted (outputs,).
        inputs: hardware integers of an event.
    """
    kind = np.repeat([r.kind for r in rows], [r.count for r in rows])
    owner = np.repeat(np.arange(len(rows)), [r.count for r in rows])
    maker = {r.first: i for i, r in enumerate(rows)}
    wanted = {int(i) for i in owner[results]}
    needed: list[Operation] = []
    for op in reversed(operations):
        if maker[op.target.first] in wanted:
            needed.insert(0, op)
            wanted |= {int(i) for i in np.unique(owner[op.reads])}
    last = {i: len(needed) for i in {int(i) for i in owner[results]}}
    for at, op in enumerate(needed):
        for i in np.unique(owner[op.reads]):
            last[int(i)] = max(last.get(int(i), 0), at)
    units, size = _placed(needed, rows, last, maker)
    layout = Layout(units)
    words = [np.zeros(0, np.int32), *(op.words(layout, kind) for op in needed)]
    ends = np.stack([units[results], kind[results]], 1).astype(np.int32)
    return Code(np.concatenate(words), layout.numbers, size, inputs, np.ascontiguousarray(ends))


def _placed(
    operations: Sequence[Operation], rows: Sequence[Rows], last: Mapping[int, int], maker: Mapping[int, int]
) -> tuple[Ints, int]:
    """Place of every row in the arena, and its size; a place is free again behind the last operation that reads it."""
    arena, taken = Arena(), {}
    units = np.zeros(sum(r.count for r in rows), np.int64)
    ends: dict[int, list[int]] = {}
    for i, at in last.items():
        ends.setdefault(at, []).append(i)

    def take(i: int) -> None:
        step = BITS[rows[i].kind] // BITS[0]
        taken[i] = arena.take(rows[i].count * step), rows[i].count * step
        units[rows[i].numbers] = taken[i][0] + step * np.arange(rows[i].count)

    take(0)
    for at, op in enumerate(operations):
        take(maker[op.target.first])
        for i in ends.get(at, ()):
            arena.give(*taken[i])
    return units, arena.size


@dataclass
class Arena:
    """Places of rows, which are given anew once nothing reads a row any more.

    Attributes:
        size: of the arena so far, in 16-bit rows.
    """

    size: int = 0
    _free: list[tuple[int, int]] = field(default_factory=list)

    def take(self, units: int) -> int:
        """The first place that is large enough."""
        for i, (start, length) in enumerate(self._free):
            if length >= units:
                self._free[i : i + 1] = [(start + units, length - units)] if length > units else []
                return start
        start = self.size
        if self._free and sum(self._free[-1]) == self.size:
            start = self._free.pop()[0]
        self.size = start + units
        return start

    def give(self, start: int, units: int) -> None:
        """Gives a place back."""
        self._free.append((start, units))
        self._free.sort()
        merged: list[tuple[int, int]] = []
        for s, n in self._free:
            if merged and sum(merged[-1]) == s:
                merged[-1] = (merged[-1][0], merged[-1][1] + n)
            else:
                merged.append((s, n))
        self._free = merged
