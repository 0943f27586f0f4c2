"""What the quantizers of a QKeras model mean as fixed-point types."""

from __future__ import annotations

from typing import Any

from l1trigger.fixed_point import FixedPoint, Overflow, Rounding


def activation_types(model: Any) -> dict[str, FixedPoint]:
    """Layer name to the type of its outputs, for each QActivation of a model with a known quantizer."""
    types = {}
    for layer in model.layers:
        if type(layer).__name__ == "QActivation":
            t = fixed_point(layer.quantizer)
            if t is not None:
                types[str(layer.name)] = t
    return types


def fixed_point(quantizer: Any) -> FixedPoint | None:
    """The type of a quantizer's outputs; None when it is none of those with a fixed-point meaning."""
    kind = type(quantizer).__name__
    if kind not in ("quantized_bits", "quantized_relu"):
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
