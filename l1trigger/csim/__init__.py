"""Stage ``csim``: the HLS project's C++ over all test events, held against the quantized network and the engine."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from l1trigger.bit_exact import Comparison, compare
from l1trigger.csim.result import CsimResult
from l1trigger.design import Design
from l1trigger.run_folder import checkpoints
from l1trigger.trigger import TriggerFunction, TriggerOutputs

if TYPE_CHECKING:
    from l1trigger.csim.trace import Place
    from l1trigger.results import Results
    from l1trigger.train.result import TrainResult

LEVELS = ("quantized", "csim")
_BATCH = 50_000


def run(
    design: Design, results: Results, folder: Path, progress: Callable[[str], None] = lambda message: None
) -> CsimResult:
    """Scores of test background and signals at every level, and how the levels compare.

    A mismatch is recorded with its layer and type, not raised.

    Args:
        design: its section ``csim`` gives compiler, processes, events and time limit.
        results: give test background and signals to simulate, the reference, the trigger and the HLS project.
        folder: of the stage; the program, its log and finished chunks of events lie among its checkpoints.
        progress: told how many events are done.

    Raises:
        DataError: a sample has no events.
        ToolNotFoundError: there is no C++ compiler.
        ToolFailedError: the compiler or the program failed or ran past its time limit.
    """
    from l1trigger.csim import compile, simulate, trace, witness

    section, trigger, reference, converted = design.csim, results.compress.trigger, results.train, results.convert
    work = checkpoints(folder)
    executable = compile.build(converted, section, work)
    engine = witness.of(trigger, design.convert)
    locate = partial(trace.locate, executable, trigger, converted, work=work)
    chunks = work / "chunks"

    def count(what: str, done: int, total: int) -> None:
        progress(f"{what}  {done:,} of {total:,} events")

    scores: dict[str, dict[str, NDArray[np.float64]]] = {"float": {}, "quantized": {}, "csim": {}}
    predictions: dict[str, dict[str, dict[str, NDArray[Any]]]] = {}
    outputs: dict[str, NDArray[np.int64]] = {}
    predicts = reference.predicts and trigger.keeps_outputs
    accepts: dict[str, NDArray[np.bool_]] = {}
    comparisons: list[Comparison] = []
    measured = (*LEVELS, *([] if engine.engine is None else ["engine"]))
    events = dict.fromkeys(measured, 0)
    seconds = dict.fromkeys(measured, 0.0)
    for sample in results.data.evaluated:
        inputs = sample.inputs[: section.events]
        simulate.require_events(inputs, sample.name)
        began = time.monotonic()
        quantized = _evaluate(trigger, inputs, count, f"{sample.name} quantized")
        seconds["quantized"] += time.monotonic() - began
        events["quantized"] += len(inputs)
        simulated = simulate.simulate(
            executable, inputs, quantized.network.shape[1], section, chunks, count, sample.name
        )
        seconds["csim"] += simulated.seconds
        events["csim"] += simulated.events
        scores["float"][sample.name] = reference.float_score(inputs)
        scores["quantized"][sample.name] = trigger.value(quantized.score)
        scores["csim"][sample.name] = trigger.value(simulated.outputs.score)
        accepts[sample.name] = simulated.outputs.accept
        if predicts:
            outputs[sample.name] = simulated.outputs.network
            for level, predicted in _predictions(reference, trigger, inputs, quantized, simulated.outputs).items():
                for what, values in predicted.items():
                    predictions.setdefault(what, {}).setdefault(level, {})[sample.name] = values
        comparisons += _compare(sample.name, inputs, quantized, simulated.outputs, locate)
        if engine.engine is not None:
            seen = engine.compare(sample.name, inputs, simulated.outputs, executable, work)
            comparisons += seen.comparisons
            seconds["engine"] += seen.seconds
            events["engine"] += len(inputs)
    shutil.rmtree(chunks, ignore_errors=True)
    return CsimResult(
        scores=scores, accepts=accepts, comparisons=tuple(comparisons), compile_s=executable.compile_s,
        events_per_s={level: round(events[level] / seconds[level], 1) for level in measured if events[level]},
        processes=simulate.processes(section), compiler=executable.compiler,
        predictions=predictions, outputs=outputs, engine=engine.tool, no_engine=engine.reason, program=engine.engine,
    )


def _predictions(
    reference: TrainResult, trigger: TriggerFunction, inputs: NDArray[Any], quantized: TriggerOutputs,
    simulated: TriggerOutputs,
) -> dict[str, dict[str, NDArray[Any]]]:
    """What the network outputs of one sample say at every level."""
    value = trigger.network.output_type.value
    return {
        "float": reference.float_predictions(inputs), "quantized": reference.predictions(value(quantized.network)),
        "csim": reference.predictions(value(simulated.network)),
    }


def _evaluate(
    trigger: TriggerFunction, inputs: NDArray[Any], progress: Callable[[str, int, int], None], what: str
) -> TriggerOutputs:
    """The level ``quantized``, in batches that bound the memory."""
    parts = []
    for start in range(0, len(inputs), _BATCH):
        parts.append(trigger.evaluate(inputs[start : start + _BATCH]))
        progress(what, min(start + _BATCH, len(inputs)), len(inputs))
    return TriggerOutputs(
        np.concatenate([p.network for p in parts]), np.concatenate([p.score for p in parts]),
        np.concatenate([p.accept for p in parts]),
    )


def _compare(
    name: str, inputs: NDArray[Any], quantized: TriggerOutputs, simulated: TriggerOutputs,
    locate: Callable[[NDArray[Any]], Place],
) -> list[Comparison]:
    """Comparisons of all quantities of one sample; the first mismatch of each says in which layer it arose.

    Args:
        name: of the sample.
        inputs: hardware integers, first axis events.
        quantized, simulated: what the two levels gave for them.
        locate: gives the first place where the levels differ for one event.
    """
    pairs = (
        (quantized.network, simulated.network, "network outputs"),
        (quantized.score, simulated.score, "score"),
        (quantized.accept.astype(np.int64), simulated.accept.astype(np.int64), "accept"),
    )
    comparisons = [compare(a, b, LEVELS, f"{what} of {name}") for a, b, what in pairs]
    places: dict[int, Place] = {}
    for i, c in enumerate(comparisons):
        if c.first_mismatch is None:
            continue
        event = c.first_mismatch.event
        if event not in places:
            places[event] = locate(inputs[event])
        place = places[event]
        comparisons[i] = replace(c, first_mismatch=replace(c.first_mismatch, layer=place.layer, type=place.type))
    return comparisons
