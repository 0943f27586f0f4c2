"""Distillation: the mixed losses, and a small network that learns from a reference."""

import numpy as np
import pytest
import tiny
import toy_images

from l1trigger import compress, design, frameworks, train
from l1trigger.compress_sections import DistillationSection
from l1trigger.errors import DesignError
from l1trigger.models.classification import Classes
from l1trigger.results import Results
from l1trigger.scores.distillation import Teacher

TRUTH = np.array([[1, 0, 0], [0, 0, 1]], np.float32)
TAUGHT = np.array([[2, 1, 0], [0, 1, 3]], np.float32)
OUTPUT = np.array([[1, 0, 2], [0, 2, 1]], np.float32)


def softmax(y):
    return np.exp(y) / np.exp(y).sum(1, keepdims=True)


def mixed(classes, truth_loss, **section):
    frameworks.keras()
    teacher = Teacher(DistillationSection(**section), None, 0, classes)
    return np.asarray(teacher.loss(truth_loss)(np.concatenate([TRUTH, TAUGHT], 1), OUTPUT))


def test_classes_follow_probabilities_at_a_temperature():
    frameworks.keras()
    hard = -np.log(softmax(OUTPUT))[TRUTH > 0]
    soft = -(softmax(TAUGHT / 3) * np.log(softmax(OUTPUT / 3))).sum(1)
    found = mixed(True, Classes(3).loss(), weight=0.25, temperature=3.0)
    np.testing.assert_allclose(found, 0.75 * hard + 0.25 * 9 * soft, rtol=1e-5)


def test_other_outputs_follow_squared_differences():
    found = mixed(False, lambda t, y: 3 * np.square(t - y).mean(1), weight=0.5)
    wanted = ((TRUTH - OUTPUT) ** 2).sum(1) / 2 + ((TAUGHT - OUTPUT) ** 2).mean(1) / 2
    np.testing.assert_allclose(found, wanted, rtol=1e-6)


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        toy_images.install(patch)
        d = design.from_mapping(toy_images.raw_design())
        folder = tmp_path_factory.mktemp("teacher")
        found = train.run(d, Results(data=toy_images.data_set()), folder)
        (folder / "train").mkdir(exist_ok=True)
        found.save(folder / "train")
        yield found, folder


def test_a_small_network_learns_from_another_run(trained, tmp_path, monkeypatch):
    toy_images.install(monkeypatch)
    found, folder = trained
    raw = toy_images.raw_design()
    raw["compress"] |= {
        "student": {
            "layers": [{"dense": {"units": 4}}], "train": {"epochs": 15, "batch_size": 64, "learning_rate": 1e-2},
        },
        "distillation": {"teacher": str(folder), "temperature": 2.0},
    }
    data = toy_images.data_set()
    made = compress.run(design.from_mapping(raw), Results(data=data, train=found), tmp_path)
    assert [(layer.name, layer.weights) for layer in made.layers] == [("dense0", 36 * 4), ("output", 12)]
    agree = []
    for events in data.evaluated:
        outputs = made.trigger.evaluate(events.inputs).network
        agree.append(np.mean(outputs.argmax(1) == found.float_predictions(events.inputs)["class"]))
    assert np.mean(agree) > 0.7  # three classes


def test_teachers_that_do_not_fit(trained, monkeypatch, tmp_path):
    toy_images.install(monkeypatch)
    found, _ = trained
    teacher = Teacher.of(DistillationSection(), found, 0, True)
    inputs = toy_images.data_set().test.inputs[:4]
    with pytest.raises(DesignError, match="has 3 outputs, the network 2"):
        teacher.targets(inputs, np.zeros((4, 2), np.float32))
    with pytest.raises(DesignError, match=r"compress\.distillation: student learns nothing but.*leave it out"):
        design.from_mapping(tiny.raw_design(distillation={"weight": 0.5}))
