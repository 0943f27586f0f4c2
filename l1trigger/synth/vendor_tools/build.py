"""Runs a vendor's HLS tool on a fresh copy of the project, and believes only reports that this run has written."""

from __future__ import annotations

import re
import shutil
import time
from collections.abc import Sequence
from pathlib import Path

from l1trigger.errors import ToolFailedError
from l1trigger.processes import run as run_program
from l1trigger.synth.vendor_tools.find import HlsTool

LOG = "tool.log"
_ERRORS = re.compile(r"^\s*(?:ERROR: \[.*|ERROR: .*|.*Abnormal program termination.*|.*Segmentation fault.*)$",
                     re.MULTILINE)
# A co-simulation that disagrees is a result, which its report tells.
_COSIM_ERRORS = re.compile(r"ERROR: \[(?:COSIM|SIM) ")
_CLOCK_STEP_S = 2.0
"""Coarsest time stamp of a file system in use; a report may seem older than the start by that much."""


def build(tool: HlsTool, project: Path, steps: Sequence[str], copy: Path, log: Path, limit_s: float) -> float:
    """Runs the steps; the reports lie in the copy afterwards.

    Args:
        tool: HLS tool.
        project: with ``build.tcl``.
        steps: to take.
        copy: where the copy of the project goes; what was there before is removed.
        log: for what the tool says.
        limit_s: longest time [s].

    Returns:
        How long it took [s].

    Raises:
        ToolFailedError: it failed, ran past the limit, or says errors in its log though it exits with 0.
    """
    shutil.rmtree(copy, ignore_errors=True)
    # The vendor's own project folder is left behind: its reports would be of an earlier build.
    shutil.copytree(project, copy, ignore=lambda folder, names: {
        n for n in names if n.endswith("_prj") and Path(folder) == project
    })
    log.parent.mkdir(parents=True, exist_ok=True)
    log.unlink(missing_ok=True)
    switches = {f"L1TRIGGER_{s.upper()}": str(int(s in steps)) for s in ("csynth", "cosim", "vsynth", "route")}
    began = time.monotonic()
    run_program(tool.name, tool.command("build.tcl"), log, limit_s,
         {"L1TRIGGER_CSIM": "0", "L1TRIGGER_EXPORT": "0", **switches}, cwd=copy)
    said = log.read_text(encoding="utf-8", errors="replace")
    errors = [m[0].strip() for m in _ERRORS.finditer(said) if not _COSIM_ERRORS.search(m[0])]
    if errors:
        raise ToolFailedError(tool.name, 0, log, "\n".join(errors[:5]), "ended with exit status 0 but reports errors")
    return round(time.monotonic() - began, 1)


def fresh(tool: HlsTool, reports: Sequence[Path], began: float, log: Path) -> None:
    """Makes sure that reports were written since a time.

    Args:
        tool: that should have written them.
        reports: that were found.
        began: seconds since 1970.
        log: of the tool.

    Raises:
        ToolFailedError: one is older.
    """
    for path in reports:
        if path.stat().st_mtime < began - _CLOCK_STEP_S:
            raise ToolFailedError(tool.name, 0, log, problem=f"left {path.name} as it was before the run: it is stale")
