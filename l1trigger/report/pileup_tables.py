"""Tables of ``l1trigger rate``: rates at each pile-up, and what the network adds to a menu of cuts."""

from __future__ import annotations

from l1trigger.figures import Figure
from l1trigger.physics.baselines import TITLES as BASELINE_TITLES
from l1trigger.report.tables import ABSENT, Book, Cell, Row, Table
from l1trigger.report.text import number

_LEVEL = "csim"


def tables(book: Book) -> list[Table]:
    """Both tables; none where the run has no such rates."""
    return [_rates(book), _overlap(book)] if book.report.find("rate_at_pileup_khz") else []


def _pileups(book: Book) -> list[float]:
    return [float(f.conditions["pileup"]) for f in book.report.find("rate_at_pileup_khz")]


def _rates(book: Book) -> Table:
    report = book.report
    wanted = sorted({float(f.conditions["rate_khz"]) for f in report.find("threshold_at_pileup")})
    rows = []
    for pileup in _pileups(book):
        def figure(name: str, at: float = pileup, **more: float) -> Figure | None:
            return report.figure(name, _LEVEL, pileup=at, **more)

        rate = figure("rate_at_pileup_khz")
        known = rate.conditions if rate else {}
        rows.append(Row([
            Cell(number(pileup)), Cell(rate.source if rate else "", style="source"),
            Cell(f"{int(known.get('crossings', 0)):,}".replace(",", " ")),
            book.cell(rate), Cell(number(float(known["n_eff"]), 3)) if "n_eff" in known else Cell(ABSENT),
            book.cell(figure("pure_rate_khz")), book.cell(figure("menu_rate_khz")),
            book.cell(figure("rate_shift_at_pileup_khz")),
            *(_threshold(book, figure("threshold_at_pileup", rate_khz=khz)) for khz in wanted),
        ]))
    head = ["pile-up", "source", "crossings", "rate [kHz]", "n_eff", "pure rate [kHz]", "menu [kHz]",
            "rate shift [kHz]", *(f"threshold for {number(khz)} kHz" for khz in wanted)]
    method = next((f.interval_method for f in report.find("rate_at_pileup_khz") if f.interval_method), "")
    return Table(
        "At each pile-up", head, rows,
        "Weighted crossings made for this, scored by the engine and dropped; the threshold is the design's at every "
        "pile-up. Pure: crossings that no cut of the menu takes. Rate shift: firmware minus float, each at its fixed "
        f"threshold, on a part of the crossings. Errors: {method}. Thresholds for a rate stand with the rate that they "
        "give and its error. What is withheld needs a larger pool of collisions (l1trigger data make pool --scale).",
        numeric=2,
    )


def _threshold(book: Book, figure: Figure | None) -> Cell:
    cell = book.cell(figure)
    if figure is None or figure.value is None:
        return cell
    rate, error = (number(float(figure.conditions[k]), 3) for k in ("achieved_rate_khz", "achieved_error_khz"))
    return Cell(cell.text, f"{rate} ± {error} kHz", cell.hint, cell.style, cell.figure, cell.value)


def _overlap(book: Book) -> Table:
    report, pileups = book.report, _pileups(book)
    cuts = list(dict.fromkeys(str(f.conditions["cut"]) for f in report.find("cut_rate_khz")))
    rows = []
    for cut in cuts:
        cells = []
        for pileup in pileups:
            cells += [book.cell(report.figure(name, _LEVEL, pileup=pileup, cut=cut))
                      for name in ("cut_rate_khz", "overlap_khz")]
        first = report.figure("cut_rate_khz", _LEVEL, cut=cut)
        threshold = Cell(number(float(first.conditions["cut_threshold"]), 5)) if first else Cell(ABSENT)
        rows.append(Row([Cell(BASELINE_TITLES.get(cut, cut)), threshold, *cells]))
    head = ["cut", "greater than"]
    for pileup in pileups:
        head += [f"rate at {number(pileup)} [kHz]", f"common at {number(pileup)} [kHz]"]
    return Table(
        "What the network adds to a menu of cuts", head, rows,
        "Cuts on trivial scores of the same hardware integers, in their units (0.5 GeV for energies). Common: "
        "crossings that both this cut and the network take, the network at the design's threshold.", numeric=1,
    )
