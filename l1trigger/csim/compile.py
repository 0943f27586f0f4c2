"""Compiles an HLS project with a C++ compiler into a program that runs events natively."""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from l1trigger.convert.result import ConvertResult
from l1trigger.design import CsimSection
from l1trigger.errors import ToolFailedError, ToolNotFoundError
from l1trigger.machine import cores

FLAGS = ("-O3", "-std=c++14", "-w", "-fno-math-errno")
_LAST_LINES = 20


@dataclass(frozen=True)
class Executable:
    """A compiled C-simulation.

    Attributes:
        path: of the program.
        digest: of its sources, flags and compiler.
        compiler: name and version.
        compile_s: time that compiling took, also when an earlier program was taken [s].
    """

    path: Path
    digest: str
    compiler: str
    compile_s: float


def find_compiler(name: str) -> Path:
    """Where a compiler lies.

    Raises:
        ToolNotFoundError: it is not on PATH; says how to install one.
    """
    found = shutil.which(name)
    if found is None:
        raise ToolNotFoundError(
            f"The C-simulation needs the C++ compiler '{name}', which is not on PATH. "
            "Remedy: install one, e.g. `apt install g++` or `dnf install gcc-c++`, or name another in csim.compiler"
        )
    return Path(found)


def build(converted: ConvertResult, section: CsimSection, folder: Path) -> Executable:
    """The C-simulation of a project; sources that were compiled before are not compiled again.

    Args:
        converted: the project.
        section: compiler and time limit.
        folder: of the stage; programs go into ``build``, the log into ``compile.log``.

    Raises:
        ToolNotFoundError: there is no such compiler.
        ToolFailedError: it failed or ran past its time limit.
    """
    compiler = find_compiler(section.compiler)
    version = _version(compiler, section, folder)
    digest = _digest(converted.project, version)
    target = folder / "build" / digest[:16]
    program, record = target / "csim", target / "csim.json"
    if program.exists() and record.exists():
        return Executable(program, digest, version, float(json.loads(record.read_text())["compile_s"]))
    target.mkdir(parents=True, exist_ok=True)
    began = time.monotonic()
    _compile(compiler, converted, section.time_limit_s, target, folder / "compile.log")
    seconds = round(time.monotonic() - began, 3)
    record.write_text(json.dumps({"compile_s": seconds, "compiler": version, "flags": FLAGS}))
    (target / "csim.part").replace(program)
    return Executable(program, digest, version, seconds)


def sources(project: Path) -> list[Path]:
    """The translation units of the C-simulation: driver, trigger function, network."""
    return [project / "csim_main.cpp", *sorted((project / "firmware").glob("*.cpp"))]


def _digest(project: Path, version: str) -> str:
    h = hashlib.sha256(json.dumps([version, FLAGS]).encode())
    files = [project / "csim_main.cpp", *(p for p in (project / "firmware").rglob("*") if p.is_file())]
    for path in sorted(files):
        h.update(str(path.relative_to(project)).encode())
        h.update(hashlib.sha256(path.read_bytes()).digest())
    return h.hexdigest()


def _version(compiler: Path, section: CsimSection, folder: Path) -> str:
    log = folder / "compile.log"
    folder.mkdir(parents=True, exist_ok=True)
    log.write_text("")
    _call([str(compiler), "--version"], folder, section.time_limit_s, log)
    lines = log.read_text().splitlines()
    return next((line for line in lines if line and not line.startswith("$ ")), compiler.name)


def _compile(compiler: Path, converted: ConvertResult, limit: float, target: Path, log: Path) -> None:
    """Compiles the translation units in parallel, then links."""
    project = converted.project.resolve()
    units = sources(project)
    objects = [target.resolve() / f"{u.stem}.o" for u in units]
    deadline = time.monotonic() + limit

    def unit(index: int) -> Path:
        # A log of its own per unit: two compilers writing into one would mix their lines.
        own = log.with_name(f"{log.stem}_{units[index].stem}.log")
        own.write_text("")
        command = [str(compiler), *FLAGS, "-Ifirmware/ap_types", "-c", str(units[index]), "-o", str(objects[index])]
        try:
            _call(command, project, deadline - time.monotonic(), own)
        except ToolFailedError as e:
            raise ToolFailedError(e.tool, e.return_code, log, _tail(own)) from None
        return own

    logs = [log.with_name(f"{log.stem}_{u.stem}.log") for u in units]
    try:
        with ThreadPoolExecutor(cores()) as pool:
            list(pool.map(unit, range(len(units))))
    finally:
        with log.open("a") as f:
            for own in logs:
                if own.exists():
                    f.write(own.read_text())
                    own.unlink()
    link = [str(compiler), *map(str, objects), "-o", str(target.resolve() / "csim.part")]
    _call(link, project, deadline - time.monotonic(), log)
    for o in objects:
        o.unlink()


def _call(command: Sequence[str], cwd: Path, limit: float, log: Path) -> None:
    """Runs a tool with its output appended to a log.

    Raises:
        ToolFailedError: it failed, ran past the limit, or could not be started.
    """
    tool = Path(command[0]).name
    with log.open("a") as f:
        f.write(f"$ {' '.join(command)}\n")
        f.flush()
        try:
            done = subprocess.run(
                command, cwd=cwd, stdin=subprocess.DEVNULL, stdout=f, stderr=subprocess.STDOUT,
                timeout=max(limit, 0.001), check=False,
            )
        except subprocess.TimeoutExpired:
            raise ToolFailedError(tool, None, log, _tail(log)) from None
        except OSError as e:
            f.write(f"cannot be started: {e}\n")
            f.flush()
            raise ToolFailedError(tool, 126, log, _tail(log)) from e
    if done.returncode != 0:
        raise ToolFailedError(tool, done.returncode, log, _tail(log))


def _tail(log: Path) -> str:
    return "\n".join(log.read_text(errors="replace").splitlines()[-_LAST_LINES:])
