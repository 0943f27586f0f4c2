"""Targets, loss, scores and predictions of networks with one logit per class, and what does not fit together."""

from dataclasses import replace

import numpy as np
import pytest
import toy_images as toy

from l1trigger.data.events import DataSet
from l1trigger.errors import DataError, DesignError
from l1trigger.models.classification import Classes
from l1trigger.train import agreement

CLASSES = Classes(3)


def test_targets():
    events = toy.sample("images", [2, 0, 1, 1])
    np.testing.assert_array_equal(CLASSES.targets(events), np.eye(3)[[2, 0, 1, 1]])
    assert CLASSES.targets(events).dtype == np.float32


@pytest.mark.parametrize("wrong", [3, -1, 0.5, np.nan])
def test_classes_without_an_output(wrong):
    events = toy.sample("images", [0, 1, 2, 1])
    events.truth["class"][2] = wrong
    with pytest.raises(DataError, match=f"images: event 2 is of class {wrong:g}, but there are classes 0 to 2"):
        CLASSES.targets(events)


def test_no_classes_at_all():
    with pytest.raises(DataError, match="images: has no true classes to learn from"):
        CLASSES.targets(replace(toy.sample("images", [0]), truth={}))


def test_the_loss_is_the_cross_entropy_of_the_softmax():
    rng = np.random.default_rng(1)
    outputs, targets = rng.normal(0, 3, (50, 3)), np.eye(3)[rng.integers(0, 3, 50)]
    targets[0] = 0.2, 0.3, 0.5  # as another network answers
    odds = np.exp(outputs)
    expected = -(targets * np.log(odds / odds.sum(1, keepdims=True))).sum(1)
    np.testing.assert_allclose(CLASSES.loss()(targets, outputs).numpy(), expected, rtol=1e-12)


def test_the_first_of_equal_outputs_is_predicted():
    outputs = np.array([[1.0, 1.0, 0.0], [0.0, 2.0, 2.0], [-1.0, -2.0, -0.5], [3.0, 0.0, 1.0]])
    assert CLASSES.predictions(outputs)["class"].tolist() == [0, 1, 2, 0]
    np.testing.assert_array_equal(CLASSES.score(outputs), [0.0, -2.0, -0.5, 2.0])


def check(monkeypatch, data=None, **values):
    toy.install(monkeypatch)
    agreement.require_fit(toy.design(**values), data or toy.data_set(40))


def test_what_fits_together(monkeypatch):
    check(monkeypatch)
    check(monkeypatch, task="calorimeter", architecture="garnet", score="classifier")


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"task": "anomaly"}, "task: is anomaly, but toy_classifier gives 3 classes"),
        ({"task": "anomaly", "architecture": "garnet"}, "compress.score: class_margin compares classes, which only"),
        ({"architecture": "garnet"}, "model.architecture: garnet gives no classes"),
        ({"score": "classifier"}, "compress.score: classifier does not compare the classes"),
        ({"model": {"classes": 4}}, "model.classes: is 4, but the data have 3: across, down, block"),
    ],
)
def test_what_does_not(monkeypatch, values, message):
    with pytest.raises(DesignError, match=message):
        check(monkeypatch, **values)


def test_data_without_classes(monkeypatch):
    with pytest.raises(DesignError, match="data.source: toy_images gives no classes"):
        check(monkeypatch, replace(toy.data_set(40), classes=()))
    bad = toy.data_set(40)
    bad.signals[0].truth["class"][3] = 7
    with pytest.raises(DataError, match="across: event 3 is of class 7"):
        check(monkeypatch, bad)


def test_classes_are_kept_with_the_data(tmp_path):
    data = toy.data_set(40)
    data.save(tmp_path)
    again = DataSet.load(tmp_path)
    assert again.classes == toy.CLASSES
    np.testing.assert_array_equal(again.test.truth["class"], data.test.truth["class"])
    (tmp_path / "data.json").write_text((tmp_path / "data.json").read_text().replace('"classes"', '"other"'))
    assert DataSet.load(tmp_path).classes == ()
