"""A report made again, because something beside the stages has come to the run folder."""

from __future__ import annotations

from l1trigger import report
from l1trigger.design import load
from l1trigger.errors import RunFolderError
from l1trigger.report.model import Report, load_report
from l1trigger.results import Results
from l1trigger.run_folder import RunFolder


def require_report(folder: RunFolder) -> None:
    """Makes sure that a run has a report of its results.

    Raises:
        RunFolderError: there is none, or a stage was done anew since.
    """
    if folder.record("report") is None or folder.outdated("report"):
        raise RunFolderError(
            f"{folder.path} has no report of its results. Remedy: run `l1trigger report` of the design first"
        )


def make_again(folder: RunFolder) -> Report:
    """Writes the report of a run from its results; the folder is held by the caller.

    Args:
        folder: of a run that has one.
    """
    quick = load_report(folder.path / "report.json").quick
    return report.run(load(folder.path / "design.json"), Results(folder.path, quick=quick), folder.path)
