"""Synthesizers, tried on a few lines of Verilog."""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from l1trigger.errors import ToolFailedError
from l1trigger.figures import Source
from l1trigger.sections import SynthSection
from l1trigger.synth.synthesizer import RESOURCES, Module, Synthesizer
from l1trigger.testing.contract import ContractError, require

_INNER = """
module inner(input clk, input [3:0] a, input [3:0] b, output reg [7:0] y);
    wire [7:0] product;
    assign product = a * b;
    always @(posedge clk) y <= product;
endmodule
"""
_OUTER = """
module outer(input clk, input [3:0] a, input [3:0] b, output reg [7:0] y);
    wire [7:0] z;
    inner part (.clk(clk), .a(a), .b(b), .y(z));
    always @(posedge clk) y <= z ^ {8{a[0]}};
endmodule
"""
_BROKEN = "nothing that any tool would take for Verilog\n"


def check_synthesizer(synthesizer: type[Synthesizer], folder: Path, part: str = "xcvu9p-flga2104-2-e") -> None:
    """Tries a synthesizer.

    Args:
        synthesizer: the class of the plugin.
        folder: existing and empty.
        part: FPGA that it knows.

    Raises:
        ContractError: it does not do what ``Synthesizer`` says; says in what.
        ToolNotFoundError: the program is not installed.
    """
    require(issubclass(synthesizer, Synthesizer), f"{synthesizer.__name__} does not derive from Synthesizer")
    chosen = synthesizer(SynthSection(dsp=False, time_limit_s=120))
    require(bool(chosen.title) and isinstance(chosen.source, Source), "it has no title or no source of figures")
    require(any(c.isdigit() for c in chosen.tool()), "its tool() names no version")
    chosen.require(part)
    sources = tuple(_written(folder / f"{name}.v", text) for name, text in (("inner", _INNER), ("outer", _OUTER)))
    _check_counts(chosen, _cells(chosen, sources, folder / "cells", part))
    again = dict(chosen.synthesize(Module(sources, part, "outer"), folder / "again"))
    once_more = dict(chosen.synthesize(Module(sources, part, "outer"), folder / "again"))
    require(again == once_more, "it does not count alike every time")
    broken = Module((_written(folder / "broken.v", _BROKEN),), part, "inner")
    try:
        chosen.synthesize(broken, folder / "broken")
    except ToolFailedError as e:
        require(e.log.is_file(), "its errors name no log")
    else:
        raise ContractError("it takes a file that is no Verilog")


def _cells(
    chosen: Synthesizer, sources: tuple[Path, ...], folder: Path, part: str
) -> dict[str, Mapping[str, int]]:
    """Counts of modules that are synthesized side by side, in folders that are not there yet."""
    modules = {
        "inner": Module(sources, part, "inner"), "outer": Module(sources, part, "outer"),
        "around": Module(sources, part, "outer", black_boxes=("inner",)),
        "unproven": Module(sources, part, "outer", prove=False),
    }
    with ThreadPoolExecutor(len(modules)) as pool:
        counts = pool.map(lambda item: dict(chosen.synthesize(item[1], folder / item[0])), modules.items())
        single: dict[str, Mapping[str, int]] = dict(zip(modules, counts, strict=True))
    each = {name: dict(cells) for name, cells in chosen.synthesize_each(modules, folder.with_name("each")).items()}
    require(each == single, "it counts several modules otherwise than each of them alone")
    return single


def _check_counts(chosen: Synthesizer, cells: Mapping[str, Mapping[str, int]]) -> None:
    for name, counts in cells.items():
        require(set(counts) == set(RESOURCES), f"it does not count {', '.join(RESOURCES)} of {name}")
        whole = all(type(n) is int and n >= 0 for n in counts.values())
        require(whole, f"{chosen.title}: its counts are no whole numbers")
        require(counts["dsp"] == 0, "it takes DSPs where the design allows none")
    inner, outer, around = (cells[name] for name in ("inner", "outer", "around"))
    require(cells["unproven"] == outer, "its counts depend on a proof")
    require(inner["ff"] > 0 and inner["lut"] > 0, "it counts no registers or no logic")
    require(around["ff"] == outer["ff"] - inner["ff"], "it counts black boxes")


def _written(path: Path, text: str) -> Path:
    path.write_text(text)
    return path
