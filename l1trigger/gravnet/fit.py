"""From a float GravNet stack to its quantized twin: binary points fitted.

How they are fitted stands in ``graph.fit``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from l1trigger.fixed_point import FixedPoint
from l1trigger.graph import fit as graph_fit
from l1trigger.graph.fit import Fitted, Weights, activated, fitted, output_type
from l1trigger.graph.function import Array, collapsed
from l1trigger.gravnet.function import edge_weight, gathered, nearest

_NEGLIGIBLE = 7.0
"""Exponents above it give a weight below 10^-3: such squared distances may saturate."""
_CHUNK = 256


@dataclass(frozen=True)
class Bits:
    """Widths of everything in a quantized layer.

    Attributes:
        weights, biases: of the transforms.
        coordinate, square, edge_weight: of the space, and input and output of the table of exp(-a d^2).
        propagated, aggregated, output: of the values with these names (``gravnet.function``).
    """

    weights: int
    biases: int
    coordinate: int
    square: int
    edge_weight: int
    propagated: int
    aggregated: int
    output: int


@dataclass(frozen=True)
class Graph:
    """What all layers of a stack share; see ``function.Layer``."""

    neighbours: int
    loops: bool
    falloff: float


def fit(
    cells: Sequence[Weights], bits: Sequence[Bits], x: Array, *, graph: Graph, activation: str,
    collapse: str, collapsed_bits: int, mask_feature: int,
) -> Fitted:
    """Quantizes a float stack.

    Args:
        cells: float weights of each layer, by the names of ``layers.weight_shapes``.
        bits: widths of each layer.
        x: typical inputs (events, V, features), in network units.
        graph: how neighbours are chosen and weighted.
        activation: of the layers' outputs; ``tanh`` becomes saturation at +-1.
        collapse: over the vertices.
        collapsed_bits: width of the result.
        mask_feature: index of the feature that marks a vertex.
    """
    mask = (x[..., mask_feature] != 0).astype(np.float64)
    types = []
    for cell, widths in zip(cells, bits, strict=True):
        found, y = _layer_types(cell, widths, x, mask, graph, activation)
        types.append(found)
        x = mask[..., None] * y
    return graph_fit.stack(
        cells, bits, types, collapsed(x, collapse), collapse=collapse, collapsed_bits=collapsed_bits,
        mask_feature=mask_feature, neighbours=graph.neighbours, loops=graph.loops, falloff=graph.falloff,
    )


def _layer_types(
    cell: Weights, bits: Bits, x: Array, mask: Array, graph: Graph, activation: str
) -> tuple[dict[str, FixedPoint], Array]:
    """Types inside a layer, fitted to its float values, and its outputs."""
    there = mask > 0
    s = x @ cell["coordinate"] + cell["coordinate_bias"]
    p = x @ cell["propagate"] + cell["propagate_bias"]
    chunks = [slice(i, i + _CHUNK) for i in range(0, len(x), _CHUNK)]
    parts = [_neighbourhoods(s[c], p[c], mask[c], graph) for c in chunks]
    square, mean, maximum = (np.concatenate(part) for part in zip(*parts, strict=True))
    y = x @ cell["direct"] + cell["bias"] + mean @ cell["mean"] + maximum @ cell["maximum"]
    near = square[there & np.isfinite(square).any(-1)]
    types = {
        "coordinate": fitted(s[there], bits.coordinate),
        "square": fitted(np.minimum(near[np.isfinite(near)], _NEGLIGIBLE / graph.falloff), bits.square, signed=False),
        "edge_weight": FixedPoint.from_quantized_bits(bits.edge_weight, 0, keep_negative=False),
        "propagated": fitted(p[there], bits.propagated),
        "aggregated": fitted(np.concatenate([mean[there], maximum[there]]), bits.aggregated),
        "output": output_type(y[there], bits.output, activation),
    }
    return types, activated(y, activation)


def _neighbourhoods(s: Array, p: Array, mask: Array, graph: Graph) -> tuple[Array, Array, Array]:
    """Squared distances (events, V, k), mean and maximum of the neighbours' features (events, V, F)."""
    at, square = nearest(s, mask, graph.neighbours, graph.loops)
    product = edge_weight(square, graph.falloff)[..., None] * gathered(p, at)
    return square, product.mean(2), product.max(2)
