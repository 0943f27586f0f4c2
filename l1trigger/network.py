"""A quantized network: a QKeras model as plain values (configuration and weights), built when it is needed."""

from __future__ import annotations

import hashlib
import json
import math
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from l1trigger import frameworks, normal_form, own_layers
from l1trigger.errors import DataError
from l1trigger.fixed_point import FixedPoint

_ELEMENTS = 2**24
"""Numbers in the largest layer of all events that are computed at a time."""


@dataclass(frozen=True)
class QuantizedNetwork:
    """A QKeras model that starts with a quantizer on its input and ends with one on its output.

    Attributes:
        config: Keras' JSON configuration of the model.
        weights: weights in Keras' order, already on the grid of their quantizers.
        input_type, output_type: fixed-point types of input and output.
    """

    config: str
    weights: tuple[NDArray[np.float32], ...]
    input_type: FixedPoint
    output_type: FixedPoint

    @classmethod
    def from_keras(cls, model: Any, input_type: FixedPoint, output_type: FixedPoint) -> QuantizedNetwork:
        """Takes a QKeras model in its normal form: weights on the grid of their quantizers, which are plain types."""
        config, weights = normal_form.normalized(model)
        return cls(config, weights, input_type, output_type)

    @cached_property
    def digest(self) -> str:
        """Digest of all that it is."""
        content = hashlib.sha256(f"{self.config} {self.input_type} {self.output_type}".encode())
        for w in self.weights:
            content.update(f"{w.shape} {w.dtype}".encode() + np.ascontiguousarray(w).tobytes())
        return content.hexdigest()

    def build(self, exact: bool = True) -> Any:
        """The QKeras model.

        Args:
            exact: compute in float64; float32 rounds once accumulators are wider than 24 bits.
        """
        config = json.loads(self.config)
        tf_keras, custom = frameworks.keras(), qkeras_objects(config)

        def make() -> Any:
            if exact:
                normal_form.exact_relus(config)
                _set_dtype(config)
            model = tf_keras.models.model_from_json(json.dumps(config), custom_objects=custom)
            model.set_weights(self.weights)
            return model

        if not exact:
            return make()
        with frameworks.float64():
            return make()

    @cached_property
    def _exact_model(self) -> Any:
        return self.build(exact=True)

    def predict(self, x: NDArray[np.float64]) -> NDArray[np.float64]:
        """Outputs of the quantized network, exact, shape (events, outputs), of flat inputs (events, inputs)."""
        with frameworks.float64():
            model = self._exact_model
            batch = batch_size(model)
            y = np.asarray(model.predict(as_inputs(model, x), batch_size=batch, verbose=0), np.float64)
        return y.reshape(len(x), -1)

    def raw(self, x: NDArray[np.float64]) -> NDArray[np.int64]:
        """Outputs as integers of the output type, shape (events, outputs)."""
        return self.output_type.raw(self.predict(x))

    def save(self, folder: Path) -> None:
        """Writes ``network.json`` and ``weights.npz`` into an existing folder."""
        meta = {
            "model": json.loads(self.config), "input_type": str(self.input_type), "output_type": str(self.output_type)
        }
        (folder / "network.json").write_text(json.dumps(meta, indent=1, sort_keys=True))
        np.savez_compressed(folder / "weights.npz", *self.weights)

    @classmethod
    def load(cls, folder: Path) -> QuantizedNetwork:
        """Reads what ``save`` wrote.

        Raises:
            DataError: a file is missing or damaged.
        """
        try:
            meta = json.loads((folder / "network.json").read_text())
            with (folder / "weights.npz").open("rb") as file, np.load(file) as z:
                weights = tuple(z[k] for k in z.files)
        except (OSError, ValueError, zipfile.BadZipFile) as e:
            raise DataError(folder, f"holds no quantized network ({e})", "run the stage compress again") from e
        return cls(
            json.dumps(meta["model"]), weights, FixedPoint.parse(meta["input_type"]),
            FixedPoint.parse(meta["output_type"]),
        )


def batch_size(model: Any) -> int:
    """Events that go through a Keras model at a time; fewer where its layers are large."""
    largest: int = max(math.prod(t.shape[1:]) for layer in model.layers for t in _tensors(layer.output))
    return max(64, min(8192, _ELEMENTS // largest))


def _tensors(output: Any) -> list[Any]:
    return output if isinstance(output, list) else [output]


def as_inputs(model: Any, x: NDArray[Any]) -> Any:
    """Flat inputs (events, inputs) in the shapes that a Keras model takes: one array, or one for each of its inputs."""
    shapes = [tuple(t.shape[1:]) for t in model.inputs]
    ends = np.cumsum([math.prod(shape) for shape in shapes])
    parts = np.split(x, ends[:-1], axis=1)
    shaped = [part.reshape(len(x), *shape) for part, shape in zip(parts, shapes, strict=True)]
    return shaped if len(shaped) > 1 else shaped[0]


def _set_dtype(config: Any) -> None:
    """Turns every layer's dtype in a Keras configuration into float64."""
    if isinstance(config, dict):
        for key, value in config.items():
            if key == "dtype" and value == "float32":
                config[key] = "float64"
            else:
                _set_dtype(value)
    elif isinstance(config, list):
        for item in config:
            _set_dtype(item)


def qkeras_objects(config: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """What Keras must know to read a QKeras model from its configuration; of all models when it is not known."""
    keras, q = frameworks.keras(), frameworks.qkeras()
    objects: dict[str, Any] = {}
    q.utils._add_supported_quantized_objects(objects)

    layer: Any = q.QActivation

    class QActivation(layer):  # type: ignore[misc]
        """QKeras' layer, which does not rebuild its own quantizer from the newer configuration format."""

        @classmethod
        def from_config(cls, config: dict[str, Any]) -> Any:
            activation = config["activation"]
            if isinstance(activation, dict):
                activation = objects[activation["class_name"]](**activation["config"])
            return layer(**{**config, "activation": activation})

    own = None
    if config is not None:
        kinds = {str(layer_["class_name"]) for layer_ in config["config"]["layers"]}
        own = kinds - set(objects) - set(dir(keras.layers))
    return objects | {"QActivation": QActivation} | own_layers.keras_classes(own)
