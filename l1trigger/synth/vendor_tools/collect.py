"""Finds vendors' reports in a folder, tells by their content what they are, and reads those of one design."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from itertools import combinations
from pathlib import Path

from l1trigger.errors import ReportError, argument
from l1trigger.synth.vendor_tools import cosim, csynth, export, vivado
from l1trigger.synth.vendor_tools.parts import same
from l1trigger.synth.vendor_tools.reading import RESOURCES, STEPS, LeftOut, Reading, Step, VendorResult
from l1trigger.synth.vendor_tools.solutions import choose
from l1trigger.synth.vendor_tools.text import whole_tables

Parser = Callable[[str, str], Reading]

_NAMES: Sequence[tuple[str, str]] = (
    ("csynth", r"csynth\.(?:xml|rpt)$"), ("cosim", r"cosim\.rpt$"),
    ("export", r"export(?:_impl|_syn)?\.rpt$|hls_impl_(?:pnr|syn)\.rpt$"),
    ("utilization", r"vivado_synth\.rpt$|util(?:ization)?(?:_.*)?\.rpt$"),
    ("timing", r"timing.*\.rpt$"), ("power", r"power.*\.rpt$"),
)
"""How the tools name reports of each kind."""

_NOT = re.compile(r"design_size|timing_(?:paths|budget)|clock_util|bus_skew|methodology|io_util|control_sets")
"""Names of reports that are none of these kinds, though they may look like one."""

_HIDDEN = {".autopilot", ".git", "ip", "hdl"}
_HEAD = 20_000
"""How much of a report tells what it is."""

_KINDS: Sequence[tuple[str, str, Parser]] = (
    ("csynth", r"<profile>[\s\S]*<(?:PerformanceEstimates|AreaEstimates)|\A\s*<(?:\?xml|profile)", csynth.from_xml),
    ("csynth", r"== (?:Vivado|Vitis) HLS Report for '", csynth.from_text),
    ("csynth", r"== Synthesis Summary Report of '", csynth.from_summary),
    ("cosim", r"(?m)^Simulation tool\s*:|\|\s*Verilog\|\s*(?:Pass|Fail|NA)\|", cosim.parse),
    ("export", r"(?m)^Implementation tool:|== Vivado (?:Place & Route|Synthesis|RTL Synthesis) Results", export.parse),
    ("hierarchy", r"\d+\. Utilization by Hierarchy|report_utilization .*-hierarchical", vivado.hierarchy),
    ("utilization", r"report_utilization\b|Utilization Design Information", vivado.utilization),
    ("timing", r"report_timing_summary\b|Design Timing Summary|Timing Summary Report", vivado.timing),
    ("power", r"report_power\b|Total On-Chip Power", vivado.power),
)
"""What a report says of itself, and who reads it; the first that fits counts."""

_RANK = {"utilization": 0, "timing": 1, "power": 2, "hierarchy": 3, "export": 4}
"""Which of several reports of a step gives a number that more than one of them has."""


def reports(folder: Path) -> list[Path]:
    """The files in a folder that are reports by what they say, or are named as the tools name theirs."""
    return sorted(
        p for p in folder.rglob("*")
        if p.suffix in {".rpt", ".xml"} and p.is_file() and not _NOT.search(p.name)
        and not _HIDDEN.intersection(p.relative_to(folder).parts[:-1])
        and (_kind_of_name(p.name) or (p.suffix == ".rpt" and _may_be_report(p)))
    )


def _may_be_report(path: Path) -> bool:
    try:
        return _parser(_text(path, path.name, _HEAD)) is not None
    except ReportError:
        return True  # which is reported when it is read


def read(path: Path, name: str) -> Reading:
    """What one report says.

    Args:
        path: of the report.
        name: of it, for messages and figures.

    Raises:
        ReportError: it is empty, cut off, of no known kind, or holds nonsense.
    """
    text = _text(path, name)
    if not text.strip():
        raise ReportError(f"{name}: is empty. Remedy: run the tool again, or copy the whole report")
    known = _parser(text)
    if known is None:
        raise ReportError(f"{name}: is no report of Vivado HLS, Vitis HLS or Vivado that is known here. "
                          "Remedy: leave it out of the folder, or copy the whole report")
    whole_tables(text, name)
    return known[1](text, name)


def _text(path: Path, name: str, most: int = -1) -> str:
    try:
        with path.open(encoding="utf-8", errors="replace") as file:
            return file.read(most)
    except OSError as e:
        raise ReportError(f"{name}: cannot be read ({e.strerror}). Remedy: make it readable") from e


def _parser(text: str) -> tuple[str, Parser] | None:
    """The kind of a report by what it says, and what reads it."""
    return next(((kind, parser) for kind, said, parser in _KINDS if re.search(said, text[:_HEAD])), None)


def _kind_of_name(name: str) -> str:
    return next((kind for kind, pattern in _NAMES if re.search(pattern, name)), "")


def collect(
    folder: Path, top: str | None = None, seconds: float | None = None, solution: str | None = None
) -> VendorResult:
    """Everything that the reports in a folder say about one design.

    What cannot be read, or is of another design than the one that is chosen, is left out and named in the result.

    Args:
        folder: that is searched, with all folders in it.
        top: name of the top function; needed where the reports of several functions do not tell which is the top.
        seconds: that the tool took.
        solution: whose reports count, where there are several; a path in the folder, or the end of it.

    Raises:
        ReportError: there is no report, none can be read, or they are of different designs or solutions.
    """
    paths = reports(folder)
    if not paths:
        raise ReportError(
            f"{folder}: holds no reports of Vivado HLS, Vitis HLS or Vivado. "
            "Remedy: name the folder of the HLS project or solution, or one with *_csynth.xml, *_csynth.rpt, "
            "*_utilization_*.rpt, *_timing_*.rpt, *_power_*.rpt or *_cosim.rpt"
        )
    readings, unread = _read_all(paths, folder)
    mine, left_out = choose(readings, unread, solution, folder)
    covered = {(r.step, r.kind) for r in mine}
    left_out = [x for x in left_out if not (in_project_run(x.file) and (x.step, x.kind) in covered)]
    of_top, others = _of_one_design(mine, top, folder)
    chosen = _branded([*_agreeing([r for r in of_top if r.kind == "csynth"]),
                       *_one_each([r for r in of_top if r.kind != "csynth"])])
    _one_part(chosen, folder)
    return VendorResult(tuple(chosen), seconds, (*left_out, *others))


def _read_all(paths: Sequence[Path], folder: Path) -> tuple[list[Reading], list[LeftOut]]:
    """What the reports say, and those that cannot be read.

    Raises:
        ReportError: none can be.
    """
    readings: list[Reading] = []
    unread: list[LeftOut] = []
    for path in paths:
        name = path.relative_to(folder).as_posix()
        try:
            readings.append(read(path, name))
        except ReportError as e:
            unread.append(_unread(path, name, e))
    if not readings:
        raise ReportError("\n".join(f"{x.file}: {x.why}" for x in unread))
    return readings, unread


def _unread(path: Path, name: str, problem: ReportError) -> LeftOut:
    """A report that cannot be read, with what is known of it all the same."""
    try:
        text = _text(path, name)
    except ReportError:
        text = ""
    kind = known[0] if (known := _parser(text)) else _kind_of_name(path.name)
    step: Step | None = "csynth" if kind == "csynth" else "cosim" if kind == "cosim" else vivado.step_of(text, name)
    return LeftOut(name, str(problem).removeprefix(f"{name}: "), kind, step)


def _of_one_design(readings: Sequence[Reading], top: str | None, folder: Path) -> tuple[list[Reading], list[LeftOut]]:
    """The readings of one top function or design, and those of others that are left out where the top was named.

    Raises:
        ReportError: the reports are of several designs and none was named.
    """
    synthesized = [r for r in readings if r.kind == "csynth"]
    others = [r for r in readings if r.kind != "csynth"]
    named = top is not None
    # A design around the function has reports of Vivado alone.
    if synthesized and (any(r.top == top for r in synthesized) or not any(top and alike(r.top, top) for r in others)):
        synthesized = _top(synthesized, top, folder)
        top = synthesized[0].top
    top = top or next((r.top for r in others if says_top(r)), "")
    apart = [r for r in (*synthesized, *others) if says_top(r) and not alike(r.top, top)]
    mine = [r for r in (*synthesized, *others) if r not in apart]
    if apart and not named:
        first = next(r for r in mine if says_top(r))
        raise ReportError(f"{folder}: {first.file} is of {first.top}, {apart[0].file} of {apart[0].top}. Remedy: "
                          f"choose one with {argument('top')}, or import the folder of one design at a time")
    if not mine:
        raise ReportError(f"{folder}: holds no report of {top}. Remedy: give another {argument('top')}")
    return mine, [LeftOut(r.file, f"is of {r.top}, not of {top}") for r in apart]


def says_top(reading: Reading) -> bool:
    """Whether a report says what its design is; the block that an HLS tool wraps its export in does not."""
    return bool(reading.top) and not re.fullmatch(r"bd_\d+(?:_wrapper|_hls_inst_\d+|_i)?", reading.top)


def alike(one: str, other: str) -> bool:
    """Whether two names are of one design, whose wrappers tools and people call after it."""
    short, name = sorted((one, other), key=len)
    return re.fullmatch(rf"{re.escape(short)}(?:_wrapper|_ooc|_fn)?", name) is not None


def _agreeing(readings: Sequence[Reading]) -> list[Reading]:
    """Reports of C synthesis of one function.

    Raises:
        ReportError: two of them disagree.
    """
    for other in readings[1:]:
        if said := _disagree(readings[0], other):
            raise ReportError(f"{readings[0].file} and {other.file} are both of {other.top} and differ in {said}. "
                              "Remedy: remove the one that is out of date, or import the folder of one run at a time")
    return list(readings)


def _disagree(one: Reading, other: Reading) -> str:
    """What two reports of one kind and step say differently, with both values; empty where they agree."""
    names = [n for n in one.values if n != "latency_ns"]  # follows from the others
    if "csynth" in (one.kind, other.kind) and None in (one.clock_ns, other.clock_ns):
        names = [n for n in names if n in RESOURCES]  # which cycles of several a summary names is not known
    pairs = {n: (one.values.get(n), other.values.get(n)) for n in names} | {"clock_ns": (one.clock_ns, other.clock_ns)}
    return ", ".join(f"{n} ({a:g} and {b:g})" for n, (a, b) in pairs.items()
                     if a is not None and b is not None and abs(a - b) > _ROUNDED.get(n, 0))


_ROUNDED = {"estimated_clock_ns": 0.01}
"""Older text reports round the clock period to 10 ps."""


def _branded(readings: Sequence[Reading]) -> list[Reading]:
    """The readings with the name of the HLS tool that any of them tells."""
    brand = next((r.tool.split()[0] for r in readings if r.kind == "csynth" and csynth.UNBRANDED not in r.tool), None)
    return [replace(r, tool=r.tool.replace(csynth.UNBRANDED, brand)) if brand else r for r in readings]


def _top(readings: Sequence[Reading], top: str | None, folder: Path) -> list[Reading]:
    """The readings of the top function, the one that knows most first."""
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
    """One reading of each kind and step: of the design as the step left it, and as the HLS tool has copied it out.

    Raises:
        ReportError: two of them disagree.
    """
    best: dict[tuple[str, str], Reading] = {}
    for r in sorted(readings, key=lambda r: (*_before(r), r.file)):
        before = best.setdefault((r.step, r.kind), r)
        if before is not r and _before(before) == _before(r) and (said := _disagree(before, r)):
            raise ReportError(
                f"{before.file} and {r.file} are both {r.kind} reports of the step {r.step} and differ in {said}. "
                f"Remedy: choose one with {argument('solution')}, or import the folder of one design at a time"
            )
    return sorted(best.values(), key=lambda r: (STEPS.index(r.step), _before(r)[0], _RANK.get(r.kind, 0)))


def _before(reading: Reading) -> tuple[int, bool]:
    """What makes another report of a step count before this one: its state, and a copy outside Vivado's project."""
    return vivado.distance(reading.state), in_project_run(reading.file)


def in_project_run(file: str) -> bool:
    """Whether a report lies in a run of a Vivado project, which has reports of wrappers and black boxes, too."""
    return any(part.endswith(".runs") for part in file.split("/"))


def _one_part(readings: Sequence[Reading], folder: Path) -> None:
    parts = [(r.part, r.file) for r in readings if r.part]
    for (one, first), (other, second) in combinations(parts, 2):
        if not same(one, other):
            raise ReportError(f"{folder}: {first} is for {one}, {second} for {other}. "
                              "Remedy: import the folder of one design at a time")
