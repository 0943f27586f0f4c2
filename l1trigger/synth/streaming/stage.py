"""The stage ``synth`` for networks whose events enter in several beats: many vertices of a graph, pixels of an image.

The engine is made of blocks (``synth.blocks``); each is synthesized once and counted as often as it is there.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

import numpy as np
from numpy.typing import NDArray

from l1trigger.bit_exact import Comparison, compare
from l1trigger.convert.graph import GraphLayer
from l1trigger.errors import BitMismatchError
from l1trigger.sections import SynthSection
from l1trigger.synth import blocks, lower, verilator, yosys
from l1trigger.synth.blocks import Block
from l1trigger.synth.result import LayerResources, Predictions, SynthResult, by_what
from l1trigger.synth.rtl import TOP, Field, Rtl
from l1trigger.synth.stopwatch import Laps
from l1trigger.synth.streaming import graph
from l1trigger.synth.streaming import images as cnn
from l1trigger.trigger import TriggerFunction, TriggerOutputs

if TYPE_CHECKING:
    from l1trigger.csim.result import CsimResult

GAP = 3
"""Idle clocks between events, beside the run without any, that show that an event does not depend on its neighbours."""
_FLAG = Field(1, False, 0)
Samples = Mapping[str, NDArray[Any]]


class Engine(Protocol):
    """What the stage asks of a streaming engine.

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
        """Clock edges from the first beat at the port to the outputs, input and output registers included."""

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
    return cnn.build(trigger, layers, section, samples, clock_ns)


def write(engine: Engine, folder: Path) -> Rtl:
    """The engine as Verilog; its port takes ``start`` and the numbers of a beat and gives ``valid`` and the outputs."""
    sources = blocks.write(engine.source, engine.values(), [b for b, _ in engine.blocks], folder)
    delays = [d for b in engine.path for d in b.stage_delays_ns]
    return Rtl(
        tuple(sources), (_FLAG, *engine.port), (_FLAG, *engine.outputs), tuple(delays), engine.register_bits
    )


def simulate(
    simulator: verilator.Simulator, engine: Engine, trigger: TriggerFunction, inputs: NDArray[Any], gap: int = 0
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
    simulator: verilator.Simulator, engine: Engine, trigger: TriggerFunction, inputs: NDArray[Any], interval: int
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


def measure(
    result: SynthResult, trigger: TriggerFunction, layers: Sequence[GraphLayer], section: SynthSection,
    simulated: CsimResult, samples: Samples, family: str, compiler: str, folder: Path, work: Path,
    progress: Callable[[str], None], predictions: Predictions | None = None,
) -> SynthResult:
    """Writes, simulates and synthesizes the engine; arguments and errors as for ``synth.run``.

    Args:
        result: to add to.
        trigger: the trigger function.
        layers: of its network in hls4ml's graph.
        section: options.
        simulated: result of csim, which the engine must equal.
        samples: hardware integers by sample name.
        family: as Yosys calls it.
        compiler: C++ compiler.
        folder: of the stage.
        work: for what is compiled.
        progress: told what is done.
        predictions: says what network outputs (events, outputs) mean; None where they mean nothing.
    """
    clock = Laps()
    progress("logic")
    engine = build(trigger, layers, section, samples, result.clock_ns)
    made = write(engine, folder / "rtl")
    clock.lap("logic")
    progress("compiling the simulation")
    simulator = verilator.build(made, work / "verilator", compiler, section.time_limit_s, optimized=True)
    clock.lap("compile")
    comparisons: list[Comparison] = []
    streamed = {}
    for name, inputs in samples.items():
        progress(f"{name}  {len(inputs):,} events through the RTL")
        streamed[name] = simulate(simulator, engine, trigger, inputs)
        comparisons += _compare(name, streamed[name], trigger.evaluate(inputs), simulated, trigger, len(inputs))
    first = next(iter(samples))
    few = samples[first][:_FEW]
    spaced = simulate(simulator, engine, trigger, few, GAP)
    comparisons += _compare(
        f"{first}, {GAP} idle clocks between events", spaced, trigger.evaluate(few), simulated, trigger, 0
    )
    clock.lap("simulate")
    latency = _latency([*streamed.values(), spaced])
    sure = latency is not None and all(c.exact for c in comparisons)
    parts, cells = _synthesize(engine, made, section, family, folder / "yosys", progress)
    clock.lap("yosys")
    value = trigger.network.output_type.value
    return replace(
        result, comparisons=tuple(comparisons),
        reason="" if sure else "the RTL differs from csim, or its latency varies",
        latency_cycles=latency if sure else None, initiation_interval=engine.beats if sure else None,
        events=sum(map(len, samples.values())), stages=made.stages, stage_delays_ns=made.stage_delays_ns,
        ports=(sum(f.bits for f in made.inputs), sum(f.bits for f in made.outputs)), register_bits=made.register_bits,
        cells=cells, estimated_lut=engine.lut, estimated_delay_ns=sum(made.stage_delays_ns), layers=parts,
        longest_stage_layers=(_longest(engine),),
        scores={n: trigger.value(s.outputs.score) for n, s in streamed.items()} if sure else {},
        accepts={n: s.outputs.accept for n, s in streamed.items()} if sure else {},
        network_outputs=len(engine.outputs) - 2,
        predictions=by_what({n: predictions(value(s.outputs.network)) for n, s in streamed.items()})
        if sure and predictions else {},
        tools={"verilator": verilator.tool(), "yosys": yosys.tool(), "estimate": lower.tool()}, seconds=clock.seconds,
    )


_FEW = 100
_COUNTED = "alone, with its registers; the total counts every copy, and what stands around them"


def _latency(streamed: Sequence[Streamed]) -> int | None:
    """Clock edges from an event's first beat to its outputs, where that is the same for all events."""
    seen = np.unique(np.concatenate([s.latencies for s in streamed]))
    return int(seen[0]) if len(seen) == 1 else None


def _compare(
    name: str, streamed: Streamed, quantized: TriggerOutputs, simulated: CsimResult, trigger: TriggerFunction,
    csim_events: int,
) -> list[Comparison]:
    """Comparisons of all outputs with the quantized level, and of score and decision with csim where it ran.

    Raises:
        BitMismatchError: the RTL gave more or fewer answers than there were events.
    """
    got = streamed.outputs
    if len(got.score) != len(quantized.score):
        raise BitMismatchError(
            f"the RTL answered {len(got.score)} of {len(quantized.score)} events of {name}, so that they cannot be "
            "told apart"
        )
    found = [
        compare(quantized.network, got.network, ("quantized", "rtl"), f"network outputs of {name}"),
        compare(quantized.score, got.score, ("quantized", "rtl"), f"score of {name}"),
    ]
    if csim_events:
        score = trigger.score_type.raw(simulated.scores["csim"][name][:csim_events])
        accept = simulated.accepts[name][:csim_events].astype(np.int64)
        found += [
            compare(score, got.score, ("csim", "rtl"), f"score of {name}"),
            compare(accept, got.accept.astype(np.int64), ("csim", "rtl"), f"accept of {name}"),
        ]
        if name in simulated.outputs:
            outputs = simulated.outputs[name][:csim_events]
            found.append(compare(outputs, got.network, ("csim", "rtl"), f"network outputs of {name}"))
    return found


def _longest(engine: Engine) -> str:
    blocks = [b for b, _ in engine.blocks]
    return max(blocks, key=lambda b: max(b.stage_delays_ns)).name


def _synthesize(
    engine: Engine, made: Rtl, section: SynthSection, family: str, folder: Path, progress: Callable[[str], None]
) -> tuple[tuple[LayerResources, ...], dict[str, int] | None]:
    """Resources of each block with its registers, of what stands around them, and of all copies together."""
    names = [b.name for b, _ in engine.blocks]

    def one(top: str) -> dict[str, int]:
        stubs = names if top == TOP else ()
        # Delays are shift registers of the top module; nothing else in it is optimized across blocks.
        return yosys.synthesize(
            made.sources, family, folder / top, section.time_limit_s, top, section.dsp, stubs
        )

    counts: dict[str, dict[str, int]] = {}
    if section.yosys:
        progress("synthesis with Yosys, block by block")
        with ThreadPoolExecutor(min(2, len(os.sched_getaffinity(0)))) as pool:
            # The largest first, so that none is left over at the end.
            order = [b.name for b in sorted((b for b, _ in engine.blocks), key=lambda b: -b.lut)]
            counts = dict(zip([*order, TOP], pool.map(one, [*order, TOP]), strict=True))
    parts = [
        LayerResources(
            b.name, f"{copies} copies" if copies > 1 else "one copy",
            counts.get(b.name), round(b.lut, 1), round(sum(b.stage_delays_ns), 3), _COUNTED,
        )
        for b, copies in engine.blocks
    ]
    around = LayerResources(engine.around, "around the blocks", counts.get(TOP), 0.0, 0.0, _COUNTED)
    if not counts:
        return tuple(parts), None
    total = {
        kind: counts[TOP][kind] + sum(copies * counts[b.name][kind] for b, copies in engine.blocks)
        for kind in counts[TOP]
    }
    return (*parts, around), total
