"""Structured pruning: what goes is really gone, and a network whose dead units go stays the same function."""

import numpy as np
import pytest
import tiny
import toy_cnn
import toy_trigger as toy

from l1trigger import compress, csim, design, train
from l1trigger.compress.result import CompressResult
from l1trigger.compress_sections import PruningSection, StructuredSection
from l1trigger.data.scaling import uniform
from l1trigger.errors import DesignError
from l1trigger.network import QuantizedNetwork
from l1trigger.quantize import keras_graph, structured
from l1trigger.quantize.dense_layers import DenseLayer, output_type
from l1trigger.results import Results

SAME = {"conv": {"filters": 4, "padding": "same"}}
LAST = {"dense": {"units": 2, "relu": False}}
HALF = StructuredSection(fraction=0.5)
CASES = {
    "flatten": ([SAME, {"max_pool": {"size": [3, 2]}}, {"dense": {"units": 6}}, LAST], {}),
    "normalized": ([{"conv": {"filters": 4, "batch_norm": True}}, {"average_pool": {}}, LAST], {}),
    "depthwise": ([SAME, {"depthwise_conv": {"batch_norm": True}}, {"separable_conv": {"filters": 3, "kernel": 2}},
                   LAST], {}),
    "residual": ([SAME, {"add": [[SAME], []]}, {"add": [[SAME], [{"conv": {"filters": 4, "kernel": 1}}]]}, LAST], {}),
    "concatenated": ([SAME, {"concatenate": [[], [{"conv": {"filters": 3, "kernel": 1}}], [SAME]]}, SAME, LAST], {}),
    "features": ([SAME, {"max_pool": {"size": 3}}, {"features": True}, {"dense": {"units": 4}}, LAST],
                 {"features": 3}),
    "up-sampling": ([SAME, {"max_pool": {"size": 2}}, SAME, {"up_sample": {"size": 2}}, SAME,
                     {"conv": {"filters": 1, "padding": "same", "relu": False}}], {}),
    "reshaped": ([{"dense": {"units": 4}}, {"dense": {"units": 12}}, {"reshape": {"shape": [2, 3, 2]}}, SAME, LAST],
                 {}),
}
REMOVED = {
    "flatten": {"conv0": 2, "dense0": 3, "dense1": 0}, "normalized": {"conv0": 2, "dense0": 0},
    "depthwise": {"conv0": 2, "depthwise_conv0": 2, "separable_conv0_depthwise": 2, "separable_conv0": 1, "dense0": 0},
    "residual": {"conv0": 2, "conv1": 2, "conv2": 2, "conv3": 2, "dense0": 0},
    "concatenated": {"conv0": 2, "conv1": 1, "conv2": 2, "conv3": 2, "dense0": 0},
    "features": {"conv0": 2, "dense0": 2, "dense1": 0}, "up-sampling": {"conv0": 2, "conv1": 2, "conv2": 2, "conv3": 0},
    "reshaped": {"dense0": 2, "dense1": 0, "conv0": 2, "dense2": 0},
}


def killed(model, plan):
    """The model with all weights zero that make the units which a plan removes."""
    for layer in model.layers:
        if (values := layer.get_weights()):
            gone = ~plan.mask(layer)
            for v in values[: 3 if type(layer).__name__ == "BatchNormalization" else None]:
                flat = v.reshape(*v.shape[:2], -1) if type(layer).__name__ == "DepthwiseConv2D" and v.ndim > 1 else v
                flat[..., gone] = 0
            layer.set_weights(values)
    return model


def integers(model, scaling, x):
    """Outputs of the model, quantized, as integers."""
    made = keras_graph.quantized(model, toy_cnn.BITS, scaling.network_type, x)
    return QuantizedNetwork.from_keras(made, scaling.network_type, output_type(made)).raw(x)


@pytest.mark.parametrize("case", CASES)
def test_without_dead_units_it_is_the_same_function(case):
    written, options = CASES[case]
    model = toy_cnn.float_model(written, **options)
    plan = structured._Plan(model, keras_graph.points(model))
    plan.remove(HALF)
    killed(model, plan)
    small, units = structured.shrink(model, HALF)
    assert {name: u.removed for name, u in units.items()} == REMOVED[case]
    for name, u in units.items():
        assert small.get_layer(name).output.shape[-1] == u.before - u.removed
    scaling = uniform(toy_cnn.PIXEL, 36 + options.get("features", 0))
    x = scaling.firmware(toy_cnn.images(300, len(scaling)))
    before, after = integers(model, scaling, x), integers(small, scaling, x)
    assert len(np.unique(before)) > 10
    np.testing.assert_array_equal(before, after)


def test_the_smallest_units_go():
    model = toy_cnn.float_model([{"conv": {"filters": 4}}, LAST])
    kernel, bias = model.get_layer("conv0").get_weights()
    model.get_layer("conv0").set_weights([np.ones_like(kernel) * [3, 1, 4, 2], bias])
    small, _ = structured.shrink(model, HALF)
    np.testing.assert_array_equal(small.get_layer("conv0").get_weights()[0][0, 0, 0], [3, 4])
    whole = model.get_layer("dense0").get_weights()[0].reshape(4, 4, 4, 2)
    np.testing.assert_array_equal(small.get_layer("dense0").get_weights()[0].reshape(4, 4, 2, 2), whole[:, :, [0, 2]])


def test_reasons_and_fractions_of_single_layers():
    model = toy_cnn.float_model([{"add": [[{"conv": {"filters": 3, "padding": "same"}}], []]}, SAME, LAST],
                                image=(4, 4, 3))
    _, units = structured.shrink(model, StructuredSection(fraction=0.5, layers={"conv1": 0.75}))
    assert units["conv0"].removed == 0 and "input" in units["conv0"].left_alone
    assert units["conv1"].removed == 3 and not units["conv1"].left_alone
    assert units["dense0"].left_alone == "the network's outputs"


def test_a_layer_keeps_its_last_unit():
    model = toy_cnn.float_model([{"conv": {"filters": 1}}, LAST])
    assert structured.shrink(model, StructuredSection(fraction=0.99))[1]["conv0"].removed == 0


def test_layers_that_share_channels_have_one_fraction():
    model = toy_cnn.float_model([SAME, {"add": [[SAME], []]}, LAST])
    with pytest.raises(DesignError, match=r"structured\.layers: conv0 and conv1 share their channels.*Remedy"):
        structured.shrink(model, StructuredSection(layers={"conv0": 0.5, "conv1": 0.25}))
    with pytest.raises(DesignError, match=r"structured\.layers\.conv7: there is no such layer.*conv0"):
        structured.shrink(model, StructuredSection(layers={"conv7": 0.5}))


def test_dense_stacks_shrink_too():
    rng = np.random.default_rng(0)
    stack = [DenseLayer(f"d{i}", rng.normal(size=s).astype(np.float32), np.zeros(s[1], np.float32), i < 2, i == 1)
             for i, s in enumerate([(5, 4), (4, 6), (6, 2)])]
    for layer, gone in zip(stack, ([0, 2], [1, 3, 5]), strict=False):
        layer.kernel[:, gone] = 0
    small, units = structured.shrink(stack, HALF)
    assert [layer.kernel.shape for layer in small] == [(5, 2), (2, 3), (3, 2)]
    assert small[1].clipped and [u.removed for u in units.values()] == [2, 3, 0]
    x = rng.normal(size=(9, 5))
    whole, less = x, x
    for a, b in zip(stack, small, strict=True):
        whole, less = a(whole), b(less)
    np.testing.assert_allclose(less, whole, rtol=1e-12)  # sums of floats in another order


def test_a_number_stands_for_the_fraction():
    read = PruningSection.model_validate_json('{"structured": 0.25}', strict=True)
    assert read.structured == StructuredSection(fraction=0.25)
    kinds = PruningSection.model_json_schema()["$defs"]["StructuredSection"]["anyOf"]
    assert [k["type"] for k in kinds] == ["number", "object"]


def test_csim_is_exact_behind_it(tmp_path):
    written, _ = CASES["residual"]
    small, _ = structured.shrink(toy_cnn.float_model(written), HALF)
    function = toy_cnn.of_model(small)
    inputs = toy_cnn.images(1000, len(function.scaling), seed=11)
    converted = toy.convert(function, tmp_path, inputs[:10])
    result = csim.run(toy.design(), toy.results(toy.data_set(inputs, inputs[:10]), function, converted), tmp_path)
    assert {c.mismatches for c in result.comparisons} == {0}
    assert len(np.unique(result.scores["csim"]["background"])) > 10


def test_the_stage_tells_what_it_removed(tmp_path):
    data = tiny.dataset()
    d = design.from_mapping(tiny.raw_design(pruning={"structured": 0.5}))
    trained = train.run(d, Results(data=data), tmp_path / "train")
    done = compress.run(d, Results(data=data, train=trained), tmp_path / "compress")
    *hidden, output = done.layers
    assert all(layer.units_removed == layer.units // 2 > 0 for layer in hidden) and output.units_removed == 0
    done.save(tmp_path)
    assert CompressResult.load(tmp_path).layers == done.layers
