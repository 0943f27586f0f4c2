"""From a float GravNet stack to its quantized twin: binary points fitted.

Bit widths come from the design; binary points that it leaves open minimize the squared error on typical inputs, as for
dense layers (``compress.quantize``).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from l1trigger.compress.quantize import covering_integer, fit_integer
from l1trigger.fixed_point import FixedPoint
from l1trigger.garnet.fit import Fitted, Weights
from l1trigger.garnet.function import Array
from l1trigger.gravnet.function import collapsed, edge_weight, gathered, nearest

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
    cells: Sequence[Weights], bits: Sequence[Bits], x: NDArray[np.float64], *, graph: Graph, activation: str,
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
    weight_types, types = [], []
    for cell, widths in zip(cells, bits, strict=True):
        found, y = _layer_types(cell, widths, x, mask, graph, activation)
        weight_types.append({n: str(_weight_type(n, w, widths)) for n, w in cell.items()})
        types.append({role: str(t) for role, t in found.items()})
        x = mask[..., None] * y
    result = collapsed(x, collapse)
    arguments: dict[str, Any] = {
        "shapes": [{n: list(w.shape) for n, w in cell.items()} for cell in cells], "weight_types": weight_types,
        "types": types, "neighbours": graph.neighbours, "loops": graph.loops, "falloff": graph.falloff,
        "collapse": collapse, "mask_feature": mask_feature, "collapsed": str(_fitted(result, collapsed_bits)),
    }
    return Fitted(arguments, tuple(cells), result)


def _weight_type(name: str, values: NDArray[Any], bits: Bits) -> FixedPoint:
    if name.endswith("bias"):
        return FixedPoint.from_quantized_bits(bits.biases, covering_integer(values, bits.biases))
    return FixedPoint.from_quantized_bits(bits.weights, fit_integer(values, bits.weights))


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
    if activation != "linear":
        y = np.tanh(y) if activation == "tanh" else np.maximum(y, 0)
    near = square[there & np.isfinite(square).any(-1)]
    types = {
        "coordinate": _fitted(s[there], bits.coordinate),
        "square": _fitted(np.minimum(near[np.isfinite(near)], _NEGLIGIBLE / graph.falloff), bits.square, signed=False),
        "edge_weight": FixedPoint.from_quantized_bits(bits.edge_weight, 0, keep_negative=False),
        "propagated": _fitted(p[there], bits.propagated),
        "aggregated": _fitted(np.concatenate([mean[there], maximum[there]]), bits.aggregated),
        "output": FixedPoint.from_quantized_bits(bits.output, 0) if activation == "tanh"
        else _fitted(y[there], bits.output, signed=activation != "relu"),
    }
    return types, y


def _neighbourhoods(s: Array, p: Array, mask: Array, graph: Graph) -> tuple[Array, Array, Array]:
    """Squared distances (events, V, k), mean and maximum of the neighbours' features (events, V, F)."""
    at, square = nearest(s, mask, graph.neighbours, graph.loops)
    product = edge_weight(square, graph.falloff)[..., None] * gathered(p, at)
    return square, product.mean(2), product.max(2)


def _fitted(values: Array, bits: int, signed: bool = True) -> FixedPoint:
    return FixedPoint.from_quantized_bits(bits, fit_integer(values, bits, signed), keep_negative=signed)
