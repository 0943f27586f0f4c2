"""What networks share that learn a label and an energy: targets, loss, and how outputs are read."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from l1trigger import frameworks
from l1trigger.data.events import Events
from l1trigger.data.scaling import InputScaling
from l1trigger.errors import DataError
from l1trigger.quantize import training

LOGIT, ENERGY = 0, 1
"""Order of the outputs."""
_BATCH = 4096


class Supervised:
    """Base of architectures with two outputs: the logit of signal against background, and the energy.

    The architecture's options have ``energy_unit_gev`` and ``class_loss_weight``; it has ``Options`` and ``build``.
    """

    Options: Any
    build: Callable[[Any], Any]

    @staticmethod
    def targets(options: Any, events: Events) -> NDArray[np.float32]:
        """Label and energy in network units (events, 2).

        Raises:
            DataError: the sample lacks label or energy, or an energy is not positive.
        """
        missing = [n for n in ("label", "energy") if n not in events.truth]
        if missing:
            raise DataError(
                events.name, f"has no true {' and '.join(missing)} to learn from",
                "take a data source that gives them, e.g. showers",
            )
        energy = events.truth["energy"]
        if len(energy) and not energy.min() > 0:
            raise DataError(events.name, f"event {int(np.argmin(energy))} has a true energy of {energy.min():g} GeV",
                            "leave such events out; the relative error is not defined for them")
        return np.stack([events.truth["label"], energy / options.energy_unit_gev], 1).astype(np.float32)

    @staticmethod
    def loss(options: Any) -> Callable[[Any, Any], Any]:
        """Beta * binary cross entropy + (1 - beta) * squared relative error of the energy, per event."""
        tf = frameworks.tensorflow()

        beta = options.class_loss_weight

        def weighted(target: Any, output: Any) -> Any:
            label, energy = target[:, LOGIT], target[:, ENERGY]
            entropy = tf.nn.sigmoid_cross_entropy_with_logits(label, output[:, LOGIT])
            relative = (output[:, ENERGY] - energy) / energy
            return beta * entropy + (1 - beta) * tf.square(relative)

        return weighted

    @classmethod
    def float_outputs(
        cls, options: Mapping[str, Any], weights: Mapping[str, NDArray[np.float32]], scaling: InputScaling,
        inputs: NDArray[Any],
    ) -> NDArray[np.float64]:
        """Outputs of the full-precision network (events, 2)."""
        model = cls.build(cls.Options.model_validate(options))
        training.set_weights(model, weights)
        x = scaling.real(inputs).astype(np.float32)
        return np.asarray(model.predict(x, batch_size=_BATCH, verbose=0), np.float64)

    @classmethod
    def float_score(
        cls, options: Mapping[str, Any], weights: Mapping[str, NDArray[np.float32]], scaling: InputScaling,
        inputs: NDArray[Any],
    ) -> NDArray[np.float64]:
        """The logit."""
        return cls.float_outputs(options, weights, scaling, inputs)[:, LOGIT]

    @staticmethod
    def predictions(options: Mapping[str, Any], outputs: NDArray[np.float64]) -> dict[str, NDArray[Any]]:
        """Energies [GeV] of network outputs (events, 2)."""
        return {"energy": outputs[:, ENERGY] * float(options["energy_unit_gev"])}
