"""Tables of the report page as plain values; the template only writes them down."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from l1trigger.catalogue import Better, Format, entry
from l1trigger.figures import Figure, Source
from l1trigger.physics.baselines import TITLES as BASELINE_TITLES
from l1trigger.report.model import Report
from l1trigger.report.text import as_precise, formatted, half_width, number, power_of_ten, span

ABSENT = "–"
FACTORS = frozenset({Source.ESTIMATE, Source.YOSYS})
"""Sources whose errors are factors: an interval is printed by its ends."""


@dataclass(frozen=True)
class Cell:
    """One cell.

    Attributes:
        text: what is printed.
        note: small print behind it, e.g. an error.
        hint: shown on hovering.
        style: CSS classes.
        figure: index of the figure in ``report.json`` whose value is printed.
        value: that value in full.
        span: how many columns it takes.
    """

    text: str
    note: str = ""
    hint: str = ""
    style: str = ""
    figure: int | None = None
    value: float | None = None
    span: int = 1


@dataclass(frozen=True)
class Row:
    """One row; ``group`` starts a new group with a heading of its own."""

    cells: Sequence[Cell]
    group: str = ""
    style: str = ""


@dataclass(frozen=True)
class Table:
    """One table.

    Attributes:
        title: above it.
        head: of the columns; those from ``numeric`` on hold numbers.
        rows: of cells.
        note: below it.
        numeric: index of the first column with numbers.
    """

    title: str
    head: Sequence[str]
    rows: Sequence[Row]
    note: str = ""
    numeric: int = 3


class Book:
    """Finds the figures of a report and prints them."""

    def __init__(self, report: Report) -> None:
        self.report = report
        self._index = {id(f): i for i, f in enumerate(report.figures)}
        self.signals = [s.name for s in report.samples if s.role == "signal"]
        self.titles = {s.name: s.title for s in report.samples}

    def cell(self, figure: Figure | None, style: str = "", how: Format | None = None) -> Cell:
        """A figure as a cell: its value and error, or 'not measured' with the reason.

        Args:
            figure: to print; None for one that there is not.
            style: CSS classes.
            how: it is printed; None takes what the catalogue says.
        """
        if figure is None:
            return Cell(ABSENT, style="absent")
        if figure.value is None:
            return Cell("not measured", "", figure.reason or "", "withheld", self._index[id(figure)])
        text, error = formatted(figure.value, how or entry(figure.name).printed), half_width(figure)
        note = f"± {as_precise(error, text)}" if error is not None else ""
        if figure.interval and figure.source in FACTORS:
            note = span(figure.interval)
        return Cell(text, note, describe(figure), style, self._index[id(figure)], figure.value)

    def scores(self, figure: str = "auc") -> list[tuple[str, str, dict[str, str]]]:
        """What has a row in tables of scores: (title, level, conditions); baselines only if they have the figure."""
        rows = [("network", level, dict[str, str]()) for level in self.report.levels]
        names = dict.fromkeys(
            str(f.conditions["baseline"]) for f in self.report.find(figure) if "baseline" in f.conditions
        )
        return rows + [(BASELINE_TITLES.get(n, n), "baseline", {"baseline": n}) for n in names]

    def find(self, name: str, level: str, **conditions: str | float) -> Figure | None:
        """The figure of a level; rows of the network do not find those of baselines."""
        return self.report.figure(name, level, **conditions)


def describe(figure: Figure) -> str:
    """Where a figure comes from, in one line."""
    parts = [f"{figure.name} = {figure.value!r}{' ' + figure.unit if figure.unit else ''}",
             f"level {figure.level}" if figure.level else "", f"source {figure.source}", figure.tool or ""]
    if figure.interval:
        parts.append(f"68 % interval {figure.interval[0]:.6g} to {figure.interval[1]:.6g} ({figure.interval_method})")
    parts += [f"{k} {v if isinstance(v, str) else format(v, '.6g')}" for k, v in figure.conditions.items()]
    return "; ".join(p for p in parts if p)


@dataclass(frozen=True)
class Block:
    """Rows of a table, one per level and baseline, of the same figure.

    Attributes:
        figure: its name.
        conditions: beside the signal.
        heading: above the rows.
    """

    figure: str
    conditions: Mapping[str, float] = field(default_factory=dict)
    heading: str = ""


def per_signal(
    book: Book, title: str, blocks: Iterable[Block], note: str = "", extra: Sequence[tuple[str, str]] = (),
) -> Table:
    """A table with one row per level and baseline, one column per signal; the best of a column is marked.

    Args:
        book: of the report.
        title: of the table.
        blocks: of rows.
        note: below the table.
        extra: (heading, figure name) of columns without signal.
    """
    rows = [row for block in blocks for row in _block_rows(book, block, [name for _, name in extra])]
    head = ["score", "level", "source", *(book.titles[s] for s in book.signals), *(h for h, _ in extra)]
    return Table(title, head, rows, note)


def _block_rows(book: Book, block: Block, extra: Sequence[str]) -> Iterator[Row]:
    scores = book.scores()
    figures = [
        [book.find(block.figure, level, signal=s, **more, **block.conditions) for s in book.signals]
        for _, level, more in scores
    ]
    best = [max((f.value for f in column if f and f.value is not None), default=None)
            for column in zip(*figures, strict=True)]
    marked = entry(block.figure).better is Better.HIGHER
    for k, (what, level, more) in enumerate(scores):
        source = next((f.source for f in figures[k] if f), "")
        cells = [Cell(what), Cell(level, style=f"level {level}"), Cell(source, style="source")]
        cells += _joined([
            book.cell(f, "best" if marked and f and f.value is not None and f.value == b else "")
            for f, b in zip(figures[k], best, strict=True)
        ])
        cells += [book.cell(book.find(other, level, **more)) for other in extra]
        first_baseline = level == "baseline" and scores[k - 1][1] != "baseline"
        yield Row(cells, block.heading if k == 0 else "", "baselines" if first_baseline else "")


def _joined(cells: list[Cell]) -> list[Cell]:
    """One wide cell in place of several that are withheld for the same reason."""
    first = cells[0] if cells else None
    if first is None or first.style != "withheld" or any(c.hint != first.hint for c in cells):
        return cells
    return [replace(first, span=len(cells))]


def auc_table(book: Book) -> Table:
    """Areas under the ROC, and the rank correlation with the float score."""
    return per_signal(
        book, "Area under the ROC", [Block("auc")],
        "Bold: best of its column. ± is one standard deviation (DeLong, the background's part from disjoint sub-pools "
        "where there are any). ρ: Spearman's rank correlation with the float score on the test background. "
        "Mean AUC alone proves little: compare with the baselines, signal by signal.",
        [("mean", "mean_auc"), ("ρ with float", "spearman_rho")],
    )


def tpr_table(book: Book) -> Table:
    """Signal efficiency at false positive rates."""
    wanted = dict.fromkeys(f.conditions["false_positive_rate"] for f in book.report.find("tpr"))
    known = {f.conditions["false_positive_rate"] for f in book.report.find("tpr") if f.value is not None}
    if not book.report.zero_bias:  # small samples end early; their reasons stay among all figures
        wanted = {w: None for w in wanted if w in known} or wanted
    blocks = [
        Block("tpr", {"false_positive_rate": float(w)}, f"at a false positive rate of {power_of_ten(float(w))}")
        for w in wanted
    ]
    return per_signal(
        book, "Signal efficiency at a false positive rate", blocks,
        "± is half the Clopper-Pearson interval of 68 %, threshold held fixed. Scores tie; the achieved false positive "
        "rate is never above the stated one (tpr_interpolated, below, meets it exactly). Below 10⁻³ at least 100 "
        "background events must remain above threshold, and a zero-bias sample needs 30 effective ones.",
    )


def tpr_at_rate_table(book: Book) -> Table:
    """Signal efficiency at trigger rates."""
    card = book.report.data
    assert card is not None  # without data there is no zero bias, and no rate
    wanted = sorted({float(f.conditions["rate_khz"]) for f in book.report.find("tpr_at_rate")})
    blocks = [Block("tpr_at_rate", {"rate_khz": w}, f"at {number(w)} kHz") for w in wanted]
    return per_signal(
        book, "Signal efficiency at a trigger rate", blocks,
        f"Rates for {number(card.colliding_bunches)} colliding bunches "
        f"({number(card.crossing_rate_khz)} kHz of crossings); withheld where the rate rests on fewer than "
        "30 effective independent events.",
    )


def loss_table(book: Book) -> Table:
    """Loss of AUC against the float level."""
    table = per_signal(
        book, "Loss of AUC against the float level", [Block("auc_loss")],
        "Positive: worse than float. ± is the error of the paired difference on the same events.",
        [("mean", "mean_auc_loss"), ("worst", "worst_auc_loss")],
    )
    rows = [r for r in table.rows if r.cells[1].text != "float"]
    return Table(table.title, table.head, rows, table.note)
