"""The stage ``report``: figures of every level, judged, as JSON, as a page, and as pictures."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from l1trigger.compress.result import CompressResult
    from l1trigger.convert.result import ConvertResult
    from l1trigger.csim.result import CsimResult
    from l1trigger.data.events import DataSet
    from l1trigger.design import Design
    from l1trigger.report.model import Report
    from l1trigger.synth.result import SynthResult
    from l1trigger.train.result import TrainResult

JSON_NAME, HTML_NAME, FIGURES_NAME = "report.json", "report.html", "figures"


def run(
    design: Design,
    data: DataSet,
    trained: TrainResult,
    compressed: CompressResult,
    converted: ConvertResult,
    simulated: CsimResult,
    timings: Mapping[str, float],
    quick: bool,
    folder: Path,
    synthesized: SynthResult | None = None,
) -> Report:
    """Writes ``report.json``, ``report.html`` and ``figures/`` into a folder, which may hold an earlier report.

    Everything is made in a hidden folder first; ``report.json`` is put in place last.

    Args:
        design: that was run.
        data: result of the stage ``data``.
        trained: of ``train``.
        compressed: of ``compress``.
        converted: of ``convert``.
        simulated: of ``csim``.
        timings: seconds per stage.
        quick: whether it was a quick run.
        folder: that exists.
        synthesized: result of ``synth``, where that was run.

    Returns:
        The report.
    """
    # Imported here: results of other stages import the vocabulary of this package.
    from l1trigger.report import html, plots
    from l1trigger.report.build import build
    from l1trigger.report.measurement import measure

    measured = measure(data, trained, compressed, simulated, synthesized)
    report = build(design, data, trained, compressed, converted, simulated, timings, quick, measured, synthesized)
    drawings = plots.drawings(measured, report, trained, compressed)
    report = report.model_copy(update={"pictures": [d.picture for d in drawings]})
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
