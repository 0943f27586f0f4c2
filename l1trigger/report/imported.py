"""A run folder from vendors' reports that were made elsewhere: hardware figures, nothing that was measured on data."""

from __future__ import annotations

import platform
import re
import time
from collections.abc import Sequence
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
from l1trigger.synth.vendor_tools.collect import collect
from l1trigger.synth.vendor_tools.figures import vendor_figures
from l1trigger.synth.vendor_tools.reading import VendorResult

_SOURCES = ("firmware/**/*.cpp", "firmware/**/*.h")
_TOP = re.compile(r"^\s*set_top\s+(?P<top>\w+)\s*$", re.MULTILINE)
_SCRIPTS = ("build.tcl", "build_prj.tcl")
_NAME = re.compile(r"[A-Za-z0-9][\w.-]*")
_UP = 5
"""How many folders above the reports a project is looked for."""


def import_reports(
    folder: Path, runs: Path, name: str | None = None, design: Design | None = None, project: Path | None = None,
    top: str | None = None,
) -> tuple[Path, Report]:
    """Reads the reports in a folder and writes ``report.json`` and ``report.html`` into a run folder.

    Args:
        folder: with reports of Vivado HLS, Vitis HLS or Vivado, in it or in folders inside.
        runs: folder of the run folders.
        name: of the run; by default the design's with ``-imported``, or the folder's.
        design: that the reports are of; its budget is judged and a comparison shows how it differs.
        project: HLS project that the reports are of; looked for around the folder by default.
        top: name of the top function, where the reports do not tell.

    Returns:
        The run folder and the report.

    Raises:
        ReportError: there is no report, one is damaged, or one is older than the sources of its project.
        RunFolderError: the run folder holds a run of a design.
    """
    if not folder.is_dir():
        raise ReportError(f"{folder}: is no folder. Remedy: name the folder that holds the reports")
    project = project or _project_around(folder)
    result = collect(folder, top or (_top_of(project) if project else None))
    if project is not None:
        check_age(project, [folder / r.file for r in result.readings])
    name = name or (f"{design.name}-imported" if design else folder.resolve().name)
    if not _NAME.fullmatch(name):
        raise ReportError(
            f"{name!r} cannot name a run. Remedy: give {argument('name')} with letters, digits, dots, - and _"
        )
    report = build(result, name, design)
    return _write(report, runs / name), report


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
        layers=[], seeds=[],
    )


def _of_hardware(key: str, figures: Sequence[Figure]) -> bool:
    """Whether a limit is on something that vendors' reports tell; physics is judged where it is measured."""
    return of_key(key) in {f.name for f in figures}


def check_age(project: Path, reports: Sequence[Path]) -> None:
    """Makes sure that reports are of a project as it is now.

    Args:
        project: HLS project with ``firmware/*.cpp``.
        reports: made from it.

    Raises:
        ReportError: the project has no sources, or one was changed after a report was written.
    """
    sources = [p for pattern in _SOURCES for p in project.glob(pattern)]
    if not sources:
        raise ReportError(f"{project}: holds no firmware/*.cpp. Remedy: name the folder of the HLS project")
    newest = max(sources, key=lambda p: p.stat().st_mtime)
    for report in reports:
        if report.stat().st_mtime < newest.stat().st_mtime:
            raise ReportError(
                f"{report}: is older than {newest} of its project. Remedy: run the tool again on the project as it is; "
                "or import the reports from a folder of their own, if they are known to be of other sources"
            )


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
