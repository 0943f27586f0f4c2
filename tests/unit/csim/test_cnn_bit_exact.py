"""Convolutional networks: QKeras against C++, integer by integer, for everything that a design may write."""

import numpy as np
import pytest
import toy_cnn
import toy_trigger as toy

from l1trigger import csim

EVENTS = 2_000
STREAMED = ("valid windows", "averages", "channels", "branches", "features", "autoencoder")
TRIED = [(case, "io_parallel") for case in toy_cnn.CASES] + [(case, "io_stream") for case in STREAMED]


@pytest.mark.parametrize(("case", "io_type"), TRIED)
def test_equal(case, io_type, tmp_path):
    written, options = toy_cnn.CASES[case]
    function = toy_cnn.trigger(written, **options)
    inputs = toy_cnn.images(EVENTS, len(function.scaling), seed=11)
    converted = toy.convert(function, tmp_path, inputs[:10], io_type=io_type)
    result = csim.run(toy.design(), toy.results(toy.data_set(inputs, inputs[:10]), function, converted), tmp_path)
    assert [c.mismatches for c in result.comparisons] == [0] * 12
    assert result.comparisons[0].events == EVENTS
    assert len(np.unique(result.scores["csim"]["background"])) > 10
