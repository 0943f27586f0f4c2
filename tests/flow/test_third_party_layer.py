"""A graph network of another package, registered as such packages are, from a file of clusters to measured RTL."""

import numpy as np
import pytest
import toy_showers

from l1trigger import design, own_layers, pipeline, plugins
from l1trigger.data.showers import packed
from l1trigger.errors import DesignError
from l1trigger.stages import STAGES

pytestmark = pytest.mark.slow
DESIGN = """
name: tiny_lorentz
task: calorimeter
data: {{source: showers, folder: {folder}, max_hits: 8}}
model: {{architecture: lorentz, hits: 8, aggregators: [2, 2], filters: [2, 3], head: [3], collapse: {collapse},
  activation: {activation}, class_loss_weight: 0.5}}
train: {{epochs: 3, batch_size: 128, learning_rate: 1e-2}}
compress:
  score: classifier
  pruning: {{sparsity: 0.2}}
  quantization: {{weights: 5, biases: 7, activations: 6, score: 10, layers: {{lorentz1: {{weights: 6}}}}}}
  internal: {{distance: 5, gathered: 8}}
  fine_tune: {{epochs: 1, batch_size: 128}}
  threshold: {{false_positive_rate: 0.1}}
convert: {{part: xcvu9p, clock_ns: 5, reuse_factor: 1}}
synth: {{vertices_per_clock: 4, yosys: false, events: 150}}
budget: {{bit_mismatches: {{max: 0, level: csim}}}}
"""


@pytest.fixture
def installed(tmp_path, monkeypatch):
    """A package with one entry point; it goes when the test ends."""
    info = tmp_path / "packages" / "lorentz-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: lorentz\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[l1trigger.models]\nlorentz = toy_lorentz:Lorentz\n")
    monkeypatch.syspath_prepend(info.parent)
    plugins._entries.cache_clear()
    yield
    monkeypatch.undo()
    plugins._entries.cache_clear()


def written(folder, **more):
    (folder / "tiny.yaml").write_text(DESIGN.format(folder=folder, **more))
    return folder / "tiny.yaml"


def test_every_level_is_equal(installed, tmp_path):
    packed.save(toy_showers.events(1000, slots=16), tmp_path / "showers.h5")
    done = pipeline.run(design.load(written(tmp_path, collapse="mean", activation="linear")), tmp_path / "runs")
    pipeline.judge(done, strict=True)
    csim, synth = done.results.csim, done.results.synth
    between = {c.between for c in (*csim.comparisons, *synth.comparisons)}
    assert between == {("quantized", "csim"), ("csim", "engine"), ("quantized", "rtl"), ("csim", "rtl")}
    assert all(c.mismatches == 0 and c.events > 50 for c in (*csim.comparisons, *synth.comparisons))
    assert synth.initiation_interval == 2 and synth.latency_cycles > 4
    assert all(len(np.unique(outputs)) > 5 for outputs in csim.outputs.values())
    assert set(synth.predictions["energy"]) == set(csim.outputs)
    layers = {layer.name: layer for layer in done.results.compress.layers}
    assert list(layers) == ["lorentz0", "lorentz1", "head0", "output"] and "<6," in layers["lorentz1"].weight_type
    assert layers["lorentz1"].zeros > 0
    assert (done.results.convert.project / "firmware" / "nnet_utils" / "lorentz.h").exists()


def test_a_changed_header_is_noticed(installed, tmp_path, monkeypatch):
    import toy_lorentz

    own = design.load(written(tmp_path, collapse="mean", activation="linear"))
    header = tmp_path / "lorentz.h"
    header.write_text(toy_lorentz.LorentzLayer.header().read_text())
    monkeypatch.setattr(toy_lorentz.LorentzLayer, "header", classmethod(lambda cls: header))
    before = pipeline.all_inputs(STAGES, own)
    header.write_text(header.read_text() + "// changed")
    after = pipeline.all_inputs(STAGES, own)
    changed = [name for name in before if before[name].files != after[name].files]
    assert changed == ["convert"]


def test_without_the_package(tmp_path):
    with pytest.raises(DesignError, match="there is no model 'lorentz'"):
        design.load(written(tmp_path, collapse="mean", activation="linear"))
    assert not own_layers.keras_classes({"QLorentzStack"})
