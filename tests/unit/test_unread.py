"""Settings that nothing reads where they stand are refused, by the library as by ``l1trigger check``."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel
from typer.testing import CliRunner

from l1trigger import design as designs
from l1trigger import unread
from l1trigger.cli import app
from l1trigger.contracts.architecture import ARCHITECTURES
from l1trigger.contracts.score import SCORES
from l1trigger.errors import DesignError
from l1trigger.rehearsal import rehearse
from l1trigger.scores.kernels import KERNELS

MODELS = Path(__file__).parents[2] / "models"
SHIPPED = sorted(MODELS.glob("*.yaml"))
NO_TRAINING = {
    "garnet": "model: {architecture: garnet, hits: 8, aggregators: [2], propagate: [2], filters: [2], "
              "contrib_file: model.h5}\ndata: {source: showers, max_hits: 8}\ncompress: {score: classifier}\n",
    "keras_objects": "model: {architecture: keras_model, file: model.h5}\ndata: {source: zerobias}\n"
                  "compress: {score: student}\n",
    "keras_image": "model: {architecture: keras_model, inputs: [{shift: 4}], file: model.h5}\ndata: {source: digits}\n"
                   "compress: {score: classifier}\n",
}
OBJECT = '{"met": {"pt": {"shift": 2}, "eta": {"shift": 9}, "phi": {"shift": 9}}}'
PIXEL = '{"shift": 1, "bits": 5}'

UNREAD = [
    # types on graph networks: of all layers, and of single ones
    *(("garnet", f"compress.quantization.{key}={value}", f"{said}: garnet layers take numbers of bits.*layers.NAME")
      for key, value, said in (
          ("weights", "ap_fixed<6,1>", "weights_integer"), ("weights_integer", "0", "weights_integer"),
          ("biases", "ap_fixed<8,3>", "biases_integer"), ("activations_integer", "3", "activations_integer"),
          ("per_channel", "true", "per_channel"))),
    ("gravnet", "compress.quantization.weights_integer=1", "weights_integer: gravnet layers take numbers of bits"),
    *((name, f"compress.quantization.layers.{name.removesuffix('_small')}0={{{key}: {value}}}",
       rf"layers.\w+0.{said}: .* layers take numbers of bits alone.*compress.internal")
      for name in ("garnet_small", "gravnet") for key, value, said in (
          ("weights", "'ap_fixed<6,1>'", "weights_integer"), ("weights", "[4, 5]", "weights_by_channel"),
          ("activations", "'ap_ufixed<8,3>'", "activations_integer"), ("per_channel", "true", "per_channel"))),
    # what is done to whole layers of Keras
    ("garnet", "compress.pruning.structured=0.5", "compress.pruning.structured: is not possible for graph layers"),
    ("gravnet", "compress.method=ptq", "compress.method: is not possible for graph layers.*write qat"),
    ("garnet", "compress.student={layers: [{dense: {units: 4}}]}", "compress.student: is not possible for graph"),
    ("garnet", "compress.post_training.events=10", "post_training.events: no biases of graph layers"),
    # how much of an event enters at each clock
    ("anomaly", "synth.vertices_per_clock=8", "vertices_per_clock: autoencoder has no vertices.*pixels_per_clock"),
    ("digits_cnn", "synth.vertices_per_clock=8", "vertices_per_clock: cnn has no vertices.*synth.pixels_per_clock"),
    ("gravnet", "synth.vertices_per_clock=8", "vertices_per_clock: there is no RTL of gravnet.*convert.reuse_factor"),
    ("anomaly", "synth.pixels_per_clock=1", "pixels_per_clock: autoencoder has no pixels.*synth.stages"),
    ("anomaly_vae", "synth.pixels_per_clock=1", "pixels_per_clock: variational_autoencoder has no pixels"),
    ("conv_ae", "synth.pixels_per_clock=1", "pixels_per_clock: .*works on trigger objects"),
    ("cicada_conv", "synth.pixels_per_clock=1", r"pixels_per_clock: .*scales columns differently \(model.columns\)"),
    ("garnet", "synth.pixels_per_clock=1", "pixels_per_clock: garnet has no pixels"),
    ("gravnet", "synth.pixels_per_clock=1", "pixels_per_clock: gravnet has no pixels"),
    ("digits_cnn", "synth.stages=6", "synth.stages: where pixels enter one after the other.*latency_cutoff_ns"),
    ("garnet", "synth.stages=6", "synth.stages: where vertices enter one after the other.*latency_cutoff_ns"),
    ("anomaly", "synth.vendor.steps=[csynth, cosim]", "vendor.steps: no vendor's tool is asked.*synth.route to hls"),
    # what another setting takes the place of
    ("cicada_student", f"model.inputs={OBJECT}", "model.inputs.met: the image has pixels.*model.pixel"),
    ("cicada_conv", "compress.hidden=[8]", "compress.hidden: compress.layers takes its place"),
    ("digits_cnn", "model.class_loss_weight=0.2", "class_loss_weight: the outputs are classes alone"),
    ("digits_cnn", "model.energy_unit_gev=2.0", "energy_unit_gev: the outputs are classes alone"),
    ("digits_cnn", f"model.feature={PIXEL}", "model.feature.shift: nothing follows the pixels.*model.pixel"),
    ("anomaly_vae", "train.patience=3", "train.patience: .*does not stop early.*set train.epochs"),
    ("conv_ae", "train.patience=3", "train.patience: .*does not stop early"),
    ("anomaly", "compress.distill.seed=3", "distill.seed: the seeds are those of the reference.*set train.seed"),
    ("anomaly", "compress.distill.seeds=3", "distill.seeds: the seeds are those of the reference.*set train.seeds"),
    ("digits_cnn", "compress.student={layers: [{dense: {units: 4}}], train: {seed: 2}}",
     "student.train.seed: the seeds are those of the reference"),
    ("digits_cnn", "compress.quantization={per_channel: true, weights_integer: 0}",
     "quantization.per_channel: a binary point is given"),
    ("digits_cnn", "compress.quantization.layers.conv0={per_channel: true, weights: 'ap_fixed<6,1>'}",
     "layers.conv0.per_channel: a binary point is given for all channels"),
    ("garnet", "compress.internal.propagated=8", "internal.propagated: the output weights absorb the propagation"),
    # what nothing is there for
    ("digits_cnn", "compress.fine_tune.epochs=0", "pruning.sparsity: weights are pruned while .*fine_tune.epochs is 0"),
    ("conv_ae", "compress.pruning={layers: {conv0: 0.5}}+compress.fine_tune.epochs=0", "pruning.layers.conv0: weights"),
    ("anomaly", "compress.pruning.sparsity=0.5", "pruning.sparsity: bit widths are learned.*pruned"),
    ("anomaly", "compress.quantization.weights=4", "quantization.weights: bit widths are learned.*learned.lut"),
    ("anomaly", "compress.fine_tune.epochs=3", "fine_tune.epochs: bit widths are learned.*compress.learned.epochs"),
    ("anomaly_ae", "compress.learned.lut=100", "learned.lut: no bit widths are learned.*compress.method: learned"),
    ("anomaly_ae", "compress.pruning.prune_output=true", "prune_output: no weights are pruned.*pruning.sparsity"),
    ("anomaly_ae", "compress.pruning.end=0.3", "pruning.end: no weights are pruned"),
    ("anomaly", "compress.distillation={weight: 0.4}", "compress.distillation: student learns nothing but"),
    ("garnet", "compress.distillation={temperature: 3.0}", "distillation.temperature: only logits of classes"),
    ("digits_cnn", "compress.method=ptq+compress.pruning={}+compress.distillation={}",
     "distillation: nothing is trained"),
    # data
    ("anomaly_adc2021", "data.test_background=[a.h5]+data.test_fraction=0.2", "test_fraction: data.test_background"),
    ("anomaly_adc2021", "data.background=[a.h5]+data.signal_events=5", r"signal_events: there are no signals"),
    *(("anomaly", f"data={{source: table, background: [a.h5], columns: {columns}, {more}}}", message)
      for columns, more, message in (
          ("{met: {pt: a, phi: b}}", "unsorted: sort", "data.unsorted: objects of each class are sorted anyhow"),
          ("{objects: a}", "tree: events", "data.tree: no file is a ROOT file"),
          ("{objects: a}", "signal_events: 5", "data.signal_events: there are no signals"))),
    ("cicada_student", "data={source: cicada, background: [a.h5], flag: x}", "data.flag: no sample loses events"),
    ("cicada_student", "data={source: l1ntuple, background: [a.root], signal_events: 5}", "signal_events: there"),
    ("garnet", "data={source: clusters, background: [a.h5], units: {layer: 2.0, layers: [0.0, 1.0]}}",
     "units.layer: data.units.layers has the places"),
    ("garnet", "data={source: clusters, background: [a.h5], signal_events: 5}", "data.signal_events: there are no"),
]

READ = [
    ("garnet", "compress.quantization.layers.head0={weights: 'ap_fixed<6,1>', biases: 'ap_fixed<8,3>'}"),
    ("garnet", "compress.quantization.layers.head0.weights=[4,4,4,4,4,4,4,4,4,4,4,4,4,4,4,4]"),
    ("garnet", "compress.quantization.layers.output.per_channel=true"), ("garnet", "synth.latency_cutoff_ns=2.5"),
    ("garnet", "synth.vertices_per_clock=8"), ("digits_cnn", "synth.pixels_per_clock=2"),
    ("digits_cnn", "synth.pixels_per_clock=null+synth.stages=6"), ("digits_cnn", "synth.latency_cutoff_ns=2.5"),
    ("anomaly", "compress.method=qat"), ("anomaly", "synth.route=none"),
    ("anomaly", "synth.route=both+synth.vendor.steps=[csynth,cosim]"),
    ("anomaly", "synth.route=rtl+synth.vendor.steps=[csynth,cosim]"), ("anomaly_ae", "compress.method=ptq"),
    ("digits_cnn", "compress.pruning.sparsity=0+compress.fine_tune.epochs=0"), ("anomaly", "convert.reuse_factor=2"),
    ("anomaly", "synth.vertices_per_clock=16"), ("digits_cnn", "compress.pruning.sparsity=0+compress.pruning.end=0.3"),
    ("garnet", "compress.internal.propagated=8+model.fold=false"),
    ("garnet", "compress.post_training.bias_correction=false"), ("digits_cnn", "synth.per_layer=false"),
    ("calo_cnn", "model.class_loss_weight=0.2"), ("garnet", "model.class_loss_weight=0.2"),
    ("anomaly", "train.patience=3"),
    ("digits_cnn", "compress.distillation={temperature: 3.0}"), ("conv_ae", f"model.inputs={OBJECT}"),
]


def settings(text: str) -> list[str]:
    """Settings that are joined by a plus sign."""
    return re.split(r"\+(?=[a-z_.]+=)", text)


@pytest.mark.parametrize(("name", "text", "message"), UNREAD, ids=[f"{n}-{t}" for n, t, _ in UNREAD])
def test_a_setting_that_nothing_reads(name: str, text: str, message: str) -> None:
    path = MODELS / f"{name}.yaml"
    with pytest.raises(DesignError, match=message) as caught:
        designs.load(path, settings(text))
    assert caught.value.file == path and caught.value.remedy
    arguments = [word for s in settings(text) for word in ("--set", s)]
    for command in ("check", "run"):
        done = CliRunner().invoke(app, [command, str(path), *arguments])
        assert (done.exit_code, done.stderr) == (2, f"l1trigger: {caught.value}\n")


@pytest.mark.parametrize(("name", "text"), READ, ids=[f"{n}-{t}" for n, t in READ])
def test_a_setting_that_counts_or_waits(name: str, text: str) -> None:
    designs.load(MODELS / f"{name}.yaml", settings(text))


@pytest.mark.parametrize("key", ["epochs", "batch_size", "learning_rate", "patience"])
@pytest.mark.parametrize("architecture", NO_TRAINING)
def test_what_is_not_trained_has_no_training(
    architecture: str, key: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("model.h5", "own.yaml"):
        Path(name).write_text(f"name: own\n{NO_TRAINING[architecture]}")
    designs.load("own.yaml", ["train.seeds=2"])  # as many fine tunings
    with pytest.raises(DesignError, match=f"own.yaml: train.{key}: model.h5 is trained already.*compress.fine_tune"):
        designs.load("own.yaml", [f"train.{key}=3"])


@pytest.mark.parametrize("path", SHIPPED, ids=lambda p: p.stem)
def test_what_says_nothing_new_is_not_refused(path: Path, tmp_path: Path) -> None:
    """A resolved design has every key, as run folders and cards store it."""
    found = designs.load(path)
    (tmp_path / "all.yaml").write_text(json.dumps(found.resolved()))
    assert designs.load(tmp_path / "all.yaml") == found


@pytest.mark.parametrize("path", SHIPPED, ids=lambda p: p.stem)
def test_every_rule_names_a_setting(path: Path) -> None:
    """A misspelled rule would never refuse anything."""
    found = designs.load(path)
    for rule in unread.rules(found):
        assert exists(found, rule.key.split(".")), rule.key


def exists(section: Any, names: list[str]) -> bool:
    """Whether there can be a setting of a dotted name; inside of what is left out, the plugin's class tells."""
    if not names or isinstance(section, dict) or section is None:
        return True
    if not isinstance(section, BaseModel):
        return False
    some = [names[0]] if names[0] != "*" else list(type(section).model_fields)
    # Scores have rules for options that only some of them have.
    if names[0] in ("student", "internal") and not hasattr(section, names[0]):
        return True
    return all(n in type(section).model_fields and exists(getattr(section, n), names[1:]) for n in some)


def test_a_design_made_in_python_is_checked_where_it_is_used(tmp_path: Path) -> None:
    from l1trigger import run

    found = designs.load(MODELS / "anomaly.yaml")
    changed = found.model_copy(update={"synth": found.synth.model_copy(update={"vertices_per_clock": 8})})
    for use in (lambda: run(changed, tmp_path), lambda: rehearse(changed)):
        with pytest.raises(DesignError, match=r"anomaly.yaml: synth.vertices_per_clock: autoencoder has no vertices"):
            use()
    assert not list(tmp_path.iterdir())


def test_a_third_party_s_plugin_tells_too(monkeypatch: pytest.MonkeyPatch) -> None:
    options = ARCHITECTURES.get("autoencoder").Options
    rule = unread.Unread("train.seed", "the toy is always the same", "leave it out")
    monkeypatch.setattr(options, "unread", lambda self, design: (rule,))
    with pytest.raises(DesignError, match="train.seed: the toy is always the same. Remedy: leave it out"):
        designs.load(MODELS / "anomaly.yaml", ["train.seed=7"])


@pytest.mark.parametrize(("setting", "key"), [
    ("compress.threshold={rate_khz: 10}", "compress.threshold.rate_khz"),
    ("data.colliding_bunches=2000", "data.colliding_bunches"),
])
def test_rates_are_of_zero_bias_alone_and_told_before_training(
    setting: str, key: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Which data are zero bias is known once they are read."""
    from l1trigger import run

    monkeypatch.setattr(ARCHITECTURES.get("cnn"), "fit", lambda *a: pytest.fail("it was trained"))
    asked = designs.load(MODELS / "digits_cnn.yaml", [setting])
    for use in (lambda: run(asked, tmp_path, stop="train"), lambda: rehearse(asked)):
        with pytest.raises(DesignError, match=f"digits_cnn.yaml: {key}: this background is not a zero-bias sample"):
            use()


@pytest.mark.parametrize("kernel", [name for name, kernel in KERNELS.items() if kernel.needs_inputs])
def test_a_score_of_the_inputs_does_not_stream_and_is_refused_before_training(
    kernel: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whether a score looks at the inputs is what its kernel says."""
    from l1trigger import run

    # Of an image all the same, which is refused for another reason where a kernel is of objects.
    monkeypatch.setattr(SCORES.get("image_error"), "kernel", replace(KERNELS[kernel], of_objects=False))
    monkeypatch.setattr(ARCHITECTURES.get("conv_autoencoder"), "fit", lambda *a: pytest.fail("it was trained"))
    asked = designs.from_mapping({
        "name": "digits", "data": {"source": "digits"}, "compress": {"score": "image_error",
                                                                     "threshold": {"false_positive_rate": 0.05}},
        "model": {"architecture": "conv_autoencoder", "image": [8, 8, 1], "encoder": [{"average_pool": {"size": 4}}],
                  "latent": 2, "decoder": [{"dense": {"units": 64, "relu": False}}], "pixel": {"shift": 4, "bits": 5}},
        "synth": {"pixels_per_clock": 1},
    })
    for use in (lambda: run(asked, tmp_path, stop="train"), lambda: rehearse(asked)):
        with pytest.raises(DesignError, match="synth.pixels_per_clock: the score image_error compares outputs with"):
            use()


@pytest.mark.parametrize(("setting", "message"), [
    ("compress.pruning.layers.conv9=0.5", "pruning.layers.conv9: there is no such layer.*conv0"),
    ("compress.pruning.structured={layers: {conv9: 0.5}}", "structured.layers.conv9: there is no such layer"),
    ("compress.quantization.layers.conv9.weights=4", "quantization.layers.conv9: there is no such layer"),
    ("compress.quantization.layers.average_pool0.weights=4", "average_pool0.weights: this layer has no weights"),
    ("compress.internal.distance=4", "compress.internal.distance: there is nothing of this name"),
])
def test_layers_that_are_not_there_are_told_before_training(
    setting: str, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from l1trigger import run

    monkeypatch.setattr(ARCHITECTURES.get("cnn"), "fit", lambda *a: pytest.fail("it was trained"))
    layers = "model.layers=[{conv: {filters: 4}}, {average_pool: {size: 2}}]"
    asked = designs.load(MODELS / "digits_cnn.yaml", [layers, setting])
    with pytest.raises(DesignError, match=message):
        run(asked, tmp_path, stop="train")
