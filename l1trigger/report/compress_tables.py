"""Table of the report page that holds quantization after training beside the network that was trained."""

from __future__ import annotations

from l1trigger.report.model import Report
from l1trigger.report.tables import Book, Cell, Row, Table, four

PREFIX = "post_training_"
_NAMES = {"accuracy": "accuracy", "auc": "area under the ROC", "mean_auc": "mean area under the ROC",
          "resolution": "energy resolution"}


def tables(book: Book) -> list[Table]:
    """Post-training quantization beside training; nothing where that was not measured."""
    rows = []
    for figure in [f for f in book.report.figures if f.name.startswith(PREFIX)]:
        name = figure.name.removeprefix(PREFIX)
        which = {k: figure.conditions[k] for k in ("signal", "sample", "true_energy_gev") if k in figure.conditions}
        rows.append(Row([
            Cell(_NAMES.get(name, name)), Cell(str(which.get("signal", which.get("sample", "")))),
            book.cell(book.report.figure(name, "float", **which), four), book.cell(figure, four),
            book.cell(book.report.figure(name, "quantized", **which), four),
        ]))
    if not rows:
        return []
    head = ["figure", "sample", "float", "quantized after training", "this network"]
    return [Table("Quantization with and without training", head, rows, _note(book.report), numeric=2)]


def _note(report: Report) -> str:
    figure = next(f for f in report.figures if f.name.startswith(PREFIX))
    return (
        "Level quantized, source dataset. After training: the same bit widths, weights rounded as the float reference "
        f"has them; correction of biases {figure.conditions['bias_correction']}, pruning: "
        f"{figure.conditions['pruning']}."
    )
