"""All stages of a tiny design that tells three classes of images apart, from data to the report."""

import json

import jsonschema
import numpy as np
import pytest
import toy_images

from l1trigger import design, pipeline
from l1trigger.compare import compare
from l1trigger.compare.tables import figure_table
from l1trigger.errors import DesignError
from l1trigger.report.model import load_report, shipped_schema

pytestmark = pytest.mark.slow
LEVELS = ("float", "quantized", "csim", "rtl")
SAMPLES = ("images", "across")
BUDGET = {
    "accuracy": {"min": 0.9, "level": "csim"}, "accuracy_loss": {"max": 0.02, "level": "csim"},
    "efficiency/down": {"min": 2.0, "level": "rtl", "conditions": {"class": "down"}},
}


@pytest.fixture(scope="module")
def done(tmp_path_factory):
    with pytest.MonkeyPatch.context() as m:
        toy_images.install(m)
        asked = design.from_mapping(toy_images.raw_design(budget=BUDGET))
        yield pipeline.run(asked, tmp_path_factory.mktemp("flow"))


@pytest.fixture(scope="module")
def report(done):
    return load_report(done.folder / "report.json")


def test_levels_are_equal_and_the_outputs_are_compared_in_the_rtl(done):
    pipeline.judge(done)
    comparisons = (*done.results.csim.comparisons, *done.results.synth.comparisons)
    assert all(c.mismatches == 0 for c in comparisons)
    compared = {(c.between, c.what): c.outputs for c in comparisons}
    assert compared[("csim", "rtl"), "network outputs of images"] == 3 * 600
    assert compared[("csim", "rtl"), "network outputs of across"] == 3 * 300


def test_classes_are_those_of_the_network_at_every_level(done):
    r = done.results
    trigger, classes = r.compress.trigger, r.csim.predictions["class"]
    for e in r.data.evaluated:
        out = trigger.evaluate(e.inputs)
        for found in (classes["quantized"], classes["csim"], r.synth.predictions["class"]):
            np.testing.assert_array_equal(found[e.name], out.network.argmax(1))
        margin = out.network[:, 0] - out.network[:, 1:].max(1)
        np.testing.assert_array_equal(trigger.score_type.raw(r.csim.scores["csim"][e.name]), margin)
        assert len(np.unique(margin)) > 20
        # A positive margin and class 0 are the same thing.
        np.testing.assert_array_equal(margin > 0, (out.network.argmax(1) == 0) & (margin != 0))


def test_ports_are_counted_with_the_outputs(done):
    synth, trigger = done.results.synth, done.results.compress.trigger
    assert synth.network_outputs == 3
    widest = trigger.score_type.width + 1 + 3 * trigger.network.output_type.width
    assert 0.5 * widest < synth.ports[1] <= widest


def test_accuracy_at_four_levels_and_beside_the_baselines(done, report):
    data, classes = done.results.data, done.results.csim.predictions["class"]
    true = np.concatenate([e.truth["class"] for e in data.evaluated])
    for level in LEVELS:
        figure = report.figure("accuracy", level)
        of = classes["csim" if level == "rtl" else level]
        # Weights are real numbers, and their sum rounds.
        right = np.concatenate([of[s] for s in SAMPLES]) == true
        assert figure.value == pytest.approx(right.mean(), rel=1e-12)
        assert figure.interval[0] < figure.value < figure.interval[1]
        assert figure.conditions == {"classes": 3, "events": 900}
    assert report.figure("accuracy", "csim").source == "csim"
    assert report.figure("accuracy", "rtl").source == "verilator"
    assert report.figure("accuracy", "csim").value > 0.9
    for name in ("class_mean", "discriminant"):
        assert 0.4 < report.figure("accuracy", "baseline", baseline=name).value < 1
        assert report.figure("accuracy_loss", "baseline", baseline=name) is not None
    loss = report.figure("accuracy_loss", "rtl").value
    assert loss == pytest.approx(report.figure("accuracy", "float").value - report.figure("accuracy", "rtl").value)


def test_confusion(report):
    assert [(c.level, c.baseline) for c in report.confusion] == [
        *((level, None) for level in LEVELS), ("baseline", "class_mean"), ("baseline", "discriminant")
    ]
    for c in report.confusion:
        assert np.sum(c.events, axis=1).tolist() == [300, 300, 300] and c.classes == list(toy_images.CLASSES)
    rtl = np.array(report.confusion[3].events)
    for k, name in enumerate(toy_images.CLASSES):
        assert report.figure("efficiency", "rtl", **{"class": name}).value == pytest.approx(rtl[k, k] / 300)
        assert report.figure("purity", "rtl", **{"class": name}).value == pytest.approx(rtl[k, k] / rtl[:, k].sum())


def test_budget(report):
    met = {j.figure: (j.met, j.level) for j in report.budget}
    assert met == {"accuracy": (True, "csim"), "accuracy_loss": (True, "csim"), "efficiency": (False, "rtl")}


def test_seeds_have_accuracies_of_their_own(tmp_path, monkeypatch):
    toy_images.install(monkeypatch)
    quick = {"epochs": 3, "seeds": 2}
    asked = design.from_mapping(toy_images.raw_design(train=quick, compress={"fine_tune": {"epochs": 1}}))
    done = pipeline.run(asked, tmp_path, stop="compress")
    r = done.results
    trigger, best = r.compress.trigger, r.train.trainings[r.train.best].seed
    found = {(f.name, f.level, f.conditions["seed"]): f.value for f in r.compress.seed_figures
             if f.name.startswith("accuracy")}
    levels = (("accuracy", "float"), ("accuracy", "quantized"), ("accuracy_loss", "quantized"))
    assert found.keys() == {(*level, t.seed) for level in levels for t in r.train.trainings}
    right = [trigger.evaluate(e.inputs).network.argmax(1) == e.truth["class"] for e in r.data.evaluated]
    assert found["accuracy", "quantized", best] == pytest.approx(np.concatenate(right).mean(), rel=1e-12)
    for t in r.train.trainings:
        loss = found["accuracy", "float", t.seed] - found["accuracy", "quantized", t.seed]
        assert found["accuracy_loss", "quantized", t.seed] == pytest.approx(loss, abs=1e-12)


def test_comparison(report):
    first = {row.cells[0].text: row.cells for row in figure_table(compare([report])).rows}
    assert first["accuracy, 3 classes"][1].text == "rtl"
    assert first["accuracy, 3 classes"][3].value == report.figure("accuracy", "rtl").value
    assert "accuracy_loss, 3 classes" in first and not any(name.startswith("purity") for name in first)


def test_page(done, report):
    page = (done.folder / "report.html").read_text()
    for words in ("Efficiency by class", "Purity by class", "loss against float", "nearest class mean", "taken for"):
        assert words in page
    pictures = {p.name for p in report.pictures if p.section == "classes"}
    assert pictures == {"confusion_float", "confusion_rtl", "class_efficiency"}
    jsonschema.validate(json.loads((done.folder / "report.json").read_text()), shipped_schema())


def test_what_does_not_fit_is_told_before_training(tmp_path, monkeypatch):
    toy_images.install(monkeypatch)
    raw = toy_images.raw_design(compress={"score": "classifier"})
    with pytest.raises(DesignError, match="compress.score: classifier does not compare the classes"):
        pipeline.run(design.from_mapping(raw), tmp_path)
    assert not (tmp_path / "toy_images" / "train").exists()
