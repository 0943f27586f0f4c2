"""From a float GarNet stack to its quantized twin: transforms folded, binary points fitted.

How binary points are fitted stands in ``graph.fit``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from l1trigger.fixed_point import FixedPoint
from l1trigger.garnet.function import edge_weight
from l1trigger.graph import fit as graph
from l1trigger.graph.fit import Fitted, Weights
from l1trigger.graph.function import collapsed

_FAR = 3.5
"""A distance beyond which exp(-d^2) is below 10^-5 and binary points need not care."""


@dataclass(frozen=True)
class Bits:
    """Widths of everything in a quantized layer.

    Attributes:
        weights, biases: of the transforms.
        distance, edge_weight: input and output of the table of exp(-d^2).
        propagated, aggregated, gathered, output: of the values with these names (``garnet.function``).
    """

    weights: int
    biases: int
    distance: int
    edge_weight: int
    propagated: int
    aggregated: int
    gathered: int
    output: int


def fold(cell: Weights) -> dict[str, NDArray[Any]]:
    """A layer whose linear transform is absorbed by its output weights; see ``garnet.function``.

    The weights for the propagated features of a layer without maxima become weights for its inputs and a constant 1.
    """
    transform = np.concatenate([cell["propagate"], cell["propagate_bias"][None]])
    kept = {n: w for n, w in cell.items() if n not in ("propagate", "propagate_bias", "mean")}
    return kept | {"mean": np.einsum("if,sfo->sio", transform, cell["mean"])}


def fit(
    cells: Sequence[Weights], bits: Sequence[Bits], x: NDArray[np.float64], *, activation: str, collapse: str,
    collapsed_bits: int, mask_feature: int, folded: bool,
) -> Fitted:
    """Quantizes a float stack.

    Args:
        cells: float weights of each layer, by the names of ``layers.weight_shapes``.
        bits: widths of each layer.
        x: typical inputs (events, V, features), in network units.
        activation: of the layers' outputs; ``tanh`` becomes saturation at +-1.
        collapse: over the vertices.
        collapsed_bits: width of the result.
        mask_feature: index of the feature that marks a vertex.
        folded: whether transforms are absorbed where that is possible.
    """
    mask = (x[..., mask_feature] != 0).astype(np.float64)[..., None]
    weights, types = [], []
    y = x
    for index, (cell, widths) in enumerate(zip(cells, bits, strict=True)):
        use = fold(cell) if folded and "maximum" not in cell else dict(cell)
        found, y = _layer_types(use, widths, x, mask, activation)
        weights.append(use)
        types.append(found)
        if index < len(cells) - 1 or collapse == "max":
            y = graph.activated(y, activation)
        x = mask * y
    return graph.stack(
        weights, bits, types, collapsed(x, collapse), collapse=collapse, collapsed_bits=collapsed_bits,
        mask_feature=mask_feature,
    )


def _layer_types(
    cell: Weights, bits: Bits, x: NDArray[np.float64], mask: NDArray[np.float64], activation: str
) -> tuple[dict[str, FixedPoint], NDArray[np.float64]]:
    """Types inside a layer, fitted to its float values, and its outputs before the activation."""
    there = mask[..., 0] > 0
    distance = x @ cell["distance"] + cell["distance_bias"]
    w = mask * edge_weight(distance)
    types = {"distance": graph.fitted(np.clip(distance[there], -_FAR, _FAR), bits.distance)}
    types["edge_weight"] = FixedPoint.from_quantized_bits(bits.edge_weight, 0, keep_negative=False)
    if "propagate" in cell:
        p = x @ cell["propagate"] + cell["propagate_bias"]
        types["propagated"] = graph.fitted(p[there], bits.propagated)
    else:
        p = np.concatenate([x, np.ones_like(x[..., :1])], -1)
    p = np.concatenate([p, w], -1) if "maximum" in cell else p
    aggregated = [np.einsum("bvs,bvf->bsf", w, p, optimize=True) / x.shape[1]]
    gathered = np.einsum("bsf,sfo->bso", aggregated[0], cell["mean"], optimize=True)
    if "maximum" in cell:
        aggregated.append((w[..., None] * p[:, :, None]).max(1))
        gathered += np.einsum("bsf,sfo->bso", aggregated[1], cell["maximum"], optimize=True)
    types["aggregated"] = graph.fitted(np.concatenate(aggregated), bits.aggregated)
    types["gathered"] = graph.fitted(gathered, bits.gathered)
    y = cell["bias"] + np.einsum("bvs,bso->bvo", w, gathered, optimize=True)
    if "direct" in cell:
        y = y + x @ cell["direct"] + w @ cell["edges"]
    types["output"] = graph.output_type(y[there], bits.output, activation)
    return types, y
