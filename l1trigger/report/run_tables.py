"""Tables of the report page that are not about scores and signals: budget, rates, bits, layers, speed, data."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace

from l1trigger.catalogue import PERCENT, Format, entries, entry
from l1trigger.figures import Figure, Judgement, Source
from l1trigger.physics.turn_on import TITLES as QUANTITY_TITLES
from l1trigger.report import vendor_tables
from l1trigger.report.model import Layer, Report, Spread
from l1trigger.report.tables import ABSENT, FACTORS, Book, Cell, Row, Table
from l1trigger.report.text import fixed, half_width, number, span
from l1trigger.units import ns_to_bunch_crossings

_IN_FULL = Format(digits=6)


def budget_table(book: Book) -> Table:
    """The limits of the design."""
    rows = []
    for j in book.report.budget:
        verdict = {True: ("met", "good"), False: ("missed", "bad"), None: ("not judged", "unknown")}[j.met]
        measured = number(j.value) if j.value is not None else "not measured"
        rows.append(Row([
            Cell(j.figure), Cell(_level(j), style=f"level {j.level or ''}"), Cell(_conditions(j)), Cell(_limit(j)),
            Cell(measured, j.reason or "", style="" if j.met is not None else "withheld"),
            Cell(verdict[0], style=f"badge {verdict[1]}"),
        ]))
    return Table("", ["figure", "level", "conditions", "limit", "measured", "verdict"], rows)


def _level(j: Judgement) -> str:
    return j.level or "any"


def _limit(j: Judgement) -> str:
    low = f"≥ {number(j.minimum)}" if j.minimum is not None else ""
    high = f"≤ {number(j.maximum)}" if j.maximum is not None else ""
    return " and ".join(x for x in (low, high) if x)


def _conditions(j: Judgement) -> str:
    return ", ".join(f"{k} {_plain(v)}" for k, v in j.conditions.items()) or "all"


def _plain(value: str | float) -> str:
    return value if isinstance(value, str) else number(float(value))


def rate_table(book: Book) -> Table:
    """Rate, false positive rate and rate shift at the design's threshold."""
    report = book.report
    rows = []
    for level in report.levels:
        rate = report.figure("rate_khz", level)
        at = rate.conditions if rate else {}
        rows.append(Row([
            Cell("network"), Cell(level, style=f"level {level}"), Cell(rate.source if rate else "", style="source"),
            Cell(number(float(at["threshold"]), 5)) if "threshold" in at else Cell(ABSENT, style="absent"),
            book.cell(rate),
            Cell(number(float(at["n_eff"]), 3)) if "n_eff" in at else Cell(ABSENT, style="absent"),
            book.cell(report.figure("rate_shift_khz", level)),
            book.cell(report.figure("false_positive_rate", level)),
        ]))
    head = ["score", "level", "source", "threshold", "rate [kHz]", "n_eff", "rate shift [kHz]", "false positive rate"]
    method = next((f.interval_method for f in report.find("rate_khz") if f.interval_method), None)
    note = (
        "An event is accepted when its score is greater than the threshold. n_eff = (rate / error)²: the effective "
        "number of independent events; rates with fewer than 30 are withheld. "
        f"{f'Errors: {method}. ' if method else ''}The threshold is chosen on this test background, by compress. "
        "Rate shift: rate of the level minus that of float, each at its fixed threshold, with the error of the paired "
        "difference."
    )
    return Table("At the design's threshold", head, rows, note)


def working_point_table(book: Book) -> Table:
    """What the design's threshold accepts, where no rate follows from the background."""
    report, rows = book.report, []
    for level in report.levels:
        background = report.figure("false_positive_rate", level)
        at = background.conditions if background else {}
        rows.append(Row([
            Cell("network"), Cell(level, style=f"level {level}"),
            Cell(background.source if background else "", style="source"),
            Cell(number(float(at["threshold"]), 5)) if "threshold" in at else Cell(ABSENT, style="absent"),
            book.cell(background),
            *(book.cell(report.figure("tpr_at_threshold", level, signal=s)) for s in book.signals),
        ]))
    head = ["score", "level", "source", "threshold", "false positive rate", *(book.titles[s] for s in book.signals)]
    return Table("At the design's threshold", head, rows,
                 "An event is accepted when its score is greater than the threshold, which is chosen on this test "
                 "background, by compress. Then the accepted fraction of each signal.")


def threshold_table(book: Book) -> Table:
    """Thresholds for wanted rates."""
    report = book.report
    rates = sorted({float(f.conditions["rate_khz"]) for f in report.find("threshold_for_rate")})
    rows: list[Row] = []
    for what, level, more in book.scores():
        figures = [report.figure("threshold_for_rate", level, rate_khz=r, **more) for r in rates]
        cells = [Cell(what), Cell(level, style=f"level {level}"),
                 Cell(next((f.source for f in figures if f), ""), style="source")]
        for f in figures:
            cell = book.cell(f)
            if f is not None and f.value is not None:
                achieved, n_eff = (number(float(f.conditions[k]), 3) for k in ("achieved_rate_khz", "n_eff"))
                cell = replace(cell, note=f"{achieved} kHz, n_eff {n_eff}")
            cells.append(cell)
        first_baseline = level == "baseline" and not any(x.style == "baselines" for x in rows)
        rows.append(Row(cells, style="baselines" if first_baseline else ""))
    head = ["score", "level", "source", *(f"for {number(r)} kHz" for r in rates)]
    return Table("Thresholds for wanted rates", head, rows,
                 "The lowest threshold that does not exceed the rate, with the rate achieved; scores with few values "
                 "can stay far below.")


def energy_tables(book: Book) -> list[Table]:
    """Response and resolution of each sample, at every level and of the baselines."""
    report, tables = book.report, list[Table]()
    samples = dict.fromkeys(str(f.conditions["sample"]) for f in report.find("resolution"))
    for sample in samples:
        rows = []
        for what, level, more in book.scores("resolution"):
            at = {"sample": sample, **more}
            whole = [report.figure(n, level, true_energy_gev="all", **at) for n in ("response", "resolution")]
            if whole[1] is None:
                continue
            terms = [report.figure(f"resolution_{n}", level, **at) for n in ("stochastic", "noise", "constant")]
            rows.append(Row([
                Cell(what), Cell(level, style=f"level {level}"), Cell(whole[1].source, style="source"),
                *(book.cell(f) for f in (*whole, report.figure("resolution_ratio", level, **at), *terms)),
            ], style="baselines" if level == "baseline" else ""))
        head = ["energy from", "level", "source", "response", "resolution", "resolution / float", "a [√GeV]", "b [GeV]",
                "c"]
        tables.append(Table(
            f"Energy of {book.titles.get(sample, sample)}", head, rows,
            "Response: median of measured over true energy. Resolution: half the central 68.27 % of that ratio, "
            "divided by its median. a, b, c: fit of a/√E ⊕ b/E ⊕ c to bins of true energy; a term without error came "
            "out as zero. Errors by bootstrap.",
        ))
    return tables


def purity_table(book: Book) -> Table:
    """Efficiency at fixed purity."""
    report = book.report
    figures = report.find("efficiency_at_purity")
    purities = sorted({float(f.conditions["purity"]) for f in figures})
    seen = dict.fromkeys((str(f.conditions["signal"]), f.level or "", f.source) for f in figures)
    rows = [
        Row([Cell(book.titles.get(s, s)), Cell(level, style=f"level {level}"), Cell(source, style="source"),
             *(book.cell(report.figure("efficiency_at_purity", level, signal=s, purity=p)) for p in purities)])
        for s, level, source in sorted(seen, key=lambda row: (row[0], [*report.levels, ""].index(row[1])))
    ]
    head = ["signal", "level", "source", *(f"at purity {number(p)}" for p in purities)]
    return Table("Efficiency at fixed purity", head, rows, "With as many background as signal events.")


def turn_on_table(book: Book) -> Table:
    """Where the efficiency of each signal reaches 95 %."""
    figures = book.report.find("pt_at_95_percent")
    rows = [
        Row([
            Cell(QUANTITY_TITLES.get(q, q)), Cell(f"{level}", style=f"level {level}"), Cell(source, style="source"),
            *(book.cell(book.report.figure("pt_at_95_percent", signal=s, quantity=q)) for s in book.signals),
        ])
        for q, level, source in dict.fromkeys((str(f.conditions["quantity"]), f.level, f.source) for f in figures)
    ]
    head = ["quantity", "level", "source", *(book.titles[s] for s in book.signals)]
    return Table("Where the efficiency reaches 95 % [GeV]", head, rows)


def bit_exact_table(report: Report) -> Table:
    """Every comparison of integers."""
    rows = []
    for b in report.bit_exact:
        first, m = "none", b.first_mismatch
        if m is not None:
            place = f", layer {m.layer}, {m.type}" if m.layer else ""
            first = f"event {m.event}, output {m.output}: {m.expected} against {m.got}{place}"
        good = b.mismatches == 0
        rows.append(Row([
            Cell(" = ".join(b.between) if good else " ≠ ".join(b.between)), Cell(b.what),
            Cell("equal" if good else "different", style="badge " + ("good" if good else "bad")),
            Cell(number(b.events)), Cell(number(b.outputs)), Cell(number(b.mismatches)),
            Cell(number(b.max_difference)), Cell(first),
        ]))
    head = ["levels", "quantity", "verdict", "events", "integers", "mismatches", "largest difference",
            "first mismatch"]
    return Table("", head, rows, "Equality of integers, every event, no tolerance.")


def layer_table(report: Report) -> Table:
    """Types and sparsity of every layer, and what was removed of it."""
    removed = any(x.units for x in report.layers)
    rows = [
        Row([
            Cell(x.name), Cell(x.weight_type, style="code"), Cell(x.bias_type, style="code"),
            Cell(x.activation_type, style="code"), Cell(number(x.weights)), Cell(number(x.weights - x.zeros)),
            Cell(_percent(x)), *([_removed(x)] if removed else []),
        ])
        for x in report.layers
    ]
    weights, zeros = (sum(getattr(x, k) for x in report.layers) for k in ("weights", "zeros"))
    if len(report.layers) > 1 and weights:
        total = Layer(name="all", weights=weights, zeros=zeros, weight_type="", bias_type="", activation_type="")
        rows.append(Row([
            Cell("all"), Cell(""), Cell(""), Cell(""), Cell(number(weights)), Cell(number(weights - zeros)),
            Cell(_percent(total)), *([Cell("")] if removed else []),
        ], style="total"))
    head = ["layer", "weights", "biases", "activations", "weights in all", "not zero", "sparsity",
            *(["units removed"] if removed else [])]
    return Table("Layers of the quantized network", head, rows, "Level quantized, source dataset.", numeric=4)


def _removed(layer: Layer) -> Cell:
    """Filters, channels or neurons that structured pruning took."""
    if not layer.units:
        return Cell(ABSENT)
    return Cell(f"{layer.units_removed} of {layer.units}", layer.left_alone and f"kept: {layer.left_alone}")


def _percent(layer: Layer) -> str:
    return f"{100 * layer.zeros / layer.weights:.0f} %" if layer.weights else ABSENT


def bits(type_name: str) -> int | None:
    """Width of a fixed-point type's name; None when it names none."""
    m = re.search(r"<\s*(\d+)", type_name)
    return int(m.group(1)) if m else None


def hardware_table(book: Book) -> Table:
    """Latency and resources of the whole trigger function; every row is of one source."""
    report = book.report
    shown = [f for known in entries().values() if known.hardware for f in report.find(known.name) if f.of_whole]
    rows = []
    for f in shown:
        shares = [p for p in report.find(f.name + PERCENT, f.level) if p.source is f.source]
        rows.append(Row([
            Cell(entry(f.name).head), Cell(f.level or ABSENT, style=f"level {f.level}" if f.level else "absent"),
            Cell(f.source, style="source"), book.cell(f), Cell(_unit(f)),
            book.cell(next((s for s in shares if s.of_whole), None)), Cell(_remark(f)),
        ]))
    parts = "; ".join(dict.fromkeys(f"{f.part}, clock {f.clock_ns:g} ns" for f in shown if f.part and f.clock_ns))
    head = ["what", "level", "source", "value", "unit", "% of device", ""]
    tools = ", ".join(dict.fromkeys(f.tool for f in shown if f.tool))
    return Table("", head, rows, f"{parts}. {_counted(shown)}{vendor_tables.note(shown)}Tools: {tools}.")


def _unit(figure: Figure) -> str:
    """The unit in words."""
    return entry(figure.name).counted_in or figure.unit


def _counted(shown: Sequence[Figure]) -> str:
    """What must be known about the synthesizer's counts and the estimates among the figures shown."""
    if not any(f.level == "rtl" for f in shown):
        return ""
    return f"{_counted_by_yosys(shown)}Estimates come from a model. "


def _counted_by_yosys(shown: Sequence[Figure]) -> str:
    """How far Yosys' counts are from a vendor's; nothing where another synthesizer counted, or none."""
    own = [f for f in shown if f.name == "lut" and f.source is Source.YOSYS and f.value is not None]
    if not own:
        return ""
    checked = next((f.interval_method for f in own if f.interval_method), None)
    sure = (f"small print: {checked}" if checked else
            "19 and 46 % more look-up tables than Vivado 2025.1 after synthesis on the two designs that were checked")
    return f"Yosys counts mapped cells, not placed ones: {sure}. "


def _remark(figure: Figure) -> str:
    """What stands beside a figure of the hardware."""
    if figure.name == "latency_ns" and figure.value is not None:
        crossings = ns_to_bunch_crossings(figure.value)
        return f"{crossings} bunch crossing{'s' * (crossings != 1)}"
    if figure.name == "estimated_stage_delay_ns":
        works = figure.conditions.get("works")
        return f"stage {figure.conditions['stage']}" + (f": {works}" if works else "")
    if figure.name == "unread_inputs":
        return str(figure.conditions["names"])
    if figure.name == "output_bits" and figure.value is not None:
        outputs = int(figure.conditions["network_outputs"])
        return "score, decision" + (f", {outputs} outputs" if outputs else "")
    return vendor_tables.remark(figure)


def speed_table(book: Book) -> Table:
    """How fast the C-simulation is."""
    report = book.report
    rows = []
    for f in report.find("events_per_s") + report.find("compile_s"):
        what = f.conditions.get("computed_by", "compiling")
        rows.append(Row([
            Cell(str(what)), Cell(f.level or "", style=f"level {f.level}"), Cell(f.source, style="source"),
            book.cell(f), Cell({"1/s": "events/s"}.get(f.unit, f.unit)),
            Cell(_plain(f.conditions["processes"]) if "processes" in f.conditions else ABSENT), Cell(f.tool or ""),
        ]))
    return Table("", ["what", "level", "source", "value", "unit", "processes", "tool"], rows)


def seed_table(report: Report) -> Table:
    """Spread of figures over the seeds."""
    rows = [
        Row([
            Cell(s.name), Cell(s.level or "", style=f"level {s.level}"),
            Cell(", ".join(f"{k} {_plain(v)}" for k, v in s.conditions.items())),
            Cell(fixed(s.mean, 4)), Cell(fixed(s.standard_deviation, 4)),
            *(Cell(fixed(v, 4)) for v in s.values), *(Cell(ABSENT) for _ in range(_most_seeds(report) - len(s.values))),
        ])
        for s in report.seeds if _headline(s)
    ]
    longest = max(report.seeds, key=lambda s: len(s.seeds)).seeds
    head = ["figure", "level", "conditions", "mean", "standard deviation", *(f"seed {k}" for k in longest)]
    return Table("", head, rows, "Headline figures; report.json has the spread of all others under seeds.")


def _headline(s: Spread) -> bool:
    """Whether the page shows this spread; ``report.json`` has all."""
    return "seeds" in entry(s.name).roles and s.conditions.get("false_positive_rate", 1e-3) == 1e-3


def _most_seeds(report: Report) -> int:
    return max(len(s.seeds) for s in report.seeds)


def sample_table(report: Report) -> Table:
    """The samples."""
    rows = []
    for s in report.samples:
        rows.append(Row([
            Cell(s.title), Cell(s.role), Cell("equal" if s.equally_weighted else "weighted"), Cell(number(s.events)),
            Cell(number(s.evaluated)) if s.evaluated is not None else Cell(ABSENT, style="absent"),
            Cell(number(s.sub_pools)) if s.sub_pools else Cell("unknown", style="absent"),
            Cell(number(s.rows)) if s.rows else Cell("unknown", style="absent"),
        ]))
    head = ["sample", "role", "weights", "events", "evaluated at all levels", "sub-pools", "distinct hardest rows"]
    return Table("Samples", head, rows, "Source dataset.")


def figure_table(book: Book) -> Table:
    """Every figure of ``report.json``."""
    rows = []
    for f in book.report.figures:
        cell = book.cell(f, how=_IN_FULL)
        error = half_width(f)
        note = f"± {number(error, 3)}" if error is not None else ""
        if f.interval and f.source in FACTORS:
            note = span(f.interval)
        value = Cell(cell.text, f.reason or note, cell.hint,
                     cell.style, cell.figure, cell.value)
        conditions = ", ".join(f"{k} {_plain(v)}" for k, v in f.conditions.items())
        rows.append(Row([
            Cell(f.name), Cell(f.level or "", style=f"level {f.level}"), Cell(f.source, style="source"), value,
            Cell(f.unit), Cell(conditions), Cell(f.tool or ""), Cell(f.interval_method or ""),
        ]))
    head = ["figure", "level", "source", "value", "unit", "conditions", "tool", "interval"]
    return Table("", head, rows)
