"""The quantized GarNet stack as plain values, and its integer semantics.

This is the one definition that the QKeras twin, the C++ and the RTL must equal bit for bit. Vertices v = 1..V,
aggregators s, propagated features f, filters o; a vertex takes part when its mask m[v] is 1, which is when its
``mask_feature`` is not zero. One layer (Q_t rounds and saturates to the type t; everything else is exact):

    d[v,s] = Q_distance( sum_i x[v,i] D[i,s] + d0[s] )
    w[v,s] = m[v] * T[ d[v,s] ]                     T[d] = Q_edge( exp(-d^2) ), a table
    p[v,f] = Q_propagated( sum_i x[v,i] P[i,f] + p0[f] )          with transform
    p[v,:] = (x[v,1], ..., x[v,n], 1)                              folded
    h[s,f] = Q_aggregated( 1/V sum_v w[v,s] p[v,f] )
    k[s,f] = Q_aggregated( max_v w[v,s] p[v,f] )                   full variant only
    g[s,o] = Q_gathered( sum_f h[s,f] A[s,f,o] + sum_f k[s,f] B[s,f,o] )
    y[v,o] = b[o] + sum_s w[v,s] g[s,o] + sum_i x[v,i] X[i,o] + sum_s w[v,s] W[s,o]
    x'[v,o] = m[v] * Q_output( y[v,o] )             an unsigned type is a ReLU

In the full variant p carries w as further features, as in the authors' code, and X and W connect inputs and edge
weights to the output directly; they are absent in the simplified one. ``g`` is computed once per event: returning the
aggregated features to the vertices then takes S x O products per vertex in place of a matrix product with S x F
inputs.

With linear transforms and no maximum, A absorbs the propagation: A[s,i,o] = sum_f P[i,f] A'[s,f,o]. Then p is the input
itself (``folded``) and the number of propagated features costs nothing.

The stack ends with a collapse over the vertices:

    mean        c[o] = Q_collapsed( b[o] M + sum_s u[s] (g[s,o] + W[s,o]) + sum_i 1/V sum_v m[v] x[v,i] X[i,o] )
                u[s] = Q_aggregated( 1/V sum_v w[v,s] ),   M = 1/V sum_v m[v]
    sum         the same times V, before Q_collapsed
    max         c[o] = Q_collapsed( max_v x'[v,o] )

Mean and sum thus need no second pass over the vertices: but for the roundings they are the mean and the sum of
m[v] y[v,o]. V is a power of two, so that 1/V is a shift.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from l1trigger.fixed_point import FixedPoint
from l1trigger.graph import function as graph
from l1trigger.graph.function import Array


@dataclass(frozen=True)
class LayerTypes:
    """Fixed-point types inside one layer; see the module.

    Attributes:
        distance, edge_weight, aggregated, gathered, output: of d, w, h and k, g, x'.
        propagated: of p; None when the transform is folded into the output weights.
    """

    distance: FixedPoint
    edge_weight: FixedPoint
    propagated: FixedPoint | None
    aggregated: FixedPoint
    gathered: FixedPoint
    output: FixedPoint


@dataclass(frozen=True)
class Layer:
    """One quantized layer; weights are on the grid of their types. Letters are those of the module.

    Attributes:
        types: of what is computed inside.
        distance, distance_bias: D (n, S) and d0 (S,).
        propagate, propagate_bias: P (n, F) and p0 (F,); None when folded.
        mean: A (S, F', O); F' counts the features of p.
        maximum: B (S, F', O); None in the simplified variant.
        direct, edges: X (n, O) and W (S, O); None in the simplified variant.
        bias: b (O,).
    """

    types: LayerTypes
    distance: Array
    distance_bias: Array
    propagate: Array | None
    propagate_bias: Array | None
    mean: Array
    maximum: Array | None
    direct: Array | None
    edges: Array | None
    bias: Array

    @property
    def inputs(self) -> int:
        """Features per vertex that go in."""
        return int(self.distance.shape[0])

    @property
    def aggregators(self) -> int:
        """Aggregators."""
        return int(self.distance.shape[1])

    @property
    def features(self) -> int:
        """Features that are aggregated, with the appended 1 or edge weights."""
        return int(self.mean.shape[1])

    @property
    def filters(self) -> int:
        """Features per vertex that come out."""
        return int(self.mean.shape[2])

    @property
    def folded(self) -> bool:
        """Whether the inputs themselves are aggregated."""
        return self.propagate is None

    @property
    def table(self) -> NDArray[np.int64]:
        """Edge weights as integers, by the distance's bits read as an unsigned number: what firmware looks up."""
        t = self.types.distance
        code = np.arange(2**t.width)
        value = np.where(code >= 2 ** (t.width - 1), code - 2**t.width, code) * t.lsb
        return self.types.edge_weight.raw(edge_weight(value))


@dataclass(frozen=True)
class Stack(graph.Stack[Layer]):
    """A quantized GarNet stack."""

    chunk: ClassVar[int] = 2048

    @property
    def needs_last_pass(self) -> bool:
        """Whether the last layer returns its aggregated features to the vertices."""
        return self.collapse == "max"

    def _evaluate(self, x: Array, mask: Array) -> Array:
        *inner, last = self.layers
        for layer in inner:
            x = self._output(layer, x, mask)
        if self.collapse == "max":
            return self.collapsed.quantize(self._output(last, x, mask).max(1))
        w, g = self._aggregated(last, x, mask)
        mean = [np.mean(a, 1, keepdims=True) for a in (mask[..., None], mask[..., None] * x, w)]
        total = _combined(last, mean[0], mean[1], last.types.aggregated.quantize(mean[2]), g)[:, 0]
        return self.collapsed.quantize(total if self.collapse == "mean" else total * self.vertices)

    def _output(self, layer: Layer, x: Array, mask: Array) -> Array:
        w, g = self._aggregated(layer, x, mask)
        y = _combined(layer, np.ones_like(mask[..., None]), x, w, g)
        return mask[..., None] * layer.types.output.quantize(y)

    def _aggregated(self, layer: Layer, x: Array, mask: Array) -> tuple[Array, Array]:
        """Edge weights w (events, V, S) and what the aggregators send back, g (events, S, O)."""
        t = layer.types
        distance = t.distance.quantize(x @ layer.distance + layer.distance_bias)
        w = mask[..., None] * t.edge_weight.quantize(edge_weight(distance))
        p = propagated(layer, x, w)
        h = t.aggregated.quantize(np.einsum("bvs,bvf->bsf", w, p, optimize=True) / self.vertices)
        gathered = np.einsum("bsf,sfo->bso", h, layer.mean, optimize=True)
        if layer.maximum is not None:
            k = t.aggregated.quantize((w[..., None] * p[:, :, None]).max(1))
            gathered = gathered + np.einsum("bsf,sfo->bso", k, layer.maximum, optimize=True)
        return w, t.gathered.quantize(gathered)


def _combined(layer: Layer, count: Array, x: Array, w: Array, g: Array) -> Array:
    """Outputs y of each vertex (events, V, O), or of their mean, given means of mask, x and w (events, 1, .)."""
    y: Array = count * layer.bias + np.einsum("bvs,bso->bvo", w, g, optimize=True)
    if layer.direct is None or layer.edges is None:
        return y
    return y + x @ layer.direct + w @ layer.edges


def edge_weight(distance: Array) -> Array:
    """exp(-d^2), the weight with which a vertex at distance d speaks to an aggregator (arXiv:1902.07987)."""
    return np.exp(-np.square(distance))


def propagated(layer: Layer, x: Array, w: Array) -> Array:
    """The features that a layer aggregates (events, V, F')."""
    if layer.propagate is None or layer.propagate_bias is None or layer.types.propagated is None:
        features = np.concatenate([x, np.ones_like(x[..., :1])], -1)
    else:
        features = layer.types.propagated.quantize(x @ layer.propagate + layer.propagate_bias)
    return features if layer.maximum is None else np.concatenate([features, w], -1)
