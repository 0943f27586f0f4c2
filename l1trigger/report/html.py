"""The report as one self-contained HTML page."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import replace

from l1trigger.catalogue import entries, entry
from l1trigger.figures import Figure
from l1trigger.report import (
    class_tables,
    compress_tables,
    hls,
    layer_tables,
    pileup_tables,
    run_tables,
    tables,
    teacher,
    vendor_tables,
    verdicts,
)
from l1trigger.report.model import Report
from l1trigger.report.tables import Book, Cell, Table
from l1trigger.report.text import number

Images = Mapping[str, tuple[str, bytes]]
"""Picture name to (MIME type, content)."""


def render(report: Report, images: Images) -> str:
    """The page.

    Args:
        report: what it says.
        images: what it shows; a picture of the report without an image is left out.
    """
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("l1trigger.report"), undefined=StrictUndefined, autoescape=True, trim_blocks=True,
        lstrip_blocks=True,
    )
    book = Book(report)
    pictures: dict[str, list[tuple[object, str]]] = {}
    for p in report.pictures:
        if p.name in images:
            mime, content = images[p.name]
            uri = f"data:{mime};base64,{base64.b64encode(content).decode()}"
            pictures.setdefault(p.section, []).append((p, uri))
    template = environment.get_template("report.html.j2")
    return template.render(
        report=report, verdicts=verdicts.verdicts(report), against=verdicts.baseline_table(book), tiles=tiles(book),
        tables=all_tables(book), pictures=pictures, number=number, seconds=_seconds, absent=_absent_level(report),
    )


def _absent_level(report: Report) -> str:
    """A sentence on the RTL where it is no level of the physics, with the reason."""
    events = report.figure("physics_events", "rtl")
    return f" Level rtl is not among them: {events.reason}." if events and events.reason else ""


def tiles(book: Book) -> list[tuple[str, Cell, str]]:
    """The summary strip: (label, value, source)."""
    report = book.report
    left_out = "false_positive_rate" if report.zero_bias else "rate_khz"
    strip = []
    for known in entries().values():
        figure = _headline(report, known.name) if known.tile and known.name != left_out else None
        if figure is None:
            continue
        cell = book.cell(figure)
        unit = {"1/s": ""}.get(figure.unit, figure.unit or known.counted_in)
        n_eff = figure.conditions.get("n_eff")
        source = f"level {figure.level}, source {figure.source}" if figure.level else f"source {figure.source}"
        source += f", n_eff {number(float(n_eff), 3)}" if n_eff else ""
        source += f", clock {figure.clock_ns:g} ns" if figure.clock_ns and figure.unit == "ns" else ""
        text = f"{cell.text} {unit}".strip() if figure.value is not None else cell.text
        strip.append((known.tile, replace(cell, text=text), source))
    return strip


def _headline(report: Report, name: str) -> Figure | None:
    """The figure of several of one name that the strip shows: of hardware that of the RTL, else of the last level."""
    figures = report.find(name)
    if entry(name).hardware:
        return vendor_tables.headline(figures)
    for level in reversed(report.levels):
        if of_level := [f for f in figures if f.level == level]:
            return of_level[0]
    return None


def all_tables(book: Book) -> dict[str, list[Table]]:
    """Tables by section of the page."""
    report = book.report
    return {
        "budget": [run_tables.budget_table(book)] if report.budget else [],
        "physics": [tables.auc_table(book), tables.tpr_table(book)] if report.levels else [],
        "rates": _working_point(book) if report.levels else [],
        "fidelity": [*teacher.tables(book), *([tables.loss_table(book)] if report.levels else [])],
        "classes": class_tables.tables(book),
        "energy": [*run_tables.energy_tables(book),
                   *([run_tables.purity_table(book)] if report.find("efficiency_at_purity") else [])],
        "turn_on": [run_tables.turn_on_table(book)] if report.find("pt_at_95_percent") else [],
        "bit_exact": [run_tables.bit_exact_table(report)] if report.bit_exact else [],
        "hardware": [
            *([run_tables.hardware_table(book)] if any(f.part for f in report.figures) else []),
            *vendor_tables.module_tables(book),
            *([layer_tables.layer_resource_table(book)] if layer_tables.has_layers(report) else []),
            *hls.tables(book),
        ],
        "network": [*([run_tables.layer_table(report)] if report.layers else []), *compress_tables.tables(book)],
        "speed": [run_tables.speed_table(book)] if report.levels else [],
        "seeds": [run_tables.seed_table(report)] if report.seeds else [],
        "data": [run_tables.sample_table(report)] if report.data else [],
        "figures": [run_tables.figure_table(book)],
    }


def _working_point(book: Book) -> list[Table]:
    """What the threshold gives: rates where the background is zero bias, accepted fractions elsewhere."""
    if not book.report.zero_bias:
        return [run_tables.working_point_table(book)]
    return [
        run_tables.rate_table(book), tables.tpr_at_rate_table(book), run_tables.threshold_table(book),
        *pileup_tables.tables(book),
    ]


def _seconds(value: float) -> str:
    return f"{value / 60:.1f} min" if value >= 120 else f"{value:.1f} s"
