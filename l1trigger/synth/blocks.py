"""Pipelined blocks of combinational logic, and how their ports are wired: what streaming engines are put together from.

A block is a Verilog module with a register behind each of its pipeline stages. Its ports are vectors of numbers, lowest
bits first, each with a format of its own; ``wired`` brings numbers from one format into another.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from l1trigger.fixed_point import FixedPoint
from l1trigger.package_files import firmware_folder
from l1trigger.synth.rtl import TOP, Field
from l1trigger.synth.tracing import combinational

Arrays = Callable[[Any], Any]


@dataclass(frozen=True)
class Block:
    """A pipelined block.

    Attributes:
        name: of its Verilog module.
        comb: the logic, as alkaid has it.
        stages: the logic cut into pipeline stages.
        inputs, outputs: formats of the numbers in its ports.
    """

    name: str
    comb: Any
    stages: tuple[Any, ...]
    inputs: tuple[Field, ...]
    outputs: tuple[Field, ...]

    @property
    def cycles(self) -> int:
        """Clocks from input to output."""
        return len(self.stages)

    @property
    def lut(self) -> float:
        """Look-up tables by alkaid's cost model."""
        return float(self.comb.cost)

    @property
    def stage_delays_ns(self) -> tuple[float, ...]:
        """Delay of each stage by alkaid's delay model [ns]."""
        ends = [0.0, *(float(s.latency[1]) for s in self.stages)]
        return tuple(round(max(b - a, 0.0), 3) for a, b in pairwise(ends))

    @property
    def register_bits(self) -> int:
        """Bits of its registers."""
        return sum(int(s.out_kifs.sum()) for s in self.stages)

    def verilog(self) -> str:
        """Its modules; ``enable`` holds the last register."""
        from alkaid.codegen.rtl.verilog.comb import comb_logic_gen

        parts = [comb_logic_gen(s, f"{self.name}_stage{i}") for i, s in enumerate(self.stages)]
        lines = [f"module {self.name} (", "    input clk,", "    input enable,",
                 f"    input [{bits(self.inputs) - 1}:0] inp,", f"    output reg [{bits(self.outputs) - 1}:0] out",
                 ");"]
        source = "inp"
        for i, s in enumerate(self.stages):
            width, last = int(s.out_kifs.sum()), i == len(self.stages) - 1
            target = "out" if last else f"after{i}"
            lines.append(f"    wire [{width - 1}:0] next{i};")
            if not last:
                lines.append(f"    reg [{width - 1}:0] {target};")
            lines.append(f"    {self.name}_stage{i} part{i} (.model_inp({source}), .model_out(next{i}));")
            lines.append(f"    always @(posedge clk) {'if (enable) ' if last else ''}{target} <= next{i};")
            source = target
        return "\n".join([*parts, *lines, "endmodule", ""])


def block(
    name: str, inputs: Sequence[Field], function: Arrays, options: dict[str, Any], delay_ns: float
) -> Block:
    """A block that computes a function.

    Args:
        name: of its Verilog module.
        inputs: formats of what it is given.
        function: of alkaid's array of the inputs; gives a flat array of outputs.
        options: of alkaid's solver.
        delay_ns: most estimated delay of one stage [ns].
    """
    from alkaid.trace import FVArrayInput
    from alkaid.trace.pipeline import _split_comb_logic

    first = FVArrayInput((len(inputs),), solver_options=options)
    k = np.array([int(f.signed) for f in inputs])
    whole = np.array([f.bits - f.signed - f.fraction for f in inputs])
    x = first.quantize(k, whole, np.array([f.fraction for f in inputs]))
    comb = combinational(first, function(x))
    stages = _split_comb_logic(comb, latency_cutoff=delay_ns, verbose=False)
    return Block(name, comb, tuple(stages), _fields(comb.inp_kifs), _fields(comb.out_kifs))


def write(template: str, values: Mapping[str, object], blocks: Sequence[Block], folder: Path) -> list[Path]:
    """Writes an engine as Verilog: its blocks, what they are made of, and the module around them.

    Args:
        template: of the module around the blocks, in ``firmware/rtl``.
        values: that the template needs.
        blocks: each once.
        folder: takes the sources.

    Returns:
        Its files.
    """
    import alkaid.codegen.rtl as codegen
    import jinja2
    from alkaid.codegen.rtl.verilog.lookup import lookup_source

    folder.mkdir(parents=True, exist_ok=True)
    own = firmware_folder() / "rtl"
    for path in (*(Path(codegen.__file__).parent / "verilog" / "source").glob("*.v"), *own.glob("*.v")):
        shutil.copy(path, folder / path.name)
    for b in blocks:
        (folder / f"{b.name}.v").write_text(b.verilog())
    # Copies of a block share their tables.
    (folder / "tables.v").write_text(lookup_source([stage for b in blocks for stage in b.stages]))
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(own), undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True,
        keep_trailing_newline=True, autoescape=False,
    )
    (folder / f"{TOP}.v").write_text(environment.get_template(template).render({"top": TOP, **values}))
    return sorted(folder.glob("*.v"))


def _fields(kifs: NDArray[Any]) -> tuple[Field, ...]:
    return tuple(Field(int(sum(c)), bool(c[0]), int(c[2])) for c in np.asarray(kifs).T)


def field(t: FixedPoint) -> Field:
    """The format of a type."""
    return Field(t.width, t.signed, t.fraction)


def bits(fields: Sequence[Field]) -> int:
    """Width of a port; Verilog has none of width 0."""
    return max(sum(f.bits for f in fields), 1)


def wired(source: str, given: Sequence[Field], wanted: Sequence[Field]) -> str:
    """A Verilog expression that brings numbers of a vector into other formats.

    Bits below the last of a number are dropped and bits above it are its sign, or zero.

    Args:
        source: name of the vector.
        given: formats of its numbers, lowest first.
        wanted: formats of the numbers of the result, as many.
    """
    parts, at = [], 0
    for have, want in zip(given, wanted, strict=True):
        if want.bits:
            parts.append(_one(source, at, have, want))
        at += have.bits
    return "{" + ", ".join(reversed(parts)) + "}" if parts else "1'b0"


def _one(source: str, at: int, have: Field, want: Field) -> str:
    if not have.bits:
        return f"{want.bits}'b0"
    zeros = min(max(want.fraction - have.fraction, 0), want.bits)
    start = max(have.fraction - want.fraction, 0)
    taken = max(min(have.bits - start, want.bits - zeros), 0)
    above = want.bits - zeros - taken
    sign = f"{source}[{at + have.bits - 1}]" if have.signed else "1'b0"
    parts = []
    if above:
        parts.append(f"{{{above}{{{sign}}}}}")
    if taken:
        parts.append(f"{source}[{at + start + taken - 1}:{at + start}]")
    if zeros:
        parts.append(f"{zeros}'b0")
    return ", ".join(parts)
