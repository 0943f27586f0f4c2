"""Every layer's logic, and the engine, give the integers of hls4ml's compiled C++."""

from __future__ import annotations

import shutil

import engine_networks
import numpy as np
import pytest

from l1trigger import frameworks
from l1trigger.convert import hls4ml
from l1trigger.design import ConvertSection, SynthSection
from l1trigger.fixed_point import FixedPoint
from l1trigger.network import QuantizedNetwork
from l1trigger.quantize import lint
from l1trigger.quantize.dense_layers import output_type
from l1trigger.synth import layers, partial_logic

pytestmark = pytest.mark.skipif(shutil.which("g++") is None, reason="there is no g++")
INPUT, OUTPUT = FixedPoint.from_quantized_bits(8, 3), FixedPoint.from_quantized_bits(12, 5)
EVENTS = 300


class Maker:
    """Layers of random QKeras networks."""

    def __init__(self) -> None:
        frameworks.seed_everything(7)
        self.keras, self.q = frameworks.keras(), frameworks.qkeras()
        self.layers = self.keras.layers

    def bits(self, bits: int = 5, integer: int = 0, **options: object):
        return self.q.quantized_bits(bits, integer, alpha=1, **options)

    def weights(self, role: str = "kernel"):
        return {
            f"{role}_quantizer": self.bits(), "bias_quantizer": self.bits(6, 1), "bias_initializer": "random_normal",
        }

    def quantize(self, x, bits: int = 7, integer: int = 2):
        return self.q.QActivation(self.bits(bits, integer))(x)

    def act(self, x, text: str):
        return self.q.QActivation(text)(x)

    def relu(self, x, bits: int = 6, integer: int = 2):
        return self.act(x, f"quantized_relu({bits},{integer})")

    def dense(self, x, units: int = 4):
        return self.q.QDense(units, **self.weights())(x)

    def values(self, x, bits: int = 7, integer: int = 2, units: int = 4):
        return self.quantize(self.dense(x, units), bits, integer)

    def joined(self, *parts):
        """hls4ml concatenates two at a time."""
        parts = [self.layers.Flatten()(p) if len(p.shape) > 2 else p for p in parts]
        while len(parts) > 1:
            parts = [self.layers.Concatenate()(parts[:2]), *parts[2:]]
        return parts[0]


def quantizers(m, x):
    a = m.q.QActivation(m.bits(6, 2, symmetric=1))(m.dense(x, 6))
    b = m.q.QActivation(m.bits(4, 1, keep_negative=False))(m.dense(x, 6))
    c = m.layers.Dropout(0.5)(m.layers.ReLU()(m.values(m.joined(a, b))))
    return m.dense(m.layers.Activation("linear")(c))


def merges(m, x):
    a, b = m.values(x, units=6), m.relu(m.dense(x, 6))
    kinds = (m.layers.Add, m.layers.Subtract, m.layers.Multiply, m.layers.Average, m.layers.Maximum, m.layers.Minimum)
    dot = m.layers.Dot(1)([m.values(x, units=6), m.relu(m.dense(x, 6))])
    return m.joined(*(m.quantize(kind()([a, b])) for kind in kinds), m.quantize(dot, 9, 4))


def shapes(m, x):
    turned = m.layers.Permute((2, 1))(m.layers.Reshape((3, 4))(x))
    return m.joined(m.layers.Concatenate()([turned, m.relu(m.dense(turned, 3))]))


def activations(m, x):
    return m.joined(
        m.act(m.values(x, 8, 2), "quantized_tanh(7,0)"), m.act(m.values(x, 8, 2), "quantized_sigmoid(7,0)"),
        m.quantize(m.layers.LeakyReLU(0.25)(m.values(x))), m.quantize(m.layers.ThresholdedReLU(0.5)(m.values(x))),
    )


def tables(m, x):
    return m.joined(
        m.act(m.values(x, 8, 3), "quantized_tanh(7,0,use_real_tanh=1)"),
        m.act(m.values(x, 8, 3), "quantized_sigmoid(7,0,use_real_sigmoid=1)"),
        m.quantize(m.layers.Activation("tanh")(m.values(x, 6, 3))),
        m.quantize(m.layers.Activation("sigmoid")(m.values(x, 6, 3))), m.quantize(m.layers.ELU(0.5)(m.values(x))),
    )


def softmax_and_normalization(m, x):
    layer = m.layers.BatchNormalization(epsilon=0.0)
    y = layer(m.values(x))
    numbers = [[0.5, 2, 1, 4], [1, 0, -0.5, 2], [1, 0.5, 0, 0.25], [1, 4, 1, 0.25]]
    layer.set_weights([np.array(v, np.float32) for v in numbers])
    return m.joined(m.quantize(y), m.quantize(m.layers.Activation("softmax")(m.values(x)), 9, 0))


def convolution(m, x):
    x = m.relu(m.q.QConv2D(3, (3, 2), strides=(1, 2), padding="same", **m.weights())(x))
    x = m.relu(m.q.QConv2D(2, (1, 1), **m.weights())(m.layers.MaxPooling2D((2, 2))(x)))
    return m.dense(m.layers.Flatten()(x))


def pooling(m, x):
    return m.joined(
        m.layers.MaxPooling2D((3, 2), strides=(2, 2), padding="same")(m.relu(x)),
        m.layers.MaxPooling2D((3, 2), strides=(2, 2), padding="same")(x),
        m.quantize(m.layers.AveragePooling2D((2, 2))(x), 9, 3), m.quantize(m.layers.GlobalAveragePooling2D()(x), 9, 3),
        m.quantize(m.layers.AveragePooling2D((3, 1), padding="same")(x), 7, 3),
    )


def averages(m, x):
    """Averages of 24 pixels, which nothing rounds before a layer takes them: quotients of 38 bits."""
    return m.dense(m.layers.GlobalAveragePooling2D()(m.relu(x)))


def series(m, x):
    x = m.relu(m.q.QConv1D(4, 3, padding="same", **m.weights())(m.layers.Reshape((12, 4))(x)))
    return m.joined(
        m.layers.MaxPooling1D(2)(x),
        m.layers.GlobalMaxPooling1D()(m.relu(m.q.QConv1D(2, 4, strides=2, **m.weights())(x))),
        m.quantize(m.layers.GlobalAveragePooling1D()(m.layers.AveragePooling1D(3)(x)), 9, 3),
    )


def by_channel(m, x):
    options = {**m.weights("depthwise"), "pointwise_quantizer": m.bits()}
    return m.joined(
        m.quantize(m.q.QDepthwiseConv2D((2, 2), padding="same", **m.weights("depthwise"))(x)),
        m.quantize(m.q.QSeparableConv2D(3, (2, 2), **options)(x)),
    )


FLAT = (quantizers, merges, shapes, activations, tables, softmax_and_normalization)
IMAGES = (convolution, pooling, averages, series, by_channel)


def build(function, shape) -> QuantizedNetwork:
    m = Maker()
    first = m.keras.Input(shape, name="x")
    x = m.q.QActivation(m.bits(INPUT.width, INPUT.integer - 1), name="input_type")(first)
    x = m.q.QActivation(m.bits(OUTPUT.width, OUTPUT.integer - 1), name="output_type")(function(m, x))
    return QuantizedNetwork.from_keras(m.keras.Model(first, x), INPUT, OUTPUT)


def outputs(network, section, shape, folder) -> tuple[np.ndarray, ...]:
    """Integers from the network itself, from the C++, from the logic and from the engine."""
    graph = hls4ml.graph(network, section, "toy", folder)
    graph.compile()
    low, high = INPUT.raw_range
    raw = np.random.default_rng(1).integers(low, high + 1, (EVENTS, *shape))
    x = INPUT.value(raw)
    compiled = np.asarray(graph.predict(np.ascontiguousarray(x, np.float32)), np.float64).reshape(EVENTS, -1)
    plain = hls4ml.layers(graph)
    layers.require_supported(plain)
    comb = partial_logic.network_logic(plain, SynthSection())
    made = np.asarray(comb.predict(np.ascontiguousarray(x.reshape(EVENTS, -1), np.float64)), np.float64)
    fast = engine_networks.outputs(plain, INPUT, raw, OUTPUT)
    return network.raw(x).reshape(EVENTS, -1), OUTPUT.raw(compiled), OUTPUT.raw(made.reshape(EVENTS, -1)), fast


@pytest.fixture
def without_lint(monkeypatch):
    """Layers that hls4ml computes otherwise than Keras are of interest here, too."""
    monkeypatch.setattr(lint, "require", lambda findings: None)


@pytest.mark.parametrize("function", [*FLAT, *IMAGES], ids=lambda f: f.__name__)
def test_logic_equals_compiled_code(function, without_lint, tmp_path):
    shape = (6, 4, 2) if function in IMAGES else (12,)
    network = build(function, shape)
    _, compiled, made, fast = outputs(network, ConvertSection(), shape, tmp_path)
    assert len(np.unique(compiled)) > 2
    assert np.array_equal(made, compiled)
    assert np.array_equal(fast, compiled)


@pytest.mark.parametrize(("function", "section"), [
    (convolution, {"io_type": "io_stream"}), (series, {"io_type": "io_stream"}),
    (quantizers, {"strategy": "Resource", "reuse_factor": 2}), (convolution, {"strategy": "Resource"}),
], ids=["stream", "series_stream", "resource", "resource_convolution"])
def test_streams_and_strategies(function, section, without_lint, tmp_path):
    shape = (6, 4, 2) if function in IMAGES else (12,)
    _, compiled, made, fast = outputs(build(function, shape), ConvertSection(**section), shape, tmp_path)
    assert np.array_equal(made, compiled)
    assert np.array_equal(fast, compiled)


def any_weights(m, x):
    """One layer for each kind of quantizer of weights."""
    kinds = ("quantized_bits(4,0)", "quantized_po2(3)", "binary()", "ternary()", "ternary(alpha=1)",
             "quantized_bits(1,0,alpha=1)", "quantized_bits(5,0,keep_negative=False,alpha=0.5)")
    layers = [m.q.QDense(3, kernel_quantizer=kind, bias_quantizer="quantized_bits(6,1)") for kind in kinds]
    return m.joined(*(m.quantize(layer(x)) for layer in layers))


def slopes(m, x):
    """Activations that are straight lines between two ends, by themselves and within a layer."""
    kinds = ("quantized_tanh(6)", "quantized_tanh(5,symmetric=1)", "quantized_sigmoid(6)", "binary()",
             "quantized_bits(6,2,keep_negative=0)", "quantized_relu(3,3)", "quantized_bits(4,3)")
    parts = [m.dense(m.act(m.dense(x), kind), 2) for kind in kinds]
    return m.joined(*(m.quantize(p, 9, 3) for p in parts),
                    m.quantize(m.dense(m.q.QDense(3, activation="quantized_sigmoid(6)", **m.weights())(x))))


def wide(m, x):
    """Weights and activations of 20 bits and more: sums beyond float32."""
    options = {"kernel_quantizer": m.bits(24), "bias_quantizer": m.bits(24), "bias_initializer": "random_normal"}
    y = m.relu(m.q.QDense(4, **options)(x), 20, 3)
    return m.q.QDense(2, **options)(m.act(m.q.QDense(3, **options)(y), "quantized_sigmoid(20)"))


@pytest.mark.parametrize("function", [any_weights, slopes, wide], ids=lambda f: f.__name__)
def test_levels_are_equal(function, tmp_path):
    network = build(function, (12,))
    itself, compiled, made, fast = outputs(network, ConvertSection(), (12,), tmp_path)
    assert len(np.unique(itself)) > 20
    assert np.array_equal(compiled, itself)
    assert np.array_equal(made, itself)
    assert np.array_equal(fast, itself)


@pytest.mark.parametrize("end", [
    "quantized_bits(8,3,alpha=1)", "quantized_relu(8,3)", "quantized_tanh(6)", "quantized_tanh(6,symmetric=1)",
    "quantized_sigmoid(6)",
])
def test_ends_within_the_last_layer(end):
    m = Maker()
    first = m.keras.Input((4,), name="x")
    x = m.q.QActivation(m.bits(INPUT.width, INPUT.integer - 1), name="input_type")(first)
    model = m.keras.Model(first, m.q.QDense(2, activation=end, name="last", **m.weights())(x))
    assert lint.check_section(ConvertSection(), model) == []
    network = QuantizedNetwork.from_keras(model, INPUT, output_type(model))
    *_, last = hls4ml.graph_layers(network, ConvertSection())
    assert last.types["result"] == network.output_type
