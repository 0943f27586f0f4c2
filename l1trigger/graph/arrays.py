"""Readings of the algebra on NumPy in float64: the integer semantics, and the values that types are fitted to.

Axes are events, vertices, features; sums of values on the grids of their types are exact.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from l1trigger.fixed_point import FixedPoint
from l1trigger.graph.algebra import Function, Reading, added

Array = NDArray[np.float64]
_PAIRS = 2**20
"""Pairs of vertices whose distances are computed at a time."""


class Arrays(Reading):
    """The operations; what stands where a type stands is left open."""

    def __init__(self, vertices: int) -> None:
        self.vertices = vertices

    def table(self, role: str, function: Function, value: Array) -> Array:
        """The function, then the type."""
        result: Array = self.q(role, function(np, value))
        return result

    def affine(self, terms: Sequence[tuple[Array, Array]], bias: Array | None = None) -> Array:
        """By matrix products."""
        total: Array = added([_product(x, w) for x, w in terms], bias)
        return total

    def masked(self, mask: Array, value: Array) -> Array:
        """By a product."""
        return mask * value

    def joined(self, parts: Sequence[Array]) -> Array:
        """Along the last axis."""
        return np.concatenate(parts, -1)

    def one(self, like: Array) -> Array:
        """Of the same events and vertices."""
        return np.ones_like(like[..., :1])

    def total(self, value: Array) -> Array:
        """Over the second axis."""
        return np.asarray(value.sum(1, keepdims=True))

    def largest(self, value: Array) -> Array:
        """Over the second axis."""
        return np.asarray(value.max(1, keepdims=True))

    def weighted_sum(self, w: Array, p: Array) -> Array:
        """(events, S, F)."""
        return np.asarray(np.einsum("bvs,bvf->bsf", w, p, optimize=True))

    def weighted_max(self, w: Array, p: Array) -> Array:
        """(events, S, F)."""
        return np.asarray((w[..., None] * p[:, :, None]).max(1))

    def spread(self, w: Array, g: Array) -> Array:
        """(events, V, O)."""
        return np.asarray(np.einsum("bvs,bso->bvo", w, g, optimize=True))

    def nearest(self, s: Array, mask: Array, neighbours: int, loops: bool) -> tuple[NDArray[np.int64], Array]:
        """By sorting; few events at a time, for memory."""
        step = max(1, _PAIRS // s.shape[1] ** 2)
        parts = [_nearest(s[i : i + step], mask[i : i + step], neighbours, loops)
                 for i in range(0, max(len(s), 1), step)]
        at, there = (np.concatenate(part) for part in zip(*parts, strict=True))
        return at, mask * there

    def of_neighbours(self, value: Array, at: NDArray[np.int64]) -> Array:
        """By indices."""
        return np.asarray(value[np.arange(len(value))[:, None, None], at])

    def square_distances(self, s: Array, at: NDArray[np.int64]) -> Array:
        """From differences."""
        return np.asarray(np.square(s[:, :, None] - self.of_neighbours(s, at)).sum(-1))

    def over_neighbours(self, w: Array, p: Array) -> tuple[Array, Array]:
        """Over the third axis."""
        product = w[..., None] * p
        return product.sum(2), product.max(2)


def _product(x: Array, w: Array) -> Array:
    return np.asarray(np.einsum("bsf,sfo->bso", x, w, optimize=True) if w.ndim == 3 else x @ w)


def _nearest(s: Array, mask: Array, neighbours: int, loops: bool) -> tuple[NDArray[np.int64], Array]:
    norm = np.square(s).sum(-1)
    square = np.maximum(norm[:, :, None] + norm[:, None, :] - 2 * s @ s.transpose(0, 2, 1), 0)
    square = np.where(mask.transpose(0, 2, 1) > 0, square, np.inf)
    if not loops:
        square[:, np.arange(s.shape[1]), np.arange(s.shape[1])] = np.inf
    at = np.argsort(square, -1, kind="stable")[..., :neighbours]
    return at, np.isfinite(np.take_along_axis(square, at, -1)).astype(np.float64)


class Rounded(Arrays):
    """Integer semantics: values are rounded to the types of their roles.

    Args:
        vertices: V.
        types: by role.
    """

    def __init__(self, vertices: int, types: Mapping[str, FixedPoint]) -> None:
        super().__init__(vertices)
        self._types = types

    def q(self, role: str, value: Array, there: Any = None) -> Array:
        """Exact rounding."""
        return self._types[role].quantize(value)


class Seen(Arrays):
    """Full precision; remembers what is seen where a type stands.

    Args:
        vertices: V.
        activation: of the outputs: ``linear``, ``relu`` or ``tanh``.

    Attributes:
        seen: values by role where there is something to see, outputs before the activation.
    """

    def __init__(self, vertices: int, activation: str) -> None:
        super().__init__(vertices)
        self._activation = activation
        self.seen: dict[str, list[Array]] = {}

    def q(self, role: str, value: Array, there: Array | None = None) -> Array:
        """The value itself; outputs behind the activation."""
        kept = value if there is None else value[np.broadcast_to(there > 0, value.shape)]
        self.seen.setdefault(role, []).append(kept.ravel())
        return activated(value, self._activation) if role == "output" else value


def activated(values: Array, activation: str) -> Array:
    """Values behind the activation ``linear``, ``relu`` or ``tanh``."""
    if activation == "tanh":
        return np.tanh(values)
    return np.maximum(values, 0) if activation == "relu" else values
