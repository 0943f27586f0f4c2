"""Tables of the report page about classes: accuracy, and efficiency and purity of each class."""

from __future__ import annotations

from l1trigger.catalogue import entry
from l1trigger.report.tables import Book, Cell, Row, Table
from l1trigger.report.text import number


def tables(book: Book) -> list[Table]:
    """Everything about classes; nothing where there are none."""
    if not book.report.find("accuracy"):
        return []
    return [accuracy_table(book), per_class(book, "efficiency"), per_class(book, "purity")]


def accuracy_table(book: Book) -> Table:
    """Accuracy of every level and baseline, and what was lost against float."""
    rows: list[Row] = []
    for what, level, more in book.scores("accuracy"):
        accuracy = book.find("accuracy", level, **more)
        if accuracy is None:  # a baseline that tells no classes apart
            continue
        rows.append(Row([
            *_head(what, level, accuracy.source), book.cell(accuracy),
            book.cell(book.find("accuracy_loss", level, **more)),
            Cell(number(float(accuracy.conditions["events"]))),
        ], style=_line(rows, level)))
    head = ["classes from", "level", "source", "accuracy", "loss against float", "events"]
    return Table(
        entry("accuracy").heading, head, rows,
        "Fraction of the test events and signals together whose largest output is that of the true class. ± is half "
        "the Clopper-Pearson interval of 68 %, and for the loss the error of the paired difference on the same events.",
    )


_NOTES = {
    "efficiency": "Fraction of the events of a class that are found.",
    "purity":
        "Fraction of the events taken for a class that are of it, in the proportions of the test events and signals.",
}


def per_class(book: Book, name: str) -> Table:
    """One row per level and baseline, one column per class.

    Args:
        book: of the report.
        name: of the figure, ``efficiency`` or ``purity``.
    """
    classes = list(dict.fromkeys(str(f.conditions["class"]) for f in book.report.find(name)))
    rows: list[Row] = []
    for what, level, more in book.scores("accuracy"):
        figures = [book.find(name, level, **{"class": c}, **more) for c in classes]
        source = next((str(f.source) for f in figures if f), "")
        rows.append(Row([*_head(what, level, source), *(book.cell(f) for f in figures)],
                        style=_line(rows, level)))
    return Table(entry(name).heading, ["classes from", "level", "source", *classes], rows, _NOTES[name])


def _head(what: str, level: str, source: str) -> list[Cell]:
    return [Cell(what), Cell(level, style=f"level {level}"), Cell(source, style="source")]


def _line(rows: list[Row], level: str) -> str:
    """The style that parts the first baseline from the levels."""
    return "baselines" if level == "baseline" and not any(r.style == "baselines" for r in rows) else ""
