"""Files of Keras 2, Keras 3 and QKeras, each read by the Keras that wrote it."""

from __future__ import annotations

import contextlib
import io
import json
import tempfile
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from l1trigger import frameworks
from l1trigger.errors import DataError
from l1trigger.keras_import import qkeras3
from l1trigger.network import qkeras_objects

SUFFIXES = (".keras", ".h5", ".hdf5", ".json")
"""Of files that hold a model; one of JSON holds the architecture alone."""
_BATCH = 256
_HDF5 = (".h5", ".hdf5")
_CODE = ("Lambda", "TFOpLambda.lambda")
_GARNET = "bring it to firmware with architecture: garnet and this file as contrib_file"
_BINARY = "write it with QDense(kernel_quantizer={}(alpha=1)) of QKeras, and train it again"
_ELSEWHERE = {
    **dict.fromkeys(("GarNet", "GarNetStack"), ("hls4ml.contrib", _GARNET)),
    "BinaryDense": ("its author's own", _BINARY.format("binary")),
    "TernaryDense": ("its author's own", _BINARY.format("ternary")),
    "FixedPointQuantizer": ("HGQ", "train it with QKeras, or save the network without quantizers"),
}
"""Layers that users of hls4ml have from elsewhere: from where, and what to do."""


@dataclass(frozen=True)
class LoadedModel:
    """A user's model as the Keras that wrote it has it.

    Attributes:
        model: of Keras 2 or Keras 3.
        keras3: which of the two.
    """

    model: Any
    keras3: bool

    def has_once(self, name: str) -> bool:
        """Whether it has a layer of a name that is used once, so that its result is one."""
        layer = next((la for la in self.model.layers if la.name == name), None)
        if layer is None:
            return False
        nodes = layer._inbound_nodes if self.keras3 else layer.inbound_nodes
        return len(nodes) == 1

    def outputs(
        self, inputs: Sequence[NDArray[np.float64]], layers: Sequence[str] = (), logits: bool = False
    ) -> list[NDArray[np.float64]]:
        """What the model itself gives, computed in float64, one array for each of its outputs.

        Args:
            inputs: one array for each of its inputs, first axis events.
            layers: names of the layers whose results are wanted; none takes the model's own outputs.
            logits: whether results are taken before the activations of these layers.
        """
        given = list(inputs) if len(inputs) > 1 else inputs[0]
        with _float64(self.keras3) as keras:
            model = _rebuilt(keras, self.model, self.keras3)
            if layers:
                of = _before_activation if logits else (lambda layer: layer.output)
                model = keras.Model(model.inputs, [of(model.get_layer(name)) for name in layers])
            y = model.predict(given, batch_size=_BATCH, verbose=0)
        if isinstance(y, Mapping):
            y = list(y.values())
        return [np.asarray(one, np.float64) for one in (y if isinstance(y, list | tuple) else [y])]


def _before_activation(layer: Any) -> Any:
    """What a layer gives without its activation."""
    if type(layer).__name__ in ("Activation", "Softmax"):
        return layer.input
    with frameworks.keras().utils.custom_object_scope(qkeras_objects()):
        plain = type(layer).from_config({**layer.get_config(), "activation": "linear", "name": f"{layer.name}_logits"})
    result = plain(layer.input)
    plain.set_weights(layer.get_weights())
    return result


@contextlib.contextmanager
def _float64(keras3: bool) -> Iterator[Any]:
    """The Keras module, whose layers made inside compute in float64."""
    if not keras3:
        with frameworks.float64():
            yield frameworks.keras()
        return
    keras = frameworks.keras3()
    before = keras.config.floatx()
    keras.config.set_floatx("float64")
    try:
        yield keras
    finally:
        keras.config.set_floatx(before)


def _rebuilt(keras: Any, model: Any, keras3: bool) -> Any:
    """The same model in the module's float type."""
    config = json.dumps(_in_float64(json.loads(model.to_json())))
    made = keras.models.model_from_json(config, custom_objects=None if keras3 else _of_float64())
    made.set_weights(model.get_weights())
    return made


def _of_float64() -> dict[str, Any]:
    """What Keras must know to build a QKeras model in float64: some quantizers can be computed in float32 alone."""
    tf, base = frameworks.tensorflow(), frameworks.qkeras().quantizers.BaseQuantizer

    def wide(kind: Any) -> Any:
        def call(self: Any, x: Any) -> Any:
            try:
                return kind.__call__(self, x)
            except TypeError:
                with frameworks.floats("float32"):
                    return tf.cast(kind.__call__(self, tf.cast(x, tf.float32)), x.dtype)

        call = tf.autograph.experimental.do_not_convert(call)
        return type(kind.__name__, (kind,), {"__call__": call, "__module__": kind.__module__})

    objects = qkeras_objects()
    return objects | {n: wide(o) for n, o in objects.items() if isinstance(o, type) and issubclass(o, base)}


def _in_float64(config: Any) -> Any:
    if isinstance(config, dict):
        return {key: _in_float64(value) for key, value in config.items()}
    if isinstance(config, list):
        return [_in_float64(value) for value in config]
    return "float64" if config == "float32" else config


def load(content: bytes, name: str, weights: bytes | None = None) -> LoadedModel:
    """The model in the content of a file.

    Args:
        content: of the file; its suffix tells the format.
        name: of the file, for messages, too.
        weights: content of a file of weights, ``.h5``, for an architecture in JSON.

    Raises:
        DataError: the file is damaged, holds weights alone or code, or layers that Keras and QKeras do not know.
    """
    config, version = architecture(content, name)
    if code := _named(config, _CODE):
        raise DataError(
            name, f"the layers {', '.join(code)} hold Python code, which firmware cannot have",
            "save the part of the model without them, e.g. keras.Model(model.inputs, model.get_layer('z_mean').output)",
        )
    _require_known(config, name)
    keras3, is_json = version.startswith("3"), Path(name).suffix.lower() == ".json"
    if keras3 and qkeras3.is_one(config):
        with _said(name, keras3):
            weights = weights if is_json else _weights_in(content, name)
            config, keras3, is_json = qkeras3.as_keras2(config), False, True
    with _said(name, keras3), tempfile.TemporaryDirectory() as folder, _pruned(config, keras3) as strip:
        path = Path(folder) / f"model{Path(name).suffix.lower()}"
        path.write_bytes(content)
        model = strip(_read_json(config, weights, name, keras3, Path(folder)) if is_json else _read(path, keras3))
    _require_weights(model, name)
    return LoadedModel(model, keras3)


def _read(path: Path, keras3: bool) -> Any:
    if keras3:
        return frameworks.keras3().saving.load_model(path, compile=False)
    return frameworks.keras().models.load_model(path, custom_objects=qkeras_objects(), compile=False)


def _weights_in(content: bytes, name: str) -> bytes:
    """The weights in a file that holds a whole model: HDF5, of either layout."""
    if Path(name).suffix.lower() in _HDF5:
        return content
    with zipfile.ZipFile(io.BytesIO(content)) as z:
        return z.read("model.weights.h5")


def _read_json(config: Mapping[str, Any], weights: bytes | None, name: str, keras3: bool, folder: Path) -> Any:
    if weights is None:
        raise DataError(name, "holds an architecture without weights",
                        "give the file of its weights, too: model.weights_file")
    text = json.dumps(config)
    model = (frameworks.keras3().models.model_from_json(text) if keras3 else
             frameworks.keras().models.model_from_json(text, custom_objects=qkeras_objects()))
    # Either Keras tells by the name how weights are stored, whoever stored them.
    path = folder / ("weights.h5" if _is_in_old_layout(weights) else "model.weights.h5")
    path.write_bytes(weights)
    model.load_weights(path)
    return model


def _is_in_old_layout(weights: bytes) -> bool:
    """Whether weights are stored as in the ``.h5`` files of Keras 2, not as in a ``.keras`` file."""
    with h5py.File(io.BytesIO(weights)) as f:
        return "layer_names" in f.attrs or "model_weights" in f


def architecture(content: bytes, name: str) -> tuple[Mapping[str, Any], str]:
    """Keras' configuration in a file, and the version of Keras that wrote it.

    Raises:
        DataError: there is none.
    """
    suffix = Path(name).suffix.lower()
    try:
        if suffix == ".json":
            config = json.loads(content)
            return config, str(config.get("keras_version", "3" if "module" in config else "2"))
        if suffix in _HDF5:
            with h5py.File(io.BytesIO(content)) as f:
                attributes = dict(f.attrs)
            if "model_config" not in attributes:
                raise DataError(name, "holds weights without an architecture",
                                "save the whole model, or give the architecture as model.file (.json) and this file as "
                                "model.weights_file")
            return json.loads(attributes["model_config"]), str(attributes.get("keras_version", "2"))
        with zipfile.ZipFile(io.BytesIO(content)) as z:
            return json.loads(z.read("config.json")), str(json.loads(z.read("metadata.json"))["keras_version"])
    except (OSError, ValueError, KeyError, zipfile.BadZipFile) as e:
        raise DataError(name, f"cannot be read as a Keras model ({str(e).splitlines()[0][:200]})",
                        "save it with model.save('name.keras') from the Keras that trained it") from e


def _require_known(config: Any, name: str) -> None:
    """Refuses layers whose code is elsewhere, so that not even the model itself can be computed.

    Raises:
        DataError: it has some.
    """
    for kind, (place, remedy) in _ELSEWHERE.items():
        if names := _named(config, (kind,)):
            listed = ", ".join(names[:4]) + (f" and {len(names) - 4} more" if len(names) > 4 else "")
            raise DataError(name, f"the layers {listed} are of the class {kind}, whose code ({place}) is not "
                            "in the file", remedy)


def _named(config: Any, kinds: Sequence[str]) -> list[str]:
    """Names of the layers of some classes."""
    return sorted(str(one.get("name") or one["config"].get("name")) for one in _parts(config)
                  if one.get("class_name") in kinds)


def _parts(config: Any) -> Iterator[Mapping[str, Any]]:
    """A configuration and all those inside it."""
    if isinstance(config, Mapping):
        yield config
    if isinstance(config, Mapping | list):
        for value in config.values() if isinstance(config, Mapping) else config:
            yield from _parts(value)


@contextlib.contextmanager
def _said(name: str, keras3: bool) -> Iterator[None]:
    """Turns what Keras raises on files that it cannot read into one sentence."""
    try:
        yield
    except DataError:
        raise
    except Exception as e:  # of a dozen kinds, from Keras, h5py and the layers that are made
        said = next((line for line in str(e).splitlines() if line.strip()), type(e).__name__)
        raise DataError(
            name, f"cannot be read by Keras {3 if keras3 else 2} ({said[:200]})",
            "leave out layers of your own (only those of Keras and QKeras are known), and save the model with "
            "model.save('name.keras') from the Keras that trained it",
        ) from e


@contextlib.contextmanager
def _pruned(config: Mapping[str, Any], keras3: bool) -> Iterator[Any]:
    """Lets models be read whose layers are still wrapped for pruning; gives what takes the wrappers off."""
    if keras3 or "PruneLowMagnitude" not in json.dumps(config):
        yield lambda model: model
        return
    import tensorflow_model_optimization as tfmot

    with tfmot.sparsity.keras.prune_scope():
        yield tfmot.sparsity.keras.strip_pruning


def _require_weights(model: Any, name: str) -> None:
    """Every weight must be a number.

    Raises:
        DataError: one is not.
    """
    for layer in model.layers:
        for weight in layer.get_weights():
            if not np.isfinite(weight).all():
                raise DataError(name, f"the weights of layer {layer.name} are not all finite",
                                "train it again; a training that diverges leaves NaN")
    if not model.inputs:
        raise DataError(name, "its input shape is not known", "give the model an Input layer, and save it again")
