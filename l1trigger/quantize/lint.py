"""What is wrong with a network before anything is trained or converted: one rule per known trap of the conversion."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from l1trigger import normal_form
from l1trigger.design import ConvertSection, Design
from l1trigger.errors import DesignError, UnsupportedLayerError
from l1trigger.own_layers import OwnLayer
from l1trigger.quantize import keras_graph, lint_layers
from l1trigger.quantize.lint_layers import Finding

MAX_UNROLLED = 4096
"""Multiplications that one layer may unroll; more has failed in the vendor's tools."""

__all__ = [
    "EXACT", "MAX_UNROLLED", "Finding", "check", "check_section", "multiplications", "require", "require_float",
    "valid_reuse_factors",
]

_QUANTIZED = frozenset({"QDense", "QConv1D", "QConv2D", "QDepthwiseConv2D"})
_FLOAT_WEIGHTS = frozenset({"Dense", "Conv1D", "Conv2D", "DepthwiseConv2D", "SeparableConv2D"})
_FUSED = frozenset({"QConv2DBatchnorm", "QDenseBatchnorm", "QDepthwiseConv2DBatchnorm"})
_NORMALIZATION = frozenset({"BatchNormalization", "QBatchNormalization", "LayerNormalization"})
_WITHOUT_WEIGHTS = frozenset({
    "InputLayer", "QActivation", "Activation", "ReLU", "Softmax", "Flatten", "Reshape", "Permute", "Dropout", "Add",
    "Subtract", "Multiply", "Maximum", "Minimum", "Concatenate", "MaxPooling1D", "MaxPooling2D",
    "GlobalMaxPooling1D", "GlobalMaxPooling2D", "AveragePooling1D", "AveragePooling2D", "GlobalAveragePooling1D",
    "GlobalAveragePooling2D", "Average", "Dot",
    "UpSampling1D", "UpSampling2D", "ZeroPadding1D", "ZeroPadding2D",
})
EXACT = _QUANTIZED | _WITHOUT_WEIGHTS
"""Layer classes that hls4ml converts bit for bit, given quantizers as the other rules want them."""

_RESHAPING = frozenset({"Flatten", "Reshape", "Permute", "Dropout"})
_IDENTIFIER = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_EXACT_QUANTIZERS = ("quantized_bits", "quantized_relu", "quantized_tanh", "quantized_sigmoid", "binary")
_STRAIGHT = "quantized_relu, or quantized_bits(bits, integer, alpha=1), quantized_tanh, quantized_sigmoid or binary"


Rule = Callable[[ConvertSection, Any], Iterator[Finding]]


def check(design: Design, model: Any) -> list[Finding]:
    """Everything that the rules find, errors first.

    Args:
        design: its section ``convert`` gives strategy and reuse factor.
        model: a built Keras or QKeras model; it need not be trained.
    """
    return check_section(design.convert, model)


def check_section(section: ConvertSection, model: Any) -> list[Finding]:
    """What ``check`` finds for one section ``convert``."""
    findings = [f for rule in RULES for f in rule(section, model)]
    return sorted(findings, key=lambda f: f.severity != "error")


def require_float(section: ConvertSection, model: Any, name: str = "the network") -> None:
    """Checks a float Keras model before it is trained, as far as it can be told that early.

    Args:
        section: for which io_type.
        model: built, not necessarily trained.
        name: of the model, for the message.

    Raises:
        UnsupportedLayerError: it cannot be brought to firmware; names all layers and what to change.
    """
    require([f for rule in FLOAT_RULES for f in rule(section, model)])
    keras_graph.points(model, name)


def require(findings: Sequence[Finding]) -> None:
    """Raises when there are errors among the findings.

    Raises:
        UnsupportedLayerError: layers cannot be brought to firmware exactly; names all of them.
        DesignError: a reuse factor does not fit a layer, or too much would be unrolled.
    """
    errors = [f for f in findings if f.severity == "error"]
    layers = [f for f in errors if f.rule not in ("reuse_factor", "unrolling")]
    if layers:
        raise UnsupportedLayerError(
            "The network cannot be brought to firmware as it is. "
            + " ".join(f"{f.where}: {f.message}. Remedy: {f.remedy}." for f in layers)
        )
    if errors:
        messages = "; ".join(f"layer {f.where}: {f.message}" for f in errors)
        raise DesignError(None, "convert.reuse_factor", messages, errors[0].remedy)


def multiplications(layer: Any) -> tuple[int, int] | None:
    """Inputs and outputs of a layer's matrix product, as reuse factors count them; None where there is none."""
    if _kind(layer) not in _QUANTIZED | {f.removeprefix("Q") for f in _QUANTIZED}:
        return None
    if "Depthwise" in _kind(layer):
        height, width, channels, each = layer.depthwise_kernel.shape
        return height * width, channels * each
    *rows, columns = layer.kernel.shape
    return math.prod(rows), int(columns)


def valid_reuse_factors(strategy: str, inputs: int, outputs: int) -> list[int]:
    """Reuse factors that a layer takes as they are.

    Any divisor of the number of multiplications is possible in principle. The Resource strategy runs through inputs
    first: up to one row of inputs it needs whole rows of outputs, beyond it whole multiples of the inputs.
    """
    total = inputs * outputs
    divisors = [r for r in range(1, total + 1) if total % r == 0]
    if strategy == "Latency":
        return divisors
    return [r for r in divisors if (inputs % r == 0 if r < inputs else r % inputs == 0)]


def _kind(layer: Any) -> str:
    return type(layer).__name__


def _layers(section: ConvertSection, model: Any) -> Iterator[Finding]:
    for layer in model.layers:
        kind = _kind(layer)
        if isinstance(layer, OwnLayer):
            continue
        if kind in _FUSED:
            yield Finding(
                "error", layer.name, f"{kind} is a fused batch normalization, which hls4ml is dropping",
                "fold the normalization into the weights before quantizing", "layer",
            )
        elif kind in _NORMALIZATION:
            yield Finding(
                "error", layer.name, f"{kind} has a scale that is no power of two, so it does not convert exactly",
                "fold the normalization into the layer before it, then quantize", "layer",
            )
        elif kind == "ReLU" and (layer.max_value is not None or layer.negative_slope or layer.threshold):
            yield Finding("error", layer.name, "hls4ml disregards max_value, negative_slope and threshold of a ReLU",
                          "use quantized_relu, which saturates, or a ReLU without options", "layer")
        elif kind in _FLOAT_WEIGHTS:
            yield Finding("error", layer.name, f"{kind} has unquantized weights", f"use Q{kind}", "layer")
        elif kind not in EXACT and not kind.endswith("Transpose"):  # of which rule ``option`` tells
            from l1trigger.convert import hls4ml

            can = kind in hls4ml.supported_layers()
            yield Finding(
                "error", layer.name, f"hls4ml converts {kind}, but not bit for bit" if can
                else f"hls4ml has no converter for {kind}",
                f"replace it by layers that convert exactly: {', '.join(sorted(EXACT - {'InputLayer'}))}", "layer",
            )


def _names(section: ConvertSection, model: Any) -> Iterator[Finding]:
    for layer in model.layers:
        if not _IDENTIFIER.fullmatch(layer.name):
            yield Finding("error", layer.name, "its name is no C++ identifier",
                          "use letters, digits and underscores", "name")


def _ports(section: ConvertSection, model: Any) -> Iterator[Finding]:
    if len(model.outputs) != 1:
        yield Finding(
            "error", model.name, f"it has {len(model.outputs)} outputs; the trigger function takes one",
            "concatenate them in the model", "ports",
        )
    for layer in model.layers:
        if _kind(layer) != "InputLayer":
            continue
        for node in layer.outbound_nodes:
            if _kind(node.outbound_layer) != "QActivation":
                yield Finding(
                    "error", layer.name, f"{node.outbound_layer.name} takes it without a quantizer",
                    "put a QActivation(quantized_bits(bits, integer, alpha=1)) behind the input", "input_quantizer",
                )
    last = model.output_names[0] if model.output_names else ""
    if last and not normal_form.is_qkeras(normal_form.activation(model.get_layer(last))):
        yield Finding("error", last, "the output has no quantizer",
                      "end with a QActivation(quantized_bits(bits, integer, alpha=1))", "output_quantizer")


def _weights(section: ConvertSection, model: Any) -> Iterator[Finding]:
    """Quantizers of weights: whatever they are, a fixed-point type has to hold what they give."""
    for layer in model.layers:
        if _kind(layer) not in _QUANTIZED:
            continue
        for role, q in zip(("weights", "biases"), layer.get_quantizers(), strict=False):
            if q is None and (role == "weights" or layer.use_bias):
                yield Finding("error", layer.name, f"its {role} have no quantizer",
                              "give it quantized_bits(bits, integer, alpha=1)", "quantizer")
        for role, q, values in normal_form.quantized_weights(layer):
            if not normal_form.is_plain(q) and normal_form.covering(values) is None:
                yield Finding(
                    "error", layer.name, f"its {role} has numbers, of {q}, that no fixed-point type of up to "
                    f"{normal_form.WIDEST} bits holds", _remedy_of_weights(q), "weights",
                )


def _remedy_of_weights(quantizer: Any) -> str:
    kind = type(quantizer).__name__
    if "po2" in kind:
        return "take fewer bits, which keep its powers of two closer together, or quantized_bits"
    if getattr(quantizer, "qnoise_factor", 1) != 1:
        return "set qnoise_factor to 1, and save the model again"
    return f"take alpha='auto_po2' or alpha=1 in place of alpha={quantizer.alpha}" if hasattr(quantizer, "alpha") \
        else "use quantized_bits"


def _activations(section: ConvertSection, model: Any) -> Iterator[Finding]:
    """Quantizers of activations, and activation functions."""
    for layer in model.layers:
        q = normal_form.activation(layer)
        if q is None or isinstance(layer, OwnLayer) or _kind(layer) == "Softmax":
            continue
        if not normal_form.is_qkeras(q):
            yield from _function(layer, q)
        elif (t := normal_form.fixed_point(q)) is None:
            yield from _quantizer(layer.name, q)
        elif t.fraction == 0:
            yield Finding(
                "warning", layer.name, f"{t} has no fractional bits; hls4ml takes such a quantizer for an integer "
                "without rounding and saturation, which the conversion mends", "see that csim shows 0 mismatches",
                "no_fraction",
            )


def _function(layer: Any, function: Any) -> Iterator[Finding]:
    """A function that is no quantizer: those that are computed from tables differ from Keras in their last bits."""
    name = str(getattr(function, "__name__", None) or type(function).__name__)
    if "softmax" in name:
        yield _softmax(layer)
    elif name not in ("linear", "relu") or _kind(layer) == "QActivation":
        yield Finding(
            "error", layer.name, f"hls4ml computes {name} otherwise than Keras, from a table or not at all",
            f"use {_STRAIGHT}", "function",
        )


def _softmax(layer: Any) -> Finding:
    return Finding(
        "error", layer.name, "softmax is computed from tables that overflow and round otherwise than Keras",
        "end with the logits, or take the largest", "softmax",
    )


def _softmax_layers(section: ConvertSection, model: Any) -> Iterator[Finding]:
    yield from (_softmax(layer) for layer in model.layers if _kind(layer) == "Softmax")


def _quantizer(where: str, q: Any) -> Iterator[Finding]:
    """A quantizer of activations that is no fixed-point type; some convert exactly all the same."""
    kind, options = type(q).__name__, dict(normal_form.unusual(q))
    if kind not in _EXACT_QUANTIZERS:
        yield Finding("error", where, f"hls4ml computes {kind} otherwise than QKeras, or not at all",
                      f"use {_STRAIGHT}", "quantizer")
    elif kind == "quantized_sigmoid" and q.symmetric:
        yield Finding("error", where, "hls4ml has no symmetric quantized_sigmoid", "write symmetric=False", "option")
    elif options:
        given = ", ".join(f"{name}={getattr(q, name)}" for name in options)
        yield Finding("error", where, f"hls4ml computes {kind} otherwise than QKeras with {given}",
                      f"write {', '.join(f'{name}={usual}' for name, usual in options.items())}", "option")
    elif kind in ("quantized_bits", "quantized_relu"):
        yield Finding(
            "error", where, f"{q} is no fixed-point type: its binary point lies outside of its bits, or it has one bit "
            "for two signs", "take 0 integer bits or more, and fewer of them than bits; for signs alone, use binary()",
            "quantizer",
        )


def _in_a_row(section: ConvertSection, model: Any) -> Iterator[Finding]:
    """hls4ml joins a quantizer to what is before it, and forgets the type that was there."""
    for layer in model.layers:
        if _kind(layer) != "QActivation" or type(layer.quantizer).__name__ != "quantized_bits":
            continue
        before = _source(layer)
        while before is not None and _kind(before) in _RESHAPING and len(before.outbound_nodes) == 1:
            before = _source(before)
        if before is None or len(before.outbound_nodes) != 1:
            continue
        quantizer = normal_form.activation(before)
        if not normal_form.is_qkeras(quantizer) or _kind(before) == "InputLayer":
            continue
        first, second = normal_form.value_type(quantizer), normal_form.fixed_point(layer.quantizer)
        if first is not None and first != second:
            yield Finding(
                "error", layer.name, f"it quantizes to {second} what {before.name} has just quantized to {first}; "
                "hls4ml would lose the first of the two", "leave one of them out, or give both the same type",
                "in_a_row",
            )


def _source(layer: Any) -> Any:
    """The one layer that a layer takes its input from; None when there are several."""
    layers = layer.inbound_nodes[0].inbound_layers
    return None if isinstance(layers, list) else layers


def _reuse(section: ConvertSection, model: Any) -> Iterator[Finding]:
    shapes = {layer.name: m for layer in model.layers if (m := multiplications(layer))}
    valid = {name: valid_reuse_factors(section.strategy, *m) for name, m in shapes.items()}
    shared = sorted(set.intersection(*(set(v) for v in valid.values()))) if valid else []
    largest = max((rows * columns for rows, columns in shapes.values()), default=0)
    for name, (rows, columns) in shapes.items():
        if section.reuse_factor not in valid[name]:
            yield Finding(
                "error", name, f"a reuse factor of {section.reuse_factor} does not divide its {rows} x {columns} "
                f"multiplications ({section.strategy}); it takes {_some(valid[name])}",
                f"all layers take {_some(shared)}", "reuse_factor",
            )
            continue
        unrolled = rows * columns // section.reuse_factor
        if unrolled > MAX_UNROLLED:
            fitting = [r for r in shared if largest // r <= MAX_UNROLLED]
            yield Finding(
                "error", name, f"{unrolled} multiplications would be unrolled; more than {MAX_UNROLLED} in one layer "
                "have failed in the vendor's tools",
                f"raise convert.reuse_factor to one of {_some(fitting)}" if fitting else "make the layer smaller, or "
                "give all layers sizes with a larger common divisor",
                "unrolling",
            )


def _some(values: Sequence[int]) -> str:
    head = ", ".join(map(str, values[:12]))
    return head + (f" ... {values[-1]}" if len(values) > 12 else "") if values else "none"


RULES: tuple[Rule, ...] = (
    _layers, lint_layers.options, lint_layers.windows, lint_layers.averages, _names, _ports, _weights, _activations,
    _softmax_layers, _in_a_row, _reuse,
)
"""All rules, in the order in which their findings are reported."""

FLOAT_RULES: tuple[Rule, ...] = (lint_layers.options, lint_layers.windows, _names)
"""Rules that a float model must already pass, since quantizing it would not mend what they find."""
