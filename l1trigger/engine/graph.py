"""Reading of the algebra of graph layers in an engine's numbers: axes are vertices, features."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from l1trigger.engine.numbers import Floats, Numbers, joined
from l1trigger.engine.program import Program
from l1trigger.fixed_point import FixedPoint
from l1trigger.graph.algebra import Function, Reading
from l1trigger.graph.stack import Stack


def stack(program: Program, of: Stack, x: Numbers) -> Numbers:
    """What a stack of graph layers gives (outputs,).

    Args:
        program: in the making.
        of: the stack.
        x: its inputs (vertices, features).
    """
    mask = program.presence(x[:, of.mask_feature : of.mask_feature + 1])
    readings = [Vertices(program, of.vertices, layer.types) for layer in of.layers]
    cells = [layer.weights for layer in of.layers]
    return program.cast(of.algebra.stack(readings, cells, x, mask, of.collapse), of.collapsed).ravel()


class Vertices(Reading):
    """The operations.

    Args:
        program: in the making.
        vertices: V.
        types: by role.
    """

    def __init__(self, program: Program, vertices: int, types: Mapping[str, FixedPoint]) -> None:
        self._program, self.vertices, self._types = program, vertices, types

    def q(self, role: str, value: Numbers, there: Any = None) -> Numbers:
        """Rounded and saturated."""
        return self._program.cast(value, self._types[role])

    def table(self, role: str, function: Function, value: Numbers) -> Numbers:
        """Looked up."""
        t = self._types[role]
        return self._program.table(value, lambda v: t.quantize(function(np, v)), t)

    def affine(self, terms: Sequence[tuple[Numbers, Floats]], bias: Floats | None = None) -> Numbers:
        """One sum over all terms."""
        values, weights = zip(*terms, strict=True)
        n = weights[0].shape[-1]
        bias = np.zeros(n) if bias is None else bias
        if weights[0].ndim == 2:
            return self._program.linear(joined(values), np.concatenate(weights), bias)
        x, w = joined(values), np.concatenate(weights, axis=1)
        rows = [self._program.linear(x[k : k + 1], w[k], bias) for k in range(len(w))]
        return joined(rows, axis=0)

    def masked(self, mask: Numbers, value: Numbers) -> Numbers:
        """By a product."""
        return mask * value

    def joined(self, parts: Sequence[Numbers]) -> Numbers:
        """Along the last axis."""
        return joined(parts)

    def one(self, like: Numbers) -> Numbers:
        """A constant."""
        return self._program.constant(np.ones((1, 1)))[np.zeros(len(like.rows), int)]

    def total(self, value: Numbers) -> Numbers:
        """Over the first axis."""
        return self._program.totals([value[:, i] for i in range(value.shape[1])]).reshape(1, -1)

    def largest(self, value: Numbers) -> Numbers:
        """Over the first axis."""
        return self._program.extremes([value[:, i] for i in range(value.shape[1])]).reshape(1, -1)

    def weighted_sum(self, w: Numbers, p: Numbers) -> Numbers:
        """(S, F)."""
        return self._contracted(w.view(lambda a: a.T), p)

    def weighted_max(self, w: Numbers, p: Numbers) -> Numbers:
        """(S, F)."""
        product = w[:, :, None] * p[:, None, :]
        _, s, f = product.shape
        return self._program.extremes([product[:, i, j] for i in range(s) for j in range(f)]).reshape(s, f)

    def spread(self, w: Numbers, g: Numbers) -> Numbers:
        """(V, O)."""
        return self._contracted(w, g)

    def _contracted(self, a: Numbers, b: Numbers) -> Numbers:
        """Matrix product of (m, k) and (k, n)."""
        (m, k), n = a.shape, b.shape[1]
        left = a.view(lambda v: np.repeat(v[:, None, :], n, axis=1).ravel())
        right = b.view(lambda v: np.tile(v.T.ravel(), m))
        return self._program.products(np.arange(m * n + 1) * k, left, right).reshape(m, n)

    def nearest(self, s: Numbers, mask: Numbers, neighbours: int, loops: bool) -> tuple[Numbers, Numbers]:
        """By an operation of its own."""
        return self._program.nearest(s, mask, neighbours, loops)

    def of_neighbours(self, value: Numbers, at: Numbers) -> Numbers:
        """By an operation of its own."""
        return self._program.gathered(value, at)

    def square_distances(self, s: Numbers, at: Numbers) -> Numbers:
        """Sums of squared differences."""
        there = self.of_neighbours(s, at)
        own = s.view(lambda a: np.broadcast_to(a[:, None], there.shape))
        difference = own - there
        flat, (*shape, n) = difference.ravel(), difference.shape
        places = flat.size // n
        return self._program.products(np.arange(places + 1) * n, flat, flat).reshape(*shape)

    def over_neighbours(self, w: Numbers, p: Numbers) -> tuple[Numbers, Numbers]:
        """Over the second axis."""
        v, _, f = p.shape
        product = w[:, :, None] * p
        groups = [product[i, :, j] for i in range(v) for j in range(f)]
        return self._program.totals(groups).reshape(v, f), self._program.extremes(groups).reshape(v, f)
