"""Report files in the formats of several versions, read number by number; damaged ones are named."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from l1trigger.errors import ReportError
from l1trigger.synth.vendor_tools import cosim, csynth, export, vivado
from l1trigger.synth.vendor_tools.collect import read
from l1trigger.synth.vendor_tools.text import heads, number

REPORTS = Path(__file__).parents[3] / "reports"
VITIS = REPORTS / "vitis_hls_2024.2" / "solution1"
VIVADO = REPORTS / "vivado_hls_2019.1"
ALKAID = REPORTS / "alkaid_vivado_2023.2" / "output_model" / "reports"
OPEN = REPORTS / "vitis_hls_2020.2_open_loop"
VU9P = {"bram18": 4320, "dsp": 6840, "ff": 2364480, "lut": 1182240, "uram": 960}


def parse(parser, path: Path):
    return parser(path.read_text(), path.name)


def test_vitis_xml_of_all_functions():
    r = parse(csynth.from_xml, VITIS / "syn/report/csynth.xml")
    assert (r.tool, r.top, r.part, r.clock_ns) == ("Vitis HLS 2024.2", "veto_trigger", "xcvu9p-flga2104-2-e", 5.0)
    assert r.values == {"latency_cycles": 12, "latency_ns": 60, "initiation_interval": 1, "estimated_clock_ns": 3.512,
                        "bram18": 3, "dsp": 14, "ff": 7033, "lut": 40742, "uram": 0}
    assert r.available == VU9P and r.reasons == {} and list(r.modules) == ["dense_first"]
    assert r.modules["dense_first"] == {"latency_cycles": 4, "initiation_interval": 1, "estimated_clock_ns": 3.512,
                                        "latency_ns": 20, "dsp": 9, "ff": 4100, "lut": 30100, "bram18": 0, "uram": 0}


def test_vitis_text_says_what_the_xml_says():
    xml = parse(csynth.from_xml, VITIS / "syn/report/csynth.xml")
    text = parse(csynth.from_text, VITIS / "syn/report/veto_trigger_csynth.rpt")
    assert (text.values, text.available, text.top, text.tool) == (xml.values, xml.available, xml.top, xml.tool)
    assert text.modules == {
        "call_ret_scale_all_fu_180": {"bram18": 0, "dsp": 0, "ff": 0, "lut": 1730, "uram": 0},
        "grp_veto_network_fu_210": {"bram18": 3, "dsp": 14, "ff": 6012, "lut": 38500, "uram": 0},
    }


def test_vitis_summary_has_the_functions_but_no_clock():
    r = parse(csynth.from_summary, VITIS / "syn/report/csynth.rpt")
    assert r.values["latency_cycles"] == 12 and r.values["lut"] == 40742 and r.values["uram"] == 0
    assert r.clock_ns is None and r.values["latency_ns"] is None and "no clock" in r.reasons["latency_ns"]
    assert list(r.modules) == ["scale_all", "veto_network", "dense_first", "dense_second"]
    assert r.modules["dense_second"] | {} == {
        "latency_cycles": 3, "initiation_interval": 1, "estimated_clock_ns": None, "latency_ns": None,
        "bram18": 3, "dsp": 5, "ff": 1912, "lut": 8400, "uram": 0}


def test_vivado_hls_text_and_xml():
    text = parse(csynth.from_text, VIVADO / "muon_trigger_csynth.rpt")
    xml = parse(csynth.from_xml, VIVADO / "muon_trigger_csynth.xml")
    assert text.values == xml.values == {
        "latency_cycles": 14, "latency_ns": 70, "initiation_interval": 2, "estimated_clock_ns": 4.301, "bram18": 2,
        "dsp": 120, "ff": 3400, "lut": 9100, "uram": 0}
    assert text.tool == xml.tool == "Vivado HLS 2019.1" and text.part == xml.part == "xc7vx690tffg1927-2"
    assert text.available == xml.available and text.modules["grp_dense_latency_fu_77"]["dsp"] == 120


@pytest.mark.parametrize(("parser", "name"), [(csynth.from_text, "jet_finder_csynth.rpt"),
                                              (csynth.from_xml, "jet_finder_csynth.xml")])
def test_a_latency_without_bound_is_none_with_a_reason(parser, name):
    r = parse(parser, OPEN / name)
    for key in ("latency_cycles", "latency_ns", "initiation_interval"):
        assert r.values[key] is None and r.reasons[key] == "the tool could not bound it"
    assert (r.values["estimated_clock_ns"], r.values["lut"], r.values["bram18"]) == (6.912, 488, 0)
    assert r.modules == {}  # the table of expressions is none of functions


def test_cosim():
    passed = parse(cosim.parse, VITIS / "sim/report/veto_trigger_cosim.rpt")
    assert (passed.tool, passed.reasons) == ("xsim", {})
    assert passed.values == {"cosim_pass": 1, "latency_min": 12, "latency_mean": 12, "latency_cycles": 13,
                             "interval_min": 1, "interval_mean": 1, "initiation_interval": 1}
    failed = parse(cosim.parse, VIVADO / "muon_trigger_cosim.rpt")
    assert failed.values["cosim_pass"] == 0 and failed.values["latency_cycles"] == 14
    assert failed.values["initiation_interval"] is None and "single" in failed.reasons["initiation_interval"]


FAILED = "      Fail|             14|             14|             14|"


@pytest.mark.parametrize("cells", [
    "      Fail|             NA|             NA|             NA|",
    "        NA|             NA|             NA|             NA|",
    "     NA/NA|          NA/NA|          NA/NA|          NA/NA|",
])
def test_a_cosimulation_that_never_ran_is_no_mismatch(cells):
    text = (VIVADO / "muon_trigger_cosim.rpt").read_text()
    assert FAILED in text
    r = cosim.parse(text.replace(FAILED, cells), "muon_trigger_cosim.rpt")
    assert set(r.values.values()) == {None} and "did not run" in r.reasons["cosim_pass"] and r.remarks
    assert r.top == "muon_trigger"


def test_of_two_simulated_languages_the_one_that_disagrees_counts():
    text = (VITIS / "sim/report/veto_trigger_cosim.rpt").read_text()
    (verilog,) = (line for line in text.splitlines() if "Verilog|" in line)
    both = "\n".join(verilog.replace("Verilog", "   VHDL") if "VHDL|" in line else line for line in text.splitlines())
    assert cosim.parse(both, "x").values["cosim_pass"] == 1
    assert cosim.parse(both.replace(verilog, verilog.replace("Pass", "Fail")), "x").values["cosim_pass"] == 0


def test_utilization_of_both_generations():
    routed = parse(vivado.utilization, VITIS / "impl/verilog/report/veto_trigger_utilization_routed.rpt")
    assert (routed.step, routed.state, routed.tool, routed.part) == (
        "route", "", "Vivado 2024.2", "xcvu9p-flga2104-2-e")
    # 1 of 36 kbit and 1 of 18 kbit
    assert routed.values == {"lut": 8866, "srl": 17, "ff": 5902, "bram18": 3, "uram": 0, "dsp": 13}
    assert routed.available == VU9P
    synth = parse(vivado.utilization, VITIS / "impl/verilog/report/veto_trigger_utilization_synth.rpt")
    assert (synth.step, synth.values["lut"]) == ("vsynth", 9120)
    old = parse(vivado.utilization, VIVADO / "vivado_synth.rpt")
    assert (old.step, old.tool, old.part) == ("vsynth", "Vivado 2019.1", "xc7vx690tffg1927-2")
    assert old.values == {"lut": 2190, "srl": 40, "ff": 1790, "bram18": 2, "dsp": 118}


def test_utilization_says_when_it_is_only_placed():
    text = (VITIS / "impl/verilog/report/veto_trigger_utilization_routed.rpt").read_text()
    placed = vivado.utilization(text.replace("Design State : Routed", "Design State : Fully Placed"), "x")
    assert (placed.step, placed.state) == ("route", "Fully Placed")
    with pytest.raises(ReportError, match="neither that the design is synthesized nor that it is routed"):
        vivado.utilization(text.replace("Design State : Routed", "Design State : ?"), "x.rpt")


UTIL = VITIS / "impl/verilog/report/veto_trigger_utilization_routed.rpt"


@pytest.mark.parametrize(("state", "step", "kept"), [
    ("Synthesized", "vsynth", ""), ("Optimized", "vsynth", "Optimized"), ("Fully Placed", "route", "Fully Placed"),
    ("Physopt postPlace", "route", "Physopt postPlace"), ("Partially Routed", "route", "Partially Routed"),
    ("Routed", "route", ""), ("Fully Routed", "route", ""), ("Physopt postRoute", "route", "Physopt postRoute"),
])
def test_design_states(state, step, kept):
    # The name of the file does not count beside the state.
    r = vivado.utilization(UTIL.read_text().replace(": Routed", f": {state}"), "router_synth.rpt")
    assert (r.step, r.state) == (step, kept)


@pytest.mark.parametrize(("name", "step", "state"), [
    ("router_timing_synth.rpt", "vsynth", ""), ("synth_test_timing_routed.rpt", "route", ""),
    ("model_post_route_timing.rpt", "route", ""), ("model_post_place_timing.rpt", "route", "Fully Placed"),
    ("bd_0_wrapper_timing_summary_postroute_physopted.rpt", "route", "Physopt postRoute"),
    ("x_timing_summary_opted.rpt", "vsynth", "Optimized"),
    ("x_timing_summary_physopted.rpt", "route", "Physopt postPlace"),
])
def test_of_a_report_without_state_the_last_word_of_its_name_counts(name, step, state):
    text = (ALKAID / "model_post_route_timing.rpt").read_text()
    assert "Design State" not in text
    r = vivado.timing(text, name)
    assert (r.step, r.state) == (step, state)
    assert ("hold_slack_ns" in r.values) == (step == "route")


def test_paths_that_were_timed_tell_the_step_where_nothing_else_does():
    text = (ALKAID / "model_post_route_timing.rpt").read_text()
    with pytest.raises(ReportError, match="neither that the design is synthesized"):
        vivado.timing(text, "timing.rpt")
    net = "                         net (fo=5, {})           0.297     0.428    fsm2/pd21_out\n"
    assert vivado.timing(text + net.format("routed"), "timing.rpt").step == "route"
    assert vivado.timing(text + net.format("unplaced"), "timing.rpt").step == "vsynth"


def test_counts_of_a_part_of_the_design_are_none_of_the_whole():
    text = UTIL.read_text()
    with pytest.raises(ReportError, match=r"a part of the design \(-cells\)"):
        vivado.utilization(text.replace("report_utilization", "report_utilization -cells [get_cells a]"), "x")
    title = "9. Black Boxes"
    boxes = f"\n{title}\n--------------\n\n+----------+------+\n| Ref Name | Used |\n+----------+------+\n"
    listed = text.replace("4. ARITHMETIC\n\n", f"4. ARITHMETIC\n{title}\n\n", 1)
    assert vivado.utilization(f"{listed}{boxes}", "x").values["lut"] == 8866
    with pytest.raises(ReportError, match=r"black boxes in the design \(bd_0_hls_inst_0\)"):
        vivado.utilization(f"{listed}{boxes}| bd_0_hls_inst_0 |    1 |\n+----------+------+\n", "x")


def test_a_head_may_span_columns():
    r = parse(csynth.from_summary, REPORTS / "vitis_hls_2025.1" / "csynth.rpt")
    assert (r.tool, r.top, r.part) == ("Vitis HLS 2025.1", "jet_tagger", "xcu250-figd2104-2L-e")
    assert r.values == {"latency_cycles": 9, "initiation_interval": 1, "estimated_clock_ns": None, "latency_ns": None,
                        "bram18": 2, "dsp": 31, "ff": 5120, "lut": 27310, "uram": 0}
    assert {m: c["latency_cycles"] for m, c in r.modules.items()} == {"scale_all": 0, "jet_network": 8}


def test_heads_below_a_wide_one_are_told_apart():
    head = ["|  Name  |  Latency (cycles) |  Interval |", "|        |   min   |   max   | min | max |"]
    assert heads(head) == ["Name", "Latency (cycles) min", "Latency (cycles) max", "Interval min", "Interval max"]


@pytest.mark.parametrize(("version", "tool"), [
    ("2018.3", "Vivado HLS 2018.3"), ("2019.1", "Vivado HLS 2019.1"), ("2019.2", "Vivado or Vitis HLS 2019.2"),
    ("2020.1", "Vivado or Vitis HLS 2020.1"), ("2020.2", "Vitis HLS 2020.2"), ("2024.2", "Vitis HLS 2024.2"),
])
def test_xml_names_the_tool_where_its_version_tells_it(version, tool):
    text = (REPORTS / "vivado_hls_2020.1" / "tau_trigger_csynth.xml").read_text()
    assert "<PipelineType>" in text  # of both tools
    assert csynth.from_xml(text.replace("2020.1", version), "x.xml").tool == tool


def test_hierarchy_begins_below_the_wrappers():
    r = parse(vivado.hierarchy, VITIS / "impl/verilog/report/veto_trigger_utilization_hierarchical_routed.rpt")
    assert r.values == {"lut": 8866, "srl": 17, "ff": 5902, "uram": 0, "dsp": 13, "bram18": 3}
    network = "grp_veto_network_fu_210"
    assert {m: c["lut"] for m, c in r.modules.items()} == {
        network: 7900, f"{network}/dense_first_U0": 6100, f"{network}/dense_first_U0/mul_6s_9s_U12": 41,
        f"{network}/dense_second_U0": 1800, "scale_all_U0": 900}


def test_timing_and_power():
    routed = parse(vivado.timing, VITIS / "impl/verilog/report/veto_trigger_timing_routed.rpt")
    assert routed.values == {"slack_ns": -0.214, "achieved_clock_ns": 5.214, "hold_slack_ns": 0.031}
    assert routed.clock_ns == 5 and routed.remarks == (
        "timing constraints are not met (setup: 9 endpoints fail, the worst by 0.214 ns)",)
    synth = parse(vivado.timing, VITIS / "impl/verilog/report/veto_trigger_timing_synth.rpt")
    assert synth.step == "vsynth" and synth.values == {"slack_ns": 0.873, "achieved_clock_ns": 4.127}
    assert synth.remarks == ()
    power = parse(vivado.power, VITIS / "impl/verilog/report/veto_trigger_power_routed.rpt")
    assert power.step == "route"
    assert power.values == {"power_w": 2.871, "dynamic_power_w": 0.361, "static_power_w": 2.51}


def test_violations_of_hold_and_registers_without_clock_are_told():
    r = parse(vivado.timing, ALKAID / "model_post_route_timing.rpt")
    assert r.values == {"slack_ns": 0.102, "achieved_clock_ns": 4.898, "hold_slack_ns": -0.041}
    assert r.part == "xcvu13p-flga2577-2"
    assert r.remarks == ("timing constraints are not met (hold: 7 endpoints fail, the worst by 0.041 ns)",
                         "3 registers have no clock")


def test_of_several_clocks_the_fastest_has_its_own_slack():
    text = (ALKAID / "model_post_route_timing.rpt").read_text()
    slow = "slow    {0.000 12.500}      25.000          40.000          "
    assert vivado.timing(text + "\n", "x_routed.rpt").values["achieved_clock_ns"] == 4.898
    fast = next(line for line in text.splitlines() if line.startswith("ap_clk"))
    text = text.replace(fast, f"{fast}\n{slow}")
    row = "{}   {}   0.000   0   9   0.031   0.000   0   9   2.225   0.000   0   9\n"
    r = vivado.timing(text + row.format("slow", "0.102") + row.format("ap_clk", "1.250"), "x_routed.rpt")
    assert (r.values["slack_ns"], r.values["achieved_clock_ns"], r.clock_ns) == (0.102, 3.75, 5)


NUMBERS = re.compile(r"(?m)^ +-0\.214 .*$")


@pytest.mark.parametrize("nothing", ["NA", "inf"])
def test_timing_without_constraints_is_none_with_a_reason(nothing):
    text = (VITIS / "impl/verilog/report/veto_trigger_timing_routed.rpt").read_text()
    text = NUMBERS.sub("      " + 12 * f"   {nothing}", text)
    text = text.replace("Timing constraints are not met.", "There are no user specified timing constraints.")
    # Lines of paths begin with a number, too.
    r = vivado.timing(text + "                     0.000     5.000 r  clk (IN)\n", "x_routed.rpt")
    assert r.values == dict.fromkeys(("slack_ns", "achieved_clock_ns", "hold_slack_ns"))
    assert "constrained" in r.reasons["slack_ns"]
    assert r.remarks == ("there are no timing constraints, so nothing was timed",)


def test_export_of_both_generations():
    new = parse(export.parse, VITIS / "impl/report/verilog/export_impl.rpt")
    assert (new.step, new.tool, new.part, new.clock_ns) == ("route", "Vivado 2024.2", "xcvu9p-flga2104-2-e", 5)
    assert new.values == {"lut": 8866, "ff": 5902, "srl": 17, "dsp": 13, "bram18": 3, "uram": 0,
                          "achieved_clock_ns": 5.214, "slack_ns": -0.214}
    old = parse(export.parse, VIVADO / "muon_trigger_export.rpt")
    assert (old.tool, old.part, old.values["lut"], old.values["achieved_clock_ns"]) == (
        "Vivado 2019.1", "xc7vx690tffg1927-2", 2011, 4.655)
    text = (VIVADO / "muon_trigger_export.rpt").read_text().replace("Post-Implementation", "Post-Synthesis")
    synth = export.parse(text, "x")
    assert (synth.step, synth.values["achieved_clock_ns"]) == ("vsynth", 3.912)


@pytest.mark.parametrize(("cell", "value"), [
    ("12", 12), (" ~0 ", 0), ("<0.01", 0.01), ("3 (~0%)", 3), ("131(0.11%)", 131), ("-0.214", -0.214), ("1.2e3", 1200),
    ("10 ~ 11", 11),
    ("-", None), ("?", None), ("undef", None), ("N/A", None), ("NA", None), ("", None), ("Unspecified*", None),
])
def test_numbers(cell, value):
    assert number(cell, "file", "what") == value


def test_what_is_no_number_is_named():
    with pytest.raises(ReportError, match=r"file: LUT: '12x' is not a number"):
        number("12x", "file", "LUT")


OTHER_KINDS = {"model_post_route_clock_util.rpt", "model_post_route_drc.rpt"}
ALL = [p for p in sorted(REPORTS.rglob("*")) if p.suffix in {".rpt", ".xml"} and p.name not in OTHER_KINDS]


@pytest.mark.parametrize("path", ALL, ids=lambda p: p.name)
def test_a_cut_off_report_is_an_error_or_says_what_is_missing(path, tmp_path):
    whole, part = read(path, path.name), tmp_path / path.name
    lines, refused = path.read_text().splitlines(keepends=True), 0
    for k in range(len(lines)):
        part.write_text("".join(lines[:k]))
        try:
            found = read(part, path.name)
        except ReportError as e:
            assert path.name in str(e) and "Remedy" in str(e)  # noqa: PT017 (an error is one of two answers)
            refused += 1
            continue
        for name, value in found.values.items():
            assert value == whole.values[name] or name in found.reasons, (k, name)
        assert all(whole.modules[m] == counts for m, counts in found.modules.items())
    assert refused > 5


def test_an_empty_report_is_an_error(tmp_path):
    part = tmp_path / "csynth.xml"
    part.write_text("\n")
    with pytest.raises(ReportError, match=r"csynth.xml: is empty"):
        read(part, part.name)


@pytest.mark.parametrize(("name", "old", "new", "said"), [
    ("syn/report/csynth.xml", "<LUT>40742</LUT>", "<LUT>-1</LUT>", "lut is -1"),
    ("syn/report/csynth.xml", "<LUT>40742</LUT>", "<LUT>many</LUT>", "'many' is not a number"),
    ("syn/report/csynth.xml", "<FF>7033</FF>", "<FF>236448001</FF>", "where the device holds"),
    ("syn/report/csynth.xml", "</AreaEstimates>\n    <InterfaceSummary/>", "", "not a whole XML file"),
    ("syn/report/veto_trigger_csynth.rpt", "|Total                |        3|    14|     7033|    40742|    0|", "",
     "ends before the total"),
    ("sim/report/veto_trigger_cosim.rpt", "Pass", "Pish", "neither Pass nor Fail"),
    ("impl/verilog/report/veto_trigger_utilization_routed.rpt", "| CLB Registers ", "| Clb ", "ends before"),
    ("impl/verilog/report/veto_trigger_utilization_hierarchical_routed.rpt", "dense_second_U0        |",
     "dense_second_U0", "10 cells in the row of dense_second_U0"),
    ("syn/report/veto_trigger_csynth.rpt", "|grp_veto_network_fu_210    |veto_network   |        3|",
     "|grp_veto_network_fu_210    |veto_network   |", "6 cells in the row of grp_veto_network_fu_210"),
    ("syn/report/csynth.rpt", "|         -|        1|     -|       yes|  3 (~0%)|", "|", "in the row of"),
])
def test_nonsense_is_named(name, old, new, said, tmp_path):
    text = (VITIS / name).read_text()
    path = tmp_path / Path(name).name
    assert old in text
    path.write_text(text.replace(old, new, 1))
    with pytest.raises(ReportError, match=said):
        read(path, path.name)


def test_a_file_of_another_kind_is_an_error(tmp_path):
    path = tmp_path / "my_timing.rpt"
    path.write_text("nothing to see\n")
    with pytest.raises(ReportError, match="no report of Vivado HLS, Vitis HLS or Vivado that is known"):
        read(path, path.name)
