"""Result of the stage ``compress``: the trigger function and how it was found."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from l1trigger.errors import DataError
from l1trigger.figures import Figure
from l1trigger.layer_summary import LayerSummary
from l1trigger.trigger import TriggerFunction


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
    """

    trigger: TriggerFunction
    layers: tuple[LayerSummary, ...]
    history: Mapping[str, list[float]]
    float_threshold: float
    seed_figures: tuple[Figure, ...] = ()
    post_training_figures: tuple[Figure, ...] = ()

    def save(self, folder: Path) -> None:
        """Writes the result into an existing folder."""
        self.trigger.save(folder)
        meta = {
            "layers": [asdict(layer) for layer in self.layers], "history": dict(self.history),
            "float_threshold": self.float_threshold,
            "seed_figures": [f.model_dump(mode="json") for f in self.seed_figures],
            "post_training_figures": [f.model_dump(mode="json") for f in self.post_training_figures],
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
        )
