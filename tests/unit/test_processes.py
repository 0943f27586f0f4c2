"""Every kind of program through the one runner: what it leaves in its log, and that nothing of it goes on."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from pathlib import Path

import pytest

from l1trigger import doctor, processes
from l1trigger.convert.result import ConvertResult
from l1trigger.csim import compile, simulate
from l1trigger.csim.compile import Executable
from l1trigger.design import CsimSection
from l1trigger.errors import ToolFailedError, ToolNotFoundError
from l1trigger.sections import SynthSection, VendorSection
from l1trigger.synth import vendor_tools, verilator
from l1trigger.synth.rtl import Rtl
from l1trigger.synth.synthesizer import Module
from l1trigger.synth.yosys import Yosys

LIMIT_S = 3.0
LATER_S = 60
"""When a child that was forgotten would write its file."""


def script(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return path


def with_child(path: Path, marker: Path, before: str = "") -> Path:
    """A program that starts a child, which writes a file later, and waits for it."""
    return script(path, f"{before}\n{child(marker)}\nwait")


def child(marker: Path) -> str:
    """Starts a child, and tells its process number."""
    return f"(sleep {LATER_S}; echo survived > '{marker}') &\necho $! > '{marker}.child'$$"


def alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state not in ("Z", "X")


def children(marker: Path) -> list[int]:
    """Process numbers of the children that programs told of, each in a file of its own beside the marker."""
    said = [path.read_text() for path in marker.parent.glob(f"{marker.name}.child*")]
    return [int(number) for number in said if number]


def require_gone(marker: Path) -> None:
    """Children were started, live no more, and wrote nothing."""
    pids = children(marker)
    until = time.monotonic() + 2
    while any(map(alive, pids)) and time.monotonic() < until:
        time.sleep(0.02)
    assert pids and not any(map(alive, pids)) and not marker.exists()


def plain(program: Path, folder: Path) -> None:
    processes.run("program", [str(program)], folder / "log", LIMIT_S)


def compiler(program: Path, folder: Path) -> None:
    project = folder / "project"
    (project / "firmware").mkdir(parents=True)
    (project / "csim_main.cpp").write_text("")
    converted = ConvertResult(project, "toy", "Vitis", "xcvu9p", 5.0, {}, {})
    compile.build(converted, CsimSection(compiler=str(program), time_limit_s=LIMIT_S), folder)


def simulation(program: Path, folder: Path) -> None:
    import toy_trigger as toy

    section = CsimSection(processes=2, time_limit_s=LIMIT_S)
    simulate.simulate(Executable(program, "0" * 16, "g++", 0.0), toy.events(10), 1, section, folder)


def rtl(folder: Path) -> Rtl:
    source = folder / "model.v"
    source.write_text("module model(input clk, input model_inp, output model_out); assign model_out = 0; endmodule\n")
    return Rtl((source,), (), (), (1.0,), 1)


def rtl_compiler(program: Path, folder: Path) -> None:
    verilator.build(rtl(folder), folder / "build", str(program), LIMIT_S)


def rtl_simulation(program: Path, folder: Path) -> None:
    import numpy as np

    verilator.Simulator(program, rtl(folder), folder / "log", LIMIT_S).run(np.zeros((1, 0)), ())


def vendor_tool(program: Path, folder: Path) -> None:
    (folder / "project").mkdir()
    converted = ConvertResult(folder / "project", "toy", "Vitis", "xcvu9p", 5.0, {}, {})
    section = VendorSection(tool=str(program), time_limit_s=LIMIT_S)
    vendor_tools.run(converted, section, folder / "out", folder / "work")


VERSION = '[ "$1" = --version ] && echo fake 1.0 && exit 0'
KINDS = {
    "a program": (plain, "program", ""),
    "the C++ compiler of the C-simulation": (compiler, "fake-g++", VERSION),
    "the C++ compiler asked for its version": (compiler, "fake-g++", ""),
    "the C-simulation": (simulation, "csim", ""),
    "the C++ compiler of the RTL simulation": (rtl_compiler, "fake-g++", ""),
    "the RTL simulation": (rtl_simulation, "sim", ""),
    "a vendor's tool": (vendor_tool, "vitis-run", ""),
}


@pytest.mark.parametrize("kind", KINDS)
def test_no_child_outlives_the_time_limit(kind, tmp_path):
    start, name, before = KINDS[kind]
    marker = tmp_path / "marker"
    program = with_child(tmp_path / "bin" / name, marker, before)
    with pytest.raises(ToolFailedError, match="ran past its time limit"):
        start(program, tmp_path)
    require_gone(marker)


def test_no_child_of_yosys_outlives_the_time_limit(tmp_path, monkeypatch):
    marker = tmp_path / "marker"
    monkeypatch.setattr(sys, "executable", str(with_child(tmp_path / "python", marker)))
    synthesizer = Yosys(SynthSection(time_limit_s=LIMIT_S))
    with pytest.raises(ToolFailedError, match="yosys ran past its time limit"):
        synthesizer.synthesize(Module(rtl(tmp_path).sources, "xcvu9p"), tmp_path / "yosys")
    require_gone(marker)


def test_no_child_outlives_its_program(tmp_path):
    """A program that fails, or ends well, and leaves a child behind."""
    for status in (0, 3):
        marker = tmp_path / f"marker{status}"
        program = script(tmp_path / f"program{status}", f"{child(marker)}\nexit {status}")
        if status:
            with pytest.raises(ToolFailedError, match="exit status 3"):
                plain(program, tmp_path)
        else:
            plain(program, tmp_path)
        require_gone(marker)


@pytest.fixture
def interrupted():
    """Interrupts the main thread as ctrl-C does, once a program has started its child."""
    def begin(marker: Path) -> None:
        def interrupt() -> None:
            while not children(marker):
                time.sleep(0.02)
            time.sleep(0.1)
            os.kill(os.getpid(), signal.SIGINT)

        threading.Thread(target=interrupt, daemon=True).start()

    return begin


def test_an_interruption_ends_a_program(tmp_path, interrupted):
    marker = tmp_path / "marker"
    program = with_child(tmp_path / "program", marker)
    interrupted(marker)
    with pytest.raises(KeyboardInterrupt):
        processes.run("program", [str(program)], tmp_path / "log", 60)
    require_gone(marker)


def test_an_interruption_ends_programs_side_by_side_and_those_that_wait(tmp_path, interrupted):
    program = script(tmp_path / "program", f"(sleep {LATER_S}; echo > $1) &\necho $! > $1.child$$\nwait")
    markers = [tmp_path / f"marker{i}" for i in range(4)]

    def one(marker: Path) -> None:
        processes.run("program", [str(program), str(marker)], tmp_path / f"{marker.name}.log", 60)

    interrupted(markers[1])
    began = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        processes.run_each(one, markers, 2)
    assert time.monotonic() - began < LATER_S / 2
    for marker in markers[:2]:
        require_gone(marker)
    assert not any(children(marker) for marker in markers[2:])


def test_a_failure_ends_the_others(tmp_path):
    marker = tmp_path / "marker"
    slow = with_child(tmp_path / "slow", marker)
    fails = script(tmp_path / "fails", f"while ! ls '{marker}.child'*; do sleep 0.05; done; exit 3")
    with pytest.raises(ToolFailedError, match="fails failed with exit status 3"):
        processes.run_each(
            lambda p: processes.run(p.name, [str(p)], tmp_path / f"{p.name}.log", 60), [fails, slow], 2
        )
    require_gone(marker)


def test_results_are_in_order(tmp_path):
    assert processes.run_each(lambda n: n * n, range(5), 3) == [0, 1, 4, 9, 16]


@pytest.mark.parametrize(("text", "limit", "code"), [("exit 3", 9, 3), ("sleep 9", 0.2, None), ("kill -9 $$", 9, -9)])
def test_a_failing_program_leaves_its_log(tmp_path, text, limit, code):
    with pytest.raises(ToolFailedError, match="words") as e:
        processes.run("sh", ["sh", "-c", f"echo words; {text}"], tmp_path / "log", limit)
    assert e.value.return_code == code and "words" in (tmp_path / "log").read_text()


def test_an_error_ends_with_what_this_call_said(tmp_path):
    processes.run("sh", ["sh", "-c", "echo before"], tmp_path / "log", 9)
    with pytest.raises(ToolFailedError, match=r"ended with:\nnow$"):
        processes.run("sh", ["sh", "-c", "echo now; exit 1"], tmp_path / "log", 9)
    assert "before" in (tmp_path / "log").read_text()


def test_the_end_of_a_long_log_is_shown(tmp_path):
    with pytest.raises(ToolFailedError, match=r"\n81\n(.*\n)*100$") as e:
        processes.run("seq", ["sh", "-c", "seq 100; exit 1"], tmp_path / "log", 9)
    assert "\n80\n" not in str(e.value)


def test_a_program_that_is_not_there(tmp_path):
    with pytest.raises(ToolNotFoundError, match="tool cannot be run: there is no program 'no-such-tool'"):
        processes.run("tool", ["no-such-tool"], tmp_path / "log", 9)
    with pytest.raises(ToolNotFoundError, match="It needs 'no-such-tool', which is not on PATH. Remedy: install it"):
        processes.find("no-such-tool", "It needs", "install it")


def test_a_program_that_cannot_be_started(tmp_path):
    program = tmp_path / "program"
    program.write_text("no program")
    with pytest.raises(ToolFailedError, match="exit status 126(.*\n)*cannot be started"):
        plain(program, tmp_path)


def test_environment_and_folder(tmp_path):
    log = tmp_path / "log"
    processes.run("sh", ["sh", "-c", "echo $L1TRIGGER_WORD; pwd"], log, 9, {"L1TRIGGER_WORD": "x"}, tmp_path)
    assert log.read_text().splitlines()[1:] == ["x", str(tmp_path)]


def test_the_doctor_asks_a_compiler_that_does_not_run(tmp_path, monkeypatch):
    script(tmp_path / "g++", "exit 4")
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    assert doctor.gather().tools["g++"].endswith(", does not run (exit status 4)")
    script(tmp_path / "g++", "echo; echo compiler 1.2")
    assert doctor.gather().tools["g++"].endswith(", compiler 1.2")


def test_no_other_module_starts_programs():
    package = Path(processes.__file__).parent
    users = [p.name for p in package.rglob("*.py") if "subprocess" in p.read_text()]
    assert users == ["processes.py"]
