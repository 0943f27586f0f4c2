"""Table of the report page that holds quantization after training beside the network that was trained."""

from __future__ import annotations

from l1trigger.catalogue import POST_TRAINING, Format, entry
from l1trigger.report.model import Report
from l1trigger.report.tables import Book, Cell, Row, Table

_SIDE_BY_SIDE = Format(decimals=4)


def tables(book: Book) -> list[Table]:
    """Post-training quantization beside training; nothing where that was not measured."""
    rows = []
    for figure in [f for f in book.report.figures if f.name.startswith(POST_TRAINING)]:
        name = figure.name.removeprefix(POST_TRAINING)
        which = {k: figure.conditions[k] for k in ("signal", "sample", "true_energy_gev") if k in figure.conditions}
        rows.append(Row([
            Cell(entry(name).title), Cell(str(which.get("signal", which.get("sample", "")))),
            *(book.cell(f, how=_SIDE_BY_SIDE) for f in (
                book.report.figure(name, "float", **which), figure, book.report.figure(name, "quantized", **which),
            )),
        ]))
    if not rows:
        return []
    head = ["figure", "sample", "float", "quantized after training", "this network"]
    return [Table("Quantization with and without training", head, rows, _note(book.report), numeric=2)]


def _note(report: Report) -> str:
    figure = next(f for f in report.figures if f.name.startswith(POST_TRAINING))
    return (
        "Level quantized, source dataset. After training: the same bit widths, weights rounded as the float reference "
        f"has them; correction of biases {figure.conditions['bias_correction']}, pruning: "
        f"{figure.conditions['pruning']}."
    )
