"""Synthesis of the RTL with Yosys: mapped cells, not placed ones; see ``calibration``."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from l1trigger.cores import cores
from l1trigger.errors import ToolFailedError, ToolNotFoundError
from l1trigger.figures import Source
from l1trigger.processes import run, run_each
from l1trigger.synth.devices import device
from l1trigger.synth.synthesizer import Module, Synthesizer, count

# wreduce and alumacc work on each module before flattening: on the flat design alumacc would merge chained adders into
# carry-save trees, which vendors' tools do not do.
FLATTENED = (
    "hierarchy -top {top}", "proc", "opt_expr", "opt_clean", "wreduce", "peepopt", "opt_clean",
    "alumacc t:$add t:$sub t:$neg t:$lt t:$gt t:$le t:$ge t:$eq", "opt_clean", "flatten",
)
MAPPED = (
    "synth_xilinx -family {family} -top {top} -flatten -noiopad -noclkbuf {nodsp}", "tee -o {statistics} stat -json",
)
_UNPROVEN = "scratchpad -set abc9.verify 0"
_CHILD = """
import sys
from pyosys import libyosys
design = libyosys.Design()
for line in open(sys.argv[1]):
    libyosys.run_pass(line.strip(), design)
"""


class Yosys(Synthesizer):
    """Yosys with its flow for Xilinx FPGAs, from the package pyosys, in a process of its own."""

    title = "Yosys"
    source = Source.YOSYS

    def tool(self) -> str:
        """Name and version."""
        return f"yosys {version('pyosys')}"

    def require(self, part: str) -> None:
        """Makes sure that Yosys is installed and that the FPGA is in the table of devices."""
        device(part)
        if find_spec("pyosys") is None:
            raise ToolNotFoundError("The synthesis needs Yosys, which is not installed. Remedy: pip install pyosys")

    def synthesize(self, module: Module, folder: Path) -> dict[str, int]:
        """Cells of a module by resource; its log is ``yosys.log``."""
        script = [*_flattened(module), *self._mapped(module, folder / _STATISTICS)]
        content, log = self._run(script, folder)
        with _complete(log):
            whole = content.get("design") or next(iter(content["modules"].values()))
            return count(whole["num_cells_by_type"])

    def synthesize_each(self, modules: Mapping[str, Module], folder: Path) -> dict[str, Mapping[str, int]]:
        """Cells of several modules; where they are asked for alike, they share as many runs as there are cores.

        Most of a small module's time goes into reading Yosys' own libraries. In a run, each module keeps its border, so
        that none sees the others.
        """
        alike: dict[tuple[object, ...], list[str]] = {}
        for name in sorted(modules, key=lambda n: -sum(p.stat().st_size for p in modules[n].sources)):
            m = modules[name]
            # A module with black boxes keeps to itself: others might hold what it must not see.
            alike.setdefault((name,) if m.black_boxes else (m.part, m.prove), []).append(name)
        groups = [g for names in alike.values() for k in range(cores()) if (g := names[k :: cores()])]

        def together(group: list[str]) -> dict[str, Mapping[str, int]]:
            if len(group) == 1:
                return {group[0]: self.synthesize(modules[group[0]], folder / group[0])}
            return self._together({name: modules[name] for name in group}, folder)

        counts = {name: cells for of_group in run_each(together, groups, cores()) for name, cells in of_group.items()}
        return {name: counts[name] for name in modules}

    def _together(self, modules: Mapping[str, Module], folder: Path) -> dict[str, Mapping[str, int]]:
        """Cells of modules that share a run, whose files lie in the folder of the first."""
        first = next(iter(modules))
        aside, instances = list[str](), list[str]()
        for i, module in enumerate(modules.values()):
            aside += [*_flattened(module), f"rename {module.top} part{i}",
                      f"setattr -mod -set keep_hierarchy 1 part{i}", f"design -stash part{i}"]
            instances.append(f"(* keep *) part{i} instance{i} ();")
        within = folder / first
        within.mkdir(parents=True, exist_ok=True)
        (within / "parts.v").write_text("\n".join(["module parts;", *instances, "endmodule", ""]))
        back = [f"design -copy-from part{i} -as part{i} part{i}" for i in range(len(modules))]
        whole = replace(modules[first], sources=(within / "parts.v",), top="parts")
        script = [*aside, *back, f"read_verilog {whole.sources[0]}", *self._mapped(whole, within / _STATISTICS)]
        content, log = self._run(script, within, runs=len(modules))
        with _complete(log):
            return {name: count(content["modules"][f"\\part{i}"]["num_cells_by_type"])
                    for i, name in enumerate(modules)}

    def _mapped(self, module: Module, statistics: Path) -> list[str]:
        """Lines that map a module to cells and write the statistics."""
        names = {
            "top": module.top, "family": device(module.part).family, "statistics": str(statistics),
            "nodsp": "" if self.options.dsp else "-nodsp",
        }
        return [*([] if module.prove else [_UNPROVEN]), *(line.format(**names) for line in MAPPED)]

    def _run(self, script: Sequence[str], folder: Path, runs: int = 1) -> tuple[dict[str, Any], Path]:
        """The statistics that a script leaves, and its log; it may take as long as so many runs."""
        folder.mkdir(parents=True, exist_ok=True)
        path, statistics, log = folder / "synth.ys", folder / _STATISTICS, folder / "yosys.log"
        statistics.unlink(missing_ok=True)
        log.unlink(missing_ok=True)
        path.write_text("".join(f"{line}\n" for line in script))
        run("yosys", [sys.executable, "-c", _CHILD, str(path)], log, runs * self.options.time_limit_s)
        with _complete(log):
            text = statistics.read_text()
            content: dict[str, Any] = json.loads(text[text.index("{"):])
            return content, log


_STATISTICS = "cells.json"


def _flattened(module: Module) -> list[str]:
    """Lines that read a module and put what it contains into it."""
    read = [f"read_verilog -defer {p}" for p in module.sources]
    hide = [f"blackbox {' '.join(module.black_boxes)}"] if module.black_boxes else []
    first, *rest = (line.format(top=module.top) for line in FLATTENED)
    return [*read, first, *hide, *rest]


@contextmanager
def _complete(log: Path) -> Iterator[None]:
    """Statistics that are read inside have to be there."""
    try:
        yield
    except (OSError, ValueError, KeyError, StopIteration) as e:
        raise ToolFailedError("yosys", 0, log, f"it left no statistics ({e})") from e
