"""Design files: what is right loads, what is wrong gets a clear error that names file, key and remedy."""

from __future__ import annotations

import json
import pickle
import re
from pathlib import Path

import jsonschema
import pytest
from typer.testing import CliRunner

from l1trigger import design as designs
from l1trigger.cli import app
from l1trigger.errors import ArgumentError, DesignError

GOOD = """
name: tiny
data:
  source: zerobias
model:
  architecture: autoencoder
train:
  learning_rate: 2e-3
compress:
  score: student
  pruning:
    sparsity: 0.5
"""

BAD = [
    ("trian: {epochs: 3}", "trian: is not a known section.*did you mean 'train'"),
    ("train: {epcohs: 3}", "train.epcohs: is not a known key.*did you mean 'epochs'"),
    ("train: {epochs: '25'}", r"train.epochs: must be a valid integer \(got '25'\)"),
    ("train: {epochs: 2.5}", "train.epochs: must be a valid integer"),
    ("train: {epochs: true}", "train.epochs: must be a valid integer"),
    ("train: {learning_rate: .nan}", "train.learning_rate: must be a finite number"),
    ("train: 5", r"train: must be a mapping of keys \(got 5\)"),
    ("convert: {reuse_factor: -3}", r"convert.reuse_factor: must be greater than or equal to 1 \(got -3\)"),
    ("convert: {strategy: Latancy}", "convert.strategy: .*'Latancy'.*did you mean 'Latency'"),
    ("convert: {part: xcvu99p}", "convert.part: unknown part 'xcvu99p'; .*Known: .*xcvu9p-flga2104-2-e"),
    ("convert: {clock_ns: 0}", "convert.clock_ns: must be greater than 0"),
    ("budget: {auc: {mix: 0.9}}", "budget.auc.mix: is not a known key.*did you mean 'min'"),
    ("budget: {auc: {level: csim}}", "budget.auc: give max or min"),
    ("csim: {events: 0}", "csim.events: must be greater than or equal to 1"),
]

BAD_SETTINGS = [
    ("compress.pruning.sparsity=1.2", r"compress.pruning.sparsity: must be less than 1 \(got 1.2\)"),
    ("compress.pruning.layers.hidden0=1.2", "compress.pruning.layers.hidden0: must be less than 1"),
    (
        "compress.quantization.weights=ap_fixed<6,16>",
        r"more integer bits \(16\) than bits in all \(6\).*ap_fixed<16,6>",
    ),
    ("compress.quantization.weights=ap_ufixed<6,1>", "weights: 'ap_ufixed<6,1>' has no sign"),
    ("compress.quantization.weights=ap_fixed<6,1,TRN,WRAP>", "round to even and saturate"),
    ("compress.quantization.weights=six", "'six' is not a fixed-point type; write e.g."),
    ("compress.quantization.layers.hidden0.weihgts=4", "hidden0.weihgts: is not a known key.*did you mean 'weights'"),
    ("compress.quantization.weights=99", "compress.quantization.weights: must be less than or equal to 16"),
    ("compress.threshold.rate_khz=-1", "compress.threshold.rate_khz: must be greater than 0"),
    ("compress.threshold={rate_khz: 1, false_positive_rate: 0.1}", "give exactly one of rate_khz"),
    ("data.source=zerobais", "data.source: there is no source 'zerobais'.*did you mean 'zerobias'.*adc2021"),
    ("model.architecture=transformer", "model.architecture: there is no model 'transformer'.*autoencoder"),
    ("compress.score=studnet", "compress.score: there is no score 'studnet'.*did you mean 'student'"),
    ("data.colour=red", "data.colour: is not a known key"),
    ("name=a-b", "name: .*'a-b'"),
    ("task=jets", "task: is not a possible value.*anomaly"),
]

BAD_ARGUMENTS = [
    ("train", "`overrides=`: 'train' is not of the form key=value.*write e.g. train.epochs=5"),
    ("name.x=1", "`overrides=`: .*name is a value, not a section"),
    ("train.epochs=[", "`overrides=`: .*is not YAML"),
]


@pytest.fixture
def good(tmp_path: Path) -> Path:
    path = tmp_path / "tiny.yaml"
    path.write_text(GOOD)
    return path


def refused(path: Path, *settings: str) -> str:
    """The message, after making sure that library and command line agree on it and nothing is left behind."""
    with pytest.raises((DesignError, ArgumentError)) as caught:
        designs.load(path, settings)
    runs = path.parent / "runs"
    arguments = [word for s in settings for word in ("--set", s)]
    done = CliRunner().invoke(app, ["run", str(path), "--runs", str(runs), *arguments])
    assert done.exit_code == 2
    assert str(caught.value).replace("`overrides=`", "--set") in done.stderr
    assert "Traceback" not in done.output
    assert not runs.exists()
    return str(caught.value)


@pytest.mark.parametrize(("text", "message"), BAD, ids=[t for t, _ in BAD])
def test_bad_section(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "tiny.yaml"
    path.write_text(GOOD.replace("train:\n  learning_rate: 2e-3\n", "") + text)
    assert refused(path).startswith(f"{path}: ")
    with pytest.raises(DesignError, match=message):
        designs.load(path)


@pytest.mark.parametrize(("setting", "message"), BAD_SETTINGS, ids=[s for s, _ in BAD_SETTINGS])
def test_bad_setting(good: Path, setting: str, message: str) -> None:
    refused(good, setting)
    with pytest.raises(DesignError, match=message):
        designs.load(good, [setting])


@pytest.mark.parametrize(("setting", "message"), BAD_ARGUMENTS, ids=[s for s, _ in BAD_ARGUMENTS])
def test_bad_argument(good: Path, setting: str, message: str) -> None:
    refused(good, setting)
    with pytest.raises(ArgumentError, match=message):
        designs.load(good, [setting])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "is not a mapping of sections. Remedy: start with the keys name, task, data"),
        ("- a", "is not a mapping of sections"),
        ("name: [", "is not YAML .line 1: "),
        ("name: a\nname: b", "line 2: the key 'name' is given twice"),
        ("name: a", "data.source: is missing. Remedy: name one of: adc2021, arrays, calorimeter_images, cicada, "),
        (GOOD.replace("name: tiny", ""), "name: is missing. Remedy: add this key"),
        (GOOD.replace("  source: zerobias", "  sauce: zerobias"), "data.source: is missing"),
    ],
)
def test_bad_file(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "bad.yaml"
    path.write_text(text)
    refused(path)
    with pytest.raises(DesignError, match=message):
        designs.load(path)


def test_absent_and_binary_file(tmp_path: Path) -> None:
    assert "cannot be read (No such file" in refused(tmp_path / "absent.yaml")
    (tmp_path / "binary.yaml").write_bytes(b"\xff\xfe\x00\x81")
    assert "is not a text file" in refused(tmp_path / "binary.yaml")
    assert "cannot be read (Is a directory" in refused(tmp_path)


def test_good_file(good: Path) -> None:
    found = designs.load(good)
    assert found.train.learning_rate == 2e-3
    assert found.compress.pruning.sparsity == 0.5
    assert found.convert.part == "xcvu9p-flga2104-2-e"
    assert found.compress.threshold.false_positive_rate == 1e-3


def test_empty_section_means_defaults(tmp_path: Path) -> None:
    path = tmp_path / "tiny.yaml"
    path.write_text(GOOD + "convert:\nbudget:\n")
    assert designs.load(path).convert == designs.ConvertSection()


def test_settings_replace_and_add(good: Path) -> None:
    settings = ["train.epochs=5", "csim.processes=3", "compress.threshold.rate_khz=10", "convert.part=xcvu13p"]
    found = designs.load(good, settings)
    assert (found.train.epochs, found.csim.processes, found.compress.threshold.rate_khz) == (5, 3, 10)
    assert found.train.learning_rate == 2e-3
    assert found.convert.part == "xcvu13p-flga2577-2-e"


def test_types_for_bit_widths(good: Path) -> None:
    bits = designs.load(good, [
        "compress.quantization.weights=ap_fixed<6,1>",
        "compress.quantization.layers.hidden0.activations=ap_ufixed<8,3>",
        "compress.quantization.biases=ap_fixed<8,3,RND_CONV,SAT>",
    ]).compress.quantization
    assert (bits.weights, bits.weights_integer, bits.biases_integer) == (6, 0, 2)
    assert (bits.layers["hidden0"].activations, bits.layers["hidden0"].activations_integer) == (8, 3)


@pytest.mark.parametrize(("settings", "message"), [
    (["weights=5", "weights_integer=9"], "weights_integer: 9 of 5 bits; 0 to 4 make sense"),
    (["weights_integer=-1"], "weights_integer: -1 of 6 bits; 0 to 5"),
    (["biases=ap_fixed<8,0>"], "biases_integer: -1 of 8 bits; 0 to 7"),
    (["activations_integer=9"], "activations_integer: 9 of 8 bits; 0 to 8"),
    (["weights_integer=4", "layers.hidden0.weights=4"], "layers.hidden0.weights_integer: 4 of 4 bits; 0 to 3"),
    (["layers.hidden0.weights_integer=-2"], "layers.hidden0.weights_integer: -2 of 6 bits"),
])
def test_binary_points_lie_inside_of_their_bits(good: Path, settings: list[str], message: str) -> None:
    with pytest.raises(DesignError, match=re.escape(message)):
        designs.load(good, [f"compress.quantization.{s}" for s in settings])


def test_binary_points_of_channels_may_lie_left_of_their_bits(good: Path) -> None:
    section = designs.load(good, [
        "compress.quantization.per_channel=true", "compress.quantization.layers.hidden0.weights_integer=-2",
    ]).compress.quantization
    assert section.layers["hidden0"].weights_integer == -2


def test_resolved_design_loads_to_the_same_design(good: Path, tmp_path: Path) -> None:
    found = designs.load(good)
    (tmp_path / "resolved.yaml").write_text(json.dumps(found.resolved()))
    again = designs.load(tmp_path / "resolved.yaml")
    assert again == found
    assert again.digest() == found.digest()
    assert (found.file, again.file) == (good, tmp_path / "resolved.yaml")
    assert designs.from_mapping(found.resolved()).file is None
    assert pickle.loads(pickle.dumps(found.model_copy(update={"name": "copy"}))).file == good


def test_digest_follows_its_sections(good: Path) -> None:
    a, b = designs.load(good), designs.load(good, ["train.epochs=3"])
    assert a.section_digest("train") != b.section_digest("train")
    assert a.section_digest("data", "convert", "budget") == b.section_digest("data", "convert", "budget")
    assert a.digest() != b.digest()


def test_json_schema_takes_good_files_and_refuses_bad_keys(good: Path) -> None:
    schema = designs.json_schema()
    whole = {"name": "tiny", "data": {"source": "zerobias"}, "model": {"architecture": "autoencoder"},
             "compress": {"score": "student"}}
    jsonschema.validate(whole, schema)
    for wrong in ({"trian": {}}, {"data": {"source": "none"}}, {"train": {"epochs": 0}}):
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate(whole | wrong, schema)


def test_boards_stand_for_their_part():
    from l1trigger.design import ConvertSection

    assert ConvertSection(part="alveo-u250").part == "xcu250-figd2104-2L-e" == ConvertSection(part="xcu250").part
    with pytest.raises(ValueError, match="did you mean 'alveo-u250'"):
        ConvertSection(part="alveo-u25")
