"""Outputs that are the logit of signal against background and, mostly, the energy."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from l1trigger import frameworks
from l1trigger.contracts.architecture import Loss, Truth
from l1trigger.data.events import Events
from l1trigger.errors import DataError

LOGIT, ENERGY = 0, 1
"""Order of the outputs."""


@dataclass(frozen=True)
class Label(Truth):
    """The label of each event, as a logit."""

    def targets(self, events: Events) -> NDArray[np.float32]:
        """Label (events, 1).

        Raises:
            DataError: the sample lacks it.
        """
        _require(events, "label")
        return events.truth["label"][:, None].astype(np.float32)

    def loss(self) -> Loss:
        """Binary cross entropy, per event."""
        tf = frameworks.tensorflow()

        return lambda target, output: tf.nn.sigmoid_cross_entropy_with_logits(target[:, LOGIT], output[:, LOGIT])

    def score(self, outputs: NDArray[np.float64]) -> NDArray[np.float64]:
        """The logit."""
        return outputs[:, LOGIT]


@dataclass(frozen=True)
class LabelAndEnergy(Truth):
    """The label, as a logit, and the energy of each event.

    Attributes:
        energy_unit_gev: the second output is the energy in this unit [GeV].
        class_loss_weight: beta in beta * cross entropy + (1 - beta) * squared relative error of the energy.
    """

    energy_unit_gev: float
    class_loss_weight: float

    def targets(self, events: Events) -> NDArray[np.float32]:
        """Label and energy in network units (events, 2).

        Raises:
            DataError: the sample lacks label or energy, or an energy is not positive.
        """
        _require(events, "label", "energy")
        energy = events.truth["energy"]
        if len(energy) and not energy.min() > 0:
            raise DataError(events.name, f"event {int(np.argmin(energy))} has a true energy of {energy.min():g} GeV",
                            "leave such events out; the relative error is not defined for them")
        return np.stack([events.truth["label"], energy / self.energy_unit_gev], 1).astype(np.float32)

    def loss(self) -> Loss:
        """Beta * binary cross entropy + (1 - beta) * squared relative error of the energy, per event."""
        tf = frameworks.tensorflow()

        beta = self.class_loss_weight

        def weighted(target: Any, output: Any) -> Any:
            label, energy = target[:, LOGIT], target[:, ENERGY]
            entropy = tf.nn.sigmoid_cross_entropy_with_logits(label, output[:, LOGIT])
            relative = (output[:, ENERGY] - energy) / energy
            return beta * entropy + (1 - beta) * tf.square(relative)

        return weighted

    def score(self, outputs: NDArray[np.float64]) -> NDArray[np.float64]:
        """The logit."""
        return outputs[:, LOGIT]

    def predictions(self, outputs: NDArray[np.float64]) -> dict[str, NDArray[Any]]:
        """Energies [GeV] of network outputs (events, 2)."""
        return {"energy": outputs[:, ENERGY] * self.energy_unit_gev}


def _require(events: Events, *truth: str) -> None:
    missing = [n for n in truth if n not in events.truth]
    if missing:
        raise DataError(
            events.name, f"has no true {' and '.join(missing)} to learn from",
            "take a data source that gives them, e.g. showers",
        )
