"""Models made of hls4ml's own GarNet layers (``hls4ml.contrib.garnet``), read from their ``.h5`` files.

The algebra of the simplified layer is that of ``models.garnet`` without roundings, so the weights pass over as they
are. Only configuration and arrays are read: Keras itself cannot load such a stack again, whose configuration holds a
key that its constructor does not take.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from l1trigger.errors import DataError, UnsupportedLayerError

KINDS = ("GarNet", "GarNetStack")
_WEIGHT = re.compile(r"(FLR|S|Fout)(\d*)_(kernel|bias)(?::0)?")
_NAMES = {"FLR": "propagate", "S": "distance", "Fout": "mean"}
_REMEDY = "train it with simplified=True, quantize_transforms=None, mean_by_nvert=False and a collapse"

Cell = dict[str, NDArray[np.float32]]


@dataclass(frozen=True)
class ContribModel:
    """A GarNet layer or stack of hls4ml's, and the dense layers behind it.

    Attributes:
        file: it comes from.
        kind: ``GarNet`` or ``GarNetStack``.
        input_format: ``xn`` takes hits and their number, ``x`` hits alone, whose fourth feature marks them.
        activation: of each layer's outputs.
        collapse: over the vertices.
        vertices, features: shape of an event.
        cells: weights of each layer, by the names of ``models.garnet``.
        head: kernel and bias of each dense layer with ReLU.
        output: kernel and bias of the logit and, where there is one, the energy; None when nothing follows the graph
            layers.
    """

    file: Path
    kind: str
    input_format: str
    activation: str
    collapse: str
    vertices: int
    features: int
    cells: tuple[Cell, ...]
    head: tuple[tuple[NDArray[np.float32], NDArray[np.float32]], ...]
    output: tuple[NDArray[np.float32], NDArray[np.float32]] | None

    @property
    def energy(self) -> bool:
        """Whether there is an energy behind the logit."""
        return self.output is None or self.output[0].shape[1] == 2

    @property
    def options(self) -> dict[str, Any]:
        """The options of the architecture ``garnet`` that fit the model."""
        return {
            "hits": self.vertices, "aggregators": tuple(c["distance"].shape[1] for c in self.cells),
            "propagate": tuple(c["propagate"].shape[1] for c in self.cells),
            "filters": tuple(c["mean"].shape[2] for c in self.cells), "variant": "simplified",
            "activation": self.activation, "collapse": self.collapse,
            "head": tuple(kernel.shape[1] for kernel, _ in self.head), "energy": self.energy,
        }


def read(path: Path) -> ContribModel:
    """The model of a file.

    Raises:
        DataError: the file is missing, damaged, or holds no such model.
        UnsupportedLayerError: a layer computes something else than GarNet's simplified variant, or dense layers.
    """
    try:
        with h5py.File(path) as f:
            text = f.attrs["model_config"]
            arrays = _arrays(f["model_weights"])
        config = json.loads(text)["config"]
        layers = {layer["config"]["name"]: layer for layer in config["layers"]}
    except (OSError, KeyError, TypeError, ValueError) as e:
        raise DataError(path, f"cannot be read as a Keras 2 model ({e})", "save it with model.save('name.h5')") from e
    names = [name for name, layer in layers.items() if layer["class_name"] in KINDS]
    if len(names) != 1 or "output_layers" not in config:
        kind = "functional" if "output_layers" in config else "sequential"
        raise DataError(
            path, f"holds {len(names)} layers of hls4ml.contrib.garnet in a {kind} model",
            "give a functional model with one GarNet or GarNetStack",
        )
    (name,) = names
    layer = layers[name]
    _require(path, layer)
    inputs = [layers[source]["config"] for source in _sources(layer)]
    _, vertices, features = inputs[0].get("batch_input_shape") or inputs[0].get("batch_shape")
    if vertices & (vertices - 1):
        raise UnsupportedLayerError(
            f"{path}: {name} takes {vertices} vertices, which is no power of two, and a mean over them is no shift. "
            "Remedy: train it with padding to a power of two"
        )
    options = layer["config"]
    head, output = _dense(path, layers, [o[0] for o in config["output_layers"]], name, arrays)
    return ContribModel(
        path, layer["class_name"], options["input_format"], options["output_activation"] or "linear",
        options["collapse"], vertices, features, _cells(arrays[name]), head, output,
    )


def assign(saved_model: ContribModel, model: Any) -> None:
    """Puts the weights into a model of the architecture ``garnet`` with the same sizes."""
    assign_cells(saved_model, model.get_layer("garnet"))
    for index, dense in enumerate(saved_model.head):
        model.get_layer(f"head{index}").set_weights(dense)
    if saved_model.output is not None:
        model.get_layer("output").set_weights(saved_model.output)


def assign_cells(saved_model: ContribModel, stack: Any) -> None:
    """Puts the graph layers' weights into a built ``GarNetStack``."""
    for cell, weights in zip(stack.cells, saved_model.cells, strict=True):
        for name, variable in cell.items():
            variable.assign(weights[name])


def keras_model(saved_model: ContribModel, contrib: Any, keras: Any) -> Any:
    """The graph layers alone, as hls4ml's Keras layer: inputs (events, V, features) and, for ``xn``, their number.

    Args:
        saved_model: the model.
        contrib: the module ``hls4ml.contrib.garnet``.
        keras: the module that it builds upon.
    """
    options = saved_model.options
    sizes = [options[n] for n in ("aggregators", "filters", "propagate")]
    single = saved_model.kind == "GarNet"
    layer = getattr(contrib, saved_model.kind)(
        *(s[0] if single else list(s) for s in sizes), simplified=True, collapse=saved_model.collapse,
        input_format=saved_model.input_format,
        output_activation=None if saved_model.activation == "linear" else saved_model.activation,
        quantize_transforms=None, name="garnet",
    )
    inputs = [keras.Input((saved_model.vertices, saved_model.features), name="hits")]
    if saved_model.input_format == "xn":
        inputs.append(keras.Input((1,), name="count", dtype="uint16"))
    model = keras.Model(inputs, layer(inputs if saved_model.input_format == "xn" else inputs[0]))
    for variable in layer.weights:
        match = _WEIGHT.search(variable.name)
        assert match is not None  # its names are those that ``read`` finds
        cell = saved_model.cells[int(match[2] or 0)]
        name = _NAMES[match[1]] + ("_bias" if match[3] == "bias" else "")
        variable.assign(cell["bias"] if name == "mean_bias" else cell[name].reshape(variable.shape))
    return model


def _require(path: Path, layer: Mapping[str, Any]) -> None:
    """Raises when a layer computes what ``models.garnet`` does not.

    Raises:
        UnsupportedLayerError: names all of it.
    """
    options = layer["config"]
    activation = options["output_activation"] or "linear"
    wrong = []
    if not options["simplified"]:
        wrong.append("the full variant (simplified=False), which hls4ml's layer builds with the wrong shape")
    if options.get("quantize_transforms"):
        wrong.append("quantized transforms; quantization is what the stage compress does" if options.get("total_bits")
                     else "quantized transforms without their widths (total_bits), which hls4ml's own layer cannot "
                     "build, so that nothing computes what the file means")
    if options.get("mean_by_nvert"):
        wrong.append("means over the number of hits (mean_by_nvert), which is no shift")
    if options["collapse"] not in ("mean", "sum", "max"):
        wrong.append(f"collapse {options['collapse']}")
    if options["input_format"] not in ("x", "xn"):
        wrong.append(f"input_format {options['input_format']}")
    # A single layer applies its activation twice; a collapsed mean of activated outputs is not the stack's algebra.
    linear = activation == "linear" or (activation == "relu" and options["collapse"] == "max")
    if not linear and not (activation == "tanh" and options["collapse"] == "max" and layer["class_name"] != "GarNet"):
        wrong.append(f"output_activation {activation} with collapse {options['collapse']}")
    if wrong:
        raise UnsupportedLayerError(
            f"{path}: the layer {options['name']} has what cannot be brought to firmware: {'; '.join(wrong)}. "
            f"Remedy: {_REMEDY}, and linear outputs"
        )


def _arrays(group: Any) -> dict[str, dict[str, NDArray[np.float32]]]:
    """All weights of a file: layer to weight to array."""
    arrays: dict[str, dict[str, NDArray[np.float32]]] = {}

    def visit(path: str, item: Any) -> None:
        if isinstance(item, h5py.Dataset):
            layer, *_, weight = path.split("/")
            arrays.setdefault(layer, {})[weight.removesuffix(":0")] = np.asarray(item, np.float32)

    group.visititems(visit)
    return arrays


def _cells(arrays: Mapping[str, NDArray[np.float32]]) -> tuple[Cell, ...]:
    cells: dict[int, Cell] = {}
    for weight, values in arrays.items():
        match = _WEIGHT.fullmatch(weight)
        if match is None:
            continue
        name = _NAMES[match[1]] + ("_bias" if match[3] == "bias" else "")
        cells.setdefault(int(match[2] or 0), {})["bias" if name == "mean_bias" else name] = values
    for cell in cells.values():
        # hls4ml lists the aggregators' features one after the other.
        cell["mean"] = cell["mean"].reshape(cell["distance"].shape[1], cell["propagate"].shape[1], -1)
    return tuple(cells[i] for i in sorted(cells))


def _sources(layer: Mapping[str, Any]) -> list[str]:
    return [str(source[0]) for node in layer["inbound_nodes"] for source in node]


def _dense(
    path: Path, layers: Mapping[str, Any], outputs: list[str], graph: str,
    arrays: Mapping[str, Mapping[str, NDArray[np.float32]]],
) -> tuple[tuple[Any, ...], tuple[NDArray[np.float32], NDArray[np.float32]] | None]:
    """The dense layers from the graph layers to the outputs.

    Raises:
        UnsupportedLayerError: they are something else than a chain that ends with a logit and, mostly, an energy.
    """
    if outputs == [graph]:
        return (), None
    # The logit is what goes into a sigmoid.
    outputs = sorted(outputs, key=lambda o: layers[o]["config"].get("activation") != "sigmoid")
    kernels = [_kernel(path, layers[o], arrays) for o in outputs]
    activations = [layers[o]["config"].get("activation") for o in outputs]
    sizes = [kernel.shape[1] for kernel, _ in kernels]
    before = {source for o in outputs for source in _sources(layers[o])}
    sigmoids = activations.count("sigmoid")
    fitting = set(activations) <= {"linear", "sigmoid"} and sigmoids <= int(sizes in ([1], [1, 1]))
    if sizes not in ([1], [2], [1, 1]) or len(before) != 1 or not fitting:
        listing = ", ".join(f"{n} ({s}, {a})" for n, s, a in zip(outputs, sizes, activations, strict=True))
        raise UnsupportedLayerError(
            f"{path}: its outputs are {listing}. "
            "Remedy: end with Dense(2), or with Dense(1) for the class (linear or sigmoid), alone or with Dense(1) for "
            "the energy"
        )
    head = []
    (name,) = before
    while name != graph:
        if layers[name]["config"].get("activation") != "relu":
            raise UnsupportedLayerError(
                f"{path}: {name} ({layers[name]['class_name']}) stands behind the graph layers. "
                "Remedy: use Dense layers with activation='relu' there"
            )
        head.append(_kernel(path, layers[name], arrays))
        (name,) = _sources(layers[name])
    joined = np.concatenate([k for k, _ in kernels], 1), np.concatenate([b for _, b in kernels])
    return tuple(reversed(head)), joined


def _kernel(
    path: Path, layer: Mapping[str, Any], arrays: Mapping[str, Mapping[str, NDArray[np.float32]]]
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    name = layer["config"]["name"]
    if layer["class_name"] != "Dense":
        raise UnsupportedLayerError(
            f"{path}: {name} ({layer['class_name']}) stands behind the graph layers. Remedy: use Dense layers there"
        )
    kernel = arrays[name]["kernel"]
    return kernel, arrays[name].get("bias", np.zeros(kernel.shape[1], np.float32))
