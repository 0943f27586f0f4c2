"""Types of a quantized stack's weights and values, fitted to what the float stack computes.

Bit widths come from the design; binary points that it leaves open minimize the squared error on typical inputs, as for
dense layers.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from l1trigger.binary_points import covering_integer, fit_integer
from l1trigger.fixed_point import FixedPoint
from l1trigger.graph.algebra import GraphLayer, collapsed
from l1trigger.graph.arrays import Array, Seen, activated

Weights = Mapping[str, NDArray[np.floating[Any]]]


@dataclass(frozen=True)
class Fitted:
    """What the quantized Keras layer of a stack is made from.

    Attributes:
        arguments: of its constructor.
        weights: per layer, by name.
        outputs: of the float stack on the given inputs (events, filters).
    """

    arguments: dict[str, Any]
    weights: tuple[Weights, ...]
    outputs: Array


def fit(
    algebra: GraphLayer, cells: Sequence[Weights], bits: Sequence[Mapping[str, int]], x: Array, *, activation: str,
    collapse: str, collapsed_bits: int, mask_feature: int,
) -> Fitted:
    """Quantizes a float stack.

    Args:
        algebra: of its layers.
        cells: float weights of each layer, by name.
        bits: widths of each layer: ``weights``, ``biases``, ``output``, and by role.
        x: typical inputs (events, V, features), in network units.
        activation: of the layers' outputs; ``tanh`` becomes saturation at +-1.
        collapse: over the vertices.
        collapsed_bits: width of the result.
        mask_feature: index of the feature that marks a vertex.
    """
    last = len(cells) - 1
    readings = [
        Seen(x.shape[1], "linear" if i == last and algebra.linear_end(collapse) else activation)
        for i in range(len(cells))
    ]
    step = algebra.chunk
    outputs = np.concatenate([
        _outputs(algebra, readings, cells, x[s : s + step], collapse, mask_feature)
        for s in range(0, max(len(x), 1), step)
    ])
    arguments: dict[str, Any] = {
        "shapes": [{n: list(w.shape) for n, w in cell.items()} for cell in cells],
        "weight_types": [weight_types(cell, widths) for cell, widths in zip(cells, bits, strict=True)],
        "types": [_types(algebra, r, widths, activation) for r, widths in zip(readings, bits, strict=True)],
        "collapse": collapse, "mask_feature": mask_feature, "collapsed": str(fitted(outputs, collapsed_bits)),
        **asdict(algebra),
    }
    return Fitted(arguments, tuple(cells), outputs)


def _outputs(
    algebra: GraphLayer, readings: Sequence[Seen], cells: Sequence[Weights], x: Array, collapse: str, mask_feature: int
) -> Array:
    """Outputs of the float stack for a few events; the readings remember what they saw."""
    mask = (x[..., mask_feature, None] != 0).astype(np.float64)
    for r, cell in zip(readings, cells, strict=True):
        x = algebra.layer(r, cell, x, mask)
    outputs: Array = collapsed(readings[-1], x, collapse)[:, 0]
    return outputs


def _types(algebra: GraphLayer, r: Seen, bits: Mapping[str, int], activation: str) -> dict[str, str]:
    """Types of what was seen, by role."""
    types = {}
    for role, parts in r.seen.items():
        values = np.concatenate(parts)
        kind = algebra.roles[role].kind if role in algebra.roles else "signed"
        if role == "output":
            types[role] = output_type(values, bits[role], activation)
        elif kind == "weight":
            types[role] = FixedPoint.from_quantized_bits(bits[role], 0, keep_negative=False)
        else:
            limit = algebra.limit(role)
            seen = values if limit is None else np.clip(values, -limit, limit)
            types[role] = fitted(seen, bits[role], signed=kind == "signed")
    return {role: str(t) for role, t in types.items()}


def weight_types(cell: Weights, bits: Mapping[str, int]) -> dict[str, str]:
    """Type of each weight of a layer: biases are covered whole, of others the squared error is the smallest."""
    return {
        name: str(
            FixedPoint.from_quantized_bits(bits["biases"], covering_integer(values, bits["biases"]))
            if name.endswith("bias") else fitted(values, bits["weights"])
        )
        for name, values in cell.items()
    }


def fitted(values: NDArray[Any], bits: int, signed: bool = True) -> FixedPoint:
    """The type of a width with the smallest squared error."""
    return FixedPoint.from_quantized_bits(bits, fit_integer(values, bits, signed), keep_negative=signed)


def output_type(values: Array, bits: int, activation: str) -> FixedPoint:
    """The type of a layer's outputs, given before the activation; ``tanh`` becomes saturation at +-1."""
    if activation == "tanh":
        return FixedPoint.from_quantized_bits(bits, 0)
    return fitted(activated(values, activation), bits, signed=activation != "relu")
