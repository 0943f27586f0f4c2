"""What can be had from calorimeter hits without a network: sums and longitudinal moments."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from l1trigger.data.events import DataSet, Events
from l1trigger.data.hits import ENERGY_GEV, FEATURES

Array = NDArray[np.float64]
ENERGY = "hit_sum"
"""Name of the energy that is made of the sum of the hits and its longitudinal moments."""
MEAN_DEPTH, MOMENTS = "mean_depth", "moments"
_FEW = 50_000


def are_hits(inputs: NDArray[Any]) -> bool:
    """Whether inputs (events, ...) are calorimeter hits."""
    return inputs.ndim == 3 and inputs.shape[2] == len(FEATURES)


def moments(inputs: NDArray[Any]) -> Array:
    """Sum of hit energies [GeV], mean and spread of the layer, mean distance from the axis [cells], number of hits.

    Means are weighted by energy; a cluster without hits has zeros. Shape (events, 5).
    """
    x, y, layer, energy = (inputs[..., i].astype(np.float64) for i in range(len(FEATURES)))
    total = energy.sum(1)
    safe = np.maximum(total, 1.0)
    depth = (energy * layer).sum(1) / safe
    spread = np.sqrt(np.maximum((energy * layer**2).sum(1) / safe - depth**2, 0.0))
    radius = (energy * np.hypot(x, y)).sum(1) / safe
    return np.stack([total * ENERGY_GEV, depth, spread, radius, (energy > 0).sum(1).astype(np.float64)], 1)


def mean_depth(inputs: NDArray[Any]) -> Array:
    """Minus the energy-weighted mean layer: electromagnetic showers are early."""
    return -moments(inputs)[:, 1]


@dataclass(frozen=True)
class Fitted:
    """Baselines with constants that were fitted to training events.

    Attributes:
        calibration: of E = sum * (k0 + k1 depth + k2 depth^2): the sum of hits, with a scale that follows the depth.
        classes: weights and constant of the linear discriminant of the moments.
    """

    calibration: Array
    classes: tuple[Array, float]

    @classmethod
    def fit(cls, events: Events) -> Fitted:
        """Fits both to events with true energy and label."""
        from sklearn.discriminant_analysis import LinearDiscriminantAnalysis

        few = events.select(slice(0, _FEW))
        m, true = moments(few.inputs), few.truth["energy"]
        # Divided by the true energy, so that the relative error counts alike at all energies.
        calibration = np.linalg.lstsq(_scale(m) / true[:, None], np.ones(len(true)), rcond=None)[0]
        lda = LinearDiscriminantAnalysis().fit(m, few.truth["label"])
        return cls(np.asarray(calibration, np.float64), (lda.coef_[0].astype(np.float64), float(lda.intercept_[0])))

    def energy(self, inputs: NDArray[Any]) -> Array:
        """Energies [GeV]."""
        return np.asarray(_scale(moments(inputs)) @ self.calibration, np.float64)

    def score(self, inputs: NDArray[Any]) -> Array:
        """The discriminant, large for e/gamma."""
        weights, constant = self.classes
        return np.asarray(moments(inputs) @ weights + constant, np.float64)


def _scale(m: Array) -> Array:
    return m[:, :1] * np.stack([np.ones(len(m)), m[:, 1], m[:, 1] ** 2], 1)


def scores_and_energies(data: DataSet) -> tuple[dict[str, dict[str, Array]], dict[str, Array]]:
    """Scores of every baseline (baseline, then sample, to (events,)), and energies [GeV] by sample."""
    fitted = Fitted.fit(data.train)
    functions = {MEAN_DEPTH: mean_depth, MOMENTS: fitted.score}
    scores = {name: {e.name: f(e.inputs) for e in data.evaluated} for name, f in functions.items()}
    return scores, {e.name: fitted.energy(e.inputs) for e in data.evaluated}
