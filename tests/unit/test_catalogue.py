"""The catalogue of figures: no number is made under a name that it lacks, and nothing in it is made by nobody."""

from __future__ import annotations

import ast
import json
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest
from made_reports import report
from pydantic import ValidationError

import l1trigger
from l1trigger import catalogue, design
from l1trigger.catalogue import Better, Entry, Group
from l1trigger.compare.baseline import load_baseline, make_baseline, worsening
from l1trigger.design import Limit
from l1trigger.errors import DesignError, ReportError, UnknownFigureError
from l1trigger.figures import Figure, FigureMaker, Source
from l1trigger.report import verdicts
from l1trigger.report.build import OF_LAYERS
from l1trigger.report.model import load_report
from l1trigger.report.tables import Book
from l1trigger.synth.hls_estimate import ESTIMATED, QUANTITIES
from l1trigger.synth.synthesizer import RESOURCES
from l1trigger.synth.vendor_tools import reading
from l1trigger.synth.vendor_tools.figures import EXPECTED

PACKAGE = Path(l1trigger.__file__).parent
MAKERS = {"make", "rtl", "yosys", "guess", "_fraction"}
"""What the functions that make figures call a maker."""

GOOD = "name: x\ndata: {source: zerobias}\nmodel: {architecture: autoencoder}\ncompress: {score: latent_norm}\n"


def modules() -> Iterator[tuple[Path, ast.Module]]:
    for path in sorted(PACKAGE.rglob("*.py")):
        if path.name != "catalogue.py":
            yield path, ast.parse(path.read_text())


def made_names() -> dict[str, Path]:
    """Every name that stands where a figure is made, with the module."""
    names = {}
    for path, tree in modules():
        for node in ast.walk(tree):
            if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Name):
                continue
            first = node.args[0] if node.func.id in MAKERS and node.args else None
            named = [k.value for k in node.keywords if node.func.id == "Figure" and k.arg == "name"]
            for value in (first, *named):
                if isinstance(value, ast.Constant) and isinstance(value.value, str):
                    names[value.value] = path
    return names


def words() -> set[str]:
    """Every string of the package outside the catalogue."""
    return {node.value for _, tree in modules() for node in ast.walk(tree)
            if isinstance(node, ast.Constant) and isinstance(node.value, str)}


def test_every_name_that_is_made_is_in_the_catalogue():
    names = made_names()
    assert len(names) > 30 and {"auc", "latency_cycles", "estimated_lut", "weights", "response"} <= names.keys()
    assert {n: p.name for n, p in names.items() if n not in catalogue.entries()} == {}


def test_names_that_are_made_in_loops_are_in_the_catalogue():
    counted = {*RESOURCES} - {"mux"}
    looped = {*counted, *(n for names in EXPECTED.values() for n in names), *(catalogue.HLS + q for q in QUANTITIES)}
    looped |= {n + catalogue.PERCENT for n in counted}
    looped |= {catalogue.POST_TRAINING + n for n in catalogue.names("headline")}
    assert looped <= catalogue.entries().keys()


def test_lists_of_resources_are_chosen_from_those_of_the_catalogue():
    assert catalogue.RESOURCES == ("lut", "ff", "srl", "dsp", "bram18", "uram", "carry")
    assert RESOURCES == ("lut", "ff", "srl", "dsp", "bram18", "carry", "mux")
    assert reading.RESOURCES == ("lut", "ff", "srl", "dsp", "bram18", "uram")
    assert ESTIMATED == ("lut", "ff", "dsp", "bram18") and OF_LAYERS == ("lut", "dsp", "bram18", "carry")


def test_nothing_in_the_catalogue_is_made_by_nobody():
    known = words() | {catalogue.HLS + "csynth_lut"}
    assert [e.name for e in catalogue.SHIPPED if e.name not in known] == []


def test_entries_say_what_they_are():
    for e in catalogue.entries().values():
        assert e.title and e.head and (e.better is not Better.SAME or not e.roles or e.name == "rate_khz")
    assert {g for e in catalogue.SHIPPED if (g := e.group)} == {*Group}


@pytest.mark.parametrize("name", [
    "acuracy", "lut_percnt", "hls_auc", "post_training_lut", "auc_percent", "hls_lut_percent", "", "LUT",
])
def test_an_unknown_name_is_an_error_wherever_a_figure_is_made(name):
    make = FigureMaker("csim", Source.CSIM, None)
    with pytest.raises(UnknownFigureError, match=f"there is no figure '{name}'"):
        make(name, 1.0)
    with pytest.raises(ValidationError, match=f"there is no figure '{name}'"):
        Figure(name=name, value=1.0, source=Source.CSIM)
    with pytest.raises(UnknownFigureError):
        worsening(name, 1.0, 2.0)


@pytest.mark.parametrize(("key", "nearest"), [
    ("acuracy", "accuracy"), ("lut_percnt", "lut_percent"), ("auk/A4l", "auc"), ("latency_cycle", "latency_cycles"),
    ("hls_luts", "hls_lut"),
])
def test_a_limit_on_no_figure_is_an_error_before_anything_runs(tmp_path, key, nearest):
    path = tmp_path / "design.yaml"
    path.write_text(f"{GOOD}budget: {{auc: {{min: 0.5}}, {key}: {{max: 1}}}}\n")
    with pytest.raises(DesignError) as e:
        design.load(path)
    assert (e.value.file, e.value.key) == (path, f"budget.{key}")
    assert f"did you mean '{nearest}'?" in str(e.value)
    path.write_text(GOOD)
    with pytest.raises(DesignError) as e:  # made in Python
        design.Design(**{**dict(design.load(path)), "budget": {key: Limit(max=1)}})
    assert e.value.key == f"budget.{key}"


def test_keys_of_several_limits_on_one_figure_are_as_before(tmp_path):
    path = tmp_path / "design.yaml"
    path.write_text(GOOD + "budget: {auc/A4l: {min: 0.5, conditions: {signal: A4l}}, lut_percent: {max: 1}}\n")
    assert list(design.load(path).budget) == ["auc/A4l", "lut_percent"]


def test_files_with_unknown_names_are_refused_with_file_and_key(tmp_path):
    path = tmp_path / "report.json"
    content = json.loads(report().to_json())
    content["figures"][1]["name"] = "somebodys"
    path.write_text(json.dumps(content))
    with pytest.raises(ReportError, match=r"report\.json: figures\.1\.name: .*there is no figure 'somebodys'"):
        load_report(path)
    baseline = json.loads(make_baseline(report()).to_json())
    baseline["figures"][0]["name"] = "somebodys"
    path.write_text(json.dumps(baseline))
    with pytest.raises(ReportError, match=r"figures\.0\.name: .*there is no figure 'somebodys'"):
        load_baseline(path)


def test_the_committed_baseline_is_read():
    assert len(load_baseline(PACKAGE.parent / ".ci" / "baseline.json").figures) > 50


@pytest.mark.parametrize(("name", "way"), [
    ("auc", Better.HIGHER), ("tpr", Better.HIGHER), ("spearman_rho", Better.HIGHER), ("lut", Better.LOWER),
    ("latency_ns", Better.LOWER), ("bram18", Better.LOWER), ("estimated_stage_delay_ns", Better.LOWER),
    ("rate_shift_khz", Better.NEARER_ZERO), ("rate_khz", Better.SAME), ("lut_percent", Better.LOWER),
    # Families follow what they are made of.
    ("hls_initiation_interval", Better.LOWER), ("post_training_auc", Better.HIGHER),
    ("post_training_resolution", Better.LOWER),
])
def test_which_way_is_better(name, way):
    assert catalogue.entry(name).better is way


@pytest.fixture
def added(monkeypatch):
    """Another package that adds a figure, and what the package's own functions then say."""
    def install(entry: Entry):
        plugin = SimpleNamespace(entries=(entry,), measure=lambda measured: [
            measured.maker(level)(entry.name, 7.0) for level in measured.levels
        ])
        point = SimpleNamespace(load=lambda: plugin)
        monkeypatch.setattr(catalogue, "entry_points", lambda group: [point] if group == "l1trigger.figures" else [])
        catalogue.entries.cache_clear()

    yield install
    monkeypatch.undo()
    catalogue.entries.cache_clear()


def test_another_package_adds_a_figure(added):
    with pytest.raises(UnknownFigureError):
        catalogue.entry("muon_rate_khz")
    added(Entry("muon_rate_khz", "rate of the muon trigger", "kHz", Better.LOWER, Group.THRESHOLD))
    assert FigureMaker("csim", Source.CSIM, None)("muon_rate_khz", 3.0).unit == "kHz"
    assert worsening("muon_rate_khz", 1.0, 3.0) == 2
    assert design.from_mapping({
        "name": "x", "data": {"source": "zerobias"}, "model": {"architecture": "autoencoder"},
        "compress": {"score": "latent_norm"}, "budget": {"muon_rate_khz": {"max": 5}},
    }).budget


def test_another_package_holds_levels_against_the_best_baseline(added):
    added(Entry("muons_above_best_baseline", "muons above the best baseline", "", Better.HIGHER, equal_at=0.5))
    made = [Figure(name="muons_above_best_baseline", value=value, interval=(value - 0.1, value + 0.1),
                   source=Source.CSIM, level="csim") for value in (0.4, 0.9)]
    assert [verdicts.standing(f) for f in made] == ["equal", "above"]
    table = verdicts.baseline_table(Book(report(figures=made)))
    assert [row.cells[0].text for row in table.rows] == ["Muons above the best baseline"] * 2


def test_an_added_name_must_be_free(added):
    added(Entry("lut_percent", "somebody's"))
    with pytest.raises(UnknownFigureError, match="there are two figures 'lut_percent'"):
        catalogue.entries()
