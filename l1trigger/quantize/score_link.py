"""A link between what a network gives and the score that it follows: a logarithm, while it is trained.

A reconstruction error is a sum, and its logarithm is what spreads it out. A network of sums and ReLUs reaches the sum
with fewer neurons than its logarithm; the order of events is the same, so that firmware needs no logarithm.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from l1trigger import frameworks

_SHARPNESS, _FLOOR = 8.0, 1e-3
"""Of the soft ReLU that keeps the logarithm's argument positive."""


@dataclass(frozen=True)
class LogLink:
    """score = mean + 2 deviation log(softplus(output)).

    Attributes:
        mean, deviation: of the score on training events.
    """

    mean: float
    deviation: float

    @classmethod
    def of(cls, score: NDArray[Any]) -> LogLink:
        """The link for the scores of training events (events,)."""
        return cls(float(np.mean(score)), max(float(np.std(score)), 1e-6))

    def __call__(self, output: NDArray[np.float64]) -> NDArray[np.float64]:
        """Scores of network outputs; rising, so that they rank events alike."""
        positive = np.logaddexp(0.0, _SHARPNESS * output) / _SHARPNESS
        return np.asarray(self.mean + 2 * self.deviation * np.log(positive + _FLOOR))

    def tensor(self, output: Any) -> Any:
        """The same of a tensor."""
        tf = frameworks.tensorflow()
        positive = tf.nn.softplus(_SHARPNESS * output) / _SHARPNESS
        return self.mean + 2 * self.deviation * tf.math.log(positive + _FLOOR)
