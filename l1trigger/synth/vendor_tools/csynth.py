"""Reports of C synthesis: the XML and the two text formats of Vivado HLS (2018 to 2020) and Vitis HLS (2020 to 2025).

``csynth.xml`` (Vitis) knows all functions, ``TOP_csynth.xml`` and ``TOP_csynth.rpt`` one function and what it calls,
the summary ``csynth.rpt`` (Vitis) all functions again. Latency is the worst case; nanoseconds are its cycles times the
clock period that was asked for, or the estimated one where that is longer.
"""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from collections.abc import Sequence

from l1trigger.synth.vendor_tools.reading import Reading, sane
from l1trigger.synth.vendor_tools.text import by_column, cells, damaged, heads, number, ruled, section, table

_RESOURCES = {"LUT": "lut", "FF": "ff", "DSP": "dsp", "DSP48E": "dsp", "BRAM_18K": "bram18", "BRAM": "bram18",
              "URAM": "uram"}
_OPEN = "the tool could not bound it"
"""Why a latency is missing: a loop runs for as long as the data say."""

UNBRANDED = "Vivado or Vitis"
"""Brand of a tool where a report does not tell; another report of the same run may."""

_BOTH = ((2019, 2), (2020, 1))
"""First and last version in which there were both Vivado HLS and Vitis HLS."""


def from_xml(text: str, file: str) -> Reading:
    """Reads ``csynth.xml`` or ``TOP_csynth.xml``.

    Raises:
        ReportError: it is no whole XML, not a report of C synthesis, or holds nonsense.
    """
    try:
        root = ET.fromstring(text)
    except ET.ParseError as e:
        raise damaged(file, f"is not a whole XML file ({e})") from None
    if root.find("PerformanceEstimates") is None and root.find("AreaEstimates") is None:
        raise damaged(file, "holds neither PerformanceEstimates nor AreaEstimates, so it is no report of C synthesis")
    version = root.findtext("ReportVersion/Version", "").strip()
    target = _number(root, "UserAssignments/TargetClockPeriod", file)
    values, reasons = _performance(root, target, file)
    modules = {}
    for module in root.iterfind("ModuleInformation/Module"):
        name = module.findtext("Name", "").strip()
        modules[name] = _performance(module, target, file)[0] | _resources(module, "AreaEstimates/Resources", file)
    top = root.findtext("UserAssignments/TopModelName", "").strip()
    modules.pop(top, None)
    resources = _resources(root, "AreaEstimates/Resources", file)
    return sane(Reading(
        "csynth", "csynth", file, _tool(version, _brand(version)), top,
        part=root.findtext("UserAssignments/Part", "").strip() or None, clock_ns=target, values=values | resources,
        reasons=reasons, modules=modules,
        available={k: v for k, v in _resources(root, "AreaEstimates/AvailableResources", file).items()
                   if v is not None},
    ))


def _performance(node: ET.Element, target: float | None, file: str) -> tuple[dict[str, float | None], dict[str, str]]:
    base = "PerformanceEstimates/SummaryOfOverallLatency/"
    interval = "Interval-max" if node.find(f"{base}Interval-max") is not None else "PipelineInitiationInterval"
    return _timing(
        _number(node, "PerformanceEstimates/SummaryOfTimingAnalysis/EstimatedClockPeriod", file),
        _number(node, f"{base}Worst-caseLatency", file), _number(node, base + interval, file), target,
    )


def _timing(
    estimated: float | None, latency: float | None, interval: float | None, target: float | None
) -> tuple[dict[str, float | None], dict[str, str]]:
    values = {
        "latency_cycles": latency, "initiation_interval": interval, "estimated_clock_ns": estimated,
        # The tools' own absolute latency: an estimate that misses the clock counts as the slower clock that it is.
        "latency_ns": None if latency is None or target is None else round(latency * max(target, estimated or 0), 6),
    }
    because = {"latency_ns": "the report names no clock period"} if latency is not None else {}
    return values, {k: because.get(k, _OPEN) for k, v in values.items() if v is None}


def _number(node: ET.Element, path: str, file: str) -> float | None:
    text = node.findtext(path)
    return None if text is None else number(text, file, path.rpartition("/")[2])


def _resources(node: ET.Element, path: str, file: str) -> dict[str, float | None]:
    element = node.find(path)
    return {} if element is None else {
        _RESOURCES[child.tag]: number(child.text or "", file, child.tag) for child in element if child.tag in _RESOURCES
    }


def _brand(version: str) -> str:
    """Whose HLS tool a version is of, which XML does not say: for two years there were both, under the same numbers."""
    numbers = tuple(map(int, re.findall(r"\d+", version)[:2]))
    return "Vivado" if numbers < _BOTH[0] else "Vitis" if numbers > _BOTH[1] else UNBRANDED


def _tool(version: str, brand: str) -> str:
    return f"{brand} HLS {version}".strip()


def from_text(text: str, file: str) -> Reading:
    """Reads ``TOP_csynth.rpt`` of either tool.

    Raises:
        ReportError: it is not such a report, is cut off, or holds nonsense.
    """
    title = re.search(r"== (Vivado|Vitis) HLS Report for '([^']+)'", text)
    if title is None:
        raise damaged(file, "does not begin as a report of C synthesis does")
    estimated, target = _clock(text, file)
    latency, interval = _latency(text, file)
    values, reasons = _timing(estimated, latency, interval, target)
    total, available, modules = _utilization(text, file)
    return sane(Reading(
        "csynth", "csynth", file, _tool(_general(text, "Version").partition(" ")[0], title[1]), title[2],
        part=_general(text, "Target device") or None, clock_ns=target, values=values | total, reasons=reasons,
        available=available, modules=modules,
    ))


def _general(text: str, key: str) -> str:
    match = re.search(rf"^\s*\* {key}:\s*(.+?)\s*$", text, re.MULTILINE)
    return match[1] if match else ""


def _clock(text: str, file: str) -> tuple[float | None, float | None]:
    """Estimated and wanted clock period [ns]."""
    lines = section(text, r"\+ Timing.*:")
    for row in table(lines or []):
        if len(row) == 4 and "Clock" not in row[0]:
            target, estimated = (number(c.replace(" ns", "").replace(" us", "e3"), file, "clock period")
                                 for c in row[1:3])
            return estimated, target
    raise damaged(file, "ends before the table of its clock")


def _latency(text: str, file: str) -> tuple[float | None, float | None]:
    """Largest latency and interval [cycles]; the last line of the table holds the numbers."""
    rows = list(table(section(text, r"\+ Latency.*:") or []))
    if not rows or len(rows[-1]) not in {5, 7}:
        raise damaged(file, "ends before the table of its latency")
    last = rows[-1]
    return number(last[1], file, "latency"), number(last[-2], file, "interval")


def _utilization(
    text: str, file: str
) -> tuple[dict[str, float | None], dict[str, float], dict[str, dict[str, float | None]]]:
    """Totals, what the device holds, and the functions that are called directly."""
    lines = section(text, "== Utilization Estimates")
    rows = {row[0].strip(): row for row in table(lines or [])}
    if "Name" not in rows or "Total" not in rows:
        raise damaged(file, "ends before the total of its utilization")

    def named(row: list[str], columns: list[str]) -> dict[str, float | None]:
        entries = by_column([c.strip() for c in columns], row, file)
        return {_RESOURCES[c]: number(v, file, c) for c, v in entries.items() if c in _RESOURCES}

    holds = named(rows["Available"], rows["Name"]) if "Available" in rows else {}
    modules: dict[str, dict[str, float | None]] = {}
    columns: list[str] = []
    detail = section("\n".join(lines or []), r"\* Instance:") or []
    # Where nothing is called, N/A stands here and the next table is about something else.
    for row in table(detail) if detail and detail[0].strip().startswith("+-") else ():
        if row[0].strip() == "Instance":
            columns = row
        elif len(row) > 2 and row[1].strip():
            modules[row[0].strip()] = named(row, columns)
    return named(rows["Total"], rows["Name"]), {k: v for k, v in holds.items() if v is not None}, modules


def from_summary(text: str, file: str) -> Reading:
    """Reads the summary ``csynth.rpt`` of Vitis HLS; it names no clock period, and what is not used is ``-``.

    Raises:
        ReportError: it is not such a report, is cut off, or holds nonsense.
    """
    title = re.search(r"== Synthesis Summary Report of '([^']+)'", text)
    groups = ruled(section(text, r"PS: '\+' for module.*") or [])
    if title is None or len(groups) < 2:
        raise damaged(file, "ends before the table of modules and loops")
    columns = heads(groups[0])
    latency, interval = _last(columns, r"Latency \(cycles\)"), _last(columns, "Interval")
    if latency is None or interval is None or "LUT" not in columns:
        raise damaged(file, "has a table of modules and loops without latency, interval or LUT")
    modules = {}
    for row in (cells(line) or [] for line in groups[1]):
        name = row[0].strip()
        if not name.startswith("+"):
            continue  # loops; their cost is part of their function
        cell = by_column(columns, row, file)
        cycles, apart = number(cell[latency], file, "latency"), number(cell[interval], file, "interval")
        timing, _ = _timing(None, cycles, apart, None)
        modules[name.lstrip("+ ").rstrip("*").strip()] = timing | {
            n: number(cell[c], file, n) or 0.0 for c, n in _RESOURCES.items() if c in cell
        }
    values: dict[str, float | None] = dict(modules.pop(title[1], {}))
    reasons = dict.fromkeys(("estimated_clock_ns", "latency_ns"), "the summary report names no clock period")
    return sane(Reading(
        "csynth", "csynth", file, _tool(_general(text, "Version").partition(" ")[0], "Vitis"), title[1],
        part=_general(text, "Target device") or None, values=values,
        reasons={k: reasons.get(k, _OPEN) for k, v in values.items() if v is None}, modules=modules,
    ))


def _last(columns: Sequence[str], head: str) -> str | None:
    """The last column under a head: where it spans smallest and largest, the largest."""
    return next((c for c in reversed(columns) if re.match(rf"{head}(?: min| avg| max)?$", c)), None)
