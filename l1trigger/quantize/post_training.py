"""Post-training quantization: what rounding moves on average, the biases of a quantized network take back.

Rounded weights shift the mean of a layer's outputs; the shift on training data is subtracted from the biases, layer by
layer, each seeing what the corrected layers before it give (arXiv:1906.04721, there from statistics alone).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from l1trigger import frameworks
from l1trigger.binary_points import covering_integer
from l1trigger.design import CompressSection, LayerBits, PostTrainingSection
from l1trigger.fixed_point import FixedPoint
from l1trigger.network import as_inputs, batch_size
from l1trigger.quantize import fine_tune, keras_graph
from l1trigger.quantize.dense_layers import float_model
from l1trigger.quantize.training import Lesson

_BYTES = 2**28
"""Memory for the outputs of one layer."""


def means(network: Any, section: PostTrainingSection, x: NDArray[np.float64]) -> dict[str, NDArray[np.float64]]:
    """Mean output of every layer with weights before its ReLU (channels,), by name.

    Args:
        network: the float network, as a Keras model or as a list of dense layers.
        section: how many events are looked at.
        x: firmware inputs (events, inputs).
    """
    if isinstance(network, Sequence):
        by_layer, y = {}, _some(x, section.events).astype(np.float64)
        for layer in network:
            by_layer[layer.name] = (y @ layer.kernel + layer.bias).mean(0)
            y = layer(y)
        return by_layer
    weighted = {n: p for n, p in keras_graph.points(network).items() if p.weights is not None}
    return {
        name: _mean(network, _before_relu(p.layer) if p.normalization is None else p.normalization.output, section, x)
        for name, p in weighted.items()
    }


@contextmanager
def corrected(
    model: Any, wanted: Mapping[str, NDArray[np.float64]], section: CompressSection, x: NDArray[np.float64]
) -> Iterator[Any]:
    """A QKeras model whose biases are moved so that its layers give the wanted mean outputs; as before afterwards.

    Where a bias leaves the range of its type, the type gets a range that covers it, unless the design gives one.

    Args:
        model: quantized network.
        wanted: mean outputs by layer, of ``means`` on the same inputs.
        section: how many events are looked at, and types that the design gives.
        x: firmware inputs (events, inputs).
    """
    changed = [(layer, layer.get_weights(), layer.bias_quantizer_internal) for layer in model.layers
               if layer.name in wanted]
    for layer, (kernel, bias), quantizer in changed:
        moved = bias + wanted[layer.name] - _mean(model, layer.output, section.post_training, x)
        own = section.quantization.layers.get(layer.name, LayerBits())
        if own.biases_integer is None and section.quantization.biases_integer is None:
            integer = max(int(quantizer.integer), covering_integer(moved, int(quantizer.bits)))
            covering = FixedPoint.from_quantized_bits(int(quantizer.bits), integer)
            layer.bias_quantizer_internal = keras_graph.type_of(covering)
        layer.set_weights([kernel, moved.astype(np.float32)])
    try:
        yield model
    finally:
        for layer, weights, quantizer in changed:
            layer.bias_quantizer_internal = quantizer
            layer.set_weights(weights)


def _mean(model: Any, tensor: Any, section: PostTrainingSection, x: NDArray[np.float64]) -> NDArray[np.float64]:
    """Mean of each channel of a tensor inside a model."""
    size = 4 * int(np.prod(tensor.shape[1:]))
    some = _some(x, min(section.events, _BYTES // size)).astype(np.float32)
    part = frameworks.keras().Model(model.inputs, tensor)
    values = part.predict(as_inputs(model, some), batch_size=batch_size(model), verbose=0)
    return np.asarray(values.reshape(-1, values.shape[-1]).mean(0, dtype=np.float64))


def _some(x: NDArray[np.float64], n: int) -> NDArray[np.float64]:
    """Events spread evenly over all of them."""
    return np.asarray(x[np.linspace(0, len(x) - 1, max(1, min(len(x), n))).astype(int)])


def _before_relu(layer: Any) -> Any:
    """A layer's result without the activation that it may have inside."""
    config = layer.get_config()
    if config.get("activation", "linear") == "linear":
        return layer.output
    plain = type(layer).from_config(config | {"activation": "linear"})
    result = plain(layer.input)
    plain.set_weights(layer.get_weights())
    return result


def pruned_float(network: Any, lesson: Lesson, section: CompressSection) -> tuple[Any, dict[str, list[float]]]:
    """The float network pruned, and trained to recover from it; the same where nothing is to be pruned.

    Args:
        network: the float network, as a Keras model or as a list of dense layers.
        lesson: what it learns.
        section: pruning and fine tuning.

    Returns:
        The network, of the same kind, and the history of its training.
    """
    pruning = section.pruning
    if not (pruning.sparsity or any(pruning.layers.values()) or pruning.structured):
        return network, {}
    k = frameworks.keras()
    if isinstance(network, Sequence):
        model = float_model(network)
    else:
        model = k.models.clone_model(network)
        model.set_weights(network.get_weights())
    model, history = fine_tune.fine_tune(model, lesson.part("pruned", "float, "), section)
    if not isinstance(network, Sequence):
        return model, history
    weights = {layer.name: model.get_layer(layer.name).get_weights() for layer in network}
    return [replace(n, kernel=weights[n.name][0], bias=weights[n.name][1]) for n in network], history
