"""The fully parallel machine: the whole trigger function as one pipeline, with a new event at every clock."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from l1trigger.bit_exact import Comparison, compare
from l1trigger.synth import lower, per_layer, rtl
from l1trigger.synth.lower import Logic
from l1trigger.synth.machine import Drive, Machine, Proof, Share, Subject
from l1trigger.synth.synthesizer import Module
from l1trigger.trigger import TriggerOutputs

if TYPE_CHECKING:
    from l1trigger.csim.result import CsimResult
    from l1trigger.synth.verilator import Simulator

Columns = NDArray[np.int64]
"""Score, decision and network outputs, one row per event or clock."""
_OUTPUTS = 2
"""The column with the first network output."""
ALIKE = "the outputs vary too little to tell the latency; simulate more events (synth.events)"
DIFFERENT = "the RTL differs from csim at every latency"


@dataclass(frozen=True)
class ParallelMachine(Machine[Columns]):
    """A pipeline that takes an event at every clock; its latency is the one shift at which all outputs are right.

    Attributes:
        logic: of the whole trigger function.
    """

    logic: Logic

    @property
    def unread(self) -> tuple[str, ...]:
        """Names of the inputs that nothing reads."""
        return self.logic.unread

    def observe(self, simulator: Simulator, drive: Drive) -> Columns:
        """Outputs before every clock edge."""
        types = self.logic.output_types
        return simulator.run(drive.inputs, (self.logic.score_type.fraction, 0, *(t.fraction for t in types)))

    def judge(self, observed: Sequence[tuple[Drive, Columns]], simulated: CsimResult) -> Proof:
        """Latency as the one shift at which all streams equal csim, and the comparisons at it.

        Where no shift makes all agree, they are compared at the one with the fewest differences.
        """
        streams = {drive.sample: stream for drive, stream in observed}
        csim = {drive.sample: self._csim(drive, simulated) for drive, _ in observed}
        common = set.intersection(*(set(shifts(stream, csim[name])) for name, stream in streams.items()))
        longest = max(streams, key=lambda name: len(csim[name]))
        shift = min(common) if common else nearest_shift(streams[longest], csim[longest])
        answers = {name: stream[shift : shift + len(csim[name])] for name, stream in streams.items()}
        comparisons = [c for name, rows in answers.items() for c in self._compare(name, csim[name], rows, simulated)]
        exact = all(c.exact for c in comparisons if c.between[0] == "csim")
        latency = shift if len(common) == 1 else None
        reason = "" if latency is not None else ALIKE if all(c.exact for c in comparisons) else DIFFERENT
        # Where the RTL differs from csim, it is not certain which event a score belongs to.
        return Proof(tuple(comparisons), latency, reason, _outputs(answers) if exact else {})

    def _csim(self, drive: Drive, simulated: CsimResult) -> Columns:
        """What csim gave, in the order of the RTL's outputs."""
        n, name = len(drive.inputs), drive.sample
        score = self.logic.score_type.raw(simulated.scores["csim"][name][:n])
        rows = np.stack([score, simulated.accepts[name][:n].astype(np.int64)], 1)
        return np.concatenate([rows, simulated.outputs[name][:n]], axis=1) if self.logic.output_types else rows

    def _compare(self, name: str, csim: Columns, answers: Columns, simulated: CsimResult) -> list[Comparison]:
        """Comparisons of a sample with csim, and of its score with the quantized level."""
        quantized = self.logic.score_type.raw(simulated.scores["quantized"][name][: len(csim)])
        comparisons = [
            compare(csim[:, 0], answers[:, 0], ("csim", "rtl"), f"score of {name}"),
            compare(csim[:, 1], answers[:, 1], ("csim", "rtl"), f"accept of {name}"),
            compare(quantized, answers[:, 0], ("quantized", "rtl"), f"score of {name}"),
        ]
        if csim.shape[1] > _OUTPUTS:
            outputs = csim[:, _OUTPUTS:], answers[:, _OUTPUTS:]
            comparisons.append(compare(*outputs, ("csim", "rtl"), f"network outputs of {name}"))
        return comparisons

    def shares(self, subject: Subject) -> list[Share]:
        """The one module that is the whole."""
        return [Share(Module(self.rtl.sources, subject.part))]

    def layers(self, subject: Subject) -> list[per_layer.Part]:
        """Input scaling, layers of the network, score and decision."""
        return per_layer.trigger_parts(subject.trigger, subject.layers, subject.section, self.logic.ports)


def machine(subject: Subject, folder: Path) -> ParallelMachine:
    """The machine of a trigger function, with its RTL in a folder.

    Raises:
        UnsupportedLayerError: the network has layers that have no logic; names all of them.
    """
    trigger, section = subject.trigger, subject.section
    types = lower.ports(trigger.scaling, list(subject.samples.values()))
    with_outputs = subject.predictions is not None
    logic = lower.lower(trigger, section, types, subject.layers, with_outputs=with_outputs)
    made = rtl.write(logic, section, subject.part, subject.clock_ns, folder)
    return ParallelMachine(
        trigger, made, interval=1, network_outputs=len(logic.output_types), estimated_lut=logic.lut,
        estimated_delay_ns=logic.delay_ns, longest_stage_parts=logic.working(*made.longest_stage_ns), logic=logic,
    )


def _outputs(answers: Mapping[str, Columns]) -> dict[str, TriggerOutputs]:
    return {
        name: TriggerOutputs(rows[:, _OUTPUTS:], rows[:, 0], rows[:, 1].astype(bool)) for name, rows in answers.items()
    }


def shifts(stream: Columns, expected: Columns) -> list[int]:
    """Numbers of clock edges by which the stream follows the expected values, exactly and at every clock."""
    n = len(expected)
    return [k for k in range(len(stream) - n + 1) if np.array_equal(stream[k : k + n], expected)]


def nearest_shift(stream: Columns, expected: Columns) -> int:
    """The number of clock edges at which the fewest values differ."""
    n = len(expected)
    return int(np.argmin([(stream[k : k + n] != expected).sum() for k in range(len(stream) - n + 1)]))
