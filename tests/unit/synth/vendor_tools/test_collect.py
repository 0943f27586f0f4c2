"""Reports in folders: which belong together, which do not, and which must be chosen."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from l1trigger.errors import ReportError
from l1trigger.synth.vendor_tools.collect import collect, reports
from l1trigger.synth.vendor_tools.reading import VendorResult

REPORTS = Path(__file__).parents[3] / "reports"
SOLUTION = REPORTS / "vitis_hls_2024.2" / "solution1"
ALKAID = REPORTS / "alkaid_vivado_2023.2" / "output_model" / "reports"
ZYNQ = REPORTS / "vivado_hls_2020.1"
POST_SYNTH, POST_ROUTE = "model_post_synth_util.rpt", "model_post_route_util.rpt"


def copy(source: Path, target: Path, change: Callable[[str], str] = str) -> Path:
    """Copies a report or all reports of a folder, with changes to what they say and to their names."""
    for path in [source] if source.is_file() else sorted(p for p in source.rglob("*") if p.is_file()):
        to = target / ("" if source.is_file() else change(path.relative_to(source).as_posix()))
        to.parent.mkdir(parents=True, exist_ok=True)
        to.write_text(change(path.read_text()))
    return target


def jet(text: str) -> str:
    """Another design, larger by ten million cells."""
    return re.sub(r"\b(8866|9120|40742)\b", r"5\1", text.replace("veto", "jet"))


def luts(result: VendorResult) -> dict[str, float | None]:
    return {r.step: r.values["lut"] for r in reversed(result.readings) if "lut" in r.values}


def refused(folder: Path, said: str, **choice: str) -> None:
    with pytest.raises(ReportError, match=said):
        collect(folder, **choice)


VETO = {"csynth": 40742, "vsynth": 9120, "route": 8866}
JET = {"csynth": 540742, "vsynth": 59120, "route": 58866}


def test_of_two_projects_one_must_be_chosen(tmp_path):
    copy(SOLUTION / "syn", tmp_path / "a" / "veto_prj" / "solution1" / "syn")
    copy(SOLUTION / "impl", tmp_path / "b" / "jet_prj" / "solution1" / "impl", jet)
    refused(tmp_path, r"several solutions: a/veto_prj/solution1 \(veto_trigger: csynth\); "
                      r"b/jet_prj/solution1 \(.*vsynth, route\)\. Remedy: choose one with `solution=`")
    assert luts(collect(tmp_path, solution="a/veto_prj/solution1")) == {"csynth": 40742}
    assert luts(collect(tmp_path, solution="jet_prj/solution1")) == {k: v for k, v in JET.items() if k != "csynth"}
    refused(tmp_path, r"holds no solution solution1: a/veto_prj/solution1", solution="solution1")  # both are called so
    refused(tmp_path, "holds no solution c", solution="c")


def test_two_solutions_of_one_project(tmp_path):
    project = tmp_path / "veto_prj"
    copy(SOLUTION, project / "solution1")
    copy(SOLUTION, project / "solution2", lambda text: jet(text).replace("jet", "veto"))
    copy(ZYNQ / "vivado_synth.rpt", tmp_path / "vivado_synth.rpt")
    refused(tmp_path, "veto_prj/solution1.*veto_prj/solution2")
    for name, expected in (("solution1", VETO), ("solution2", JET), ("veto_prj/solution2/", JET)):
        result = collect(tmp_path, solution=name)
        assert luts(result) == expected
        assert [(x.file, x.why) for x in result.left_out] == [
            ("vivado_synth.rpt", "lies beside several solutions and does not tell which it is of")]


def test_what_lies_around_a_solution_belongs_to_it(tmp_path):
    one, two = tmp_path / "one", tmp_path / "two"
    for project, change in ((one, str), (two, jet)):
        copy(SOLUTION / "syn", project / "my_prj" / "solution1" / "syn", change)
        copy(SOLUTION / "impl/verilog/report/veto_trigger_utilization_synth.rpt", project / "vivado_synth.rpt", change)
        # The unified IDE keeps a copy beside the solution.
        copy(SOLUTION / "syn/report/csynth.rpt", project / "reports" / "hls_compile.rpt", change)
    assert luts(collect(tmp_path, solution="one/my_prj/solution1")) == {"csynth": 40742, "vsynth": 9120}
    assert luts(collect(tmp_path, solution="two/my_prj/solution1")) == {"csynth": 540742, "vsynth": 59120}
    result = collect(two)
    assert luts(result) == {"csynth": 540742, "vsynth": 59120} and result.left_out == ()
    assert {r.file for r in result.readings} > {"vivado_synth.rpt", "reports/hls_compile.rpt"}


def test_two_reports_of_one_top_that_disagree(tmp_path):
    copy(SOLUTION / "syn", tmp_path / "syn")
    stale = tmp_path / "syn" / "report" / "veto_trigger_csynth.rpt"
    stale.write_text(stale.read_text().replace("40742", "40999"))
    refused(tmp_path, r"syn/report/csynth.xml and syn/report/veto_trigger_csynth.rpt are both of veto_trigger and "
                      r"differ in lut \(40742 and 40999\)")
    stale.write_text(stale.read_text().replace("40999", "40742").replace("5.00 ns", "2.50 ns"))
    refused(tmp_path, r"differ in .*clock_ns \(5 and 2.5\)")
    other = tmp_path / "flat"
    for name, change in (("old", jet), ("new", str)):
        copy(SOLUTION / "syn/report/veto_trigger_csynth.rpt", other / name / "csynth.rpt",
             lambda text, change=change: change(text).replace("jet", "veto"))
    refused(other, r"several solutions: new \(veto_trigger: csynth\); old \(veto_trigger: csynth\)")
    assert luts(collect(other, solution="old")) == {"csynth": 540742}


def test_steps_of_two_runs_are_not_joined(tmp_path):
    copy(ALKAID / POST_SYNTH, tmp_path / "8_bits" / "reports" / POST_SYNTH)
    copy(ALKAID / POST_ROUTE, tmp_path / "6_bits" / "reports" / POST_ROUTE)
    refused(tmp_path, r"6_bits \(model: route\); 8_bits \(model: vsynth\)")
    assert luts(collect(tmp_path, solution="6_bits")) == {"route": 5866}


def test_folders_of_steps_are_joined(tmp_path):
    copy(ALKAID / POST_SYNTH, tmp_path / "x.runs" / "synth_1" / "utilization.rpt")
    copy(ALKAID / POST_ROUTE, tmp_path / "x.runs" / "impl_1" / "utilization.rpt")
    copy(ALKAID / "model_post_route_timing.rpt", tmp_path / "timing" / "routed.rpt")
    assert luts(collect(tmp_path)) == {"vsynth": 6120, "route": 5866}
    assert len(collect(tmp_path).readings) == 3


def test_reports_of_alkaids_script():
    assert {p.name for p in reports(ALKAID)} == {
        POST_SYNTH, POST_ROUTE, "model_post_place_util.rpt", "model_post_synth_timing.rpt",
        "model_post_place_timing.rpt", "model_post_route_timing.rpt", "model_post_route_power.rpt"}
    result = collect(ALKAID)
    assert {(r.step, r.kind): r.file for r in result.readings} == {
        ("vsynth", "utilization"): POST_SYNTH, ("vsynth", "timing"): "model_post_synth_timing.rpt",
        ("route", "utilization"): POST_ROUTE, ("route", "timing"): "model_post_route_timing.rpt",
        ("route", "power"): "model_post_route_power.rpt", ("route", "hierarchy"): "model_post_place_util.rpt"}
    assert result.part == "xcvu13p-flga2577-2-e" and luts(result)["vsynth"] == 6120
    met, unclocked = result.remarks
    assert met == ("route: timing constraints are not met (hold: 7 endpoints fail, the worst by 0.041 ns) "
                   "(model_post_route_timing.rpt)")
    assert unclocked == "route: 3 registers have no clock (model_post_route_timing.rpt)"


def test_a_report_of_any_name_is_read_by_what_it_says(tmp_path):
    copy(ALKAID / POST_ROUTE, tmp_path / "final_io_numbers.rpt")
    copy(ALKAID / "model_post_route_drc.rpt", tmp_path / "drc.rpt")
    assert [r.file for r in collect(tmp_path).readings] == ["final_io_numbers.rpt"]


def test_a_report_that_cannot_be_opened_is_told(tmp_path, monkeypatch):
    copy(ALKAID / POST_ROUTE, tmp_path / POST_ROUTE)
    for name in ("odd.rpt", "odd_timing_routed.rpt"):
        (tmp_path / name).symlink_to(tmp_path / POST_ROUTE)
    real = Path.open
    monkeypatch.setattr(Path, "open", lambda path, *rest, **named: real(
        tmp_path / "not there" if path.name.startswith("odd") else path, *rest, **named))
    result = collect(tmp_path)
    assert luts(result) == {"route": 5866} and [x.file for x in result.left_out] == ["odd.rpt", "odd_timing_routed.rpt"]
    assert all("cannot be read (No such file or directory)" in x.why for x in result.left_out)
    assert [x.step for x in result.left_out] == [None, "route"]


def test_one_part_in_two_spellings():
    result = collect(ZYNQ)
    assert {r.part for r in result.readings if r.part} == {"xc7z020-clg400-1", "xc7z020clg400-1"}
    assert luts(result) == {"csynth": 9100, "vsynth": 2190}


def test_another_part_is_refused(tmp_path):
    copy(ZYNQ, tmp_path, lambda text: text.replace("7z020clg400-1", "7z020clg400-2"))
    refused(tmp_path, "is for xc7z020-clg400-1, vivado_synth.rpt for xc7z020clg400-2")


def test_the_text_tells_whose_tool_the_xml_is_of(tmp_path):
    assert {r.tool for r in collect(ZYNQ).of("csynth")} == {"Vivado HLS 2020.1"}
    copy(ZYNQ, tmp_path, lambda text: text.replace("== Vivado HLS", "== Vitis HLS"))
    assert {r.tool for r in collect(tmp_path).of("csynth")} == {"Vitis HLS 2020.1"}
    (tmp_path / "tau_trigger_csynth.rpt").unlink()
    assert {r.tool for r in collect(tmp_path).of("csynth")} == {"Vivado or Vitis HLS 2020.1"}


@pytest.mark.parametrize(("states", "kept"), [
    (("Routed", "Physopt postRoute"), "Physopt postRoute"), (("Fully Placed", "Routed"), ""),
    (("Fully Placed", "Physopt postPlace"), "Physopt postPlace"), (("Synthesized", "Optimized"), ""),
])
def test_the_state_that_a_step_leaves_counts(states, kept, tmp_path):
    for i, state in enumerate(states):
        copy(ALKAID / POST_ROUTE, tmp_path / f"{i}_util.rpt",
             lambda text, state=state, i=i: text.replace(": Routed", f": {state}").replace("5866", f"{i}866"))
    (reading,) = collect(tmp_path).readings
    assert reading.state == kept


def test_vivados_own_project_fills_only_what_is_missing_outside(tmp_path):
    copy(SOLUTION, tmp_path)
    runs = tmp_path / "impl" / "verilog" / "project.runs" / "impl_1"
    (tmp_path / "impl/verilog/report/veto_trigger_power_routed.rpt").rename(tmp_path / "power.rpt")
    copy(tmp_path / "power.rpt", runs / "bd_0_wrapper_power_routed.rpt", lambda text: text.replace("2.871", "2.999"))
    routed = SOLUTION / "impl/verilog/report/veto_trigger_utilization_routed.rpt"
    copy(routed, runs / "bd_0_wrapper_utilization_placed.rpt",
         lambda text: text.replace(": Routed", ": Fully Placed").replace("8866", "8999"))
    (tmp_path / "power.rpt").unlink()
    result = collect(tmp_path)
    assert luts(result) == VETO
    assert next(r.values["power_w"] for r in result.readings if r.kind == "power") == 2.999


BOXES = """
9. Black Boxes
--------------

+-----------------+------+
|     Ref Name    | Used |
+-----------------+------+
| bd_0_hls_inst_0 |    1 |
+-----------------+------+
"""


def with_box(text: str) -> str:
    """Utilization of a wrapper around a function that was synthesized on its own, so next to nothing."""
    return text.replace("4. ARITHMETIC\n", "4. ARITHMETIC\n9. Black Boxes\n", 1).replace("9120", "   3") + BOXES


def test_a_wrapper_around_a_black_box_is_not_the_design(tmp_path):
    synth = SOLUTION / "impl/verilog/report/veto_trigger_utilization_synth.rpt"
    runs = tmp_path / "veto_prj" / "solution1" / "impl" / "verilog" / "project.runs"
    copy(synth, runs / "synth_1" / "bd_0_wrapper_utilization_synth.rpt", with_box)
    copy(synth, runs / "bd_0_hls_inst_0_synth_1" / "bd_0_hls_inst_0_utilization_synth.rpt")
    result = collect(tmp_path)
    assert luts(result) == {"vsynth": 9120} and result.left_out == ()
    shutil.rmtree(runs / "bd_0_hls_inst_0_synth_1")
    refused(tmp_path, r"bd_0_wrapper_utilization_synth.rpt: does not count the black boxes .*\(bd_0_hls_inst_0\)")


def test_a_wrapper_is_the_design_that_it_wraps(tmp_path):
    copy(SOLUTION, tmp_path)
    path = tmp_path / "impl/verilog/report/veto_trigger_utilization_routed.rpt"
    for name in ("veto_trigger_wrapper", "veto_trigger", "bd_0_hls_inst_0"):
        path.write_text(re.sub(r"\| Design       : \w+", f"| Design       : {name}", path.read_text()))
        assert luts(collect(tmp_path)) == VETO
    path.write_text(path.read_text().replace("bd_0_hls_inst_0", "design_1_wrapper"))
    refused(tmp_path, "csynth.xml is of veto_trigger, .*_utilization_routed.rpt of design_1_wrapper. Remedy: choose")
    result = collect(tmp_path, "veto_trigger")
    assert [x.why for x in result.left_out] == ["is of design_1_wrapper, not of veto_trigger"]
    assert [r.kind for r in result.of("route")] == ["timing", "power", "hierarchy", "export"]
    assert [r.file for r in result.of("csynth")] == [f"syn/report/{name}" for name in (
        "csynth.xml", "veto_trigger_csynth.rpt", "csynth.rpt")]
    refused(tmp_path, "none of egamma", top="egamma")
    around = collect(tmp_path, "design_1_wrapper")
    assert luts(around) == {"vsynth": 9120, "route": 8866} and not around.of("csynth")
    assert {x.why for x in around.left_out} >= {"is of veto_trigger, not of design_1_wrapper"}


def test_a_cosimulation_of_another_function_is_told_by_its_name(tmp_path):
    copy(ZYNQ, tmp_path)
    (tmp_path / "tau_trigger_cosim.rpt").rename(tmp_path / "scale_cosim.rpt")
    refused(tmp_path, "scale_cosim.rpt of scale")
    assert not collect(tmp_path, "tau_trigger").of("cosim")


def test_a_result_is_saved_whole(tmp_path):
    copy(ALKAID, tmp_path)
    (tmp_path / POST_SYNTH).write_text("")
    result = collect(tmp_path)
    (left,) = result.left_out
    assert (left.file, left.kind, left.step) == (POST_SYNTH, "utilization", "vsynth")
    assert VendorResult.from_dict(result.as_dict()) == result
    old = {k: v for k, v in result.as_dict().items() if k != "left_out"}
    assert VendorResult.from_dict(old).readings == result.readings


