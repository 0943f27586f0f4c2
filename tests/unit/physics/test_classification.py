"""Accuracy, efficiency and purity of classes against counting by hand."""

from dataclasses import replace

import numpy as np
import pytest
import toy_images as toy

from l1trigger.data.events import DataSet
from l1trigger.figures import FigureMaker, Source
from l1trigger.physics import classification
from l1trigger.physics.classification import Labelled
from l1trigger.physics.roc import binomial_interval

MAKE = FigureMaker("csim", Source.CSIM, "g++")


def data_set(test, signal, weight=None):
    background = toy.sample("images", test, weight=weight)
    return DataSet(background, background, background, (toy.sample("across", signal),), False, 2760, toy.CLASSES)


TEST, SIGNAL = [1, 2, 1, 2, 1, 1], [0, 0, 0, 0]
FOUND = {"images": np.array([1, 2, 2, 0, 1, 1]), "across": np.array([0, 0, 2, 0])}


def figures(data, found):
    made = classification.class_figures(Labelled.of(data), found, MAKE)
    return {(f.name, f.conditions.get("class")): f for f in made}


def test_counts():
    of = figures(data_set(TEST, SIGNAL), FOUND)
    accuracy = of["accuracy", None]
    assert accuracy.value == pytest.approx(7 / 10) and accuracy.conditions == {"classes": 3, "events": 10}
    assert accuracy.interval == pytest.approx([float(x) for x in binomial_interval(np.array(7.0), np.array(10.0))])
    assert (accuracy.level, accuracy.source, accuracy.tool) == ("csim", "csim", "g++")
    assert accuracy.interval_method == "Clopper-Pearson 68.27 %"
    values = {key: f.value for key, f in of.items()}
    assert values == pytest.approx({
        ("accuracy", None): 0.7, ("efficiency", "across"): 3 / 4, ("purity", "across"): 3 / 4,
        ("efficiency", "down"): 3 / 4, ("purity", "down"): 1.0, ("efficiency", "block"): 1 / 2,
        ("purity", "block"): 1 / 3,
    })
    assert of["purity", "block"].conditions == {"class": "block", "events": 3}


def test_confusion():
    labelled = Labelled.of(data_set(TEST, SIGNAL))
    np.testing.assert_allclose(labelled.confusion(FOUND), [[3, 0, 1], [0, 3, 1], [1, 0, 1]], rtol=1e-12)


def test_weights_count():
    """An event of double weight counts as two; samples keep their proportions."""
    weight = np.array([2.0, 1, 1, 1, 2, 1])
    data = data_set(TEST, SIGNAL, weight)
    scale = 6 / weight.sum()
    right = scale * (weight * (FOUND["images"] == TEST)).sum() + 3
    accuracy = figures(data, FOUND)["accuracy", None]
    assert accuracy.value == pytest.approx(right / 10)
    low, high = figures(data_set(TEST, SIGNAL), FOUND)["accuracy", None].interval
    assert accuracy.interval[0] < accuracy.value < accuracy.interval[1] and accuracy.interval != (low, high)
    confusion = Labelled.of(data).confusion(FOUND)
    assert confusion[1, 1] == pytest.approx(scale * 5) and confusion.sum() == pytest.approx(10)


def test_a_class_that_nothing_is_taken_for():
    found = {"images": np.array([1, 0, 1, 0, 1, 1]), "across": np.zeros(4, int)}
    of = figures(data_set(TEST, SIGNAL), found)
    assert of["purity", "block"].value is None and of["purity", "block"].reason == "no event is taken for this class"
    assert of["efficiency", "block"].value == 0 and of["efficiency", "block"].interval[1] > 0
    of = figures(data_set([1, 1, 1, 1, 1, 1], SIGNAL), found)
    assert of["efficiency", "block"].value is None and of["efficiency", "block"].reason == "no event is of this class"


def test_loss_is_paired():
    labelled = Labelled.of(data_set(TEST, SIGNAL))
    same = classification.loss_figure(labelled, FOUND, FOUND, MAKE)
    assert same.value == 0 and same.interval == (0, 0)
    worse = {**FOUND, "images": np.array([0, 2, 2, 0, 1, 1])}
    loss = classification.loss_figure(labelled, FOUND, worse, MAKE)
    assert loss.name == "accuracy_loss" and loss.value == pytest.approx(0.1)
    # One of ten events differs: its standard error is that of the mean of nine zeros and a one.
    assert loss.interval[1] - loss.value == pytest.approx(np.std([1] + [0] * 9, ddof=1) / 10**0.5)


def test_the_best_baseline_is_the_most_accurate_one():
    labelled = Labelled.of(data_set(TEST, SIGNAL))
    worse, worst = ({**FOUND, "across": np.array([0] * n + [2] * (4 - n))} for n in (2, 1))
    above = classification.above_baselines_figure(labelled, FOUND, {"discriminant": worst, "class_mean": worse}, MAKE)
    assert above.name == "accuracy_above_best_baseline" and above.value == pytest.approx(0.1)
    assert above.conditions == {"best_baseline": "class_mean", "best_baseline_value": pytest.approx(0.6)}
    # Of the ten events one is right here only; the error is that of the paired difference.
    difference = (FOUND["across"] == 0) * 1.0 - (worse["across"] == 0)
    paired = np.append(difference, np.zeros(6))
    assert above.interval[1] - above.value == pytest.approx(np.std(paired, ddof=1) / 10**0.5)
    itself = classification.above_baselines_figure(labelled, FOUND, {"class_mean": FOUND}, MAKE)
    assert itself.value == 0 and itself.interval == (0, 0)


def test_events_that_share_a_row_are_one():
    data = data_set(TEST, SIGNAL)
    rows = replace(data.test, row=np.array([0, 0, 0, 1, 1, 1], np.int32))
    signal = replace(data.signals[0], row=np.array([0, 1, 2, 3], np.int32))
    labelled = Labelled.of(replace(data, test=rows, signals=(signal,)))
    assert labelled.events.row.tolist() == [0, 0, 0, 1, 1, 1, 2, 3, 4, 5]


def test_fewer_events_at_one_level():
    longer = {name: np.append(v, 0) for name, v in FOUND.items()}
    np.testing.assert_array_equal(
        Labelled.of(data_set(TEST, SIGNAL)).joined(longer), np.concatenate(list(FOUND.values()))
    )
