"""The HLS kernel, compiled: C++ against the quantized network on random clusters, empty and extreme ones included."""

import numpy as np
import pytest
import toy_garnet as toy
import toy_trigger

from l1trigger import csim
from l1trigger.errors import DesignError

EVENTS = 600
ONE_LAYER = {"aggregators": (2,), "propagate": (2,), "filters": (2,)}
CASES = {
    "folded mean": {"reuse": 1},
    "full max": {**ONE_LAYER, "reuse": 4, "head": (4,), "variant": "full", "collapse": "max", "activation": "tanh"},
    "direct sum relu": {"reuse": 8, "head": (8,), "fold": False, "collapse": "sum", "activation": "relu", "seed": 7},
}


@pytest.mark.parametrize("case", CASES)
def test_equal(case, tmp_path):
    more = dict(CASES[case])
    reuse = more.pop("reuse")
    function = toy.trigger(**more)
    inputs = toy.clusters(EVENTS, seed=21)
    converted = toy_trigger.convert(function, tmp_path, inputs[:10], reuse_factor=reuse)
    before = toy_trigger.results(toy.data_set(inputs, inputs[:2]), function, converted)
    result = csim.run(toy_trigger.design(csim={"processes": 1}), before, tmp_path)
    assert [c.mismatches for c in result.comparisons] == [0] * 12
    assert result.comparisons[0].events == EVENTS and result.comparisons[0].outputs == 2 * EVENTS
    assert len(np.unique(result.scores["csim"]["background"])) > 10
    assert 0 < result.accepts["background"].mean() < 1


def test_reuse_that_does_not_divide(tmp_path):
    with pytest.raises(DesignError, match="convert.reuse_factor: 3 does not divide the 8 vertices.*power of two"):
        toy_trigger.convert(toy.trigger(head=()), tmp_path, None, reuse_factor=3)
