"""A run folder from vendors' reports that were made elsewhere: hardware figures, nothing that was measured on data."""

from __future__ import annotations

import platform
import re
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from l1trigger.catalogue import of_key
from l1trigger.design import Design
from l1trigger.errors import ReportError, RunFolderError, argument
from l1trigger.figures import Figure
from l1trigger.report import HTML_NAME, JSON_NAME
from l1trigger.report.budget import judge
from l1trigger.report.measurement import package_version
from l1trigger.report.model import DesignRecord, Report
from l1trigger.run_folder import RunFolder, disk_full_is_clear, write_atomically
from l1trigger.synth.vendor_tools import freshness
from l1trigger.synth.vendor_tools.collect import alike, collect, says_top
from l1trigger.synth.vendor_tools.figures import vendor_figures
from l1trigger.synth.vendor_tools.reading import VendorResult

_TOP = re.compile(r"^\s*set_top\s+(?P<top>\w+)\s*$", re.MULTILINE)
_SCRIPTS = ("build.tcl", "build_prj.tcl")
_NAME = re.compile(r"[A-Za-z0-9][\w.-]*")
_UP = 5
"""How many folders above the reports a project is looked for."""


@dataclass(frozen=True)
class Origin:
    """Where reports come from, and what cannot be read in them.

    Attributes:
        folder: with reports of Vivado HLS, Vitis HLS or Vivado, in it or in folders inside.
        project: HLS project that they are of; looked for around the folder by default.
        top: name of the top function, where the reports do not tell, or where it is another than that of the design.
        solution: whose reports count, where the folder holds several.
        trust_times: judge by file times alone whether reports are of the project as it is; its sources may be newer
            than a report by that much [s].
    """

    folder: Path
    project: Path | None = None
    top: str | None = None
    solution: str | None = None
    trust_times: float | None = None


def import_reports(
    origin: Origin, runs: Path, name: str | None = None, design: Design | None = None
) -> tuple[Path, Report]:
    """Reads the reports in a folder and writes ``report.json`` and ``report.html`` into a run folder.

    Args:
        origin: where the reports come from.
        runs: folder of the run folders.
        name: of the run; by default the design's with ``-imported``, or the folder's.
        design: that the reports are of; its budget is judged and a comparison shows how it differs.

    Returns:
        The run folder and the report.

    Raises:
        ReportError: there is no report, none can be read, one is older than the sources of its project, or they are of
            several designs or of another one.
        RunFolderError: the run folder holds a run of a design.
    """
    folder = origin.folder
    if not folder.is_dir():
        raise ReportError(f"{folder}: is no folder. Remedy: name the folder that holds the reports")
    project = origin.project or _project_around(folder)
    if project is None and origin.trust_times is not None:
        raise ReportError(f"{folder}: there is no project whose sources the reports may be older than. "
                          f"Remedy: leave out {argument('trust_times')}, or give {argument('project')}")
    top = origin.top or (_top_of(project) if project else None)
    result = collect(folder, top, solution=origin.solution)
    if design is not None and origin.top is None:
        _check_top(result, design, folder)
    name = name or (f"{design.name}-imported" if design else folder.resolve().name)
    if not _NAME.fullmatch(name):
        raise ReportError(
            f"{name!r} cannot name a run. Remedy: give {argument('name')} with letters, digits, dots, - and _"
        )
    report = build(result, name, design)
    if project is not None:
        unsure = freshness.check(project, [folder / r.file for r in result.readings], origin.trust_times)
        report = report.model_copy(update={"remarks": [*report.remarks, *unsure]})
    return _write(report, runs / name), report


def _check_top(result: VendorResult, design: Design, folder: Path) -> None:
    """Makes sure that reports are of the firmware of a design, whose budget they are to be judged by."""
    from l1trigger.synth.rtl import TOP as RTL_TOP

    own = {design.name, f"{design.name}_trigger", RTL_TOP}
    other = next((r for r in result.readings if says_top(r) and not any(alike(r.top, name) for name in own)), None)
    if other is not None:
        raise ReportError(
            f"{folder}: {other.file} is of {other.top}, not of {design.name}_trigger, so the budget of {design.name} "
            f"says nothing of it. Remedy: leave out {argument('design')}, or give {argument('top')} with {other.top} "
            "if that is the design under another name"
        )


def build(result: VendorResult, name: str, design: Design | None = None) -> Report:
    """The report of vendors' figures alone.

    Args:
        result: what the vendors' reports say.
        name: of the run.
        design: that they are of.
    """
    part, clock = (design.convert.part, design.convert.clock_ns) if design else (None, None)
    figures = vendor_figures(result, part, clock)
    tools = {r.step: r.tool for r in reversed(result.readings) if r.tool}
    return Report(
        created=time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()), quick=False,
        design=DesignRecord(name=name, digest=design.digest() if design else "",
                            resolved=design.resolved() if design else {}),
        versions={"python": platform.python_version(), "l1trigger": package_version("l1trigger"), **tools,
                  "part": result.part or part or ""},
        timings={}, data=None, levels=[], figures=figures, bit_exact=[],
        budget=judge({k: v for k, v in design.budget.items() if _of_hardware(k, figures)} if design else {}, figures),
        layers=[], seeds=[], remarks=result.remarks,
    )


def _of_hardware(key: str, figures: Sequence[Figure]) -> bool:
    """Whether a limit is on something that vendors' reports tell; physics is judged where it is measured."""
    return of_key(key) in {f.name for f in figures}


def _project_around(folder: Path) -> Path | None:
    """The HLS project that a folder of reports lies in, if any."""
    here = folder.resolve()
    return next((p for p in [here, *here.parents][: _UP + 1] if any(p.glob("firmware/*.cpp"))), None)


def _top_of(project: Path) -> str | None:
    """The top function that the project's build script names."""
    for script in (project / s for s in _SCRIPTS):
        if script.is_file() and (match := _TOP.search(script.read_text(encoding="utf-8", errors="replace"))):
            return match["top"]
    return None


def _write(report: Report, run: Path) -> Path:
    from l1trigger.report import html

    if (run / "design.json").exists():
        raise RunFolderError(
            f"{run} holds a run of a design, which an import would replace. Remedy: give another {argument('name')}"
        )
    folder = RunFolder(run)
    with folder.locked(), disk_full_is_clear(run):
        (run / JSON_NAME).unlink(missing_ok=True)
        write_atomically(run / HTML_NAME, html.render(report, {}))
        write_atomically(run / JSON_NAME, report.to_json())
    return run
