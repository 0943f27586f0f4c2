"""Finds vendors' reports in a folder, tells by their content what they are, and reads those that count."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from l1trigger.errors import ReportError, argument
from l1trigger.synth.vendor_tools import cosim, csynth, export, vivado
from l1trigger.synth.vendor_tools.reading import STEPS, Reading, VendorResult
from l1trigger.synth.vendor_tools.text import whole_tables

Parser = Callable[[str, str], Reading]

_NAMES = re.compile(
    r"csynth\.(?:xml|rpt)$|cosim\.rpt$|export(?:_impl|_syn)?\.rpt$|hls_impl_(?:pnr|syn)\.rpt$|vivado_synth\.rpt$"
    r"|utilization.*\.rpt$|timing.*\.rpt$|power.*\.rpt$"
)
_NOT = re.compile(r"clock_utilization|timing_paths|timing_budget|bus_skew|design_size|methodology|_io_|control_sets")
_HIDDEN = {".autopilot", ".git", "ip", "hdl"}

_KINDS: Sequence[tuple[str, Parser]] = (
    (r"<profile>[\s\S]*<(?:PerformanceEstimates|AreaEstimates)|\A\s*<(?:\?xml|profile)", csynth.from_xml),
    (r"== (?:Vivado|Vitis) HLS Report for '", csynth.from_text),
    (r"== Synthesis Summary Report of '", csynth.from_summary),
    (r"(?m)^Simulation tool\s*:|\|\s*Verilog\|\s*(?:Pass|Fail|NA)\|", cosim.parse),
    (r"(?m)^Implementation tool:|== Vivado (?:Place & Route|Synthesis|RTL Synthesis) Results", export.parse),
    (r"\d+\. Utilization by Hierarchy|report_utilization .*-hierarchical", vivado.hierarchy),
    (r"report_utilization\b|Utilization Design Information", vivado.utilization),
    (r"report_timing_summary\b|Design Timing Summary|Timing Summary Report", vivado.timing),
    (r"report_power\b|Total On-Chip Power", vivado.power),
)
"""What a report says of itself, and who reads it; the first that fits counts."""

_RANK = {"utilization": 0, "timing": 1, "power": 2, "hierarchy": 3, "export": 4}
"""Which of several reports of a step gives a number that more than one of them has."""


def reports(folder: Path) -> list[Path]:
    """The files in a folder that are named as the vendors' tools name their reports."""
    return sorted(
        p for p in folder.rglob("*")
        if p.is_file() and _NAMES.search(p.name) and not _NOT.search(p.name)
        and not _HIDDEN.intersection(p.relative_to(folder).parts[:-1])
    )


def read(path: Path, name: str) -> Reading:
    """What one report says.

    Args:
        path: of the report.
        name: of it, for messages and figures.

    Raises:
        ReportError: it is empty, cut off, of no known kind, or holds nonsense.
    """
    try:
        text = path.read_text(encoding="utf-8", errors="replace")
    except OSError as e:
        raise ReportError(f"{name}: cannot be read ({e.strerror}). Remedy: make it readable") from e
    if not text.strip():
        raise ReportError(f"{name}: is empty. Remedy: run the tool again, or copy the whole report")
    for pattern, parser in _KINDS:
        if re.search(pattern, text[:20_000]):
            whole_tables(text, name)
            return parser(text, name)
    raise ReportError(f"{name}: is no report of Vivado HLS, Vitis HLS or Vivado that is known here. "
                      "Remedy: leave it out of the folder, or copy the whole report")


def collect(folder: Path, top: str | None = None, seconds: float | None = None) -> VendorResult:
    """Everything that the reports in a folder say about one design.

    Args:
        folder: that is searched, with all folders in it.
        top: name of the top function; needed where the reports of several functions do not tell which is the top.
        seconds: that the tool took.

    Raises:
        ReportError: there is no report, one is damaged, or they are of different designs.
    """
    paths = _without_project_runs(reports(folder))
    if not paths:
        raise ReportError(
            f"{folder}: holds no reports of Vivado HLS, Vitis HLS or Vivado. "
            "Remedy: name the folder of the HLS project or solution, or one with *_csynth.xml, *_csynth.rpt, "
            "*_utilization_*.rpt, *_timing_*.rpt, *_power_*.rpt or *_cosim.rpt"
        )
    readings = [read(p, p.relative_to(folder).as_posix()) for p in paths]
    synthesized = [r for r in readings if r.kind == "csynth"]
    others = [r for r in readings if r.kind != "csynth"]
    chosen = [*_top(synthesized, top, folder), *_one_each(others)]
    _one_part(chosen, folder)
    return VendorResult(tuple(chosen), seconds)


def _without_project_runs(paths: Sequence[Path]) -> list[Path]:
    """Leaves out what Vivado writes into its project where the HLS tool has copied it out: wrappers and black boxes."""
    inside = [p for p in paths if any(part.endswith(".runs") for part in p.parts)]
    outside = [p for p in paths if p not in inside]
    return outside if any("_synth" in p.name or "_routed" in p.name for p in outside) else list(paths)


def _top(readings: Sequence[Reading], top: str | None, folder: Path) -> list[Reading]:
    """The readings of the top function, the one that knows most first."""
    if not readings:
        return []
    names = list(dict.fromkeys(r.top for r in readings))
    whole = {r.top for r in readings if re.fullmatch(r"csynth\.(xml|rpt)", r.file.rpartition("/")[2])}
    if top is None and len(whole) == 1:
        (top,) = whole
    if top is None and len(names) == 1:
        top = names[0]
    if top is None:
        called = {name for r in readings for name in _called(r)}
        first = [n for n in names if n not in called]
        top = first[0] if len(first) == 1 and called else None
    of_top = [r for r in readings if r.top == top]
    if not of_top:
        raise ReportError(f"{folder}: holds reports of the functions {', '.join(names)}"
                          + (f", none of {top}" if top else " and does not say which is the top")
                          + f". Remedy: give {argument('top')} and its name")
    # XML before text, functions inside before none, a clock period before none.
    return sorted(of_top, key=lambda r: (r.clock_ns is None, not r.file.endswith(".xml"), -len(r.modules)))


def _called(reading: Reading) -> set[str]:
    """Functions that a report lists: instances of text reports are named ``grp_FUNCTION_fu_12``."""
    return {re.sub(r"^(?:grp_|call_ret\w*?_)?(.*?)(?:_fu_\d+|_U\d+)?$", r"\1", m.rpartition("/")[2])
            for m in reading.modules}


def _one_each(readings: Iterable[Reading]) -> list[Reading]:
    """One reading of each kind and step; later states of the design before earlier ones.

    Raises:
        ReportError: two of them disagree.
    """
    best: dict[tuple[str, str], Reading] = {}
    for r in sorted(readings, key=lambda r: (bool(r.state), r.file)):
        before = best.setdefault((r.step, r.kind), r)
        if before is not r and before.state == r.state and dict(before.values) != dict(r.values):
            raise ReportError(
                f"{before.file} and {r.file} are both {r.kind} reports of the step {r.step} and differ. "
                "Remedy: import the folder of one design at a time"
            )
    return sorted(best.values(), key=lambda r: (STEPS.index(r.step), _RANK.get(r.kind, 0)))


def _one_part(readings: Sequence[Reading], folder: Path) -> None:
    # Timing reports leave out package and speed grade.
    parts = {r.part.lower(): r.file for r in readings if r.part}
    longest = max(parts, key=len, default="")
    for part, file in parts.items():
        if not longest.startswith(part):
            raise ReportError(f"{folder}: {file} is for {part}, {parts[longest]} for {longest}. "
                              "Remedy: import the folder of one design at a time")
