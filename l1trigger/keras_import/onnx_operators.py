"""What becomes of each operator of ONNX: a rule that makes its nodes, or says why firmware cannot have it."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from l1trigger import frameworks
from l1trigger.keras_import.graph import Node
from l1trigger.keras_import.onnx_file import Operation
from l1trigger.keras_import.onnx_nodes import Nodes, Value

Array = NDArray[Any]
Rule = Callable[[Nodes, Operation], Value]
POWERS_OF_TWO = ("train with scales that are powers of two (in Brevitas: "
                 "restrict_scaling_type=RestrictValueType.POWER_OF_TWO)")


def _same(nodes: Nodes, one: Operation) -> Value:
    return nodes.value(one)


def _transpose(nodes: Nodes, one: Operation) -> Value:
    value = nodes.value(one)
    turned = one.attributes.get("perm", range(value.order.ndim, -1, -1))
    return replace(value, order=value.order.transpose([p - 1 for p in turned[1:]]))


def _reshape(nodes: Nodes, one: Operation) -> Value:
    value = nodes.value(one)
    return replace(value, order=value.order.reshape(nodes.model.shapes[one.output]))


def _dense(nodes: Nodes, one: Operation) -> Value:
    value, kernel = nodes.value(one), nodes.constant(one, 1)
    assert kernel is not None  # both inputs are required
    alpha, beta = (float(one.attributes.get(n, 1)) for n in ("alpha", "beta"))
    if one.attributes.get("transA") or kernel.ndim != 2:
        raise one.refused("is no product of an event with a matrix", "write x W with a constant W of two axes")
    kernel = np.asarray(alpha * (kernel.T if one.attributes.get("transB") else kernel))
    bias = nodes.constant(one, 2)
    if value.order.ndim == 1:
        before = value if len(nodes.shapes[value.node]) == 1 else replace(value, node=nodes.laid(
            value, np.arange(value.order.size), one.output).node)
        ordered = np.empty_like(kernel)
        ordered[value.order] = kernel
    else:
        before, ordered = nodes.laid(value, value.order, one.output), kernel
    units = kernel.shape[1]
    shape = (*value.order.shape[:-1], units)
    added = () if bias is None else (np.broadcast_to(beta * bias.reshape(-1), (units,)),)
    return nodes.add(one.output, Node("", "Dense", (before.node,), {"units": units, "use_bias": bool(added)},
                                     (ordered, *added)), shape)


def _padding(one: Operation, before: Sequence[int], size: Sequence[int], strides: Sequence[int]) -> Any:
    """Zeros in front and behind along each axis, and whether these are Keras' ``same``.

    Args:
        one: a convolution or pooling.
        before: places along each axis.
        size: that a kernel covers.
        strides: along each axis.
    """
    wanted = [max((-(-n // s) - 1) * s + k - n, 0) for n, k, s in zip(before, size, strides, strict=True)]
    same = [(t // 2, t - t // 2) for t in wanted]
    match one.attributes.get("auto_pad", "NOTSET"):
        case "SAME_UPPER":
            pads = same
        case "SAME_LOWER":
            pads = [(b, a) for a, b in same]
        case "VALID":
            pads = [(0, 0)] * len(size)
        case _:
            given = one.attributes.get("pads", [0] * 2 * len(size))
            pads = list(zip(given[: len(size)], given[len(size):], strict=True))
    return pads, pads == same


def _zeros(nodes: Nodes, one: Operation, before: Value, pads: Sequence[tuple[int, int]]) -> Value:
    """A value, channels last, with zeros around it."""
    *places, channels = nodes.shapes[before.node]
    shape = (*(n + sum(p) for n, p in zip(places, pads, strict=True)), channels)
    given = tuple(pads) if len(pads) > 1 else tuple(pads[0])
    return nodes.add(f"{one.output}_zeros", Node("", f"ZeroPadding{len(pads)}D", (before.node,), {"padding": given}),
                    shape)


def _conv(nodes: Nodes, one: Operation) -> Value:
    value, kernel = nodes.value(one), nodes.constant(one, 1)
    assert kernel is not None  # both inputs are required
    axes, group = kernel.ndim - 2, int(one.attributes.get("group", 1))
    if axes not in (1, 2):
        raise one.refused(f"convolves along {axes} axes", "use one or two")
    before = nodes.last(one, value)
    *places, channels = nodes.shapes[before.node]
    strides, dilations = (tuple(one.attributes.get(n, (1,) * axes)) for n in ("strides", "dilations"))
    covered = [(k - 1) * d + 1 for k, d in zip(kernel.shape[2:], dilations, strict=True)]
    pads, same = _padding(one, places, covered, strides)
    if any(map(sum, pads)) and not same:
        before = _zeros(nodes, one, before, pads)
    bias = nodes.constant(one, 2)
    config = {"kernel_size": kernel.shape[2:], "strides": strides, "dilation_rate": dilations,
              "padding": "same" if same and any(map(sum, pads)) else "valid", "use_bias": bias is not None}
    added = () if bias is None else (bias,)
    filters, *after = nodes.model.shapes[one.output]
    if group == 1:
        weights = np.moveaxis(kernel, (0, 1), (-1, -2))
        return nodes.layer(one, f"Conv{axes}D", before, (*after, filters), (weights, *added), filters=filters, **config)
    if group != channels or axes != 2:
        raise one.refused(f"has {group} groups of {channels} channels", "use one group, or in two dimensions as many "
                          "as channels")
    multiplier = filters // channels
    weights = kernel.reshape(channels, multiplier, *kernel.shape[2:]).transpose(2, 3, 0, 1)
    return nodes.layer(one, "DepthwiseConv2D", before, (*after, filters), (weights, *added),
                      depth_multiplier=multiplier, **config)


def _pool(nodes: Nodes, one: Operation) -> Value:
    size = tuple(one.attributes["kernel_shape"])
    if len(size) not in (1, 2) or set(one.attributes.get("dilations", [1])) != {1}:
        raise one.refused("pools along other than one or two axes, or with dilations", "use plain pooling")
    strides, before = tuple(one.attributes.get("strides", (1,) * len(size))), nodes.last(one, nodes.value(one))
    *places, channels = nodes.shapes[before.node]
    pads, same = _padding(one, places, size, strides)
    padded = any(map(sum, pads))
    if padded and one.attributes.get("count_include_pad"):
        before, padded = _zeros(nodes, one, before, pads), False
        places = list(nodes.shapes[before.node][:-1])
    elif padded and not same:
        raise one.refused(f"adds {pads} around what it pools", "pad as auto_pad SAME_UPPER does, or not at all")
    _, *after = nodes.model.shapes[one.output]
    whole = [-(-n // s) if padded else (n - k) // s + 1 for n, k, s in zip(places, size, strides, strict=True)]
    if whole != after:
        raise one.refused("rounds up the number of places (ceil_mode)", "leave out ceil_mode")
    kind = {"MaxPool": "MaxPooling", "AveragePool": "AveragePooling"}[one.kind]
    return nodes.layer(one, f"{kind}{len(size)}D", before, (*after, channels), pool_size=size, strides=strides,
                      padding="same" if padded else "valid")


def _global_pool(nodes: Nodes, one: Operation) -> Value:
    value = nodes.value(one)
    if one.kind == "ReduceMean":
        axes = nodes.constant(one, 1) if len(one.inputs) > 1 else np.array(one.attributes.get("axes", ()))
        rank = value.order.ndim + 1
        if axes is None or sorted(int(a) % rank for a in axes.ravel()) != list(range(2, rank)):
            raise one.refused("takes a mean along other axes than all but the channels", "use GlobalAveragePool")
    axes_left = value.order.ndim - 1
    if axes_left not in (1, 2):
        raise one.refused("pools along other than one or two axes", "use plain pooling")
    before = nodes.last(one, value)
    kind = "GlobalMaxPooling" if one.kind == "GlobalMaxPool" else "GlobalAveragePooling"
    made = nodes.add(one.output, Node("", f"{kind}{axes_left}D", (before.node,)), nodes.shapes[before.node][-1:])
    return replace(made, order=made.order.reshape(nodes.model.shapes[one.output]))


def _on_each(nodes: Nodes, one: Operation, value: Value, kind: str, **config: Any) -> Value:
    """A layer that does the same to every number."""
    made = nodes.add(one.output, Node("", kind, (value.node,), config), nodes.shapes[value.node])
    return replace(value, node=made.node)


def _elementwise(kind: str, **config: Any) -> Rule:
    """The rule of an operator that does the same to every number."""
    return lambda nodes, one: _on_each(nodes, one, nodes.value(one), kind, **config)


def _leaky(nodes: Nodes, one: Operation) -> Value:
    return _on_each(nodes, one, nodes.value(one), "LeakyReLU", alpha=float(one.attributes.get("alpha", 0.01)))


def _clip(nodes: Nodes, one: Operation) -> Value:
    low, high = (one.attributes.get(n, nodes.constant(one, i)) for i, n in ((1, "min"), (2, "max")))
    if low is None or float(low) != 0:
        raise one.refused(f"clips at {low}", "clip at 0 from below")
    return _on_each(nodes, one, nodes.value(one), "ReLU", max_value=None if high is None else float(high))


def _softmax(nodes: Nodes, one: Operation) -> Value:
    value = nodes.value(one)
    axis = int(one.attributes.get("axis", -1 if nodes.model.opsets.get("", 1) >= 13 else 1))
    if axis % (value.order.ndim + 1) != value.order.ndim:
        raise one.refused("acts along another axis than the last", "transpose before it")
    before = nodes.laid(value, value.order, one.output)
    return nodes.add(one.output, Node("", "Softmax", (before.node,), {"axis": -1}), value.order.shape)


def _batch_normalization(nodes: Nodes, one: Operation) -> Value:
    if one.attributes.get("training_mode"):
        raise one.refused("is exported in training mode", "export the model for inference")
    scale, offset, mean, variance = (nodes.constant(one, i) for i in range(1, 5))
    assert scale is not None and offset is not None and mean is not None and variance is not None  # all are required
    factor = scale / np.sqrt(variance + one.attributes.get("epsilon", 1e-5))
    value = nodes.value(one)
    channels = (-1, *(1,) * (value.order.ndim - 1))
    return nodes.affine(one, value, factor.reshape(channels), (offset - mean * factor).reshape(channels))


def _binary(nodes: Nodes, one: Operation) -> Value:
    known = [nodes.model.constants.get(i) for i in one.inputs]
    if not any(k is not None for k in known):
        return _merge(nodes, one)
    if len(known) != 2:
        raise one.refused("joins results with constants", "join two at a time")
    (first, second), zero, unit = known, np.zeros(()), np.ones(())
    value = nodes.value(one, int(first is not None))
    constant = np.asarray(second if first is None else first, np.float64)
    match one.kind:
        case "Add":
            return nodes.affine(one, value, unit, constant)
        case "Sub":
            return nodes.affine(one, value, -unit, constant) if first is not None else nodes.affine(
                one, value, unit, -constant)
        case "Mul":
            return nodes.affine(one, value, constant, zero)
        case "Div" if first is None and constant.all():
            return nodes.affine(one, value, 1 / constant, zero)
    raise one.refused("joins a result with a constant", "use Add, Sub or Mul, or divide by what is not zero")


_MERGES = {"Add": "Add", "Sum": "Add", "Sub": "Subtract", "Mul": "Multiply", "Max": "Maximum", "Min": "Minimum",
           "Mean": "Average"}


def _merge(nodes: Nodes, one: Operation) -> Value:
    if one.kind not in _MERGES:
        raise one.refused("divides by a result", "multiply")
    values = [nodes.value(one, i) for i in range(len(one.inputs))]
    if len({v.order.shape for v in values}) > 1:
        raise one.refused("takes results of different shapes", "bring them to one shape before")
    if len(values) == 1:
        return values[0]
    # The place in the first node's layout of each number, for all of them.
    first = values[0]
    where = np.argsort(first.order.ravel())
    shape = nodes.shapes[first.node]
    taken = [first, *(nodes.laid(v, v.order.ravel()[where].reshape(shape), f"{one.output}_of{i}")
                      for i, v in enumerate(values[1:], 2))]
    made = nodes.add(one.output, Node("", _MERGES[one.kind], tuple(v.node for v in taken)), shape)
    return replace(first, node=made.node)


def _concat(nodes: Nodes, one: Operation) -> Value:
    values = [nodes.value(one, i) for i in range(len(one.inputs))]
    axis = int(one.attributes["axis"]) % (values[0].order.ndim + 1) - 1
    taken = [nodes.laid(v, np.moveaxis(v.order, axis, -1), f"{one.output}_of{i}") for i, v in enumerate(values, 1)]
    shape = np.moveaxis(np.empty(nodes.model.shapes[one.output]), axis, -1).shape
    made = nodes.add(one.output, Node("", "Concatenate", tuple(v.node for v in taken), {"axis": -1}), shape)
    return replace(made, order=np.moveaxis(made.order, -1, axis))


def _pad(nodes: Nodes, one: Operation) -> Value:
    value = nodes.value(one)
    given = nodes.constant(one, 1) if len(one.inputs) > 1 else np.array(one.attributes.get("pads", ()))
    filling = nodes.constant(one, 2) if len(one.inputs) > 2 else one.attributes.get("value", 0.0)
    pads = [] if given is None else [(int(a), int(b)) for a, b in given.reshape(2, -1).T]
    plain = len(pads) == value.order.ndim + 1 in (3, 4) and pads[:2] == [(0, 0), (0, 0)]
    if not plain or np.any(filling) or one.attributes.get("mode", "constant") != "constant" or min(map(min, pads)) < 0:
        raise one.refused("adds other than zeros around an image", "add zeros along the axes behind the channels")
    made = _zeros(nodes, one, nodes.last(one, value), pads[2:])
    return replace(made, order=np.moveaxis(made.order, -1, 0))


def _quant(nodes: Nodes, one: Operation) -> Value:
    """A quantizer of activations; those of weights are constants."""
    scale, zero, widths = (nodes.constant(one, i) for i in (1, 2, 3))
    assert scale is not None and zero is not None and widths is not None  # all inputs are required
    signed, narrow = bool(one.attributes.get("signed", 1)), bool(one.attributes.get("narrow", 0))
    if np.unique(widths).size != 1:
        raise one.refused("has widths of channels", "use one for all numbers of a result; scales may be of channels")
    width = float(widths.flat[0])
    if wrong := [s for s in np.unique(scale) if not s > 0 or not math.log2(s).is_integer()]:
        raise one.refused(f"its scale {wrong[0]:g} is no power of two", POWERS_OF_TWO)
    if np.any(zero) or not width.is_integer() or width < 1 + signed or (narrow and not signed):
        raise one.refused(f"has zero point {np.ravel(zero)[0]:g}, {width:g} bits, signed {int(signed)}, narrow "
                          f"{int(narrow)}", "use zero point 0, whole bits, at least 2 with a sign, and narrow with a "
                          "sign only")
    value, q = nodes.value(one), frameworks.qkeras()
    before = nodes.nodes[value.node]
    if positive := before.kind == "ReLU" and before.config["max_value"] is None:
        value = replace(value, node=before.inputs[0])
    same, none = np.unique(scale).size == 1, np.zeros(())
    # Channels with scales of their own are brought to whole numbers, and back behind the quantizer.
    lsb = float(scale.flat[0]) if same else 1.0
    integer = int(width) - signed + int(math.log2(lsb))
    if not 0 <= integer <= width - signed:
        raise one.refused(f"its largest number is about 2^{integer}, and the binary point outside of its "
                          f"{width:g} bits", "scale it to 1 or more, and to steps of 1 or less")
    if not same:
        value = nodes.affine(one, value, 1 / scale, none)
    bits = int(width) - (signed and positive)  # of a sign that is never there
    made = q.quantized_bits(bits, integer, symmetric=int(narrow), alpha=1) if signed and not positive else (
        q.quantized_relu(bits, integer))
    value = _on_each(nodes, one, value, "QActivation", activation=made)
    return value if same else nodes.affine(one, value, scale, none)


RULES: Mapping[str, Rule] = {
    "MatMul": _dense, "Gemm": _dense, "Conv": _conv, "Quant": _quant, "BatchNormalization": _batch_normalization,
    "Relu": _elementwise("ReLU", max_value=None), "LeakyRelu": _leaky, "Clip": _clip,
    **{n: _elementwise("Activation", activation=n.lower())
       for n in ("Sigmoid", "Tanh", "Elu", "Selu", "Softplus", "Gelu")},
    "Softmax": _softmax, **dict.fromkeys(("MaxPool", "AveragePool"), _pool),
    **dict.fromkeys(("GlobalAveragePool", "GlobalMaxPool", "ReduceMean"), _global_pool),
    **dict.fromkeys(("Add", "Sub", "Mul", "Div"), _binary), **dict.fromkeys(("Sum", "Max", "Min", "Mean"), _merge),
    "Concat": _concat, "Pad": _pad, "Transpose": _transpose,
    **dict.fromkeys(("Reshape", "Squeeze", "Unsqueeze"), _reshape),
    **dict.fromkeys(("Identity", "Dropout", "Cast"), _same),
}
"""What makes nodes of each operator."""
MOVING = (_same, _transpose, _reshape)
"""Those that make none."""
