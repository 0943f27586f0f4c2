"""Verilator and Yosys on a tiny trigger: exact, latency, resources; a design that differs is noticed."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
import toy_trigger as toy

from l1trigger import synth
from l1trigger.csim.result import CsimResult
from l1trigger.data.scaling import ObjectInputs
from l1trigger.design import ConvertSection, Limit, SynthSection
from l1trigger.errors import DesignError, ToolFailedError
from l1trigger.report.build import hardware_figures
from l1trigger.synth import devices, yosys
from l1trigger.synth.result import SynthResult
from l1trigger.synth.tool import call

PART = "xcvu9p-flga2104-2-e"


def objects(n, seed):
    e = toy.events(n, 19, seed) % np.array([500, 60, 60], np.int16)
    return np.where(e[..., :1] == 0, 0, e).astype(np.int16)


def simulated(function, data) -> CsimResult:
    """What the C-simulation would give."""
    truth = {e.name: function.evaluate(e.inputs) for e in data.evaluated}
    scores = {k: function.value(v.score) for k, v in truth.items()}
    accepts = {k: v.accept for k, v in truth.items()}
    return CsimResult({"float": scores, "quantized": scores, "csim": scores}, accepts, (), 1.0, {}, 1, "g++")


@pytest.fixture(scope="module")
def tiny():
    function = toy.trigger((4, 1), scaling=ObjectInputs().scaling(), seed=2)
    data = toy.data_set(objects(1500, 1), objects(300, 2))
    return function, data, simulated(function, data)


def run(function, data, csim, folder, **section) -> SynthResult:
    csim_section = SimpleNamespace(compiler="g++")
    design = SimpleNamespace(synth=SynthSection(**section), csim=csim_section, convert=ConvertSection())
    converted = SimpleNamespace(part=PART, clock_ns=5.0)
    return synth.run(design, data, function, converted, csim, folder, folder / "work")


@pytest.fixture(scope="module")
def measured(tiny, tmp_path_factory):
    folder = tmp_path_factory.mktemp("synth")
    return run(*tiny, folder, stages=2), folder


def test_exact_at_one_event_per_clock(measured):
    result, folder = measured
    assert {c.between for c in result.comparisons} == {("csim", "rtl"), ("quantized", "rtl")}
    assert all(c.exact for c in result.comparisons) and len(result.comparisons) == 6
    assert (result.stages, result.latency_cycles, result.initiation_interval, result.events) == (2, 3, 1, 1800)
    assert (folder / "rtl" / "src" / "model.v").exists()


def test_resources(measured):
    cells = measured[0].cells
    assert cells["dsp"] == cells["bram18"] == 0
    assert 0.6 < cells["lut"] / measured[0].estimated_lut < 1.6
    assert 0 < cells["ff"] <= 1.2 * measured[0].register_bits


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
    figures = {f.name: f for f in hardware_figures(measured[0])}
    assert figures["latency_ns"].value == 5 * figures["latency_cycles"].value == 15
    assert {f.part for f in figures.values()} == {PART} and {f.clock_ns for f in figures.values()} == {5.0}
    assert figures["latency_cycles"].source == "verilator" and figures["lut"].source == "yosys"
    assert figures["estimated_lut"].source == "estimate"
    assert figures["lut_percent"].value == pytest.approx(100 * figures["lut"].value / 1_182_240)
    assert "alkaid" in figures["estimated_lut"].tool and "verilator" in figures["latency_ns"].tool


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


def test_without_rtl(tiny, tmp_path):
    result = run(*tiny, tmp_path, route="none")
    measured = [f for f in hardware_figures(result) if not f.name.startswith("hls_")]
    assert measured and all(f.value is None and f.reason == "synth.route is none" for f in measured)
    # The estimate of the HLS route needs no RTL.
    assert result.hls is not None and result.hls.totals["lut"].value > 0


def test_cells_are_counted_by_kind():
    cells = {"LUT6": 3, "LUT2": 2, "FDRE": 7, "SRL16E": 1, "SRLC32E": 1, "DSP48E2": 4, "RAMB36E2": 1, "RAMB18E2": 1,
             "CARRY4": 5, "MUXF7": 6, "INV": 9}
    assert yosys.count(cells) == {"lut": 5, "ff": 7, "srl": 2, "dsp": 4, "bram18": 3, "carry": 5, "mux": 6}


def test_every_part_has_a_device():
    from l1trigger.design import PARTS

    assert all(devices.device(p).lut > 0 for p in PARTS)
    with pytest.raises(DesignError, match="not in the table"):
        devices.device("xcnone")


@pytest.mark.parametrize(("script", "limit", "code"), [("exit 3", 9, 3), ("sleep 9", 0.2, None)])
def test_a_failing_tool_leaves_its_log(tmp_path, script, limit, code):
    with pytest.raises(ToolFailedError) as e:
        call("sh", ["sh", "-c", f"echo words; {script}"], tmp_path / "log", limit)
    assert e.value.return_code == code and "words" in (tmp_path / "log").read_text()


def test_budget_keys_exist():
    from l1trigger.report.budget import judge

    figures = hardware_figures(SynthResult(PART, 5.0, reason="not run"))
    for key in ("latency_cycles", "latency_ns", "initiation_interval", "lut", "lut_percent", "dsp", "ff", "bram18"):
        (verdict,) = judge({key: Limit(max=1)}, figures)
        assert verdict.met is None and verdict.reason == "not run"
