"""Table of what each layer takes when it is synthesized alone."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from l1trigger.report.model import Report
from l1trigger.report.run_tables import three_digits
from l1trigger.report.tables import Book, Cell, Row, Table
from l1trigger.report.text import number

_PER_LAYER: Mapping[str, tuple[str, Callable[[float], str]]] = {
    "lut": ("LUT", number), "carry": ("CARRY4", number), "dsp": ("DSP", number), "bram18": ("BRAM 18k", number),
    "estimated_lut": ("LUT (estimate)", number), "estimated_delay_ns": ("delay (estimate) [ns]", three_digits),
}


def layer_resource_table(book: Book) -> Table:
    """Resources of each layer synthesized alone."""
    rows = []
    for layer, kind in _layers(book.report):
        found = {name: book.report.figure(name, layer=layer) for name in _PER_LAYER}
        rows.append(Row([
            Cell(layer), Cell(kind), *(book.cell(found[name], show) for name, (_, show) in _PER_LAYER.items()),
        ]))
    head = ["part", "kind", *(title for title, _ in _PER_LAYER.values())]
    counted = dict.fromkeys(str(f.conditions["counted"]) for f in book.report.find("estimated_lut")
                            if "layer" in f.conditions)
    source = next(f.source for f in book.report.find("lut") if "layer" in f.conditions)
    note = f"Sources {source} and, where the head says so, estimate. Synthesized {'; '.join(counted)}."
    return Table("Parts one by one", head, rows, note, numeric=2)


def has_layers(report: Report) -> bool:
    """Whether there is anything to show."""
    return bool(_layers(report))


def _layers(report: Report) -> list[tuple[str, str]]:
    """Name and kind of each layer, in order."""
    return [
        (str(f.conditions["layer"]), str(f.conditions.get("kind", ""))) for f in report.find("estimated_lut")
        if "layer" in f.conditions
    ]
