from __future__ import annotations

import numpy as np
import pytest

from l1trigger.data.events import Events
from l1trigger.physics import rates
from l1trigger.physics.roc import Scored
from l1trigger.units import crossing_rate_khz

BUNCHES = 2760
TOP = crossing_rate_khz(BUNCHES)


def zero_bias(scores, block, row=None, weight=None) -> Scored:
    n = len(scores)
    e = Events.unweighted("zerobias", np.zeros((n, 19, 3), np.int16))
    e = Events("zerobias", e.inputs, e.weight if weight is None else weight / weight.sum(), block.astype(np.int16),
               e.row if row is None else row.astype(np.int32))
    return Scored.of(np.asarray(scores, float), e)


def blocks_with(accepted: list[int], size: int = 1000) -> Scored:
    """Blocks of equal size in which so many events score 1 and the others 0."""
    scores = np.concatenate([(np.arange(size) < a).astype(float) for a in accepted])
    return zero_bias(scores, np.repeat(np.arange(len(accepted)), size))


def test_rate_is_the_crossing_rate_times_the_weight_above():
    weight = np.r_[np.full(500, 1.0), np.full(500, 1e-3)]
    r = rates.rate(zero_bias(np.repeat([0.0, 1.0], 500), np.arange(1000) % 10, weight=weight), 0.5, BUNCHES)
    assert r.khz == pytest.approx(TOP * 0.5 / 500.5)
    assert r.events == 500


def test_error_and_n_eff_are_the_scatter_over_blocks():
    accepted = [10, 20, 30, 40, 10, 20, 30, 40, 25, 25]
    r = rates.rate(blocks_with(accepted), 0.5, BUNCHES)
    parts = TOP * np.array(accepted) / 1000
    error = parts.std(ddof=1) / np.sqrt(10)
    assert (r.khz, r.error_khz) == pytest.approx((parts.mean(), error))
    assert r.n_eff == pytest.approx((parts.mean() / error) ** 2)
    assert r.reason is None


def test_known_number_of_independent_events():
    # 10 blocks with a Poisson number of rows each, every row 50 times: n_eff is the number of rows, not of events.
    rng = np.random.default_rng(9)
    found = []
    for _ in range(60):
        rows = rng.poisson(20, 10)
        found.append(rates.rate(blocks_with([50 * k for k in rows], 5000), 0.5, BUNCHES).error_khz)
    # The mean of 60 variances of 10 values each is known to 6 %.
    n_eff = (TOP * 20 * 50 / 5000) ** 2 / np.mean(np.square(found))
    assert n_eff == pytest.approx(200, rel=0.2)


def test_even_blocks_by_luck_do_not_give_an_infinite_n_eff():
    r = rates.rate(blocks_with([4] * 10), 0.5, BUNCHES)
    assert r.n_eff == 40
    assert r.error_khz == pytest.approx(r.khz / np.sqrt(40))


def test_few_effective_events_are_withheld_with_the_reason():
    r = rates.rate(blocks_with([0, 0, 0, 200, 0, 0, 0, 0, 0, 0]), 0.5, BUNCHES)
    assert r.n_eff == pytest.approx(1)
    assert r.reason == "rests on 1 effective independent events (200 accepted); 30 are needed"
    assert rates.rate(blocks_with([0] * 10), 0.5, BUNCHES).reason is not None


def test_without_blocks_rows_are_clusters():
    scores = np.repeat(np.arange(200) < 50, 5).astype(float)
    r = rates.rate(zero_bias(scores, np.zeros(1000), np.repeat(np.arange(200), 5)), 0.5, BUNCHES)
    assert "pool rows" in r.method
    p = 0.25
    assert r.error_khz == pytest.approx(TOP * np.sqrt(p * (1 - p) / 199))


def test_threshold_for_a_rate_does_not_exceed_it():
    rng = np.random.default_rng(10)
    s = zero_bias(np.round(rng.exponential(1, 20_000), 1), np.arange(20_000) % 10, weight=rng.uniform(0.1, 1, 20_000))
    r = rates.threshold_for_rate(s, 500.0, BUNCHES)
    assert r.khz <= 500 < rates.rate(s, r.threshold - 0.1, BUNCHES).khz
    with pytest.raises(ValueError, match="not between 0 and the crossing rate"):
        rates.threshold_for_rate(s, 1e6, BUNCHES)


def test_curve_falls_and_ends_where_it_is_no_longer_honest():
    rng = np.random.default_rng(11)
    s = zero_bias(rng.exponential(1, 20_000), np.arange(20_000) % 10)
    curve = rates.rate_curve(s, BUNCHES)
    assert (np.diff(curve.threshold) > 0).all() and (np.diff(curve.khz) < 0).all()
    assert curve.n_eff.min() >= 30


def test_shift_is_paired():
    rng = np.random.default_rng(12)
    x = rng.exponential(1, 20_000)
    block = np.arange(20_000) % 10
    a, b = zero_bias(x, block), zero_bias(x + rng.normal(0, 0.02, 20_000), block)
    shift = rates.rate_shift((a, b), (2.0, 2.0), BUNCHES)
    ra, rb = rates.rate(a, 2.0, BUNCHES), rates.rate(b, 2.0, BUNCHES)
    assert shift.khz == pytest.approx(rb.khz - ra.khz)
    assert shift.error_khz < 0.5 * np.hypot(ra.error_khz, rb.error_khz)
    none = rates.rate_shift((a, a), (2.0, 2.0), BUNCHES)
    assert (none.khz, none.error_khz) == (0, 0)
    with pytest.raises(ValueError, match="cannot be paired"):
        rates.rate_shift((a, zero_bias(x[:10], block[:10])), (2.0, 2.0), BUNCHES)
