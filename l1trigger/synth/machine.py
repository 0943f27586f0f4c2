"""What a trigger function's hardware is to the stage ``synth``: RTL that is driven, judged and synthesized in parts."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Generic, TypeVar

from numpy.typing import NDArray

from l1trigger.bit_exact import Comparison
from l1trigger.convert.graph import GraphLayer
from l1trigger.sections import SynthSection
from l1trigger.synth.result import LayerResources, Predictions
from l1trigger.synth.rtl import Rtl
from l1trigger.synth.synthesizer import Module
from l1trigger.trigger import TriggerFunction, TriggerOutputs

if TYPE_CHECKING:
    from l1trigger.csim.result import CsimResult
    from l1trigger.synth.per_layer import Part
    from l1trigger.synth.verilator import Simulator

Samples = Mapping[str, NDArray[Any]]
"""Hardware integers, first axis events, by sample name."""
Observed = TypeVar("Observed")


@dataclass(frozen=True)
class Subject:
    """A trigger function that is to become RTL, and how.

    Attributes:
        trigger: the function.
        layers: of its network in hls4ml's graph.
        section: depth of the stages, what enters per clock, options of the solver, what is synthesized.
        part: FPGA.
        clock_ns: clock period [ns].
        samples: events to drive through the RTL, whose hardware integers must fit its ports.
        predictions: says what network outputs (events, outputs) mean; None where they mean nothing beside the score.
    """

    trigger: TriggerFunction
    layers: Sequence[GraphLayer]
    section: SynthSection
    part: str
    clock_ns: float
    samples: Samples
    predictions: Predictions | None = None


@dataclass(frozen=True)
class Drive:
    """Events that go through the RTL one after the other.

    Attributes:
        sample: name of the sample that they are of.
        inputs: hardware integers, first axis events.
        gap: idle clocks between events.
    """

    sample: str
    inputs: NDArray[Any]
    gap: int = 0

    def __str__(self) -> str:
        return self.sample + (f", {self.gap} idle clocks between events" if self.gap else "")


@dataclass(frozen=True)
class Proof:
    """What the simulated RTL proves.

    Attributes:
        comparisons: with the levels csim and quantized.
        latency_cycles: clock edges from an event at the inputs to its decision; None when that is not certain.
        reason: why it is not; empty when it is.
        outputs: sample name to what the RTL gave; empty when it is not certain which event that belongs to.
    """

    comparisons: tuple[Comparison, ...]
    latency_cycles: int | None
    reason: str
    outputs: Mapping[str, TriggerOutputs]


@dataclass(frozen=True)
class Share:
    """A module that is synthesized by itself, and what it adds to the whole.

    Attributes:
        module: to synthesize.
        copies: how many of it there are.
        listed: its entry among the parts, without its cells; None where it is no part but the whole.
    """

    module: Module
    copies: int = 1
    listed: LayerResources | None = None

    @property
    def estimated_lut(self) -> float:
        """Look-up tables of one copy by alkaid's cost model, where it is a part."""
        return self.listed.estimated_lut if self.listed else 0.0


@dataclass(frozen=True)
class Machine(ABC, Generic[Observed]):
    """Hardware of a trigger function, written as RTL.

    Attributes:
        trigger: the function.
        rtl: sources, ports, delays of the stages, and bits of the registers.
        interval: clocks from an event to the next: the initiation interval that driving is to prove.
        network_outputs: how many outputs of the network leave the RTL beside score and decision.
        estimated_lut: by alkaid's cost model.
        estimated_delay_ns: of the whole logic [ns].
        longest_stage_parts: layers or blocks with logic in the stage with the largest delay.
    """

    trigger: TriggerFunction
    rtl: Rtl
    interval: int
    network_outputs: int
    estimated_lut: float
    estimated_delay_ns: float
    longest_stage_parts: tuple[str, ...]

    optimized: ClassVar[bool] = False
    """Whether the simulation is compiled with optimization, which pays where an event takes many clocks."""

    @property
    def unread(self) -> tuple[str, ...]:
        """Names of the inputs that nothing reads, as far as that is known."""
        return ()

    def drives(self, samples: Samples) -> list[Drive]:
        """What is driven through the RTL: each sample, with events as fast as they may follow each other."""
        return [Drive(name, inputs) for name, inputs in samples.items()]

    @abstractmethod
    def observe(self, simulator: Simulator, drive: Drive) -> Observed:
        """What the simulated RTL gives when it is driven."""

    @abstractmethod
    def judge(self, observed: Sequence[tuple[Drive, Observed]], simulated: CsimResult) -> Proof:
        """Whether the RTL gave what it must, and after how many clock edges.

        Args:
            observed: each drive with what came of it.
            simulated: result of csim.

        Raises:
            BitMismatchError: there are more or fewer answers than events.
        """

    @abstractmethod
    def shares(self, subject: Subject) -> list[Share]:
        """The modules that are synthesized, which together are the whole."""

    def layers(self, subject: Subject) -> list[Part]:
        """Logic of each layer by itself; nothing where the shares tell as much."""
        return []
