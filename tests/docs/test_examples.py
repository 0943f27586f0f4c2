"""Every example on the pages works: commands and Python run, fragments of designs load.

What takes minutes is only held against the command line: the command, its options, design files, settings and stages.
"""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml
from readmes import ROOT, Block, blocks
from typer.main import get_command
from typer.testing import CliRunner

from l1trigger import design, stages
from l1trigger.cli import app
from l1trigger.farm import ClusterFile

TAKES_MINUTES = frozenset({
    "run", *(s.name for s in stages.STAGES), "stage", "bits", "rate", "pool", "zerobias", "adc2021",
    "showers",
})
"""Commands that are not run here but read, with all their options; everything else runs."""
OTHER_PROGRAMS = frozenset({"cd", "git", "ruff", "mypy", "pytest", "pre-commit"})


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder in which examples may write, with what they read: shipped designs, and reports of runs of them."""
    for name in ("models", ".ci"):
        shutil.copytree(ROOT / name, tmp_path / name)
    (tmp_path / "samples").symlink_to(ROOT / "l1trigger" / "data" / "samples")
    _reports_of("anomaly", tmp_path / "my_prj")
    for name in ("my_model.keras", "my_garnet.h5"):
        (tmp_path / name).touch()
    for report in (ROOT / "models" / "reports").glob("*.json"):
        for runs in ("runs", "my_runs"):
            folder = tmp_path / runs / report.stem
            folder.mkdir(parents=True)
            shutil.copy(report, folder / "report.json")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def _reports_of(design: str, folder: Path) -> None:
    """Vendors' reports of the firmware of a design."""
    made = ROOT / "tests" / "reports" / "vitis_hls_2024.2"
    for path in made.rglob("*.*"):
        if path.is_file():
            own = folder / path.relative_to(made).as_posix().replace("veto_trigger", f"{design}_trigger")
            own.parent.mkdir(parents=True, exist_ok=True)
            own.write_text(path.read_text().replace("veto_trigger", f"{design}_trigger"))


def commands(block: Block) -> Iterator[list[str]]:
    """The commands of a block, without its comments."""
    for line in block.text.replace("\\\n", " ").splitlines():
        if words := shlex.split(line, comments=True):
            yield words


@pytest.mark.parametrize("block", blocks("sh"), ids=str)
def test_commands_work(block: Block, checkout: Path) -> None:
    for program, *arguments in commands(block):
        if program == "l1trigger":
            _call(arguments)
        elif program == "make":
            _dry_run(arguments)
        elif program == "python":
            assert (ROOT / arguments[0]).is_file(), f"{block}: {arguments[0]} does not exist"
        else:
            assert program in OTHER_PROGRAMS, f"{block}: {program} is no program that an example may call"


def _call(arguments: Sequence[str]) -> None:
    """Runs a command, or only reads it where it takes minutes."""
    shown = f"l1trigger {shlex.join(arguments)}"
    name, options = _read(arguments)
    if name not in TAKES_MINUTES:
        status, output = _result(tuple(arguments)) if name == "check" else _invoked(arguments)
        assert status == 0, f"{shown}: exit status {status}\n{output}"
    if options.get("design") is not None:
        design.load(options["design"], list(options.get("settings") or ()))
    for stage in (options.get("start"), options.get("stop")):
        assert stage is None or stage in stages.NAMES, f"{shown}: there is no stage {stage}"


def _invoked(arguments: Sequence[str]) -> tuple[int, str]:
    """Exit status and output of a command."""
    result = CliRunner().invoke(app, list(arguments))
    return result.exit_code, result.output


@cache
def _result(arguments: tuple[str, ...]) -> tuple[int, str]:
    """The same of a command that leaves nothing behind, so that once is enough for all pages."""
    return _invoked(arguments)


def _read(arguments: Sequence[str]) -> tuple[str, dict[str, Any]]:
    """The command that arguments call, and its options, without running it."""
    called: dict[str, dict[str, Any]] = {}

    def replace(group: Any) -> None:
        for name, command in group.commands.items():
            if hasattr(command, "commands"):
                replace(command)
            else:
                command.callback = lambda name=name, **options: called.update({name: options})

    group = get_command(app)
    replace(group)
    group.main(args=list(arguments), prog_name="l1trigger", standalone_mode=False)
    ((name, options),) = called.items()
    return name, options


def _dry_run(arguments: Sequence[str]) -> None:
    """Lets ``make`` say what it would do: every target is there, and every value that a command takes can be had."""
    result = subprocess.run(
        ["make", "--dry-run", f"BIN={Path(sys.executable).parent}", *arguments], cwd=ROOT, check=False, text=True,
        capture_output=True, env={k: v for k, v in os.environ.items() if not k.startswith(("MAKE", "MFLAGS"))},
    )
    assert result.returncode == 0 and not result.stderr, f"make {shlex.join(arguments)}: {result.stderr}"


@pytest.mark.parametrize("block", blocks("python"), ids=str)
def test_python_runs(block: Block, checkout: Path) -> None:
    exec(compile(block.text, str(block), "exec"), {})


@pytest.mark.parametrize("block", blocks("yaml"), ids=str)
def test_designs_load(block: Block, checkout: Path) -> None:
    """A whole design as it is; a fragment in place of, or within, the sections of the design that its fence names.

    A fence may also name another kind of file.
    """
    given = yaml.load(block.text, design._Loader)
    if block.info == "cluster":
        ClusterFile.model_validate(given)
        return
    if "name" not in given:
        assert block.info, f"{block}: name the design that this fragment changes behind the word yaml"
        whole = yaml.load((ROOT / block.info).read_text(encoding="utf-8"), design._Loader)
        given = _merged(whole, given)
    design.from_mapping(given)


def _merged(whole: dict[str, Any], fragment: dict[str, Any]) -> dict[str, Any]:
    """Settings with others put in; a section that names its plugin replaces the whole section."""
    plugin_keys = {"source", "architecture", "score"}
    return whole | {
        key: _merged(whole[key], value)
        if isinstance(value, dict) and isinstance(whole.get(key), dict) and not plugin_keys & value.keys() else value
        for key, value in fragment.items()
    }


def test_there_are_examples_of_every_kind() -> None:
    assert all(len(blocks(language)) > 0 for language in ("sh", "python", "yaml"))
    assert {b.language for b in blocks("sh", "python", "yaml", "")} <= {"sh", "python", "yaml", ""}
