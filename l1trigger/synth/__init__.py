"""Stage ``synth``: RTL of the whole trigger function, its latency in clock edges and its resources, measured.

What is measured is alkaid's distributed-arithmetic RTL of the same bit-exact function. What a vendor's tool makes from
the HLS project is something else: it is estimated beside it, and ``synth.vendor`` asks the tool, where there is one.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from l1trigger.bit_exact import Comparison, compare
from l1trigger.design import Design
from l1trigger.run_folder import checkpoints
from l1trigger.synth.result import LayerResources, Predictions, SynthResult, by_what
from l1trigger.synth.stopwatch import Laps

if TYPE_CHECKING:
    from l1trigger.convert.result import ConvertResult
    from l1trigger.csim.result import CsimResult
    from l1trigger.results import Results
    from l1trigger.sections import SynthSection
    from l1trigger.synth.lower import Logic
    from l1trigger.synth.vendor_tools import VendorResult
    from l1trigger.synth.verilator import Simulator

Streams = Mapping[str, tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]]
"""Sample name to what the RTL must give (score, decision and network outputs, as columns), the scores at level
quantized, and the RTL's output stream."""

_OUTPUTS = 2
"""The column with the first network output."""
ALIKE = "the outputs vary too little to tell the latency; simulate more events (synth.events)"


def run(
    design: Design, results: Results, folder: Path, progress: Callable[[str], None] = lambda message: None
) -> SynthResult:
    """Writes the RTL, simulates it with one new event per clock, and synthesizes it; asks a vendor's tool if wanted.

    A mismatch is recorded, not raised.

    Args:
        design: its section ``synth`` says how; ``convert`` is how the network was converted, and what is estimated;
            ``csim`` names the C++ compiler.
        results: of all stages before. Test background and signals are simulated, as far as csim did, and must equal it;
            where network outputs mean something to the reference, e.g. an energy, they leave the RTL.
        folder: of the stage; takes the RTL in ``rtl`` and the tools' logs. What is compiled lies among its checkpoints.
        progress: told what is being done.

    Raises:
        UnsupportedLayerError: the network has layers without logic; names all of them.
        ToolNotFoundError: a tool is missing.
        ToolFailedError: a tool failed or ran past its time limit.
        ReportError: a vendor's report is damaged.
    """
    from l1trigger.convert import hls4ml
    from l1trigger.synth import calibration, hls_estimate, lower, per_layer, rtl, vendor_tools, verilator, yosys
    from l1trigger.synth.devices import device
    from l1trigger.synth.streaming import stage

    section, trigger, converted, simulated = design.synth, results.compress.trigger, results.convert, results.csim
    data, trained, work = results.data, results.train, checkpoints(folder)
    if section.route in {"hls", "both"}:
        vendor_tools.find(converted.backend, section.vendor)  # a tool that is not there is told before work starts
    corrections = calibration.load(Path(section.calibration)) if section.calibration else {}
    progress("estimate of the HLS route")
    guess = hls_estimate.of_network(trigger.network, design.convert)
    result = SynthResult(converted.part, converted.clock_ns, route=section.route, hls=guess, corrections=corrections)
    if section.route in {"none", "hls"}:
        return replace(
            result, reason=f"synth.route is {section.route}",
            vendor=_vendor(section, converted, folder, work, progress),
        )
    family = device(converted.part).family
    clock = Laps()
    progress("logic")
    samples = {e.name: e.inputs[: section.events][: len(simulated.accepts[e.name])] for e in data.evaluated}
    layers = hls4ml.graph_layers(trigger.network, design.convert)
    predictions: Predictions | None = None
    if trained.predicts and trigger.keeps_outputs:
        predictions = trained.predictions
    if stage.applies(layers, section):
        found = stage.measure(
            result, trigger, layers, section, simulated, samples, family, design.csim.compiler, folder, work, progress,
            predictions,
        )
        return replace(found, vendor=_vendor(section, converted, folder, work, progress))
    types = lower.ports(trigger.scaling, list(samples.values()))
    logic = lower.lower(trigger, section, types, layers, with_outputs=predictions is not None)
    made = rtl.write(logic, section, converted.part, converted.clock_ns, folder / "rtl")
    clock.lap("logic")
    progress("compiling the simulation")
    simulator = verilator.build(made, work / "verilator", design.csim.compiler, section.time_limit_s)
    clock.lap("compile")
    streams = {}
    for name, inputs in samples.items():
        progress(f"{name}  {len(inputs):,} events through the RTL")
        streams[name] = _stream(simulator, inputs, simulated, name, logic)
    clock.lap("simulate")
    cells = None
    if section.yosys:
        progress("synthesis with Yosys")
        cells = yosys.synthesize(made.sources, family, folder / "yosys", section.time_limit_s, dsp=section.dsp)
        clock.lap("yosys")
    alone: tuple[LayerResources, ...] = ()
    if section.per_layer:
        progress("each layer alone")
        parts = per_layer.trigger_parts(trigger, layers, section, types)
        alone = per_layer.resources(parts, section, family, work / "layers")
        clock.lap("layers")
    latency, shift, comparisons = _judge(streams)
    # Where the RTL differs from csim, it is not certain which event a score belongs to.
    sure = all(c.exact for c in comparisons if c.between[0] == "csim")
    events = _events(streams, shift) if sure else {}
    result = replace(result, vendor=_vendor(section, converted, folder, work, progress))
    value = trigger.network.output_type.value
    return replace(
        result, comparisons=comparisons, scores={n: trigger.value(e[:, 0]) for n, e in events.items()},
        accepts={n: e[:, 1].astype(bool) for n, e in events.items()},
        predictions=by_what({n: predictions(value(e[:, _OUTPUTS:])) for n, e in events.items()}) if predictions else {},
        network_outputs=len(logic.output_types),
        reason="" if latency is not None else _reason(comparisons),
        latency_cycles=latency, initiation_interval=None if latency is None else 1,
        events=sum(map(len, samples.values())), stages=made.stages, stage_delays_ns=made.stage_delays_ns,
        ports=(sum(f.bits for f in made.inputs), sum(f.bits for f in made.outputs)),
        register_bits=made.register_bits, cells=cells, estimated_lut=logic.lut, estimated_delay_ns=logic.delay_ns,
        layers=alone, longest_stage_layers=logic.working(*made.longest_stage_ns),
        tools={"verilator": verilator.tool(), "yosys": yosys.tool(), "estimate": lower.tool()}, seconds=clock.seconds,
    )


def _vendor(
    section: SynthSection, converted: ConvertResult, folder: Path, work: Path, progress: Callable[[str], None]
) -> VendorResult | None:
    """What a vendor's tool says about the HLS project, where it is asked."""
    from l1trigger.synth import vendor_tools

    if section.route not in {"hls", "both"}:
        return None
    return vendor_tools.run(converted, section.vendor, folder / "vendor", work / "vendor", progress)


def _stream(
    simulator: Simulator, inputs: NDArray[np.int16], simulated: CsimResult, name: str, logic: Logic
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    n, score_type = len(inputs), logic.score_type
    score, quantized = (score_type.raw(simulated.scores[level][name][:n]) for level in ("csim", "quantized"))
    expected = np.stack([score, simulated.accepts[name][:n].astype(np.int64)], 1)
    if logic.output_types:
        expected = np.concatenate([expected, simulated.outputs[name][:n]], axis=1)
    fractions = (score_type.fraction, 0, *(t.fraction for t in logic.output_types))
    return expected, quantized, simulator.run(inputs, fractions)


def _judge(streams: Streams) -> tuple[int | None, int, tuple[Comparison, ...]]:
    """Latency as the one shift at which all streams agree, None if there is not exactly one; and the comparisons.

    Where no shift makes all agree, the comparisons are made at the one with the fewest differences; it comes second.
    """
    from l1trigger.synth.verilator import nearest_shift, shifts

    common = set.intersection(*(set(shifts(stream, expected)) for expected, _, stream in streams.values()))
    first, _, stream = max(streams.values(), key=lambda s: len(s[0]))
    shift = min(common) if common else nearest_shift(stream, first)
    comparisons = []
    events = _events(streams, shift)
    for name, (expected, quantized, _) in streams.items():
        got = events[name]
        comparisons += [
            compare(expected[:, 0], got[:, 0], ("csim", "rtl"), f"score of {name}"),
            compare(expected[:, 1], got[:, 1], ("csim", "rtl"), f"accept of {name}"),
            compare(quantized, got[:, 0], ("quantized", "rtl"), f"score of {name}"),
        ]
        if expected.shape[1] > _OUTPUTS:
            outputs = expected[:, _OUTPUTS:], got[:, _OUTPUTS:]
            comparisons.append(compare(*outputs, ("csim", "rtl"), f"network outputs of {name}"))
    return (shift if len(common) == 1 else None), shift, tuple(comparisons)


def _events(streams: Streams, shift: int) -> dict[str, NDArray[np.int64]]:
    """Sample name to what the RTL gave for each of its events, when it takes so many clocks (events, columns)."""
    return {name: whole[shift : shift + len(expected)] for name, (expected, _, whole) in streams.items()}


def _reason(comparisons: tuple[Comparison, ...]) -> str:
    """Why there is no latency."""
    return ALIKE if all(c.exact for c in comparisons) else "the RTL differs from csim at every latency"
