"""Synthesis of the RTL with Yosys: mapped cells, not placed ones; see ``calibration``."""

from __future__ import annotations

import json
import sys
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

from l1trigger.errors import ToolFailedError, ToolNotFoundError
from l1trigger.figures import Source
from l1trigger.processes import run
from l1trigger.synth.devices import device
from l1trigger.synth.synthesizer import Module, Synthesizer, count

# wreduce and alumacc work on each module before flattening: on the flat design alumacc would merge chained adders into
# carry-save trees, which vendors' tools do not do.
FLOW = (
    "hierarchy -top {top}", "proc", "opt_expr", "opt_clean", "wreduce", "peepopt", "opt_clean",
    "alumacc t:$add t:$sub t:$neg t:$lt t:$gt t:$le t:$ge t:$eq", "opt_clean", "flatten",
    "synth_xilinx -family {family} -top {top} -flatten -noiopad -noclkbuf {nodsp}", "tee -o {statistics} stat -json",
)
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
        folder.mkdir(parents=True, exist_ok=True)
        script, statistics, log = folder / "synth.ys", folder / "cells.json", folder / "yosys.log"
        statistics.unlink(missing_ok=True)
        log.unlink(missing_ok=True)
        script.write_text("".join(f"{line}\n" for line in self._script(module, statistics)))
        run("yosys", [sys.executable, "-c", _CHILD, str(script)], log, self.options.time_limit_s)
        return _counted(statistics, log)

    def _script(self, module: Module, statistics: Path) -> list[str]:
        """Lines of a script that writes the statistics of a module."""
        names = {
            "top": module.top, "family": device(module.part).family, "statistics": str(statistics),
            "nodsp": "" if self.options.dsp else "-nodsp",
        }
        lines = [f"read_verilog -defer {p}" for p in module.sources]
        lines += [line.format(**names) for line in FLOW]
        if not module.prove:
            lines.insert(-2, "scratchpad -set abc9.verify 0")
        if module.black_boxes:
            lines.insert(len(module.sources) + 1, f"blackbox {' '.join(module.black_boxes)}")
        return lines


def _counted(statistics: Path, log: Path) -> dict[str, int]:
    try:
        text = statistics.read_text()
        content = json.loads(text[text.index("{"):])
        cells = (content.get("design") or next(iter(content["modules"].values())))["num_cells_by_type"]
    except (OSError, ValueError, KeyError, StopIteration) as e:
        raise ToolFailedError("yosys", 0, log, f"it left no statistics ({e})") from e
    return count(cells)
