"""The compiled kernel against its statement in NumPy, integer by integer."""

import numpy as np
import pytest
import synthetic_pool
from hypothesis import given
from hypothesis import strategies as st

from l1trigger.data import crossings, crossings_kernel, electronics
from l1trigger.data.detector import TOWERS_ETA, TOWERS_PHI, UNITS_PER_GEV
from l1trigger.data.electronics import Thresholds
from l1trigger.data.pool_rows import LINE, Pool, Rows
from l1trigger.errors import ToolNotFoundError

HALF_GEV = UNITS_PER_GEV // 2


def random_rows(rng, rows, deposits, largest):
    """Rows of a pool; few values, so that neighbouring towers are often equal."""
    size = rng.integers(0, deposits + 1, rows)
    total = int(size.sum())
    cell = rng.integers(0, 2 * TOWERS_PHI, total) * LINE + rng.integers(0, TOWERS_ETA, total)
    value = rng.integers(0, largest + 1, total) * rng.choice([1, HALF_GEV, 8 * HALF_GEV], total)
    none = np.zeros(rows, np.int64)
    return Rows(
        (cell | np.minimum(value, 65535) << 16).astype(np.uint32), np.cumsum(size) - size, size.astype(np.int32),
        np.zeros((0, 3)), none, none.astype(np.int32), none.astype(float), none.astype(np.uint8),
        none.astype(np.int32),
    )


class OnlyRows:
    """As much of a pool as summing needs."""

    def __init__(self, rows):
        self.rows = rows


@given(
    seed=st.integers(0, 2**32 - 1), largest=st.sampled_from([1, 4, 60, 4000]), per_crossing=st.integers(0, 40),
    deposits=st.sampled_from([1, 30, 2000]),
    cut=st.builds(
        Thresholds, jet=st.integers(0, 60), jet_seed=st.integers(1, 20), egamma=st.integers(0, 20),
        egamma_seed=st.integers(1, 10), region_bits=st.integers(2, 12),
    ),
)
def test_kernel_equals_numpy(seed, largest, per_crossing, deposits, cut):
    rng = np.random.default_rng(seed)
    pool = random_rows(rng, 50, deposits, largest)
    number = rng.integers(0, per_crossing + 1, 7)
    rows, crossing = rng.integers(0, 50, number.sum()), np.repeat(np.arange(7), number)
    turn, flip = rng.integers(0, TOWERS_PHI, len(rows)), rng.integers(0, 2, len(rows))
    first = np.concatenate([[0], np.cumsum(number)])
    objects, regions, lines = crossings_kernel.load().run(pool, rows, first, turn, flip, cut)
    electronics.add_missing_et(objects, lines)
    towers = crossings._towers(OnlyRows(pool), rows, crossing, 7, turn, flip)
    expected = electronics.trigger_primitives(towers, np.zeros(0, np.int64), np.zeros((0, 3)), cut)
    np.testing.assert_array_equal(objects, expected[0])
    np.testing.assert_array_equal(regions, expected[1])


@pytest.mark.parametrize("stream", [False, True])
def test_without_a_compiler_the_same_crossings_come_from_numpy(tmp_path, monkeypatch, stream):
    pool = Pool.load(synthetic_pool.make(tmp_path, scale=50.0))

    def made():
        return crossings.generate(pool, 20.0, {None: 150, 4: 30}, 12, np.random.default_rng(3), stream=stream)

    compiled = made()

    def absent():
        raise ToolNotFoundError("no compiler")

    monkeypatch.setattr(crossings_kernel, "load", absent)
    plain = made()
    assert compiled.objects.any() and compiled.regions.any()
    for field in ("objects", "regions", "stratum", "row"):
        np.testing.assert_array_equal(getattr(compiled, field), getattr(plain, field))


def test_a_stream_has_the_spectra_of_a_sample(tmp_path):
    pool = Pool.load(synthetic_pool.make(tmp_path, scale=50.0))
    n = 20_000
    sample, stream = (
        crossings.generate(pool, 5.0, {None: n}, 3, np.random.default_rng(4), stream=s) for s in (False, True)
    )
    assert (stream.row == -1).all() and (sample.row >= 0).any()
    for threshold in (1, 60, 100, 160):  # leading jet in units of 0.5 GeV
        p, q = ((made.objects[:, 9, 0] >= threshold).mean() for made in (sample, stream))
        assert abs(p - q) <= 4.5 * np.sqrt(2 * max(p, 1 / n) / n)


def test_blocks_that_are_not_read_hold_no_row(tmp_path):
    folder = synthetic_pool.make(tmp_path, scale=50.0)
    whole, half = Pool.load(folder), Pool.load(folder, blocks=range(10, 20))
    assert len(half.rows.deposits) < len(whole.rows.deposits)
    for a, b in zip(whole.classes, half.classes, strict=True):
        assert a.sigma_mb == b.sigma_mb and b.first[0] == b.first[10]
        assert a.first[20] - a.first[10] == b.rows
    made = [crossings.generate(p, 5.0, {None: 100}, 12, np.random.default_rng(5)) for p in (whole, half)]
    np.testing.assert_array_equal(made[0].objects, made[1].objects)
