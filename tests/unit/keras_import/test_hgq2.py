"""Models of HGQ2 by way of tools/hgq2_to_onnx.py: equal to what HGQ2 itself gave, integer by integer."""

from pathlib import Path

import numpy as np
import pytest

from l1trigger import keras_import
from l1trigger.data.scaling import FeatureScaling, uniform
from l1trigger.sections import SynthSection
from l1trigger.synth import lower
from l1trigger.trigger import TriggerFunction

FILES = Path(__file__).parent.parent.parent / "hgq2"


@pytest.mark.parametrize("name", ["dense", "merged", "images"])
def test_a_model_of_hgq2_is_equal_to_itself(name):
    found = keras_import.imported((FILES / f"{name}.onnx").read_bytes(), f"{name}.onnx")
    with np.load(FILES / f"{name}.npz") as kept:
        raw, outputs = kept["raw"].astype(int).reshape(len(kept["raw"]), -1), kept["outputs"]
    scaling = uniform(FeatureScaling(shift=4, bits=8), raw.shape[1], True)
    x = scaling.firmware(raw)
    network = found.quantized_network(scaling)
    np.testing.assert_array_equal(found.own_outputs(x), outputs)
    np.testing.assert_array_equal(network.predict(x), outputs)
    trigger = TriggerFunction("mine", scaling, network, "student", network.output_type, 0)
    logic = lower.lower(trigger, SynthSection(), lower.ports(scaling, [raw]), with_outputs=True)
    np.testing.assert_array_equal(logic.comb.predict(raw.astype(float))[:, -outputs.shape[1]:], outputs)
    assert len(np.unique(outputs)) > 100
