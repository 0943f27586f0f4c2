"""Post-training quantization, and pruning of everything that has weights."""

from dataclasses import replace

import numpy as np
import pytest
import tiny
import toy_cnn

from l1trigger import compress, design, frameworks, train
from l1trigger.compress.result import CompressResult
from l1trigger.compress_sections import (
    CompressSection,
    FineTuneSection,
    PostTrainingSection,
    PruningSection,
    QuantizationSection,
    StructuredSection,
)
from l1trigger.quantize import fine_tune, keras_graph, post_training
from l1trigger.quantize.dense_layers import DenseLayer, float_model
from l1trigger.quantize.training import Lesson
from l1trigger.results import Results

NETWORK = [
    {"conv": {"filters": 4, "batch_norm": True}}, {"depthwise_conv": {"kernel": 2}},
    {"separable_conv": {"filters": 3, "kernel": 2}}, {"dense": {"units": 2, "relu": False}},
]
COARSE = QuantizationSection(weights=3, biases=12, activations=12, score=16)


def quietly(message):
    pass


@pytest.fixture(scope="module")
def example():
    model = toy_cnn.float_model(NETWORK)
    scaling = toy_cnn.trigger(NETWORK).scaling
    x = scaling.firmware(np.abs(toy_cnn.images(400, 36)))
    return model, scaling, x


def test_corrected_biases_give_the_float_means(example):
    model, scaling, x = example
    made = keras_graph.quantized(model, COARSE, scaling.network_type, x)
    section = PostTrainingSection(events=200)
    wanted = post_training.means(model, section, x)

    def shift():
        return {n: np.abs(post_training._mean(made, made.get_layer(n).output, section, x) - m).max()
                for n, m in wanted.items()}

    before = shift()
    options = CompressSection(score="student", quantization=COARSE, post_training=section)
    with post_training.corrected(made, wanted, options, x):
        after = shift()
    assert shift() == before
    assert list(after) == ["conv0", "depthwise_conv0", "separable_conv0_depthwise", "separable_conv0", "dense0"]
    for name, value in after.items():  # the bias itself is rounded to 12 bits only
        assert value < 0.01 < before[name]


def test_dense_stacks_and_layers_with_a_relu_inside():
    rng = np.random.default_rng(0)
    stack = [DenseLayer("a", rng.normal(size=(5, 4)).astype(np.float32), np.ones(4, np.float32), True),
             DenseLayer("b", rng.normal(size=(4, 2)).astype(np.float32), np.ones(2, np.float32), False, True)]
    x = rng.normal(size=(300, 5))
    found = post_training.means(stack, PostTrainingSection(events=300), x)
    np.testing.assert_allclose(found["a"], (x @ stack[0].kernel + 1).mean(0), rtol=1e-6)
    np.testing.assert_allclose(found["b"], (stack[0](x) @ stack[1].kernel + 1).mean(0), rtol=1e-6)
    np.testing.assert_allclose(float_model(stack)(x.astype(np.float32)), stack[1](stack[0](x)), atol=1e-5)
    k = frameworks.keras()
    first = k.Input((5,))
    inside = k.Model(first, k.layers.Dense(4, activation="relu", name="a")(first))
    inside.set_weights([stack[0].kernel, stack[0].bias])
    again = post_training.means(inside, PostTrainingSection(events=300), x)
    np.testing.assert_allclose(again["a"], found["a"], rtol=1e-4)  # float32 against float64


@pytest.mark.parametrize("kind", ["quantized", "float"])
def test_asking_what_can_be_pruned_changes_nothing(example, kind):
    model, scaling, x = example
    model = toy_cnn.float_model(NETWORK)
    if kind == "quantized":
        model = keras_graph.quantized(model, COARSE, scaling.network_type, x)
    before = [dict(vars(layer)) for layer in model.layers]
    prunable = [layer.name for layer in model.layers if fine_tune._is_prunable(layer)]
    assert len(prunable) == 5
    assert [dict(vars(layer)) for layer in model.layers] == before


@pytest.mark.parametrize("kind", ["quantized", "float"])
def test_every_kind_of_layer_is_pruned(example, kind, tmp_path):
    model, scaling, x = example
    model = toy_cnn.float_model(NETWORK)
    if kind == "quantized":
        model = keras_graph.quantized(model, COARSE, scaling.network_type, x)
    section = CompressSection(
        score="classifier", pruning=PruningSection(sparsity=0.5, layers={"conv0": 0.75, "separable_conv0": 0.0}),
        fine_tune=FineTuneSection(epochs=2, batch_size=64),
    )
    lesson = Lesson(x, np.zeros((len(x), 2), np.float32), "mse", 1, tmp_path, quietly)
    done, _ = fine_tune.fine_tune(model, lesson, section)
    zeros = {la.name: np.mean(la.get_weights()[0] == 0) for la in done.layers if la.get_weights()
             and la.get_weights()[0].ndim > 1}
    assert zeros == pytest.approx(
        {"conv0": 0.75, "depthwise_conv0": 0.5, "separable_conv0_depthwise": 0.5, "separable_conv0": 0, "dense0": 0},
        abs=0.05,  # 9 weights cannot be halved
    )


def test_pruned_float_networks_recover_before_they_are_quantized(tmp_path):
    rng = np.random.default_rng(0)
    stack = [DenseLayer("a", rng.normal(size=(5, 8)).astype(np.float32), np.zeros(8, np.float32), True),
             DenseLayer("b", rng.normal(size=(8, 1)).astype(np.float32), np.zeros(1, np.float32), False)]
    x = rng.normal(size=(500, 5))
    target = stack[1](stack[0](x)).astype(np.float32)
    fine = FineTuneSection(epochs=30, batch_size=50)
    options = CompressSection(score="student", method="ptq", pruning=PruningSection(sparsity=0.5), fine_tune=fine)
    lesson = Lesson(x, target, "mse", 1, tmp_path, quietly)
    made, history = post_training.pruned_float(stack, lesson, options)
    assert np.mean(made[0].kernel == 0) == 0.5 and not np.any(stack[0].kernel == 0)
    cut = stack[0].kernel * (np.abs(stack[0].kernel) > np.median(np.abs(stack[0].kernel)))
    at_once = np.square(stack[1](replace(stack[0], kernel=cut)(x)) - target).mean()
    assert np.square(made[1](made[0](x)) - target).mean() < 0.7 * at_once
    assert len(history["loss"]) == 30
    same, nothing = post_training.pruned_float(stack, lesson, CompressSection(score="student", method="ptq"))
    assert same is stack and nothing == {}


def test_both_methods_through_the_stage(tmp_path):
    data = tiny.dataset()
    found = {}
    for method in ("qat", "ptq"):
        raw = tiny.raw_design(method=method, quantization={"weights": 4}, pruning={"structured": {"fraction": 0.25}})
        d = design.from_mapping(raw)
        trained = train.run(d, Results(data=data), tmp_path / method / "train")
        found[method] = compress.run(d, Results(data=data, train=trained), tmp_path / method / "compress")
    figures = {f.name: f for f in found["qat"].post_training_figures}
    assert set(figures) >= {"post_training_auc", "post_training_mean_auc"}
    assert figures["post_training_mean_auc"].conditions["bias_correction"] == "on"
    assert found["ptq"].post_training_figures == ()
    assert "loss" in found["ptq"].history  # of the float network that lost units
    found["qat"].save(tmp_path)
    assert CompressResult.load(tmp_path).post_training_figures == found["qat"].post_training_figures


def test_structured_pruning_alone_is_recovered_from(example, tmp_path):
    model, *_ = example
    options = CompressSection(
        score="classifier", method="ptq", pruning=PruningSection(structured=StructuredSection(fraction=0.5)),
        fine_tune=FineTuneSection(epochs=0),
    )
    lesson = Lesson(np.zeros((1, 36)), np.zeros((1, 2), np.float32), "mse", 1, tmp_path, quietly)
    same, history = post_training.pruned_float(model, lesson, options)
    assert history == {} and same is not model
