"""The compiled kernels of the engine: made once for each instruction set, kept among the user's caches."""

from __future__ import annotations

import ctypes
import hashlib
import json
import os
import tempfile
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from filelock import FileLock
from numpy.typing import NDArray

from l1trigger import processes
from l1trigger.engine.assembly import Code
from l1trigger.package_files import firmware_folder

LEVELS = {
    "avx512": ("-march=x86-64-v4", "-DVECTOR_BYTES=64"), "avx2": ("-mavx2", "-DVECTOR_BYTES=32"),
    "baseline": ("-DVECTOR_BYTES=16",),
}
"""Instruction sets, the fastest first, with the compiler's options."""
_NEEDED = {"avx512": {"avx512f", "avx512bw", "avx512dq", "avx512vl", "avx512cd"}, "avx2": {"avx2"}, "baseline": set()}
_FLAGS = ("-O3", "-std=c++17", "-fwrapv", "-fPIC", "-shared", "-w")
_LIMIT_S = 300.0
BLOCK = 64
"""Events that are computed side by side."""


def levels() -> tuple[str, ...]:
    """Instruction sets that this processor has, the fastest first."""
    try:
        text = Path("/proc/cpuinfo").read_text()
    except OSError:
        return ("baseline",)
    flags = {w for line in text.splitlines() if line.startswith("flags") for w in line.split()}
    return tuple(level for level in LEVELS if _NEEDED[level] <= flags)


@cache
def load(level: str | None = None) -> Library:
    """The compiled kernels; compiled now where they are not yet.

    Args:
        level: of the instruction set; None takes the fastest.

    Raises:
        ToolNotFoundError: there is no C++ compiler.
        ToolFailedError: it failed.
    """
    return _compiled(level or levels()[0])


def _compiled(level: str) -> Library:
    source = firmware_folder() / "engine" / "engine.cpp"
    compiler = processes.find(
        os.environ.get("CXX", "g++"), "The engine needs the C++ compiler",
        "install one, e.g. `apt install g++` or `dnf install gcc-c++`",
    )
    flags, folder = [*_FLAGS, *LEVELS[level]], _cache_folder()
    log, made = (folder / f"{level}-{os.getpid()}.{suffix}" for suffix in ("log", "part"))
    version = processes.first_line([str(compiler), "--version"], log, _LIMIT_S) or compiler.name
    key = hashlib.sha256(json.dumps([source.read_text(), flags, version]).encode()).hexdigest()[:16]
    target = folder / f"{level}-{key}.so"
    with FileLock(folder / f"{level}.lock"):
        if not target.exists():
            processes.run(compiler.name, [str(compiler), *flags, str(source), "-o", str(made)], log, _LIMIT_S)
            made.replace(target)
    log.unlink(missing_ok=True)
    return Library(target, f"{level}, {version}")


def _cache_folder() -> Path:
    """Where compiled kernels are kept: the user's caches, or among temporary files where those cannot be written."""
    wanted = Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser() / "l1trigger" / "engine"
    try:
        wanted.mkdir(parents=True, exist_ok=True)
        if os.access(wanted, os.W_OK):
            return wanted
    except OSError:
        pass
    other = Path(tempfile.gettempdir()) / f"l1trigger-engine-{os.getuid()}"
    other.mkdir(mode=0o700, exist_ok=True)
    return other


class Library:
    """Compiled kernels.

    Args:
        path: of the shared library.
        tool: instruction set and compiler.
    """

    def __init__(self, path: Path, tool: str) -> None:
        self.tool = tool
        self._run = ctypes.CDLL(str(path)).l1trigger_engine_run
        pointer, long, whole = ctypes.c_void_p, ctypes.c_int64, ctypes.c_int
        self._run.argtypes = [pointer, long, pointer, long, whole, pointer, whole, pointer, long, pointer]
        self._run.restype = whole

    def run(self, code: Code, events: NDArray[np.int16]) -> NDArray[np.int64]:
        """Results of some events (events, outputs).

        Args:
            code: the program.
            events: hardware integers (events, inputs).

        Raises:
            MemoryError: there is too little memory.
        """
        out = np.empty((len(events), len(code.results)), np.int64)

        def at(a: NDArray[Any]) -> Any:
            return a.ctypes.data_as(ctypes.c_void_p)

        status = self._run(
            at(code.code), code.code.size, at(code.wide), code.units, code.inputs, at(code.results),
            len(code.results), at(events), len(events), at(out),
        )
        if status:
            raise MemoryError("the engine could not get memory for its numbers")
        return out
