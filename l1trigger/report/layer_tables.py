"""Table of what each layer takes when it is synthesized alone."""

from __future__ import annotations

from l1trigger.catalogue import entry
from l1trigger.figures import Figure, Source
from l1trigger.report.model import Report
from l1trigger.report.tables import Book, Cell, Row, Table


def layer_resource_table(book: Book) -> Table:
    """Resources of each layer synthesized alone."""
    of_layers = {f.name: f for f in book.report.figures if "layer" in f.conditions and "kind" in f.conditions}
    rows = [
        Row([Cell(layer), Cell(kind), *(book.cell(book.report.figure(name, layer=layer)) for name in of_layers)])
        for layer, kind in _layers(book.report)
    ]
    head = ["part", "kind", *(_head(f) for f in of_layers.values())]
    counted = dict.fromkeys(str(f.conditions["counted"]) for f in book.report.find("estimated_lut")
                            if "layer" in f.conditions)
    source = next(f.source for f in book.report.find("lut") if "layer" in f.conditions)
    note = f"Sources {source} and, where the head says so, estimate. Synthesized {'; '.join(counted)}."
    return Table("Parts one by one", head, rows, note, numeric=2)


def _head(figure: Figure) -> str:
    """Title of a column, with the unit and the source where it is an estimate."""
    estimated = " (estimate)" if figure.source is Source.ESTIMATE else ""
    return entry(figure.name).head + estimated + (f" [{figure.unit}]" if figure.unit else "")


def has_layers(report: Report) -> bool:
    """Whether there is anything to show."""
    return bool(_layers(report))


def _layers(report: Report) -> list[tuple[str, str]]:
    """Name and kind of each layer, in order."""
    return [
        (str(f.conditions["layer"]), str(f.conditions.get("kind", ""))) for f in report.find("estimated_lut")
        if "layer" in f.conditions
    ]
