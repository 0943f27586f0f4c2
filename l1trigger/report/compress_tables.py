"""Tables of the report page that hold other networks beside this one: quantized without training, or from its front."""

from __future__ import annotations

from l1trigger.catalogue import FRONT, POST_TRAINING, Format, entry, ordered
from l1trigger.report.model import Report
from l1trigger.report.tables import Book, Cell, Row, Table
from l1trigger.report.text import number

_SIDE_BY_SIDE = Format(decimals=4)


def tables(book: Book) -> list[Table]:
    """Those of the tables whose figures were measured."""
    return [*_post_training(book), *_front(book)]


def _front(book: Book) -> list[Table]:
    """Networks for other targets, from the training of this one."""
    report = book.report
    names = [n.removeprefix(FRONT) for n in ordered(f.name for f in report.figures if f.name.startswith(FRONT))]
    if not names:
        return []
    rows = []
    for ebops in sorted({float(f.conditions["ebops"]) for f in report.figures if f.name.startswith(FRONT)}):
        figures = (report.figure(FRONT + n, ebops=ebops) for n in names)
        rows.append((ebops, Row([Cell(number(ebops, 4)), *(book.cell(f, how=_SIDE_BY_SIDE) for f in figures)])))
    own = report.figure("ebops")
    figures = (report.figure(n, "quantized") for n in names)
    rows.append((own.value or 0.0 if own else 0.0, Row(
        [Cell(f"{number(own.value or 0, 4) if own else ''} (this network)"),
         *(book.cell(f, how=_SIDE_BY_SIDE) for f in figures)]
    )))
    head = ["EBOPs", *(entry(n).head for n in names)]
    note = ("Level quantized, source dataset. EBOPs: bits of every weight times those of what it multiplies, plus "
            "those of every result; in logic of adders, one is about one look-up table. To take another of these "
            "networks, set compress.learned.lut.")
    return [Table("Other networks of this training", head, [r for _, r in sorted(rows, key=lambda r: r[0])], note,
                  numeric=1)]


def _post_training(book: Book) -> list[Table]:
    """Post-training quantization beside training."""
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
