"""What the quantizers of a QKeras model mean as fixed-point types."""

from __future__ import annotations

from typing import Any

from l1trigger.fixed_point import FixedPoint, Overflow, Rounding

_FIXED_POINT = ("quantized_bits", "quantized_relu")


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
            if type(activation).__module__.startswith("qkeras"):
                quantizers[f"{layer.name}_{type(activation).__name__}"] = activation
    return quantizers


def fixed_point(quantizer: Any) -> FixedPoint | None:
    """The type of a quantizer's outputs; None when it has no fixed-point meaning."""
    kind = type(quantizer).__name__
    if kind not in _FIXED_POINT:
        return None
    bits, integer = int(quantizer.bits), int(quantizer.integer)
    overflow = Overflow.SAT
    if kind == "quantized_relu":
        signed = bool(quantizer.negative_slope)
    else:
        signed = bool(quantizer.keep_negative)
        if quantizer.symmetric:
            overflow = Overflow.SAT_SYM
    whole = integer + int(signed)
    if whole > bits or bits < 1:
        return None
    return FixedPoint(bits, whole, signed, Rounding.RND_CONV, overflow)


def has_unit_scale(quantizer: Any) -> bool:
    """Whether a quantizer has no scale of its own beside the power of two of its type."""
    if type(quantizer).__name__ == "quantized_relu":
        return True
    alpha = getattr(quantizer, "alpha", None)
    return not isinstance(alpha, str) and alpha is not None and bool(alpha == 1)
