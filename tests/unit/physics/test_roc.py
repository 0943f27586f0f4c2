from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import binomtest, spearmanr
from sklearn.metrics import roc_auc_score

from l1trigger.data.events import Events
from l1trigger.physics import roc
from l1trigger.physics.roc import Scored, Spectrum


def sample(scores, weight=None, block=None) -> tuple[Scored, Events]:
    n = len(scores)
    e = Events.unweighted("s", np.zeros((n, 19, 3), np.int16))
    e = Events("s", e.inputs, e.weight if weight is None else weight / weight.sum(),
               e.block if block is None else block.astype(np.int16), e.row)
    return Scored.of(np.asarray(scores, float), e), e


@pytest.fixture
def tied():
    """Quantized scores with many ties, and background weights over three orders of magnitude."""
    rng = np.random.default_rng(3)
    b = np.round(rng.normal(0, 1, 4000) * 4) / 4
    s = np.round(rng.normal(1, 1, 700) * 4) / 4
    return sample(b, 10 ** rng.uniform(-3, 0, 4000))[0], sample(s)[0]


def test_weighted_auc_agrees_with_scikit_learn(tied):
    b, s = tied
    weights = np.r_[b.groups.weight, np.full(len(s.scores), 1 / len(s.scores))]
    truth = np.r_[np.zeros(len(b.scores)), np.ones(len(s.scores))]
    expected = roc_auc_score(truth, np.r_[b.scores, s.scores], sample_weight=weights)
    # Both sum the same numbers in another order.
    assert roc.auc(b, s).value == pytest.approx(expected, abs=1e-12)


def test_area_under_the_curve_is_the_auc(tied):
    b, s = tied
    fpr, tpr = roc.roc_curve(b.spectrum, s.spectrum)
    every = Spectrum.of(np.r_[b.scores, s.scores], np.ones(len(b.scores) + len(s.scores))).values[::-1]
    x, y = np.append(b.spectrum.fraction_above(every), 1), np.append(s.spectrum.fraction_above(every), 1)
    assert np.trapezoid(y, x) == pytest.approx(roc.auc(b, s).value, abs=1e-12)
    assert (np.diff(fpr) >= 0).all() and (np.diff(tpr) >= 0).all()
    assert fpr[-1] == tpr[-1] == 1


def test_error_of_the_auc_is_the_scatter_of_repeated_samples():
    rng = np.random.default_rng(4)
    values, errors = [], []
    for _ in range(200):
        e = roc.auc(sample(rng.normal(0, 1, 300))[0], sample(rng.normal(1, 1, 200))[0])
        values.append(e.value)
        errors.append(e.error)
    # 200 repetitions know their own scatter to 5 %.
    assert np.mean(errors) == pytest.approx(np.std(values), rel=0.15)


def test_auc_loss_is_the_difference_and_its_error_knows_the_pairing(tied):
    b, s = tied
    rng = np.random.default_rng(5)
    b2, s2 = (sample(x.scores + rng.normal(0, 0.1, len(x.scores)), x.groups.weight)[0] for x in (b, s))
    loss = roc.auc_loss((b, b2), (s, s2))
    assert loss.value == pytest.approx(roc.auc(b, s).value - roc.auc(b2, s2).value)
    assert 0 < loss.error < 0.5 * roc.auc(b, s).error
    assert roc.auc_loss((b, b), (s, s)) == type(loss)(0.0, 0.0, loss.method)


@pytest.mark.parametrize("wanted", [0.5, 1e-1, 1e-2, 1e-3])
def test_threshold_never_exceeds_the_wanted_rate_and_is_the_lowest(tied, wanted):
    spectrum = tied[0].spectrum
    t = spectrum.threshold(wanted)
    assert spectrum.fraction_above(t) <= wanted
    below = spectrum.values[spectrum.values < t]
    assert not len(below) or spectrum.fraction_above(below[-1]) > wanted


def test_an_exact_fraction_is_met_in_spite_of_rounding():
    spectrum = sample(np.arange(1000.0))[0].spectrum
    assert spectrum.threshold(0.01) == 989
    assert spectrum.count_above(989) == 10


def test_counts_and_fractions_at_the_ends():
    spectrum = sample([1.0, 1.0, 2.0])[0].spectrum
    assert [spectrum.count_above(t) for t in (0, 1, 1.5, 2, 3)] == [3, 1, 1, 0, 0]
    assert spectrum.fraction_above(np.array([0.0, 1.0, 2.0])) == pytest.approx([1, 1 / 3, 0])


def test_interpolated_tpr_lies_on_the_line_between_two_points():
    b, s = sample([0, 0, 1, 1.0])[0], sample([0, 1, 1, 1.0])[0]
    # At FPR 0.25, half of the events at 1 are accepted: half of three quarters of the signal.
    assert roc.interpolated_true_positive_rate(b.spectrum, s.spectrum, 0.25) == pytest.approx(0.375)
    assert roc.true_positive_rate(s, b.spectrum.threshold(0.25)).value == 0


@pytest.mark.parametrize(("k", "n"), [(0, 20), (3, 20), (20, 20)])
def test_interval_is_clopper_pearson(k, n):
    expected = binomtest(k, n).proportion_ci(roc.ONE_SIGMA, method="exact")
    low, high = roc.binomial_interval(np.array(float(k)), np.array(float(n)))
    # Where nothing or everything passes, the whole tail is on one side; scipy's does the same.
    assert (float(low), float(high)) == pytest.approx((expected.low, expected.high))
    e = roc.efficiency(np.arange(n) < k, sample(np.zeros(n))[0].groups)
    assert (e.value, e.low, e.high, e.trials) == pytest.approx((k / n, float(low), float(high), n))


def test_copied_events_do_not_narrow_the_interval():
    n = 100
    x = np.random.default_rng(6).random(n) < 0.3
    e = Events.unweighted("s", np.zeros((10 * n, 19, 3), np.int16))
    copies = Events("s", e.inputs, e.weight, e.block, np.repeat(np.arange(n), 10).astype(np.int32))
    one = roc.efficiency(x, sample(np.zeros(n))[0].groups)
    ten = roc.efficiency(np.repeat(x, 10), Scored.of(np.zeros(10 * n), copies).groups)
    assert ten.trials == pytest.approx(n, rel=0.02)
    assert ten.high - ten.low == pytest.approx(one.high - one.low, rel=0.02)


def test_spearman_with_equal_weights_is_scipys(tied):
    rng = np.random.default_rng(7)
    x = np.round(rng.normal(0, 1, 3000), 1)
    y = x + rng.normal(0, 1, 3000)
    assert roc.spearman(sample(x)[0], sample(y)[0]).value == pytest.approx(spearmanr(x, y).statistic, abs=1e-9)


def test_weights_in_spearman_are_copies():
    rng = np.random.default_rng(8)
    x, y, times = rng.normal(0, 1, 50), rng.normal(0, 1, 50), rng.integers(1, 5, 50)
    weighted = roc.spearman(sample(x, times.astype(float))[0], sample(y, times.astype(float))[0]).value
    assert weighted == pytest.approx(spearmanr(np.repeat(x, times), np.repeat(y, times)).statistic, abs=1e-9)


def test_bad_scores_are_errors():
    with pytest.raises(ValueError, match="not a finite number"):
        sample([1.0, np.nan])
    with pytest.raises(ValueError, match="3 scores for the 2 events"):
        Scored.of(np.zeros(3), sample([0.0, 1.0])[1])


def test_fewer_scores_belong_to_the_first_events():
    _, e = sample(np.arange(10.0))
    assert len(Scored.of(np.arange(4.0), e).groups.weight) == 4
