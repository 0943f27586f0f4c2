"""The conformance check finds what is wrong: plugins broken on purpose, one fault each."""

from dataclasses import replace

import numpy as np
import pytest
import stand_ins
import toy_images
from pydantic import ConfigDict

from l1trigger import design, pipeline, testing
from l1trigger.contracts.architecture import ARCHITECTURES
from l1trigger.contracts.score import SCORES
from l1trigger.contracts.source import SOURCES
from l1trigger.data.events import DataSet
from l1trigger.errors import DesignError
from l1trigger.scores.class_margin import ClassMargin
from l1trigger.testing import ContractError, designs
from l1trigger.train.result import TrainResult


def raw_design(**sections):
    raw = toy_images.raw_design(**sections)
    few = {"epochs": 1, "batch_size": 64}
    return raw | {"train": few, "compress": raw["compress"] | {"fine_tune": few}, "csim": {"events": 50},
                  "data": raw["data"] | {"events": 240}, "synth": raw["synth"] | {"events": 20}}


class Lax(toy_images.ToySource.Options):
    model_config = ConfigDict(extra="ignore")


class Changeable(toy_images.ToySource.Options):
    model_config = ConfigDict(frozen=False)


class Renamed(toy_images.ToySource.Options):
    source: str = "another"


def source(options=toy_images.ToySource.Options, change=lambda data, calls: data):
    """A source with other options, or whose data are changed at each call."""
    calls = []

    class Broken(toy_images.ToySource):
        Options = options

        def load(self):
            calls.append(None)
            return change(super().load(), len(calls))

    return Broken


def of_train(**change):
    return lambda data, calls: replace(data, train=replace(data.train, **{k: v(data) for k, v in change.items()}))


@pytest.mark.parametrize(("broken", "message"), [
    (source(Lax), "takes keys that it does not know"),
    (source(Changeable), "can be changed"),
    (source(Renamed), "the default of source is not 'toy_images'"),
    (source(change=lambda data, calls: None), "load gives no DataSet"),
    (source(change=of_train(inputs=lambda d: d.train.inputs.astype(np.float32))), "inputs are float32, not int16"),
    (source(change=of_train(inputs=lambda d: d.train.inputs[:, :3])), "events of shape .* where train has"),
    (source(change=of_train(weight=lambda d: d.train.weight * 2)), "weights sum to"),
    (source(change=of_train(truth=lambda d: {"class": d.train.truth["class"][1:]})), "class has the shape"),
    (source(change=lambda d, calls: replace(d, colliding_bunches=calls)), "a second call gives other events: coll"),
    (source(change=lambda d, calls: replace(d, signals=d.signals * 2)), "two samples have one name"),
])
def test_sources(monkeypatch, tmp_path, broken, message):
    toy_images.install(monkeypatch)
    stand_ins.install(monkeypatch, SOURCES, toy_images=broken)
    with pytest.raises(ContractError, match=message):
        testing.check_source(raw_design(), tmp_path)


class Incomplete(toy_images.ToyClassifier):
    fit = ARCHITECTURES.base.fit


def network(**functions):
    return type("Broken", (toy_images.ToyClassifier,), functions)


def float_score(change):
    def score(self, weights, inputs):
        return change(toy_images.ToyClassifier.float_score(self, weights, inputs))
    return score


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """Results up to the stage compress."""
    with pytest.MonkeyPatch.context() as patch:
        toy_images.install(patch)
        folder = tmp_path_factory.mktemp("runs")
        return pipeline.run(design.from_mapping(raw_design()), folder, stop="compress").results


@pytest.mark.parametrize(("broken", "message"), [
    (network(float_score=float_score(lambda s: s[:, None])), r"float_score has the shape \(64, 1\) for 64 events"),
    (network(float_score=float_score(lambda s: s.astype(np.float32))), "float_score is float32, not float64"),
    (network(float_score=float_score(lambda s: np.where(s == s.max(), np.nan, s))), "float_score is not finite"),
    (network(float_score=float_score(lambda s: s - s[0])), "of an event depends on the events beside it"),
    (network(float_outputs=lambda self, w, x: np.zeros((len(x), 4))), "targets have the shape .*, outputs"),
])
def test_architectures(monkeypatch, finished, broken, message):
    toy_images.install(monkeypatch)
    stand_ins.install(monkeypatch, ARCHITECTURES, toy_classifier=broken)
    with pytest.raises(ContractError, match=message):
        designs._check_network(design.from_mapping(raw_design()), finished)


def test_an_architecture_that_lacks_a_member(monkeypatch, tmp_path):
    toy_images.install(monkeypatch)
    stand_ins.install(monkeypatch, ARCHITECTURES, toy_classifier=Incomplete)
    with pytest.raises(DesignError, match="lacks fit"):
        testing.check_architecture(raw_design(), tmp_path)


@pytest.mark.parametrize(("result", "lost"), [
    (TrainResult, {"best": 7}), (TrainResult, {"options": {}}), (TrainResult, {"trainings": ()}),
    (DataSet, {"classes": ()}), (DataSet, {"zero_bias": True}),
])
def test_a_result_that_loses_a_field_when_it_is_saved(monkeypatch, tmp_path, result, lost):
    toy_images.install(monkeypatch)
    save = result.save
    monkeypatch.setattr(result, "save", lambda self, folder: save(replace(self, **lost), folder))
    stage = "data" if result is DataSet else "train"
    with pytest.raises(ContractError, match=f"the result of {stage} is another one .*: {next(iter(lost))}"):
        testing.check_design(raw_design(), tmp_path)


class NeedsNothing(ClassMargin):
    kernel = replace(ClassMargin.kernel, needs_inputs=True)


class Backwards(ClassMargin):
    @classmethod
    def float_value(cls, value, trained, which):
        return -value


@pytest.mark.parametrize(("broken", "message"), [
    (NeedsNothing, "needs_inputs of its kernel margin is True"), (Backwards, "float_value changes the order of scores"),
])
def test_scores(monkeypatch, finished, broken, message):
    toy_images.install(monkeypatch)
    stand_ins.install(monkeypatch, SCORES, class_margin=broken)
    with pytest.raises(ContractError, match=message):
        designs._check_score(finished)
