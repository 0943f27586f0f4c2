"""Types of a quantized stack's weights and values.

Bit widths come from the design; binary points that it leaves open minimize the squared error on typical inputs, as for
dense layers (``compress.quantize``).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from l1trigger.binary_points import covering_integer, fit_integer
from l1trigger.fixed_point import FixedPoint

Weights = Mapping[str, NDArray[np.floating[Any]]]


class WeightBits(Protocol):
    """Widths of a layer's weights and biases."""

    @property
    def weights(self) -> int:
        """Of all but biases."""

    @property
    def biases(self) -> int:
        """Of weights whose name ends in ``bias``."""


@dataclass(frozen=True)
class Fitted:
    """What the QKeras twin of a stack is made from.

    Attributes:
        arguments: of its constructor.
        weights: per layer, by name.
        outputs: of the float stack on the given inputs (events, filters).
    """

    arguments: dict[str, Any]
    weights: tuple[Weights, ...]
    outputs: NDArray[np.float64]


def stack(
    weights: Sequence[Weights], bits: Sequence[WeightBits], types: Sequence[Mapping[str, FixedPoint]],
    result: NDArray[np.float64], *, collapse: str, collapsed_bits: int, mask_feature: int, **own: Any,
) -> Fitted:
    """What the QKeras twin is made from, when the types inside are known.

    Args:
        weights: float weights of each layer, as the twin has them.
        bits: widths of each layer's weights.
        types: per layer, by role.
        result: outputs of the float stack (events, filters).
        collapse: over the vertices.
        collapsed_bits: width of the result.
        mask_feature: index of the feature that marks a vertex.
        own: further arguments of the twin's class.
    """
    arguments: dict[str, Any] = {
        "shapes": [{n: list(w.shape) for n, w in cell.items()} for cell in weights],
        "weight_types": [weight_types(cell, widths) for cell, widths in zip(weights, bits, strict=True)],
        "types": [{role: str(t) for role, t in found.items()} for found in types],
        "collapse": collapse, "mask_feature": mask_feature, "collapsed": str(fitted(result, collapsed_bits)), **own,
    }
    return Fitted(arguments, tuple(weights), result)


def weight_types(cell: Weights, bits: WeightBits) -> dict[str, str]:
    """Type of each weight of a layer: biases are covered whole, of others the squared error is the smallest."""
    return {
        name: str(
            FixedPoint.from_quantized_bits(bits.biases, covering_integer(values, bits.biases))
            if name.endswith("bias") else fitted(values, bits.weights)
        )
        for name, values in cell.items()
    }


def fitted(values: NDArray[Any], bits: int, signed: bool = True) -> FixedPoint:
    """The type of a width with the smallest squared error."""
    return FixedPoint.from_quantized_bits(bits, fit_integer(values, bits, signed), keep_negative=signed)


def output_type(values: NDArray[np.float64], bits: int, activation: str) -> FixedPoint:
    """The type of a layer's outputs, given before the activation; ``tanh`` becomes saturation at +-1."""
    if activation == "tanh":
        return FixedPoint.from_quantized_bits(bits, 0)
    return fitted(activated(values, activation), bits, signed=activation != "relu")


def activated(values: NDArray[np.float64], activation: str) -> NDArray[np.float64]:
    """Values behind the activation ``linear``, ``relu`` or ``tanh``."""
    if activation == "tanh":
        return np.tanh(values)
    return np.maximum(values, 0) if activation == "relu" else values
