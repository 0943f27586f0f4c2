"""What tables say about the HLS route: figures of vendors' tools, and the functions inside the design."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from l1trigger.catalogue import entry, ordered
from l1trigger.figures import Figure, Source
from l1trigger.report.tables import Cell, Row, Table

if TYPE_CHECKING:
    from l1trigger.report.tables import Book

VENDORS = (Source.CSYNTH, Source.COSIM, Source.VSYNTH, Source.ROUTE)
_LONGEST = 15
"""Most functions that a table of the page shows; ``report.json`` has more."""


def headline(figures: Iterable[Figure]) -> Figure | None:
    """The figure of several of one name that a summary shows: the RTL's, or that of the HLS route's last step."""
    whole = [f for f in figures if f.of_whole]
    hls = [f for f in whole if f.source in VENDORS and f.value is not None]
    first = next((f for f in whole if f.source not in VENDORS), None)
    return first or max(hls, key=lambda f: VENDORS.index(f.source), default=whole[0] if whole else None)


def note(shown: Sequence[Figure]) -> str:
    """What must be known about the vendors' figures among those shown."""
    if not any(f.source in VENDORS for f in shown):
        return ""
    return ("csynth, cosim, vsynth and route are of the project that the vendor's tools were given; an HLS project is "
            "other firmware than the RTL. csynth is the HLS tool's own estimate, often several times what is placed; "
            "vsynth is after synthesis, route after place-and-route. ")


def remark(figure: Figure) -> str:
    """What stands beside a figure."""
    if figure.name == "cosim_pass":
        return str(figure.conditions.get("because", "1: yes"))
    return str(figure.conditions.get("design_state", ""))


def module_tables(book: Book) -> list[Table]:
    """The functions of the HLS project, the largest first, one table for each step that tells of them."""
    return [_module_table(book, s) for s in VENDORS
            if any(f.source is s and "module" in f.conditions for f in book.report.figures)]


def _module_table(book: Book, source: Source) -> Table:
    figures = {(str(f.conditions["module"]), f.name): f for f in book.report.figures
               if f.source is source and "module" in f.conditions}
    modules = list(dict.fromkeys(module for module, _ in figures))
    names = ordered(name for _, name in figures)
    rows = [
        Row([Cell(m, style="code"), Cell(source, style="source"), *(book.cell(figures.get((m, n))) for n in names)])
        for m in modules[:_LONGEST]
    ]
    rest = f" {len(modules) - len(rows)} smaller ones are in report.json." if len(modules) > len(rows) else ""
    return Table(f"Functions inside, by {source}", ["function", "source", *(entry(n).head for n in names)], rows,
                 f"Functions that call others include them.{rest}", numeric=2)
