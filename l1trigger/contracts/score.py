"""What a score has to be: which network goes into firmware, and what firmware computes from its outputs."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from l1trigger.contracts.architecture import Part
from l1trigger.fixed_point import FixedPoint
from l1trigger.plugins import Group, OptionsT, Plugin

if TYPE_CHECKING:
    from l1trigger.data.events import DataSet
    from l1trigger.data.scaling import InputScaling
    from l1trigger.design import Design
    from l1trigger.network import QuantizedNetwork
    from l1trigger.quantize.compressed import Compressed
    from l1trigger.train.result import TrainResult

Progress = Callable[[str], None]


@dataclass(frozen=True)
class ScoreKernel:
    """The function that firmware computes from inputs and outputs of the network, in all its forms.

    Attributes:
        cpp: name of the function template in ``firmware/hls/scores.h``.
        raw: scores as integers of a score type (events,), from network inputs (events, inputs), whether each belongs
            to an object that is there, network outputs (events, outputs), and that type.
        score_type: type that holds every score without loss, from the input scaling and the network.
        logic: the same on variables of one event in RTL: hardware integers, network inputs and network outputs, flat.
        needs_inputs: whether it looks at the inputs, too. A streaming engine does not keep them; its logic is given
            None in their place.
        compares_classes: whether the outputs stand for classes.
        of_objects: whether inputs of objects that are not there are left out, which only events of objects have.
        engine: the same on the numbers of an engine's program: hardware integers, network inputs and network outputs,
            flat. None leaves the score to csim.
    """

    cpp: str
    raw: Callable[[NDArray[np.float64], NDArray[np.bool_], NDArray[np.float64], FixedPoint], NDArray[np.int64]]
    score_type: Callable[[InputScaling, QuantizedNetwork], FixedPoint]
    logic: Callable[[Any, Any, Any], Any]
    needs_inputs: bool = False
    compares_classes: bool = False
    of_objects: bool = False
    engine: Callable[[Any, Any, Any], Any] | None = None


class Score(Plugin[OptionsT]):
    """What is brought to firmware, and how it decides. ``Options`` is a ``CompressSection``.

    Attributes:
        kernel: what firmware computes from the network's outputs.
        part: what of the reference it brings to firmware; None where it trains a network of its own.
        keeps_outputs: whether the network's outputs mean what those of the reference mean, e.g. an energy.
    """

    kernel: ClassVar[ScoreKernel]
    part: ClassVar[Part | None] = None
    keeps_outputs: ClassVar[bool] = False

    @abstractmethod
    def compress(
        self, data: DataSet, trained: TrainResult, which: int, work: Path, progress: Progress
    ) -> Compressed:
        """The quantized network of one training of the reference.

        Args:
            data: its training and validation samples are to be looked at, never those that it is judged on.
            trained: the reference.
            which: index of the training.
            work: folder in which an interrupted run finds what it had.
            progress: told what happens.

        Raises:
            DesignError: the reference has nothing that the score could bring to firmware.
        """

    def check(self, design: Design, data: DataSet) -> None:
        """Refuses, before anything is trained, a design that a later stage would refuse.

        Raises:
            L1TriggerError: firmware cannot have what the design asks for.
        """

    @classmethod
    def float_value(cls, value: NDArray[np.float64], trained: TrainResult, which: int) -> NDArray[np.float64]:
        """Firmware scores in units of the float score; the same where the network was trained on those units."""
        return value


SCORES: Group[Score[Any]] = Group("l1trigger.scores", Score, "score", "compress", "score")  # type: ignore[type-abstract]
