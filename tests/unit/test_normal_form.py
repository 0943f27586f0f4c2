"""Any quantizer of weights becomes a plain type that holds what it gives, and the network stays the same function."""

import json

import numpy as np
import pytest

from l1trigger import frameworks, normal_form
from l1trigger.fixed_point import FixedPoint
from l1trigger.network import QuantizedNetwork

INPUT, OUTPUT = FixedPoint.from_quantized_bits(8, 3), FixedPoint.from_quantized_bits(14, 5)
KINDS = (
    "quantized_bits(4,0)", "quantized_bits(4,0,alpha='auto_po2')", "quantized_bits(4,1,alpha=0.25)", "quantized_po2(3)",
    "quantized_bits(6,0,keep_negative=False,alpha=1)", "binary()", "binary(alpha=1)", "ternary()", "ternary(alpha=1)",
    "stochastic_ternary()", "quantized_bits(1,0,alpha=1)", "quantized_relu(4,1)",
)


def model(quantizer, relu="quantized_relu(6,2)", bias="quantized_bits(6,1)", layers=2):
    frameworks.seed_everything(3)
    k, q = frameworks.keras(), frameworks.qkeras()
    first = k.Input((12,), name="x")
    x = q.QActivation(q.quantized_bits(INPUT.width, INPUT.integer - 1, alpha=1), name="input_type")(first)
    for i in range(layers):
        layer = q.QDense(8, kernel_quantizer=quantizer, bias_quantizer=bias, bias_initializer="random_normal",
                         name=f"dense{i}")
        x = q.QActivation(relu, name=f"relu{i}")(layer(x))
    x = q.QDense(3, kernel_quantizer=q.quantized_bits(6, 0, alpha=1), bias_quantizer=bias, name="last")(x)
    return k.Model(first, q.QActivation(normal_form.plain(OUTPUT), name="output_type")(x))


def inputs(events=500):
    raw = np.random.default_rng(5).integers(*INPUT.raw_range, (events, 12), endpoint=True)
    return INPUT.value(raw)


@pytest.mark.parametrize("quantizer", KINDS)
def test_same_function_as_the_model_itself(quantizer):
    """Its sums are narrow enough for float32, in which alone QKeras computes scales."""
    m = model(quantizer)
    itself = OUTPUT.raw(m.predict(inputs(), verbose=0))
    assert len(np.unique(itself)) > 20
    assert np.array_equal(QuantizedNetwork.from_keras(m, INPUT, OUTPUT).raw(inputs()), itself)


@pytest.mark.parametrize("quantizer", KINDS)
def test_quantizers_are_plain_and_leave_the_weights_as_they_are(quantizer):
    built = QuantizedNetwork.from_keras(model(quantizer), INPUT, OUTPUT).build()
    for layer in built.layers:
        for _, q, values in normal_form.quantized_weights(layer):
            assert normal_form.is_plain(q)
            assert normal_form.fixed_point(q).represents(values)
            assert any(np.array_equal(values, w) for w in layer.get_weights())


def test_plain_quantizers_stay():
    m = model("quantized_bits(6,0,alpha=1)")
    config, _ = normal_form.normalized(m)
    assert json.loads(config) == json.loads(m.to_json())


@pytest.mark.parametrize(("values", "covering"), [
    ([0.0], FixedPoint.from_quantized_bits(2, 0)), ([-1.0, 1.0], FixedPoint.from_quantized_bits(3, 1)),
    ([-1.0, 0.5], FixedPoint.from_quantized_bits(2, 0)), ([0.75, 3.5], FixedPoint.from_quantized_bits(5, 2)),
    ([2.0**-22, -1], FixedPoint.from_quantized_bits(23, 0)), ([2.0**-22, 2.0], None), ([0.1], None), ([np.nan], None),
])
def test_narrowest_type_that_holds_values(values, covering):
    assert normal_form.covering(np.array(values)) == covering
    assert covering is None or covering.represents(values)


def test_wide_accumulators_are_rounded_once():
    """QKeras' quantized_relu takes float32; what lies just above half a step was rounded down with it."""
    m = model("quantized_bits(20,0,alpha=1)", relu="quantized_relu(12,3)", bias="quantized_bits(20,0)", layers=1)
    kernel, bias = (
        FixedPoint.from_quantized_bits(20, 0).quantize(w) for w in m.get_layer("dense0").get_weights()
    )
    hidden = FixedPoint.from_quantized_bits(12, 3, keep_negative=False).quantize(inputs(20000) @ kernel + bias)
    with frameworks.float64():
        built = QuantizedNetwork.from_keras(m, INPUT, OUTPUT).build()
        part = frameworks.keras().Model(built.inputs, built.get_layer("relu0").output)
        assert np.array_equal(part.predict(inputs(20000), verbose=0), hidden)
