"""The streaming machine: RTL of networks whose events enter in several beats, many vertices of a graph or pixels.

Its engine is made of blocks (``synth.blocks``); each is synthesized once and counted as often as it is there.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

import numpy as np
from numpy.typing import NDArray

from l1trigger.bit_exact import Comparison, compare
from l1trigger.convert.graph import GraphLayer
from l1trigger.errors import BitMismatchError
from l1trigger.sections import SynthSection
from l1trigger.synth import blocks
from l1trigger.synth.blocks import Block
from l1trigger.synth.machine import Drive, Machine, Proof, Samples, Share, Subject
from l1trigger.synth.result import LayerResources
from l1trigger.synth.rtl import Field, Rtl
from l1trigger.synth.streaming import graph, images
from l1trigger.synth.synthesizer import Module
from l1trigger.trigger import TriggerFunction, TriggerOutputs

if TYPE_CHECKING:
    from l1trigger.csim.result import CsimResult
    from l1trigger.synth.verilator import Simulator

GAP = 3
"""Idle clocks between events, beside the run without any, that show that an event does not depend on its neighbours."""
_FLAG = Field(1, False, 0)


class Engine(Protocol):
    """What the machine asks of a streaming engine.

    Attributes:
        source: template of its Verilog in ``firmware/rtl``.
        around: what stands around its blocks, in words.
    """

    source: ClassVar[str]
    around: ClassVar[str]

    @property
    def beats(self) -> int:
        """Clocks that an event takes to enter: the initiation interval."""

    @property
    def cycles(self) -> int:
        """Clock cycles from the first beat at the port to the outputs, input and output registers included."""

    @property
    def port(self) -> tuple[Field, ...]:
        """Formats of the numbers of a beat."""

    @property
    def outputs(self) -> tuple[Field, ...]:
        """Formats of score, decision and network outputs."""

    @property
    def blocks(self) -> list[tuple[Block, int]]:
        """Every block, and how many copies of it there are."""

    @property
    def path(self) -> list[Block]:
        """The blocks that an event goes through, one after the other."""

    @property
    def register_bits(self) -> int:
        """Bits of all registers."""

    @property
    def lut(self) -> float:
        """Look-up tables of the blocks by alkaid's cost model."""

    def rows(self, inputs: NDArray[Any]) -> NDArray[Any]:
        """Beats of events (events, beats, numbers), from hardware integers whose first axis is events."""

    def values(self) -> dict[str, object]:
        """What the template needs."""


def applies(layers: Sequence[GraphLayer], section: SynthSection) -> bool:
    """Whether a network streams: whether it has graph layers that do, or pixels are to enter one after the other."""
    return graph.applies(layers) or section.pixels_per_clock is not None


@dataclass(frozen=True)
class Streamed:
    """What the engine gave for one sample, as integers: outputs (events, outputs), scores and decisions (events,)."""

    outputs: TriggerOutputs
    latencies: NDArray[np.int64]


def build(
    trigger: TriggerFunction, layers: Sequence[GraphLayer], section: SynthSection, samples: Samples, clock_ns: float
) -> Engine:
    """The engine of a trigger function.

    Args:
        trigger: the function.
        layers: of its network in hls4ml's graph.
        section: how much enters per clock, depth of the stages, options of the solver.
        samples: events whose hardware integers must fit.
        clock_ns: clock period; the depth of a stage when the section says nothing [ns].

    Raises:
        UnsupportedLayerError: a layer has no logic, or none that streams.
        DesignError: what enters per clock does not go with the network.
    """
    if graph.applies(layers):
        return graph.build(trigger, layers, section, samples, clock_ns)
    return images.build(trigger, layers, section, samples, clock_ns)


def write(engine: Engine, folder: Path) -> Rtl:
    """The engine as Verilog; its port takes ``start`` and the numbers of a beat and gives ``valid`` and the outputs."""
    sources = blocks.write(engine.source, engine.values(), [b for b, _ in engine.blocks], folder)
    delays = [d for b in engine.path for d in b.stage_delays_ns]
    return Rtl(
        tuple(sources), (_FLAG, *engine.port), (_FLAG, *engine.outputs), tuple(delays), engine.register_bits
    )


def simulate(
    simulator: Simulator, engine: Engine, trigger: TriggerFunction, inputs: NDArray[Any], gap: int = 0
) -> Streamed:
    """Drives events through the engine, one after the other.

    Args:
        simulator: of the engine.
        engine: how its ports are made.
        trigger: gives the types of the outputs.
        inputs: hardware integers, first axis events.
        gap: idle clocks between events.
    """
    interval = engine.beats + gap
    each = max(_CLOCKS // interval, 1)
    parts = [_driven(simulator, engine, trigger, inputs[i : i + each], interval) for i in range(0, len(inputs), each)]
    whole = [np.concatenate(column) for column in zip(*parts, strict=True)]
    return Streamed(TriggerOutputs(whole[0][:, 3:], whole[0][:, 1], whole[0][:, 2].astype(bool)), whole[1])


_CLOCKS = 1 << 20
"""Of one run, which bounds the memory that it takes."""


def _driven(
    simulator: Simulator, engine: Engine, trigger: TriggerFunction, inputs: NDArray[Any], interval: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """What came out with ``valid``, and how many clocks after its event's first beat."""
    n = len(inputs)
    rows = np.zeros((n * interval + engine.cycles, 1 + len(engine.port)), np.int16)
    beats = rows[: n * interval].reshape(n, interval, -1)
    beats[:, 0, 0] = 1
    beats[:, : engine.beats, 1:] = engine.rows(inputs)
    t = trigger.network.output_type.fraction
    fractions = (0, trigger.score_type.fraction, 0, *(t,) * (len(engine.outputs) - 2))
    stream = simulator.run(rows, fractions)
    valid = np.flatnonzero(stream[:, 0])
    return stream[valid], valid[:n] - np.arange(min(n, len(valid))) * interval


_FEW = 100
_COUNTED = "alone, with its registers; the total counts every copy, and what stands around them"


@dataclass(frozen=True)
class StreamingMachine(Machine[Streamed]):
    """An engine whose answers come with ``valid``, all after the same number of clocks.

    Attributes:
        engine: that the RTL was made of.
    """

    engine: Engine

    optimized: ClassVar[bool] = True

    def drives(self, samples: Samples) -> list[Drive]:
        """Each sample as fast as it may come, and a few events of the first with idle clocks between them."""
        first, inputs = next(iter(samples.items()))
        return [*super().drives(samples), Drive(first, inputs[:_FEW], GAP)]

    def observe(self, simulator: Simulator, drive: Drive) -> Streamed:
        """What came out with ``valid``."""
        return simulate(simulator, self.engine, self.trigger, drive.inputs, drive.gap)

    def judge(self, observed: Sequence[tuple[Drive, Streamed]], simulated: CsimResult) -> Proof:
        """Comparisons of all outputs with the quantized level and of what csim gave, and the one latency of all events.

        Raises:
            BitMismatchError: the RTL gave more or fewer answers than there were events.
        """
        comparisons = [c for drive, streamed in observed for c in self._compare(drive, streamed.outputs, simulated)]
        latencies = np.unique(np.concatenate([streamed.latencies for _, streamed in observed]))
        if len(latencies) != 1 or not all(c.exact for c in comparisons):
            return Proof(tuple(comparisons), None, "the RTL differs from csim, or its latency varies", {})
        outputs = {drive.sample: streamed.outputs for drive, streamed in observed if not drive.gap}
        return Proof(tuple(comparisons), int(latencies[0]), "", outputs)

    def _compare(self, drive: Drive, answers: TriggerOutputs, simulated: CsimResult) -> list[Comparison]:
        quantized = self.trigger.evaluate(drive.inputs)
        if len(answers.score) != len(quantized.score):
            raise BitMismatchError(
                f"the RTL answered {len(answers.score)} of {len(quantized.score)} events of {drive}, so that they "
                "cannot be told apart"
            )
        comparisons = [
            compare(quantized.network, answers.network, ("quantized", "rtl"), f"network outputs of {drive}"),
            compare(quantized.score, answers.score, ("quantized", "rtl"), f"score of {drive}"),
        ]
        return comparisons if drive.gap else [*comparisons, *self._compare_csim(drive, answers, simulated)]

    def _compare_csim(self, drive: Drive, answers: TriggerOutputs, simulated: CsimResult) -> list[Comparison]:
        n, name = len(drive.inputs), drive.sample
        score = self.trigger.score_type.raw(simulated.scores["csim"][name][:n])
        accept = simulated.accepts[name][:n].astype(np.int64)
        comparisons = [
            compare(score, answers.score, ("csim", "rtl"), f"score of {name}"),
            compare(accept, answers.accept.astype(np.int64), ("csim", "rtl"), f"accept of {name}"),
        ]
        if name in simulated.outputs:
            outputs = simulated.outputs[name][:n]
            comparisons.append(compare(outputs, answers.network, ("csim", "rtl"), f"network outputs of {name}"))
        return comparisons

    def shares(self, subject: Subject) -> list[Share]:
        """Each block with its registers, and what stands around all of them."""
        sources, part = self.rtl.sources, subject.part
        names = tuple(b.name for b, _ in self.engine.blocks)
        # Delays are shift registers of the top module; nothing else in it is optimized across blocks.
        around = LayerResources(self.engine.around, "around the blocks", None, 0.0, 0.0, _COUNTED)
        return [
            *(Share(Module(sources, part, b.name), n, _listed(b, n)) for b, n in self.engine.blocks),
            Share(Module(sources, part, black_boxes=names), 1, around),
        ]


def _listed(block: Block, copies: int) -> LayerResources:
    return LayerResources(
        block.name, f"{copies} copies" if copies > 1 else "one copy", None, round(block.lut, 1),
        round(sum(block.stage_delays_ns), 3), _COUNTED,
    )


def machine(subject: Subject, folder: Path) -> StreamingMachine:
    """The machine of a trigger function, with its RTL in a folder; errors as for ``build``."""
    trigger = subject.trigger
    engine = build(trigger, subject.layers, subject.section, subject.samples, subject.clock_ns)
    made = write(engine, folder)
    longest = max((b for b, _ in engine.blocks), key=lambda b: max(b.stage_delays_ns))
    return StreamingMachine(
        trigger, made, interval=engine.beats, network_outputs=len(engine.outputs) - 2, estimated_lut=engine.lut,
        estimated_delay_ns=sum(made.stage_delays_ns), longest_stage_parts=(longest.name,), engine=engine,
    )
