"""Teacher and student side by side: a table of signals, and their scores event by event."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from l1trigger.figures import Estimate
from l1trigger.physics import roc
from l1trigger.physics.baselines import TITLES
from l1trigger.report.measurement import Measurement
from l1trigger.report.model import Picture, Report
from l1trigger.report.plots_physics import Drawn, WorkingPoint, title
from l1trigger.report.style import SIGNAL_COLORS
from l1trigger.report.tables import Book, Cell, Row, Table
from l1trigger.report.text import number

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_POINTS = 400
"""Most events of one signal that are drawn."""


def is_taught(report: Report) -> bool:
    """Whether the design distills a student."""
    return bool(report.design.resolved.get("compress", {}).get("score") == "student") and len(report.levels) > 1


def tables(book: Book) -> list[Table]:
    """Teacher, student and the best baseline of each signal: area under the ROC, and efficiency at a rate."""
    report = book.report
    if not is_taught(report) or not book.signals:
        return []
    last = report.levels[-1]
    names = list(dict.fromkeys(str(f.conditions["baseline"]) for f in report.find("auc", "baseline")))
    wanted = _working_point(report)
    rows = []
    for s in book.signals:
        cells = [Cell(book.titles[s]), *_compared(book, names, s, WorkingPoint("auc"))]
        cells.insert(3, book.cell(book.find("auc_loss", last, signal=s)))
        if wanted:
            cells += _compared(book, names, s, wanted)
        rows.append(Row(cells))
    words = f", at {wanted.words}" if wanted else ""
    head = ["signal", "AUC teacher", f"AUC student ({last})", "difference", "AUC best baseline"]
    head += [f"teacher{words}", f"student{words}", f"best baseline{words}"] if wanted else []
    return [Table(
        "Teacher and student", head, rows,
        "Teacher: the float reference. Difference: teacher minus student, ± the error of the paired difference on the "
        f"same events. Best baseline: the largest of {', '.join(TITLES.get(n, n) for n in names)}, picked with the "
        "signal in view.", numeric=1,
    )]


def _working_point(report: Report) -> WorkingPoint | None:
    """The efficiency at the design's rate, or at the false positive rate that it cuts at."""
    threshold = report.design.resolved["compress"]["threshold"]
    if report.zero_bias and threshold["rate_khz"]:
        at = {"rate_khz": threshold["rate_khz"]}
        return WorkingPoint("tpr_at_rate", at, f"{number(threshold['rate_khz'])} kHz")
    wanted = threshold["false_positive_rate"]
    if wanted and report.find("tpr", false_positive_rate=wanted):
        at = {"false_positive_rate": wanted}
        return WorkingPoint("tpr", at, f"a false positive rate of {number(wanted)}")
    return None


def _compared(book: Book, baselines: Sequence[str], signal: str, at: WorkingPoint) -> list[Cell]:
    """One figure of the float level, of the last level, and of the best baseline with its name."""
    levels = [
        book.find(at.figure, level, signal=signal, **at.conditions) for level in ("float", book.report.levels[-1])
    ]
    trivial = [(b, book.find(at.figure, "baseline", signal=signal, baseline=b, **at.conditions)) for b in baselines]
    known = [(f.value, b, f) for b, f in trivial if f is not None and f.value is not None]
    best = max(known, key=lambda score: score[0]) if known else None
    cell = book.cell(best[2] if best else None)
    named = replace(cell, note=f"{cell.note} {TITLES.get(best[1], best[1])}".strip()) if best else cell
    return [*(book.cell(f) for f in levels), named]


def plots(measured: Measurement, report: Report) -> Drawn:
    """The student's score against the teacher's, background and signals."""
    if is_taught(report) and "float" in measured.levels:
        yield from _pictures(measured)


def _pictures(measured: Measurement) -> Iterator[tuple[Picture, Any]]:
    yield Picture(
        name="teacher_student", section="fidelity", title="Student against teacher",
        caption=f"Level {measured.last} against float. Grey: test background by event weight. Points: up to {_POINTS} "
        "events of each signal, with Spearman's ρ of teacher and student on all of its events. The line marks equal "
        "scores; dotted: the design's threshold.",
    ), partial(_scatter, measured)


def _scatter(measured: Measurement, ax: Axes) -> None:
    from matplotlib.colors import LogNorm

    teacher, student = (_scores(measured, level) for level in ("float", measured.last))
    name = measured.data.test.name
    every = np.concatenate([*teacher.values(), *student.values()])
    low, high = np.percentile(every, [0.01, 99.95])
    edges = np.linspace(low - 0.02 * (high - low), high + 0.02 * (high - low), 90)
    weight = measured.background("float").groups.weight
    counts, _, _ = np.histogram2d(teacher[name], student[name], (edges, edges), weights=weight)
    shown = np.ma.masked_less_equal(counts.T, 0)
    if shown.count():
        ax.pcolormesh(edges, edges, shown, norm=LogNorm(vmin=max(float(shown.min()), 1e-7)), cmap="Greys",
                      rasterized=True)
    rho = roc.spearman(measured.background("float"), measured.background(measured.last))
    ax.plot([], [], "s", color="#9c9ca1", label=_named("background", rho))
    for s, color in zip(measured.data.signals, SIGNAL_COLORS, strict=False):
        rho = roc.spearman(measured.levels["float"][s.name], measured.levels[measured.last][s.name])
        ax.plot(teacher[s.name][:_POINTS], student[s.name][:_POINTS], "o", markersize=3.5, alpha=0.6, color=color,
                markeredgewidth=0, label=_named(title(s.name), rho), rasterized=True)
    ax.plot(edges, edges, color="black", linewidth=1.2)
    for line in (ax.axvline, ax.axhline):
        line(measured.thresholds["float"], color="black", linestyle=":", linewidth=1.5)
    ax.set(xlabel="teacher: float score", ylabel=f"student: {measured.last} score", xlim=(edges[0], edges[-1]),
           ylim=(edges[0], edges[-1]))
    ax.legend(loc="upper left", markerscale=2.5)


def _named(words: str, rho: Estimate) -> str:
    return rf"{words}, $\rho$ = {rho.value:.3f}"


def _scores(measured: Measurement, level: Any) -> dict[str, NDArray[np.float64]]:
    """Scores of every sample in units of the float score."""
    return {
        n: np.asarray(measured.in_float_units(level, s.scores), np.float64) for n, s in measured.levels[level].items()
    }
