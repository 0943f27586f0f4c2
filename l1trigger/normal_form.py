"""The normal form of a QKeras model: the same function, with plain fixed-point types for all weights.

Firmware sees only the values of weights. Whatever has put them on a grid - a scale of each channel's own, powers of
two, signs - a fixed-point type wide enough holds them, and every later level reads it alike.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from l1trigger import frameworks
from l1trigger.fixed_point import FixedPoint, Overflow, Rounding

Config = dict[str, Any]

WIDEST = 24
"""Bits of a weight that float32, in which hls4ml reads weights, holds exactly."""

# What QKeras calls weights with quantizers of their own, in the order in which its layers have them.
_ROLES = ("kernel", "depthwise", "pointwise", "bias")

# Options with which hls4ml's quantizers are those of QKeras.
_USUAL = {
    "alpha": 1, "qnoise_factor": 1, "use_sigmoid": 0, "negative_slope": 0, "is_quantized_clip": True, "use_01": False,
    "use_real_tanh": False, "use_real_sigmoid": False,
}


def normalized(model: Any) -> tuple[str, tuple[NDArray[np.float32], ...]]:
    """Keras' JSON configuration of a QKeras model in normal form, and its weights in Keras' order, on their grids.

    Quantizers that have no plain form stay as they are; ``quantize.lint`` refuses them.

    Args:
        model: built, with its trained weights.
    """
    config = json.loads(model.to_json())
    settings = {entry["config"]["name"]: entry["config"] for entry in config["config"]["layers"]}
    weights: list[NDArray[np.float32]] = []
    for layer in model.layers:
        weights += _weights(layer)
        if is_qkeras(layer):
            settings[layer.name] |= _plain_weights(layer)
        elif type(layer).__name__ == "Concatenate" and layer.axis == len(layer.output.shape) - 1:
            settings[layer.name]["axis"] = -1  # hls4ml knows the last axis by this number only
    return json.dumps(config), tuple(weights)


def is_qkeras(thing: Any) -> bool:
    """Whether a layer or a quantizer is one of QKeras."""
    return type(thing).__module__.startswith("qkeras")


def quantized_weights(layer: Any) -> Iterator[tuple[str, Any, NDArray[np.float32]]]:
    """Role (``kernel``, ``bias`` ...), quantizer and values of each of a layer's weights that have a quantizer."""
    roles = [role for role in _ROLES if hasattr(layer, f"{role}_quantizer")]
    quantizers = layer.get_quantizers() if roles else []
    for role, quantizer, weights in zip(roles, quantizers, _weights(layer), strict=False):
        if quantizer is not None:
            yield role, quantizer, weights


def is_plain(quantizer: Any) -> bool:
    """Whether a quantizer of weights is a signed type that hls4ml reads as QKeras means it."""
    t = fixed_point(quantizer)
    return type(quantizer).__name__ == "quantized_bits" and t is not None and t.signed and t.width <= WIDEST


def covering(values: NDArray[Any]) -> FixedPoint | None:
    """The narrowest type of QKeras' ``quantized_bits`` that holds some values; None when weights cannot have it."""
    for fraction in range(1, WIDEST):
        raw = np.asarray(values, np.float64) * 2.0**fraction
        if np.array_equal(raw, np.rint(raw)):
            bits = 1 + max(int(np.where(raw < 0, -1 - raw, raw).max(initial=0)).bit_length(), fraction)
            return FixedPoint.from_quantized_bits(bits, bits - 1 - fraction) if bits <= WIDEST else None
    return None


def activation(layer: Any) -> Any:
    """The quantizer of a layer's outputs, or its activation function; None where it has neither."""
    return getattr(layer, "quantizer", None) or getattr(layer, "activation", None)


def fixed_point(quantizer: Any) -> FixedPoint | None:
    """The type that a quantizer brings its argument into; None when it does anything else."""
    kind = type(quantizer).__name__
    if kind not in ("quantized_bits", "quantized_relu") or dict(unusual(quantizer)):
        return None
    bits, integer = int(quantizer.bits), int(quantizer.integer)
    signed = kind == "quantized_bits" and bool(quantizer.keep_negative)
    # QKeras takes one bit with a sign for -1 and 1, and its binary point may lie outside of the bits.
    if bits <= signed or not 0 <= integer <= bits - signed:
        return None
    overflow = Overflow.SAT_SYM if signed and quantizer.symmetric else Overflow.SAT
    return FixedPoint(bits, integer + signed, signed, Rounding.RND_CONV, overflow)


def value_type(quantizer: Any) -> FixedPoint | None:
    """The type of what a quantizer of activations gives, also behind a slope of its own; None when it has none."""
    kind = type(quantizer).__name__
    if kind not in ("quantized_tanh", "quantized_sigmoid"):
        return fixed_point(quantizer)
    signed = kind == "quantized_tanh"
    overflow = Overflow.SAT_SYM if quantizer.symmetric else Overflow.SAT
    return FixedPoint(int(quantizer.bits), int(signed), signed, Rounding.RND_CONV, overflow)


def unusual(quantizer: Any) -> Iterator[tuple[str, Any]]:
    """Options with which hls4ml computes a quantizer otherwise than QKeras, each with what it has to be."""
    for name, usual in _USUAL.items():
        value = getattr(quantizer, name, None)
        if value is not None and (isinstance(value, str) or np.ndim(value) or value != usual):
            yield name, usual


def plain(t: FixedPoint) -> Any:
    """QKeras' ``quantized_bits`` of a type."""
    return frameworks.qkeras().quantized_bits(
        t.width, t.integer - t.signed, int(t.overflow is Overflow.SAT_SYM), bool(t.signed), alpha=1
    )


def exact_relus(config: Any) -> None:
    """Turns every ``quantized_relu`` of a configuration into the same function without a rounding of its own.

    QKeras rounds what it takes to float32, and hence twice what has more than 24 bits; it does not in an unsigned
    ``quantized_bits``.
    """
    for entry in config["config"]["layers"]:
        settings = entry["config"]
        if "quantized_relu" in str(settings.get("activation")):
            t = fixed_point(frameworks.qkeras().get_quantizer(settings["activation"]))
            settings |= {"activation": _config(plain(t))} if t is not None else {}


def _weights(layer: Any) -> list[NDArray[np.float32]]:
    """Weights of a layer, those that have a quantizer on its grid."""
    weights = layer.get_weights()
    quantizers = [*(layer.get_quantizers() if hasattr(layer, "get_quantizers") else ()), *(None,) * len(weights)]
    return [w if q is None else _on_grid(q, w) for w, q in zip(weights, quantizers, strict=False)]


def _on_grid(quantizer: Any, weights: NDArray[Any]) -> NDArray[np.float32]:
    """Weights as float64 quantizes them: what QKeras adds and takes away again for gradients would be seen in float32.

    A few of its quantizers, none of which has a grid, mix both and can be computed in float32 only.
    """
    try:
        with frameworks.float64():
            return np.asarray(quantizer(np.asarray(weights, np.float64)), np.float32)
    except TypeError:
        return np.asarray(quantizer(weights), np.float32)


def _plain_weights(layer: Any) -> Config:
    """Settings of a layer with plain quantizers of its weights."""
    types = {role: covering(weights) for role, q, weights in quantized_weights(layer) if not is_plain(q)}
    return {f"{role}_quantizer": _config(plain(t)) for role, t in types.items() if t is not None}


def _config(quantizer: Any) -> Config:
    return {"class_name": type(quantizer).__name__, "config": quantizer.get_config()}

