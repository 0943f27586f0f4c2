"""Result of the stage ``train``: the full-precision reference, one training per seed."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from l1trigger.contracts.architecture import ARCHITECTURES, Architecture, SupervisedArchitecture, Training
from l1trigger.data.scaling import InputScaling
from l1trigger.errors import DataError


@dataclass(frozen=True)
class TrainResult:
    """The full-precision reference.

    Attributes:
        architecture: name of the plugin that understands the weights.
        options: resolved options of the architecture.
        scaling: hardware integers to network inputs.
        trainings: one per seed.
        best: which of them goes on: the one with the smallest validation loss.
    """

    architecture: str
    options: Mapping[str, Any]
    scaling: InputScaling
    trainings: tuple[Training, ...]
    best: int

    @cached_property
    def network(self) -> Architecture[Any]:
        """The architecture, with the options that it was trained with."""
        return ARCHITECTURES.get(self.architecture).stored(self.options)

    def float_score(self, inputs: NDArray[Any], which: int | None = None) -> NDArray[np.float64]:
        """Scores of the full-precision reference: the yardstick of all other levels.

        Args:
            inputs: hardware integers, first axis events.
            which: index of the training; None takes the best.
        """
        return self.network.float_score(self._training(which).weights, inputs)

    @property
    def predicts(self) -> bool:
        """Whether the network's outputs say more than a score: something that a truth can be held against."""
        return isinstance(self.network, SupervisedArchitecture)

    def float_outputs(self, inputs: NDArray[Any], which: int | None = None) -> NDArray[np.float64]:
        """Outputs (events, outputs) of a reference that ``predicts``; arguments as for ``float_score``."""
        assert isinstance(self.network, SupervisedArchitecture)
        return self.network.float_outputs(self._training(which).weights, inputs)

    def float_predictions(self, inputs: NDArray[Any], which: int | None = None) -> dict[str, NDArray[Any]]:
        """Predictions of a reference that ``predicts``; arguments as for ``float_score``."""
        return self.predictions(self.float_outputs(inputs, which))

    def predictions(self, outputs: NDArray[np.float64]) -> dict[str, NDArray[Any]]:
        """What outputs (events, outputs) of any level of a network that ``predicts`` say, each (events,).

        Each is named like the truth that it can be held against: ``energy`` [GeV], ``class`` (its index).
        """
        assert isinstance(self.network, SupervisedArchitecture)
        return self.network.truth.predictions(outputs)

    def _training(self, which: int | None) -> Training:
        return self.trainings[self.best if which is None else which]

    def save(self, folder: Path) -> None:
        """Writes the result into an existing folder."""
        meta = {
            "architecture": self.architecture, "options": dict(self.options), "scaling": self.scaling.as_dict(),
            "best": self.best,
            "trainings": [
                {
                    "seed": t.seed, "history": dict(t.history), "validation_loss": t.validation_loss,
                    "weights": list(t.weights),
                }
                for t in self.trainings
            ],
        }
        (folder / "train.json").write_text(json.dumps(meta, indent=1))
        for t in self.trainings:  # in order and without their names, which a file in an archive could not all have
            np.savez_compressed(folder / f"weights_seed{t.seed}.npz", *t.weights.values())

    @classmethod
    def load(cls, folder: Path) -> TrainResult:
        """Reads what ``save`` wrote."""
        try:
            meta = json.loads((folder / "train.json").read_text())
            trainings = []
            for t in meta["trainings"]:
                with (folder / f"weights_seed{t['seed']}.npz").open("rb") as file, np.load(file) as z:
                    # Artefacts of earlier versions have the names in the archive.
                    weights = dict(zip(t.get("weights", z.files), (z[k] for k in z.files), strict=True))
                trainings.append(Training(t["seed"], weights, t["history"], t["validation_loss"]))
        except (OSError, ValueError, KeyError, zipfile.BadZipFile) as e:
            raise DataError(folder, f"holds no training ({e})", "run the stage train again") from e
        return cls(
            meta["architecture"], meta["options"], InputScaling.from_dict(meta["scaling"]), tuple(trainings),
            meta["best"],
        )
