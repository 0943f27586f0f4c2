from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from l1trigger.data.events import DataSet, Events
from l1trigger.figures import Figure, FigureMaker, Source
from l1trigger.physics.measure import comparison_figures, level_figures


@pytest.fixture(scope="module")
def data() -> DataSet:
    n = 20_000
    rng = np.random.default_rng(1)
    inputs = np.zeros((n, 19, 3), np.int16)
    test = Events("zerobias", inputs, np.full(n, 1 / n), (np.arange(n) % 10).astype(np.int16),
                  rng.integers(0, 5000, n).astype(np.int32))
    signal = Events.unweighted("A4l", inputs[:1000])
    return DataSet(test, test, test, (signal,), True, 2760)


@pytest.fixture(scope="module")
def scores():
    rng = np.random.default_rng(2)
    return {"zerobias": rng.exponential(1, 20_000), "A4l": rng.exponential(3, 1000)}


CSIM, FLOAT = FigureMaker("csim", Source.CSIM, "g++"), FigureMaker("float", Source.DATASET, None)


def one(figures: list[Figure], name: str, **conditions) -> Figure:
    found = [f for f in figures if f.matches(name, **conditions)]
    assert len(found) == 1, (name, conditions, found)
    return found[0]


def test_figures_of_a_level(data, scores):
    figures = level_figures(scores, data, CSIM, threshold=3.0)
    assert {f.level for f in figures} == {"csim"} and {f.source for f in figures} == {Source.CSIM}
    assert one(figures, "auc", signal="A4l").value == pytest.approx(0.75, abs=0.02)
    t = one(figures, "tpr", signal="A4l", false_positive_rate=1e-3)
    assert t.conditions["background_events"] == 20
    assert t.interval is not None and t.interval[0] < t.value < t.interval[1]
    # 10^-4 of 20 000 events is 2 events.
    low = one(figures, "tpr", signal="A4l", false_positive_rate=1e-4)
    assert low.value is None and low.reason == "only 2 background events lie above the threshold; 100 are needed"
    rate = one(figures, "rate_khz")
    assert rate.unit == "kHz" and rate.conditions["n_eff"] > 30
    assert "sub-pools" in rate.interval_method
    assert one(figures, "tpr_at_rate", signal="A4l", rate_khz=10.0).value is None
    assert one(figures, "tpr_at_rate", signal="A4l", rate_khz=100.0).value > 0
    assert one(figures, "tpr_at_threshold", signal="A4l").value == pytest.approx(np.mean(scores["A4l"] > 3))


def test_without_zero_bias_rates_have_a_reason_and_the_rest_has_values(data, scores):
    plain = replace(data, zero_bias=False)
    figures = level_figures(scores, plain, FLOAT, threshold=3.0)
    for name in ("rate_khz", "threshold_for_rate", "tpr_at_rate"):
        for f in (f for f in figures if f.name == name):
            assert f.value is None and "not a zero-bias sample" in f.reason
    assert one(figures, "false_positive_rate").value == pytest.approx(np.mean(scores["zerobias"] > 3))
    shift = one(comparison_figures(scores, scores, plain, CSIM, (3.0, 3.0)), "rate_shift_khz")
    assert shift.value is None


def test_a_level_compared_with_itself_loses_nothing(data, scores):
    figures = comparison_figures(scores, scores, data, CSIM, (3.0, 3.0))
    assert one(figures, "spearman_rho").value == pytest.approx(1)
    assert one(figures, "spearman_rho").conditions["ranks"] == "average ranks"
    for name in ("auc_loss", "mean_auc_loss", "worst_auc_loss", "rate_shift_khz"):
        assert one(figures, name).value == 0


def test_a_level_with_fewer_events_is_compared_on_those(data, scores):
    few = {k: v[:500] for k, v in scores.items()}
    figures = comparison_figures(scores, few, data, CSIM)
    assert one(figures, "auc_loss", signal="A4l").value == 0


def test_a_constant_score_has_no_rank_correlation(data, scores):
    flat = {k: np.zeros(len(v)) for k, v in scores.items()}
    rho = one(comparison_figures(scores, flat, data, CSIM), "spearman_rho")
    assert rho.value is None and rho.reason == "a score is constant"


def test_weighted_ranks_are_stated(data, scores):
    weight = np.linspace(1, 3, 20_000)
    weighted = replace(data, test=replace(data.test, weight=weight / weight.sum()))
    rho = one(comparison_figures(scores, scores, weighted, CSIM), "spearman_rho")
    assert rho.conditions["ranks"] == "weighted average ranks"


def test_missing_scores_are_an_error(data, scores):
    with pytest.raises(ValueError, match="no scores for A4l"):
        level_figures({"zerobias": scores["zerobias"]}, data, FLOAT)
