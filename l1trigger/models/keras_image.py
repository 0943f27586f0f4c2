"""A user's own trained model on images in place of training: any graph of layers that firmware can have."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from l1trigger import frameworks
from l1trigger.contracts.architecture import Loss, Progress, SupervisedArchitecture, Training, Truth, Weights
from l1trigger.data.events import DataSet, Events
from l1trigger.data.scaling import InputScaling
from l1trigger.design import Design, TrainSection
from l1trigger.errors import DesignError, UnsupportedLayerError
from l1trigger.models import classification, images
from l1trigger.models.keras_file import OwnModelOptions, load_model
from l1trigger.network import QuantizedNetwork, as_inputs, batch_size
from l1trigger.quantize import keras_graph, lint
from l1trigger.quantize.dense_layers import output_type
from l1trigger.quantize.quantizers import fixed_point
from l1trigger.unread import Unread, untrained


class KerasImageOptions(images.ImageOptions, OwnModelOptions):
    """Options of the architecture ``keras_image``; shape and scaling of the inputs are those of other image networks.

    Attributes:
        file: the model, trained on inputs scaled as ``pixel`` and ``feature`` say.
        classes: number of classes, one output each; None takes the first output for the score.
    """

    architecture: str = "keras_image"
    classes: int | None = Field(None, ge=2)

    def unread(self, design: Design) -> Iterator[Unread]:
        """Settings that mean nothing with these."""
        yield from super().unread(design)
        yield from untrained(self.file)


@dataclass(frozen=True)
class OwnOutputs(Truth):
    """What the full-precision network itself says of each event; its first output is the score.

    Attributes:
        outputs: of hardware integers.
    """

    outputs: Callable[[NDArray[Any]], NDArray[np.float64]]

    def targets(self, events: Events) -> NDArray[np.float32]:
        """Outputs of the full-precision network (events, outputs)."""
        return self.outputs(events.inputs).astype(np.float32)

    def loss(self) -> Loss:
        """The squared difference, the mean over the outputs."""
        tf = frameworks.tensorflow()

        return lambda target, output: tf.reduce_mean(tf.square(target - output), axis=-1)

    def score(self, outputs: NDArray[np.float64]) -> NDArray[np.float64]:
        """The first output."""
        return outputs[:, 0]


class KerasImage(SupervisedArchitecture[KerasImageOptions]):
    """Convolution, pooling, sums, concatenation, dense layers; a second input takes the features.

    A QKeras model goes to firmware as it is; its float level is the same network without quantizers. A Keras model is
    quantized with the score ``classifier`` or ``class_margin``, and learns its classes, or its own outputs, again.
    """

    Options = KerasImageOptions

    @property
    def scaling(self) -> InputScaling:
        """Scaling of the network's inputs."""
        return images.scaling(self.options)

    @property
    def truth(self) -> Truth:
        """Classes, or the file's own outputs."""
        if self.options.classes:
            return classification.Classes(self.options.classes)
        return OwnOutputs(lambda inputs: self.float_outputs(self.options.content(), inputs))

    def check_shape(self, shape: tuple[int, ...]) -> None:
        """Checks the shape of an event of the data; see ``images.require_image``."""
        images.require_image(self.options.image, shape, self.options.features)

    def check(self, design: Design) -> None:
        """Reads the file, and whether firmware can have its network.

        Raises:
            DataError: the file cannot be read.
            DesignError: its inputs or outputs are not those of the design.
            UnsupportedLayerError: it has layers, options or quantizers that cannot be brought to firmware.
        """
        options, name = self.options, str(self.options.file)
        model = load_model(options.file.read_bytes(), name)
        shapes = [tuple(t.shape[1:]) for t in model.inputs]
        if sum(map(math.prod, shapes)) != len(self.scaling) or options.image not in shapes:
            given = " and ".join(" x ".join(map(str, s)) for s in shapes)
            raise DesignError(None, "model.image", f"{name} takes {given}, not {' x '.join(map(str, options.image))}",
                              "write the model's own input shape, and model.features for a second input")
        outputs = math.prod(model.output_shape[1:]) if len(model.outputs) == 1 else 0
        if outputs != (options.classes or outputs) or not outputs:
            raise DesignError(None, "model.classes", f"{name} has {outputs or len(model.outputs)} outputs, not "
                              f"{options.classes or 'one'}", "write as many classes as the model has outputs")
        if is_quantized(model):
            lint.require([f for f in lint.check(design, model) if f.rule not in ("reuse_factor", "unrolling")])
        else:
            lint.require_float(design.convert, model, name)

    def fit(self, section: TrainSection, data: DataSet, seed: int, work: Path, progress: Progress) -> Training:
        """Takes the file as it is."""
        progress(f"model of {self.options.file}")
        return Training(seed, self.options.content(), {}, 0.0)

    def untrained(self) -> Any:
        """The file's network; None where it is quantized already, and no layer of it is to be named."""
        model = self.options.model(self.options.content())
        return None if is_quantized(model) else model

    def layers(self, weights: Weights, score: str = "") -> Any:
        """The file's network without quantizers, whatever the score."""
        return without_quantizers(self.options.model(weights))

    def float_outputs(self, weights: Weights, inputs: NDArray[Any]) -> NDArray[np.float64]:
        """Outputs of the full-precision network (events, outputs)."""
        model = self.layers(weights)
        x = as_inputs(model, self.scaling.real(inputs).astype(np.float32))
        outputs = np.asarray(model.predict(x, batch_size=batch_size(model), verbose=0), np.float64)
        return outputs.reshape(len(inputs), -1)

    def quantized_network(self, weights: Weights) -> QuantizedNetwork | None:
        """The file's model itself where it is a QKeras model, else None."""
        model = self.options.model(weights)
        if not is_quantized(model):
            return None
        first = fixed_point(next(la for la in model.layers if type(la).__name__ == "QActivation").quantizer)
        assert first is not None  # ``check`` would have refused it
        return QuantizedNetwork.from_keras(model, first, output_type(model))


def is_quantized(model: Any) -> bool:
    """Whether a model has layers of QKeras."""
    return any(type(layer).__module__.startswith("qkeras") or type(layer).__name__.startswith("Q")
               for layer in model.layers)


def without_quantizers(model: Any) -> Any:
    """The same network of Keras layers; a model without QKeras layers itself.

    Raises:
        UnsupportedLayerError: a layer of QKeras has no twin.
    """
    if not is_quantized(model):
        return model
    k = frameworks.keras()
    tensors: dict[str, Any] = {}
    weights: dict[str, Any] = {}
    for layer in model.layers:
        if type(layer).__name__ == "InputLayer":
            tensors[layer.name] = k.Input(layer.output.shape[1:], name=layer.name)
            continue
        given = [tensors[s.name] for s in keras_graph.sources(layer)]
        tensors[layer.name] = _plain(layer)(given[0] if len(given) == 1 else given)
        weights[layer.name] = layer.get_weights()
    inputs = [tensors[n] for n in model.input_names]
    plain = k.Model(inputs if len(inputs) > 1 else inputs[0], tensors[model.output_names[0]])
    for name, values in weights.items():
        plain.get_layer(name).set_weights(values)
    return plain


def _plain(layer: Any) -> Any:
    """A layer without quantizers."""
    k = frameworks.keras().layers
    kind, config = type(layer).__name__, layer.get_config()
    if kind == "QActivation":
        relu = "quantized_relu" in type(layer.quantizer).__name__
        return k.Activation("relu" if relu else "linear", name=layer.name)
    if not kind.startswith("Q"):
        return type(layer).from_config(config)
    activation = type(layer.activation).__name__
    twin = getattr(k, kind[1:], None)
    if twin is None or (activation.startswith("quantized") and activation not in ("quantized_relu", "quantized_bits")):
        raise UnsupportedLayerError(f"{layer.name}: {kind} has no twin without quantizers. Remedy: use QDense, "
                                    "QConv1D, QConv2D, QDepthwiseConv2D and QActivation")
    same = ("units", "filters", "kernel_size", "strides", "padding", "use_bias", "depth_multiplier", "name")
    return twin(**{n: config[n] for n in same if n in config},
                activation="relu" if activation == "quantized_relu" else None)
