"""Plain values of hls4ml's graph."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
import toy_trigger as toy

from l1trigger import frameworks
from l1trigger.convert import graph, hls4ml
from l1trigger.design import ConvertSection
from l1trigger.fixed_point import FixedPoint
from l1trigger.network import QuantizedNetwork


@pytest.mark.parametrize("strategy", ["Latency", "Resource"])
def test_layers_are_plain_values(strategy):
    function = toy.trigger((5, 2), seed=2)
    first, dense, relu, *_, last = hls4ml.graph_layers(function.network, ConvertSection(strategy=strategy))
    assert (first.kind, first.shape, first.types["result"]) == ("Input", (9,), function.network.input_type)
    assert dense.kind == "Dense" and dense.inputs == first.outputs and dense.types["input"] == first.types["result"]
    assert np.array_equal(dense.weights["weight"], function.network.weights[0])
    assert np.array_equal(dense.weights["bias"], function.network.weights[1])
    assert relu.word("activation") == "relu" and relu.types["result"] == FixedPoint.parse("ap_ufixed<8,3,RND_CONV,SAT>")
    assert last.types["result"] == function.network.output_type


def test_types_that_are_no_numbers_are_refused():
    class XnorPrecisionType:
        def __str__(self) -> str:
            return "uint<1>"

    with pytest.raises(ValueError, match="uint<1> does not stand for the numbers"):
        graph.precision(XnorPrecisionType())

    class Kept(SimpleNamespace):
        def __str__(self) -> str:
            return "fixed<8,4,TRN,WRAP,2>"

    with pytest.raises(ValueError, match="keeps bits when it wraps"):
        graph.precision(Kept(saturation_bits=2))
    assert graph.precision("fixed<8,4,TRN,WRAP,0>") == FixedPoint(8, 4)


def test_weights_whose_type_ends_left_of_the_binary_point_are_read():
    """hls4ml gives weights that are all multiples of 8 such a type, as ufixed<2,5>."""
    k, q = frameworks.keras(), frameworks.qkeras()
    model = k.Sequential([
        k.Input((3,)), q.QActivation("quantized_bits(6,2,alpha=1)"),
        q.QDense(2, kernel_quantizer=q.quantized_bits(6, 5, alpha=1), bias_quantizer=q.quantized_bits(6, 5, alpha=1)),
        q.QActivation("quantized_bits(16,9,alpha=1)"),
    ])
    model.set_weights([np.array([[8, 16], [16, 8], [24, 0]]), np.array([1, 0])])
    network = QuantizedNetwork.from_keras(
        model, FixedPoint.from_quantized_bits(6, 2), FixedPoint.from_quantized_bits(16, 9))
    _, dense, *_ = hls4ml.graph_layers(network, ConvertSection())
    assert not dense.unknown and dense.types["weight"].fraction >= 0
    np.testing.assert_array_equal(dense.weights["weight"], network.weights[0])
