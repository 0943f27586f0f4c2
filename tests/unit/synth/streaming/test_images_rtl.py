"""The streaming engine of small convolutional triggers through Verilator: exact, at the clocks that it says."""

from dataclasses import replace

import numpy as np
import pytest
import toy_cnn
import toy_raster as toy

from l1trigger.convert import hls4ml
from l1trigger.sections import ConvertSection, SynthSection
from l1trigger.synth import verilator
from l1trigger.synth.streaming import machine

CLOCK_NS = 5.0


def valid(m, x):
    return m.dense(m.max_pool(m.conv(x)))


def same(m, x):
    return m.dense(m.max_pool(m.conv(m.conv(x, 2, padding="same"), padding="same")))


def strided(m, x):
    return m.dense(m.conv(m.conv(x, strides=2, padding="same"), 2, (2, 3)))


def thinned(m, x):
    """Rows have idle clocks behind the pooling, so that fewer lanes follow."""
    return m.dense(m.conv(m.max_pool(m.conv(x, 2)), 2, 2, strides=(1, 2)))


def pooled(m, x):
    return m.dense(m.average_pool(m.max_pool(x, 3, strides=2, padding="same")))


def meeting(m, x):
    a = m.conv(x, 2, padding="same")
    b = m.conv(a, 2, padding="same")
    total = m.quantize(m.layers.Add()([a, b]), 7, 3)
    return m.dense(m.max_pool(m.conv(m.layers.Concatenate()([total, b]), 3, 1)))


def padded(m, x):
    """More is put before the image than behind it; one channel each; pooled along one axis."""
    return m.dense(m.max_pool(m.conv(m.depthwise(m.pad(x, ((2, 0), (1, 1)))), 3, 1), (2, 1)))


def series(m, x):
    x = m.relu(m.q.QConv1D(3, 3, padding="same", **m.weights())(x))
    return m.dense(m.quantize(m.layers.GlobalAveragePooling1D()(m.layers.MaxPooling1D(2)(x)), 8, 3))


CASES = {
    "valid, one at a time": (valid, (6, 8, 2), 1), "valid, a row at a time": (valid, (6, 8, 2), 8),
    "same, rows filled up": (same, (5, 7, 2), 4), "strides": (strided, (6, 9, 1), 2),
    "fewer lanes": (thinned, (6, 12, 1), 8), "pooling": (pooled, (6, 8, 2), 4),
    "images that meet": (meeting, (5, 6, 2), 2), "padding, depthwise": (padded, (6, 8, 2), 4),
    "series": (series, (12, 2), 2), "image and features": (toy_cnn.CASES["features"], (6, 6, 1), 3),
}


@pytest.fixture(scope="module", params=CASES)
def simulated(request, tmp_path_factory):
    network, shape, parallel = CASES[request.param]
    if callable(network):
        function, inputs = toy.trigger(network, shape, flat=network is pooled), toy.images(80, shape, seed=31)
    else:
        written, options = network
        function = toy_cnn.trigger(written, **options)
        inputs = toy_cnn.images(80, len(function.scaling), seed=31)
        function = replace(function, threshold=int(np.median(function.evaluate(inputs).score)))
    layers = hls4ml.graph_layers(function.network, ConvertSection())
    engine = machine.build(function, layers, SynthSection(pixels_per_clock=parallel), {"a": inputs}, CLOCK_NS)
    folder = tmp_path_factory.mktemp("engine")
    made = machine.write(engine, folder / "rtl")
    return function, inputs, engine, verilator.build(made, folder / "verilator", "g++", 300)


@pytest.mark.parametrize("gap", [0, 1, 5])
def test_every_output_at_its_clock(simulated, gap):
    function, inputs, engine, simulator = simulated
    streamed = machine.simulate(simulator, engine, function, inputs, gap)
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


def test_copies_where_rows_have_idle_clocks():
    assert copies_of(thinned, (6, 12, 1), 8) == [8, 8, 4, 1, 1]  # two of the last convolution's lanes have a stride
    assert copies_of(thinned, (6, 12, 1), 4) == [4, 4, 2, 1, 1]


def copies_of(network, shape, parallel):
    function = toy.trigger(network, shape)
    layers = hls4ml.graph_layers(function.network, ConvertSection())
    samples = {"a": toy.images(5, shape)}
    engine = machine.build(function, layers, SynthSection(pixels_per_clock=parallel), samples, CLOCK_NS)
    return [n for _, n in engine.blocks]


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
