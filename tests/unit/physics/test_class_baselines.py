"""Nearest class mean and linear discriminant, against their definitions."""

from dataclasses import replace

import numpy as np
import pytest
import toy_images as toy
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis

from l1trigger.physics import class_baselines


@pytest.fixture(scope="module")
def data():
    return toy.data_set(900)


def test_nearest_mean(data):
    x = data.train.inputs.reshape(len(data.train), -1).astype(float)
    true = data.train.truth["class"].astype(int)
    means = [x[true == c].mean(0) for c in range(3)]
    scores, classes = class_baselines.scores_and_classes(data)
    for e in data.evaluated:
        flat = e.inputs.reshape(len(e), -1).astype(float)
        distance = np.stack([np.square(flat - m).sum(1) for m in means], 1)
        np.testing.assert_array_equal(classes["class_mean"][e.name], distance.argmin(1))
        expected = distance[:, 1:].min(1) - distance[:, 0]
        np.testing.assert_allclose(scores["class_mean"][e.name], expected, rtol=1e-8, atol=1e-6)


def test_discriminant_beats_chance_and_ranks_as_it_decides(data):
    scores, classes = class_baselines.scores_and_classes(data)
    right = np.concatenate([classes["discriminant"][e.name] == e.truth["class"] for e in data.evaluated])
    assert right.mean() > 0.55  # a third by chance
    for e in data.evaluated:
        np.testing.assert_array_equal(scores["discriminant"][e.name] > 0, classes["discriminant"][e.name] == 0)


@pytest.mark.parametrize("classes", [2, 3])
def test_discriminant_is_that_of_scikit_learn(classes):
    """Where all components are kept, they change nothing."""
    rng = np.random.default_rng(3)
    true = rng.integers(0, classes, 2000)
    x = rng.normal(0, 1, (2000, 4)) * [1, 2, 3, 4] + rng.normal(0, 1, (classes, 4))[true]
    own = class_baselines.discriminant(x, true, classes)(x)
    other = LinearDiscriminantAnalysis().fit(x, true)
    np.testing.assert_array_equal(own.argmax(1), other.predict(x))
    wanted = other.decision_function(x)
    difference = wanted if classes == 2 else wanted[:, 1] - wanted[:, 0]
    np.testing.assert_allclose(own[:, 1] - own[:, 0], difference, rtol=1e-6, atol=1e-8)


def test_two_classes():
    data = toy.data_set(600)
    two = {"truth": {"class": (data.train.truth["class"] > 0).astype(float)}}
    data = replace(data, train=replace(data.train, **two), classes=("across", "other"))
    scores, classes = class_baselines.scores_and_classes(data)
    for name in ("class_mean", "discriminant"):
        assert set(classes[name]["images"]) == {0, 1}
        np.testing.assert_array_equal(scores[name]["images"] > 0, classes[name]["images"] == 0)
    assert (classes["discriminant"]["across"] == 0).mean() > (classes["discriminant"]["images"] == 0).mean() + 0.2


def test_constant_pixels_and_weights(data):
    inputs = data.train.inputs.copy()
    inputs[:, 0] = 0
    weight = np.where(data.train.truth["class"] == 0, 0.02, 1.0)
    rare = replace(data.train, inputs=inputs, weight=weight / weight.sum())
    scores, classes = class_baselines.scores_and_classes(replace(data, train=rare))
    assert all(np.isfinite(v).all() for samples in scores.values() for v in samples.values())
    # Class 0 weighs little, so that it is guessed less often.
    before = class_baselines.scores_and_classes(data)[1]
    assert (classes["discriminant"]["across"] == 0).mean() < (before["discriminant"]["across"] == 0).mean()


def test_chunks_and_few_events_do_not_show(data, monkeypatch):
    whole = class_baselines.scores_and_classes(data)[0]["discriminant"]["images"]
    monkeypatch.setattr(class_baselines, "_AT_ONCE", 7)
    np.testing.assert_allclose(
        class_baselines.scores_and_classes(data)[0]["discriminant"]["images"], whole, rtol=1e-10
    )
    monkeypatch.setattr(class_baselines, "_FEW", 100)
    x, true = class_baselines._training(data.train)
    assert len(x) == 103 and set(true) == {0, 1, 2}
