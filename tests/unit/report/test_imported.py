"""Reports that were made elsewhere become runs; what is missing, old or mixed up is named."""

from __future__ import annotations

import calendar
import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import jsonschema
import pytest
from made_reports import hardware, physics
from made_reports import report as made
from typer.testing import CliRunner

from l1trigger.cli import app
from l1trigger.figures import Source
from l1trigger.report.model import load_report, shipped_schema

REPORTS = Path(__file__).parents[2] / "reports"
VITIS = REPORTS / "vitis_hls_2024.2"
DESIGN = """
name: veto
data: {source: zerobias}
model: {architecture: autoencoder}
compress: {score: student}
budget: {lut_percent: {max: 1}, latency_ns: {max: 60}, slack_ns: {min: 0}, auc: {min: 0.9}}
"""


def call(*words: object) -> tuple[int, str, str]:
    done = CliRunner().invoke(app, [str(w) for w in words])
    assert "Traceback" not in done.output
    return done.exit_code, done.stdout, done.stderr


@pytest.fixture
def imported(tmp_path) -> Callable[..., tuple[int, str, str]]:
    return lambda folder, *words: call("import-reports", folder, "--runs", tmp_path / "runs", *words)


@pytest.fixture
def solution(tmp_path) -> Path:
    """A copy that tests may spoil."""
    return Path(shutil.copytree(VITIS, tmp_path / "veto"))


def test_a_run_of_hardware_figures(imported, tmp_path):
    code, out, _ = imported(VITIS, "--name", "veto")
    assert code == 0 and "40 742" in out.replace("\u2009", " ")
    path = tmp_path / "runs" / "veto" / "report.json"
    jsonschema.validate(json.loads(path.read_text()), shipped_schema())
    report = load_report(path)
    assert report.data is None and report.levels == [] and report.budget == []
    assert report.versions["csynth"] == "Vitis HLS 2024.2" and report.versions["route"] == "Vivado 2024.2"
    whole = {(f.source, f.name): f.value for f in report.figures if "module" not in f.conditions}
    assert [whole[s, "lut"] for s in (Source.CSYNTH, Source.VSYNTH, Source.ROUTE)] == [40742, 9120, 8866]
    assert whole[Source.ROUTE, "lut_percent"] == 100 * 8866 / 1182240
    assert whole[Source.COSIM, "latency_ns"] == 65 and whole[Source.COSIM, "cosim_pass"] == 1
    assert whole[Source.ROUTE, "power_w"] == 2.871 and whole[Source.ROUTE, "slack_ns"] == -0.214
    modules = {f.conditions["module"] for f in report.figures if f.source is Source.CSYNTH and "module" in f.conditions}
    assert modules == {"scale_all", "veto_network", "dense_first", "dense_second"}
    assert {f.part for f in report.figures} == {"xcvu9p-flga2104-2-e"}
    page = (tmp_path / "runs" / "veto" / "report.html").read_text()
    assert "imported from reports that were made elsewhere" in page and "Functions inside, by route" in page
    assert 'id="physics"' not in page and 'id="data"' not in page
    (tile,) = (x for x in page.split('<div class="tile"') if "look-up tables" in x)
    assert "8\u2009866" in tile and "source route" in tile  # the last step counts, not the estimate before it


def test_what_no_report_says_is_none_with_a_reason(imported, tmp_path):
    assert imported(REPORTS / "vivado_hls_2019.1", "--name", "muon")[0] == 0
    figures = load_report(tmp_path / "runs" / "muon" / "report.json").figures
    missing = {(f.source.value, f.name): f.reason for f in figures if f.value is None}
    assert missing["route", "power_w"] == "there is no report_power of this step"
    assert missing["vsynth", "slack_ns"] == "there is no report_timing_summary of this step"
    assert missing["vsynth", "uram"] == "the reports of vsynth do not say"
    assert missing["cosim", "initiation_interval"] == "a single transaction was simulated"


def test_the_budget_of_a_design_is_judged_by_the_last_step(imported, tmp_path):
    design = tmp_path / "veto.yaml"
    design.write_text(DESIGN)
    assert imported(VITIS, "--design", design)[0] == 0
    report = load_report(tmp_path / "runs" / "veto-imported" / "report.json")
    # csynth says 3.4 % of the LUTs, place-and-route 0.75 %; physics is judged where it is measured.
    assert {j.figure: (j.value, j.met) for j in report.budget} == {
        "lut_percent": (100 * 8866 / 1182240, True), "latency_ns": (65, False), "slack_ns": (-0.214, False)}
    assert report.design.resolved["name"] == "veto" and report.design.digest


def test_beside_a_run_that_was_measured(imported, tmp_path):
    own = tmp_path / "runs" / "anomaly"
    own.mkdir(parents=True)
    figures = physics() + hardware(lut=9000.0)
    (own / "report.json").write_text(made("anomaly", figures).to_json())
    assert imported(VITIS, "--name", "veto")[0] == 0
    for order in ((own, tmp_path / "runs" / "veto"), (tmp_path / "runs" / "veto", own)):
        code, text, _ = call("compare", *order, "--json")
        found = json.loads(text)
        assert code == 0 and found["data"] == [] and found["level"] == "csim"
        lut = {e["key"]["source"]: [r and r["value"] for r in e["runs"]] for e in found["entries"]
               if e["key"]["name"] == "lut" and not e["key"]["conditions"]}
        expected = {"yosys": [9000, None], "csynth": [None, 40742], "vsynth": [None, 9120], "route": [None, 8866]}
        assert lut == {k: v if order[0] == own else v[::-1] for k, v in expected.items()}
    page = tmp_path / "c.html"
    assert call("compare", own, tmp_path / "runs" / "veto", "--against", "published", "--html", page)[0] == 0
    assert "All figures of physics are of the same events." in page.read_text()
    assert call("show", tmp_path / "runs" / "veto")[0] == 0


def test_two_measured_runs_are_still_held_to_their_data(imported, tmp_path):
    from made_reports import data

    paths = []
    for name, card in (("one", data()), ("two", data(pileup=200.0))):
        paths.append(tmp_path / f"{name}.json")
        paths[-1].write_text(made(name, card=card).to_json())
    assert imported(VITIS, "--name", "veto")[0] == 0
    code, _, err = call("compare", tmp_path / "runs" / "veto", *paths)
    assert code == 2 and "pileup: 50.0 in one, 200.0 in two" in err
    code, text, _ = call("compare", tmp_path / "runs" / "veto", *paths, "--json", "--allow-different-data")
    assert code == 0 and json.loads(text)["data"][0]["values"] == [None, "50.0", "200.0"]


def test_its_own_baseline(imported, tmp_path, solution):
    assert imported(VITIS, "--name", "veto")[0] == 0
    run, base = tmp_path / "runs" / "veto", tmp_path / "veto.json"
    assert call("baseline", run, "--out", base)[0] == 0
    assert call("compare", run, "--baseline", base)[0] == 0
    for path in solution.rglob("*"):
        if path.name in {"veto_trigger_utilization_routed.rpt", "export_impl.rpt"}:
            path.write_text(path.read_text().replace("8866", "9866"))
    assert imported(solution, "--name", "veto")[0] == 0
    code, _, err = call("compare", run, "--baseline", base, "--tolerance", "lut=5%")
    assert code == 1 and "lut [route]: 8866 -> 9866" in err


def test_reports_of_another_top_are_not_judged_by_the_budget_of_a_design(imported, tmp_path):
    design = tmp_path / "muon.yaml"
    design.write_text(DESIGN.replace("name: veto", "name: egamma"))
    code, _, err = imported(VITIS, "--design", design)
    said = "csynth.xml is of veto_trigger, not of egamma_trigger, so the budget of egamma says nothing of it"
    assert code == 2 and said in err
    assert not (tmp_path / "runs" / "egamma-imported").exists()
    assert imported(VITIS, "--design", design, "--top", "veto_trigger")[0] == 0
    # Vivado's reports of the RTL of this project name the module that alkaid writes.
    code, out, _ = imported(REPORTS / "alkaid_vivado_2023.2", "--design", design, "--name", "rtl")
    assert code == 0 and "timing constraints are not met (hold: 7 endpoints fail, the worst by 0.041 ns)" in out
    report = load_report(tmp_path / "runs" / "rtl" / "report.json")
    assert report.figure("hold_slack_ns").value == -0.041
    assert {j.figure: j.met for j in report.budget}["lut_percent"] is True


def test_a_cosimulation_that_never_ran_is_told(imported, tmp_path):
    code, out, _ = imported(REPORTS / "vivado_hls_2020.1", "--name", "tau")
    assert code == 0 and "cosim: the co-simulation did not run; the tool's log says why (tau_trigger_cosim.rpt)" in out
    figure = load_report(tmp_path / "runs" / "tau" / "report.json").figure("cosim_pass")
    assert figure.value is None and "did not run" in figure.reason and "because" not in figure.conditions


def test_a_solution_is_chosen_on_the_command_line(imported, tmp_path):
    for name in ("a", "b"):
        shutil.copytree(VITIS, tmp_path / "both" / name)
    code, _, err = imported(tmp_path / "both")
    assert code == 2 and "several solutions: a/solution1 (veto_trigger" in err and "choose one with --solution" in err
    assert imported(tmp_path / "both", "--solution", "b/solution1", "--name", "b")[0] == 0
    figures = load_report(tmp_path / "runs" / "b" / "report.json").figures
    assert {str(f.conditions["report"]).split("/")[0] for f in figures if f.value is not None} == {"b"}


def test_no_reports(imported, tmp_path):
    (tmp_path / "empty").mkdir()
    code, _, err = imported(tmp_path / "empty")
    assert code == 2 and "holds no reports of Vivado HLS, Vitis HLS or Vivado. Remedy" in err
    code, _, err = imported(tmp_path / "nothing")
    assert code == 2 and "is no folder" in err


@pytest.mark.parametrize("content", ["", "<profile><AreaEst"])
def test_an_empty_or_truncated_report_is_told_and_left_out(content, imported, solution, tmp_path):
    (solution / "solution1/syn/report/csynth.xml").write_text(content)
    code, out, _ = imported(solution)
    said = "solution1/syn/report/csynth.xml cannot be read and is left out: it is"
    assert code == 0 and said in out
    report = load_report(tmp_path / "runs" / "veto" / "report.json")
    assert said in report.remarks[0] and said in (tmp_path / "runs" / "veto" / "report.html").read_text()
    assert report.figure("lut", report="solution1/syn/report/veto_trigger_csynth.rpt").value == 40742


def test_what_stood_in_a_report_that_cannot_be_read_is_not_measured(imported, solution, tmp_path):
    design = tmp_path / "veto.yaml"
    design.write_text(DESIGN)
    for path in solution.rglob("*routed.rpt"):
        path.write_text(path.read_text()[:1000])
    (solution / "solution1/impl/report/verilog/export_impl.rpt").unlink()
    assert imported(solution, "--design", design)[0] == 0
    report = load_report(tmp_path / "runs" / "veto-imported" / "report.json")
    routed = {f.name: f.reason for f in report.figures if f.source is Source.ROUTE}
    files = "solution1/impl/verilog/report/veto_trigger_{}_routed.rpt cannot be read"
    assert routed["lut"] in {files.format(kind) for kind in ("utilization", "utilization_hierarchical")}
    assert routed["slack_ns"] == files.format("timing") and routed["power_w"] == files.format("power")
    # What synthesis and the HLS tool say does not stand in for it.
    assert {j.figure: (j.met, j.reason) for j in report.budget} == {
        "lut_percent": (None, routed["lut"]), "latency_ns": (False, None), "slack_ns": (None, routed["slack_ns"])}


def test_no_report_can_be_read(imported, solution, tmp_path):
    for path in solution.rglob("*.*"):
        path.write_text("")
    code, _, err = imported(solution)
    assert code == 2 and "solution1/syn/report/csynth.xml: is empty. Remedy" in err
    assert not (tmp_path / "runs" / "veto").exists()


@pytest.fixture
def project(solution) -> tuple[Path, Path, float]:
    """An HLS project with reports, its source, and when the reports were written."""
    source = solution / "firmware" / "veto_trigger.cpp"
    source.parent.mkdir()
    source.write_text("// changed since\n")
    written = calendar.timegm((2026, 3, 2, 11, 2, 3))
    for path in solution.rglob("*.*"):
        os.utime(path, (written, written))
    return solution, source, written


def date(path: Path, time: float) -> None:
    os.utime(path, (time, time))


def test_a_report_older_than_its_project(imported, project, tmp_path):
    folder, source, written = project
    date(source, written + 100)
    code, _, err = imported(folder)
    assert code == 2 and "is older than" in err and "veto_trigger.cpp of its project" in err and "--trust-times" in err
    # Reports in the tool's folder inside the project are of that project too.
    assert imported(folder / "solution1", "--name", "x")[0] == 2
    date(source, written - 1000)
    assert imported(folder, "--project", folder)[0] == 0
    code, _, err = imported(VITIS, "--project", tmp_path)
    assert code == 2 and "holds no firmware/*.cpp" in err


def test_file_times_of_a_clone_are_not_taken_for_those_of_the_reports(imported, project, tmp_path):
    folder, source, written = project
    clone = written + 30 * 86400
    for path in folder.rglob("*.*"):
        date(path, clone)
    date(source, clone + 0.7)
    code, out, _ = imported(folder)
    said = "may be of other sources; its own date is before the file times, which are those of a copy"
    assert code == 0 and said in out
    assert load_report(tmp_path / "runs" / "veto" / "report.json").remarks[-1].endswith(said)
    date(source, clone + 600)  # edited after the clone
    assert imported(folder)[0] == 2


def test_reports_that_are_copied_keep_their_own_date(imported, project):
    folder, source, written = project
    for path in folder.rglob("*.*"):
        date(path, written + 30 * 86400)
    date(source, written + 20 * 86400)  # changed after the tool has run, before its reports were copied
    code, _, err = imported(folder)
    assert code == 2 and "of its project by the date inside it" in err
    assert imported(folder, "--trust-times", 0)[0] == 0
    date(source, written - 86400)
    code, out, _ = imported(folder)
    assert code == 0 and "may be of other sources" not in out


def test_a_stated_tolerance(imported, project):
    folder, source, written = project
    date(source, written + 100)
    assert imported(folder, "--trust-times", 101)[0] == 0
    assert imported(folder, "--trust-times", 99)[0] == 2
    code, _, err = imported(VITIS, "--trust-times", 1)
    assert code == 2 and "leave out --trust-times, or give --project" in err


def test_reports_of_several_functions_need_the_top(imported, solution, tmp_path):
    folder = solution / "solution1/syn/report"
    only = tmp_path / "text"
    only.mkdir()
    for name in ("veto_trigger_csynth.rpt", "veto_network_csynth.rpt"):
        shutil.copy(folder / name, only)
    assert imported(only)[0] == 0  # the trigger lists the network among what it calls
    text = (only / "veto_trigger_csynth.rpt").read_text()
    (only / "veto_trigger_csynth.rpt").write_text(text.replace("grp_veto_network_fu_210", "grp_something_el_fu_210"))
    code, _, err = imported(only)
    assert code == 2 and "does not say which is the top" in err and "--top" in err
    assert imported(only, "--top", "veto_trigger")[0] == 0
    assert load_report(tmp_path / "runs" / "text" / "report.json").figure("lut").value == 40742
    code, _, err = imported(only, "--top", "veto")
    assert code == 2 and "none of veto" in err


def test_reports_of_two_designs(imported, solution, tmp_path):
    other = solution / "other"
    other.mkdir()
    shutil.copy(REPORTS / "vivado_hls_2019.1" / "vivado_synth.rpt", other)
    code, _, err = imported(solution)
    assert code == 2 and "csynth.xml is of veto_trigger, other/vivado_synth.rpt of muon_trigger. Remedy" in err
    code, out, _ = imported(solution, "--top", "veto_trigger")
    assert code == 0 and "other/vivado_synth.rpt is of muon_trigger, not of veto_trigger" in out
    report = load_report(tmp_path / "runs" / "veto" / "report.json")
    assert [f.value for f in report.find("lut") if f.source is Source.VSYNTH and f.of_whole] == [9120]
    mixed = tmp_path / "mixed"
    mixed.mkdir()
    shutil.copy(REPORTS / "vivado_hls_2019.1" / "vivado_synth.rpt", mixed)
    shutil.copy(VITIS / "solution1/syn/report/csynth.xml", mixed)
    code, _, err = imported(mixed)
    assert code == 2 and "csynth.xml is of veto_trigger, vivado_synth.rpt of muon_trigger" in err
    (mixed / "vivado_synth.rpt").write_text((mixed / "vivado_synth.rpt").read_text().replace("muon", "veto"))
    code, _, err = imported(mixed)
    assert code == 2 and "csynth.xml is for xcvu9p-flga2104-2-e, vivado_synth.rpt for xc7vx690tffg1927-2" in err


def test_a_run_of_a_design_is_not_replaced(imported, tmp_path):
    run = tmp_path / "runs" / "anomaly"
    run.mkdir(parents=True)
    (run / "design.json").write_text("{}")
    code, _, err = imported(VITIS, "--name", "anomaly")
    assert code == 2 and "holds a run of a design" in err
    assert imported(VITIS, "--name", "../escape")[0] == 2
