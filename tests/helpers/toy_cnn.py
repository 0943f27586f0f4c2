"""Random convolutional triggers from lists of layers as a design has them, and random images."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from pydantic import TypeAdapter

from l1trigger import frameworks
from l1trigger.compress_sections import QuantizationSection
from l1trigger.data.scaling import FeatureScaling, InputScaling, uniform
from l1trigger.models import blocks
from l1trigger.network import QuantizedNetwork
from l1trigger.quantize import keras_graph
from l1trigger.quantize.dense_layers import output_type
from l1trigger.scores.kernels import KERNELS
from l1trigger.trigger import TriggerFunction

PIXEL = FeatureScaling(shift=6, bits=8)
BITS = QuantizationSection(weights=5, biases=7, activations=6, score=10)

SAME = {"conv": {"filters": 2, "padding": "same"}}
LAST = {"dense": {"units": 2, "relu": False}}
CASES = {
    "valid windows": ([{"conv": {"filters": 2}}, {"max_pool": {"size": 2}}, LAST], {"image": (7, 6, 2)}),
    "strides": ([{"conv": {"filters": 2, "kernel": [3, 1], "stride": [2, 1]}}, SAME, LAST], {"image": (7, 3, 1)}),
    "averages": ([{"conv": {"filters": 2, "kernel": 2, "padding": "same"}}, {"average_pool": {"size": [3, 1]}},
                  {"average_pool": {"size": 2}}, LAST], {}),
    "signed pooling": ([{"conv": {"filters": 2, "relu": False}}, {"max_pool": {"size": 3, "stride": 1}}, LAST], {}),
    "channels": ([{"depthwise_conv": {"batch_norm": True}}, {"separable_conv": {"filters": 2, "kernel": 2}},
                  {"conv": {"filters": 2, "kernel": 1, "batch_norm": True}}, LAST], {"image": (5, 5, 3)}),
    "branches": ([SAME, {"add": [[SAME], []]}, {"concatenate": [[], [{"conv": {"filters": 1, "kernel": 1}}], [SAME]]},
                  {"max_pool": {}}, LAST], {"image": (4, 4, 1)}),
    "features": ([{"conv": {"filters": 2}}, {"features": True}, {"dense": {"units": 4, "batch_norm": True}}, LAST],
                 {"features": 3}),
    "autoencoder": ([SAME, {"max_pool": {"size": [3, 1]}}, {"dense": {"units": 3}}, {"dense": {"units": 12}},
                     {"reshape": {"shape": [2, 3, 2]}}, SAME, {"up_sample": {"size": [3, 1]}},
                     {"conv": {"filters": 1, "padding": "same", "relu": False}}], {"image": (6, 3, 1)}),
}
"""Layers and options of ``trigger``: everything that a design may write."""


def layers(*written: dict[str, Any]) -> tuple[blocks.Layer, ...]:
    """Layers as a design file gives them."""
    found: tuple[blocks.Layer, ...] = TypeAdapter(tuple[blocks.Layer, ...]).validate_json(
        json.dumps(written), strict=True
    )
    return found


def float_model(written: Sequence[dict[str, Any]], image: Sequence[int] = (6, 6, 1), features: int = 0) -> Any:
    """A float Keras model with random weights, biases and, where there is any, batch normalization."""
    k = frameworks.keras()
    frameworks.seed_everything(1)
    x = k.Input(image)
    second = k.Input((features,)) if features else None
    model = k.Model([x, second] if features else x, blocks.build(layers(*written), x, second))
    rng = np.random.default_rng(2)
    model.set_weights([w if w.ndim > 1 else rng.uniform(0.2, 1, w.shape) for w in model.get_weights()])
    return model


def images(n: int, inputs: int, seed: int = 0) -> np.ndarray:
    """Random hardware integers (n, inputs): sparse ordinary ones, and a share of extreme ones."""
    rng = np.random.default_rng(seed)
    e = rng.exponential(60, (n, inputs)).astype(np.int16) * (rng.random((n, inputs)) < 0.5)
    extreme = rng.choice(np.array([-32768, -1, 0, 1, 255, 256, 32767], np.int16), e.shape)
    return np.where(rng.random((n, 1)) < 0.3, extreme, e).astype(np.int16)


def trigger(
    written: Sequence[dict[str, Any]], image: Sequence[int] = (6, 6, 1), features: int = 0,
    bits: QuantizationSection = BITS, sparsity: float = 0.0, name: str = "toy",
) -> TriggerFunction:
    """A trigger function of such a network; its score is the first output."""
    return of_model(float_model(written, image, features), bits, sparsity, name)


def of_model(
    model: Any, bits: QuantizationSection = BITS, sparsity: float = 0.0, name: str = "toy"
) -> TriggerFunction:
    """A trigger function of a float Keras model."""
    scaling: InputScaling = uniform(PIXEL, sum(math.prod(t.shape[1:]) for t in model.inputs))
    x = scaling.firmware(images(500, len(scaling)))
    made = keras_graph.quantized(model, bits, scaling.network_type, x)
    rng = np.random.default_rng(3)
    made.set_weights([w * (rng.random(w.shape) >= sparsity) if w.ndim > 1 else w for w in made.get_weights()])
    network = QuantizedNetwork.from_keras(made, scaling.network_type, output_type(made))
    t = KERNELS["identity"].score_type(scaling, network)
    function = TriggerFunction(name, scaling, network, "student", t, 0)
    score = function.evaluate(images(500, len(scaling))).score
    return TriggerFunction(name, scaling, network, "student", t, int(np.quantile(score, 0.67)))
