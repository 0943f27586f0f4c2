"""What a reader asks first: exact, within budget, fast enough for the clock, better than what is there already."""

from __future__ import annotations

from dataclasses import dataclass

from l1trigger.physics.baselines import TITLES as BASELINE_TITLES
from l1trigger.report import vendor_tables
from l1trigger.report.against_baselines import NAME as OVER_BASELINE
from l1trigger.report.model import Report
from l1trigger.report.text import number


@dataclass(frozen=True)
class Verdict:
    """An answer.

    Attributes:
        style: ``good``, ``bad`` or ``unknown``.
        headline: in two or three words.
        sentence: with the numbers.
    """

    style: str
    headline: str
    sentence: str


def verdicts(report: Report) -> list[Verdict]:
    """The answers that a report has, in the order in which they are asked."""
    return [v for v in (_exact(report), _budget(report), _clock(report), _baselines(report)) if v is not None]


def _exact(report: Report) -> Verdict:
    integers = sum(b.outputs for b in report.bit_exact)
    wrong = sum(b.mismatches for b in report.bit_exact)
    if report.exact is None:
        return Verdict("unknown", "Not compared", "No levels were compared bit by bit.")
    if report.exact:
        return Verdict("good", "Bit-exact", f"0 mismatches in {number(integers)} integers.")
    return Verdict("bad", "Not bit-exact", f"{number(wrong)} of {number(integers)} integers differ.")


def _budget(report: Report) -> Verdict:
    met = [j.met for j in report.budget]
    if not met:
        return Verdict("unknown", "No budget", "The design sets no limits.")
    if False in met:
        return Verdict("bad", "Over budget", f"{met.count(False)} of {len(met)} limits missed.")
    if None in met:
        return Verdict("unknown", "Budget open", f"{met.count(None)} of {len(met)} limits not measured.")
    return Verdict("good", "Within budget", f"All {len(met)} limits met.")


def _clock(report: Report) -> Verdict | None:
    """Whether the longest stage fits into the clock period: the worst slack of a placed design, else an estimate."""
    slack = vendor_tables.headline(report.find("slack_ns"))
    if slack is not None and slack.value is not None:
        word = "Meets the clock" if slack.value >= 0 else "Misses the clock"
        return Verdict("good" if slack.value >= 0 else "bad", word,
                       f"Worst slack {slack.value:.2f} ns at {number(slack.clock_ns or 0)} ns, by {slack.tool}.")
    stage = vendor_tables.headline(report.find("estimated_stage_delay_ns"))
    if stage is None or stage.value is None or stage.clock_ns is None:
        return None
    longest = f"longest stage {stage.value:.2f} ns at a {number(stage.clock_ns)} ns clock"
    model = f"by the delay model of {stage.tool}; not placed and routed"
    if stage.value <= stage.clock_ns:
        return Verdict("good", "Fits the clock", f"Estimated: {longest}, {model}.")
    return Verdict("bad", "Slower than the clock",
                   f"Estimated: {longest}, {model}. More synth.stages or a longer convert.clock_ns.")


def _baselines(report: Report) -> Verdict | None:
    """How many signals the network accepts more of than the best baseline does at the design's own rate."""
    figures = [f for f in report.find(OVER_BASELINE) if f.interval]
    if not figures:
        return None
    above = [f for f in figures if f.interval and f.interval[0] > 0]
    below = [f for f in figures if f.interval and f.interval[1] < 0]
    level = len(figures) - len(above) - len(below)
    at = figures[0].conditions
    where = (
        f"{number(float(at['rate_khz']))} kHz" if "rate_khz" in at
        else f"a false positive rate of {number(float(at['false_positive_rate']))}"
    )
    titles = {s.name: s.title for s in report.samples}
    pairs = [(str(f.conditions["signal"]), str(f.conditions["baseline"])) for f in below]
    names = ", ".join(f"{titles.get(s, s)}: {BASELINE_TITLES.get(b, b)}" for s, b in pairs)
    sentence = (
        f"At {where}, signal efficiency against the best baseline: above for {len(above)} of {len(figures)} signals, "
        f"equal within errors for {level}, below for {len(below)}{f' ({names})' if names else ''}."
    )
    if below:
        return Verdict("bad", "Below a baseline", sentence)
    if len(above) == len(figures):
        return Verdict("good", "Above all baselines", sentence)
    return Verdict("unknown", "Level with baselines", sentence)
