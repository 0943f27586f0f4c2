"""The library as a Python user has it: in a process of its own, in an empty folder, without the command line."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

import l1trigger

PACKAGE = Path(l1trigger.__file__).parent
MODELS = Path(__file__).parents[2] / "models"
OPTION = re.compile(r"(?<![\w-])--[a-z]")
COMMAND = re.compile(r"`?l1trigger [a-z].*")
"""A whole command, which can be read without a command line at hand."""


def script(folder: Path, code: str) -> str:
    """What a script prints."""
    done = subprocess.run([sys.executable, "-c", code], cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout


@pytest.mark.slow
def test_from_committed_weights_to_the_report(tmp_path: Path) -> None:
    told = script(tmp_path, f"""
import l1trigger
path = "{MODELS / "digits_cnn.yaml"}"
design = l1trigger.load_design(path, ["synth.route=none", "csim.events=100"])
done = l1trigger.run(design, runs="folder", start="convert")
print([r.origin for r in done.records.values()])
print(done.folder, done.results.report.design.name, len(done.results.report.figures) > 10)
again = l1trigger.run(path, "folder", stop="train")
try:
    again.results.report
except l1trigger.L1TriggerError as e:
    print(e)
""")
    lines = told.splitlines()
    assert lines[0] == "['run', 'artefacts', 'artefacts', 'run', 'run', 'run', 'run']"
    assert lines[1] == "folder/digits_cnn digits_cnn True"
    assert len(lines) == 2  # settings of later stages make no report outdated


@pytest.mark.parametrize(("code", "message"), [
    ("l1trigger.run(path, start='covert')", "`start=`: there is no stage 'covert'. Remedy: did you mean 'convert'?"),
    ("l1trigger.run(path, start='csim', stop='train')", "`start=`: 'csim' comes after `stop=` 'train'"),
    ("l1trigger.run(path, start='csim')", "Remedy: give `start=` convert or an earlier stage"),
    ("l1trigger.run(path, start='convert', committed=Path('none'))", "no committed weights in none"),
    ("l1trigger.run(path, 'file')", "file/digits_cnn cannot be used as a run folder (Not a directory)"),
    ("l1trigger.load_design(path, ['train'])", "`overrides=`: 'train' is not of the form key=value"),
    ("l1trigger.load_design('none.yaml')", "none.yaml: cannot be read"),
    ("l1trigger.Results(Path('none')).report", "none/report.json: cannot be read"),
])
def test_errors_speak_of_parameters(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: str, message: str
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("file").write_text("")
    with pytest.raises(l1trigger.L1TriggerError) as caught:
        eval(code, {"l1trigger": l1trigger, "path": str(MODELS / "digits_cnn.yaml"), "Path": Path})
    assert message in str(caught.value)
    assert not OPTION.search(str(caught.value))


def test_no_message_of_the_library_names_an_option() -> None:
    """But for whole commands, `l1trigger ... --option`, and for what is called by other programs."""
    found = [
        f"{path.relative_to(PACKAGE)}:{node.lineno}"
        for path in sorted(PACKAGE.rglob("*.py")) if "cli" not in path.relative_to(PACKAGE).parts
        for call in ast.walk(ast.parse(path.read_text())) if isinstance(call, ast.Raise)
        for node in ast.walk(call) if isinstance(node, ast.Constant) and isinstance(node.value, str)
        if OPTION.search(COMMAND.sub("", node.value)) and "tools/" not in node.value
    ]
    assert found == []
