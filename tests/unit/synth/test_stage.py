"""Verilator and Yosys on a tiny trigger: exact, latency, resources; a design that differs is noticed."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import toy_trigger as toy

from l1trigger import frameworks, synth
from l1trigger.convert.result import ConvertResult
from l1trigger.csim.result import CsimResult
from l1trigger.data.scaling import ObjectInputs
from l1trigger.design import ConvertSection, Limit, SynthSection
from l1trigger.errors import DesignError
from l1trigger.fixed_point import FixedPoint
from l1trigger.network import QuantizedNetwork
from l1trigger.quantize import lint
from l1trigger.report.build import hardware_figures
from l1trigger.scores.kernels import KERNELS
from l1trigger.synth import devices, lower, verilator
from l1trigger.synth.result import SynthResult
from l1trigger.synth.synthesizer import count
from l1trigger.synth.yosys import Yosys
from l1trigger.trigger import TriggerFunction

PART = "xcvu9p-flga2104-2-e"


def objects(n, seed):
    e = toy.events(n, 19, seed) % np.array([500, 60, 60], np.int16)
    return np.where(e[..., :1] == 0, 0, e).astype(np.int16)


def simulated(function, data) -> CsimResult:
    """What the C-simulation would give."""
    truth = {e.name: function.evaluate(e.inputs) for e in data.evaluated}
    scores = {k: function.value(v.score) for k, v in truth.items()}
    accepts, outputs = {k: v.accept for k, v in truth.items()}, {k: v.network for k, v in truth.items()}
    return CsimResult(
        {"float": scores, "quantized": scores, "csim": scores}, accepts, (), 1.0, {}, 1, "g++", outputs=outputs
    )


@pytest.fixture(scope="module")
def tiny():
    function = toy.trigger((4, 1), scaling=ObjectInputs().scaling(), seed=2)
    data = toy.data_set(objects(1500, 1), objects(300, 2))
    return function, data, simulated(function, data)


def run(function, data, csim, folder, trained=None, **section) -> SynthResult:
    design = SimpleNamespace(
        convert=ConvertSection(), synth=SynthSection(**section), csim=SimpleNamespace(compiler="g++")
    )
    converted = SimpleNamespace(part=PART, clock_ns=5.0)
    return synth.run(design, toy.results(data, function, converted, csim=csim, trained=trained), folder)


@pytest.fixture(scope="module")
def measured(tiny, tmp_path_factory):
    folder = tmp_path_factory.mktemp("synth")
    return run(*tiny, folder, stages=2), folder


def test_exact_at_one_event_per_clock(measured):
    result, folder = measured
    assert {c.between for c in result.comparisons} == {("csim", "rtl"), ("quantized", "rtl")}
    assert all(c.exact for c in result.comparisons) and len(result.comparisons) == 6
    assert (result.stages, result.latency_cycles, result.initiation_interval, result.events) == (2, 3, 1, 1800)
    assert result.network_outputs == 0 and not result.predictions
    assert (folder / "rtl" / "src" / "model.v").exists()


def test_resources(measured):
    cells = measured[0].cells
    assert cells["dsp"] == cells["bram18"] == 0
    assert 0.6 < cells["lut"] / measured[0].estimated_lut < 1.6
    assert 0 < cells["ff"] <= 1.2 * measured[0].register_bits


def test_each_layer_alone(measured):
    result, _ = measured
    names = [r.name for r in result.layers]
    assert names[0] == "input_scaling" and {"dense_1", "dense_2"} <= set(names)
    assert 0.6 < sum(r.cells["lut"] for r in result.layers) / result.cells["lut"] < 1.6
    assert set(result.longest_stage_layers) <= {*names, "x", "score"} and result.longest_stage_layers
    figures = [f for f in hardware_figures(result) if f.name == "lut"]
    assert [f.conditions.get("layer") for f in figures] == [None, *names]


def test_result_is_read_back(measured, tmp_path):
    measured[0].save(tmp_path)
    again = SynthResult.load(tmp_path)
    assert again == measured[0]
    for name, scores in measured[0].scores.items():
        assert np.array_equal(again.scores[name], scores) and again.scores[name].dtype == np.float64
        assert np.array_equal(again.accepts[name], measured[0].accepts[name]) and again.accepts[name].dtype == bool


def test_scores_and_decisions_are_those_of_the_rtl(tiny, measured):
    function, data, _ = tiny
    for e in data.evaluated:
        truth = function.evaluate(e.inputs)
        assert np.array_equal(measured[0].scores[e.name], function.value(truth.score))
        assert np.array_equal(measured[0].accepts[e.name], truth.accept) and len(set(truth.score)) > 1


def test_figures_carry_source_part_and_clock(measured):
    figures = {f.name: f for f in hardware_figures(measured[0]) if "layer" not in f.conditions}
    assert figures["latency_ns"].value == 5 * figures["latency_cycles"].value == 15
    assert {f.part for f in figures.values()} == {PART} and {f.clock_ns for f in figures.values()} == {5.0}
    assert figures["latency_cycles"].source == "verilator" and figures["lut"].source == "yosys"
    assert figures["estimated_lut"].source == "estimate"
    assert figures["lut_percent"].value == pytest.approx(100 * figures["lut"].value / 1_182_240)
    assert "alkaid" in figures["estimated_lut"].tool and "verilator" in figures["latency_ns"].tool


def test_dsp_counts_for_all_that_is_synthesized(tiny, measured, tmp_path, monkeypatch):
    function, data, csim = tiny
    program, seen = measured[1] / "checkpoints" / "verilator" / "sim", []
    monkeypatch.setattr(verilator, "build", lambda rtl, *more: verilator.Simulator(program, rtl, tmp_path / "log", 300))

    def counted(self, module, folder):
        seen.append(self.options.dsp)
        return measured[0].cells

    def together(self, modules, folder):
        return {name: counted(self, module, folder) for name, module in modules.items()}

    monkeypatch.setattr(Yosys, "synthesize", counted)
    monkeypatch.setattr(Yosys, "_together", together)
    for dsp in (True, False):
        run(function, data, csim, tmp_path, stages=2, dsp=dsp)
    half = len(seen) // 2
    assert half > 2 and seen == [True] * half + [False] * half


def test_a_difference_is_recorded(tiny, tmp_path):
    function, data, csim = tiny
    wrong = dict(csim.scores["csim"])
    wrong["signal"] = wrong["signal"] + np.eye(1, 300, 17)[0] * function.score_type.lsb
    other = CsimResult({**csim.scores, "csim": wrong}, csim.accepts, (), 1.0, {}, 1, "g++")
    result = run(function, data, other, tmp_path, stages=1, yosys=False)
    assert result.latency_cycles is None and "differs" in result.reason and result.cells is None
    # Which event a score belongs to follows from the latency alone.
    assert not result.scores and not result.accepts
    bad = [c for c in result.comparisons if not c.exact]
    assert [(c.what, c.mismatches, c.first_mismatch.event) for c in bad] == [("score of signal", 1, 17)]
    figures = {f.name: f for f in hardware_figures(result)}
    assert figures["latency_ns"].value is None and figures["lut"].value is None


CLASSES = SimpleNamespace(predicts=True, predictions=lambda outputs: {"class": outputs.argmax(1)})
"""A reference whose outputs stand for classes."""


@pytest.fixture(scope="module")
def classified(tmp_path_factory):
    function = toy.trigger((5, 3), "margin", seed=2)
    data = toy.data_set(toy.events(800, seed=1), toy.events(200, seed=2))
    folder = tmp_path_factory.mktemp("classes")
    found = run(function, data, simulated(function, data), folder, CLASSES, stages=2, yosys=False, per_layer=False)
    return function, data, folder, found


def test_network_outputs_leave_the_rtl_where_they_mean_something(classified, tmp_path):
    function, data, _, found = classified
    assert all(c.exact for c in found.comparisons) and len(found.comparisons) == 8
    assert {c.what for c in found.comparisons if c.outputs == 3 * c.events} == {
        "network outputs of background", "network outputs of signal"
    }
    width = function.network.output_type.width
    assert found.network_outputs == 3 and 3 * width < found.ports[1] <= 3 * width + (width + 1) + 1
    for e in data.evaluated:
        truth = function.evaluate(e.inputs)
        np.testing.assert_array_equal(found.predictions["class"][e.name], truth.network.argmax(1))
        np.testing.assert_array_equal(found.scores[e.name], function.value(truth.score))
        assert len(set(truth.network.argmax(1))) == 3
    found.save(tmp_path)
    again = SynthResult.load(tmp_path)
    assert again == found
    np.testing.assert_array_equal(again.predictions["class"]["signal"], found.predictions["class"]["signal"])
    (figure,) = [f for f in hardware_figures(found) if f.name == "output_bits"]
    assert (figure.value, figure.conditions) == (found.ports[1], {"network_outputs": 3})


def test_a_difference_in_the_outputs_alone_is_recorded(classified, tmp_path, monkeypatch):
    function, data, folder, _ = classified
    # The RTL is the same as before, so that its simulation need not be compiled again.
    program = folder / "checkpoints" / "verilator" / "sim"
    monkeypatch.setattr(verilator, "build", lambda rtl, *more: verilator.Simulator(program, rtl, tmp_path / "log", 300))
    csim = simulated(function, data)
    csim.outputs["signal"][17, 2] += 1
    result = run(function, data, csim, tmp_path, CLASSES, stages=2, yosys=False, per_layer=False)
    assert result.latency_cycles is None and "differs" in result.reason
    assert not result.predictions and not result.scores
    bad = [c for c in result.comparisons if not c.exact]
    first = [(c.what, c.mismatches, c.first_mismatch.event, c.first_mismatch.output) for c in bad]
    assert first == [("network outputs of signal", 1, 17, 2)]


def test_outputs_that_mean_nothing_stay_inside(tiny):
    function = tiny[0]
    logic = lower.lower(function, SynthSection(), lower.ports(function.scaling))
    assert logic.output_types == () and not function.keeps_outputs
    with_outputs = lower.lower(function, SynthSection(), lower.ports(function.scaling), with_outputs=True)
    assert with_outputs.output_types == (function.network.output_type,)


def image_trigger():
    """A trigger with a convolution, pooling, a table and a softmax; the logic, not QKeras, says what it computes."""
    keras, q = frameworks.keras(), frameworks.qkeras()
    scaling = toy.small_scaling()
    inside, outside = scaling.network_type, FixedPoint.from_quantized_bits(10, 3)
    frameworks.seed_everything(6)

    def quantized(x, bits, integer, name):
        return q.QActivation(f"quantized_bits({bits},{integer},alpha=1)", name=name)(x)

    def weights(role="kernel"):
        return {f"{role}_quantizer": q.quantized_bits(5, 0, alpha=1), "bias_quantizer": q.quantized_bits(5, 0, alpha=1)}

    first = keras.Input((9,), name="x")
    x = keras.layers.Reshape((3, 3, 1))(quantized(first, inside.width, inside.integer - 1, "input_type"))
    x = q.QActivation("quantized_relu(6,3)", name="relu")(q.QConv2D(2, 2, padding="same", **weights())(x))
    x = keras.layers.Flatten()(keras.layers.MaxPooling2D((2, 1))(x))
    a = q.QActivation("quantized_tanh(7,0,use_real_tanh=1)")(quantized(q.QDense(3, **weights())(x), 8, 2, "a"))
    b = keras.layers.Activation("softmax")(quantized(q.QDense(3, **weights())(x), 7, 2, "b"))
    x = keras.layers.Concatenate()([a, quantized(b, 8, 0, "b_type")])
    x = quantized(q.QDense(1, **weights())(x), 10, 3, "output_type")
    network = QuantizedNetwork.from_keras(keras.Model(first, x), inside, outside)
    t = KERNELS["identity"].score_type(scaling, network)
    return TriggerFunction("image", scaling, network, "student", t, t.raw(-1.0).item())


def test_every_operation_in_verilog(tmp_path, monkeypatch):
    monkeypatch.setattr(lint, "require", lambda findings: None)
    function = image_trigger()
    data = toy.data_set(toy.events(1500), toy.events(200, seed=1))
    logic = lower.lower(function, SynthSection(), lower.ports(function.scaling))
    scores, accepts = {}, {}
    for e in data.evaluated:
        raw, accept = logic.evaluate(e.inputs)
        scores[e.name], accepts[e.name] = function.value(raw), accept.astype(bool)
    csim = CsimResult({"quantized": scores, "csim": scores}, accepts, (), 1.0, {}, 1, "g++")
    result = run(function, data, csim, tmp_path, stages=3, yosys=False, per_layer=False)
    assert all(c.exact for c in result.comparisons) and result.latency_cycles == 4
    assert len(np.unique(scores["background"])) > 20 and 0 < accepts["background"].mean() < 1


def test_without_rtl(tiny, tmp_path):
    result = run(*tiny, tmp_path, route="none")
    measured = [f for f in hardware_figures(result) if not f.name.startswith("hls_")]
    assert measured and all(f.value is None and f.reason == "synth.route is none" for f in measured)
    # The estimate of the HLS route needs no RTL.
    assert result.hls is not None and result.hls.totals["lut"].value > 0


def test_both_routes_side_by_side(tiny, tmp_path):
    tools = Path(__file__).parents[2] / "mock_tools" / "works"
    project = tmp_path / "project"
    project.mkdir()
    (project / "build.tcl").write_text("open_project -reset toy_prj\nset_top toy_trigger\n")
    section = SynthSection(route="both", stages=1, yosys=False, vendor={"tool": str(tools)})
    design = SimpleNamespace(convert=ConvertSection(), synth=section, csim=SimpleNamespace(compiler="g++"))
    converted = ConvertResult(project, "toy_trigger", "Vitis", PART, 5.0, {}, {})
    function, data, csim = tiny
    result = synth.run(design, toy.results(data, function, converted, csim=csim), tmp_path)
    latency = {(f.level, str(f.source)): f.value for f in hardware_figures(result)
               if f.name == "latency_cycles" and "module" not in f.conditions}
    assert latency == {("rtl", "verilator"): 2, (None, "csynth"): 12}
    result.save(tmp_path)
    assert SynthResult.load(tmp_path) == result


def test_cells_are_counted_by_kind():
    cells = {"LUT6": 3, "LUT2": 2, "FDRE": 7, "SRL16E": 1, "SRLC32E": 1, "DSP48E2": 4, "RAMB36E2": 1, "RAMB18E2": 1,
             "CARRY4": 5, "MUXF7": 6, "INV": 9}
    assert count(cells) == {"lut": 5, "ff": 7, "srl": 2, "dsp": 4, "bram18": 3, "carry": 5, "mux": 6}


def test_every_part_has_a_device():
    from l1trigger.design import PARTS

    assert all(devices.device(p).lut > 0 for p in PARTS)
    with pytest.raises(DesignError, match="not in the table"):
        devices.device("xcnone")


def test_budget_keys_exist():
    from l1trigger.report.budget import judge

    figures = hardware_figures(SynthResult(PART, 5.0, reason="not run"))
    for key in ("latency_cycles", "latency_ns", "initiation_interval", "lut", "lut_percent", "dsp", "ff", "bram18"):
        (verdict,) = judge({key: Limit(max=1)}, figures)
        assert verdict.met is None and verdict.reason == "not run"
