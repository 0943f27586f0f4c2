from __future__ import annotations

import matplotlib as mpl
import pytest
import synthetic_run as synthetic

from l1trigger.report import plots, style
from l1trigger.report.build import build
from l1trigger.report.measurement import measure


@pytest.fixture(scope="module")
def drawings():
    patch = pytest.MonkeyPatch()
    synthetic.stand_in(patch.setattr)
    stages = synthetic.Stages(synthetic.data_set(4000, 300))
    measured = measure(stages.results())
    report = build(synthetic.design(), measured)
    patch.undo()
    return plots.drawings(measured, report)


def test_every_picture_can_be_drawn_and_leaves_the_style_alone(drawings):
    before = dict(mpl.rcParams)
    with style.style():
        for d in drawings:
            canvas = plots.render(d)
            texts = [t.get_text() for ax in canvas.axes for t in ax.texts]
            assert "l1trigger" in texts and "pile-up 50, 13 TeV" in texts, d.picture.name
            assert canvas.axes[0].get_xlabel() or canvas.axes[0].get_xticklabels(), d.picture.name
    assert dict(mpl.rcParams) == before


def test_names_are_unique_and_sections_known(drawings):
    names = [d.picture.name for d in drawings]
    assert len(set(names)) == len(names)
    assert {d.picture.section for d in drawings} <= {"physics", "rates", "fidelity", "turn_on", "network"}
    assert {f"roc_{s}" for s in synthetic.SIGNALS} <= set(names)
    # csim equals quantized here, so that one picture serves both.
    assert "scores_csim" in names and "scores_quantized" not in names


def test_files_are_the_same_each_time(drawings, tmp_path):
    first = plots.write(drawings[:1], tmp_path / "a")
    second = plots.write(drawings[:1], tmp_path / "b")
    assert first == second
    for ending in ("png", "pdf"):
        name = f"{drawings[0].picture.name}.{ending}"
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()
