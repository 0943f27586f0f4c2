import pytest
import toy_trigger as toy

from l1trigger import frameworks
from l1trigger.errors import DesignError, UnsupportedLayerError
from l1trigger.quantize import lint


def model(*layers, inputs=(6,), quantized=True, output=True):
    """A model of these layers, with quantizers on input and output unless told otherwise."""
    keras, q = frameworks.keras(), frameworks.qkeras()
    x = first = keras.Input(inputs, name="x")
    if quantized:
        x = q.QActivation("quantized_bits(8,3,alpha=1)", name="input_type")(x)
    for layer in layers:
        x = layer(x)
    if output:
        x = q.QActivation("quantized_bits(8,3,alpha=1)", name="output_type")(x)
    return keras.Model(first, x)


def dense(units=4, name="dense", alpha=1, **more):
    q = frameworks.qkeras()
    return q.QDense(units, kernel_quantizer=q.quantized_bits(4, 0, alpha=alpha),
                    bias_quantizer=q.quantized_bits(4, 0, alpha=1), name=name, **more)


def findings(m, **section):
    return lint.check(toy.design(convert=section), m)


def test_a_good_network_has_no_findings():
    q = frameworks.qkeras()
    assert findings(model(dense(), q.QActivation("quantized_relu(6,2)"), dense(name="last"))) == []


def bad_models():
    k, q = frameworks.keras(), frameworks.qkeras()
    layers = k.layers
    return {
        "no input quantizer": (model(dense(), quantized=False), "input_quantizer", "x"),
        "no output quantizer": (model(dense(), output=False), "output_quantizer", "dense"),
        "float weights": (model(layers.Dense(3, name="plain")), "layer", "plain"),
        "no converter": (model(dense(), layers.GaussianNoise(0.1, name="noise")), "layer", "noise"),
        "not exact": (model(dense(), layers.LeakyReLU(0.3, name="leaky")), "layer", "leaky"),
        "a ReLU with a maximum": (model(dense(), layers.ReLU(6.0, name="upto")), "layer", "upto"),
        "two quantizers in a row": (
            model(dense(), q.QActivation("quantized_relu(6,2)"), layers.Reshape((2, 2)), layers.Flatten()),
            "in_a_row", "output_type"),
        "two quantizers in a row, the first with a slope": (
            model(dense(), q.QActivation("quantized_sigmoid(8)")), "in_a_row", "output_type"),
        "batch normalization": (model(dense(), layers.BatchNormalization(name="norm")), "layer", "norm"),
        "fused": (
            model(q.QConv2DBatchnorm(2, 3, kernel_quantizer=q.quantized_bits(4, 0, alpha=1), name="fused"),
                  layers.Flatten(), inputs=(8, 8, 1)), "layer", "fused"),
        "scales that are no powers of two": (model(dense(alpha="auto", name="scaled")), "weights", "scaled"),
        "powers of two too far apart": (
            model(q.QDense(3, use_bias=False, kernel_quantizer=q.quantized_po2(8, max_value=1),
                           kernel_initializer="zeros", name="far")), "weights", "far"),
        "no weight quantizer": (model(q.QDense(3, use_bias=False, name="bare")), "quantizer", "bare"),
        "ternary": (model(dense(), q.QActivation("ternary(alpha=1)", name="three")), "quantizer", "three"),
        "too many integer bits": (
            model(dense(), q.QActivation("quantized_bits(4,5,alpha=1)", name="large")), "quantizer", "large"),
        "an activation that is computed from a table": (
            model(dense(), q.QActivation("quantized_tanh(6, use_real_tanh=True)", name="table"),
                  dense(name="behind")), "option", "table"),
        "elu": (model(dense(), layers.Activation("elu", name="elu")), "function", "elu"),
        "a function as quantizer": (model(dense(), q.QActivation("hard_tanh", name="hard")), "function", "hard"),
        "a function behind weights": (model(dense(activation="tanh", name="table")), "function", "table"),
        "softmax": (model(dense(), layers.Softmax(name="soft")), "softmax", "soft"),
        "name": (model(dense(name="with-hyphen")), "name", "with-hyphen"),
    }


def test_what_prevents_an_exact_conversion_is_an_error():
    for what, (m, rule, where) in bad_models().items():
        errors = [f for f in findings(m) if f.severity == "error"]
        assert [(f.rule, f.where) for f in errors] == [(rule, where)], what
        assert errors[0].remedy and errors[0].message
        with pytest.raises(UnsupportedLayerError, match=where):
            lint.require(errors)


def test_what_endangers_it_is_a_warning():
    q = frameworks.qkeras()
    cases = {
        "no_fraction": model(dense(), q.QActivation("quantized_bits(4,3,alpha=1)", name="place"), dense(name="last")),
    }
    for rule, m in cases.items():
        found = findings(m)
        assert [(f.severity, f.rule, f.where) for f in found] == [("warning", rule, "place")]
        lint.require(found)


@pytest.mark.parametrize(("quantizer", "message", "remedy"), [
    ("quantized_bits(6,2,alpha=2.0)", "quantized_bits otherwise than QKeras with alpha=2.0", "write alpha=1"),
    ("quantized_bits(6,2,alpha='auto_po2')", "with alpha=auto_po2", "write alpha=1"),
    ("quantized_bits(6,2,alpha=1,qnoise_factor=0.5)", "with qnoise_factor=0.5", "write qnoise_factor=1"),
    ("quantized_bits(1,0,alpha=1)", "one bit for two signs", r"use binary\(\)"),
    ("quantized_relu(6,2,use_sigmoid=1)", "with use_sigmoid=1", "write use_sigmoid=0"),
    ("quantized_relu(6,2,negative_slope=0.25)", "with negative_slope=0.25", "write negative_slope=0"),
    ("quantized_relu(6,2,relu_upper_bound=1.0,is_quantized_clip=False)", "with is_quantized_clip=False", "=True"),
    ("quantized_relu(3,5)", "binary point lies outside of its bits", "fewer of them than bits"),
    ("quantized_sigmoid(6,symmetric=True)", "no symmetric quantized_sigmoid", "write symmetric=False"),
    ("quantized_sigmoid(6,use_real_sigmoid=True)", "with use_real_sigmoid=True", "write use_real_sigmoid=False"),
    ("binary(use_01=True)", "with use_01=True", "write use_01=False"),
    ("ternary()", "computes ternary otherwise than QKeras", "use quantized_relu, or quantized_bits"),
    ("stochastic_binary()", "computes stochastic_binary otherwise", "use quantized_relu, or quantized_bits"),
    ("bernoulli()", "computes bernoulli otherwise", "use quantized_relu, or quantized_bits"),
    ("quantized_po2(4)", "computes quantized_po2 otherwise", "use quantized_relu, or quantized_bits"),
    ("quantized_relu_po2(4)", "computes quantized_relu_po2 otherwise", "use quantized_relu, or quantized_bits"),
    ("quantized_ulaw(6)", "computes quantized_ulaw otherwise", "use quantized_relu, or quantized_bits"),
    ("quantized_hswish(6)", "computes quantized_hswish otherwise", "use quantized_relu, or quantized_bits"),
])
def test_quantizers_of_activations_that_hls4ml_computes_otherwise(quantizer, message, remedy):
    q = frameworks.qkeras()
    for m in (model(dense(), q.QActivation(quantizer, name="place")), model(dense(activation=quantizer, name="place"))):
        errors = [f for f in findings(m) if f.severity == "error" and f.rule != "in_a_row"]
        assert [f.where for f in errors] == ["place"]
        assert message in errors[0].message
        with pytest.raises(UnsupportedLayerError, match=f"place: .*Remedy: .*{remedy}"):
            lint.require(errors)


@pytest.mark.parametrize("quantizer", [
    "quantized_tanh(6)", "quantized_tanh(6,symmetric=True)", "quantized_sigmoid(6)", "binary()", "binary(alpha=1)",
    "quantized_bits(6,2)", "quantized_bits(6,2,keep_negative=False)", "quantized_relu(6,6)", "quantized_relu(1,1)",
    "quantized_bits(6,2,use_stochastic_rounding=True)", "quantized_relu(6,2,use_stochastic_rounding=True)",
])
def test_quantizers_of_activations_that_convert_exactly(quantizer):
    q = frameworks.qkeras()
    behind = dense(name="behind")
    for m in (model(dense(), q.QActivation(quantizer), behind), model(dense(activation=quantizer), behind)):
        assert [f for f in findings(m) if f.severity == "error"] == []


@pytest.mark.parametrize("quantizer", [
    "quantized_bits(4,0)", "quantized_bits(4,0,alpha='auto_po2')", "quantized_po2(3)", "binary()", "ternary()",
    "binary(alpha='auto_po2')", "ternary(alpha=1)", "stochastic_ternary()", "quantized_bits(1,0,alpha=1)",
    "quantized_bits(6,0,keep_negative=False,alpha=1)", "quantized_bits(4,0,alpha=0.25)",
])
def test_quantizers_of_weights_may_be_of_any_kind_that_stays_on_a_grid(quantizer):
    q = frameworks.qkeras()
    layer = q.QDense(3, kernel_quantizer=quantizer, bias_quantizer="quantized_bits(6,1)", name="any")
    assert findings(model(layer)) == []


def test_the_last_layer_may_have_the_quantizer_as_its_activation():
    assert findings(model(dense(activation="quantized_bits(8,3,alpha=1)", name="last"), output=False)) == []


def test_all_bad_layers_are_named_at_once():
    k = frameworks.keras()
    m = model(k.layers.Dense(3, name="first_bad"), k.layers.BatchNormalization(name="second_bad"))
    with pytest.raises(UnsupportedLayerError, match="first_bad.*second_bad"):
        lint.require(findings(m))


def test_two_inputs_are_fine_but_two_outputs_are_not():
    k, q = frameworks.keras(), frameworks.qkeras()
    ports = [k.Input((3,), name=n) for n in "ab"]
    x = k.layers.Concatenate()([q.QActivation("quantized_bits(8,3,alpha=1)")(p) for p in ports])
    y = q.QActivation("quantized_bits(8,3,alpha=1)")(dense()(x))
    assert findings(k.Model(ports, y)) == []
    assert [f.rule for f in findings(k.Model(ports, [y, y]))] == ["ports"]


def test_reuse_factor_that_does_not_divide_names_layer_and_valid_factors():
    m = model(dense(4, "one"), dense(2, "two"))
    assert findings(m, reuse_factor=4) == []
    with pytest.raises(DesignError, match="layer one: a reuse factor of 5.*it takes 1, 2, 3, 4, 6, 8, 12, 24.*"
                       "layer two.*all layers take 1, 2, 4, 8") as e:
        lint.require(findings(m, reuse_factor=5))
    assert e.value.key == "convert.reuse_factor"
    found = findings(m, strategy="Resource", reuse_factor=4)
    assert [(f.where, f.rule) for f in found] == [("one", "reuse_factor")]
    assert "it takes 1, 2, 3, 6, 12, 24" in found[0].message


def test_unrolling():
    m = model(dense(700, "wide"))
    with pytest.raises(DesignError, match="layer wide: 4200 multiplications would be unrolled.*one of 2, 3"):
        lint.require(findings(m))
    assert findings(m, reuse_factor=2) == []


def test_a_reuse_factor_that_is_advised_mends_all_layers():
    q = frameworks.qkeras()
    m = model(dense(700, name="wide"), q.QActivation("quantized_relu(6,2)"), dense(70, name="wider"))
    with pytest.raises(DesignError, match="layer wide: 4200 mult.*layer wider: 49000 mult.*one of 14, 20"):
        lint.require(findings(m))
    assert findings(m, reuse_factor=14) == []
    odd = model(dense(701, name="wide"), q.QActivation("quantized_relu(6,2)"), dense(3, name="next"))
    with pytest.raises(DesignError, match="layer wide: 4206 multiplications.*one of 3, 701"):
        lint.require(findings(odd))


@pytest.mark.parametrize("shape", [(57, 32), (16, 1), (6, 4), (12, 10), (7, 7)])
def test_resource_factors_are_those_of_hls4ml(shape):
    from l1trigger.convert import hls4ml

    backend = hls4ml.hls4ml_module().backends.get_backend("Vitis")
    assert lint.valid_reuse_factors("Resource", *shape) == backend.get_valid_reuse_factors(*shape)
