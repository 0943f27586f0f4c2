"""The vendor script, run by Python's own Tcl interpreter with stand-ins for the vendor's commands."""

import pytest
import toy_trigger as toy

COMMANDS = (
    "open_project", "set_top", "add_files", "open_solution", "set_part", "create_clock", "set_clock_uncertainty",
    "config_compile", "config_schedule", "config_array_partition", "csim_design", "csynth_design", "cosim_design",
    "config_export", "export_design", "exit",
)


@pytest.fixture(scope="module", params=["Vitis", "Vivado"])
def project(request, tmp_path_factory):
    return toy.convert(toy.trigger(), tmp_path_factory.mktemp("convert"), toy.events(5), backend=request.param)


def run_script(project, fails=(), **environment):
    tkinter = pytest.importorskip("tkinter", reason="this Python has no Tcl")
    try:
        tcl = tkinter.Tcl()
    except tkinter.TclError as e:
        pytest.skip(f"this Python's Tcl does not start: {e}")
    told = []

    def tell(command, *arguments):
        told.append((command, *arguments))
        if command in fails:
            raise RuntimeError(f"{command} fails")

    for command in COMMANDS:
        tcl.createcommand(command, lambda *arguments, c=command: tell(c, *arguments))
    for name, value in environment.items():
        tcl.setvar(f"env({name})", value)
    try:
        tcl.call("source", str(project.project / "build.tcl"))
    finally:
        for name in environment:
            tcl.unsetvar(f"env({name})")
    return told


def test_whole_trigger_function_is_built(project):
    told = run_script(project)
    assert ("set_top", "toy_trigger") in told
    assert ("set_part", project.part) in told
    assert ("create_clock", "-period", "5.0", "-name", "default") in told
    files = [arguments for command, *arguments in told if command == "add_files"]
    for arguments in files:
        path = next(a for a in arguments if a != "-tb")
        assert (project.project / path).exists(), path
    steps = [command for command, *_ in told if command.endswith("_design")]
    assert steps == ["csim_design", "csynth_design"]


def test_steps_are_switched_by_the_environment(project):
    told = run_script(project, L1TRIGGER_CSIM="0", L1TRIGGER_CSYNTH="1", L1TRIGGER_COSIM="1", L1TRIGGER_EXPORT="1")
    steps = [command for command, *_ in told if command.endswith("_design")]
    assert steps == ["csynth_design", "cosim_design", "export_design"]


@pytest.mark.parametrize(("steps", "flow"), [(("VSYNTH",), "syn"), (("ROUTE",), "impl"), (("VSYNTH", "ROUTE"), "impl")])
def test_synthesis_and_place_and_route(project, steps, flow):
    told = run_script(project, **{f"L1TRIGGER_{s}": "1" for s in steps})
    assert [c for c in told if c[0].endswith("export_design")] == [
        ("export_design", "-flow", flow, "-format", "ip_catalog")]
    assert ("config_export", "-vivado_report_level", "2") in told


def test_a_cosimulation_that_fails_does_not_stop_the_rest(project):
    told = run_script(project, ("cosim_design", "config_export"), L1TRIGGER_COSIM="1", L1TRIGGER_ROUTE="1")
    steps = [command for command, *_ in told if command.endswith("_design")]
    assert steps == ["csim_design", "csynth_design", "cosim_design", "export_design"]
