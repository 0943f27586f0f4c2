"""Synthesizers: programs that map Verilog to the cells of an FPGA. One is one class, found through a plugin group."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from l1trigger.catalogue import SYNTHESIZED
from l1trigger.cores import cores
from l1trigger.figures import Source
from l1trigger.plugins import Group, Plugin
from l1trigger.processes import run_each
from l1trigger.sections import SynthSection
from l1trigger.synth.rtl import TOP

RESOURCES = (*SYNTHESIZED, "mux")
"""What is counted: look-up tables used as logic, flip-flops, shift registers made of look-up tables, multipliers, block
memories of 18 kbit, carry chains, and multiplexers behind look-up tables, which are no figure of their own."""


@dataclass(frozen=True)
class Module:
    """A Verilog module, and how it is to be synthesized.

    Attributes:
        sources: Verilog files, its own and those of what it contains.
        part: FPGA.
        top: its name.
        black_boxes: modules inside it that are neither synthesized nor counted.
        prove: whether the synthesizer may prove that what it makes equals the Verilog. Without registers that cut the
            logic to pieces, such a proof can take many times as long as all the rest; it changes no count.
    """

    sources: tuple[Path, ...]
    part: str
    top: str = TOP
    black_boxes: tuple[str, ...] = ()
    prove: bool = True


class Synthesizer(Plugin[SynthSection]):
    """A program that maps Verilog to the cells of an FPGA and counts them.

    A class of the plugin group ``l1trigger.synthesizers``; ``synth.synthesizer`` of a design names it.

    Attributes:
        title: its name in messages.
        source: of the figures that it gives.
        options: the design's section ``synth``: its time limit, and whether multipliers may take DSPs.
    """

    Options = SynthSection
    title: ClassVar[str]
    source: ClassVar[Source] = Source.SYNTHESIS

    @abstractmethod
    def tool(self) -> str:
        """Name and version, which stand beside every figure."""

    @abstractmethod
    def require(self, part: str) -> None:
        """Makes sure that it can work; called before anything else is done.

        Args:
            part: FPGA that it will be asked for.

        Raises:
            ToolNotFoundError: it is not installed; says how to install it.
            DesignError: it does not know the FPGA.
        """

    @abstractmethod
    def synthesize(self, module: Module, folder: Path) -> Mapping[str, int]:
        """Cells of a module, by resource: each of ``RESOURCES``.

        May be called in several threads at the same time. Programs are run with ``l1trigger.processes.run``.

        Args:
            module: to synthesize.
            folder: for scripts, logs and what the program leaves; made when it is not there.

        Raises:
            ToolFailedError: the program failed, ran past the limit, or left no counts.
        """

    def synthesize_each(self, modules: Mapping[str, Module], folder: Path) -> dict[str, Mapping[str, int]]:
        """Cells of several modules, each by itself.

        The counts are those of ``synthesize``; whoever can do it faster for many modules at once does so here.

        Args:
            modules: by name.
            folder: in which each has a folder of its name.

        Raises:
            ToolFailedError: as in ``synthesize``.
        """
        def one(name: str) -> Mapping[str, int]:
            return self.synthesize(modules[name], folder / name)

        return dict(zip(modules, run_each(one, list(modules), cores()), strict=True))


SYNTHESIZERS: Group[Synthesizer] = Group("l1trigger.synthesizers", Synthesizer, "synthesizer", "synth", "synthesizer")  # type: ignore[type-abstract]


def count(primitives: Mapping[str, int]) -> dict[str, int]:
    """Resources by kind, from numbers of an FPGA's primitives (``LUT6``, ``FDRE``, ``RAMB36E2`` ...) by their names."""
    def total(*beginnings: str) -> int:
        return sum(n for name, n in primitives.items() if name.startswith(beginnings))

    return {
        "lut": total("LUT"), "ff": total("FD"), "srl": total("SRL"), "dsp": total("DSP"),
        "bram18": total("RAMB18") + 2 * total("RAMB36"), "carry": total("CARRY"), "mux": total("MUXF"),
    }
