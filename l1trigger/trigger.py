"""The trigger function: everything that the firmware computes, from hardware integers to the decision bit.

This value is the contract between ``compress`` and all that follows: HLS, C-simulation and RTL are other forms of
the same function and must equal it bit for bit.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from l1trigger import plugins
from l1trigger.data.objects import present
from l1trigger.data.scaling import InputScaling
from l1trigger.fixed_point import FixedPoint
from l1trigger.network import QuantizedNetwork


class Score(Protocol):
    """What a plugin of the group ``l1trigger.scores`` provides, beside ``Options`` and ``compress``."""

    kernel: str
    """Name of the C++ function in ``firmware/hls/scores.h``."""

    def score_type(self, scaling: InputScaling, network: QuantizedNetwork) -> FixedPoint:
        """Fixed-point type of the score."""

    def raw(
        self, x: NDArray[np.float64], present: NDArray[np.bool_], output: NDArray[np.float64], score_type: FixedPoint
    ) -> NDArray[np.int64]:
        """Scores as integers of ``score_type``.

        Args:
            x: network inputs (events, inputs).
            present: whether the input belongs to an object that is there (its pT is not 0), same shape.
            output: network outputs (events, outputs).
            score_type: type of the score.
        """


@dataclass(frozen=True)
class TriggerOutputs:
    """What the trigger function gives for a sample.

    Attributes:
        network: network outputs as integers of the network's output type (events, outputs).
        score: scores as integers of the score type (events,).
        accept: the decision bit (events,).
    """

    network: NDArray[np.int64]
    score: NDArray[np.int64]
    accept: NDArray[np.bool_]


@dataclass(frozen=True)
class TriggerFunction:
    """Input scaling, network, score and threshold.

    Attributes:
        name: of the design; a C++ identifier.
        scaling: hardware integers to network inputs.
        network: the quantized network.
        score: name of the score plugin.
        score_type: type of the score.
        threshold: an event is accepted when its score, as an integer, is greater than this.
    """

    name: str
    scaling: InputScaling
    network: QuantizedNetwork
    score: str
    score_type: FixedPoint
    threshold: int

    @property
    def score_plugin(self) -> Score:
        """The score itself."""
        plugin: Score = plugins.get("l1trigger.scores", self.score)()
        return plugin

    @property
    def keeps_outputs(self) -> bool:
        """Whether the network's outputs mean what those of the reference mean."""
        return bool(getattr(self.score_plugin, "keeps_outputs", False))

    def evaluate(self, inputs: NDArray[Any]) -> TriggerOutputs:
        """The level ``quantized``: the function computed by QKeras and exact integer arithmetic.

        Args:
            inputs: hardware integers, first axis events.
        """
        x = self.scaling.firmware(inputs)
        raw = self.network.raw(x)
        score = self.score_plugin.raw(x, present(inputs), self.network.output_type.value(raw), self.score_type)
        return TriggerOutputs(raw, score, score > self.threshold)

    def value(self, score: NDArray[np.int64]) -> NDArray[np.float64]:
        """Scores as real numbers."""
        return self.score_type.value(score)

    def save(self, folder: Path) -> None:
        """Writes the function into an existing folder."""
        self.network.save(folder)
        meta = {
            "name": self.name, "scaling": self.scaling.as_dict(), "score": self.score,
            "score_type": str(self.score_type), "threshold": self.threshold,
        }
        (folder / "trigger.json").write_text(json.dumps(meta, indent=1))

    @classmethod
    def load(cls, folder: Path) -> TriggerFunction:
        """Reads what ``save`` wrote."""
        meta = json.loads((folder / "trigger.json").read_text())
        return cls(
            meta["name"], InputScaling.from_dict(meta["scaling"]), QuantizedNetwork.load(folder), meta["score"],
            FixedPoint.parse(meta["score_type"]), int(meta["threshold"]),
        )


