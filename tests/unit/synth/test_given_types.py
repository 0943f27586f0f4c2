"""Layers with types that a user gives hls4ml: accumulators that cut or saturate, and layers its exact mode refuses."""

from __future__ import annotations

import shutil

import numpy as np
import pytest

from l1trigger import frameworks
from l1trigger.convert import hls4ml
from l1trigger.convert.graph import layers as plain_layers
from l1trigger.design import SynthSection
from l1trigger.fixed_point import FixedPoint
from l1trigger.synth import layers, partial_logic

pytestmark = pytest.mark.skipif(shutil.which("g++") is None, reason="there is no g++")
INPUT = FixedPoint.parse("ap_fixed<7,4>")


def dense(keras, x):
    x = keras.layers.Dense(5, name="first", bias_initializer="random_normal")(x)
    return keras.layers.Dense(3, name="second", activation="relu")(x)


def image(keras, x):
    x = keras.layers.Reshape((4, 3, 1), name="reshape")(x)
    x = keras.layers.ZeroPadding2D(((1, 0), (0, 1)), name="pad")(x)
    x = keras.layers.Conv2D(2, (2, 2), name="conv")(x)
    x = keras.layers.UpSampling2D((2, 1), name="up")(x)
    x = keras.layers.Cropping2D(((1, 1), (0, 1)), name="crop")(x)
    return keras.layers.AveragePooling2D((3, 1), name="pool")(x)


def activations(keras, x):
    kinds = ["softplus", "softsign", "selu", "elu", "hard_sigmoid", "sigmoid", "tanh"]
    return two_by_two(keras, [keras.layers.Activation(kind, name=kind)(x) for kind in kinds])


def parameters(keras, x):
    parts = [
        keras.layers.PReLU(name="prelu", alpha_initializer="random_normal")(x),
        keras.layers.LeakyReLU(0.3, name="leaky")(x),
        keras.layers.ThresholdedReLU(0.7, name="over")(x), keras.layers.Activation("softmax", name="soft")(x),
        keras.layers.BatchNormalization(name="norm", beta_initializer="random_normal")(x),
    ]
    return two_by_two(keras, parts)


def two_by_two(keras, parts):
    while len(parts) > 1:
        parts = [keras.layers.Concatenate(name=f"join{len(parts)}")(parts[:2]), *parts[2:]]
    return parts[0]


NARROW = {"accum": "ap_fixed<10,6>", "weight": "ap_fixed<6,2,RND,SAT>", "bias": "ap_fixed<9,2>"}
CASES = {
    "cut": (dense, {**NARROW, "result": "ap_fixed<9,5,RND_ZERO,SAT_ZERO>"}),
    "wrapping": (dense, {**NARROW, "accum": "ap_fixed<12,3>", "result": "ap_ufixed<6,3,TRN_ZERO,SAT>"}),
    "saturating": (dense, {**NARROW, "accum": "ap_fixed<11,4,RND_INF,SAT_SYM>", "result": "ap_fixed<8,4,RND_MIN_INF>"}),
    "image": (image, {**NARROW, "result": "ap_fixed<9,5,RND,SAT>"}),
    "activations": (activations, {"result": "ap_fixed<12,5,RND_CONV,SAT>", "table": "ap_fixed<14,6>"}),
    "parameters": (parameters, {
        "result": "ap_fixed<12,5,RND,SAT>", "param": "ap_fixed<8,2>", "scale": "ap_fixed<9,3>", "bias": "ap_fixed<9,3>",
    }),
}


def convert(model, precision, folder):
    """hls4ml's graph with the same types in all layers."""
    module = hls4ml.hls4ml_module()
    with hls4ml.keras_mask():
        config = module.utils.config_from_keras_model(model, granularity="name", backend="Vitis")
        for name, layer in config["LayerName"].items():
            given = dict.fromkeys(["result"], str(INPUT)) if name == "x" else precision
            layer["Precision"] = {**layer["Precision"], **{k: v for k, v in given.items() if k in layer["Precision"]}}
        return module.converters.convert_from_keras_model(
            model, hls_config=config, output_dir=str(folder), project_name="toy", backend="Vitis",
            io_type="io_parallel",
        )


@pytest.mark.parametrize("case", CASES)
def test_logic_equals_compiled_code(case, tmp_path):
    function, precision = CASES[case]
    frameworks.seed_everything(3)
    keras = frameworks.keras()
    first = keras.Input((12,), name="x")
    graph = convert(keras.Model(first, function(keras, first)), precision, tmp_path)
    graph.compile()
    low, high = INPUT.raw_range
    x = np.random.default_rng(1).integers(low, high + 1, (300, 12)) * INPUT.lsb
    compiled = np.asarray(graph.predict(np.ascontiguousarray(x, np.float32)), np.float64).reshape(300, -1)
    plain = plain_layers(graph)
    layers.require_supported(plain)
    made = np.asarray(partial_logic.network_logic(plain, SynthSection()).predict(np.ascontiguousarray(x, np.float64)))
    made = made.astype(np.float64).reshape(300, -1)
    assert len(np.unique(compiled)) > 4
    assert np.array_equal(made, compiled)
