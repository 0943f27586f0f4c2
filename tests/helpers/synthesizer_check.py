"""What every synthesizer has to do, tried on a few lines of Verilog."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from l1trigger.errors import ToolFailedError
from l1trigger.figures import Source
from l1trigger.sections import SynthSection
from l1trigger.synth.synthesizer import RESOURCES, Module, Synthesizer

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
    """Raises AssertionError, or what the synthesizer raises, where it does not do what ``Synthesizer`` says.

    Args:
        synthesizer: the class of the plugin.
        folder: existing and empty.
        part: FPGA that it knows.
    """
    made = synthesizer(SynthSection(dsp=False, time_limit_s=120))
    assert isinstance(made, Synthesizer), "it derives from Synthesizer"
    assert made.title and isinstance(made.source, Source), "it has a title and a source of figures"
    assert any(c.isdigit() for c in made.tool()), "its tool() names a version"
    made.require(part)
    sources = tuple(_written(folder / f"{name}.v", text) for name, text in (("inner", _INNER), ("outer", _OUTER)))
    modules = {
        "inner": Module(sources, part, "inner"), "outer": Module(sources, part, "outer"),
        "around": Module(sources, part, "outer", black_boxes=("inner",)),
        "unproven": Module(sources, part, "outer", prove=False),
    }
    # Side by side, in folders that are not there yet.
    with ThreadPoolExecutor(len(modules)) as pool:
        counted = pool.map(lambda item: made.synthesize(item[1], folder / "made" / item[0]), modules.items())
        cells = dict(zip(modules, map(dict, counted), strict=True))
    for name, counts in cells.items():
        assert set(counts) == set(RESOURCES), f"it counts {', '.join(RESOURCES)} of {name}"
        assert all(type(n) is int and n >= 0 for n in counts.values()), "its counts are whole numbers"
        assert counts["dsp"] == 0, "it takes no DSPs where the design allows none"
    assert made.synthesize(modules["outer"], folder / "made" / "outer") == cells["outer"], "it counts alike every time"
    assert cells["unproven"] == cells["outer"], "a proof changes no count"
    assert cells["inner"]["ff"] > 0 and cells["inner"]["lut"] > 0, "it counts registers and logic"
    assert cells["around"]["ff"] == cells["outer"]["ff"] - cells["inner"]["ff"], "it does not count black boxes"
    broken = Module((_written(folder / "broken.v", _BROKEN),), part, "inner")
    with pytest.raises(ToolFailedError) as e:
        made.synthesize(broken, folder / "made" / "broken")
    assert e.value.log.is_file(), "its errors name a log"


def _written(path: Path, text: str) -> Path:
    path.write_text(text)
    return path
