"""The compiled kernels of the engine."""

from __future__ import annotations

import ctypes
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from l1trigger import kernels
from l1trigger.engine.assembly import Code
from l1trigger.package_files import firmware_folder

BLOCK = 64
"""Events that are computed side by side."""
VERSION = 1
"""Of what the operations mean, counted up when that changes; see ``firmware/engine/engine.cpp``."""


@cache
def load(level: str | None = None) -> Library:
    """The compiled kernels; compiled now where they are not yet.

    Args:
        level: of the instruction set; None takes the fastest.

    Raises:
        ToolNotFoundError: there is no C++ compiler.
        ToolFailedError: it failed.
    """
    compiled = kernels.compiled(firmware_folder() / "engine" / "engine.cpp", level)
    return Library(compiled.path, compiled.tool)


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
