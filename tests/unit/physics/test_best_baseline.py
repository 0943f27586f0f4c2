from __future__ import annotations

import re
from dataclasses import replace

import numpy as np
import pytest

from l1trigger.data.events import DataSet, Events
from l1trigger.figures import FigureMaker, Source
from l1trigger.physics.best_baseline import difference, tpr_figures
from l1trigger.physics.measure import scored
from l1trigger.physics.roc import Scored, interpolated_true_positive_rate

N, SIGNALS = 20_000, 2_000


def sample(scores: np.ndarray) -> Scored:
    """Single independent events of equal weight."""
    return Scored.of(scores, Events.unweighted("any", np.zeros((len(scores), 1), np.int16)))


def test_the_error_is_the_scatter_of_repeated_samples():
    """Both parts count: the signal's, and the background's, which moves the baseline along its ROC."""
    rng, values, errors = np.random.default_rng(3), [], []
    for _ in range(250):
        common = rng.exponential(1, N), rng.exponential(2.5, SIGNALS)
        first, second = (
            [sample(c + rng.normal(0, width, len(c))) for c in common] for width in (0.3, 0.8)
        )
        d = difference((first[0], second[0]), (first[1], second[1]), 5.0)
        values.append(d.value)
        errors.append(d.error)
    # 250 repetitions know their scatter to 4.5 %; three times that is allowed.
    assert np.mean(errors) == pytest.approx(np.std(values, ddof=1), rel=0.14)
    # The signal's part alone would not do.
    paired = (first[1].scores > 5.0) * 1.0 - (second[1].scores > 5.0)
    assert np.mean(errors) > 1.15 * np.std(paired) / SIGNALS**0.5


def test_a_score_against_itself_and_against_a_copy_in_other_units():
    rng = np.random.default_rng(4)
    background, signal = rng.exponential(1, N), rng.exponential(3, SIGNALS)
    one = sample(background), sample(signal)
    other = sample(7 * background - 2), sample(7 * signal - 2)
    for b, s in (one, other):
        d = difference((one[0], b), (one[1], s), 4.0)
        assert d.value == 0 and d.error == 0


def test_a_coarse_baseline_meets_the_rate_exactly():
    """Eight background events, two of them accepted; the baseline has three at its highest value."""
    background, signal = sample(np.array([9.0, 8, 1, 1, 1, 1, 1, 1])), sample(np.array([9.0, 9, 9, 1]))
    coarse = sample(np.array([1.0, 1, 1, 0, 0, 0, 0, 0])), sample(np.array([1.0, 0, 1, 0]))
    d = difference((background, coarse[0]), (signal, coarse[1]), 5.0)
    assert d.value == pytest.approx(3 / 4 - 2 / 3 * 2 / 4)
    assert interpolated_true_positive_rate(coarse[0].spectrum, coarse[1].spectrum, 2 / 8) == pytest.approx(1 / 3)


@pytest.fixture(scope="module")
def data() -> DataSet:
    inputs = np.zeros((N, 19, 3), np.int16)
    test = Events("zerobias", inputs, np.full(N, 1 / N), (np.arange(N) % 10).astype(np.int16),
                  np.arange(N, dtype=np.int32))
    signals = tuple(Events.unweighted(name, inputs[:SIGNALS]) for name in ("a", "b"))
    return DataSet(test, test, test, signals, True, 2760)


@pytest.fixture(scope="module")
def scores():
    rng = np.random.default_rng(5)
    background = rng.exponential(1, N)

    def one(a: float, b: float) -> dict[str, np.ndarray]:
        return {"zerobias": background + rng.normal(0, 0.1, N), "a": rng.exponential(a, SIGNALS),
                "b": rng.exponential(b, SIGNALS)}

    return {"csim": one(3, 2), "x": one(4, 1), "y": one(1, 1.5)}


def maker(name: str) -> FigureMaker:
    if name == "csim":
        return FigureMaker("csim", Source.CSIM, "g++")
    return FigureMaker("baseline", Source.DATASET, None, {"baseline": name})


def figures(data, scores, threshold):
    level, baselines = scored(scores["csim"], data), {k: scored(scores[k], data) for k in ("x", "y")}
    return tpr_figures(level, baselines, data, threshold, maker, "csim")


def test_each_signal_has_the_baseline_that_is_best_for_it(data, scores):
    made = figures(data, scores, 4.0)
    gains = {f.conditions["signal"]: f for f in made if f.name == "tpr_above_best_baseline"}
    assert {s: f.conditions["best_baseline"] for s, f in gains.items()} == {"a": "x", "b": "y"}
    assert gains["a"].value < 0 < gains["b"].value
    rate = np.mean(scores["csim"]["zerobias"] > 4)
    for s, f in gains.items():
        baseline = f.conditions["best_baseline"]
        assert f.level == "csim" and f.conditions["achieved_false_positive_rate"] == pytest.approx(rate)
        (other,) = [g for g in made if g.matches("tpr_at_same_rate", "baseline", signal=s, baseline=baseline)]
        assert other.interval[0] < other.value < other.interval[1]
        assert f.value == pytest.approx(np.mean(scores["csim"][s] > 4) - other.value)
        cut = np.sort(scores[baseline]["zerobias"])[-round(N * rate) - 1]
        assert other.value == pytest.approx(np.mean(scores[baseline][s] > cut))


@pytest.mark.parametrize(("threshold", "zero_bias", "reason"), [
    (1000.0, True, "only 0 background events lie above the design's threshold; 10 are needed"),
    (7.0, True, r"rests on \d.* effective independent events; 30 are needed"),
    (7.0, False, None),
])
def test_a_threshold_with_too_few_events_has_a_reason(data, scores, threshold, zero_bias, reason):
    made = figures(replace(data, zero_bias=zero_bias), scores, threshold)
    if reason is None:
        assert all(f.value is not None for f in made)
        return
    assert {f.name for f in made} == {"tpr_above_best_baseline"} and all(f.value is None for f in made)
    assert re.search(reason, made[0].reason)
