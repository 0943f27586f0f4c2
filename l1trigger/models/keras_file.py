"""A user's own trained model in place of training: a ``.keras`` or ``.h5`` file of Keras or QKeras layers."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, ValidationInfo, field_validator

from l1trigger import frameworks, network
from l1trigger.contracts.architecture import STORED, Architecture, Progress, Training, Weights
from l1trigger.data.events import DataSet
from l1trigger.data.objects import present
from l1trigger.data.scaling import InputScaling, ObjectInputs
from l1trigger.design import Design, ModelSection, TrainSection
from l1trigger.errors import DataError, UnsupportedLayerError
from l1trigger.fixed_point import FixedPoint
from l1trigger.models import dense
from l1trigger.network import QuantizedNetwork
from l1trigger.quantize.dense_layers import DenseLayer
from l1trigger.quantize.quantizers import fixed_point
from l1trigger.unread import Unread, no_pixels, no_vertices, untrained

FILE = "file"
"""Name of the weight that holds the file."""

_PASSED_OVER = ("InputLayer", "Dropout", "GaussianNoise", "Flatten")


class OwnModelOptions(ModelSection):
    """What architectures have that take a user's own model.

    Attributes:
        file: the model, trained on inputs in network units.
    """

    file: Path

    @field_validator("file")
    @classmethod
    def _exists(cls, file: Path, info: ValidationInfo) -> Path:
        """Whether there is a file of the right kind; after the training, which holds all of it, none is needed."""
        if info.context != STORED and not file.is_file():
            raise ValueError(f"there is no file {file}; give a .keras or .h5 file, relative to the design file")
        if file.suffix not in (".keras", ".h5"):
            raise ValueError(f"{file} is neither a .keras nor an .h5 file")
        return file

    def files(self) -> tuple[Path, ...]:
        """The model's."""
        return (*super().files(), self.file)

    def content(self) -> Weights:
        """What a training keeps of the model: the bytes of its file."""
        return {FILE: np.frombuffer(self.file.read_bytes(), np.uint8)}

    def model(self, weights: Weights) -> Any:
        """The Keras model that a training kept.

        Raises:
            DataError: neither Keras 2 nor Keras 3 can read it.
        """
        return load_model(weights[FILE].astype(np.uint8).tobytes(), str(self.file))


class KerasFileOptions(OwnModelOptions):
    """Options of the architecture ``keras_file``.

    Attributes:
        file: the model, trained on inputs scaled as ``inputs`` says.
        output: what it gives: the anomaly ``score`` itself, the ``reconstruction`` of its inputs, or ``latent`` means.
        inputs: scaling of the trigger objects.
    """

    architecture: str = "keras_file"
    output: Literal["score", "reconstruction", "latent"] = "score"
    inputs: ObjectInputs = Field(default_factory=ObjectInputs)

    def unread(self, design: Design) -> Iterator[Unread]:
        """Settings that mean nothing with these."""
        yield no_vertices(design)
        yield no_pixels(design)
        yield from untrained(self.file)


class KerasFile(Architecture[KerasFileOptions]):
    """Sequences of dense layers, batch normalization, ReLU and QKeras quantizers.

    A QKeras model goes to firmware as it is; its float level is the same network without quantizers. A Keras model
    is quantized by the stage ``compress`` like one that was trained here.
    """

    Options = KerasFileOptions

    @property
    def scaling(self) -> InputScaling:
        """Scaling of the network's inputs."""
        return self.options.inputs.scaling()

    def fit(self, section: TrainSection, data: DataSet, seed: int, work: Path, progress: Progress) -> Training:
        """Takes the file as it is; the scores are standardized where they are errors.

        Raises:
            DataError: the file cannot be read, or its input has another shape.
            UnsupportedLayerError: it has layers that cannot be brought to firmware.
        """
        weights = {**self.options.content(), "score_mean": np.zeros(()), "score_std": np.ones(())}
        inputs, wanted = self.layers(weights)[0].kernel.shape[0], len(self.scaling)
        if inputs != wanted:
            raise DataError(
                self.options.file, f"takes {inputs} inputs, the data have {wanted}",
                "train it on the 57 numbers of the trigger objects",
            )
        if self.options.output == "reconstruction":
            log_error = self.float_score(weights, data.train.inputs)
            weights |= {"score_mean": np.array(log_error.mean()), "score_std": np.array(log_error.std())}
        progress(f"model of {self.options.file}")
        return Training(seed, weights, {}, 0.0)

    def layers(self, weights: Weights, score: str = "") -> list[DenseLayer]:
        """The float layers of the file, batch normalization folded in, whatever the score."""
        return float_layers(self.options.model(weights), str(self.options.file))

    def float_score(self, weights: Weights, inputs: NDArray[Any]) -> NDArray[np.float64]:
        """The model's score, or what follows from its outputs: log of the masked error, or sum of squares."""
        x = self.scaling.real(inputs)
        y = x
        for layer in self.layers(weights):
            y = layer(y)
        match self.options.output:
            case "score":
                return np.asarray(y[:, 0], np.float64)
            case "latent":
                return np.asarray(np.square(y).sum(1), np.float64)
        log_error = np.log((present(inputs) * np.square(x - y)).sum(1) + 1e-6)
        return np.asarray((log_error - float(weights["score_mean"])) / float(weights["score_std"]))

    def quantized_network(self, weights: Weights) -> QuantizedNetwork | None:
        """The file's model itself where it is a QKeras model, else None.

        Raises:
            UnsupportedLayerError: it does not begin and end with a quantizer, or a quantizer scales itself.
        """
        name, model = str(self.options.file), self.options.model(weights)
        kinds = [type(layer).__name__ for layer in model.layers if type(layer).__name__ not in _PASSED_OVER]
        if not any(k.startswith("Q") for k in kinds):
            return None
        if kinds[0] != "QActivation" or kinds[-1] != "QActivation":
            raise UnsupportedLayerError(
                f"{name}: a QKeras model must begin and end with a QActivation, not {kinds[0]} and {kinds[-1]}. "
                "Remedy: add QActivation(quantized_bits(bits, integer, alpha=1)) at both ends and train again"
            )
        quantizers = [layer.quantizer for layer in model.layers if type(layer).__name__ == "QActivation"]
        return QuantizedNetwork.from_keras(model, _type_of(quantizers[0], name), _type_of(quantizers[-1], name))


def load_model(content: bytes, name: str) -> Any:
    """The Keras model in the content of a file.

    Raises:
        DataError: neither Keras 2 nor Keras 3 can read it.
    """
    k = frameworks.keras()
    custom = network.qkeras_objects()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"model{Path(name).suffix}"
        path.write_bytes(content)
        try:
            return k.models.load_model(path, custom_objects=custom, compile=False)
        except (ValueError, OSError, TypeError, KeyError, AttributeError) as first:
            import keras as keras3  # noqa: TID251 (a file of Keras 3 is read with it)

            try:
                return keras3.saving.load_model(path, compile=False)
            except (ValueError, OSError, TypeError, KeyError, AttributeError):
                raise DataError(
                    name, f"cannot be read as a Keras model ({str(first).splitlines()[0][:200]})",
                    "save it with model.save('name.h5') from the Keras that trained it",
                ) from first


def float_layers(model: Any, name: str) -> list[DenseLayer]:
    """Dense layers of a sequential model, with ReLU attached and batch normalization folded in.

    Raises:
        UnsupportedLayerError: names every layer that is something else.
    """
    layers: list[DenseLayer] = []
    unknown = []
    for layer in model.layers:
        kind = type(layer).__name__
        if kind in _PASSED_OVER:
            continue
        if kind in ("Dense", "QDense"):
            weights = layer.get_weights()
            bias = weights[1] if len(weights) > 1 else np.zeros(weights[0].shape[1], np.float32)
            activation = getattr(layer.activation, "__name__", str(layer.activation))
            if activation not in ("linear", "relu", "None"):
                unknown.append(f"{layer.name} (activation {activation})")
            layers.append(DenseLayer(layer.name, weights[0], bias, activation == "relu"))
        elif kind == "BatchNormalization" and layers:
            layers[-1] = dense.fold(layers[-1], layer)
        elif _is_relu(layer) and layers:
            layers[-1] = DenseLayer(layers[-1].name, layers[-1].kernel, layers[-1].bias, True)
        elif not _is_linear(layer):
            unknown.append(f"{layer.name} ({kind})")
    if unknown or not layers:
        raise UnsupportedLayerError(
            f"{name}: cannot bring to firmware: {', '.join(unknown) or 'a model without dense layers'}. "
            "Remedy: use dense layers, batch normalization behind them, ReLU and QKeras' quantizers"
        )
    return layers


def _is_relu(layer: Any) -> bool:
    kind = type(layer).__name__
    if kind == "QActivation":
        return "quantized_relu" in str(layer.quantizer)
    return kind == "ReLU" or (kind == "Activation" and layer.activation.__name__ == "relu")


def _is_linear(layer: Any) -> bool:
    kind = type(layer).__name__
    if kind == "QActivation":
        return "quantized_bits" in str(layer.quantizer)
    return kind == "Activation" and bool(layer.activation.__name__ == "linear")


def _type_of(quantizer: Any, name: str) -> FixedPoint:
    """Fixed-point type of a QKeras quantizer.

    Raises:
        UnsupportedLayerError: it is not ``quantized_bits(..., alpha=1)`` or ``quantized_relu``.
    """
    t = fixed_point(quantizer)
    if t is None or getattr(quantizer, "alpha", 1) not in (1, 1.0, None):
        raise UnsupportedLayerError(
            f"{name}: the quantizer {quantizer} cannot be exact in firmware. "
            "Remedy: use quantized_bits(bits, integer, alpha=1) or quantized_relu(bits, integer)"
        )
    return t
