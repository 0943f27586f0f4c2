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
class FloatStack:
    """A float stack of graph layers and the collapse at its end.

    Attributes:
        algebra: of its layers.
        cells: weights of each layer, by name.
        activation: of the layers' outputs; in types, ``tanh`` becomes saturation at +-1.
        collapse: over the vertices.
        mask_feature: index of the feature that marks a vertex.
    """

    algebra: GraphLayer
    cells: Sequence[Weights]
    activation: str
    collapse: str
    mask_feature: int

    def readings(self, vertices: int) -> list[Seen]:
        """What is to remember the values in each layer."""
        last = len(self.cells) - 1
        linear_end = self.algebra.linear_end(self.collapse)
        return [
            Seen(vertices, "linear" if i == last and linear_end else self.activation) for i in range(len(self.cells))
        ]

    def outputs(self, readings: Sequence[Seen], x: Array) -> Array:
        """Outputs (events, filters) for a few events (events, V, features); the readings remember what they saw."""
        mask = (x[..., self.mask_feature, None] != 0).astype(np.float64)
        for r, cell in zip(readings, self.cells, strict=True):
            x = self.algebra.layer(r, cell, x, mask)
        outputs: Array = collapsed(readings[-1], x, self.collapse)[:, 0]
        return outputs

    def types(self, r: Seen, bits: Mapping[str, int]) -> dict[str, str]:
        """Types of what was seen in a layer, by role."""
        types = {}
        for role, parts in r.seen.items():
            values = np.concatenate(parts)
            kind = self.algebra.roles[role].kind if role in self.algebra.roles else "signed"
            if role == "output":
                types[role] = output_type(values, bits[role], self.activation)
            elif kind == "weight":
                types[role] = FixedPoint.from_quantized_bits(bits[role], 0, keep_negative=False)
            else:
                limit = self.algebra.limit(role)
                seen = values if limit is None else np.clip(values, -limit, limit)
                types[role] = fitted(seen, bits[role], signed=kind == "signed")
        return {role: str(t) for role, t in types.items()}


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


def fit(stack: FloatStack, bits: Sequence[Mapping[str, int]], x: Array, collapsed_bits: int) -> Fitted:
    """Quantizes a float stack.

    Args:
        stack: to quantize.
        bits: widths of each layer: ``weights``, ``biases``, ``output``, and by role.
        x: typical inputs (events, V, features), in network units.
        collapsed_bits: width of the result.
    """
    readings, step = stack.readings(x.shape[1]), stack.algebra.chunk
    outputs = np.concatenate([stack.outputs(readings, x[s : s + step]) for s in range(0, max(len(x), 1), step)])
    arguments: dict[str, Any] = {
        "shapes": [{n: list(w.shape) for n, w in cell.items()} for cell in stack.cells],
        "weight_types": [weight_types(cell, widths) for cell, widths in zip(stack.cells, bits, strict=True)],
        "types": [stack.types(r, widths) for r, widths in zip(readings, bits, strict=True)],
        "collapse": stack.collapse, "mask_feature": stack.mask_feature,
        "collapsed": str(fitted(outputs, collapsed_bits)), **asdict(stack.algebra),
    }
    return Fitted(arguments, tuple(stack.cells), outputs)


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
