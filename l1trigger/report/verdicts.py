"""What a reader wants to know first, in words: the headlines of the page, and the last lines on the terminal."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Literal, NamedTuple

from l1trigger.catalogue import Better, Group, entries, entry
from l1trigger.figures import Figure
from l1trigger.physics.baselines import TITLES as BASELINE_TITLES
from l1trigger.report import vendor_tables
from l1trigger.report.model import Report
from l1trigger.report.tables import Book, Cell, Row, Table
from l1trigger.report.text import number

Style = Literal["good", "bad", "unknown"]
Standing = Literal["above", "equal", "below"]

DEVIATIONS = 2.0
"""Standard deviations from which on a difference counts."""

_STYLES: dict[Standing | None, Style] = {"above": "good", "equal": "unknown", "below": "bad", None: "unknown"}


class Verdict(NamedTuple):
    """The answer to one question."""

    style: Style
    headline: str
    sentence: str


def verdicts(report: Report) -> list[Verdict]:
    """Whether levels are equal, limits are met, the clock is met, and the network is better than the baselines."""
    return [_bits(report), _budget(report), *_clock(report), *_baselines(report)]


def _bits(report: Report) -> Verdict:
    integers = sum(b.outputs for b in report.bit_exact)
    wrong = sum(b.mismatches for b in report.bit_exact)
    if report.exact is None:
        return Verdict("unknown", "Not compared", "No levels were compared bit by bit.")
    if report.exact:
        pairs = ", ".join(dict.fromkeys(" = ".join(b.between) for b in report.bit_exact))
        return Verdict("good", "Bit-exact", f"0 mismatches in {number(integers)} integers, {pairs}.")
    return Verdict("bad", "Not bit-exact", f"{number(wrong)} of {number(integers)} integers differ.")


def _budget(report: Report) -> Verdict:
    met = [j.met for j in report.budget]
    if not met:
        return Verdict("unknown", "No budget", "The design sets no limits.")
    if False in met:
        missed = ", ".join(dict.fromkeys(j.figure for j in report.budget if j.met is False))
        return Verdict("bad", "Over budget", f"{met.count(False)} of {len(met)} limits missed: {missed}.")
    if None in met:
        return Verdict("unknown", "Budget open", f"{met.count(None)} of {len(met)} limits not measured.")
    return Verdict("good", "Within budget", f"All {len(met)} limits met.")


def _clock(report: Report) -> list[Verdict]:
    """Whether the longest stage fits into the clock period: of the RTL by its delay model, else as a tool measured."""
    stage = vendor_tables.headline(report.find("estimated_stage_delay_ns"))
    if stage is not None and stage.value is not None and stage.clock_ns:
        delay, clock = f"{number(stage.value, 3)} ns", f"{stage.clock_ns:g} ns clock"
        if stage.value > stage.clock_ns:
            return [Verdict(
                "bad", f"Longest stage {delay} > {clock}",
                "Does not close by alkaid's delay model: an estimate, no place-and-route. Remedy: more stages "
                "(synth.stages, synth.latency_cutoff_ns), or a longer convert.clock_ns.",
            )]
        return [Verdict("good", f"Longest stage {delay} ≤ {clock}",
                        "Closes by alkaid's delay model: an estimate, no place-and-route.")]
    slack = vendor_tables.headline(report.find("slack_ns"))
    if slack is not None and slack.value is not None:
        met = slack.value >= 0
        return [Verdict("good" if met else "bad", "Clock met" if met else "Clock not met",
                        f"Worst slack {number(slack.value, 3) if met else '−' + number(-slack.value, 3)} ns, source "
                        f"{slack.source}.")]
    return []


def _baselines(report: Report) -> list[Verdict]:
    """Whether the level nearest to hardware is better than the best baseline; nothing where there is none."""
    figures = _against_baselines(report)
    if not figures:
        return []
    known = [f for f in figures if f.value is not None]
    if not known:
        return [Verdict("unknown", "Not held against baselines", f"Not measured: {figures[0].reason}.")]
    seen = {standing(f) for f in known}
    if "below" in seen:
        style: Style = "unknown" if "above" in seen else "bad"
        headline = "Above and below the best baseline" if "above" in seen else "Below the best baseline"
    elif seen == {"above"}:
        style, headline = "good", "Above the best baseline"
    else:
        style = "unknown"
        headline = "Above or equal to the best baseline" if "above" in seen else "Equal to the best baseline"
    of_signals = [f for f in known if f.name == "tpr_above_best_baseline"]
    sentences = [_of_signals(report, of_signals)] if of_signals else []
    sentences += [f"{_what(f, Book(report))}: {_in_words(standing(f))}." for f in known if f not in of_signals]
    return [Verdict(style, headline, " ".join(sentences))]


def _of_signals(report: Report, figures: Sequence[Figure]) -> str:
    """For how many signals the network is above, equal and below, in one sentence."""
    counts = Counter(standing(f) for f in figures)
    every: tuple[Standing | None, ...] = ("above", "equal", "below", None)
    (first, n), *rest = [(s, counts[s]) for s in every if counts[s]]
    words = [f"{_in_words(first)} for {n} of {len(figures)} signals", *(f"{_in_words(s)} for {n}" for s, n in rest)]
    return f"At {_working_point(report, figures[0])}, level {figures[0].level}: {', '.join(words)}."


def _in_words(where: Standing | None) -> str:
    return {"above": "above", "equal": "equal within errors", "below": "below", None: "no error known"}[where]


def _working_point(report: Report, figure: Figure) -> str:
    """The rate at the design's threshold, or the false positive rate where no rate follows from the background."""
    rate = report.figure("rate_khz", figure.level)
    if rate is not None and rate.value is not None:
        return f"{number(rate.value, 3)} kHz"
    return f"a false positive rate of {number(float(figure.conditions['achieved_false_positive_rate']), 3)}"


def standing(figure: Figure) -> Standing | None:
    """Where a level stands against the best baseline; None when its error is not known."""
    known = entry(figure.name)
    if figure.value is None or figure.interval is None or known.equal_at is None:
        return None
    ahead = figure.value - known.equal_at
    if known.better is Better.LOWER:
        ahead = -ahead
    error = (figure.interval[1] - figure.interval[0]) / 2
    if abs(ahead) <= DEVIATIONS * error:
        return "equal"
    return "above" if ahead > 0 else "below"


def _against_baselines(report: Report) -> list[Figure]:
    """The figures that hold a level against the best baseline, in the order of their headings."""
    held = [e for heading in (*Group, None) for e in entries().values()
            if e.equal_at is not None and e.group is heading]
    return [f for e in held for f in report.find(e.name)]


def _what(figure: Figure, book: Book) -> str:
    """What is held against the baseline."""
    at = figure.conditions
    if "signal" in at:
        return book.titles.get(str(at["signal"]), str(at["signal"]))
    if "sample" in at:
        return f"Resolution of {book.titles.get(str(at['sample']), str(at['sample']))}"
    return entry("accuracy" if figure.name == "accuracy_above_best_baseline" else figure.name).heading


def baseline_table(book: Book) -> Table | None:
    """The level nearest to hardware beside the best baseline, signal by signal at the same rate; None without any."""
    report = book.report
    figures = _against_baselines(report)
    if not any(f.value is not None for f in figures):
        return None
    rows = []
    for f in figures:
        ours, theirs = _pair(report, f)
        baseline = str(f.conditions.get("best_baseline", ""))
        where = standing(f)
        rows.append(Row([
            Cell(_what(f, book)), Cell(BASELINE_TITLES.get(baseline, baseline)), book.cell(ours), book.cell(theirs),
            book.cell(f), Cell(_in_words(where) if f.value is not None else "", style=f"badge {_STYLES[where]}"),
        ]))
    first = next(f for f in figures if f.value is not None)
    at = "signal efficiency at " + _working_point(report, first) if "signal" in first.conditions else ""
    title = f"Against the best baseline{f': {at}' if at else ''}"
    head = ["", "best baseline", f"network ({first.level})", "baseline", "difference", ""]
    return Table(title, head, rows,
                 "The baseline cuts where it accepts as much background as the network does at the design's threshold. "
                 "Above or below: by more than two standard deviations of the paired difference, the background's part "
                 "included; the error of each efficiency alone holds its threshold fixed.", numeric=2)


def _pair(report: Report, figure: Figure) -> tuple[Figure | None, Figure | None]:
    """The figures that a comparison with the best baseline is made of."""
    at, level = figure.conditions, figure.level
    baseline = at.get("best_baseline")
    if "signal" in at:
        return (report.figure("tpr_at_threshold", level, signal=at["signal"]),
                report.figure("tpr_at_same_rate", "baseline", signal=at["signal"], baseline=baseline))
    if "sample" in at:
        every = {"sample": at["sample"], "true_energy_gev": "all"}
        return (report.figure("resolution", level, **every),
                report.figure("resolution", "baseline", baseline=baseline, **every))
    if figure.name == "accuracy_above_best_baseline":
        return report.figure("accuracy", level), report.figure("accuracy", "baseline", baseline=baseline)
    return None, None  # a figure of another package, which says by itself what it was held against
