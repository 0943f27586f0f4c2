"""C++ kernels of the package: compiled once for each instruction set, and kept among the user's caches."""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from filelock import FileLock

from l1trigger import processes

LEVELS = {
    "avx512": ("-march=x86-64-v4", "-DVECTOR_BYTES=64"), "avx2": ("-mavx2", "-DVECTOR_BYTES=32"),
    "baseline": ("-DVECTOR_BYTES=16",),
}
"""Instruction sets, the fastest first, with the compiler's options."""
_NEEDED = {"avx512": {"avx512f", "avx512bw", "avx512dq", "avx512vl", "avx512cd"}, "avx2": {"avx2"}, "baseline": set()}
_FLAGS = ("-O3", "-std=c++17", "-fwrapv", "-ffp-contract=off", "-fPIC", "-shared", "-w")
_LIMIT_S = 300.0


@dataclass(frozen=True)
class Compiled:
    """A shared library.

    Attributes:
        path: where it lies.
        tool: instruction set and compiler.
    """

    path: Path
    tool: str


@cache
def levels() -> tuple[str, ...]:
    """Instruction sets that this processor has, the fastest first."""
    try:
        text = Path("/proc/cpuinfo").read_text()
    except OSError:
        return ("baseline",)
    flags = {w for line in text.splitlines() if line.startswith("flags") for w in line.split()}
    return tuple(level for level in LEVELS if _NEEDED[level] <= flags)


def compiled(source: Path, level: str | None = None) -> Compiled:
    """A compiled source; compiled now where it is not yet.

    Args:
        source: one file of C++.
        level: of the instruction set; None takes the fastest.

    Raises:
        ToolNotFoundError: there is no C++ compiler.
        ToolFailedError: it failed.
    """
    level = level or levels()[0]
    compiler = processes.find(
        os.environ.get("CXX", "g++"), f"{source.name} needs the C++ compiler",
        "install one, e.g. `apt install g++` or `dnf install gcc-c++`",
    )
    flags, folder, name = [*_FLAGS, *LEVELS[level]], cache_folder(), f"{source.stem}-{level}"
    with FileLock(folder / f"{name}.lock"):  # holds off other processes and threads alike
        log, made = folder / f"{name}.log", folder / f"{name}.part"
        version = processes.first_line([str(compiler), "--version"], log, _LIMIT_S) or compiler.name
        key = hashlib.sha256(json.dumps([source.read_text(), flags, version]).encode()).hexdigest()[:16]
        target = folder / f"{name}-{key}.so"
        if not target.exists():
            processes.run(compiler.name, [str(compiler), *flags, str(source), "-o", str(made)], log, _LIMIT_S)
            made.replace(target)
        log.unlink(missing_ok=True)
    return Compiled(target, f"{level}, {version}")


def cache_folder() -> Path:
    """Where compiled kernels are kept: the user's caches, or among temporary files where those cannot be written."""
    wanted = Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser() / "l1trigger" / "kernels"
    try:
        wanted.mkdir(parents=True, exist_ok=True)
        if os.access(wanted, os.W_OK):
            return wanted
    except OSError:
        pass
    other = Path(tempfile.gettempdir()) / f"l1trigger-kernels-{os.getuid()}"
    other.mkdir(mode=0o700, exist_ok=True)
    return other
