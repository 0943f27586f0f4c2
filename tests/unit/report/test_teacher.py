"""Teacher and student side by side."""

from __future__ import annotations

import numpy as np
import pytest
import synthetic_run as synthetic

from l1trigger.physics import roc
from l1trigger.report import plots, style, teacher
from l1trigger.report.build import build
from l1trigger.report.measurement import measure
from l1trigger.report.tables import Book


@pytest.fixture(scope="module")
def made():
    patch = pytest.MonkeyPatch()
    synthetic.stand_in(patch.setattr)
    stages = synthetic.Stages(synthetic.data_set(4000, 300))
    measured = measure(stages.results())
    report = build(synthetic.design(), measured)
    patch.undo()
    return measured, report


def test_the_table_holds_both_and_the_best_baseline(made):
    _, report = made
    (table,) = teacher.tables(Book(report))
    assert len(table.rows) == len(synthetic.SIGNALS) and {len(r.cells) for r in table.rows} == {len(table.head)}
    for signal, row in zip(synthetic.SIGNALS, table.rows, strict=True):
        area, student, loss, best, *efficiencies = row.cells[1:]
        assert (area.value, student.value) == tuple(
            report.figure("auc", level, signal=signal).value for level in ("float", "csim")
        )
        assert loss.value == pytest.approx(area.value - student.value, abs=1e-12)
        trivial = [f.value for f in report.find("auc", "baseline") if f.conditions["signal"] == signal]
        assert best.value == max(trivial)
        wanted = report.figure("tpr_at_rate", "float", signal=signal, rate_khz=30.0)
        assert (efficiencies[0].value, efficiencies[0].figure) == (wanted.value, report.figures.index(wanted))


def test_the_picture_says_the_rank_correlation_of_each_sample(made):
    measured, report = made
    ((picture, draw),) = teacher.plots(measured, report)
    with style.style():
        canvas = plots.render(plots.Drawing(picture, draw, ""))
    words = [t.get_text() for t in canvas.axes[0].get_legend().get_texts()]
    assert len(words) == 1 + len(synthetic.SIGNALS)
    rho = roc.spearman(measured.background("float"), measured.background("csim")).value
    assert words[0] == rf"background, $\rho$ = {rho:.3f}" and np.isfinite(rho)


def test_other_scores_have_no_teacher(made):
    measured, report = made
    design = report.design.model_copy(update={"resolved": {"compress": {"score": "latent_norm"}}})
    other = report.model_copy(update={"design": design})
    assert teacher.tables(Book(other)) == [] and list(teacher.plots(measured, other)) == []
