"""The HLS route of the stage ``synth``: what vendors' tools say about the HLS project, where they are installed."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from l1trigger.errors import ReportError, ToolFailedError
from l1trigger.processes import tail
from l1trigger.sections import VendorSection
from l1trigger.synth.vendor_tools.build import LOG, build, fresh
from l1trigger.synth.vendor_tools.collect import collect, in_project_run, reports
from l1trigger.synth.vendor_tools.find import find
from l1trigger.synth.vendor_tools.reading import Reading, VendorResult

if TYPE_CHECKING:
    from l1trigger.convert.result import ConvertResult

__all__ = ["Reading", "VendorResult", "collect", "find", "run"]


def run(
    converted: ConvertResult, section: VendorSection, folder: Path, work: Path,
    progress: Callable[[str], None] = lambda what: None,
) -> VendorResult:
    """Builds the HLS project with the vendor's tool and reads its reports.

    A co-simulation that disagrees is recorded (``cosim_pass`` 0), not raised.

    Args:
        converted: the HLS project.
        section: which steps, which tool, how long at most.
        folder: takes the reports that were read and the tool's log.
        work: for the tool; no part of the result.
        progress: called with what is being done.

    Raises:
        ToolNotFoundError: the tool is not installed.
        ToolFailedError: it failed, ran past the limit, crashed though it exits with 0, or left no or only old reports.
        ReportError: a report is damaged.
    """
    tool = find(converted.backend, section)
    progress(f"{tool.name}: {', '.join(section.steps)}")
    copy, log = work / "project", folder / LOG
    began = time.time()
    seconds = build(tool, converted.project, section.steps, copy, log, section.time_limit_s)
    files = reports(copy)
    if not files:
        raise ToolFailedError(tool.name, 0, log, tail(log), "ended with exit status 0 but left no reports")
    fresh(tool, files, began, log)
    result = collect(copy, converted.top, seconds)
    if unread := next((x for x in result.left_out if x.kind and not in_project_run(x.file)), None):
        raise ReportError(f"{unread.file}: {unread.why}")
    for step in section.steps:
        if not result.of(step):
            raise ToolFailedError(tool.name, 0, log, tail(log),
                                  f"ended with exit status 0 but left no report of the step {step}")
    for reading in result.readings:
        kept = folder / "reports" / reading.file
        kept.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(copy / reading.file, kept)
    return result
