"""The command line: help, exit statuses, messages without tracebacks, and what importing costs."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

import l1trigger
from l1trigger import doctor, pipeline
from l1trigger.cli import app
from l1trigger.errors import ArgumentError, BitMismatchError, DesignError, argument
from l1trigger.stages import NAMES

DESIGN = """
name: tiny
data: {source: zerobias}
model: {architecture: autoencoder}
compress: {score: student}
"""


@pytest.fixture
def design(tmp_path: Path) -> Path:
    path = tmp_path / "tiny.yaml"
    path.write_text(DESIGN)
    return path


def call(*words: object) -> tuple[int, str, str]:
    done = CliRunner().invoke(app, [str(w) for w in words])
    assert "Traceback" not in done.output
    return done.exit_code, done.stdout, done.stderr


@pytest.mark.parametrize("command", ["run", *NAMES, "check", "schema", "doctor", "show"])
def test_every_command_has_help(command: str) -> None:
    code, out, _ = call(command, "--help")
    assert code == 0
    assert "Usage" in out


@pytest.mark.parametrize(
    "words",
    [("run",), ("run", "a.yaml", "--sparsity"), ("flie",), ("run", "a.yaml", "--seeds", "0"), ("data", "make", "x")],
)
def test_usage_errors(words: tuple[str, ...]) -> None:
    assert call(*words)[0] == 2


def test_version() -> None:
    assert call("--version")[1].strip() == f"l1trigger {l1trigger.__version__}"


@pytest.mark.parametrize("stage", [*NAMES])
def test_a_stage_command_runs_up_to_it(design: Path, monkeypatch: pytest.MonkeyPatch, stage: str) -> None:
    seen = {}

    def run(asked, runs, start, stop, quick, display):
        seen.update(stop=stop, quick=quick, file=asked.file, epochs=asked.train.epochs, seeds=asked.train.seeds)
        return pipeline.Run(runs, None, {})

    monkeypatch.setattr(pipeline, "run", run)
    code, _, err = call(stage, design, "--quick", "--set", "train.epochs=7", "--seeds", "3")
    assert (code, err) == (0, "")
    assert seen == {
        "stop": stage, "quick": True, "file": design, "epochs": 7, "seeds": 3
    }


@pytest.mark.parametrize(
    ("error", "code", "message"),
    [
        (BitMismatchError("quantized and csim differ"), 1, "l1trigger: quantized and csim differ\n"),
        (DesignError("a.yaml", "data.signals", "there is no signal"), 2, "a.yaml: data.signals: there is no signal"),
        (ArgumentError("start", "is wrong", f"leave {argument('stop')} out"), 2,
         "l1trigger: --from: is wrong. Remedy: leave --to out"),
        (ArgumentError("committed", "is wrong"), 2, "l1trigger: `committed=`: is wrong"),
        (KeyboardInterrupt(), 130, "l1trigger: interrupted; run the same command again to continue\n"),
    ],
)
def test_errors(
    design: Path, monkeypatch: pytest.MonkeyPatch, error: BaseException, code: int, message: str
) -> None:
    def run(*args: object, **more: object) -> None:
        raise error

    monkeypatch.setattr(pipeline, "run", run)
    found = call("run", design)
    assert found[0] == code
    assert message in found[2]


def test_interrupting_a_process(design: Path) -> None:
    """Ctrl-C in a terminal reaches the command as SIGINT."""
    code = (
        "import sys, time\nfrom l1trigger import pipeline\nfrom l1trigger.cli import main\n"
        "def run(*a, **more):\n    print('running', flush=True)\n    time.sleep(60)\n"
        f"pipeline.run = run\nsys.argv = ['l1trigger', 'run', {str(design)!r}]\nmain()\n"
    )
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as p:
        assert p.stdout is not None
        assert p.stdout.readline() == "running\n"
        p.send_signal(signal.SIGINT)
        _, err = p.communicate(timeout=60)
    assert p.returncode == 130
    assert err == "l1trigger: interrupted; run the same command again to continue\n"


def test_schema_is_json() -> None:
    code, out, _ = call("schema")
    assert code == 0
    assert json.loads(out)["properties"]["train"]


def test_doctor_exits_with_1_when_something_is_broken(monkeypatch: pytest.MonkeyPatch) -> None:
    facts = doctor.Facts(python=(3, 11, 0), system="Linux x86_64", packages={})
    monkeypatch.setattr(doctor, "gather", lambda: facts)
    code, out, _ = call("doctor")
    assert code == 1
    assert "Needs mending" in out


def test_show_without_a_report(tmp_path: Path) -> None:
    code, _, err = call("show", tmp_path)
    assert code == 2
    assert "Remedy: run the stage report" in err


def test_info_of_an_absent_file(tmp_path: Path) -> None:
    code, _, err = call("data", "info", tmp_path / "none.h5")
    assert code == 2
    assert "none.h5" in err


def test_make_into_a_file(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    code, _, err = call("data", "make", "zerobias", "--out", tmp_path / "file")
    assert code == 2
    assert "cannot be made" in err


def imports_of(code: str) -> set[str]:
    done = subprocess.run(
        [sys.executable, "-c", f"{code}\nimport sys; print(*sys.modules)"], capture_output=True, text=True, check=True
    )
    return {name.partition(".")[0] for name in done.stdout.split()}


HEAVY = {"tensorflow", "tf_keras", "keras", "qkeras", "hls4ml", "pandas", "sklearn", "matplotlib", "h5py", "scipy"}


def test_importing_the_package_loads_nothing_heavy() -> None:
    assert not imports_of("import l1trigger") & (HEAVY | {"numpy", "pydantic"})
    assert not imports_of("import l1trigger.cli") & (HEAVY | {"numpy", "pydantic"})


def test_public_names() -> None:
    for name in l1trigger.__all__:
        assert getattr(l1trigger, name) is not None
    assert set(dir(l1trigger)) == set(l1trigger.__all__)
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = l1trigger.nothing
