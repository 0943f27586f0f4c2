from __future__ import annotations

import numpy as np
import pytest

from l1trigger.data.events import Events
from l1trigger.physics.estimate import Groups


def sample(n=400, blocks=None, rows=None, weight=None) -> Events:
    one = Events.unweighted("s", np.zeros((n, 19, 3), np.int16))
    return Events(
        "s", one.inputs, one.weight if weight is None else weight,
        one.block if blocks is None else blocks.astype(np.int16), one.row if rows is None else rows.astype(np.int32),
    )


def test_single_events_give_the_binomial_error():
    x = np.arange(400) < 100
    e = Groups.of(sample()).mean(x)
    assert e.value == pytest.approx(0.25)
    assert e.error == pytest.approx(np.sqrt(0.25 * 0.75 / 399))
    assert "binomial" in e.method


def test_blocks_give_the_scatter_between_sub_pools():
    blocks = np.repeat(np.arange(10), 40)
    rng = np.random.default_rng(1)
    x = rng.random(400) < rng.random(10)[blocks]
    parts = x.reshape(10, 40).mean(1)
    e = Groups.of(sample(blocks=blocks)).mean(x)
    assert e.error == pytest.approx(parts.std(ddof=1) / np.sqrt(10))
    assert "10 disjoint sub-pools" in e.method


def test_few_blocks_fall_back_to_pool_rows():
    rows = np.repeat(np.arange(40), 10)
    groups = Groups.of(sample(blocks=np.arange(400) % 7, rows=rows))
    assert groups.count == 40
    assert "pool rows" in groups.method
    x = np.repeat(np.random.default_rng(2).random(40) < 0.5, 10)
    # Ten copies of 40 events know as much as 40 events.
    assert groups.mean(x).error == pytest.approx(np.sqrt(x.mean() * (1 - x.mean()) / 39))


def test_unknown_rows_stand_for_themselves():
    rows = np.where(np.arange(400) < 100, 7, -1)
    assert Groups.of(sample(rows=rows)).count == 301


def test_signals_can_leave_blocks_out():
    blocks = np.repeat(np.arange(10), 40)
    assert Groups.of(sample(blocks=blocks), by_block=False).single


def test_an_empty_sample_is_an_error():
    with pytest.raises(ValueError, match="empty or has no weight"):
        Groups.of(sample(weight=np.zeros(400)))
