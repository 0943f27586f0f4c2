"""Options of layers that hls4ml cannot take, or takes otherwise than Keras; seen on float and on quantized models."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

from l1trigger.sections import ConvertSection

_CONVOLUTIONS = ("Conv1D", "Conv2D", "DepthwiseConv2D", "SeparableConv1D", "SeparableConv2D")
_POOLING = ("MaxPooling1D", "MaxPooling2D", "AveragePooling1D", "AveragePooling2D")
_PASSING = ("MaxPooling1D", "MaxPooling2D", "UpSampling1D", "UpSampling2D", "Dropout", "Reshape", "Permute")

_AVERAGE = ("AveragePooling1D", "AveragePooling2D", "GlobalAveragePooling1D", "GlobalAveragePooling2D")
_MERGES = ("Add", "Subtract", "Multiply", "Average", "Maximum", "Minimum", "Concatenate", "Dot")
_TURNED = ((2, 1), (3, 1, 2))
# hls4ml turns the weights behind a Flatten as these would need it, whatever the Permute.


@dataclass(frozen=True)
class Finding:
    """Something about a network that prevents or endangers an exact conversion.

    Attributes:
        severity: an error stops the conversion, a warning does not.
        where: name of the layer, or key of the design.
        message: what is the matter.
        remedy: what to change.
        rule: which rule found it.
    """

    severity: Literal["error", "warning"]
    where: str
    message: str
    remedy: str
    rule: str


def options(section: ConvertSection, model: Any) -> Iterator[Finding]:
    """Options that hls4ml does not know; whatever the section."""
    uses = {la["config"]["name"]: len(la.get("inbound_nodes", ())) for la in model.get_config()["layers"]}
    for layer in model.layers:
        kind = type(layer).__name__.removeprefix("Q")
        for message, remedy in _wrong(layer, kind):
            yield Finding("error", layer.name, message, remedy, "option")
        if uses.get(layer.name, 1) > 1:
            yield Finding("error", layer.name, "it is used more than once, and hls4ml mixes its uses up",
                          "take a layer of its own for each use", "option")


def _wrong(layer: Any, kind: str) -> Iterator[tuple[str, str]]:
    """What is the matter with the options of one layer, and its remedy."""
    if getattr(layer, "data_format", None) == "channels_first":
        yield "hls4ml takes images with channels last only", "write data_format='channels_last'"
    if kind.endswith("Transpose"):
        yield ("a transposed convolution is not converted bit for bit",
               "take up-sampling (UpSampling2D, up_sample) and a convolution behind it")
    if kind in _CONVOLUTIONS:
        if any(d != 1 for d in _pair(layer.dilation_rate)):
            yield f"hls4ml has no dilation ({_of(layer.dilation_rate)})", "take a larger kernel, or pool before it"
        if getattr(layer, "groups", 1) != 1:
            yield (f"hls4ml has no groups ({layer.groups})",
                   "take a depthwise convolution, or several convolutions that are concatenated")
        if kind == "DepthwiseConv2D" and layer.depth_multiplier != 1:
            yield (f"hls4ml's depthwise convolution has no depth_multiplier ({layer.depth_multiplier})",
                   "take 1, and a 1 x 1 convolution behind it")
    if kind == "UpSampling2D" and layer.interpolation != "nearest":
        yield f"interpolation='{layer.interpolation}' rounds otherwise than Keras", "take interpolation='nearest'"
    if kind == "Concatenate" and layer.axis not in (-1, len(layer.output.shape) - 1):
        yield "hls4ml joins channels only", "concatenate along the last axis"
    if kind in _MERGES:
        yield from _wrong_merge(layer, kind)
    if kind == "Permute" and tuple(layer.dims) not in _TURNED and any(map(_flattens, _takers(layer))):
        yield (f"hls4ml mixes up the order of numbers in a Permute({tuple(layer.dims)}) before a Flatten",
               "flatten without it, and permute the rows of the weights behind")


def _wrong_merge(layer: Any, kind: str) -> Iterator[tuple[str, str]]:
    given = layer.input if isinstance(layer.input, list) else [layer.input]
    shapes = sorted((tuple(t.shape[1:]) for t in given), key=math.prod)
    if len(shapes) > 2:
        yield f"hls4ml merges two tensors at a time, not {len(shapes)}", f"take one {kind} behind another"
    elif kind == "Dot":
        if layer.normalize:
            yield "hls4ml does not normalize", "write normalize=False"
        if len(shapes[0]) > 1:
            yield "hls4ml has the Dot of vectors only", "flatten what goes in"
    elif kind != "Concatenate" and not _repeats(*shapes):
        yield (f"hls4ml does not broadcast {_of(shapes[0])} to {_of(shapes[1])} as Keras does",
               "give both the same shape, e.g. by UpSampling or Concatenate")


def _repeats(small: tuple[int, ...], large: tuple[int, ...]) -> bool:
    """Whether a tensor becomes another's shape by being started over again, which is how the C++ broadcasts."""
    while small and small[0] == 1:
        small = small[1:]
    return small == large[len(large) - len(small) :]


def _takers(layer: Any) -> list[Any]:
    """The layers that take a layer's result, layers that do nothing in firmware passed over."""
    takers = [node.outbound_layer for node in layer.outbound_nodes]
    return [t for taker in takers for t in (_takers(taker) if type(taker).__name__ == "Dropout" else [taker])]


def _flattens(layer: Any) -> bool:
    return type(layer).__name__ in ("Flatten", "Reshape") and len(layer.output.shape) == 2


def averages(section: ConvertSection, model: Any) -> Iterator[Finding]:
    """Averages that no fixed-point type holds, and that nothing rounds in time."""
    for layer in model.layers:
        counts = _counts(layer) if type(layer).__name__ in _AVERAGE else ()
        divided = [n for n in counts if n & (n - 1)]
        if divided and not all(map(_is_rounded, _takers(layer))):
            yield Finding(
                "error", layer.name, f"an average of {divided[-1]} values has no end in binary digits, of which "
                "firmware cuts some before the next layer takes it", "put a QActivation(quantized_bits(bits, integer, "
                "alpha=1)) behind it, or average over a power of two of values", "average",
            )


def _counts(layer: Any) -> list[int]:
    """How many values go into averages of a layer; fewer at borders that are padded."""
    if "Global" in type(layer).__name__:
        return [math.prod(layer.input.shape[1:-1])]
    size, stride = _pair(layer.pool_size), _pair(layer.strides)
    return list(range(1, math.prod(size) + 1)) if _is_padded(layer, size, stride) else [math.prod(size)]


def _is_rounded(layer: Any) -> bool:
    """Whether a layer rounds what it takes, or passes it on to those that do."""
    passes = type(layer).__name__ in (*_PASSING, "Flatten", "ReLU")
    return type(layer).__name__ == "QActivation" or (passes and all(map(_is_rounded, _takers(layer))))


def windows(section: ConvertSection, model: Any) -> Iterator[Finding]:
    """Windows of pooling that hls4ml does not take in a stream, or pads otherwise than Keras."""
    for layer in model.layers:
        if type(layer).__name__ not in _POOLING:
            continue
        size, stride = _pair(layer.pool_size), _pair(layer.strides)
        stream, padded = section.io_type == "io_stream", _is_padded(layer, size, stride)
        if stream and size != stride:
            yield Finding(
                "error", layer.name, f"pooling of {_of(size)} with strides of {_of(stride)}: in io_stream windows "
                "neither overlap nor leave gaps", "let strides be the size, or take convert.io_type: io_parallel",
                "window",
            )
        if padded and stream:
            yield Finding(
                "error", layer.name, f"pooling of {_of(size)} adds pixels around {_of(layer.input.shape[1:-1])}, which "
                "hls4ml does not do in io_stream", "take padding valid, or convert.io_type: io_parallel", "window",
            )
        elif padded and type(layer).__name__.startswith("Max") and is_unsigned(layer):
            yield Finding(
                "error", layer.name, f"largest of {_of(size)} with pixels added around {_of(layer.input.shape[1:-1])}: "
                "hls4ml pads numbers without a sign, such as those behind a ReLU, with their largest one",
                "take padding valid, or a size that divides the image", "window",
            )


def is_unsigned(layer: Any) -> bool:
    """Whether a layer takes numbers without a sign: those behind a ReLU."""
    before = layer.inbound_nodes[0].inbound_layers
    if isinstance(before, list):
        return False
    kind = type(before).__name__
    if kind in _PASSING:
        return is_unsigned(before)
    if kind == "QActivation":
        return "quantized_relu" in type(before.quantizer).__name__
    function = getattr(getattr(before, "activation", None), "__name__", "")
    return kind == "ReLU" or function == "relu"


def _is_padded(layer: Any, size: tuple[int, ...], stride: tuple[int, ...]) -> bool:
    """Whether a window reaches outside the image."""
    if layer.padding != "same":
        return False
    given = layer.input.shape[1:-1]
    return any((math.ceil(n / s) - 1) * s + w > n for n, w, s in zip(given, size, stride, strict=True))


def _pair(value: Any) -> tuple[int, ...]:
    return (value,) if isinstance(value, int) else tuple(value)


def _of(value: Any) -> str:
    return " x ".join(map(str, _pair(value)))
