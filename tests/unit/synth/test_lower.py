"""The logic of a trigger function equals the function, integer by integer."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import toy_trigger as toy

from l1trigger import frameworks
from l1trigger.convert import hls4ml
from l1trigger.data.objects import INPUTS, input_names, maximum_table
from l1trigger.data.scaling import ObjectInputs
from l1trigger.design import ConvertSection, SynthSection
from l1trigger.errors import UnsupportedLayerError
from l1trigger.fixed_point import FixedPoint, Rounding
from l1trigger.network import QuantizedNetwork
from l1trigger.synth import lower


def differences(function, events, **options) -> int:
    logic = lower.lower(function, SynthSection(**options), lower.ports(function.scaling))
    truth = function.evaluate(events)
    score, accept = logic.evaluate(events)
    return int((score != truth.score).sum() + (accept != truth.accept).sum())


@pytest.mark.parametrize("kernel", ["identity", "margin", "sum_of_squares", "masked_squared_error", "squared_error"])
@pytest.mark.parametrize("options", [{}, {"hard_dc": 0}, {"binary_lut": True}])
def test_equal(kernel, options):
    sizes = (8, 9) if kernel.endswith("squared_error") else (8, 4, 2)
    function = toy.trigger(sizes, kernel, seed=3)
    assert differences(function, toy.events(4000), **options) == 0


@pytest.mark.parametrize("which", [[False, True, True], [False, False, True]])
def test_folded_inputs(which):
    scaling = toy.small_scaling().folded(which * 3)
    function = toy.trigger((8, 9), "masked_squared_error", seed=3, scaling=scaling)
    assert differences(function, toy.events(4000)) == 0
    assert lower.kept(scaling)[2].signed  # the hardware integer keeps its sign


def test_narrow_score_saturates():
    function = toy.trigger((6, 2), score_type=FixedPoint.parse("ap_fixed<5,2,TRN,SAT>"))
    assert differences(function, toy.events(3000)) == 0


def test_a_wrong_rounding_is_caught():
    function = toy.trigger(seed=5)
    text = str(function.network.output_type)
    assert "RND_CONV" in text
    events = toy.events(4000)
    truth = function.evaluate(events)
    layers = [
        replace(layer, types={role: replace(t, rounding=Rounding.TRN) for role, t in layer.types.items()})
        for layer in hls4ml.graph_layers(function.network, ConvertSection())
    ]
    logic = lower.lower(function, SynthSection(), lower.ports(function.scaling), layers)
    assert (logic.evaluate(events)[0] != truth.score).any()


def test_ports_are_as_wide_as_trigger_objects():
    scaling = ObjectInputs().scaling()
    top = maximum_table()[None].astype(np.int16)
    types = lower.ports(scaling, [top, -top * np.array([0, 1, 1], np.int16)])
    assert types[0] == FixedPoint(12, 12, False) and types[15] == FixedPoint(9, 9, False)
    assert sum(t.width for t in types) < 57 * 11
    beyond = top.copy()
    beyond[0, 0, 0] = 5000
    assert lower.ports(scaling, [beyond])[0] == lower.WIDEST
    assert lower.ports(toy.small_scaling()) == (lower.WIDEST,) * 9


def test_inputs_without_weights_are_named():
    function = toy.trigger(seed=3)
    kernel, *rest = function.network.weights
    kernel = kernel.copy()
    kernel[[2, 7]] = 0
    silent = replace(function, network=replace(function.network, weights=(kernel, *rest)))
    for one, unread in ((function, ()), (silent, ("input 3", "input 8"))):
        logic = lower.lower(one, SynthSection(), lower.ports(one.scaling))
        assert logic.unread == unread


def test_numbers_of_an_event_have_names():
    names = input_names()
    assert (names[0], names[3], names[-1], len(names)) == ("met pt", "egamma 1 pt", "jet 10 phi", INPUTS)


def test_unsupported_layers_are_all_named():
    function = toy.trigger()
    keras, q = frameworks.keras(), frameworks.qkeras()
    x = first = keras.Input((9,), name="x")
    x = q.QActivation("quantized_bits(8,3,alpha=1)", name="input_type")(x)
    x = keras.layers.LayerNormalization(name="norm")(x)
    x = keras.layers.Softmax(name="soft")(x)
    x = q.QActivation("quantized_bits(8,3,alpha=1)", name="output_type")(x)
    t = FixedPoint.from_quantized_bits(8, 3)
    odd = replace(function, network=QuantizedNetwork.from_keras(keras.Model(first, x), t, t))
    with pytest.raises(UnsupportedLayerError, match=r"norm: LayerNormalization.*soft: softmax"):
        lower.lower(odd, SynthSection(), lower.ports(function.scaling))
