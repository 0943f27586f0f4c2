"""Trivial scores on hardware integers, printed beside every result: what the network has to beat.

A counter of objects equals an autoencoder's mean AUC on some samples, and the sum of pT beats it on others, so a
figure without its baselines says little.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from l1trigger.data.events import DataSet, Events
from l1trigger.data.objects import EGAMMA, FEATURES, JET, MET, MUON, OBJECTS
from l1trigger.data.scaling import InputScaling

Scores = NDArray[np.float64]

TITLES = {
    "object_count": "2·leptons + jets", "sum_pt": "sum of pT", "leading_pt": "leading pT",
    "leading_muon_pt": "leading muon pT", "missing_et": "missing ET",
    "mean_depth": "mean depth", "moments": "linear in moments", "hit_sum": "sum of hits, depth-corrected",
    "sum_et": "sum of ET", "leading_et": "leading region", "linear": "linear model",
    "class_mean": "nearest class mean", "discriminant": "linear discriminant",
}
"""What each baseline is called in a report."""


def _float(values: NDArray[Any]) -> Scores:
    return np.asarray(values, np.float64)


def object_count(inputs: NDArray[Any]) -> Scores:
    """Twice the number of leptons (e/gamma and muons) plus the number of jets."""
    there = inputs[..., 0] > 0
    leptons = there[:, EGAMMA.rows].sum(1) + there[:, MUON.rows].sum(1)
    return _float(2 * leptons + there[:, JET.rows].sum(1))


def sum_pt(inputs: NDArray[Any]) -> Scores:
    """Sum of the pT of all objects but missing ET [units of 0.5 GeV]."""
    return _float(inputs[:, EGAMMA.first :, 0].sum(1, dtype=np.int64))


def leading_pt(inputs: NDArray[Any]) -> Scores:
    """Largest pT of any object but missing ET [units of 0.5 GeV]."""
    return _float(inputs[:, EGAMMA.first :, 0].max(1))


def leading_muon_pt(inputs: NDArray[Any]) -> Scores:
    """Largest pT of any muon [units of 0.5 GeV]: what a single-muon trigger cuts on."""
    return _float(inputs[:, MUON.first, 0])


def missing_et(inputs: NDArray[Any]) -> Scores:
    """Missing ET [units of 0.5 GeV]."""
    return _float(inputs[:, MET.first, 0])


def sum_et(inputs: NDArray[Any]) -> Scores:
    """Sum over all inputs of an image."""
    return _float(inputs.reshape(len(inputs), -1).sum(1, dtype=np.int64))


def leading_et(inputs: NDArray[Any]) -> Scores:
    """Largest input of an image."""
    return _float(inputs.reshape(len(inputs), -1).max(1))


ON_OBJECTS: Mapping[str, Callable[[NDArray[Any]], Scores]] = {
    "object_count": object_count, "sum_pt": sum_pt, "leading_pt": leading_pt,
    "leading_muon_pt": leading_muon_pt, "missing_et": missing_et,
}
ON_IMAGES: Mapping[str, Callable[[NDArray[Any]], Scores]] = {"sum_et": sum_et, "leading_et": leading_et}


@dataclass(frozen=True)
class LinearModel:
    """The float score as well as a sum of the scaled inputs can give it.

    Attributes:
        scaling: hardware integers to inputs.
        weights: one per input.
        bias: constant.
    """

    scaling: InputScaling
    weights: NDArray[np.float64]
    bias: float

    @classmethod
    def fit(cls, scaling: InputScaling, background: Events, float_score: Scores) -> LinearModel:
        """Least squares fit of the float score on (training) background, by event weight."""
        from sklearn.linear_model import LinearRegression

        model = LinearRegression().fit(scaling.real(background.inputs), float_score, sample_weight=background.weight)
        return cls(scaling, np.asarray(model.coef_, np.float64), float(model.intercept_))

    def __call__(self, inputs: NDArray[Any]) -> Scores:
        """Scores of hardware integers, first axis events."""
        scores: Scores = self.scaling.real(inputs) @ self.weights + self.bias
        return scores


def baseline_scores(data: DataSet, linear: LinearModel | None = None) -> dict[str, dict[str, Scores]]:
    """Scores of all baselines on the test background and the signals: baseline, then sample, to (events,)."""
    objects = data.test.inputs.shape[1:] == (OBJECTS, len(FEATURES))
    functions = dict(ON_OBJECTS if objects else ON_IMAGES)
    if linear is not None:
        functions["linear"] = linear
    return {name: {e.name: f(e.inputs) for e in data.evaluated} for name, f in functions.items()}
