"""What ``l1trigger rate`` adds to a report."""

import matplotlib.pyplot as plt
import numpy as np
import pytest
import synthetic_run as synthetic

from l1trigger.rate.counts import Counts
from l1trigger.rate.menu import Cut, Menu
from l1trigger.rate.result import AtPileup, RateResult
from l1trigger.report import html, pileup_tables, plots
from l1trigger.report.build import build
from l1trigger.report.measurement import measure
from l1trigger.report.tables import Book

STRATA = np.array([0.9, 0.09, 0.01])


def counted(pileup, n=60_000):
    rng = np.random.default_rng(int(pileup))
    block, stratum = rng.integers(10, 20, n), rng.integers(0, 3, n)
    score = np.rint(rng.exponential(6 * (1 + stratum) * pileup / 50)).astype(np.int64)
    pattern = (rng.random(n) < 0.01).astype(np.int64) + 2 * (score > 60)
    accepts = (score + rng.integers(-2, 3, n) > 30) + 2 * (score > 30).astype(np.int64)
    return AtPileup(
        STRATA, Counts.of(block, stratum, pattern, score), Counts.of(block, stratum, accepts, 0 * accepts)
    )


def rate_result(pileups=(30.0, 50.0, 70.0)):
    return RateResult(
        {p: counted(p) for p in pileups}, Menu((Cut("missing_et", 200.0), Cut("object_count", 22.0))), 10.0,
        (1.0, 100.0), 30, 1.5, 0.0625, 2760, "digest", "pool", {"soft": 100}, 1, "avx2, g++ 12",
    )


@pytest.fixture(scope="module")
def made():
    patch = pytest.MonkeyPatch()
    synthetic.stand_in(patch.setattr)
    stages = synthetic.Stages(synthetic.data_set(4000, 300))
    measured = measure(stages.results(rate=rate_result()))
    report = build(synthetic.design(), measured)
    patch.undo()
    return measured, report


def test_tables_print_the_figures_of_the_report(made):
    _, report = made
    book = Book(report)
    rates, overlap = pileup_tables.tables(book)
    assert [row.cells[0].text for row in rates.rows] == ["30", "50", "70"]
    assert [row.cells[0].text for row in overlap.rows] == ["missing ET", "2·leptons + jets"]
    for table in (rates, overlap):
        assert all(len(row.cells) == len(table.head) for row in table.rows)
        for cell in (c for row in table.rows for c in row.cells if c.figure is not None):
            assert report.figures[cell.figure].value == cell.value
    threshold = report.figure("threshold_at_pileup", "csim", pileup=50.0, rate_khz=100.0)
    assert f"{threshold.conditions['achieved_rate_khz']:.3g}" in rates.rows[1].cells[-1].note
    page = html.render(report, {})
    assert "At each pile-up" in page and "What the network adds to a menu of cuts" in page


def test_pictures(made):
    measured, report = made
    drawn = {d.picture.name: d for d in plots.drawings(measured, report)}
    curves = plots.render(drawn["pileup_threshold"]).axes[0]
    labels = curves.get_legend_handles_labels()[1]
    assert labels == ["pile-up 30", "pile-up 50", "pile-up 70", "no cut takes it"]
    lines = plots.render(drawn["rate_pileup"])
    assert "13 TeV" in [t.get_text() for t in lines.axes[0].texts]  # no pile-up, as there are several
    assert {"network", "network alone"} <= set(lines.axes[0].get_legend_handles_labels()[1])
    plt.close("all")


def test_one_pileup_has_one_picture():
    measured = measure(synthetic.Stages(synthetic.data_set(4000, 300)).results(rate=rate_result((50.0,))))
    names = [d.picture.name for d in plots.drawings(measured, build(synthetic.design(), measured))]
    assert "pileup_threshold" in names and "rate_pileup" not in names


def test_without_them_nothing_is_shown(stages):
    measured = measure(stages.results())
    report = build(synthetic.design(), measured)
    assert pileup_tables.tables(Book(report)) == []
    assert not any("pileup" in d.picture.name for d in plots.drawings(measured, report))


def test_rates_against_thresholds_and_the_shift_fit_the_counts(made):
    _, report = made
    at = counted(50.0)
    weight = at.counts.weighted(STRATA)
    expected = weight[at.counts.score > 30].sum() * 2760 * 11.2455
    rate = report.figure("rate_at_pileup_khz", "csim", pileup=50.0)
    assert rate.value == pytest.approx(expected) and rate.source == "engine"
    levels = at.levels.weighted(STRATA)
    shift = (levels * (at.levels.pattern >> 1 & 1)).sum() - (levels * (at.levels.pattern & 1)).sum()
    found = report.figure("rate_shift_at_pileup_khz", "csim", pileup=50.0)
    assert found.value == pytest.approx(shift * 2760 * 11.2455)
