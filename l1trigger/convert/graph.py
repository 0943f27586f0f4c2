"""hls4ml's graph of a network as plain values: what each layer computes, bit for bit, without hls4ml's classes.

This is all that the stages after ``convert`` see of a network, so that whatever hls4ml reads can be lowered.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from l1trigger.fixed_point import FixedPoint, Overflow

_ATTRIBUTES = (
    "SAT", "RND", "activ_param", "activation", "algorithm", "axis", "count_pad", "crop_left", "crop_top", "data_format",
    "filt_height", "filt_width", "implementation", "in_height", "in_width", "n_chan", "n_filt", "n_in", "n_inner",
    "n_outer", "op", "pad_bottom", "pad_left", "pad_right", "pad_top", "perm", "pool_height", "pool_op", "pool_width",
    "shift", "slope", "stride_height", "stride_width", "table_size",
)
# What hls4ml settles only while it writes a layer's configuration.
_SETTLED = re.compile(r"(exp_table_size|inv_table_size|exp_scale) = ([\d.]+);")
_NORMALIZED = re.compile(r"typedef (.+) inp_norm_t;")


@dataclass(frozen=True)
class GraphLayer:
    """One layer of hls4ml's graph.

    Attributes:
        name: of the layer.
        kind: hls4ml's class name.
        inputs: names of the tensors that it takes.
        outputs: names of the tensors that it gives, all with the same values.
        shape: of its outputs, without events.
        types: fixed-point types by role: ``input`` (of the first input), ``result``, ``accum``, ``table`` ...
        unknown: types that are no fixed-point type of up to 64 bits, by role, as hls4ml spells them.
        weights: by role, on the grids of their types, channels last and rows of inputs first.
        attributes: numbers and words that the layer is made with, under hls4ml's names.
    """

    name: str
    kind: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    shape: tuple[int, ...]
    types: Mapping[str, FixedPoint]
    unknown: Mapping[str, str]
    weights: Mapping[str, NDArray[np.float64]]
    attributes: Mapping[str, Any]

    def number(self, name: str, default: int = 0) -> int:
        """An attribute that is a whole number."""
        return int(self.attributes.get(name, default))

    def word(self, name: str) -> str:
        """An attribute that is a word, in lower case; empty when there is none."""
        return str(self.attributes.get(name, "")).lower()


def layers(graph: Any) -> tuple[GraphLayer, ...]:
    """All layers of a ModelGraph, each after those that it takes its inputs from; the network's inputs come first."""
    order = [str(name) for name in graph.inputs]
    nodes = sorted(graph.get_layers(), key=lambda n: order.index(n.name) if n.name in order else len(order))
    return tuple(_layer(node) for node in nodes)


def input_slices(layers: Sequence[GraphLayer]) -> dict[str, slice]:
    """Which of an event's numbers each input of a network takes, by the input's name."""
    slices, first = {}, 0
    for layer in layers:
        if layer.kind == "Input":
            size = math.prod(layer.shape)
            slices[layer.name] = slice(first, first + size)
            first += size
    return slices


def precision(kind: Any) -> FixedPoint:
    """The type behind one of hls4ml's precisions, e.g. ``fixed<16,7,RND_CONV,SAT,0>``.

    Raises:
        ValueError: it is no fixed-point type of 1 to 64 bits.
    """
    if type(kind).__name__ in ("XnorPrecisionType", "ExponentPrecisionType"):
        raise ValueError(f"{kind} does not stand for the numbers themselves")
    fixed_type = FixedPoint.parse(str(kind))
    if fixed_type.overflow is Overflow.WRAP and int(getattr(kind, "saturation_bits", None) or 0):
        raise ValueError(f"{kind} keeps bits when it wraps")
    return fixed_type


def _layer(node: Any) -> GraphLayer:
    types, unknown = {}, {}
    given = {role.removesuffix("_t"): t.precision for role, t in node.types.items()}
    # A layer that only passes its input on has the input's type, whatever its own result_t says.
    given["result"] = node.get_output_variable().type.precision
    if node.class_name != "Input":
        given["input"] = node.get_input_variable().type.precision
    for role, kind in given.items():
        try:
            types[role] = precision(kind)
        except ValueError:
            unknown[role] = str(kind)
    attributes = {k: _plain(v) for k in _ATTRIBUTES if (v := node.get_attr(k)) is not None}
    if node.class_name == "Softmax":
        attributes |= _softmax(node, types)
    return GraphLayer(
        node.name, node.class_name, tuple(node.inputs), tuple(node.outputs),
        tuple(int(n) for n in node.get_output_variable().shape), types, unknown, _weights(node, types, unknown),
        attributes,
    )


def _plain(value: Any) -> Any:
    if isinstance(value, list | tuple):
        return tuple(_plain(v) for v in value)
    return value.item() if isinstance(value, np.generic) else value


def _weights(node: Any, types: dict[str, FixedPoint], unknown: dict[str, str]) -> dict[str, NDArray[np.float64]]:
    weights = {}
    for role, variable in node.weights.items():
        data = np.asarray(variable.data, np.float64)
        if node.get_attr("_weights_transposed", False):
            data = _untransposed(role, data)
        if role in unknown and (wider := _down_to_point(node.types[f"{role}_t"].precision, data)) is not None:
            types[role] = wider
            del unknown[role]
        if role in types:
            data = types[role].quantize(data)
        elif not data.any():
            unknown.pop(role, None)  # the type of numbers that are all zero may be impossible
        weights[role] = data
    if (mask := getattr(node, "mask_kbi", None)) is not None:
        weights |= dict(zip(("signed", "width", "integer"), (np.asarray(m, np.float64)[0] for m in mask), strict=True))
    return weights


def _down_to_point(kind: Any, data: NDArray[np.float64]) -> FixedPoint | None:
    """The type that reaches down to the binary point, where hls4ml's own ends left of it, as for weights that are all
    multiples of 8; None where the numbers are no such multiples.
    """
    width, integer = getattr(kind, "width", 0), getattr(kind, "integer", 0)
    if not 0 < width < integer <= 64 or (data % 2.0 ** (integer - width)).any():
        return None
    return FixedPoint(integer, integer, kind.signed)


def _untransposed(role: str, data: NDArray[np.float64]) -> NDArray[np.float64]:
    """Weights as they were before hls4ml's Resource strategy put their outputs first."""
    if role not in ("weight", "depthwise", "pointwise"):
        return data
    return data.T if data.ndim == 2 else np.moveaxis(data, 0, -1)


def _softmax(node: Any, types: dict[str, FixedPoint]) -> dict[str, float]:
    """What hls4ml's template for softmax settles by itself; its types are added to ``types``."""
    text = str(node.get_attr("config_cpp", ""))
    if (normalized := _NORMALIZED.search(text)) and "<" in normalized[1]:
        types["inp_norm"] = FixedPoint.parse(normalized[1])
    if node.types["inv_inp_t"].name == "model_default_t":
        types["inv_inp"] = types["exp_table"]
    return {name: float(value) for name, value in _SETTLED.findall(text)}
