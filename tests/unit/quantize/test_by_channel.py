"""Types for the weights of each output channel: on their grids, covered by one type, exact in C++."""

import json

import numpy as np
import pytest
import toy_cnn
import toy_trigger as toy

from l1trigger import csim, frameworks
from l1trigger.compress_sections import LayerBits, QuantizationSection
from l1trigger.errors import DesignError
from l1trigger.fixed_point import FixedPoint
from l1trigger.quantize import by_channel, keras_graph

NETWORK = [{"conv": {"filters": 3}}, {"depthwise_conv": {"kernel": 2}}, {"dense": {"units": 2, "relu": False}}]
TYPES = [FixedPoint.from_quantized_bits(*t) for t in ((6, 1), (4, -2), (3, 0))]


def section(**layers):
    bits = {"weights": 5, "biases": 7, "activations": 6, "score": 10, "layers": layers}
    return QuantizationSection.model_validate_json(json.dumps(bits), strict=True)


def test_each_channel_has_its_grid():
    values = np.random.default_rng(0).normal(size=(50, 3)).astype(np.float32)
    q = by_channel.quantizer(TYPES, [3])
    on_grid = np.asarray(q(values), np.float64)
    for i, t in enumerate(TYPES):
        np.testing.assert_array_equal(on_grid[:, i], t.quantize(values[:, i]))
    cover = by_channel.covering(TYPES)
    assert cover == FixedPoint.from_quantized_bits(7, 1) and cover.represents(on_grid)
    assert q.get_config() == frameworks.qkeras().quantized_bits(7, 1, alpha=1).get_config()


def test_gradients_pass():
    import tensorflow as tf

    x = tf.constant([[5.0, 0.1, -3.0]])
    with tf.GradientTape() as tape:
        tape.watch(x)
        y = tf.reduce_sum(by_channel.quantizer(TYPES, [3])(x) * [[1.0, 2.0, 3.0]])
    np.testing.assert_array_equal(tape.gradient(y, x), [[1, 2, 3]])


def test_lists_and_fitted_points_reach_the_exported_network(tmp_path):
    bits = section(conv0={"weights": [6, 4, "ap_fixed<3,1>"]}, depthwise_conv0={"per_channel": True})
    function = toy_cnn.trigger(NETWORK, bits=bits)
    model = function.network.build(exact=False)
    kernel = model.get_layer("conv0").get_weights()[0].astype(np.float64)
    assert [len(np.unique(kernel[..., i])) for i in range(3)] == sorted(
        (len(np.unique(kernel[..., i])) for i in range(3)), reverse=True)
    assert set(np.unique(kernel[..., 2])) <= {-1, -0.75, -0.5, -0.25, 0, 0.25, 0.5, 0.75}
    config = json.loads(function.network.config)["config"]["layers"]
    kinds = {la["name"]: la["config"].get("kernel_quantizer") for la in config}
    assert kinds["conv0"]["module"] == "qkeras.quantizers" and kinds["conv0"]["class_name"] == "quantized_bits"
    inputs = toy_cnn.images(1000, len(function.scaling), seed=5)
    converted = toy.convert(function, tmp_path, inputs[:10])
    result = csim.run(toy.design(), toy.results(toy.data_set(inputs, inputs[:10]), function, converted), tmp_path)
    assert {c.mismatches for c in result.comparisons} == {0}
    assert len(np.unique(result.scores["csim"]["background"])) > 10


def test_a_binary_point_of_its_own_is_at_least_as_near():
    model = toy_cnn.float_model(NETWORK)
    kernel, bias = model.get_layer("conv0").get_weights()
    model.get_layer("conv0").set_weights([kernel * [1, 0.25, 0.03], bias])
    scaling = toy_cnn.trigger(NETWORK).scaling
    x = scaling.firmware(toy_cnn.images(50, 36))
    errors = []
    for per_channel in (False, True):
        bits = section(conv0={"per_channel": per_channel})
        layer = keras_graph.quantized(model, bits, scaling.network_type, x).get_layer("conv0")
        rounded = np.asarray(layer.get_quantizers()[0](layer.get_weights()[0]))
        errors.append(np.square(rounded - layer.get_weights()[0]).sum((0, 1, 2)))
    assert (errors[1] <= errors[0]).all() and errors[1][2] < 0.1 * errors[0][2]


def test_wrong_lists_are_named():
    with pytest.raises(DesignError, match=r"layers\.conv0\.weights: has 2 widths for 3 output channels.*give 3"):
        toy_cnn.trigger(NETWORK, bits=section(conv0={"weights": [6, 4]}))
    with pytest.raises(ValueError, match="a list belongs to a single layer"):
        QuantizationSection.model_validate_json('{"weights": [6, 4]}', strict=True)
    with pytest.raises(ValueError, match="one width or type for each output channel"):
        LayerBits.model_validate_json('{"weights": [6, 0.5]}', strict=True)


def test_what_was_read_reads_again():
    read = section(conv0={"weights": [6, "ap_fixed<3,1>"]})
    assert QuantizationSection.model_validate_json(read.model_dump_json(), strict=True) == read
