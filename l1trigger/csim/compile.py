"""Compiles an HLS project with a C++ compiler into a program that runs events natively."""

from __future__ import annotations

import hashlib
import json
import time
from dataclasses import dataclass
from pathlib import Path

from l1trigger import processes
from l1trigger.convert.result import ConvertResult
from l1trigger.cores import cores
from l1trigger.design import CsimSection
from l1trigger.errors import ToolFailedError

FLAGS = ("-O3", "-std=c++14", "-w", "-fno-math-errno")


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
    return processes.find(
        name, "The C-simulation needs the C++ compiler",
        "install one, e.g. `apt install g++` or `dnf install gcc-c++`, or name another in csim.compiler",
    )


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
    log = folder / "compile.log"
    folder.mkdir(parents=True, exist_ok=True)
    version = processes.first_line([str(compiler), "--version"], log, section.time_limit_s) or compiler.name
    digest = _digest(converted.project, version)
    target = folder / "build" / digest[:16]
    program, record = target / "csim", target / "csim.json"
    if program.exists() and record.exists():
        return Executable(program, digest, version, float(json.loads(record.read_text())["compile_s"]))
    target.mkdir(parents=True, exist_ok=True)
    began = time.monotonic()
    _compile(compiler, converted, section.time_limit_s, target, log)
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


def _compile(compiler: Path, converted: ConvertResult, limit: float, target: Path, log: Path) -> None:
    """Compiles the translation units in parallel, then links."""
    project = converted.project.resolve()
    units = sources(project)
    objects = [target.resolve() / f"{u.stem}.o" for u in units]
    deadline = time.monotonic() + limit

    def unit(index: int) -> None:
        # A log of its own per unit: two compilers writing into one would mix their lines.
        own = log.with_name(f"{log.stem}_{units[index].stem}.log")
        own.write_text("")
        command = [str(compiler), *FLAGS, "-Ifirmware/ap_types", "-c", str(units[index]), "-o", str(objects[index])]
        try:
            processes.run(compiler.name, command, own, deadline - time.monotonic(), cwd=project)
        except ToolFailedError as e:
            raise ToolFailedError(e.tool, e.return_code, log, processes.tail(own)) from None

    logs = [log.with_name(f"{log.stem}_{u.stem}.log") for u in units]
    try:
        processes.run_each(unit, range(len(units)), cores())
    finally:
        with log.open("a") as f:
            for own in logs:
                if own.exists():
                    f.write(own.read_text())
                    own.unlink()
    link = [str(compiler), *map(str, objects), "-o", str(target.resolve() / "csim.part")]
    processes.run(compiler.name, link, log, deadline - time.monotonic(), cwd=project)
    for o in objects:
        o.unlink()
