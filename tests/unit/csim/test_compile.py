import subprocess
import time

import pytest
import toy_trigger as toy

from l1trigger.csim import compile
from l1trigger.errors import ToolFailedError, ToolNotFoundError


def fake_compiler(folder, script):
    folder.mkdir(exist_ok=True)
    path = folder / "fake-g++"
    path.write_text(f"#!/bin/sh\n[ \"$1\" = --version ] && echo 'fake 1.0' && exit 0\n{script}\n")
    path.chmod(0o755)
    return str(path)


def section(**values):
    return toy.design(csim=values).csim


def test_not_compiled_twice(executable, project, monkeypatch):
    folder = executable.path.parents[2]
    monkeypatch.setattr(compile, "_compile", lambda *a: pytest.fail("compiled again"))
    again = compile.build(project, section(), folder)
    assert again == executable
    assert executable.compile_s > 0 and "g++" in executable.compiler


def test_changed_source_is_another_program(executable, copied):
    source = copied.project / "firmware" / "scores.h"
    source.write_text(source.read_text() + "// changed\n")
    assert compile._digest(copied.project, executable.compiler) != executable.digest


def test_does_not_depend_on_the_current_directory(executable, project, tmp_path, monkeypatch):
    """Weights are inside the program, which runs wherever it is called from and after the project is gone."""
    assert not list(project.project.rglob("weights/*.txt"))
    monkeypatch.chdir(tmp_path)
    toy.events(3).tofile("inputs.bin")
    assert subprocess.run([executable.path, "inputs.bin", "0", "3", "out.bin"], check=False).returncode == 0
    assert (tmp_path / "out.bin").stat().st_size == 3 * 17


def test_missing_compiler_says_how_to_install(project, tmp_path):
    with pytest.raises(ToolNotFoundError, match="'no-such-g.*', which is not on PATH. Remedy: install one, e.g. `apt"):
        compile.build(project, section(compiler="no-such-g++"), tmp_path)


def test_failing_compiler_keeps_its_log(project, tmp_path):
    compiler = fake_compiler(tmp_path / "bin", "echo 'error: out of coffee' >&2; exit 3")
    with pytest.raises(ToolFailedError, match="out of coffee") as e:
        compile.build(project, section(compiler=compiler), tmp_path)
    assert e.value.return_code == 3
    assert "out of coffee" in e.value.log.read_text()
    assert not list(tmp_path.rglob("csim"))


def test_error_in_the_sources_is_shown(copied, tmp_path):
    (copied.project / "firmware" / "toy_trigger.cpp").write_text("int f() { return nonsense; }\n")
    with pytest.raises(ToolFailedError, match="nonsense"):
        compile.build(copied, section(), tmp_path)


def test_compiler_has_a_time_limit(project, tmp_path):
    compiler = fake_compiler(tmp_path / "bin", "sleep 30")
    began = time.monotonic()
    with pytest.raises(ToolFailedError, match="ran past its time limit"):
        compile.build(project, section(compiler=compiler, time_limit_s=0.5), tmp_path)
    assert time.monotonic() - began < 20
