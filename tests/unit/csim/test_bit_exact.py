"""Python against C++, integer by integer, on random networks and random events with extreme integers."""

import numpy as np
import pytest
import toy_trigger as toy
from toy_trigger import Bits

from l1trigger import csim
from l1trigger.fixed_point import FixedPoint

EVENTS = 12_000

CASES = {
    "identity": {"kernel": "identity", "sizes": (8, 4, 1)},
    "sum_of_squares": {
        "kernel": "sum_of_squares", "sizes": (6, 3), "seed": 2, "bits": Bits(weights=(4, 0), output=(9, 2))
    },
    "masked_squared_error": {
        "kernel": "masked_squared_error", "sizes": (4, 9), "seed": 3, "bits": Bits(activations=(5, 2), output=(8, 3))
    },
    "squared_error": {"kernel": "squared_error", "sizes": (4, 9), "seed": 3, "bits": Bits(output=(8, 3))},
    "margin": {"kernel": "margin", "sizes": (6, 4), "seed": 8, "bits": Bits(output=(7, 2))},
    "margin of two, narrow score": {
        "kernel": "margin", "sizes": (5, 2), "seed": 9, "score_type": FixedPoint.parse("ap_fixed<5,3,TRN,SAT>"),
        "threshold": 0,
    },
    "wide, and several outputs": {
        "kernel": "identity", "sizes": (5, 2), "seed": 4,
        "bits": Bits(weights=(12, 2), biases=(14, 4), activations=(14, 6), output=(20, 9)),
    },
    "narrow input, no fractional bits": {
        "kernel": "sum_of_squares", "sizes": (6, 4, 2), "seed": 5,
        "bits": Bits(weights=(4, 3), biases=(4, 3), activations=(4, 4), output=(6, 5), input=(6, 3)),
    },
    "saturating score, negative threshold": {
        "kernel": "identity", "sizes": (4, 1), "seed": 6, "score_type": FixedPoint.parse("ap_fixed<6,3,TRN,SAT>"),
        "threshold": -3,
    },
    "folded angles": {
        "kernel": "masked_squared_error", "sizes": (4, 9), "seed": 3, "bits": Bits(output=(8, 3)),
        "scaling": toy.small_scaling().folded([False, True, True] * 3),
    },
    "threshold beyond every score": {"kernel": "masked_squared_error", "sizes": (3, 9), "seed": 7, "threshold": 2**60},
}


@pytest.mark.parametrize("case", CASES)
def test_equal(case, tmp_path):
    function = toy.trigger(**CASES[case])
    inputs = toy.events(EVENTS, seed=11)
    converted = toy.convert(function, tmp_path, inputs[:10])
    result = csim.run(toy.design(), toy.results(toy.data_set(inputs, inputs[:100]), function, converted), tmp_path)
    assert [c.mismatches for c in result.comparisons] == [0] * 12
    assert result.comparisons[0].events == EVENTS
    if "beyond" in case:
        assert not result.accepts["background"].any()
    else:
        assert 0 < result.accepts["background"].mean() < 1
    np.testing.assert_array_equal(result.scores["csim"]["background"], result.scores["quantized"]["background"])


def test_stream(tmp_path):
    function = toy.trigger(sizes=(4, 9), kernel="masked_squared_error")
    inputs = toy.events(EVENTS, seed=12)
    converted = toy.convert(function, tmp_path, None, io_type="io_stream")
    result = csim.run(toy.design(), toy.results(toy.data_set(inputs, inputs[:10]), function, converted), tmp_path)
    assert all(c.exact for c in result.comparisons)


def test_resource_strategy_on_vivado(tmp_path):
    function = toy.trigger(sizes=(6, 3))
    inputs = toy.events(EVENTS, seed=13)
    converted = toy.convert(function, tmp_path, None, backend="Vivado", strategy="Resource", reuse_factor=3)
    assert converted.reuse_factors == {"dense_1": (3, 3), "dense_2": (3, 3)}
    result = csim.run(toy.design(), toy.results(toy.data_set(inputs, inputs[:10]), function, converted), tmp_path)
    assert all(c.exact for c in result.comparisons)
