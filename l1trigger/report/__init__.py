"""The stage ``report``: figures of every level, judged, as JSON, as a page, and as pictures."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from l1trigger.design import Design
    from l1trigger.report.model import Report
    from l1trigger.results import Results

JSON_NAME, HTML_NAME, FIGURES_NAME = "report.json", "report.html", "figures"


def run(
    design: Design, results: Results, folder: Path, progress: Callable[[str], None] = lambda message: None
) -> Report:
    """Writes ``report.json``, ``report.html`` and ``figures/`` into a folder, which may hold an earlier report.

    Everything is made in a hidden folder first; ``report.json`` is put in place last.

    Args:
        design: that was run.
        results: of all stages before.
        folder: that exists.
        progress: told what is being done.

    Returns:
        The report.
    """
    # Imported here: who only reads a report loads nothing that draws one.
    from l1trigger.report import html, plots
    from l1trigger.report.build import build
    from l1trigger.report.measurement import measure

    progress("figures of every level")
    measured = measure(results)
    report = build(design, measured)
    drawings = plots.drawings(measured, report)
    report = report.model_copy(update={"pictures": [d.picture for d in drawings]})
    progress(f"{len(drawings)} pictures")
    with tempfile.TemporaryDirectory(dir=folder, prefix=".report-") as name:
        work = Path(name)
        images = plots.write(drawings, work / FIGURES_NAME)
        (work / HTML_NAME).write_text(html.render(report, images), encoding="utf-8")
        (work / JSON_NAME).write_text(report.to_json(), encoding="utf-8")
        _put_in_place(work, folder)
    return report


def _put_in_place(work: Path, folder: Path) -> None:
    """Renames the parts of a finished report into a folder; what they replace goes with the work folder."""
    old = work / "old"
    old.mkdir()
    (folder / JSON_NAME).unlink(missing_ok=True)
    if (folder / FIGURES_NAME).exists():
        shutil.move(folder / FIGURES_NAME, old / FIGURES_NAME)
    for name in (FIGURES_NAME, HTML_NAME, JSON_NAME):
        (work / name).replace(folder / name)
