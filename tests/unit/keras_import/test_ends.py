"""Softmax and sigmoid that are left out: what the file gives in front of them is compared, which they would hide."""

from dataclasses import replace

import numpy as np
import pytest

from l1trigger import frameworks, keras_import
from l1trigger.data.scaling import FeatureScaling, uniform
from l1trigger.errors import DataError

SCALING = uniform(FeatureScaling(shift=4, bits=8), 6, True)
X = SCALING.firmware(np.random.default_rng(1).integers(-128, 128, (300, 6)))


def plain(k, end):
    """Logits of some hundreds, so that softmax gives zeros and ones."""
    layers = {"own": [k.layers.Dense(3, "softmax")], "activation": [k.layers.Dense(3), k.layers.Activation("softmax")],
              "softmax": [k.layers.Dense(3), k.layers.Softmax()], "sigmoid": [k.layers.Dense(3, "sigmoid")]}[end]
    model = k.Sequential([k.Input((6,)), k.layers.Dense(5, "relu"), *layers])
    model.set_weights([30 * w if w.ndim > 1 else w for w in model.get_weights()])
    return model


def quantized(k, end):
    q = frameworks.qkeras()
    bits = {"kernel_quantizer": q.quantized_bits(6, 2, alpha=1), "bias_quantizer": q.quantized_bits(6, 2, alpha=1)}
    layers = {"own": [q.QDense(3, activation="softmax", **bits)],
              "activation": [q.QDense(3, **bits), k.layers.Activation("softmax")]}[end]
    return k.Sequential([k.Input((6,)), q.QDense(5, **bits), q.QActivation("quantized_relu(6,3)"), *layers])


def imported(made, tmp_path, name="mine.keras"):
    frameworks.seed_everything(1)
    made.save(tmp_path / name)
    return keras_import.imported((tmp_path / name).read_bytes(), name, logits=True)


def changed(found, by):
    """The same with another bias in front of the end."""
    last = [n for n in found.graph.nodes if n.weights][-1]
    kernel, bias = last.weights
    nodes = tuple(replace(n, weights=(kernel, bias + by)) if n is last else n for n in found.graph.nodes)
    return replace(found, graph=replace(found.graph, nodes=nodes))


@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # Keras 3 with NumPy 2, in saving
@pytest.mark.parametrize("end", ["own", "activation", "softmax", "sigmoid"])
@pytest.mark.parametrize("keras", [frameworks.keras, frameworks.keras3])
def test_logits_of_a_keras_model(keras, end, tmp_path):
    frameworks.seed_everything(1)
    found = imported(plain(keras(), end), tmp_path)
    found.require_same(X)
    assert np.abs(found.own_outputs(X)).max() > 100
    with pytest.raises(DataError, match=r"gives other outputs than the file itself: they differ by up to 0\.0"):
        changed(found, np.array([1.0, 1.0, 1.0])).require_same(X)  # a shift of all changes no softmax


@pytest.mark.parametrize("end", ["own", "activation"])
def test_logits_of_a_quantized_model_are_equal(end, tmp_path):
    frameworks.seed_everything(1)
    found = imported(quantized(frameworks.keras(), end), tmp_path, "mine.h5")
    found.require_same_integers(found.quantized_network(SCALING), X)
    assert np.abs(found.own_outputs(X)).max() > 1
    other = changed(found, 2.0**-3)
    with pytest.raises(DataError, match=r"900 of 900 differ"):
        found.require_same_integers(other.quantized_network(SCALING), X)


def test_outputs_that_spread_by_roundings_alone_are_no_difference(tmp_path):
    k = frameworks.keras()
    model = k.Sequential([k.Input((6,)), k.layers.Dense(50), k.layers.BatchNormalization(), k.layers.Dense(3)])
    rng = np.random.default_rng(1)
    weights = [rng.uniform(0.1, 1, w.shape) for w in model.get_weights()]
    weights[0] *= 1e-15
    model.set_weights(weights)
    model.save(tmp_path / "mine.h5")
    found = keras_import.imported((tmp_path / "mine.h5").read_bytes(), "mine.h5")
    own = found.own_outputs(X)
    assert 0 < np.ptp(own, axis=0).max() < 1e-12 * np.abs(own).max()
    found.require_same(X)
    with pytest.raises(DataError, match="other outputs than the file"):
        changed(found, np.full(3, 1e-3)).require_same(X)


def test_ends_inside_of_models_are_compared_as_they_are(tmp_path):
    k = frameworks.keras()
    inner = k.Sequential([k.Input((6,)), k.layers.Dense(3, "softmax")], name="inner")
    x = k.Input((6,))
    found = imported(k.Model(x, inner(x)), tmp_path)
    np.testing.assert_allclose(found.own_outputs(X).sum(1), 1, rtol=1e-12)  # float64
    found.require_same(X)
