"""Quantized files as users have them: powers of two, an input that begins with a ReLU, an output without a type."""

import numpy as np
import pytest

from l1trigger import frameworks, keras_import
from l1trigger.data.scaling import FeatureScaling, uniform
from l1trigger.sections import SynthSection
from l1trigger.synth import lower
from l1trigger.trigger import TriggerFunction

SCALING = uniform(FeatureScaling(shift=4, bits=8), 6, True)
INPUTS = np.random.default_rng(1).integers(-128, 128, (300, 6))
X = SCALING.firmware(INPUTS)


def kernels():
    q = frameworks.qkeras()
    return {"powers of two": q.quantized_po2(4, 1), "scaled by channel": q.quantized_bits(4, 0, alpha="auto_po2"),
            "plain": q.quantized_bits(5, 1, alpha=1)}


@pytest.mark.parametrize("first", ["quantized_relu(6,2)", "quantized_bits(6,2,alpha=1)", None])
@pytest.mark.parametrize("kernel", ["powers of two", "scaled by channel", "plain"])
def test_equal_at_every_level(first, kernel, tmp_path):
    k, q = frameworks.keras(), frameworks.qkeras()
    frameworks.seed_everything(1)

    def dense(n):
        return q.QDense(n, kernel_quantizer=kernels()[kernel], bias_quantizer=q.quantized_bits(6, 0, alpha=1),
                        bias_initializer="random_normal")

    begin = [] if first is None else [q.QActivation(first)]
    k.Sequential([k.Input((6,)), *begin, dense(5), q.QActivation("quantized_relu(5,1)"), dense(3)]).save(
        tmp_path / "mine.h5")
    found = keras_import.imported((tmp_path / "mine.h5").read_bytes(), "mine.h5")
    network = found.quantized_network(SCALING)
    found.require_same_integers(network, X)
    trigger = TriggerFunction("mine", SCALING, network, "student", network.output_type, 0)
    logic = lower.lower(trigger, SynthSection(), lower.ports(SCALING, [INPUTS]), with_outputs=True)
    np.testing.assert_array_equal(logic.comb.predict(INPUTS.astype(float))[:, 2:], network.predict(X))
    assert len(np.unique(network.predict(X))) > 20
