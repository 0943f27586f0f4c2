"""Stand-in tools: a good run, and each way in which a tool can fail without saying so."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from types import SimpleNamespace

import pytest
import toy_trigger as toy

from l1trigger.convert.result import ConvertResult
from l1trigger.errors import ReportError, ToolFailedError, ToolNotFoundError
from l1trigger.figures import Source
from l1trigger.report.build import hardware_figures
from l1trigger.results import Results
from l1trigger.sections import ConvertSection, SynthSection, VendorSection
from l1trigger.synth import run as synth_run
from l1trigger.synth import vendor_tools
from l1trigger.synth.result import SynthResult

TOOLS = Path(__file__).parents[3] / "mock_tools"
PART = "xcvu9p-flga2104-2-e"


@pytest.fixture
def converted(tmp_path) -> ConvertResult:
    project = tmp_path / "project"
    (project / "firmware").mkdir(parents=True)
    (project / "firmware" / "toy_trigger.cpp").write_text("// nothing\n")
    (project / "build.tcl").write_text("open_project -reset toy_prj\nset_top toy_trigger\n")
    return ConvertResult(project, "toy_trigger", "Vitis", PART, 5.0, {}, {})


def use(monkeypatch, behaviour: str) -> None:
    monkeypatch.setenv("PATH", f"{TOOLS / behaviour}{os.pathsep}{os.environ['PATH']}")


def run(converted, tmp_path, **section) -> vendor_tools.VendorResult:
    return vendor_tools.run(converted, VendorSection(**section), tmp_path / "out", tmp_path / "work")


ALL_STEPS = ("route", "csynth", "vsynth", "cosim")


def test_all_steps_of_a_tool_that_works(converted, tmp_path, monkeypatch):
    use(monkeypatch, "works")
    result = run(converted, tmp_path, steps=ALL_STEPS)
    assert [(r.step, r.kind) for r in result.readings] == [
        ("csynth", "csynth"), ("csynth", "csynth"), ("csynth", "csynth"), ("cosim", "cosim"),
        ("vsynth", "utilization"), ("vsynth", "timing"), ("route", "utilization"), ("route", "timing"),
        ("route", "power"), ("route", "hierarchy"), ("route", "export")]
    assert result.part == PART and result.clock_ns == 5 and {r.top for r in result.of("csynth")} == {"toy_trigger"}
    assert "stand-in for vitis-run" in (tmp_path / "out" / "tool.log").read_text()
    for reading in result.readings:
        assert (tmp_path / "out" / "reports" / reading.file).stat().st_size > 0
    assert vendor_tools.VendorResult.from_dict(result.as_dict()) == result


def test_vivados_own_project_may_hold_what_is_no_report_of_the_design(converted, tmp_path, monkeypatch):
    use(monkeypatch, "works")
    real = vendor_tools.build

    def with_runs(tool, project, steps, copy, *rest):
        seconds = real(tool, project, steps, copy, *rest)
        run = copy / "toy_prj" / "solution1" / "impl" / "verilog" / "project.runs" / "synth_1"
        run.mkdir(parents=True)
        (run / "bd_0_wrapper_utilization_synth.rpt").write_text("cut off")
        return seconds

    monkeypatch.setattr(vendor_tools, "build", with_runs)
    assert {r.step for r in run(converted, tmp_path).readings} == {"csynth"}


def test_only_the_steps_that_were_asked_for(converted, tmp_path, monkeypatch):
    use(monkeypatch, "works")
    assert {r.step for r in run(converted, tmp_path).readings} == {"csynth"}


def test_reports_in_the_project_are_not_taken_for_new_ones(converted, tmp_path, monkeypatch):
    old = converted.project / "toy_prj" / "solution1" / "syn" / "report" / "toy_trigger_csynth.xml"
    old.parent.mkdir(parents=True)
    old.write_text("<profile>of an earlier build</profile>")
    use(monkeypatch, "silent")
    with pytest.raises(ToolFailedError, match="ended with exit status 0 but left no reports"):
        run(converted, tmp_path)


@pytest.mark.parametrize(("behaviour", "error", "said"), [
    ("crashes", ToolFailedError, r"ended with exit status 0 but reports errors; .*HLS 200-478"),
    ("silent", ToolFailedError, "ended with exit status 0 but left no reports"),
    ("stale", ToolFailedError, "it is stale"),
    ("hangs", ToolFailedError, "ran past its time limit"),
    ("truncated", ReportError, r"csynth\.\w+: (ends|is not|has)"),
])
def test_a_tool_that_fails_without_saying_so(behaviour, error, said, converted, tmp_path, monkeypatch):
    use(monkeypatch, behaviour)
    with pytest.raises(error, match=f"(?s){said}"):
        run(converted, tmp_path, time_limit_s=1.5 if behaviour == "hangs" else 60)
    assert (tmp_path / "out" / "tool.log").exists()


def test_a_step_without_report_is_named(converted, tmp_path, monkeypatch):
    use(monkeypatch, "works")
    real = vendor_tools.build

    def without_cosim(tool, project, steps, *rest):
        return real(tool, project, [s for s in steps if s != "cosim"], *rest)

    monkeypatch.setattr(vendor_tools, "build", without_cosim)
    with pytest.raises(ToolFailedError, match="left no report of the step cosim"):
        run(converted, tmp_path, steps=("csynth", "cosim"))


def test_a_cosimulation_that_disagrees_is_recorded(converted, tmp_path, monkeypatch):
    use(monkeypatch, "disagrees")
    result = SynthResult(PART, 5.0, route="hls", vendor=run(converted, tmp_path, steps=("csynth", "cosim")))
    figure = next(f for f in hardware_figures(result) if f.name == "cosim_pass")
    assert figure.value == 0 and figure.source is Source.COSIM and "does" not in str(figure.reason)
    assert "did not give what the C++ gives" in str(figure.conditions["because"])


def test_older_programs_and_a_path_in_the_design(converted, tmp_path):
    folder = tmp_path / "old tools"
    folder.mkdir()
    shutil.copy(TOOLS / "works" / "vitis_hls", folder)
    with pytest.raises(ToolNotFoundError, match="need vivado, which is neither beside"):
        run(converted, tmp_path, tool=str(folder), steps=("csynth", "route"))
    for tool in (TOOLS / "works", TOOLS / "works" / "vitis_hls"):
        run(converted, tmp_path, tool=str(tool))
        name = "vitis-run" if tool.is_dir() else "vitis_hls"
        assert f"stand-in for {name}" in (tmp_path / "out" / "tool.log").read_text()


@pytest.mark.parametrize(("backend", "wanted"), [("Vitis", "vitis-run or vitis_hls"), ("Vivado", "vivado_hls")])
def test_no_tool_says_where_it_looked(backend, wanted, converted, tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", "/nowhere/bin")
    asked = ConvertResult(converted.project, "toy_trigger", backend, PART, 5.0, {}, {})
    with pytest.raises(ToolNotFoundError, match=rf"needs {wanted}, which is not in PATH \(/nowhere/bin\).*route: rtl"):
        run(asked, tmp_path)
    with pytest.raises(ToolNotFoundError, match=r"synth.vendor.tool: \S+ is not"):
        run(asked, tmp_path, tool="/nowhere/bin/vivado")


def test_the_stage_takes_the_hls_route_alone(converted, tmp_path, monkeypatch):
    use(monkeypatch, "works")
    design = SimpleNamespace(synth=SynthSection(route="hls"), convert=ConvertSection())
    function = toy.trigger((4, 1), seed=2)
    result = synth_run(design, Results(compress=toy.compressed(function), convert=converted), tmp_path)
    assert result.reason == "synth.route is hls" and result.cells is None
    result.save(tmp_path)
    assert SynthResult.load(tmp_path) == result
    figures = [f for f in hardware_figures(result) if not f.name.startswith("hls_")]  # those are estimates
    assert {f.source for f in figures} == {Source.CSYNTH} and {f.level for f in figures} == {None}
    assert {f.part for f in figures} == {PART} and {f.clock_ns for f in figures} == {5.0}
    whole = {f.name: f.value for f in figures if "module" not in f.conditions}
    assert whole["lut"] == 40742 and whole["lut_percent"] == 100 * 40742 / 1182240 and whole["latency_ns"] == 60


def test_steps_begin_with_csynth():
    with pytest.raises(ValueError, match="csynth is missing"):
        VendorSection(steps=("route",))
    assert VendorSection(steps=ALL_STEPS).steps == ("csynth", "cosim", "vsynth", "route")
