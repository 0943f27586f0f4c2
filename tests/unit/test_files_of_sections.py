"""Stages are run again when a file that a section names has changed, whichever section that is."""

import numpy as np
import pytest
import tiny_designs
import toy_cnn

from l1trigger import design, pipeline
from l1trigger.contracts.architecture import Training
from l1trigger.data.scaling import ObjectInputs
from l1trigger.design import DistillationSection
from l1trigger.scores.classifier import ClassifierOptions
from l1trigger.sections import Section, SynthSection
from l1trigger.stages import STAGES
from l1trigger.train.result import TrainResult

FILE_DESIGNS = ("own_objects", "regions", "towers", "house_numbers", "species", "own_clusters")


def files_read(raw):
    """Stage to the digests of the files that it reads."""
    return {name: i.files for name, i in pipeline.all_inputs(STAGES, design.from_mapping(raw)).items()}


@pytest.mark.parametrize("name", FILE_DESIGNS)
def test_every_file_of_a_design_counts(name, tmp_path):
    raw = tiny_designs.ALL[name](tmp_path)
    before = files_read(raw)
    for path in sorted(tmp_path.iterdir()):
        path.write_bytes(path.read_bytes() + b" ")
        after = files_read(raw)
        changed = [stage for stage in before if before[stage] != after[stage]]
        assert changed == (["train"] if path.suffix == ".keras" else ["data"]), path
        before = after


def test_a_model_of_hls4ml_counts(tmp_path):
    raw = tiny_designs.showers(tmp_path)
    raw["model"]["contrib_file"] = str(tmp_path / "model.h5")
    del raw["train"]
    absent = files_read(raw)
    (tmp_path / "model.h5").write_bytes(b"")
    assert files_read(raw)["train"] != absent["train"]


def training(weights):
    return TrainResult(
        "autoencoder", {}, ObjectInputs().scaling(), (Training(1, {"w": np.array(weights)}, {}, 0.0),), 0
    )


def test_a_retrained_teacher_counts(tmp_path):
    (tmp_path / "train").mkdir()
    section = ClassifierOptions(distillation=DistillationSection(teacher=tmp_path))
    d = design.from_mapping(tiny_designs.showers(tmp_path)).model_copy(update={"compress": section})

    def digest():
        return pipeline.all_inputs(STAGES, d)["compress"].files["compress"]

    absent = digest()
    training([1.0]).save(tmp_path / "train")
    first = digest()
    training([1.0]).save(tmp_path / "train")
    (tmp_path / "train" / "stage.json").write_text("finished later")
    assert digest() == first != absent
    training([2.0]).save(tmp_path / "train")
    assert digest() != first


def test_a_calibration_counts(tmp_path):
    path = tmp_path / "calibration.json"
    assert SynthSection(calibration=str(path)).files() == (path,)
    assert SynthSection().files() == ()


def test_files_of_sections_inside_are_found_wherever_they_are():
    class Inner(Section):
        name: str

        def files(self):
            return (*super().files(), self.name)

    class Outer(Section):
        one: Inner
        maybe: Inner | None = None
        several: tuple[Inner, ...] = ()
        named: dict[str, tuple[Inner, ...]] = {}  # noqa: RUF012

    a, b, c, d = (Inner(name=n) for n in "abcd")
    assert Outer(one=a, maybe=b, several=(c,), named={"x": (d, a)}).files() == ("a", "b", "c", "d", "a")
    assert Outer(one=a).files() == ("a",)


def test_what_is_trained_stays_when_the_file_is_gone(tmp_path):
    """A training holds all of the user's model, so that a run goes on, and a report is made, without the file."""
    from l1trigger.models.keras_model import KerasModel

    path = tmp_path / "model.keras"
    toy_cnn.float_model([{"dense": {"units": 2, "relu": False}}]).save(path)
    options = KerasModel.Options(file=path, inputs=({"shift": 4, "bits": 10},), classes=2)
    network, x = KerasModel(options), np.arange(72, dtype=np.int16).reshape(2, 6, 6, 1)
    expected = network.float_outputs(options.content(), x)
    weights = options.content()
    path.unlink()
    stored = KerasModel.stored(options.model_dump(mode="json"))
    np.testing.assert_array_equal(stored.float_outputs(weights, x), expected)
