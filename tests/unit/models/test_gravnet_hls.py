"""Python against C++, integer by integer; and what the stage synth says."""

from __future__ import annotations

import numpy as np
import pytest
import toy_gravnet as toy
import toy_trigger

from l1trigger.convert import hls4ml
from l1trigger.csim import compile, simulate
from l1trigger.design import ConvertSection
from l1trigger.errors import DesignError, UnsupportedLayerError
from l1trigger.quantize import lint
from l1trigger.sections import SynthSection
from l1trigger.synth import lower

CASES = {
    "mean": {},
    "max, loops, linear": {"collapse": "max", "loops": True, "relu": False, "seed": 3, "sizes": ((4, 3, 4),)},
}


@pytest.mark.parametrize("case", CASES)
def test_csim_is_equal(case, tmp_path):
    network = toy.network(**CASES[case])
    inputs = toy.events(16, 400)
    section = toy_trigger.design().csim
    project = toy_trigger.convert(toy.trigger(network), tmp_path, inputs[:10], reuse_factor=2)
    program = compile.build(project, section, tmp_path)
    found = simulate.simulate(program, inputs, 2, section, tmp_path)
    expected = network.raw(toy.scaling(16).firmware(inputs))
    assert len(np.unique(expected)) > 20, "a network whose outputs hardly vary proves little"
    assert np.array_equal(found.outputs.network, expected)


def test_no_finding_of_lint():
    assert lint.check_section(ConvertSection(), toy.network().build(exact=False)) == []


def test_a_reuse_factor_that_does_not_divide(tmp_path):
    with pytest.raises(DesignError, match="3 does not divide the 16 vertices"):
        hls4ml.convert(toy.network(sizes=((3, 4, 3),)), ConvertSection(reuse_factor=3), "toy", tmp_path,
                       tmp_path / "log")


def test_synth_names_the_layer_and_the_remedy():
    network = toy.network()
    layers = hls4ml.graph_layers(network, ConvertSection())
    function = toy.trigger(network)
    with pytest.raises(UnsupportedLayerError, match=r"gravnet \(a QGravNetStack\).*synth.route: none"):
        lower.lower(function, SynthSection(), lower.ports(function.scaling), layers)
