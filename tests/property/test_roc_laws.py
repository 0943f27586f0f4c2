"""Laws of weighted ROC curves and rates."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from l1trigger.data.events import Events
from l1trigger.physics import roc
from l1trigger.physics.roc import Scored, Spectrum

# Integers, so that scores tie and maps of them are exact.
scores = arrays(np.int64, st.integers(2, 60), elements=st.integers(-8, 8))
weights = st.integers(1, 1000)


def scored(values, weight=None) -> Scored:
    e = Events.unweighted("s", np.zeros((len(values), 1), np.int16))
    w = e.weight if weight is None else weight / weight.sum()
    return Scored.of(np.asarray(values, float), Events("s", e.inputs, w, e.block, e.row))


@st.composite
def weighted(draw):
    values = draw(scores)
    weight = draw(arrays(np.int64, len(values), elements=weights)).astype(float)
    return values, weight


@given(weighted(), scores)
def test_auc_does_not_change_under_rising_maps(background, signal):
    b, w = background
    plain = roc.auc(scored(b, w), scored(signal)).value
    assert roc.auc(scored(b**3 + 7, w), scored(signal**3 + 7)).value == pytest.approx(plain, abs=1e-12)


@given(weighted(), scores)
def test_auc_of_the_opposite_score_is_the_rest(background, signal):
    b, w = background
    both = roc.auc(scored(b, w), scored(signal)).value + roc.auc(scored(-b, w), scored(-signal)).value
    assert both == pytest.approx(1, abs=1e-12)


@given(weighted())
def test_auc_of_a_sample_with_itself_is_one_half(background):
    assert roc.auc(scored(*background), scored(*background)).value == pytest.approx(0.5, abs=1e-12)


@given(scores, scores, st.data())
def test_whole_weights_are_copies(b, s, data):
    times = data.draw(arrays(np.int64, len(b), elements=st.integers(1, 4)))
    copied = roc.auc(scored(np.repeat(b, times)), scored(s)).value
    assert roc.auc(scored(b, times.astype(float)), scored(s)).value == pytest.approx(copied, abs=1e-12)


@given(weighted(), st.floats(1e-6, 1, exclude_max=True), st.randoms())
def test_threshold_is_deterministic_lowest_and_never_above_the_wanted_rate(background, wanted, random):
    values, weight = background
    spectrum = Spectrum.of(values.astype(float), weight)
    t = spectrum.threshold(wanted)
    exact = weight[values > t].sum() / weight.sum()
    assert exact <= wanted * (1 + 1e-8)
    lower = values[values < t]
    if len(lower):
        assert weight[values > lower.max()].sum() / weight.sum() > wanted * (1 - 1e-8)
    order = list(range(len(values)))
    random.shuffle(order)
    assert Spectrum.of(values[order].astype(float), weight[order]).threshold(wanted) == t


@given(weighted(), scores, st.floats(1e-3, 0.999))
def test_interpolated_tpr_lies_between_the_steps(background, signal, wanted):
    b, s = scored(*background).spectrum, scored(signal).spectrum
    t = b.threshold(wanted)
    between = roc.interpolated_true_positive_rate(b, s, wanted)
    at = float(np.mean(signal == t))
    above = float(s.fraction_above(t))
    assert above - 1e-12 <= between <= above + at + 1e-12


@given(st.integers(0, 200), st.integers(1, 200))
def test_interval_holds_the_fraction(k, n):
    k = min(k, n)
    low, high = roc.binomial_interval(np.array(float(k)), np.array(float(n)))
    assert 0 <= low <= k / n <= high <= 1
