"""From a float Keras model of any shape to a QKeras model: batch normalization folded in, every tensor with a type.

Behind each layer with weights, each sum and each average stands a quantizer, or a quantized ReLU where a ReLU follows.
Layers that only move numbers stay as they are.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from l1trigger import frameworks
from l1trigger.compress_sections import CompressSection, QuantizationSection
from l1trigger.errors import DesignError, UnsupportedLayerError, nearest
from l1trigger.fixed_point import FixedPoint
from l1trigger.network import as_inputs, batch_size
from l1trigger.quantize import lint_layers
from l1trigger.quantize.dense_layers import SAMPLE, Behind, LayerTypes, layer_types, require_layers
from l1trigger.sections import ConvertSection

_WEIGHTED = ("Dense", "Conv1D", "Conv2D", "DepthwiseConv2D")
_ARITHMETIC = (
    "Add", "Subtract", "Multiply", "Average", "AveragePooling1D", "AveragePooling2D", "GlobalAveragePooling1D",
    "GlobalAveragePooling2D",
)
_MOVING = (
    "Flatten", "Reshape", "Permute", "Concatenate", "MaxPooling1D", "MaxPooling2D", "GlobalMaxPooling1D",
    "GlobalMaxPooling2D", "UpSampling1D", "UpSampling2D", "ZeroPadding1D", "ZeroPadding2D", "Maximum", "Minimum",
)
_OF_WEIGHTS = (
    "weights", "weights_integer", "weights_by_channel", "biases", "biases_integer", "per_channel",
)
"""What ``LayerBits`` says about weights."""
_PASSED_OVER = ("Dropout", "GaussianNoise", "SpatialDropout2D")
_BYTES = 2**28
"""Memory for the activations of one layer while their ranges are seen."""


@dataclass(frozen=True)
class Point:
    """A layer whose result gets a type of its own.

    Attributes:
        layer: of the float model.
        normalization: the batch normalization behind it.
        relu: whether a ReLU is behind both; or it is a ReLU itself, behind something that gets no type.
        end: the last of them, whose outputs get the type.
    """

    layer: Any
    normalization: Any
    relu: bool
    end: Any

    @property
    def limit(self) -> float | None:
        """Where the ReLU clips, a power of two; None where it does not."""
        limit = getattr(self.end, "max_value", None)
        return None if limit is None else float(limit)

    @property
    def weights(self) -> tuple[NDArray[np.float32], NDArray[np.float32]] | None:
        """Kernel and bias with the normalization folded in; None for a layer without weights."""
        if type(self.layer).__name__ not in _WEIGHTED:
            return None
        kernel, *rest = self.layer.get_weights()
        by_channel = type(self.layer).__name__ == "DepthwiseConv2D"
        outputs = kernel.shape[2] * kernel.shape[3] if by_channel else kernel.shape[-1]
        bias = rest[0] if rest else np.zeros(outputs, np.float32)
        if self.normalization is None:
            return kernel, bias
        n = self.normalization
        gamma, beta = (np.ones(outputs, np.float32) if v is None else v.numpy() for v in (n.gamma, n.beta))
        factor = gamma / np.sqrt(n.moving_variance.numpy() + n.epsilon)
        shape = kernel.shape[2:] if by_channel else (outputs,)
        bias = (bias - n.moving_mean.numpy()) * factor + beta
        return (kernel * factor.reshape(shape)).astype(np.float32), bias.astype(np.float32)


def points(model: Any, name: str = "the network") -> dict[str, Point]:
    """Every layer of a float model whose result gets a type, by name, in order.

    Raises:
        UnsupportedLayerError: names every layer that cannot be brought to firmware.
    """
    typed_layers: dict[str, Point] = {}
    taken: set[str] = set()
    # What the quantized twin of a layer would leave out without a word.
    unknown = [f"{f.where} ({f.message})" for f in lint_layers.options(ConvertSection(), model)]
    for layer in model.layers:
        kind = type(layer).__name__
        if layer.name in taken or kind in (*_MOVING, *_PASSED_OVER, "InputLayer"):
            continue
        if _is_relu(layer):
            typed_layers[layer.name] = Point(layer, None, True, layer)
            continue
        if kind not in (*_WEIGHTED, *_ARITHMETIC):
            unknown.append(f"{layer.name} ({_described(layer)})")
            continue
        if (activation := _activation(layer)) not in ("linear", "relu"):
            unknown.append(f"{layer.name} (activation {activation})")
        behind = _behind(layer)
        end, normalization = layer, None
        if type(behind).__name__ == "BatchNormalization" and kind in _WEIGHTED and activation == "linear":
            end = normalization = behind
            behind = _behind(behind)
        relu = activation == "relu"
        if not relu and _is_relu(behind):
            end, relu = behind, True
        taken |= {end.name} | ({normalization.name} if normalization is not None else set())
        typed_layers[layer.name] = Point(layer, normalization, relu, end)
    if unknown:
        raise UnsupportedLayerError(
            f"{name}: cannot bring to firmware: {', '.join(unknown)}. Remedy: use "
            f"{', '.join((*_WEIGHTED, *_ARITHMETIC, *_MOVING))}, ReLU without slope and threshold, and batch "
            "normalization behind layers with weights"
        )
    return typed_layers


def quantized(
    model: Any, section: QuantizationSection, network_type: FixedPoint, x: NDArray[np.float64]
) -> Any:
    """The QKeras model with the float weights in it.

    Args:
        model: float Keras model, as ``models.blocks`` builds it or a user made it.
        section: bit widths.
        network_type: of the inputs.
        x: firmware inputs on which ranges are seen (events, inputs).

    Raises:
        UnsupportedLayerError: a layer cannot be brought to firmware.
        DesignError: the section names a layer that does not exist.
    """
    typed_layers = points(model)
    require_layers(section, list(typed_layers))
    types = _types(model, typed_layers, section, x)
    made = rebuilt(model, typed_layers, types, network_type)
    for name, point in typed_layers.items():
        if point.weights is not None:
            made.get_layer(name).set_weights(point.weights)
    return made


def require_names(section: CompressSection, model: Any) -> None:
    """Checks that a float model has the layers that a section names.

    Raises:
        UnsupportedLayerError: a layer cannot be brought to firmware.
        DesignError: there is none of a name, or it has no weights to be given types.
    """
    typed_layers = points(model)
    require_layers(section.quantization, list(typed_layers))
    for name, bits in section.quantization.layers.items():
        given = [key for key in _OF_WEIGHTS if getattr(bits, key) is not None]
        if given and typed_layers[name].weights is None:
            where = f"compress.quantization.layers.{name}.{given[0]}"
            raise DesignError(None, where, "this layer has no weights", "write activations, or leave it out")
    pruning = section.pruning
    weighted = [name for name, point in typed_layers.items() if point.weights is not None]
    for key, named in (("layers", pruning.layers), ("structured.layers", getattr(pruning.structured, "layers", {}))):
        for name in named:
            if name not in weighted:
                where = f"compress.pruning.{key}.{name}"
                raise DesignError(None, where, "there is no such layer", nearest(name, weighted))


def _types(
    model: Any, typed_layers: Mapping[str, Point], section: QuantizationSection, x: NDArray[np.float64]
) -> dict[str, LayerTypes]:
    last = last_points(model, typed_layers)
    types = {}
    for name, point in typed_layers.items():
        tensor = point.end.output
        size = 4 * int(np.prod(tensor.shape[1:]))
        few = x[: max(1, min(SAMPLE, _BYTES // size))].astype(np.float32)
        part = frameworks.keras().Model(model.inputs, tensor)
        values = part.predict(as_inputs(model, few), batch_size=batch_size(model), verbose=0)
        behind = Behind(point.relu, point.limit, last=name in last)
        types[name] = layer_types(name, section, values, behind, point.weights)
    return types


def last_points(model: Any, typed_layers: Mapping[str, Point]) -> list[str]:
    """The typed layers whose results become the network's outputs as they are, moved at most."""
    ends = {p.end.name: name for name, p in typed_layers.items()}
    names, layers = [], [model.get_layer(model.output_names[0])]
    for layer in layers:
        if layer.name in ends:
            names.append(ends[layer.name])
        elif type(layer).__name__ in (*_MOVING, *_PASSED_OVER):
            layers += sources(layer)
    return names


def rebuilt(
    model: Any, typed_layers: Mapping[str, Point], types: Mapping[str, LayerTypes], network_type: FixedPoint
) -> Any:
    """The same graph of QKeras layers."""
    k, q = frameworks.keras(), frameworks.qkeras()
    ends = {p.end.name: name for name, p in typed_layers.items()}
    tensors: dict[str, Any] = {}  # by name of the float layer that gives them
    inputs: list[Any] = []
    for layer in model.layers:
        kind = type(layer).__name__
        if kind == "InputLayer":
            inputs.append(k.Input(layer.output.shape[1:], name=f"x{len(inputs)}" if len(model.inputs) > 1 else "x"))
            name = "input_type" if len(inputs) == 1 else f"input_type{len(inputs) - 1}"
            tensors[layer.name] = q.QActivation(type_of(network_type), name=name)(inputs[-1])
            continue
        given = [tensors[source.name] for source in sources(layer)]
        x = given[0] if len(given) == 1 else given
        if layer.name in typed_layers and kind != "ReLU":
            x = _replaced(layer, types[layer.name])(x)
        elif kind in _MOVING:
            x = type(layer).from_config(layer.get_config())(x)
        if layer.name in ends:
            x = _typed(ends[layer.name], typed_layers[ends[layer.name]].relu, types[ends[layer.name]].activation)(x)
        tensors[layer.name] = x
    order = {t.name: i for i, t in enumerate(model.inputs)}
    by_name = dict(zip((la.name for la in model.layers if type(la).__name__ == "InputLayer"), inputs, strict=True))
    ordered = sorted(by_name, key=lambda n: order[n])
    output = tensors[model.output_names[0]]
    if model.output_names[0] not in ends:
        output = q.QActivation(_output_quantizer(model, typed_layers, types, network_type), name="output_type")(output)
    return k.Model([by_name[n] for n in ordered] if len(ordered) > 1 else inputs[0], output)


def _output_quantizer(
    model: Any, typed_layers: Mapping[str, Point], types: Mapping[str, LayerTypes], network_type: FixedPoint
) -> Any:
    """What holds every output of a network whose last layer has no type, such as pooling or a concatenation."""
    last = last_points(model, typed_layers)
    last_types = {types[name].activation for name in last} or {network_type}
    if len(last_types) == 1 and all(typed_layers[name].relu for name in last):
        (t,) = last_types
        return frameworks.qkeras().quantized_relu(t.width, t.integer)
    integer = max(t.integer + int(not t.signed) for t in last_types)
    return type_of(FixedPoint.from_quantized_bits(integer + max(t.fraction for t in last_types), integer - 1))


def _replaced(layer: Any, types: LayerTypes) -> Any:
    """The QKeras twin of a layer with weights; arithmetic without weights stays."""
    q = frameworks.qkeras()
    kind, config = type(layer).__name__, layer.get_config()
    if kind not in _WEIGHTED:
        return type(layer).from_config(config)
    options = {"name": layer.name, "bias_quantizer": type_of(types.bias)}
    if kind == "Dense":
        return q.QDense(config["units"], kernel_quantizer=types.kernel_quantizer([config["units"]]), **options)
    options |= {"strides": config["strides"], "padding": config["padding"]}
    if kind == "DepthwiseConv2D":
        return q.QDepthwiseConv2D(
            config["kernel_size"], depth_multiplier=config["depth_multiplier"],
            depthwise_quantizer=types.kernel_quantizer(layer.depthwise_kernel.shape[2:]), **options,
        )
    of = q.QConv1D if kind == "Conv1D" else q.QConv2D
    kernel = types.kernel_quantizer([config["filters"]])
    return of(config["filters"], config["kernel_size"], kernel_quantizer=kernel, **options)


def _typed(name: str, relu: bool, t: FixedPoint) -> Any:
    q = frameworks.qkeras()
    if relu:
        return q.QActivation(q.quantized_relu(t.width, t.integer), name=f"{name}_relu")
    return q.QActivation(type_of(t), name=f"{name}_type")


def type_of(t: FixedPoint) -> Any:
    """QKeras' quantizer of a signed type."""
    return frameworks.qkeras().quantized_bits(t.width, t.integer - 1, alpha=1)


def is_moving(layer: Any) -> bool:
    """Whether a layer only moves numbers, or takes the larger or smaller of some."""
    return type(layer).__name__ in _MOVING


def sources(layer: Any) -> Sequence[Any]:
    """The layers that a layer takes its inputs from."""
    before = layer.inbound_nodes[0].inbound_layers
    return before if isinstance(before, list) else [before]


def _behind(layer: Any) -> Any:
    """The one layer that takes a layer's result, layers that do nothing in firmware passed over; else None."""
    nodes = layer.outbound_nodes
    if len(nodes) != 1:
        return None
    behind = nodes[0].outbound_layer
    return _behind(behind) if type(behind).__name__ in _PASSED_OVER else behind


def _activation(layer: Any) -> str:
    activation = getattr(layer, "activation", None)
    return "linear" if activation is None else str(getattr(activation, "__name__", activation))


def _described(layer: Any) -> str:
    """What a layer is, for a message: an activation by its function, a ReLU with its options."""
    kind = type(layer).__name__
    if kind == "Activation":
        return f"activation {_activation(layer)}"
    options = ((n, getattr(layer, n)) for n in ("max_value", "negative_slope", "threshold")) if kind == "ReLU" else ()
    return " ".join([kind, *(f"{name} {float(value):g}" for name, value in options if value)])


def _is_relu(layer: Any) -> bool:
    kind = type(layer).__name__
    if kind == "ReLU":
        clips = layer.max_value is None or (layer.max_value >= 1 and math.log2(layer.max_value).is_integer())
        return clips and not layer.negative_slope and not layer.threshold
    return kind == "Activation" and _activation(layer) == "relu"
