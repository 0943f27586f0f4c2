"""From combinational logic to pipelined Verilog, and the formats of its ports."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from l1trigger.sections import SynthSection
from l1trigger.synth.lower import Logic
from l1trigger.synth.tracing import leave_out_inexact_pass

TOP = "model"


@dataclass(frozen=True)
class Field:
    """Place of one number in a port: its bits, its sign, and the bits right of its binary point."""

    bits: int
    signed: bool
    fraction: int


@dataclass(frozen=True)
class Rtl:
    """Verilog of a trigger function.

    Attributes:
        sources: its files.
        inputs, outputs: numbers in the two ports, lowest bits first.
        stage_delays_ns: delay of each pipeline stage by alkaid's delay model [ns]; of a streaming engine those that an
            event goes through, in order.
        register_bits: of all pipeline registers.
    """

    sources: tuple[Path, ...]
    inputs: tuple[Field, ...]
    outputs: tuple[Field, ...]
    stage_delays_ns: tuple[float, ...]
    register_bits: int

    @property
    def stages(self) -> int:
        """Pipeline stages."""
        return len(self.stage_delays_ns)

    @property
    def longest_stage_ns(self) -> tuple[float, float]:
        """When the stage with the largest delay begins and ends, counted from the inputs without registers [ns]."""
        delay, stage = max((d, -k) for k, d in enumerate(self.stage_delays_ns))
        start = sum(self.stage_delays_ns[:-stage])
        return start, start + delay

    def pack(self, inputs: NDArray[Any]) -> NDArray[np.uint32]:
        """Hardware integers as words of the input port, shape (events, words)."""
        flat = inputs.reshape(len(inputs), -1).astype(np.int64)
        bits = np.zeros((len(flat), words(self.inputs) * 32), np.uint8)
        at = 0
        for j, field in enumerate(self.inputs):
            value = flat[:, j] << field.fraction if field.fraction >= 0 else flat[:, j] >> -field.fraction
            for k in range(field.bits):
                bits[:, at + k] = (value >> k) & 1
            at += field.bits
        return np.packbits(bits, axis=1, bitorder="little").view("<u4")

    def unpack(self, port: NDArray[np.uint32], fractions: Sequence[int]) -> NDArray[np.int64]:
        """Numbers in output words, as integers with so many fractional bits each, shape (words, numbers)."""
        bits = np.unpackbits(np.ascontiguousarray(port).view(np.uint8), axis=1, bitorder="little")
        out, at = [], 0
        for field, fraction in zip(self.outputs, fractions, strict=True):
            value = (bits[:, at : at + field.bits].astype(np.int64) << np.arange(field.bits)).sum(1)
            if field.signed and field.bits:
                value = np.where(value >= 1 << (field.bits - 1), value - (1 << field.bits), value)
            shift = fraction - field.fraction
            out.append(value << shift if shift >= 0 else value >> -shift)
            at += field.bits
        return np.stack(out, 1)


def words(fields: Sequence[Field]) -> int:
    """32-bit words of a port."""
    return max(-(-sum(f.bits for f in fields) // 32), 1)


def write(logic: Logic, section: SynthSection, part: str, clock_ns: float, folder: Path) -> Rtl:
    """Cuts the logic into pipeline stages and writes it as Verilog.

    Args:
        logic: of the trigger function.
        section: number or depth of the stages.
        part: FPGA, for the constraints beside the sources.
        clock_ns: clock period; the depth of a stage when the section says nothing [ns].
        folder: takes the sources; emptied first.
    """
    depth: dict[str, Any] = {"latency_cutoff": section.latency_cutoff_ns or clock_ns}
    if section.stages is not None:
        depth = {"n_stages": section.stages}
    model, sources = _verilog(logic.comb, folder, part_name=part, clock_period=clock_ns, **depth)
    ends = sorted(float(stage.latency[1]) for stage in model.fsm.logic.values())
    return Rtl(
        sources, _fields(model.fsm.inp_signals[0]), _fields(model.fsm.out_signals[0]),
        tuple(round(b - a, 3) for a, b in zip([0.0, *ends], ends, strict=False)), int(model.reg_bits),
    )


def write_combinational(comb: Any, folder: Path) -> tuple[Path, ...]:
    """Writes logic without registers as Verilog.

    Args:
        comb: alkaid's ``CombLogic``.
        folder: takes the sources; emptied first.

    Returns:
        The sources.
    """
    return _verilog(comb, folder)[1]


def _verilog(comb: Any, folder: Path, **options: Any) -> tuple[Any, tuple[Path, ...]]:
    from alkaid.codegen import RTLModel

    leave_out_inexact_pass()
    shutil.rmtree(folder, ignore_errors=True)
    # Three-input adders are one look-up table per bit in vendors' tools, but Yosys does not know them.
    model = RTLModel(comb, folder, TOP, print_latency=False, ternary_fuse=False, **options)
    model.write()
    sources = [*sorted((folder / "src" / "static").glob("*.v")),
               *(p for p in sorted((folder / "src").glob("*.v")) if "wrapper" not in p.name)]
    return model, tuple(sources)


def _fields(signal: Any) -> tuple[Field, ...]:
    return tuple(Field(int(sum(p)), bool(p.signed), int(p.fractional)) for p in signal.precisions)
