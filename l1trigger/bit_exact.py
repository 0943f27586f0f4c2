"""Comparison of integers between two levels: how many differ, by how much, and where first."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from l1trigger.errors import BitMismatchError


@dataclass(frozen=True)
class Mismatch:
    """The first place where two levels part.

    Attributes:
        event, output: indices of the event and of the output in it.
        expected, got: the two integers.
        layer, type: layer and fixed-point type in which they part, where known.
    """

    event: int
    output: int
    expected: int
    got: int
    layer: str | None = None
    type: str | None = None


@dataclass(frozen=True)
class Comparison:
    """Result of comparing two levels, equality of integers without tolerance."""

    between: tuple[str, str]
    what: str
    events: int
    outputs: int
    mismatches: int
    max_difference: int
    first_mismatch: Mismatch | None

    @property
    def exact(self) -> bool:
        """Whether every integer is equal."""
        return self.mismatches == 0

    def require(self) -> None:
        """Raises when the levels differ.

        Raises:
            BitMismatchError: with the first event, layer and type.
        """
        if self.first_mismatch is None:
            return
        m = self.first_mismatch
        place = f" in layer {m.layer} of type {m.type}" if m.layer else ""
        raise BitMismatchError(
            f"{self.between[0]} and {self.between[1]} differ in {self.mismatches} of {self.outputs} integers of "
            f"{self.what}; first at event {m.event}, output {m.output}{place}: {m.expected} against {m.got}"
        )

    def as_dict(self) -> dict[str, Any]:
        """The entry of ``report.json``."""
        return {**asdict(self), "between": list(self.between)}


def compare(
    expected: NDArray[np.int64], got: NDArray[np.int64], between: tuple[str, str], what: str = "score"
) -> Comparison:
    """Compares two integer arrays of shape (events,) or (events, outputs).

    Raises:
        ValueError: the shapes differ.
    """
    if expected.shape != got.shape:
        raise ValueError(f"{between[0]} has shape {expected.shape}, {between[1]} has {got.shape}")
    shape = (len(expected), math.prod(expected.shape[1:]))
    a, b = expected.reshape(shape), got.reshape(shape)
    different = a != b
    first = None
    if different.any():
        event, output = (int(i) for i in np.argwhere(different)[0])
        first = Mismatch(event, output, int(a[event, output]), int(b[event, output]))
    largest = int(np.abs(a - b).max()) if a.size else 0
    return Comparison(between, what, len(a), a.size, int(different.sum()), largest, first)
