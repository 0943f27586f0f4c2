"""What an architecture, the full-precision reference network of a design, has to be."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from l1trigger.compress_sections import QuantizationSection
from l1trigger.plugins import Group, OptionsT, Plugin
from l1trigger.sections import TrainSection

if TYPE_CHECKING:
    from l1trigger.data.events import DataSet, Events
    from l1trigger.data.scaling import InputScaling
    from l1trigger.design import Design
    from l1trigger.network import QuantizedNetwork

Progress = Callable[[str], None]
Weights = Mapping[str, NDArray[Any]]
"""What a training leaves: arrays by name, as the architecture understands them."""
Loss = Callable[[Any, Any], Any]
"""Of (target, output), as tensors, per event."""


class Part(StrEnum):
    """What of a trained network a score brings to firmware."""

    OUTPUTS = "outputs"
    RECONSTRUCTION = "reconstruction"
    LATENT = "latent"


STORED = {"stored": True}
"""Validation context of options that come from a finished training: the files that they name may be gone."""


@dataclass(frozen=True)
class Training:
    """One training of the reference.

    Attributes:
        seed: random seed.
        weights: arrays by name, as the architecture understands them.
        history: loss per epoch by name (``loss``, ``val_loss`` ...).
        validation_loss: the smallest.
    """

    seed: int
    weights: Mapping[str, NDArray[np.float32]]
    history: Mapping[str, list[float]]
    validation_loss: float


class Architecture(Plugin[OptionsT]):
    """A full-precision reference network. ``Options`` is a ``ModelSection``.

    The network comes to firmware in one of three ways: it is quantized already (``quantized_network``), a score
    quantizes its layers (``layers``), or it brings quantized layers of its own (``quantized_model`` of a
    ``SupervisedArchitecture``). With none of them only the score ``student`` can follow it.
    """

    @classmethod
    def stored(cls, options: Mapping[str, Any]) -> Self:
        """The architecture with the options, as plain values, of a finished training."""
        return cls(cls.Options.model_validate(options, context=STORED))

    @classmethod
    def own_layers(cls) -> Mapping[str, Any]:
        """Keras classes of quantized layers that neither Keras nor QKeras has, by the names that configurations have.

        They derive from ``l1trigger.own_layers.OwnLayer``.
        """
        return {}

    @classmethod
    def sources(cls) -> tuple[Path, ...]:
        """Files of another package that firmware is made from; the HLS project is made anew when one has changed."""
        return ()

    @property
    @abstractmethod
    def scaling(self) -> InputScaling:
        """Hardware integers to network inputs."""

    @abstractmethod
    def fit(self, section: TrainSection, data: DataSet, seed: int, work: Path, progress: Progress) -> Training:
        """One training of the network.

        Args:
            section: epochs, batch size, learning rate.
            data: its training and validation samples are to be looked at, never those that it is judged on.
            seed: random seed.
            work: folder in which an interrupted training finds its finished epochs again.
            progress: told what happens.

        Raises:
            DataError: the samples lack what is to be learnt.
        """

    @abstractmethod
    def float_score(self, weights: Weights, inputs: NDArray[Any]) -> NDArray[np.float64]:
        """Scores at full precision (events,) of hardware integers, first axis events; larger is more signal-like."""

    def check(self, design: Design) -> None:
        """Refuses, before anything is trained, a design that a later stage would refuse.

        Raises:
            L1TriggerError: the network cannot be what the design asks for.
        """

    def check_shape(self, shape: tuple[int, ...]) -> None:
        """Refuses events that the network cannot take, beyond their number of inputs.

        Args:
            shape: of one event.

        Raises:
            DesignError: the network takes another.
        """

    def quantized_network(self, weights: Weights) -> QuantizedNetwork | None:
        """The network for firmware, where training left one that is quantized already; else None."""
        return None

    def layers(self, weights: Weights, part: Part) -> Any:
        """The trained float layers that a score brings to firmware; None where the network has none for it.

        Args:
            weights: of the training.
            part: of the network that the score needs; a reconstruction is one whose squared error is the score.

        Returns:
            A Keras model of layers that can be quantized, or a list of ``DenseLayer``.
        """
        return None


class Truth(ABC):
    """What network outputs are held against: how they are trained, and what they say."""

    class_count: int = 0
    """Number of classes that the outputs, one logit each, stand for; 0 where they stand for something else."""

    @abstractmethod
    def targets(self, events: Events) -> NDArray[np.float32]:
        """What the outputs should be (events, outputs).

        Raises:
            DataError: the sample lacks what is to be learnt.
        """

    @abstractmethod
    def loss(self) -> Loss:
        """Of (target, output), per event."""

    @abstractmethod
    def score(self, outputs: NDArray[np.float64]) -> NDArray[np.float64]:
        """Scores (events,) of network outputs (events, outputs); larger is more signal-like."""

    def predictions(self, outputs: NDArray[np.float64]) -> dict[str, NDArray[Any]]:
        """What network outputs (events, outputs) say beside the score, each (events,), named like the truth.

        ``energy`` [GeV] or ``class`` (its index).
        """
        return {}


class SupervisedArchitecture(Architecture[OptionsT]):
    """A network whose outputs are learned from a truth; the scores ``classifier`` and ``class_margin`` quantize it.

    Attributes:
        internal_bits: widths inside its own layers that ``compress.internal`` can change, with their defaults.
    """

    internal_bits: ClassVar[Mapping[str, int]] = {}

    @property
    @abstractmethod
    def truth(self) -> Truth:
        """What the outputs are held against."""

    @abstractmethod
    def float_outputs(self, weights: Weights, inputs: NDArray[Any]) -> NDArray[np.float64]:
        """Outputs at full precision (events, outputs) of hardware integers, first axis events."""

    def float_score(self, weights: Weights, inputs: NDArray[Any]) -> NDArray[np.float64]:
        """Scores at full precision (events,): what the truth reads from the outputs."""
        return self.truth.score(self.float_outputs(weights, inputs))

    def examples(self, events: Events, seed: int) -> tuple[NDArray[np.int16], NDArray[np.float32]]:
        """Hardware integers and targets to train and to fine-tune on."""
        return events.inputs, self.truth.targets(events)

    def untrained(self) -> Any:
        """The Keras model of ``layers`` before it is trained, its names and shapes; None where there is none."""
        return None

    def quantized_model(
        self, weights: Weights, section: QuantizationSection, internal: Mapping[str, int], x: NDArray[np.float64]
    ) -> Any:
        """The QKeras model of a network with layers of its own, the float weights in it; None where it has none.

        Args:
            weights: of the training.
            section: widths of weights, biases and activations, and of single layers by name.
            internal: widths inside the layers; see ``internal_bits``.
            x: firmware inputs on which ranges are seen (events, inputs).
        """
        return None


ARCHITECTURES: Group[Architecture[Any]] = Group("l1trigger.models", Architecture, "model", "model", "architecture")  # type: ignore[type-abstract]
