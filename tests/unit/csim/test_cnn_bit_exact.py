"""Convolutional networks: QKeras against C++, integer by integer, for everything that a design may write."""

import numpy as np
import pytest
import toy_cnn
import toy_trigger as toy

from l1trigger import csim

EVENTS = 2_000
SAME = {"conv": {"filters": 2, "padding": "same"}}
LAST = {"dense": {"units": 2, "relu": False}}
CASES = {
    "valid windows": ([{"conv": {"filters": 2}}, {"max_pool": {"size": 2}}, LAST], {"image": (7, 6, 2)}),
    "strides": ([{"conv": {"filters": 2, "kernel": [3, 1], "stride": [2, 1]}}, SAME, LAST], {"image": (7, 3, 1)}),
    "averages": ([{"conv": {"filters": 2, "kernel": 2, "padding": "same"}}, {"average_pool": {"size": [3, 1]}},
                  {"average_pool": {"size": 2}}, LAST], {}),
    "signed pooling": ([{"conv": {"filters": 2, "relu": False}}, {"max_pool": {"size": 3, "stride": 1}}, LAST], {}),
    "channels": ([{"depthwise_conv": {"batch_norm": True}}, {"separable_conv": {"filters": 2, "kernel": 2}},
                  {"conv": {"filters": 2, "kernel": 1, "batch_norm": True}}, LAST], {"image": (5, 5, 3)}),
    "branches": ([SAME, {"add": [[SAME], []]}, {"concatenate": [[], [{"conv": {"filters": 1, "kernel": 1}}], [SAME]]},
                  {"max_pool": {}}, LAST], {"image": (4, 4, 1)}),
    "features": ([{"conv": {"filters": 2}}, {"features": True}, {"dense": {"units": 4, "batch_norm": True}}, LAST],
                 {"features": 3}),
    "autoencoder": ([SAME, {"max_pool": {"size": [3, 1]}}, {"dense": {"units": 3}}, {"dense": {"units": 12}},
                     {"reshape": {"shape": [2, 3, 2]}}, SAME, {"up_sample": {"size": [3, 1]}},
                     {"conv": {"filters": 1, "padding": "same", "relu": False}}], {"image": (6, 3, 1)}),
}
STREAMED = ("valid windows", "averages", "channels", "branches", "features", "autoencoder")
TRIED = [(case, "io_parallel") for case in CASES] + [(case, "io_stream") for case in STREAMED]


@pytest.mark.parametrize(("case", "io_type"), TRIED)
def test_equal(case, io_type, tmp_path):
    written, options = CASES[case]
    function = toy_cnn.trigger(written, **options)
    inputs = toy_cnn.images(EVENTS, len(function.scaling), seed=11)
    converted = toy.convert(function, tmp_path, inputs[:10], io_type=io_type)
    result = csim.run(
        toy.design(), toy.data_set(inputs, inputs[:10]), toy.reference(), toy.compressed(function), converted, tmp_path
    )
    assert [c.mismatches for c in result.comparisons] == [0] * 6
    assert result.comparisons[0].events == EVENTS
    assert len(np.unique(result.scores["csim"]["background"])) > 10
