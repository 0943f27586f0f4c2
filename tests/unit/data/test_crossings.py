import numpy as np
import pytest
import synthetic_pool
from scipy import stats

from l1trigger.data import crossings
from l1trigger.data import pool as pools
from l1trigger.data.crossings import allocate, generate, natural
from l1trigger.data.pool import chunk_path
from l1trigger.data.pool_rows import BLOCKS, TEST_BLOCKS, TRAIN_BLOCKS, Pool
from l1trigger.errors import DataError

PILEUP = 5.0


@pytest.fixture(scope="module")
def pool(tmp_path_factory):
    return Pool.load(synthetic_pool.make(tmp_path_factory.mktemp("pool"), scale=50.0), signals=("A4l",))


def test_strata_are_disjoint_and_complete(pool):
    strata = pool.strata(PILEUP)
    assert strata.sum() == pytest.approx(1, abs=1e-12)  # float64 rounding of a sum of probabilities
    lam = pool.means(PILEUP)
    assert lam.sum() == pytest.approx(PILEUP)
    # The highest stratum is "at least one of the last class".
    assert strata[-1] == pytest.approx(1 - np.exp(-lam[-1]))


def test_truncated_poisson_is_poisson_given_at_least_one():
    n = crossings._truncated_poisson(0.7, 200_000, np.random.default_rng(1))
    assert n.min() == 1
    expected = stats.poisson.pmf(np.arange(1, 6), 0.7) / -np.expm1(-0.7)
    observed = np.bincount(n)[1:6] / len(n)
    np.testing.assert_allclose(observed, expected, atol=5 * np.sqrt(0.25 / len(n)))  # five standard deviations


def test_weighted_and_plain_crossings_have_the_same_spectrum(pool):
    """The weights are exact: a stratified sample and the plain mixture estimate the same probabilities."""
    rng = np.random.default_rng(2)
    strata = pool.strata(PILEUP)
    counts = allocate(strata, 20_000)
    weighted = generate(pool, PILEUP, counts, 3, rng)
    weight = (strata / np.array(list(counts.values())))[weighted.stratum]
    assert weight.sum() == pytest.approx(1)
    plain = generate(pool, PILEUP, {None: 20_000}, 3, rng)
    for threshold in (0, 60, 100, 160):  # leading jet in units of 0.5 GeV
        passing = weighted.objects[:, 9, 0] >= threshold
        p = weight[passing].sum()
        q = (plain.objects[:, 9, 0] >= threshold).mean()
        error = np.sqrt((weight[passing] ** 2).sum() + q * (1 - q) / 20_000)
        assert abs(p - q) <= 4.5 * error + 1e-12


def test_natural_counts_are_multinomial(pool):
    counts = natural(pool.strata(PILEUP), 10_000, np.random.default_rng(3))
    assert sum(counts.values()) == 10_000
    assert all(counts.values())


def test_blocks_share_no_row(pool):
    rng = np.random.default_rng(4)
    rows = [set(generate(pool, PILEUP, {None: 300}, b, rng).row.tolist()) - {-1} for b in (0, 1)]
    assert rows[0] and rows[1]
    assert not rows[0] & rows[1]
    assert not set(TRAIN_BLOCKS) & set(TEST_BLOCKS)
    assert len(TRAIN_BLOCKS) + len(TEST_BLOCKS) == BLOCKS


def test_each_signal_crossing_holds_one_signal_row(pool):
    made = generate(pool, 0.001, {None: 60}, TEST_BLOCKS[0], np.random.default_rng(5), signal="A4l")
    assert (made.objects[:, 0, 0] > 0).all()  # its single tower is missing ET, too
    assert (made.stratum == -1).all()


def test_same_seed_same_crossings(pool):
    a, b = (generate(pool, PILEUP, {None: 100}, 0, np.random.default_rng(6)) for _ in range(2))
    np.testing.assert_array_equal(a.objects, b.objects)
    np.testing.assert_array_equal(a.regions, b.regions)


def test_missing_process_names_it(tmp_path):
    folder = synthetic_pool.make(tmp_path)
    chunk_path(folder, "q050", 0).unlink()
    with pytest.raises(DataError, match=r"q050.*holds no chunk.*data make"):
        Pool.load(folder)


def test_damaged_chunk_is_named(tmp_path):
    folder = synthetic_pool.make(tmp_path)
    path = chunk_path(folder, "q050", 0)
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(DataError, match=r"chunk_0000\.npz: is not a pool chunk"):
        Pool.load(folder)


def test_parts_of_a_pool_share_no_collision(tmp_path, monkeypatch):
    jobs = []
    monkeypatch.setattr(pools.parallel, "run", lambda _, todo, *rest: jobs.append({(p.name, c) for p, c, _ in todo}))
    for scale, part in ((1.0, 0), (0.25, 4), (0.25, 5)):
        pools.make_pool(tmp_path, scale=scale, part=part)
    whole, first, second = jobs
    assert ("soft", 0) in whole and ("soft", 100) in first
    assert {name for name, _ in first} == {name for name, _ in whole}
    assert not whole & first and not first & second
