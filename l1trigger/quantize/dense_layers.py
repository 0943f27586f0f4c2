"""From float dense layers to a QKeras model: bit widths from the design, binary points fitted to the float network."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from l1trigger import frameworks, normal_form
from l1trigger.binary_points import _LEAST_INTEGER, covering_integer, fit_integer
from l1trigger.data.scaling import InputScaling
from l1trigger.design import LayerBits, QuantizationSection
from l1trigger.errors import DesignError, nearest
from l1trigger.fixed_point import FixedPoint
from l1trigger.layer_summary import LayerSummary, Units
from l1trigger.network import QuantizedNetwork
from l1trigger.own_layers import OwnLayer
from l1trigger.quantize import by_channel
from l1trigger.quantize.quantizers import fixed_point

SAMPLE = 20_000
"""Events on which the ranges of activations are seen."""


@dataclass(frozen=True)
class DenseLayer:
    """A dense layer of the float network, batch normalization folded in.

    Attributes:
        name: of the layer.
        kernel, bias: its weights.
        relu: whether a ReLU follows.
        clipped: whether the outputs are clipped to [-1, 1], which in firmware is the saturation of their type.
    """

    name: str
    kernel: NDArray[np.float32]
    bias: NDArray[np.float32]
    relu: bool
    clipped: bool = False

    def __call__(self, x: NDArray[np.float64]) -> NDArray[np.float64]:
        """Outputs of the layer (events, units)."""
        y = x @ self.kernel + self.bias
        if self.clipped:
            return np.clip(y, -1, 1)
        return np.maximum(y, 0) if self.relu else y


@dataclass(frozen=True)
class LayerTypes:
    """Fixed-point types of one layer.

    Attributes:
        weight, bias, activation: of all its channels.
        by_channel: of the weights of each output channel, which ``weight`` covers; empty where they have one type.
    """

    weight: FixedPoint
    bias: FixedPoint
    activation: FixedPoint
    by_channel: tuple[FixedPoint, ...] = ()

    def kernel_quantizer(self, shape: Sequence[int]) -> Any:
        """QKeras' quantizer of a kernel whose shape ends with output channels as ``by_channel.quantizer`` says."""
        return by_channel.quantizer(self.by_channel, shape) if self.by_channel else _bits(self.weight)


@dataclass(frozen=True)
class Behind:
    """What stands behind a layer and bounds its outputs.

    Attributes:
        relu: whether a ReLU does, so that they have no sign.
        limit: where that ReLU clips, a power of two: the largest value of their type, whatever the design says.
        clipped: whether they are clipped to [-1, 1].
        last: whether nothing does: they are the network's outputs.
    """

    relu: bool = False
    limit: float | None = None
    clipped: bool = False
    last: bool = False


def fit_types(
    stack: Sequence[DenseLayer], section: QuantizationSection, x: NDArray[np.float64]
) -> tuple[LayerTypes, ...]:
    """Types of every layer; binary points that the design leaves open are fitted to weights and activations.

    Args:
        stack: the float network.
        section: bit widths.
        x: typical and untypical network inputs (events, inputs), on which activations are seen.

    Raises:
        DesignError: the section names a layer that does not exist.
    """
    require_layers(section, [layer.name for layer in stack])
    out = []
    x = x[:SAMPLE].astype(np.float64)
    for layer in stack:
        x = layer(x)
        behind = Behind(layer.relu, clipped=layer.clipped, last=layer is stack[-1])
        out.append(layer_types(layer.name, section, x, behind, (layer.kernel, layer.bias)))
    return tuple(out)


def require_layers(section: QuantizationSection, names: Sequence[str]) -> None:
    """Checks that there are the layers that a section names.

    Raises:
        DesignError: there is none of that name.
    """
    for name in section.layers:
        if name not in names:
            key = f"compress.quantization.layers.{name}"
            raise DesignError(None, key, "there is no such layer", nearest(name, names))


def layer_types(
    name: str, section: QuantizationSection, values: NDArray[Any], behind: Behind,
    weights: tuple[NDArray[Any], NDArray[Any]] | None = None,
) -> LayerTypes:
    """Types of one layer; binary points that the design leaves open are fitted.

    Args:
        name: of the layer.
        section: bit widths.
        values: its outputs on examples.
        behind: what bounds them.
        weights: kernel and bias; None where it has none, as a sum.
    """
    own, signed = section.layers.get(name, LayerBits()), not behind.relu
    kernel, bias = weights or (np.zeros(0), np.zeros(0))
    bias_bits = own.biases or section.biases
    channels = _channel_types(name, section, kernel, len(bias))
    weight = by_channel.covering(channels) if channels else _weight_type(own, section, kernel)
    bits = own.activations or (section.score if behind.last else section.activations)
    bi = _first(own.biases_integer, section.biases_integer, covering_integer(bias, bias_bits))
    if behind.limit is not None:
        ai = round(np.log2(behind.limit))
    elif behind.last:
        # A score that saturates cannot rank the most anomalous events.
        ai = _first(own.activations_integer, None, covering_integer(values, bits))
    else:
        fitted = 0 if behind.clipped else fit_integer(values, bits, signed)
        ai = _first(own.activations_integer, section.activations_integer, fitted)
    if ai > bits - signed:
        key = f"compress.quantization.layers.{name}.activations_integer"
        raise DesignError(None, key, f"is {ai}, of {bits} bits {'with' if signed else 'without'} a sign",
                          f"{bits - signed} or less, or more bits")
    return LayerTypes(
        weight, FixedPoint.from_quantized_bits(bias_bits, bi), FixedPoint.from_quantized_bits(bits, ai, signed),
        channels,
    )


def _weight_type(own: LayerBits, section: QuantizationSection, kernel: NDArray[Any]) -> FixedPoint:
    bits = own.weights or section.weights
    return FixedPoint.from_quantized_bits(
        bits, _first(own.weights_integer, section.weights_integer, fit_integer(kernel, bits))
    )


def _channel_types(
    name: str, section: QuantizationSection, kernel: NDArray[Any], channels: int
) -> tuple[FixedPoint, ...]:
    """Types of the weights of each output channel; none where they all have one.

    Raises:
        DesignError: widths are given for another number of channels.
    """
    own = section.layers.get(name, LayerBits())
    if not channels or not (_first_given(own.per_channel, section.per_channel) or own.weights_by_channel):
        return ()
    widths = own.weights_by_channel or (own.weights or section.weights,) * channels
    integers = own.weights_integer_by_channel or (None,) * len(widths)
    if not len(widths) == len(integers) == channels:
        raise DesignError(
            None, f"compress.quantization.layers.{name}.weights", f"has {len(widths)} widths for {channels} output "
            "channels", f"give {channels} of them, or one number for all",
        )
    shared = _first_given(own.weights_integer, section.weights_integer)
    of_channel = kernel.reshape(-1, channels).T  # output channels are last, also of depthwise kernels
    types = []
    for bits, integer, values in zip(widths, integers, of_channel, strict=True):
        given = _first_given(integer, shared)
        seen, least = (values, by_channel.LEAST_INTEGER) if values.any() else (kernel, _LEAST_INTEGER)
        types.append(FixedPoint.from_quantized_bits(
            bits, fit_integer(seen, bits, least=least) if given is None else given
        ))
    return tuple(types)


def _first_given(*values: Any) -> Any:
    return next((v for v in values if v is not None), None)


def _first(*values: int | None) -> int:
    return next(v for v in values if v is not None)


def build(stack: Sequence[DenseLayer], types: Sequence[LayerTypes], scaling: InputScaling) -> Any:
    """The QKeras model with the float weights in it: quantized input, dense layers, quantized output."""
    k, q = frameworks.keras(), frameworks.qkeras()
    inputs = k.Input((len(scaling),), name="x")
    h = q.QActivation(_bits(scaling.network_type), name="input_type")(inputs)
    model = k.Model(inputs, dense_layers(h, stack, types))
    set_dense_weights(model, stack)
    return model


def _bits(t: FixedPoint) -> Any:
    return frameworks.qkeras().quantized_bits(t.width, t.integer - 1, alpha=1)


def dense_layers(h: Any, stack: Sequence[DenseLayer], types: Sequence[LayerTypes]) -> Any:
    """Quantized dense layers behind a Keras tensor; the last one's output is quantized, too."""
    q = frameworks.qkeras()
    for layer, t in zip(stack, types, strict=True):
        h = q.QDense(
            len(layer.bias), kernel_quantizer=t.kernel_quantizer([len(layer.bias)]), bias_quantizer=_bits(t.bias),
            name=layer.name,
        )(h)
        if layer.relu:
            h = q.QActivation(q.quantized_relu(t.activation.width, t.activation.integer), name=f"{layer.name}_relu")(h)
        else:
            h = q.QActivation(_bits(t.activation), name=f"{layer.name}_type")(h)
    return h


def float_model(stack: Sequence[DenseLayer]) -> Any:
    """The Keras model of float dense layers."""
    k = frameworks.keras()
    tf = frameworks.tensorflow()

    h = first = k.Input((stack[0].kernel.shape[0],), name="x")
    for layer in stack:
        h = k.layers.Dense(len(layer.bias), name=layer.name)(h)
        if layer.relu:
            h = k.layers.ReLU(name=f"{layer.name}_relu")(h)
        elif layer.clipped:
            h = k.layers.Activation(lambda y: tf.clip_by_value(y, -1.0, 1.0), name=f"{layer.name}_clip")(h)
    model = k.Model(first, h)
    set_dense_weights(model, stack)
    return model


def set_dense_weights(model: Any, stack: Sequence[DenseLayer]) -> None:
    """Puts the float weights into the layers of the same names."""
    for layer in stack:
        model.get_layer(layer.name).set_weights([layer.kernel, layer.bias])


def output_type(model: Any) -> FixedPoint:
    """Type of the outputs of a model that ends with a quantizer."""
    last_type = normal_form.value_type(normal_form.activation(model.get_layer(model.output_names[0])))
    assert last_type is not None  # ``dense_layers`` ends with one
    return last_type


def summarize(network: QuantizedNetwork, units: Mapping[str, Units] | None = None) -> tuple[LayerSummary, ...]:
    """What became of each layer with weights: weights, zeros, its fixed-point types, and what was removed of it.

    Args:
        network: that goes into firmware.
        units: what structured pruning did, by layer.
    """
    out: list[LayerSummary] = []
    activation = network.output_type
    for layer in reversed(network.build(exact=False).layers):
        if type(layer).__name__ == "QActivation":
            activation = fixed_point(layer.quantizer) or activation
        elif isinstance(layer, OwnLayer):
            out += reversed(layer.summaries())
        elif hasattr(layer, "kernel_quantizer"):
            kernel = layer.get_weights()[0]
            weight, bias = (str(fixed_point(q)) for q in layer.get_quantizers()[:2])
            u = (units or {}).get(layer.name, Units(0, 0))
            out.append(LayerSummary(
                layer.name, int(kernel.size), int((kernel == 0).sum()), weight, bias, str(activation), u.before,
                u.removed, u.left_alone,
            ))
    return tuple(reversed(out))
