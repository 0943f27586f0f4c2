"""What tables say about the HLS route: figures of vendors' tools, and the functions inside the design."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from l1trigger.figures import Figure, Source
from l1trigger.report.tables import Cell, Row, Table
from l1trigger.report.text import number

if TYPE_CHECKING:
    from l1trigger.report.tables import Book

TITLES = {
    "uram": "URAM", "estimated_clock_ns": "clock period, estimated", "achieved_clock_ns": "clock period, achieved",
    "slack_ns": "worst slack", "cosim_pass": "RTL equals C++", "power_w": "power on the chip",
    "dynamic_power_w": "dynamic power", "static_power_w": "static power",
}
VENDORS = (Source.CSYNTH, Source.COSIM, Source.VSYNTH, Source.ROUTE)
_OF_MODULES = {
    "latency_cycles": "latency", "initiation_interval": "interval", "lut": "LUT", "ff": "FF", "srl": "SRL",
    "dsp": "DSP", "bram18": "BRAM 18k", "uram": "URAM",
}
_LONGEST = 15
"""Most functions that a table of the page shows; ``report.json`` has more."""


def of_whole(figures: Iterable[Figure]) -> list[Figure]:
    """Figures of the whole design, without those of functions and layers inside."""
    return [f for f in figures if "module" not in f.conditions and "layer" not in f.conditions]


def headline(figures: Iterable[Figure]) -> Figure | None:
    """The figure of several of one name that a summary shows: the RTL's, or that of the HLS route's last step."""
    whole = of_whole(figures)
    hls = [f for f in whole if f.source in VENDORS and f.value is not None]
    first = next((f for f in whole if f.source not in VENDORS), None)
    return first or max(hls, key=lambda f: VENDORS.index(f.source), default=whole[0] if whole else None)


def note(shown: Sequence[Figure]) -> str:
    """What must be known about the vendors' figures among those shown."""
    if not any(f.source in VENDORS for f in shown):
        return ""
    return ("csynth, cosim, vsynth and route are of the HLS project, which is other firmware than the RTL: csynth is "
            "the HLS tool's own estimate, often several times what is placed; vsynth is after synthesis, route after "
            "place-and-route. ")


def unit(figure: Figure) -> str:
    """The unit in words; vendors count cycles, not the edges at the registers of a design's ports."""
    return {"latency_cycles": "cycles", "initiation_interval": "clocks"}.get(figure.name, figure.unit)


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
    found = {(str(f.conditions["module"]), f.name): f for f in book.report.figures
             if f.source is source and "module" in f.conditions}
    modules = list(dict.fromkeys(module for module, _ in found))
    names = [n for n in _OF_MODULES if any(name == n for _, name in found)]
    rows = [
        Row([Cell(m, style="code"), Cell(source, style="source"),
             *(book.cell(found.get((m, n)), number) for n in names)])
        for m in modules[:_LONGEST]
    ]
    rest = f" {len(modules) - len(rows)} smaller ones are in report.json." if len(modules) > len(rows) else ""
    return Table(f"Functions inside, by {source}", ["function", "source", *(_OF_MODULES[n] for n in names)], rows,
                 f"Functions that call others include them.{rest}", numeric=2)
