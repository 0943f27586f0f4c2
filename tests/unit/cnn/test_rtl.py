"""The streaming engine of small convolutional triggers through Verilator: exact, at the clocks that it says."""

from dataclasses import replace

import numpy as np
import pytest
import toy_raster as toy

from l1trigger.convert import hls4ml, lint
from l1trigger.sections import ConvertSection, SynthSection
from l1trigger.synth import lower, streaming, verilator

CLOCK_NS = 5.0


def valid(m, x):
    return m.dense(m.max_pool(m.conv(x)))


def same(m, x):
    return m.dense(m.max_pool(m.conv(m.conv(x, 2, padding="same"), padding="same")))


def strided(m, x):
    return m.dense(m.conv(m.conv(x, strides=2, padding="same"), 2, (2, 3)))


def pooled(m, x):
    return m.dense(m.average_pool(m.max_pool(x, 3, strides=2, padding="same")))


def meeting(m, x):
    a = m.conv(x, 2, padding="same")
    b = m.conv(a, 2, padding="same")
    total = m.quantize(m.layers.Add()([a, b]), 7, 3)
    return m.dense(m.max_pool(m.conv(m.layers.Concatenate()([total, b]), 3, 1)))


def series(m, x):
    x = m.relu(m.q.QConv1D(3, 3, padding="same", **m.weights())(x))
    return m.dense(m.quantize(m.layers.GlobalAveragePooling1D()(m.layers.MaxPooling1D(2)(x)), 8, 3))


CASES = {
    "valid, one at a time": (valid, (6, 8, 2), 1), "valid, a row at a time": (valid, (6, 8, 2), 8),
    "same, rows filled up": (same, (5, 7, 2), 4), "strides": (strided, (6, 9, 1), 2), "pooling": (pooled, (6, 8, 2), 4),
    "images that meet": (meeting, (5, 6, 2), 2), "series": (series, (12, 2), 2),
}


def graph(function):
    return hls4ml.graph_layers(function.network, ConvertSection())


def engine_of(function, parallel, inputs, layers=None):
    section = SynthSection(pixels_per_clock=parallel)
    return streaming.build(function, layers or graph(function), section, {"a": inputs}, CLOCK_NS)


def compiled(engine, folder):
    made = streaming.write(engine, folder / "rtl")
    return verilator.build(made, folder / "verilator", "g++", 300)


@pytest.fixture(scope="module", params=CASES)
def simulated(request, tmp_path_factory):
    network, shape, parallel = CASES[request.param]
    function = toy.trigger(network, shape, flat=network is pooled)
    inputs = toy.images(80, shape, seed=31)
    engine = engine_of(function, parallel, inputs)
    return function, inputs, engine, compiled(engine, tmp_path_factory.mktemp("engine"))


@pytest.mark.parametrize("gap", [0, 1, 5])
def test_every_output_at_its_clock(simulated, gap):
    function, inputs, engine, simulator = simulated
    streamed = streaming.simulate(simulator, engine, function, inputs, gap)
    expected = function.evaluate(inputs)
    np.testing.assert_array_equal(streamed.outputs.network, expected.network)
    np.testing.assert_array_equal(streamed.outputs.score, expected.score)
    np.testing.assert_array_equal(streamed.outputs.accept, expected.accept)
    assert (streamed.latencies == engine.cycles).all()
    assert len(np.unique(expected.score)) > 10 and 0 < expected.accept.mean() < 1


def test_events_at_irregular_clocks_among_noise(simulated):
    """A pulse for each start and none without, whatever else enters."""
    function, inputs, engine, simulator = simulated
    at = np.cumsum(engine.beats + np.array([0, 3, 0, 7, 1, 0, 0, 2]))
    rng = np.random.default_rng(1)
    rows = np.zeros((at[-1] + engine.beats + engine.cycles, 1 + len(engine.port)), np.int16)
    rows[:, 1:] = rng.integers(-9, 60, (len(rows), rows.shape[1] - 1))
    for first, beats in zip(at, engine.rows(inputs[: len(at)]), strict=True):
        rows[first, 0] = 1
        rows[first : first + engine.beats, 1:] = beats
    t = function.network.output_type.fraction
    fractions = (0, function.score_type.fraction, 0, *(t,) * (len(engine.outputs) - 2))
    stream = simulator.run(rows, fractions)
    np.testing.assert_array_equal(np.flatnonzero(stream[:, 0]), at + engine.cycles)
    np.testing.assert_array_equal(stream[at + engine.cycles, 3:], function.evaluate(inputs[: len(at)]).network)


def test_what_the_engine_says_of_itself(simulated):
    _, inputs, engine, _ = simulated
    height, width, _ = engine.shape
    assert engine.beats == height * -(-width // engine.parallel)
    copies = {b.name: n for b, n in engine.blocks}
    assert copies["head"] == 1 and next(iter(copies.values())) == engine.parallel
    assert [b.name for b in engine.path][-1] == "head" and engine.path[0] is engine.units[0].block
    assert engine.lut == pytest.approx(sum(b.lut * n for b, n in engine.blocks)) and engine.lut > 0
    assert engine.register_bits > sum(b.register_bits * n for b, n in engine.blocks)
    assert engine.rows(inputs).shape == (len(inputs), engine.beats, len(engine.port))


def depthwise(m, x):
    return m.dense(m.max_pool(m.conv(m.depthwise(x, padding="same"), 3, 1), (2, 1)))


def test_depthwise_convolution(tmp_path, monkeypatch):
    """Which hls4ml computes otherwise than QKeras, so that the fully parallel logic says what is expected."""
    monkeypatch.setattr(lint, "require", lambda findings: None)
    function, inputs = toy.trigger(depthwise), toy.images(80, seed=5)
    layers, section = graph(function), SynthSection()
    whole = lower.lower(function, section, lower.ports(function.scaling), layers)
    engine = engine_of(function, 4, inputs, layers)
    got = streaming.simulate(compiled(engine, tmp_path), engine, function, inputs).outputs
    score, accept = whole.evaluate(inputs)
    np.testing.assert_array_equal(got.score, score)
    np.testing.assert_array_equal(got.accept, accept)


def test_zero_padding_is_part_of_the_window(tmp_path):
    """A convolution that pads, written as a layer that pads and one that does not."""
    function, inputs = toy.trigger(same), toy.images(60, seed=6)
    layers = list(graph(function))
    at = next(i for i, layer in enumerate(layers) if layer.kind == "Conv2D")
    conv = layers[at]
    sides = ("pad_top", "pad_bottom", "pad_left", "pad_right")
    height, width, channels = layers[at - 1].shape
    pad = replace(
        layers[at - 1], name="pad", kind="ZeroPadding2D", inputs=conv.inputs, outputs=("pad",),
        shape=(height + 2, width + 2, channels), attributes=dict.fromkeys(sides, 1),
    )
    bare = replace(conv, inputs=("pad",), attributes={
        **conv.attributes, **dict.fromkeys(sides, 0), "in_height": height + 2, "in_width": width + 2})
    engine = engine_of(function, 2, inputs, [*layers[:at], pad, bare, *layers[at + 1 :]])
    got = streaming.simulate(compiled(engine, tmp_path), engine, function, inputs).outputs
    np.testing.assert_array_equal(got.network, function.evaluate(inputs).network)
