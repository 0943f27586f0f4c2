"""The commands ``compare``, ``baseline`` and ``ci``."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml
from made_reports import data, hardware, physics, report
from typer.testing import CliRunner

from l1trigger.cli import app
from l1trigger.report.model import Report
from l1trigger.run_folder import StageInputs, StageRecord

Save = Callable[[Report], Path]


def call(*words: object) -> tuple[int, str, str]:
    done = CliRunner().invoke(app, [str(w) for w in words])
    assert "Traceback" not in done.output
    return done.exit_code, done.stdout, done.stderr


@pytest.fixture
def runs(saved: Save) -> tuple[Path, Path]:
    return (saved(report(figures=physics() + hardware(lut=1000.0))),
            saved(report("encoder", physics(-0.01) + hardware(lut=1100.0))))


def test_table_markdown_json_and_page(runs: tuple[Path, Path], tmp_path: Path) -> None:
    out = tmp_path / "page" / "compare.html"
    code, text, _ = call("compare", *runs, "--html", out, "--against", "published")
    assert code == 0 and "Area under the ROC" in text and "arXiv" in text and out.exists()
    code, text, _ = call("compare", *runs, "--markdown")
    assert code == 0 and "| lut | rtl | yosys | **1\u2009000** | 1\u2009100 (×1.1) |" in text
    code, text, _ = call("compare", *runs, "--json")
    assert code == 0 and [r["label"] for r in json.loads(text)["runs"]] == ["student", "encoder"]


def test_details_show_other_levels(runs: tuple[Path, Path]) -> None:
    assert "| float |" not in call("compare", *runs, "--markdown")[1]
    assert "| float |" in call("compare", *runs, "--markdown", "--all")[1]


def test_equal_names_are_told_apart_by_folder(runs: tuple[Path, Path], tmp_path: Path) -> None:
    other = tmp_path / "elsewhere" / "student"
    other.mkdir(parents=True)
    (other / "report.json").write_text((runs[0] / "report.json").read_text())
    labels = json.loads(call("compare", runs[0], other / "report.json", "--json")[1])["runs"]
    assert [r["label"] for r in labels] == ["runs/student", "elsewhere/student"]


def test_regression_exits_with_1_and_is_named(runs: tuple[Path, Path], tmp_path: Path) -> None:
    path = tmp_path / "baselines" / "student.json"
    assert call("baseline", runs[0], "--out", path)[0] == 0
    assert call("baseline", runs[0])[1] == path.read_text()
    assert call("compare", runs[0], "--baseline", path)[0] == 0
    tolerated = ("auc=0.02", "tpr=0.02", "rate_shift_khz=1")
    code, out, err = call("compare", runs[1], "--baseline", path, "--tolerance", "lut=5%", *tolerated, "--markdown")
    assert code == 1
    assert "1 regression against the baseline: lut [rtl, yosys]: 1000 -> 1100 (tolerance 5 %)" in err
    assert "**regression**" in out
    assert call("compare", runs[1], "--baseline", path, "--tolerance", "lut=10%", *tolerated)[0] == 0
    found = json.loads(call("compare", runs[1], "--baseline", path, "--json")[1])["baseline"]["encoder"]
    assert {c["key"]["name"] for c in found if c["verdict"] == "regression"} == {"auc", "tpr", "lut", "rate_shift_khz"}


def test_bad_input_exits_with_2(runs: tuple[Path, Path], saved: Save, tmp_path: Path) -> None:
    def message(*words: object) -> str:
        code, _, err = call(*words)
        assert code == 2
        return err

    assert "cannot be read" in message("compare", tmp_path / "nothing")
    truncated = tmp_path / "truncated.json"
    truncated.write_text((runs[0] / "report.json").read_text()[:500])
    assert "is not JSON" in message("compare", truncated)
    truncated.write_text("")
    assert "is not JSON" in message("baseline", truncated)
    old = tmp_path / "old.json"
    old.write_text(json.dumps({**json.loads((runs[0] / "report.json").read_text()), "schema_version": "7.0"}))
    assert "schema_version: is '7.0', this package reads" in message("compare", runs[0], old)
    elsewhere = saved(report("elsewhere", card=data(pileup=200.0)))
    assert "pileup: 50.0 in student, 200.0 in elsewhere" in message("compare", runs[0], elsewhere)
    assert call("compare", runs[0], elsewhere, "--allow-different-data")[0] == 0
    lacking = tmp_path / "lacking.json"
    call("baseline", saved(report("plain")), "--out", lacking)
    assert "lacking.json: lacks lut" in message("compare", runs[0], "--baseline", lacking)
    for words in (("--tolerance", "lut=5%"), ("--markdown", "--json"), ("--against", "hearsay")):
        message("compare", runs[0], *words)


@pytest.mark.parametrize("service", ["github", "gitlab"])
def test_workflows_are_yaml_that_runs_and_compares(service: str, tmp_path: Path) -> None:
    design = tmp_path / "tiny.yaml"
    design.write_text("name: tiny_one\ndata: {source: zerobias}\nmodel: {architecture: autoencoder}\n"
                      "compress: {score: student}\n")
    code, text, _ = call("ci", service, "--design", design, "--tolerance", "lut=5% auc=0.002")
    assert code == 0 and "<<" not in text
    workflow = yaml.safe_load(text)
    commands = str(workflow)
    assert f"l1trigger run {design} --from convert --strict" in commands
    assert "l1trigger compare runs/tiny_one --baseline baselines/tiny_one.json" in commands
    assert "lut=5% auc=0.002" in commands and "cache" in commands
    out = tmp_path / "repository"
    out.mkdir()
    assert call("ci", service, "--design", design, "--out", out)[0] == 0
    assert len(list(out.rglob("*.yml"))) == 1


@pytest.mark.parametrize("service", ["github", "gitlab"])
def test_the_vendor_stage_is_optional(service: str) -> None:
    plain, more = (call("ci", service, *words)[1] for words in ((), ("--vendor",)))
    assert "vendor" not in plain and more.startswith(plain.rstrip("\n"))
    workflow = yaml.safe_load(more)
    jobs = workflow["jobs"] if service == "github" else {k: v for k, v in workflow.items() if k != "name"}
    name = "vendor" if service == "github" else "l1trigger-vendor"
    assert list(jobs) == ["design" if service == "github" else "l1trigger", name]
    commands = " ".join(str(jobs[name]).split())
    assert "synth.route=both" in commands and "synth.vendor.steps=[csynth, cosim, vsynth]" in commands
    assert "l1trigger-vendor" in str(jobs[name].get("runs-on", jobs[name].get("tags")))


def test_a_report_older_than_its_stages_is_refused(runs: tuple[Path, Path]) -> None:
    def record(stage: str, settings: str, **upstream: str) -> StageRecord:
        made = StageRecord(StageInputs({"x": settings}, {}, upstream, {}), 1.0)
        (runs[0] / stage).mkdir(exist_ok=True)
        (runs[0] / stage / "stage.json").write_text(made.to_json())
        return made

    record("report", "", synth=record("synth", "1").digest)
    assert call("compare", *runs)[0] == 0
    record("synth", "2")
    for path in (runs[0], runs[0] / "report.json"):
        code, _, err = call("compare", path, runs[1])
        assert code == 2 and "is of an earlier run than the stage synth beside it" in err and "Remedy" in err
    assert call("baseline", runs[0])[0] == 2


def test_no_workflow_for_other_services() -> None:
    code, _, err = call("ci", "githbu")
    assert code == 2 and "did you mean 'github'" in err
