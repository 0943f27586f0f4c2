"""Counts are exact, however they are put together, and their weights are those of single crossings."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from l1trigger.data.events import Events
from l1trigger.physics import rates
from l1trigger.physics.roc import Scored
from l1trigger.rate.counts import Binned, Counts

BUNCHES = 2760


def crossings(seed, n=4000, blocks=9, strata=4):
    """Block, stratum, pattern and score of random crossings; every block has every stratum."""
    rng = np.random.default_rng(seed)
    block, stratum = rng.integers(0, blocks, n), rng.integers(0, strata, n)
    block[: blocks * strata], stratum[: blocks * strata] = np.divmod(np.arange(blocks * strata), strata)
    return block + 10, stratum, rng.integers(0, 3, n), np.rint(rng.exponential(5 * (1 + stratum))).astype(np.int64)


def columns(counts):
    return [getattr(counts, name) for name in ("block", "stratum", "pattern", "score", "events")]


def same(a, b):
    for x, y in zip(columns(a), columns(b), strict=True):
        np.testing.assert_array_equal(x, y)


@given(seed=st.integers(0, 10_000), cuts=st.lists(st.integers(0, 4000), max_size=6))
def test_any_division_into_parts_gives_the_same_counts(seed, cuts):
    whole = crossings(seed)
    ends = [0, *sorted(cuts), 4000]
    parts = [Counts.of(*(c[a:b] for c in whole)) for a, b in itertools.pairwise(ends)]
    np.random.default_rng(seed).shuffle(parts)
    same(Counts.join([Counts.none(), *parts]), Counts.of(*whole))
    assert Counts.of(*whole).events.sum() == 4000


def test_files_keep_them(tmp_path):
    counts = Counts.of(*crossings(1))
    counts.save(tmp_path / "a.npz")
    same(Counts.load(tmp_path / "a.npz"), counts)
    assert [p.name for p in tmp_path.iterdir()] == ["a.npz"]


def test_rates_equal_those_of_single_weighted_crossings():
    """Where equal crossings are counted together, rate, error, n_eff and number of events stay what they are."""
    block, stratum, pattern, score = crossings(2)
    strata = np.array([0.6, 0.3, 0.07, 0.03])
    weight = np.zeros(len(score))
    for b in np.unique(block):
        for s, p in enumerate(strata):
            here = (block == b) & (stratum == s)
            weight[here] = p / here.sum() / len(np.unique(block))
    inputs = np.zeros((len(score), 19, 3), np.int16)
    events = Events("zerobias", inputs, weight, block.astype(np.int16), np.arange(len(score)), {})
    single, binned = Scored.of(score * 0.25, events), Binned.of(Counts.of(block, stratum, pattern, score), strata, 0.25)
    assert binned.crossings == len(score)
    assert binned.scored.groups.weight.sum() == pytest.approx(1)
    for threshold in (0.0, 1.0, 3.25, 8.0, 1000.0):
        a, b = (rates.rate(s, threshold, BUNCHES) for s in (single, binned.scored))
        assert a.events == b.events and a.method == b.method
        # Sums in another order round otherwise.
        np.testing.assert_allclose([a.khz, a.error_khz, a.n_eff], [b.khz, b.error_khz, b.n_eff], rtol=1e-9)
    for khz in (1e2, 1e3, 1e4):
        a, b = (rates.threshold_for_rate(s, khz, BUNCHES) for s in (single, binned.scored))
        assert a.threshold == b.threshold
    alone = rates.rate(binned.scored, 1.0, BUNCHES, binned.pattern == 0)
    expected = weight[(score * 0.25 > 1.0) & (pattern == 0)].sum() * BUNCHES * 11.2455
    assert alone.khz == pytest.approx(expected)


def test_more_crossings_of_a_stratum_do_not_shift_its_weight():
    counts = Counts.of(*crossings(3))
    rare = counts.stratum == 3
    again = Counts.join([counts, Counts(*(c[rare] for c in columns(counts)))])
    strata = np.array([0.6, 0.3, 0.07, 0.03])
    a, b = (Binned.of(c, strata, 1.0).scored for c in (counts, again))
    np.testing.assert_array_equal(a.scores, b.scores)
    np.testing.assert_allclose(a.groups.weight, b.groups.weight, rtol=1e-12)
