"""What the quantizers of a QKeras model mean as fixed-point types."""

from __future__ import annotations

from typing import Any

from l1trigger.fixed_point import FixedPoint
from l1trigger.normal_form import fixed_point, is_qkeras

__all__ = ["activation_types", "activations", "fixed_point"]


def activation_types(model: Any) -> dict[str, FixedPoint]:
    """Type of outputs by hls4ml's name of the layer, for each activation of a model with a fixed-point meaning."""
    types = {name: fixed_point(q) for name, q in activations(model).items()}
    return {name: t for name, t in types.items() if t is not None}


def activations(model: Any) -> dict[str, Any]:
    """Quantizers of activations by hls4ml's name of the layer.

    A quantizer given to a layer as its ``activation`` becomes a layer of its own, named after both.
    """
    quantizers = {}
    for layer in model.layers:
        if type(layer).__name__ == "QActivation":
            quantizers[str(layer.name)] = layer.quantizer
        else:
            activation = getattr(layer, "activation", None)
            if is_qkeras(activation):
                quantizers[f"{layer.name}_{type(activation).__name__}"] = activation
    return quantizers
