"""Splits never put copies on both sides, whatever the order of the events."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from l1trigger.data import splits
from l1trigger.data.events import Events


def events(n, seed):
    rng = np.random.default_rng(seed)
    inputs = rng.integers(0, 3, (n, 19, 3)).astype(np.int16) * (rng.random((n, 19, 1)) < 0.05).astype(np.int16)
    return Events.unweighted("x", inputs)


@given(st.integers(1, 400), st.integers(0, 1000), st.floats(0.01, 0.5), st.floats(0.01, 0.45))
def test_identical_events_stay_together(n, seed, validation, test):
    e, ids = splits.with_ids(events(n, seed), None)
    parts = splits.split(e, ids, splits.Fractions(validation, test))
    assert sum(map(len, parts)) == n
    seen = [{x.tobytes() for x in p.inputs} for p in parts]
    assert not (seen[0] & seen[1] or seen[0] & seen[2] or seen[1] & seen[2])


@given(st.integers(0, 1000), st.lists(st.integers(-(2**63), 2**63 - 1), min_size=20, max_size=60))
def test_events_that_share_an_id_stay_together_in_any_order(seed, ids):
    rng = np.random.default_rng(seed)
    ids = np.array(ids * 3, np.int64)
    order = rng.permutation(len(ids))
    first, key = splits.with_ids(events(len(ids), seed), ids)
    parts = splits.split(first, key, splits.Fractions(0.2, 0.3))
    rows = [set(p.row) for p in parts]
    assert sum(map(len, rows)) == len(set.union(*rows)) == len(np.unique(ids))
    shuffled, shuffled_key = splits.with_ids(events(len(ids), seed), ids[order])
    again = splits.split(shuffled, shuffled_key, splits.Fractions(0.2, 0.3))
    assert [len(p) for p in again] == [len(p) for p in parts]
    assert np.array_equal(shuffled.block, first.block[order])
