"""Synthesis of the RTL with Yosys: mapped cells, not placed ones; see ``calibration``."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

from l1trigger.errors import ToolFailedError, ToolNotFoundError
from l1trigger.synth.rtl import TOP
from l1trigger.synth.tool import call

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


def tool() -> str:
    """Name and version."""
    return f"yosys {version('pyosys')}"


def synthesize(
    sources: Sequence[Path], family: str, folder: Path, limit_s: float, top: str = TOP, dsp: bool = True,
    stubs: Sequence[str] = (), proof: bool = True,
) -> dict[str, int]:
    """Cells of the RTL in a family: lut, ff, srl, dsp, bram18, carry, mux.

    Args:
        sources: Verilog files.
        family: as ``synth_xilinx`` calls it.
        folder: for script, log and statistics.
        limit_s: longest time [s].
        top: module to synthesize.
        dsp: whether multipliers may take DSPs.
        stubs: modules that are taken as black boxes and not counted.
        proof: whether ABC proves that the mapped logic equals the logic, which does not change it. Without registers
            that cut it to pieces, the proof of a large sum of products takes many times as long as all the rest.

    Raises:
        ToolNotFoundError: Yosys is not installed.
        ToolFailedError: it failed, ran past the limit, or left no statistics.
    """
    if find_spec("pyosys") is None:
        raise ToolNotFoundError("The synthesis needs Yosys, which is not installed. Remedy: pip install pyosys")
    folder.mkdir(parents=True, exist_ok=True)
    script, statistics, log = folder / "synth.ys", folder / "cells.json", folder / "yosys.log"
    statistics.unlink(missing_ok=True)
    log.unlink(missing_ok=True)
    names = {"top": top, "family": family, "statistics": str(statistics), "nodsp": "" if dsp else "-nodsp"}
    lines = [f"read_verilog -defer {p}" for p in sources]
    lines += [line.format(**names) for line in FLOW]
    if not proof:
        lines.insert(-2, "scratchpad -set abc9.verify 0")
    if stubs:
        lines.insert(len(sources) + 1, f"blackbox {' '.join(stubs)}")
    script.write_text("".join(f"{line}\n" for line in lines))
    call("yosys", [sys.executable, "-c", _CHILD, str(script)], log, limit_s)
    try:
        text = statistics.read_text()
        content = json.loads(text[text.index("{"):])
        cells = (content.get("design") or next(iter(content["modules"].values())))["num_cells_by_type"]
    except (OSError, ValueError, KeyError, StopIteration) as e:
        raise ToolFailedError("yosys", 0, log, f"it left no statistics ({e})") from e
    return count(cells)


def count(cells: Mapping[str, int]) -> dict[str, int]:
    """Resources of mapped cells by kind."""
    def total(*beginnings: str) -> int:
        return sum(n for name, n in cells.items() if name.startswith(beginnings))

    return {
        "lut": total("LUT"), "ff": total("FD"), "srl": total("SRL"), "dsp": total("DSP"),
        "bram18": total("RAMB18") + 2 * total("RAMB36"), "carry": total("CARRY"), "mux": total("MUXF"),
    }
