"""Vivado's reports after synthesis and after place-and-route: utilization (whole and by hierarchy), timing, power.

Slice LUTs (7 series) and CLB LUTs (UltraScale) are the same figure ``lut``; a 36 kbit block memory counts as two of
18 kbit.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace

from l1trigger.errors import ReportError
from l1trigger.synth.vendor_tools.parts import with_grades
from l1trigger.synth.vendor_tools.reading import Reading, Step, sane
from l1trigger.synth.vendor_tools.text import by_column, cells, damaged, header, number, section, table, tool_version

_SITES = {
    "Slice LUTs": "lut", "CLB LUTs": "lut", "Slice Registers": "ff", "CLB Registers": "ff",
    "LUT as Shift Register": "srl", "DSPs": "dsp", "URAM": "uram", "Block RAM Tile": "bram_tile",
    "RAMB36/FIFO": "ramb36", "RAMB18": "ramb18",
}
_COLUMNS = {"Total LUTs": "lut", "FFs": "ff", "SRLs": "srl", "DSP Blocks": "dsp", "DSP48 Blocks": "dsp",
            "URAM": "uram", "RAMB36": "ramb36", "RAMB18": "ramb18"}
_POWER = {"Total On-Chip Power (W)": "power_w", "Dynamic (W)": "dynamic_power_w", "Device Static (W)": "static_power_w"}
_DEPTH = 3
"""Levels of the hierarchy below the function that are kept; below are single operators."""


def utilization(text: str, file: str) -> Reading:
    """Reads ``report_utilization``.

    Raises:
        ReportError: it is no whole report, or holds nonsense.
    """
    _whole_design(text, file)
    used: dict[str, float | None] = {}
    available: dict[str, float] = {}
    columns: list[str] = []
    for line in text.splitlines():
        row = [c.strip() for c in cells(line) or ()]
        if row and row[0] == "Site Type":
            columns = row
        name = _SITES.get(row[0].rstrip("*").strip()) if len(row) == len(columns) and row else None
        if name is None or name in used:
            continue
        cell = dict(zip(columns, row, strict=True))
        used[name] = number(cell["Used"], file, row[0])
        if (holds := number(cell.get("Available", ""), file, row[0])) is not None:
            available[name] = holds
    if "lut" not in used or "ff" not in used:
        raise damaged(file, "ends before its LUTs and registers, or is no report_utilization")
    tile = used.pop("bram_tile", None)
    blocks = _bram18(used)
    used["bram18"] = blocks if blocks is not None or tile is None else 2 * tile
    holds_tiles = available.pop("bram_tile", None)
    available.pop("ramb36", None)
    if (halves := available.pop("ramb18", None)) is not None or holds_tiles is not None:
        available["bram18"] = halves if halves is not None else 2 * (holds_tiles or 0)
    reasons = {k: "the report has no such row" for k in ("srl", "dsp", "bram18") if used.get(k) is None}
    values = {**dict.fromkeys(reasons), **used}
    return sane(replace(_heading(text, file, "utilization"), values=values, reasons=reasons, available=available))


def _whole_design(text: str, file: str) -> None:
    """Refuses counts of a part of the design, and of a design whose parts were synthesized elsewhere."""
    part = re.search(r"-(?:cells|pblocks)\b", header(text).get("command", ""))
    # The title stands in the table of contents too.
    boxes = section("\n".join(section(text, r"\d+\. Black Boxes") or []), r"\d+\. Black Boxes")
    inside = [row[0].strip() for row in table(boxes or []) if row[0].strip() != "Ref Name"]
    if part:
        raise ReportError(f"{file}: counts only a part of the design ({part[0]}). "
                          f"Remedy: run report_utilization without {part[0]}")
    if inside:
        raise ReportError(f"{file}: does not count the black boxes in the design ({', '.join(inside)}). "
                          "Remedy: import the reports of the whole design, or of what is inside the box")


def _bram18(counts: dict[str, float | None]) -> float | None:
    """Block memories of 18 kbit; takes the two kinds out of the counts."""
    large, small = counts.pop("ramb36", None), counts.pop("ramb18", None)
    return None if large is None and small is None else 2 * (large or 0) + (small or 0)


def hierarchy(text: str, file: str) -> Reading:
    """Reads ``report_utilization -hierarchical``: totals, and instances a few levels below the top function.

    Raises:
        ReportError: it is no whole report, or holds nonsense.
    """
    lines = section(text, r"\d+\. Utilization by Hierarchy")
    # The title stands in the table of contents too.
    rows = list(table(section("\n".join(lines or []), r"\d+\. Utilization by Hierarchy") or lines or []))
    if len(rows) < 2 or rows[0][0].strip() != "Instance":
        raise damaged(file, "ends before the table of its hierarchy, or is no report_utilization -hierarchical")
    columns = [c.strip() for c in rows[0]]
    instances: list[tuple[tuple[str, ...], dict[str, float | None]]] = []
    path: list[tuple[int, str]] = []
    for row in rows[1:]:
        name, indent = row[0].strip(), len(row[0]) - len(row[0].lstrip())
        if name.startswith("("):
            continue  # what an instance holds itself
        path = [*(p for p in path if p[0] < indent), (indent, name)]
        counts = {_COLUMNS[k]: number(c, file, f"{k} of {name}") for k, c in by_column(columns, row, file).items()
                  if k in _COLUMNS}
        counts["bram18"] = _bram18(counts)
        instances.append((tuple(p[1] for p in path), counts))
    root = _function(instances)
    modules = {
        "/".join(where[len(root) :]): counts for where, counts in instances
        if len(root) < len(where) <= len(root) + _DEPTH and where[: len(root)] == root
    }
    return sane(replace(_heading(text, file, "hierarchy"), values=instances[0][1], modules=modules))


def _function(instances: list[tuple[tuple[str, ...], dict[str, float | None]]]) -> tuple[str, ...]:
    """Where the wrappers that the tool puts around a function end: the first instance with several inside."""
    at = instances[0][0]
    while len(inside := [w for w, _ in instances if len(w) == len(at) + 1 and w[: len(at)] == at]) == 1:
        at = inside[0]
    return at


def timing(text: str, file: str) -> Reading:
    """Reads ``report_timing_summary``: worst slack of setup and hold, and the clock period that would just be met.

    Before routing, hold is no more than a guess of the tool and is left out.

    Raises:
        ReportError: it is no whole report, or holds nonsense.
    """
    summary = _summary(text, file)
    slack = summary["WNS(ns)"]
    clock, own = _fastest(text, slack, file)
    achieved = None if own is None or clock is None else round(clock - own, 6)
    values = {"slack_ns": slack, "achieved_clock_ns": achieved}
    if _state(text, header(text), file)[0] == "route":
        values["hold_slack_ns"] = summary.get("WHS(ns)")
    reasons = dict.fromkeys((n for n, v in values.items() if v is None), "no path is constrained")
    if slack is not None and clock is None:
        reasons["achieved_clock_ns"] = "the report names no clock"
    return sane(replace(
        _heading(text, file, "timing"), clock_ns=clock, values=values, reasons=reasons,
        remarks=_constraints(text, summary),
    ))


def _fastest(text: str, slack: float | None, file: str) -> tuple[float | None, float | None]:
    """Period of the fastest clock, and its own slack, which is not the worst of all where there are several clocks."""
    periods = {m[1]: float(m[2]) for x in section(text, r"\| Clock Summary") or []
               if (m := re.match(r"\s*(\S+)\s+\{[\d. ]+\}\s+([\d.]+)\s+[\d.]+\s*$", x))}
    if not periods:
        return None, slack
    clock = min(periods, key=lambda name: periods[name])
    rows = (x.split() for x in section(text, r"\| Intra Clock Table") or [])
    own = next((number(row[1], file, "WNS") for row in rows if len(row) > 4 and row[0] == clock), slack)
    return periods[clock], own if len(periods) > 1 else slack


def _summary(text: str, file: str) -> dict[str, float | None]:
    """The table of the design timing summary: WNS, TNS, WHS and so on, with the numbers of their endpoints."""
    lines = [x.strip() for x in section(text, r"\| Design Timing Summary") or []]
    at = next((i for i, x in enumerate(lines) if x.startswith("WNS(ns)")), len(lines))
    names, row = re.split(r"\s{2,}", lines[at]) if at < len(lines) else [], " ".join(lines[at + 2 : at + 3]).split()
    if not names or len(names) != len(row):
        raise damaged(file, "ends before its design timing summary, or is no report_timing_summary")
    return {name: number(cell, file, name) for name, cell in zip(names, row, strict=True)}


_CHECKS = (("setup", "WNS(ns)", "TNS"), ("hold", "WHS(ns)", "THS"), ("pulse width", "WPWS(ns)", "TPWS"))
_UNCLOCKED = {"no_clock": "registers have no clock", "unconstrained_internal_endpoints": "endpoints are unconstrained",
              "loops": "combinational loops are not timed", "latch_loops": "loops through latches are not timed"}
"""Checks of ``check_timing`` whose findings mean that slack does not tell the whole; ports without delay are usual."""


def _constraints(text: str, summary: Mapping[str, float | None]) -> tuple[str, ...]:
    """What the report says of constraints that are not met, and of what none of them covers."""
    remarks = [
        f"{what}: {failing:g} endpoints fail, the worst by {-(summary[worst] or 0):g} ns"
        for what, worst, total in _CHECKS if (failing := summary.get(f"{total} Failing Endpoints"))
    ]
    if remarks or "Timing constraints are not met." in text:
        remarks = [f"timing constraints are not met ({'; '.join(remarks) or 'the report does not say which'})"]
    if "There are no user specified timing constraints" in text:
        remarks.append("there are no timing constraints, so nothing was timed")
    counts = dict(re.findall(r"(?m)^\d+\. checking (\w+) \((\d+)\)", text))
    return (*remarks, *(f"{counts[k]} {what}" for k, what in _UNCLOCKED.items() if int(counts.get(k, 0))))


def power(text: str, file: str) -> Reading:
    """Reads ``report_power``: total, dynamic and static power on the chip [W].

    Raises:
        ReportError: it is no whole report, or holds nonsense.
    """
    values: dict[str, float | None] = {}
    for line in text.splitlines():
        row = [c.strip() for c in cells(line) or ()]
        if len(row) == 2 and row[0] in _POWER:
            values.setdefault(_POWER[row[0]], number(row[1], file, row[0]))
    if "power_w" not in values:
        raise damaged(file, "ends before its total on-chip power, or is no report_power")
    reasons = {k: "the report does not say" for k in _POWER.values() if values.get(k) is None}
    return sane(replace(_heading(text, file, "power"), values={**dict.fromkeys(reasons), **values}, reasons=reasons))


def _heading(text: str, file: str, kind: str) -> Reading:
    """What the heading of a report says, without a number yet."""
    head = header(text)
    step, state = _state(text, head, file)
    return Reading(step, kind, file, tool_version(head), head.get("design", ""), state, _part(head))


def _part(head: dict[str, str]) -> str | None:
    """The device; older reports lack the first letters, those of timing have the grades in lines of their own."""
    device = head.get("device", "")
    return with_grades(device, head.get("speed file", ""), head.get("temperature grade", "")) if device else None


POST_ROUTE = "Physopt postRoute"
"""State of a routed design that was optimized once more; nothing comes after it."""

_STATES: Sequence[tuple[str, Step, str]] = (
    (r"physopt postroute|postroute_physopt(?:ed)?|post_route_phys_?opt", "route", POST_ROUTE),
    (r"partially routed", "route", "Partially Routed"),
    (r"(?:fully )?routed|(?:post_?)?route", "route", ""),
    (r"physopt postplace|post_place_phys_?opt|physopt(?:ed)?", "route", "Physopt postPlace"),
    (r"partially placed", "route", "Partially Placed"),
    (r"(?:fully )?placed|(?:post_?)?place", "route", "Fully Placed"),
    (r"(?:post_?)?opt(?:ed|imized)?", "vsynth", "Optimized"),
    (r"(?:post_?)?syn(?:th(?:esis|esized)?)?", "vsynth", ""),
)
"""How a design state or the name of a report tells the step; and the state, where it is not the usual one of it."""

_WORDS = re.compile("|".join(rf"((?<![a-z])(?:{pattern})(?![a-z]))" for pattern, *_ in _STATES))
_NETS: Sequence[tuple[str, Step]] = ((r"\(fo=\d+, routed\)", "route"), (r"\(fo=\d+, unplaced\)", "vsynth"))
"""How a path that was timed tells the step."""


def _state(text: str, head: Mapping[str, str], file: str) -> tuple[Step, str]:
    """The step that a report is of, and the state of the design where it is not the usual one of that step.

    Older reports of timing do not name the state; in the name of the file the last word counts.
    """
    name = file.rpartition("/")[2].lower()
    if words := [*_WORDS.finditer(head.get("design state", "").lower())] or [*_WORDS.finditer(name)]:
        _, step, state = _STATES[(words[-1].lastindex or 1) - 1]
        return step, state
    for pattern, step in _NETS:
        if re.search(pattern, text):
            return step, ""
    raise ReportError(
        f"{file}: says neither that the design is synthesized nor that it is routed. "
        "Remedy: give it a name that ends with _synth.rpt or _routed.rpt"
    )


def step_of(text: str, file: str) -> Step | None:
    """The step of a report that cannot be read otherwise; None where nothing tells it."""
    try:
        return _state(text, header(text), file)[0]
    except ReportError:
        return None


_DISTANCE = {POST_ROUTE: -1, "": 0, "Optimized": 1, "Partially Routed": 2, "Physopt postPlace": 3, "Fully Placed": 4}


def distance(state: str) -> int:
    """How far a state of the design is from what its step leaves; below 0 where it is even better."""
    return _DISTANCE.get(state, len(_DISTANCE))
