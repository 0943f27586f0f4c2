"""Result of the stage ``compress``: the trigger function and how it was found."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from l1trigger.errors import DataError
from l1trigger.figures import Figure
from l1trigger.layer_summary import LayerSummary
from l1trigger.quantize.score_link import LogLink
from l1trigger.train.result import TrainResult
from l1trigger.trigger import TriggerFunction


def in_float_units(
    value: NDArray[np.float64], trigger: TriggerFunction, link: LogLink | None, trained: TrainResult
) -> NDArray[np.float64]:
    """Scores of a trigger function in units of the float score of the reference's best training."""
    value = value if link is None else link(value)
    return trigger.score_plugin.float_value(value, trained, trained.best)


@dataclass(frozen=True)
class CompressResult:
    """The quantized trigger.

    Attributes:
        trigger: the function that goes into firmware.
        layers: of the network.
        history: losses per epoch, by name.
        float_threshold: the threshold in units of the float score, for rate shifts at fixed threshold.
        seed_figures: physics figures of each seed's float and quantized level (condition ``seed``); empty for one.
        post_training_figures: headline figures of the network before it was fine-tuned; empty where it was not.
        link: between the firmware's score and the float score that it follows; None where they are the same.
        ebops: effective bit operations of the network, where its widths were learned.
        front_figures: figures of the other networks of the same training (condition ``ebops``).
    """

    trigger: TriggerFunction
    layers: tuple[LayerSummary, ...]
    history: Mapping[str, list[float]]
    float_threshold: float
    seed_figures: tuple[Figure, ...] = ()
    post_training_figures: tuple[Figure, ...] = ()
    link: LogLink | None = None
    ebops: float | None = None
    front_figures: tuple[Figure, ...] = ()

    def float_value(self, value: NDArray[np.float64], trained: TrainResult) -> NDArray[np.float64]:
        """Firmware scores, as real numbers, in units of the float score.

        Args:
            value: scores.
            trained: the reference.
        """
        return in_float_units(value, self.trigger, self.link, trained)

    def save(self, folder: Path) -> None:
        """Writes the result into an existing folder."""
        self.trigger.save(folder)
        meta = {
            "layers": [asdict(layer) for layer in self.layers], "history": dict(self.history),
            "float_threshold": self.float_threshold, "link": None if self.link is None else asdict(self.link),
            "seed_figures": [f.model_dump(mode="json") for f in self.seed_figures],
            "post_training_figures": [f.model_dump(mode="json") for f in self.post_training_figures],
            "ebops": self.ebops, "front_figures": [f.model_dump(mode="json") for f in self.front_figures],
        }
        (folder / "compress.json").write_text(json.dumps(meta, indent=1))

    @classmethod
    def load(cls, folder: Path) -> CompressResult:
        """Reads what ``save`` wrote."""
        try:
            meta = json.loads((folder / "compress.json").read_text())
        except (OSError, ValueError) as e:
            raise DataError(folder, f"holds no compressed trigger ({e})", "run the stage compress again") from e
        return cls(
            TriggerFunction.load(folder), tuple(LayerSummary(**layer) for layer in meta["layers"]), meta["history"],
            meta["float_threshold"], tuple(Figure(**f) for f in meta["seed_figures"]),
            tuple(Figure(**f) for f in meta.get("post_training_figures", ())),
            LogLink(**meta["link"]) if meta.get("link") else None, meta.get("ebops"),
            tuple(Figure(**f) for f in meta.get("front_figures", ())),
        )
