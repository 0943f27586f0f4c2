"""Tables of a comparison as plain values; terminal, Markdown and page only write them down."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from l1trigger.catalogue import Better, Group, entries, entry
from l1trigger.compare.baseline import Baseline, Change
from l1trigger.compare.comparison import Comparison, Difference, Entry, Measured
from l1trigger.compare.meaning import HARDWARE, HARDWARE_GROUPS, OTHER_HARDWARE, Identity
from l1trigger.compare.published import HARDWARE_COLUMNS, PublishedRow
from l1trigger.figures import Source
from l1trigger.report.tables import ABSENT, Cell, Row, Table
from l1trigger.report.text import formatted, number, power_of_ten

_HARDWARE_HEADINGS = HARDWARE_GROUPS | {OTHER_HARDWARE}
_AS_RATIO = _HARDWARE_HEADINGS | {Group.NETWORK}
_VERDICTS = {"regression": "bad", "better": "good", "within tolerance": "unknown", "same": "good"}
OWN = "this work"


def run_table(comparison: Comparison) -> Table:
    """The runs: what they are, whether they are bit-exact and within their budgets."""
    rows = []
    for run in comparison.runs:
        if run.mismatches is None or run.integers is None:
            exact = Cell("not compared", style="badge unknown")
        elif run.mismatches == 0:
            exact = Cell("bit-exact", f"{number(run.integers)} integers", style="badge good")
        else:
            exact = Cell("differs", f"{number(run.mismatches)} of {number(run.integers)} integers", style="badge bad")
        met = run.limits_met == run.limits
        budget = Cell(f"{run.limits_met} of {run.limits} met", style=f"badge {'good' if met else 'bad'}") \
            if run.limits else Cell("no budget", style="badge unknown")
        quick = "quick run: figures mean little" if run.quick else ""
        rows.append(Row([Cell(run.label, quick), Cell(run.design), Cell(run.digest[:12], style="code"),
                         Cell(run.created), exact, budget]))
    return Table("", ["run", "design", "digest", "report made", "levels", "budget"], rows, numeric=6)


def figure_table(comparison: Comparison, details: bool = False) -> Table:
    """Figures side by side; every row is of one source.

    Args:
        comparison: to show.
        details: whether all figures are shown, also those of other levels, seeds and baselines.
    """
    rows: list[Row] = []
    for heading, group in _grouped(comparison.entries, details):
        rows += [Row(_cells(one, heading), heading if i == 0 else "") for i, one in enumerate(group)]
    first = comparison.runs[0].label
    note = (f"Small print: difference or ratio to {first}; = where equal. Bold: best of its row. "
            "Each row is of one source; figures of different sources are never set against each other.")
    note = note if len(comparison.runs) > 1 else ""
    return Table("", ["figure", "level", "source", *(r.label for r in comparison.runs)], rows, note, numeric=3)


def _grouped(rows: Sequence[Entry], details: bool) -> list[tuple[str, list[Entry]]]:
    order = [*Group, OTHER_HARDWARE]
    ranks = {name: i for i, name in enumerate(e.name for g in Group for e in entries().values() if e.group is g)}
    groups: dict[tuple[int, float, str], list[Entry]] = {}
    for row in rows:
        hidden = row.heading is None or not (_has_value(row) or row.heading in _HARDWARE_HEADINGS)
        if hidden and not details:
            continue
        heading = row.heading or "Details"
        rate = dict(row.key.conditions).get("false_positive_rate")
        if row.heading == Group.EFFICIENCY and rate is not None:
            heading += f" of {power_of_ten(float(rate))}"
        rank = order.index(row.heading) if row.heading else len(order)
        groups.setdefault((rank, -float(rate or 0) if row.key.name == "tpr" else 0, heading), []).append(row)
    return [
        (key[2], sorted(groups[key], key=lambda e: ranks.get(e.key.name, len(ranks)))) for key in sorted(groups)
    ]


def _has_value(row: Entry) -> bool:
    return any(m is not None and m.value is not None for m in row.runs)


def name_of(key: Identity, heading: str = "") -> str:
    """A figure in few words: name, signal and other conditions, unit."""
    quiet = {"signal", "signals", "classes", "between", "colliding_bunches", "false_positive_rate", "counted"}
    conditions = dict(key.conditions)
    rate = conditions.get("false_positive_rate")
    more = [f"{k} {v if isinstance(v, str) else format(v, 'g')}" for k, v in conditions.items() if k not in quiet]
    if rate is not None and "a false positive rate of" not in heading:
        more.insert(0, f"at FPR {power_of_ten(float(rate))}")
    in_words = {
        "signals": "{} signals", "classes": "{} classes", "between": "{}", "colliding_bunches": "{} colliding bunches",
    }
    more += [words.format(conditions[k]) for k, words in in_words.items() if k in conditions]
    words = [key.name, str(conditions.get("signal", "")), *more]
    return ", ".join(w for w in words if w) + (f" [{key.unit}]" if key.unit else "")


def _cells(row: Entry, heading: str) -> list[Cell]:
    key, best = row.key, _best(row)
    parts = {(m.part, m.clock_ns) for m in row.runs if m is not None and m.part}
    head = [Cell(name_of(key, heading)), Cell(key.level or ABSENT, style=f"level {key.level or ''}"),
            Cell(str(key.source), style="source")]
    return head + [
        _cell(m, key, _as_ratio(row), first=i == 0, elsewhere=len(parts) > 1,
              style="best" if m is not None and m.value is not None and m.value in best else "")
        for i, m in enumerate(row.runs)
    ]


def _as_ratio(row: Entry) -> bool:
    known = entry(row.key.name)
    return known.compared.decimals is None and (known.group is Group.THRESHOLD or row.heading in _AS_RATIO)


def _cell(measured: Measured | None, key: Identity, ratio: bool, first: bool, elsewhere: bool, style: str) -> Cell:
    if measured is None:
        return Cell(ABSENT, style="absent")
    if measured.value is None:
        return Cell("not measured", "", measured.reason or "", "withheld")
    notes = [] if first else [_against_first(measured, ratio, key.name)]
    if elsewhere and measured.part:
        notes.append(f"{measured.part}, {measured.clock_ns:g} ns" if measured.clock_ns else measured.part)
    hint = "; ".join(x for x in (f"{key.name} = {measured.value!r}", f"source {key.source}", measured.tool or "",
                                 f"part {measured.part}" if measured.part else "") if x)
    return Cell(show(key.name, measured.value), ", ".join(n for n in notes if n), hint, style, value=measured.value)


def _against_first(measured: Measured, ratio: bool, name: str) -> str:
    if measured.difference is None:
        return ""
    if measured.difference == 0:
        return "="
    if ratio and measured.ratio is not None and abs(measured.ratio - 1) < 0.1:
        return f"{'+' if measured.ratio > 1 else '−'}{100 * abs(measured.ratio - 1):.2g} %"
    if ratio and measured.ratio is not None:
        return f"×{measured.ratio:.3g}"
    return signed(name, measured.difference)


def signed(name: str, difference: float) -> str:
    """A difference with its sign, as precise as the figure is printed."""
    text = show(name, abs(difference))
    return ("−" if difference < 0 else "+") + text if text.strip("0.") else "±0"


def show(name: str, value: float) -> str:
    """A value as this kind of figure is printed."""
    return formatted(value, entry(name).compared)


def _best(row: Entry) -> set[float]:
    """The best value of a row; none where all are equal, or only one was measured."""
    values = {m.value for m in row.runs if m is not None and m.value is not None}
    known = entry(row.key.name)
    way = known.better
    if len(values) < 2 or way is Better.SAME or not known.marks_best:
        return set()
    return {max(values) if way is Better.HIGHER else min(values) if way is Better.LOWER else min(values, key=abs)}


def difference_table(rows: Sequence[Difference], labels: Sequence[str], what: str) -> Table:
    """Only what differs."""
    return Table("", [what, *labels], [
        Row([Cell(d.key, style="code"), *(Cell(v if v is not None else ABSENT, style="" if v is not None else "absent")
                                          for v in d.values)]) for d in rows
    ], numeric=len(labels) + 1)


def change_table(changes: Sequence[Change], baseline: Baseline, label: str) -> Table:
    """A run beside its baseline; regressions come first."""
    ordered = sorted(changes, key=lambda c: list(_VERDICTS).index(c.verdict))
    rows = []
    for c in ordered:
        now = (Cell("not measured", c.reason or "", style="withheld") if c.value is None
               else Cell(show(c.key.name, c.value), c.reason or "", value=c.value))
        by = signed(c.key.name, c.value - c.baseline) if c.value is not None and c.value != c.baseline else "="
        rows.append(Row([
            Cell(name_of(c.key)), Cell(c.key.level or ABSENT, style=f"level {c.key.level or ''}"),
            Cell(str(c.key.source), style="source"), Cell(show(c.key.name, c.baseline), value=c.baseline), now,
            Cell(by if c.value is not None else ABSENT), Cell(c.tolerance),
            Cell(c.verdict, style=f"badge {_VERDICTS[c.verdict]}"),
        ]))
    head = ["figure", "level", "source", f"baseline ({baseline.design})", label, "change", "tolerance", "verdict"]
    return Table("", head, rows, numeric=3)


_HARDWARE_HEAD = ("latency [ns]", "cycles", "II", "LUT", "FF", "DSP", "BRAM")


def published_table(rows: Sequence[PublishedRow], comparison: Comparison) -> Table:
    """Latency and resources of published designs below those of the runs; every row says its stage."""
    lines = [*_own_rows(comparison)]
    for i, row in enumerate(r for r in rows if r.hardware):
        numbers = [_printed(getattr(row, column)) for column in HARDWARE_COLUMNS]
        part = ", ".join(x for x in (row.part, f"{row.clock_ns} ns" if row.clock_ns else "") if x)
        lines.append(Row([
            Cell(f"{row.system}: {row.model}", row.notes), Cell(row.paper), Cell(row.stage, style="source"),
            Cell(row.confidence.removeprefix("READ-")), Cell(part or ABSENT), *numbers,
        ], "Published" if i == 0 else ""))
    note = ("confidence: primary was read in the paper's abstract or the authors' repository, secondary as quoted by "
            "others. stage: where the resources come from; csynth reads several times what is routed. Data and tasks "
            "differ: read as orders of magnitude.")
    return Table("", ["design", "paper", "stage", "confidence", "part", *_HARDWARE_HEAD], lines, note, numeric=5)


def _printed(text: str) -> Cell:
    """A published number; what is no plain number stays as it was printed."""
    try:
        return Cell(number(float(text)), value=float(text))
    except ValueError:
        return Cell(text or ABSENT, style="" if text else "absent")


def _own_rows(comparison: Comparison) -> Iterable[Row]:
    """One row per run and source of hardware figures; one saying so where a run has none."""
    columns = [c if c != "bram" else "bram18" for c in HARDWARE_COLUMNS]
    heading = "Runs"
    for i, run in enumerate(comparison.runs):
        by_source: dict[Source, dict[str, Measured]] = {}
        for one in comparison.entries:
            measured = one.runs[i]
            if (one.heading in HARDWARE_GROUPS and one.key.source in HARDWARE
                    and measured is not None and measured.value is not None):
                by_source.setdefault(one.key.source, {}).setdefault(one.key.name, measured)
        for source, figures in by_source.items():
            first = next(iter(figures.values()))
            part = ", ".join(x for x in (first.part or "", f"{first.clock_ns:g} ns" if first.clock_ns else "") if x)
            numbers = [_own(figures.get(column)) for column in columns]
            sure = Cell("estimated" if source is Source.ESTIMATE else "measured")
            yield Row([Cell(run.label), Cell(OWN), Cell(str(source), style="source"), sure, Cell(part or ABSENT),
                       *numbers], heading)
            heading = ""
        if not by_source:
            yield Row([Cell(run.label, "latency and resources not measured"), Cell(OWN),
                       *(Cell(ABSENT, style="absent") for _ in range(3 + len(columns)))], heading)
            heading = ""


def _own(measured: Measured | None) -> Cell:
    if measured is None or measured.value is None:
        return Cell(ABSENT, style="absent")
    return Cell(number(measured.value), value=measured.value)


def published_physics_table(rows: Sequence[PublishedRow]) -> Table:
    """Figures of physics and networks that were read."""
    lines = [
        Row([Cell(f"{r.system}: {r.model}", r.notes), Cell(r.paper), Cell(r.confidence.removeprefix("READ-")),
             Cell(r.dataset), Cell(r.figure), Cell(r.value)]) for r in rows if r.value
    ]
    return Table("", ["design", "paper", "confidence", "data", "figure", "value"], lines, numeric=6)
