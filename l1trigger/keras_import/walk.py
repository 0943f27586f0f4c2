"""From a Keras model to its graph: every use of every layer becomes a node, models inside models are taken apart."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from l1trigger.errors import UnsupportedLayerError
from l1trigger.keras_import.files import LoadedModel
from l1trigger.keras_import.graph import Graph, Node, unique

Tensor = tuple[str, int, int]
"""A result in Keras' configuration: layer, which of its uses, which of its results."""

_KEPT: Mapping[str, tuple[str, ...]] = {
    "Dense": ("units", "use_bias", "activation"),
    "Conv1D": ("filters", "kernel_size", "strides", "padding", "data_format", "dilation_rate", "groups", "activation",
               "use_bias"),
    "Conv2D": ("filters", "kernel_size", "strides", "padding", "data_format", "dilation_rate", "groups", "activation",
               "use_bias"),
    "DepthwiseConv2D": ("kernel_size", "strides", "padding", "data_format", "dilation_rate", "groups",
                        "depth_multiplier", "activation", "use_bias"),
    "SeparableConv2D": ("filters", "kernel_size", "strides", "padding", "data_format", "dilation_rate", "groups",
                        "depth_multiplier", "activation", "use_bias"),
    "BatchNormalization": ("axis", "epsilon", "center", "scale"),
    "Activation": ("activation",),
    "ReLU": ("max_value", "negative_slope", "threshold"),
    "LeakyReLU": ("alpha", "negative_slope"),
    "ELU": ("alpha",), "PReLU": ("shared_axes",), "ThresholdedReLU": ("theta",), "Softmax": ("axis",),
    **dict.fromkeys(("Add", "Subtract", "Multiply", "Average", "Maximum", "Minimum"), ()),
    "Concatenate": ("axis",), "Dot": ("axes", "normalize"),
    **dict.fromkeys(("MaxPooling1D", "MaxPooling2D", "AveragePooling1D", "AveragePooling2D"),
                    ("pool_size", "strides", "padding", "data_format")),
    **dict.fromkeys(("GlobalMaxPooling1D", "GlobalMaxPooling2D", "GlobalAveragePooling1D", "GlobalAveragePooling2D"),
                    ("data_format", "keepdims")),
    "Flatten": ("data_format",), "Reshape": ("target_shape",), "Permute": ("dims",),
    "UpSampling1D": ("size", "data_format"), "UpSampling2D": ("size", "data_format", "interpolation"),
    "ZeroPadding1D": ("padding",), "ZeroPadding2D": ("padding", "data_format"),
    "Cropping1D": ("cropping",), "Cropping2D": ("cropping", "data_format"),
    "Rescaling": ("scale", "offset"), "Normalization": ("axis", "invert"),
}
"""Options of Keras' layers that change what they compute; of a layer that is not here, none is looked at."""

_WITHOUT_MEANING = frozenset({
    "name", "trainable", "dtype", "kernel_initializer", "bias_initializer", "depthwise_initializer",
    "pointwise_initializer", "kernel_regularizer", "bias_regularizer", "activity_regularizer", "kernel_constraint",
    "bias_constraint", "depthwise_regularizer", "depthwise_constraint", "pointwise_regularizer",
    "pointwise_constraint", "beta_initializer", "gamma_initializer", "moving_mean_initializer",
    "moving_variance_initializer", "beta_regularizer", "gamma_regularizer", "beta_constraint", "gamma_constraint",
    "momentum", "synchronized", "renorm_momentum", "mean", "variance", "batch_input_shape", "rank",
    "alpha_initializer", "alpha_regularizer", "alpha_constraint", "supports_masking",
})
"""Options that say how a layer is trained, or say again what its class says."""

_SAME_RESULT = frozenset({"Dropout", "SpatialDropout1D", "SpatialDropout2D", "GaussianNoise", "GaussianDropout",
                          "AlphaDropout", "ActivityRegularization", "Identity"})
"""Layers that do something in training only."""

_OPERATIONS = {
    "__operators__.add": "Add", "math.add": "Add", "math.subtract": "Subtract", "__operators__.sub": "Subtract",
    "math.multiply": "Multiply", "__operators__.mul": "Multiply", "math.maximum": "Maximum",
    "math.minimum": "Minimum", "nn.relu": "ReLU", "nn.softmax": "Softmax",
}
"""Functions of TensorFlow that Keras 2 has made layers of, where they are those of a class."""
_NEVER = frozenset({"LeakyReLU", "ELU", "PReLU", "ThresholdedReLU", "Softmax", "Dot", "Cropping1D", "Cropping2D"})
"""Layers that are read but refused later, with their options."""
_MERGES = frozenset({"Add", "Subtract", "Multiply", "Average", "Maximum", "Minimum", "Concatenate", "Dot"})
_HARMLESS = frozenset({"training", "mask", "name"})
_ACTIVE: tuple[Any, ...] = ("", None, False, 0, (), [])


def graph_of(loaded: LoadedModel, outputs: Sequence[str] = ()) -> Graph:
    """The graph of a model.

    Args:
        loaded: the model.
        outputs: names of the layers whose results are its outputs; none takes the model's own.

    Raises:
        UnsupportedLayerError: a layer is called in a way, or has options, that this project does not know; or there is
            no layer of a name.
    """
    walk = _Walk(loaded.keras3)
    inputs, given = walk.model(loaded.model, "", ())
    wanted = tuple(_named(walk.nodes, n, loaded.model) for n in outputs) or given
    graph = Graph(tuple(walk.nodes), inputs, wanted).reachable()
    for node in graph.nodes:
        if (problem := walk.problems.get(node.name)) is not None:
            raise UnsupportedLayerError(f"{node.name} ({node.kind}): {problem}")
    return graph


def _named(nodes: Sequence[Node], name: str, model: Any) -> str:
    if name not in {n.name for n in nodes}:
        raise UnsupportedLayerError(f"{model.name}: there is no layer {name}. Remedy: model.outputs takes some of "
                                    + ", ".join(n.name for n in nodes))
    return name


class _Walk:
    """Nodes that were found so far.

    Attributes:
        nodes: in order.
        problems: what is the matter with a node, by name; none where its result is not needed.
    """

    def __init__(self, keras3: bool) -> None:
        self.keras3 = keras3
        self.nodes: list[Node] = []
        self.problems: dict[str, str] = {}

    def model(self, model: Any, prefix: str, given: Sequence[str]) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """Names of the inputs and outputs of a model, or of one inside another.

        Args:
            model: of Keras.
            prefix: of the names of its layers.
            given: names of the nodes that it takes; none makes inputs of its own.
        """
        config = model.get_config()
        if "input_layers" not in config:
            return self._sequence(model, prefix, given)
        # Keras 3 has operations, such as a sum that is written with a plus, beside layers.
        layers = {layer.name: layer for layer in (model.operations if self.keras3 else model.layers)}
        results: dict[Tensor, str] = {}
        inputs = _tensors(config["input_layers"])
        for i, tensor in enumerate(inputs):
            results[tensor] = given[i] if given else self._input(prefix + tensor[0], model.inputs[i])
        uses = [(layers[e["name"]], use, call) for e in config["layers"] for use, call in enumerate(e["inbound_nodes"])]
        while uses:  # a layer that is used again may take what later layers give
            ready = [u for u in uses if all(t in results for t in _tensors(u[2]))]
            if not ready:
                raise UnsupportedLayerError(f"{uses[0][0].name}: takes a result that no layer gives. Remedy: save the "
                                            "model again, with the Keras that made it")
            for layer, use, call in ready:
                self._use(layer, use, call, prefix, results)
            uses = [u for u in uses if u not in ready]
        outputs = [(name, use - self._made_first(layers[name], True), i)
                   for name, use, i in _tensors(config["output_layers"])]
        return tuple(results[t] for t in inputs), tuple(results[t] for t in outputs)

    def _sequence(self, model: Any, prefix: str, given: Sequence[str]) -> tuple[tuple[str, ...], tuple[str, ...]]:
        if not given:
            name = model.input_names[0] if hasattr(model, "input_names") else model.inputs[0].name
            given = [self._input(prefix + name, model.inputs[0])]
        last = tuple(given)
        for layer in model.layers:
            if type(layer).__name__ != "InputLayer":
                last = self._layer(layer, prefix, last, 0)
        return tuple(given), last

    def _use(self, layer: Any, use: int, call: Any, prefix: str, results: dict[Tensor, str]) -> None:
        """One use of a layer of a functional model."""
        made = self._layer(layer, prefix, tuple(results[t] for t in _tensors(call)), use)
        if constants := list(_constants(call)):
            self.problems[made[-1]] = f"is called with {constants[0]!r}. Remedy: use a layer in place of an operation"
        for i, name in enumerate(made):
            results[layer.name, use + self._made_first(layer, False), i] = name

    def _made_first(self, layer: Any, at_end: bool) -> int:
        """Uses that Keras counts of a layer before the first: 1 where it counts the making of a model as a use.

        Keras 2 does so wherever a model is named, Keras 3 where a functional one gives an output.
        """
        if not _is_model(layer):
            return 0
        if self.keras3:
            return int(at_end and "input_layers" in layer.get_config())
        return int(not at_end)

    def _layer(self, layer: Any, prefix: str, taken: tuple[str, ...], use: int) -> tuple[str, ...]:
        """Names of the nodes that give the results of one use of a layer."""
        name = f"{prefix}{layer.name}" + (f"_{use}" if use else "")
        if _is_model(layer):
            return self.model(layer, f"{name}_", taken)[1]
        kind = type(layer).__name__
        inner = layer
        if kind == "TimeDistributed":
            inner, kind = layer.layer, type(layer.layer).__name__
            if kind not in ("Dense", "Activation", "ReLU"):
                self.problems[name] = "only a dense layer may be distributed over time. Remedy: use a convolution"
        if kind in _SAME_RESULT:
            return taken
        weights = tuple(np.asarray(w, np.float64) for w in inner.get_weights()) if hasattr(inner, "weights") else ()
        config = inner.get_config()
        if kind == "TFOpLambda":
            kind, config = _OPERATIONS.get(config["function"], config["function"]), {}
        if kind in _KEPT:
            config = self._options(name, kind, config)
        elif not kind.startswith("Q"):
            self.problems[name] = ("cannot be brought to firmware. Remedy: use "
                                   f"{', '.join(k for k in _KEPT if k not in _NEVER)} and layers of QKeras")
        if kind in _MERGES and len(taken) < 2:
            self.problems[name] = "joins one result with itself. Remedy: leave it out"
        if kind == "Normalization":
            weights = tuple(np.asarray(v, np.float64) for v in (inner.mean, inner.variance))
        return (self._add(Node(name, kind, taken, config, weights)),)

    def _options(self, name: str, kind: str, config: Mapping[str, Any]) -> dict[str, Any]:
        """What changes the result of a layer of Keras; what is not known here must not be set."""
        for key, value in config.items():
            if key not in _KEPT[kind] and key not in _WITHOUT_MEANING and value not in _ACTIVE:
                self.problems[name] = f"its option {key} ({value}) is not known here. Remedy: leave it out"
        if kind == "LeakyReLU" and "negative_slope" in config:  # Keras 3's name of it
            return {"alpha": config["negative_slope"]}
        return {key: config[key] for key in _KEPT[kind] if key in config}

    def _input(self, name: str, tensor: Any) -> str:
        shape = tuple(tensor.shape[1:])
        made = self._add(Node(name, "InputLayer", (), {"shape": shape}))
        if None in shape:
            self.problems[made] = "its shape is not fixed. Remedy: give every axis but that of events a size"
        return made

    def _add(self, node: Node) -> str:
        name = unique([*(n.name for n in self.nodes), node.name])[-1]
        self.nodes.append(Node(name, node.kind, node.inputs, node.config, node.weights))
        return name


def _is_model(layer: Any) -> bool:
    return hasattr(layer, "layers") and "layers" in layer.get_config()


def _tensors(config: Any) -> list[Tensor]:
    """The results that a part of Keras' configuration names, in order."""
    if isinstance(config, Mapping):
        if "keras_history" in config:
            layer, use, result = config["keras_history"]
            return [(layer, use, result)]
        return [t for value in config.values() for t in _tensors(value)]
    if isinstance(config, list | tuple):
        if len(config) >= 3 and isinstance(config[0], str) and isinstance(config[1], int):
            return [(config[0], config[1], config[2]), *(t for rest in config[3:] for t in _tensors(rest))]
        return [t for value in config for t in _tensors(value)]
    return []


def _constants(config: Any) -> Iterator[Any]:
    """What a layer is called with beside tensors."""
    if isinstance(config, Mapping):
        if config.get("class_name") != "__keras_tensor__":
            for key, value in config.items():
                if key not in _HARMLESS or value is True:
                    yield from _constants(value)
    elif isinstance(config, list | tuple):
        is_tensor = len(config) >= 3 and isinstance(config[0], str) and isinstance(config[1], int)
        for value in config[3:] if is_tensor else config:
            yield from _constants(value)
    elif config is not None:
        yield config
