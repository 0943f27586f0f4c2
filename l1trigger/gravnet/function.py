"""The quantized GravNet stack as plain values, and its integer semantics.

This is the one definition that the QKeras twin and the C++ must equal bit for bit. Vertices v, u = 1..V, coordinates c,
propagated features f, filters o; a vertex takes part when its mask m[v] is 1, which is when its ``mask_feature`` is not
zero. One layer (Q_t rounds and saturates to the type t; everything else is exact):

    s[v,c] = Q_coordinate( sum_i x[v,i] S[i,c] + s0[c] )
    p[v,f] = Q_propagated( sum_i x[v,i] P[i,f] + p0[f] )
    d2[v,u] = sum_c (s[v,c] - s[u,c])^2
    N[v] = the k vertices u with m[u] = 1 and the smallest (d2[v,u], u); without v itself unless ``loops``
    w[v,u] = T[ Q_square( d2[v,u] ) ]               T[z] = Q_edge( exp(-a z) ), a table
    h[v,f] = Q_aggregated( 1/k sum_{u in N[v]} w[v,u] p[u,f] )
    g[v,f] = Q_aggregated( max_{u in N[v]} w[v,u] p[u,f] )
    y[v,o] = b[o] + sum_i x[v,i] X[i,o] + sum_f h[v,f] A[f,o] + sum_f g[v,f] B[f,o]
    x'[v,o] = m[v] * Q_output( y[v,o] )             an unsigned type is a ReLU

Of two vertices at the same distance the one with the lower index is nearer. Where fewer than k vertices can be
neighbours, each that is lacking counts as one with w = 0, in the mean and in the maximum. k is a power of two, so that
1/k is a shift. The stack ends with a collapse over the vertices:

    mean        c[o] = Q_collapsed( 1/V sum_v x'[v,o] )
    sum         c[o] = Q_collapsed( sum_v x'[v,o] )
    max         c[o] = Q_collapsed( max_v x'[v,o] )
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from l1trigger.fixed_point import FixedPoint
from l1trigger.graph import function as graph
from l1trigger.graph.function import Array, collapsed

FALLOFF = 10.0
"""a of arXiv:1902.07987."""


@dataclass(frozen=True)
class LayerTypes:
    """Fixed-point types inside one layer; see the module.

    Attributes:
        coordinate, square, edge_weight, propagated, aggregated, output: of s, d2 (unsigned), w, p, h and g, x'.
    """

    coordinate: FixedPoint
    square: FixedPoint
    edge_weight: FixedPoint
    propagated: FixedPoint
    aggregated: FixedPoint
    output: FixedPoint


@dataclass(frozen=True)
class Layer:
    """One quantized layer; weights are on the grid of their types. Letters are those of the module.

    Attributes:
        types: of what is computed inside.
        neighbours: k.
        loops: whether a vertex can be its own neighbour.
        falloff: a.
        coordinate, coordinate_bias: S (n, C) and s0 (C,).
        propagate, propagate_bias: P (n, F) and p0 (F,).
        direct, mean, maximum: X (n, O), A (F, O) and B (F, O).
        bias: b (O,).
    """

    types: LayerTypes
    neighbours: int
    loops: bool
    falloff: float
    coordinate: Array
    coordinate_bias: Array
    propagate: Array
    propagate_bias: Array
    direct: Array
    mean: Array
    maximum: Array
    bias: Array

    @property
    def inputs(self) -> int:
        """Features per vertex that go in."""
        return int(self.coordinate.shape[0])

    @property
    def coordinates(self) -> int:
        """Dimensions of the learned space."""
        return int(self.coordinate.shape[1])

    @property
    def features(self) -> int:
        """Features that are propagated."""
        return int(self.mean.shape[0])

    @property
    def filters(self) -> int:
        """Features per vertex that come out."""
        return int(self.mean.shape[1])

    @property
    def table(self) -> NDArray[np.int64]:
        """Edge weights as integers, by the squared distance's bits: what firmware looks up."""
        t = self.types.square
        return self.types.edge_weight.raw(edge_weight(np.arange(2**t.width) * t.lsb, self.falloff))

    def outputs(self, x: Array, mask: Array) -> Array:
        """Outputs x' (events, V, O) of inputs (events, V, n) and the mask (events, V)."""
        t = self.types
        s = t.coordinate.quantize(x @ self.coordinate + self.coordinate_bias)
        p = t.propagated.quantize(x @ self.propagate + self.propagate_bias)
        at, square = nearest(s, mask, self.neighbours, self.loops)
        there = np.isfinite(square)
        w = there * t.edge_weight.quantize(edge_weight(t.square.quantize(np.where(there, square, 0)), self.falloff))
        product = w[..., None] * gathered(p, at)
        y = x @ self.direct + self.bias + t.aggregated.quantize(product.mean(2)) @ self.mean
        y = y + t.aggregated.quantize(product.max(2)) @ self.maximum
        return np.asarray(mask[..., None] * t.output.quantize(y), np.float64)


@dataclass(frozen=True)
class Stack(graph.Stack[Layer]):
    """A quantized GravNet stack."""

    chunk: ClassVar[int] = 256

    def _evaluate(self, x: Array, mask: Array) -> Array:
        for layer in self.layers:
            x = layer.outputs(x, mask)
        return self.collapsed.quantize(collapsed(x, self.collapse))


def edge_weight(square: Array, falloff: float) -> Array:
    """exp(-a d^2), the weight of a neighbour at distance d (arXiv:1902.07987)."""
    return np.exp(-falloff * square)


def nearest(s: Array, mask: Array, neighbours: int, loops: bool) -> tuple[NDArray[np.int64], Array]:
    """Indices of each vertex's neighbours, the nearest first, and their squared distances; infinite where one lacks.

    Args:
        s: coordinates (events, V, C).
        mask: 1 where there is a vertex (events, V).
        neighbours: k.
        loops: whether a vertex can be its own neighbour.

    Returns:
        Both (events, V, k).
    """
    norm = np.square(s).sum(-1)
    square = np.maximum(norm[:, :, None] + norm[:, None, :] - 2 * s @ s.transpose(0, 2, 1), 0)
    square = np.where(mask[:, None, :] > 0, square, np.inf)
    if not loops:
        square[:, np.arange(s.shape[1]), np.arange(s.shape[1])] = np.inf
    at = np.argsort(square, -1, kind="stable")[..., :neighbours]
    return at, np.take_along_axis(square, at, -1)


def gathered(p: Array, at: NDArray[np.int64]) -> Array:
    """Features of neighbours (events, V, k, F) from those of vertices (events, V, F) and indices (events, V, k)."""
    return np.asarray(p[np.arange(len(p))[:, None, None], at], np.float64)
