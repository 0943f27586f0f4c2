"""The trigger function: everything that the firmware computes, from hardware integers to the decision bit.

This value is the contract between ``compress`` and all that follows: HLS, C-simulation and RTL are other forms of
the same function and must equal it bit for bit.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from l1trigger.contracts.score import SCORES, Score
from l1trigger.data.objects import present
from l1trigger.data.scaling import InputScaling
from l1trigger.fixed_point import FixedPoint
from l1trigger.network import QuantizedNetwork


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
    def score_plugin(self) -> type[Score[Any]]:
        """The score itself."""
        return SCORES.get(self.score)

    @property
    def keeps_outputs(self) -> bool:
        """Whether the network's outputs mean what those of the reference mean."""
        return self.score_plugin.keeps_outputs

    def evaluate(self, inputs: NDArray[Any]) -> TriggerOutputs:
        """The level ``quantized``: the function computed by QKeras and exact integer arithmetic.

        Args:
            inputs: hardware integers, first axis events.
        """
        x = self.scaling.firmware(inputs)
        raw = self.network.raw(x)
        output = self.network.output_type.value(raw)
        score = self.score_plugin.kernel.raw(x, present(inputs), output, self.score_type)
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
