"""Result of the stage ``train``: the full-precision reference, one training per seed."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from l1trigger import plugins
from l1trigger.data.scaling import InputScaling
from l1trigger.errors import DataError
from l1trigger.models.architecture import Training


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

    def float_score(self, inputs: NDArray[Any], which: int | None = None) -> NDArray[np.float64]:
        """Scores of the full-precision reference: the yardstick of all other levels.

        Args:
            inputs: hardware integers, first axis events.
            which: index of the training; None takes the best.
        """
        training = self.trainings[self.best if which is None else which]
        architecture = plugins.get("l1trigger.models", self.architecture)
        scores: NDArray[np.float64] = architecture.float_score(self.options, training.weights, self.scaling, inputs)
        return scores

    @property
    def predicts(self) -> bool:
        """Whether the network's outputs say more than a score: something that a truth can be held against."""
        return hasattr(plugins.get("l1trigger.models", self.architecture), "predictions")

    def float_predictions(self, inputs: NDArray[Any], which: int | None = None) -> dict[str, NDArray[Any]]:
        """Predictions of the full-precision reference; arguments as for ``float_score``."""
        training = self.trainings[self.best if which is None else which]
        architecture = plugins.get("l1trigger.models", self.architecture)
        outputs = architecture.float_outputs(self.options, training.weights, self.scaling, inputs)
        return self.predictions(outputs)

    def predictions(self, outputs: NDArray[np.float64]) -> dict[str, NDArray[Any]]:
        """What network outputs (events, outputs) of any level say, each (events,).

        Each is named like the truth that it can be held against: ``energy`` [GeV], ``class`` (its index).
        """
        architecture = plugins.get("l1trigger.models", self.architecture)
        found: dict[str, NDArray[Any]] = architecture.predictions(self.options, outputs)
        return found

    def save(self, folder: Path) -> None:
        """Writes the result into an existing folder."""
        meta = {
            "architecture": self.architecture, "options": dict(self.options), "scaling": self.scaling.as_dict(),
            "best": self.best,
            "trainings": [
                {"seed": t.seed, "history": dict(t.history), "validation_loss": t.validation_loss}
                for t in self.trainings
            ],
        }
        (folder / "train.json").write_text(json.dumps(meta, indent=1))
        for t in self.trainings:
            arrays: dict[str, Any] = dict(t.weights)
            np.savez_compressed(folder / f"weights_seed{t.seed}.npz", **arrays)

    @classmethod
    def load(cls, folder: Path) -> TrainResult:
        """Reads what ``save`` wrote."""
        try:
            meta = json.loads((folder / "train.json").read_text())
            trainings = []
            for t in meta["trainings"]:
                with np.load(folder / f"weights_seed{t['seed']}.npz") as z:
                    weights = {k: z[k] for k in z.files}
                trainings.append(Training(t["seed"], weights, t["history"], t["validation_loss"]))
        except (OSError, ValueError, KeyError, zipfile.BadZipFile) as e:
            raise DataError(folder, f"holds no training ({e})", "run the stage train again") from e
        return cls(
            meta["architecture"], meta["options"], InputScaling.from_dict(meta["scaling"]), tuple(trainings),
            meta["best"],
        )
