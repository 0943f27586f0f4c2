"""All stages of a tiny calorimeter design, from a file of clusters to the report."""

import json

import jsonschema
import numpy as np
import pytest
import toy_showers

from l1trigger import design, pipeline
from l1trigger.data.showers import packed
from l1trigger.data.sources.showers import BACKGROUND, SIGNAL
from l1trigger.report.model import load_report, shipped_schema

pytestmark = pytest.mark.slow
LEVELS = ("float", "quantized", "csim", "rtl")
DESIGN = """
name: tiny_garnet
task: calorimeter
data: {{source: showers, folder: {folder}, max_hits: 8}}
model:
  architecture: garnet
  hits: 8
  aggregators: [2, 2]
  propagate: [2, 2]
  filters: [2, 2]
  head: [3]
  symmetric_copies: 2
  class_loss_weight: 0.5
train: {{epochs: 4, batch_size: 128, learning_rate: 1e-2, patience: 4}}
compress:
  score: classifier
  quantization: {{weights: 5, biases: 7, activations: 6, score: 10}}
  internal: {{distance: 5, edge_weight: 4, aggregated: 9, gathered: 7}}
  fine_tune: {{epochs: 1, batch_size: 128}}
  threshold: {{false_positive_rate: 0.1}}
convert: {{part: xcvu9p, clock_ns: 5, reuse_factor: 1}}
synth: {{vertices_per_clock: 4, yosys: false, events: 150}}
budget: {{bit_mismatches: {{max: 0, level: csim}}}}
"""


@pytest.fixture(scope="module")
def done(tmp_path_factory):
    folder = tmp_path_factory.mktemp("flow")
    events = toy_showers.events(1500, slots=16)
    events.inputs[[9, 19]] = 0  # clusters without hits, one for testing
    packed.save(events, folder / "showers.h5")
    (folder / "tiny.yaml").write_text(DESIGN.format(folder=folder))
    return pipeline.run(design.load(folder / "tiny.yaml"), folder / "runs")


@pytest.fixture(scope="module")
def report(done):
    return load_report(done.folder / "report.json")


def test_all_levels_are_equal(done):
    pipeline.judge(done, strict=True)
    csim, synth = done.results.csim, done.results.synth
    between = {c.between for c in (*csim.comparisons, *synth.comparisons)}
    assert between == {("quantized", "csim"), ("csim", "engine"), ("quantized", "rtl"), ("csim", "rtl")}
    assert all(c.mismatches == 0 for c in (*csim.comparisons, *synth.comparisons))
    by_level, rtl = csim.predictions["energy"], synth.predictions["energy"]
    for sample in (BACKGROUND, SIGNAL):
        np.testing.assert_array_equal(by_level["csim"][sample], by_level["quantized"][sample])
        np.testing.assert_array_equal(rtl[sample], by_level["csim"][sample][: len(rtl[sample])])
        assert len(np.unique(rtl[sample])) > 5


def test_latency_is_measured_and_cells_are_not(done, report):
    assert done.results.synth.initiation_interval == 2 and done.results.synth.latency_cycles > 4
    (latency,) = [f for f in report.find("latency_ns") if f.source == "verilator" and "layer" not in f.conditions]
    assert latency.value == 5 * done.results.synth.latency_cycles
    (lut,) = [f for f in report.find("lut") if "layer" not in f.conditions and f.source == "yosys"]
    assert lut.value is None and lut.reason


def test_energies_at_four_levels_and_beside_the_baseline(report):
    for sample in (BACKGROUND, SIGNAL):
        for level in LEVELS:
            for name in ("response", "resolution"):
                figure = report.figure(name, level, sample=sample, true_energy_gev="all")
                assert figure is not None and figure.value is not None and figure.interval is not None
        assert report.figure("response", "baseline", sample=sample, true_energy_gev="all") is not None
        assert report.figure("resolution_ratio", "csim", sample=sample).value > 0
    for level in LEVELS[:3]:
        assert report.figure("auc", level, signal=SIGNAL).value > 0.5
        assert [f for f in report.find("efficiency_at_purity") if f.level == level]
    assert report.figure("auc_ratio", "csim", signal=SIGNAL) is not None


def test_tables_and_pictures_of_energies(done, report):
    page = (done.folder / "report.html").read_text()
    for words in ("Energy of", "Efficiency at fixed purity", "resolution / float"):
        assert words in page
    pictures = {p.name for p in report.pictures if p.section == "energy"}
    assert pictures == {f"{n}_{s}" for n in ("response", "resolution", "energy_ratio") for s in (BACKGROUND, SIGNAL)}
    for name in pictures:
        assert list((done.folder / "figures").glob(f"{name}.*"))


def test_report_keeps_its_schema(done):
    jsonschema.validate(json.loads((done.folder / "report.json").read_text()), shipped_schema())


def test_a_second_run_has_nothing_to_do(done):
    again = pipeline.run(design.load(done.folder.parents[1] / "tiny.yaml"), done.folder.parent)
    assert again.records == done.records
