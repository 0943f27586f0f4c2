"""The full-precision layers, and the way from them to a quantized stack."""

from __future__ import annotations

import numpy as np
import pytest
import toy_gravnet as toy

from l1trigger import frameworks
from l1trigger.graph import fit
from l1trigger.graph.keras_layers import float_stack, quantized_stack
from l1trigger.models.gravnet import GravNetLayer


def hits(vertices=16, count=60):
    return toy.scaling(vertices).firmware(toy.events(vertices, count)).reshape(count, vertices, toy.FEATURES)


def built(x, **options):
    layer = float_stack(GravNetLayer)([2, 3], [4, 4], [5, 3], name="gravnet", **{"activation": "relu", **options})
    frameworks.seed_everything(1)
    inputs = frameworks.keras().Input(x.shape[1:])
    return frameworks.keras().Model(inputs, layer(inputs)), layer


def test_gradients_reach_every_weight():
    import tensorflow as tf

    x = hits().astype(np.float32)
    model, layer = built(x)
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(tf.square(model(x)))
    gradients = tape.gradient(loss, layer.trainable_weights)
    assert all(np.abs(g).max() > 0 for g in gradients)


@pytest.mark.parametrize("options", [{}, {"activation": "tanh", "collapse": "max"},
                                     {"activation": "linear", "collapse": "sum", "loops": True}])
def test_wide_types_come_close_to_the_float_layer(options):
    x = hits()
    model, layer = built(x, **options)
    wide = {"weights": 18, "biases": 20, "coordinate": 18, "square": 18, "edge_weight": 18, "propagated": 20,
            "aggregated": 20, "output": 20}
    cells = [{n: w.numpy() for n, w in cell.items()} for cell in layer.cells]
    stack = fit.FloatStack(layer.algebra, cells, layer.activation, layer.collapse, mask_feature=3)
    fitted = fit.fit(stack, [wide, wide], x, collapsed_bits=22)
    expected = model.predict(x, verbose=0)
    # Two independent computations in float64 and float32; inputs are small integers over 8, so that neighbours agree
    # but for ties that rounding in float32 breaks: the events with such ties may differ.
    same = np.isclose(fitted.outputs, expected, rtol=1e-4, atol=1e-5).all(-1)
    assert same.mean() > 0.9
    with frameworks.float64():
        twin = quantized_stack(GravNetLayer)(**fitted.arguments, name="gravnet")
        twin.build((None, *x.shape[1:]))
        for cell, weights in zip(twin.cells, fitted.weights, strict=True):
            for name, variable in cell.items():
                variable.assign(weights[name])
        found = np.asarray(twin(x))
    if layer.activation != "tanh":  # which saturation stands for
        close = np.isclose(found, fitted.outputs, rtol=1e-2, atol=1e-2).all(-1)
        assert close.mean() > 0.9


def test_single_layer_and_its_configuration():
    x = hits(8).astype(np.float32)
    layer = float_stack(GravNetLayer)([2], [3], [4], neighbours=2, activation="relu", collapse=None)
    y = layer(x)
    assert y.shape == (60, 8, 4)
    assert not np.asarray(y)[x[..., 3] == 0].any()
    again = float_stack(GravNetLayer).from_config(layer.get_config())
    again(x)
    again.set_weights(layer.get_weights())
    assert np.array_equal(again(x), y)


@pytest.mark.parametrize(("options", "message"), [
    ({"activation": "gelu"}, "'gelu' is not known"), ({"collapse": "median"}, "'median' is not known"),
    ({"mask_feature": 4}, "mask_feature is 4"), ({"neighbours": 16}, "16, but there are 16 vertices"),
])
def test_options_that_make_no_sense(options, message):
    with pytest.raises(ValueError, match=message):
        built(hits().astype(np.float32), **options)


def test_sizes_that_do_not_fit():
    with pytest.raises(ValueError, match="one size per layer"):
        float_stack(GravNetLayer)([1], [2, 3], [4])
