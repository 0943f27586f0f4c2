"""The HLS route in the report: estimated beside the RTL, which is measured."""

from __future__ import annotations

from l1trigger.catalogue import HLS, entry, ordered
from l1trigger.figures import Figure, FigureMaker, Source
from l1trigger.report.tables import ABSENT, Book, Cell, Row, Table
from l1trigger.report.text import number
from l1trigger.synth.hls_estimate import ESTIMATED, TOOL, HlsEstimate


def hls_figures(estimate: HlsEstimate) -> list[Figure]:
    """``hls_lut`` and the like with their intervals, and the same per layer with the condition ``layer``."""
    make = FigureMaker(None, Source.ESTIMATE, TOOL, {"covers": "network without input scaling, score and threshold"})
    absent = f"the model does not know {', '.join(estimate.unknown)}"
    figures = []
    for name, q in estimate.totals.items():
        more = {"uncorrected": q.uncorrected}
        if name == "latency_cycles":
            more["loop_clocks"] = float(estimate.loop_clocks)
        figures.append(make(
            HLS + name, q.value, absent, interval=(q.low, q.high), method=q.fitted_on, conditions=more,
        ))
    return figures + [
        make(HLS + name, round(getattr(layer, name)), layer=layer.name, products=layer.products)
        for layer in estimate.layers for name in ESTIMATED
    ]


def tables(book: Book) -> list[Table]:
    """The estimate beside the measured RTL, and its layers; none where the model does not know the network."""
    if all(f.value is None for f in book.report.find("hls_lut")):
        return []  # the reasons stand among all figures
    return [_totals(book), _layers(book)]


def _totals(book: Book) -> Table:
    rows, methods = [], list[str]()
    estimates = {f.name: f for f in book.report.figures if f.name.startswith(HLS) and f.of_whole}
    for name in ordered(estimates):
        estimate, measured, known = estimates[name], book.report.figure(name.removeprefix(HLS)), entry(name)
        rows.append(Row([
            Cell(known.head), Cell(known.counted_in), Cell(estimate.source, style="source"), book.cell(estimate),
            book.cell(measured), Cell(measured.source if measured else "", style="source"),
        ]))
        if estimate.interval_method:
            methods.append(f"{known.head}: {estimate.interval_method}")
    head = ["what", "unit", "source", "HLS route", "this RTL", "source"]
    note = ("Analytic model of what a vendor's HLS tool makes of hls4ml's C++ of the network, without input scaling, "
            "score and threshold; resources after RTL synthesis unless said otherwise. Estimates, not measurements; "
            f"another circuit than the RTL beside it. Small print: {'; '.join(methods)}. Tool: {TOOL}.")
    return Table("The HLS route, estimated", head, rows, note)


def _layers(book: Book) -> Table:
    names = dict.fromkeys(str(f.conditions["layer"]) for f in book.report.find("hls_lut") if "layer" in f.conditions)
    rows = []
    for layer in names:
        figures = [book.report.figure(HLS + name, layer=layer) for name in ESTIMATED]
        products = next((number(float(f.conditions["products"])) for f in figures if f), ABSENT)
        rows.append(Row([
            Cell(layer), Cell(Source.ESTIMATE, style="source"), Cell(products),
            *(book.cell(f) for f in figures),
        ]))
    head = ["layer", "source", "products", *(entry(name).head for name in ESTIMATED)]
    return Table("The HLS route by layer, estimated", head, rows, "Products: multiplications by weights that are not "
                 "zero, or all where weights share multipliers.", numeric=2)
