"""From a trigger function to measured RTL: made, simulated, judged and synthesized, on either machine."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from l1trigger.run_folder import checkpoints
from l1trigger.synth import lower, parallel, per_layer, verilator
from l1trigger.synth.machine import Machine, Proof, Share, Subject
from l1trigger.synth.result import SynthResult, by_what
from l1trigger.synth.stopwatch import Stopwatch
from l1trigger.synth.streaming import machine as streaming
from l1trigger.synth.synthesizer import RESOURCES, SYNTHESIZERS, Synthesizer

if TYPE_CHECKING:
    from l1trigger.csim.result import CsimResult
    from l1trigger.design import Design
    from l1trigger.results import Results
    from l1trigger.synth.verilator import Simulator

Progress = Callable[[str], None]


def measure(design: Design, results: Results, folder: Path, progress: Progress) -> SynthResult:
    """Writes, simulates and synthesizes the RTL; arguments and errors as for ``synth.run``."""
    subject, section, clock = _subject(design, results), design.synth, Stopwatch()
    chosen, work = SYNTHESIZERS.of(section), checkpoints(folder)
    if section.yosys:
        chosen.require(subject.part)
    progress("logic")
    machine = _machine(subject, folder / "rtl")
    clock.step("logic")
    progress("compiling the simulation")
    simulator = verilator.build(
        machine.rtl, work / "verilator", design.csim.compiler, section.time_limit_s, machine.optimized
    )
    clock.step("compile")
    proof = _proof(machine, simulator, subject, results.csim, progress)
    clock.step("simulate")
    shares, cells = machine.shares(subject), None
    if section.yosys:
        progress(f"synthesis with {chosen.title}")
        shares, cells = _synthesized(shares, chosen, folder / section.synthesizer)
        clock.step(section.synthesizer)
    parts = [s.listed for s in shares if s.listed and (s.listed.cells or not s.module.black_boxes)]
    if section.per_layer and (layers := machine.layers(subject)):
        progress("each layer alone")
        parts += per_layer.resources(layers, section, subject.part, work / "layers")
        clock.step("layers")
    return replace(
        _result(machine, proof, subject), route=section.route, cells=cells, layers=tuple(parts),
        synthesis_source=chosen.source, seconds=clock.seconds,
        tools={"verilator": verilator.tool(), chosen.source: chosen.tool(), "estimate": lower.tool()},
    )


def _subject(design: Design, results: Results) -> Subject:
    from l1trigger.convert import hls4ml

    trigger, trained, events = results.compress.trigger, results.train, design.synth.events
    return Subject(
        trigger, hls4ml.graph_layers(trigger.network, design.convert), design.synth, results.convert.part,
        results.convert.clock_ns,
        {e.name: e.inputs[:events][: len(results.csim.accepts[e.name])] for e in results.data.evaluated},
        trained.predictions if trained.predicts and trigger.keeps_outputs else None,
    )


def _machine(subject: Subject, folder: Path) -> Machine[Any]:
    if streaming.applies(subject.layers, subject.section):
        return streaming.machine(subject, folder)
    return parallel.machine(subject, folder)


def _proof(
    machine: Machine[Any], simulator: Simulator, subject: Subject, simulated: CsimResult, progress: Progress
) -> Proof:
    """What the RTL gives when it is driven, held against csim."""
    observed = []
    for drive in machine.drives(subject.samples):
        progress(f"{drive}  {len(drive.inputs):,} events through the RTL")
        observed.append((drive, machine.observe(simulator, drive)))
    return machine.judge(observed, simulated)


def _synthesized(shares: Sequence[Share], chosen: Synthesizer, folder: Path) -> tuple[list[Share], dict[str, int]]:
    """The shares with the cells of one copy each, and the cells of all copies together."""
    counts = chosen.synthesize_each({s.module.top: s.module for s in shares}, folder)
    total = {kind: sum(s.copies * counts[s.module.top][kind] for s in shares) for kind in RESOURCES}
    return [
        replace(s, listed=s.listed and replace(s.listed, cells=dict(counts[s.module.top]))) for s in shares
    ], total


def _result(machine: Machine[Any], proof: Proof, subject: Subject) -> SynthResult:
    """What the RTL is and what it proved."""
    trigger, made, says = machine.trigger, machine.rtl, subject.predictions
    value = trigger.network.output_type.value
    return SynthResult(
        subject.part, subject.clock_ns, comparisons=proof.comparisons, reason=proof.reason,
        latency_cycles=proof.latency_cycles,
        initiation_interval=None if proof.latency_cycles is None else machine.interval,
        events=sum(map(len, subject.samples.values())), stages=made.stages, stage_delays_ns=made.stage_delays_ns,
        ports=(sum(f.bits for f in made.inputs), sum(f.bits for f in made.outputs)), register_bits=made.register_bits,
        estimated_lut=machine.estimated_lut, estimated_delay_ns=machine.estimated_delay_ns,
        longest_stage_layers=machine.longest_stage_parts, unread_inputs=machine.unread,
        network_outputs=machine.network_outputs,
        scores={n: trigger.value(o.score) for n, o in proof.outputs.items()},
        accepts={n: o.accept for n, o in proof.outputs.items()},
        predictions=by_what({n: says(value(o.network)) for n, o in proof.outputs.items()}) if says else {},
    )
