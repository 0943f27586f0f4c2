"""Options of layers: what is refused by name is wrong in C++ or not converted, what is let through is exact."""

import math

import numpy as np
import pytest
import toy_cnn
import toy_trigger as toy

from l1trigger import csim, frameworks
from l1trigger.data.scaling import uniform
from l1trigger.errors import UnsupportedLayerError
from l1trigger.network import QuantizedNetwork
from l1trigger.quantize import keras_graph, lint
from l1trigger.quantize.dense_layers import output_type
from l1trigger.scores.kernels import KERNELS
from l1trigger.sections import ConvertSection
from l1trigger.trigger import TriggerFunction

PARALLEL, STREAM = (ConvertSection(io_type=io) for io in ("io_parallel", "io_stream"))


def model(*layers, image=(6, 6, 2)):
    k = frameworks.keras()
    h = first = k.Input(image)
    for layer in layers:
        h = layer(h)
    return k.Model(first, h)


def options():
    la = frameworks.keras().layers
    twice = la.Conv2D(2, 3, padding="same", name="bad")
    return {
        "no dilation": model(la.Conv2D(2, 3, dilation_rate=2, name="bad")),
        "no groups": model(la.Conv2D(2, 3, groups=2, name="bad")),
        "no depth_multiplier": model(la.DepthwiseConv2D(3, depth_multiplier=2, name="bad")),
        "transposed": model(la.Conv2DTranspose(2, 3, name="bad")),
        "channels last only": model(la.Conv2D(2, 1, data_format="channels_first", name="bad")),
        "rounds otherwise": model(la.UpSampling2D(2, interpolation="bilinear", name="bad")),
        "more than once": model(twice, twice),
        "order of numbers": model(la.Permute((2, 1, 3), name="bad"), la.Dropout(0.1), la.Flatten(), la.Dense(2)),
        "two tensors at a time, not 3": merged(la.Add(name="bad"), 2, 2, 2),
        "a time, not 4": merged(la.Concatenate(name="bad"), 2, 1, 3, 2),
        "broadcast 6 x 6 x 1 to 6 x 6 x 2": merged(la.Multiply(name="bad"), 2, 1),
        "not normalize": merged(la.Dot(1, normalize=True, name="bad"), 5, 5, image=()),
        "Dot of vectors only": merged(la.Dot((3, 3), name="bad"), 2, 2),
    }


def merged(layer, *channels, image=(6, 6)):
    k = frameworks.keras()
    inputs = [k.Input((*image, n)) for n in channels]
    return k.Model(inputs, layer(inputs))


def test_merges_and_permutations_that_are_let_through():
    la = frameworks.keras().layers
    pixels = model(la.Permute((3, 1, 2)), la.Flatten(), la.Dense(2))
    series = model(la.Reshape((12, 6)), la.Permute((2, 1)), la.Flatten(), la.Dense(2))
    turned = model(la.Permute((2, 1, 3)), la.Conv2D(2, 3))
    k = frameworks.keras()
    image, channels = k.Input((6, 6, 2)), k.Input((1, 1, 2))
    scaled = k.Model([image, channels], la.Multiply()([image, channels]))
    for m in (pixels, series, turned, scaled, merged(la.Concatenate(), 2, 1), merged(la.Dot(1), 5, 5, image=())):
        assert list(lint.lint_layers.options(PARALLEL, m)) == []


@pytest.mark.parametrize(("layers", "refused"), [
    (lambda la: [la.GlobalAveragePooling2D()], True), (lambda la: [la.AveragePooling2D(3), la.Flatten()], True),
    (lambda la: [la.AveragePooling2D(2)], False), (lambda la: [la.AveragePooling2D((3, 1), padding="same")], True),
    (lambda la: [la.AveragePooling2D((4, 2), padding="same")], True),
    (lambda la: [la.GlobalAveragePooling2D(), quantizer()], False),
    (lambda la: [la.AveragePooling2D(3), la.Flatten(), la.ReLU(), quantizer()], False),
])
def test_averages_are_rounded_before_they_are_used(layers, refused):
    la = frameworks.keras().layers
    m = model(*layers(la), la.Dense(2))
    assert [f.rule for f in lint.lint_layers.averages(PARALLEL, m)] == ["average"] * refused


def quantizer():
    return frameworks.qkeras().QActivation("quantized_bits(8,3,alpha=1)")


def test_options_that_are_refused_before_training():
    for what, m in options().items():
        found = list(lint.lint_layers.options(PARALLEL, m))
        assert [(f.severity, f.where) for f in found] == [("error", "bad")] and found[0].remedy
        assert what in found[0].message
        with pytest.raises(UnsupportedLayerError, match=f"bad: .*{what}.*Remedy"):
            lint.require_float(PARALLEL, m)
        with pytest.raises(UnsupportedLayerError, match=f"mine: .*bad .*{what}"):
            keras_graph.points(m, "mine")
    k = frameworks.keras()
    first = k.Input((6, 6, 2))
    rows = k.Model(first, k.layers.Concatenate(axis=1, name="bad")([first, first]))
    assert [f.where for f in lint.lint_layers.options(PARALLEL, rows)] == ["bad"]


def pooling(kind="MaxPooling2D", relu=True, **more):
    la = frameworks.keras().layers
    return model(*([la.ReLU()] if relu else []), getattr(la, kind)(**more, name="pool"))


@pytest.mark.parametrize(("section", "options", "message"), [
    (PARALLEL, {"pool_size": 4, "padding": "same"}, "without a sign"),
    (PARALLEL, {"pool_size": 4, "padding": "same", "relu": False}, None),
    (PARALLEL, {"pool_size": 3, "padding": "same"}, None),
    (PARALLEL, {"pool_size": 4, "padding": "same", "kind": "AveragePooling2D"}, None),
    (PARALLEL, {"pool_size": 3, "strides": 1}, None),
    (STREAM, {"pool_size": 3, "strides": 1}, "neither overlap"),
    (STREAM, {"pool_size": 2, "strides": (2, 1)}, "neither overlap"),
    (STREAM, {"pool_size": 4, "padding": "same", "relu": False}, "adds pixels around 6 x 6"),
    (STREAM, {"pool_size": 4, "padding": "same", "kind": "AveragePooling2D"}, "adds pixels"),
    (STREAM, {"pool_size": 4}, None),
])
def test_windows_of_pooling(section, options, message):
    found = list(lint.lint_layers.windows(section, pooling(**options)))
    assert [f.where for f in found] == ([] if message is None else ["pool"])
    if message:
        with pytest.raises(UnsupportedLayerError, match=f"pool: .*{message}.*Remedy"):
            lint.require_float(section, pooling(**options))


def mismatches(folder, layer, signed):
    """Of C++ against QKeras, for a layer behind a convolution, without the rules that would stop it."""
    k, q = frameworks.keras(), frameworks.qkeras()
    frameworks.seed_everything(1)
    first, scaling = k.Input((6, 6, 1), name="x"), uniform(toy_cnn.PIXEL, 36)
    h = q.QActivation(keras_graph.type_of(scaling.network_type), name="input_type")(first)
    bits = {"kernel_quantizer": q.quantized_bits(5, 0, alpha=1), "bias_quantizer": q.quantized_bits(7, 1, alpha=1)}
    h = q.QConv2D(2, 3, padding="same", bias_initializer="random_normal", name="conv", **bits)(h)
    h = q.QActivation(q.quantized_bits(6, 3, alpha=1) if signed else q.quantized_relu(6, 3), name="act")(h)
    h = q.QDense(1, name="last", **bits)(k.layers.Flatten(name="flat")(layer(h)))
    made = k.Model(first, q.QActivation(q.quantized_bits(12, 5, alpha=1), name="output_type")(h))
    network = QuantizedNetwork.from_keras(made, scaling.network_type, output_type(made))
    kind = KERNELS["identity"].score_type(scaling, network)
    function = TriggerFunction("toy", scaling, network, "student", kind, 0)
    inputs = toy_cnn.images(300, math.prod((6, 6)), seed=3)
    converted = toy.convert(function, folder, inputs[:5])
    result = csim.run(toy.design(), toy.results(toy.data_set(inputs, inputs[:5]), function, converted), folder)
    return result.comparisons[0].mismatches


def test_the_claims_about_padding_hold(tmp_path, monkeypatch):
    """Max pooling with added pixels: exact behind signed numbers, wrong behind a ReLU, which is why it is refused."""
    la = frameworks.keras().layers
    assert mismatches(tmp_path / "signed", la.MaxPooling2D(4, padding="same", name="pool"), True) == 0
    monkeypatch.setattr(lint, "RULES", ())
    assert mismatches(tmp_path / "unsigned", la.MaxPooling2D(4, padding="same", name="pool"), False) > 100


def test_a_good_network_passes():
    written = [{"conv": {"filters": 2, "stride": [2, 1]}}, {"max_pool": {}}, {"dense": {"units": 1, "relu": False}}]
    lint.require_float(STREAM, toy_cnn.float_model(written))
    np.testing.assert_equal(list(lint.lint_layers.windows(STREAM, toy_cnn.float_model(written))), [])
