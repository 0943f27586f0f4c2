"""The streaming engine of a small GarNet trigger through Verilator: exact, latency and interval as the engine says."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import toy_garnet as toy
import toy_trigger

from l1trigger import synth
from l1trigger.convert import hls4ml
from l1trigger.csim.result import CsimResult
from l1trigger.errors import DesignError, UnsupportedLayerError
from l1trigger.network import QuantizedNetwork
from l1trigger.sections import ConvertSection, SynthSection
from l1trigger.synth import lower, verilator
from l1trigger.synth.result import SynthResult
from l1trigger.synth.streaming import machine

PART, CLOCK_NS = "xcvu9p-flga2104-2-e", 5.0
ONE_LAYER = {"aggregators": (2,), "propagate": (2,), "filters": (2,)}
CASES = {
    "folded mean": ({}, 4),
    "full max, all vertices at once": ({**ONE_LAYER, "variant": "full", "collapse": "max", "activation": "tanh"}, 8),
    "direct sum relu, one at a time": ({**ONE_LAYER, "fold": False, "collapse": "sum", "activation": "relu"}, 1),
}


def section(parallel: int, **more) -> SynthSection:
    return SynthSection(vertices_per_clock=parallel, **more)


def graph(function):
    return hls4ml.graph_layers(function.network, ConvertSection())


def engine_of(function, parallel, samples):
    return machine.build(function, graph(function), section(parallel), samples, CLOCK_NS)


@pytest.fixture(scope="module", params=CASES)
def simulated(request, tmp_path_factory):
    more, parallel = CASES[request.param]
    function, inputs = toy.trigger(**more), toy.clusters(150, seed=31)
    engine = engine_of(function, parallel, {"a": inputs})
    folder = tmp_path_factory.mktemp("engine")
    made = machine.write(engine, folder / "rtl")
    return function, inputs, engine, made, verilator.build(made, folder / "verilator", "g++", 300)


@pytest.mark.parametrize("gap", [0, 1, 5])
def test_every_output_at_its_clock(simulated, gap):
    function, inputs, engine, _, simulator = simulated
    streamed = machine.simulate(simulator, engine, function, inputs, gap)
    expected = function.evaluate(inputs)
    np.testing.assert_array_equal(streamed.outputs.network, expected.network)
    np.testing.assert_array_equal(streamed.outputs.score, expected.score)
    np.testing.assert_array_equal(streamed.outputs.accept, expected.accept)
    assert (streamed.latencies == engine.cycles).all()
    assert len(np.unique(expected.score)) > 10 and 0 < expected.accept.mean() < 1


def test_valid_follows_start_and_nothing_else(simulated):
    """Events at irregular clocks: a pulse for each, and none while hits come without a start."""
    function, inputs, engine, _, simulator = simulated
    at = np.cumsum(engine.beats + np.array([0, 3, 0, 7, 1, 0, 0, 2]))
    rng = np.random.default_rng(1)
    rows = np.zeros((at[-1] + engine.beats + engine.cycles, 1 + engine.parallel * len(engine.hit)), np.int16)
    rows[:, 1:] = rng.integers(0, 60, (len(rows), rows.shape[1] - 1))
    for event, first in enumerate(at):
        rows[first, 0] = 1
        rows[first : first + engine.beats, 1:] = inputs[event].reshape(engine.beats, -1)
    t = function.network.output_type.fraction
    stream = simulator.run(rows, (0, function.score_type.fraction, 0, t, t))
    np.testing.assert_array_equal(np.flatnonzero(stream[:, 0]), at + engine.cycles)
    np.testing.assert_array_equal(stream[at + engine.cycles, 3:], function.evaluate(inputs[: len(at)]).network)


def test_what_the_engine_says_of_itself(simulated):
    _, _, engine, made, _ = simulated
    assert engine.beats * engine.parallel == engine.vertices == toy.V
    copies = {b.name: n for b, n in engine.blocks}
    lanes = [n for n in copies if n.startswith("lane")]
    assert lanes == [f"lane{i}" for i in range(len(engine.passes))]
    assert all(c == (engine.parallel if n in lanes else 1) for n, c in copies.items())
    assert engine.lut == pytest.approx(sum(b.lut * n for b, n in engine.blocks)) and engine.lut > 0
    assert made.stages == sum(b.cycles for b, _ in engine.blocks)
    assert {p.name for p in made.sources} >= {"model.v", "tables.v", "lane0.v", "finish.v"}
    assert engine.register_bits > sum(b.register_bits * n for b, n in engine.blocks)


@pytest.mark.parametrize("parallel", [3, 5, 16])
def test_vertices_per_clock_that_do_not_divide(parallel):
    function = toy.trigger()
    with pytest.raises(DesignError, match=f"synth.vertices_per_clock: {parallel} does not divide the 8 vertices"):
        engine_of(function, parallel, {"a": toy.clusters(5)})


def test_layers_before_the_stack():
    function = toy.trigger()
    layers = graph(function)
    at = next(i for i, layer in enumerate(layers) if layer.kind == "QGarNetStack")
    assert machine.applies(layers, section(4)) and not machine.applies(layers[:at], section(4))
    dense = replace(next(layer for layer in layers if layer.kind == "Dense"), name="first")
    with pytest.raises(UnsupportedLayerError, match=r"before graph layers: first\. Remedy.*synth.route: none"):
        machine.build(function, [dense, *layers], section(4), {"a": toy.clusters(5)}, CLOCK_NS)


def test_ports_are_as_narrow_as_the_samples_allow():
    scaling, features = toy.trigger().scaling, 4
    narrow = lower.repeated_ports(scaling, features, [toy.clusters(50, extreme=0)])
    assert [str(t)[:12] for t in narrow] == ["ap_fixed<6,6", "ap_fixed<6,6", "ap_ufixed<6,", "ap_ufixed<10"]
    beyond = toy.clusters(50, extreme=0)
    beyond[3, 0, 1] = 32
    wide = lower.repeated_ports(scaling, features, [toy.clusters(50, extreme=0), beyond])
    assert [t.width for t in wide] == [6, 16, 6, 10]


SMALL = {**ONE_LAYER, "head": ()}
"""Synthesis takes its time."""


def measured_stage(function, data, folder, reference=None, trained=None, **more) -> SynthResult:
    """The stage with a C-simulation that gives what ``reference`` does."""
    truth = {e.name: (reference or function).evaluate(e.inputs) for e in data.evaluated}
    scores = {k: function.value(v.score) for k, v in truth.items()}
    simulated = CsimResult({"quantized": scores, "csim": scores}, {k: v.accept for k, v in truth.items()}, (), 1.0, {},
                           1, "g++")
    design = SimpleNamespace(
        convert=ConvertSection(), synth=section(4, **more), csim=SimpleNamespace(compiler="g++")
    )
    converted = SimpleNamespace(part=PART, clock_ns=CLOCK_NS, backend="Vitis")
    return synth.run(design, toy_trigger.results(data, function, converted, csim=simulated, trained=trained), folder)


@pytest.fixture(scope="module")
def data():
    return toy.data_set(toy.clusters(120, seed=41), toy.clusters(30, seed=42))


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("synth")


@pytest.fixture(scope="module")
def measured(data, folder):
    trained = SimpleNamespace(predicts=True, predictions=lambda outputs: {"energy": 16 * outputs[:, 1]})
    return measured_stage(toy.trigger(**SMALL), data, folder, trained=trained)


def test_stage_is_exact(measured, data):
    function, result = toy.trigger(**SMALL), measured
    assert result.comparisons and all(c.exact for c in result.comparisons)
    assert {c.between for c in result.comparisons} == {("csim", "rtl"), ("quantized", "rtl")}
    assert "network outputs of background, 3 idle clocks between events" in {c.what for c in result.comparisons}
    engine = engine_of(function, 4, {e.name: e.inputs for e in data.evaluated})
    assert (result.latency_cycles, result.initiation_interval, result.events) == (engine.cycles, 2, 150)
    for e in data.evaluated:
        truth = function.evaluate(e.inputs)
        np.testing.assert_array_equal(result.scores[e.name], function.value(truth.score))
        np.testing.assert_array_equal(result.accepts[e.name], truth.accept)
        value = function.network.output_type.value(truth.network)
        np.testing.assert_array_equal(result.predictions["energy"][e.name], 16 * value[:, 1])


def test_resources_are_those_of_all_copies(measured):
    result = measured
    named = {r.name: r for r in result.layers}
    for kind in ("lut", "ff"):
        total = sum(r.cells[kind] * (4 if n == "lane0" else 1) for n, r in named.items())
        assert result.cells[kind] == total > 0
    assert named["sums and delays"].cells["ff"] > 0
    assert list(named) == ["lane0", "tree0", "finish", "sums and delays"]
    assert result.longest_stage_layers[0] in named


def test_result_is_read_back(measured, tmp_path):
    measured.save(tmp_path)
    again = SynthResult.load(tmp_path)
    assert replace(again, predictions={}) == replace(measured, predictions={})
    for name, values in measured.predictions["energy"].items():
        np.testing.assert_array_equal(again.predictions["energy"][name], values)


def test_a_flipped_weight_is_noticed(measured, data, folder, tmp_path, monkeypatch):
    """The RTL of another network: mismatches are counted, and no latency is claimed."""
    # The RTL is the same as before, so that its simulation need not be compiled again.
    program = folder / "checkpoints" / "verilator" / "sim"
    old = verilator.Simulator(program, None, tmp_path / "log", 300)
    monkeypatch.setattr(verilator, "build", lambda rtl, *more, **options: replace(old, rtl=rtl))
    function = toy.trigger(**SMALL)
    weights = list(function.network.weights)
    last = weights[-1].copy()
    last[0] += 8 * function.network.output_type.lsb
    other = replace(function, network=QuantizedNetwork(
        function.network.config, (*weights[:-1], last), function.network.input_type, function.network.output_type
    ))
    result = measured_stage(function, data, tmp_path, reference=other, yosys=False)
    bad = [c for c in result.comparisons if not c.exact]
    assert {c.between for c in bad} == {("csim", "rtl")} and all(c.mismatches > 0 for c in bad)
    assert result.latency_cycles is None and result.initiation_interval is None
    assert "differs from csim" in result.reason
    assert not result.scores and not result.accepts and not result.predictions
    assert result.cells is None and result.estimated_lut > 0
