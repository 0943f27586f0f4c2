"""What the pages say about designs is what was measured, and what they say about keys is what the program reads."""

from __future__ import annotations

import json
import re
import runpy
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml
from readmes import ROOT

from l1trigger import artefacts, design
from l1trigger.report.model import Report, load_report

MODELS = ROOT / "models"
DESIGNS = sorted(MODELS.glob("*.yaml"))
MEASURED = [p for p in DESIGNS if (MODELS / "reports" / f"{p.stem}.json").is_file()]
AGAIN = "Write them anew: python tools/{}.py"


def tool(name: str) -> dict[str, Any]:
    return runpy.run_path(str(ROOT / "tools" / f"{name}.py"))


def report_of(path: Path) -> Report:
    return load_report(MODELS / "reports" / f"{path.stem}.json")


def test_the_table_of_designs_is_what_the_reports_say() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    made = tool("shipped_designs")
    assert made["designs_table"]() in text, AGAIN.format("shipped_designs")
    assert made["filled"](text) == text, AGAIN.format("shipped_designs")


def test_the_table_of_example_models_is_what_was_tried() -> None:
    text = (MODELS / "README.md").read_text(encoding="utf-8")
    results = json.loads((MODELS / "example_models.json").read_text(encoding="utf-8"))
    made = tool("example_models")
    assert made["table"](results) in text, AGAIN.format("example_models")
    assert made["filled"](text, results) == text, AGAIN.format("example_models")


def test_every_example_model_is_taken_and_exact_or_refused_with_the_reason() -> None:
    results = json.loads((MODELS / "example_models.json").read_text(encoding="utf-8"))
    rows = results["models"]
    assert sorted(row["model"] for row in rows) == sorted(results["files"])
    for row in rows:
        refused = row.get("refused", "")
        assert not re.search("traceback|differ|other outputs", refused), row
        if not refused:
            assert row["differences"] == 0
            assert row["compared"]["file"] >= 2000
            assert row["compared"].keys() & {"logic", "C-simulation"}


def test_the_page_of_keys_is_what_the_program_reads() -> None:
    page = (MODELS / "KEYS.md").read_text(encoding="utf-8")
    assert tool("design_keys")["page"]() == page, AGAIN.format("design_keys")


def test_every_key_is_explained() -> None:
    page = tool("design_keys")["page"]()
    assert not [line for line in page.splitlines() if re.match(r"\| `.*\|\s*(\(\[.*\]\(.*\)\)\s*)?\|$", line)]


def test_every_design_has_a_report() -> None:
    reports = sorted(p.stem for p in (MODELS / "reports").glob("*.json"))
    assert sorted(reports) == [p.stem for p in DESIGNS]


@pytest.mark.parametrize("path", MEASURED, ids=lambda p: p.stem)
def test_reports_are_of_the_designs_as_they_are_written(path: Path) -> None:
    report = report_of(path)
    assert not report.quick
    written = yaml.load(path.read_text(encoding="utf-8"), design._Loader)
    before, now = _at(report.design.resolved, written), _at(design.load(path).resolved(), written)
    assert not artefacts.differences(before, now), "run the design and keep its report: see tools/shipped_designs.py"


def _at(settings: Any, written: Any) -> Any:
    """The settings whose keys are written in a design file; all others are defaults."""
    if not isinstance(written, dict) or not isinstance(settings, dict):
        return settings
    return {key: _at(settings.get(key), value) for key, value in written.items()}


@pytest.mark.parametrize("path", MEASURED, ids=lambda p: p.stem)
def test_reports_are_of_the_committed_weights(path: Path) -> None:
    """The card of the weights remembers figures of the C-simulation, which the RTL equals."""
    report = report_of(path)
    card = json.loads((MODELS / "artefacts" / path.stem / "card.json").read_text(encoding="utf-8"))
    remembered = {f["conditions"].get("signal"): f["value"] for f in card["figures"]
                  if f["name"] == "auc" and "seed" not in f["conditions"]}
    measured = {f.conditions.get("signal"): f.value for f in report.find("auc", report.levels[-1])}
    assert measured == remembered


@pytest.mark.parametrize("path", MEASURED, ids=lambda p: p.stem)
def test_reports_are_of_levels_that_are_equal(path: Path) -> None:
    report = report_of(path)
    assert report.exact
    compared = {level for b in report.bit_exact for level in b.between} - {"engine"}  # which older reports do not have
    assert compared == {"quantized", "csim", *(["rtl"] if "rtl" in report.levels else [])}


def test_the_report_of_the_main_job_has_the_figures_of_its_baseline() -> None:
    baseline = json.loads((ROOT / ".ci" / "baseline.json").read_text(encoding="utf-8"))
    report = report_of(MODELS / "anomaly.yaml")
    shared = 0
    for figure in baseline["figures"]:
        found = report.find(figure["name"], figure.get("level"), **figure.get("conditions", {}))
        same = [f.value for f in found if f.source == figure["source"]]
        assert same in ([], [figure["value"]])
        shared += len(same)
    assert shared > 20


def test_the_citation_is_of_this_version() -> None:
    cited = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    with (ROOT / "pyproject.toml").open("rb") as file:
        project = tomllib.load(file)["project"]
    assert (cited["version"], cited["license"]) == (project["version"], project["license"])
    assert {"cff-version", "message", "title", "authors"} <= cited.keys()
