"""How well classes are told apart without a network: by the nearest class mean and by a linear discriminant."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from l1trigger.data.classes import CLASS
from l1trigger.data.events import DataSet, Events

Array = NDArray[np.float64]
CLASS_MEAN, DISCRIMINANT = "class_mean", "discriminant"
_FEW = 5_000
"""Training events; more change the discriminant of 3072 pixels little, and take memory."""
_COMPONENTS = 100
"""Principal components that the discriminant works on."""
_AT_ONCE = 8192


@dataclass(frozen=True)
class Linear:
    """One linear function of the inputs per class; the largest wins.

    Attributes:
        weights: (inputs, classes).
        constants: (classes,).
    """

    weights: Array
    constants: Array

    def __call__(self, inputs: NDArray[Any]) -> Array:
        """Values (events, classes) of hardware integers, first axis events."""
        starts = range(0, len(inputs), _AT_ONCE)
        return np.concatenate([_flat(inputs[s : s + _AT_ONCE]) @ self.weights + self.constants for s in starts])


def nearest_mean(x: Array, true: NDArray[np.int64], classes: int) -> Linear:
    """The class whose mean is nearest: the square of x is the same for all classes and drops out."""
    means = np.stack([x[true == c].mean(axis=0) for c in range(classes)])
    return Linear(2 * means.T, -np.square(means).sum(axis=1))


def discriminant(x: Array, true: NDArray[np.int64], classes: int) -> Linear:
    """Fisher's linear discriminant of the leading principal components: pixels may be constant, and are many."""
    from sklearn.decomposition import PCA
    from sklearn.discriminant_analysis import LinearDiscriminantAnalysis

    components = min(_COMPONENTS, x.shape[1], len(x) - classes)
    pca = PCA(components, random_state=0).fit(x)
    lda = LinearDiscriminantAnalysis().fit(pca.transform(x), true)
    weights = np.asarray(pca.components_.T @ lda.coef_.T, np.float64)
    constants = np.asarray(lda.intercept_ - pca.mean_ @ weights, np.float64)
    if classes == 2:  # scikit-learn gives one function, of the second class against the first
        weights, constants = (np.concatenate([-v, v], axis=-1) / 2 for v in (weights, constants))
    return Linear(weights, constants)


def scores_and_classes(
    data: DataSet,
) -> tuple[dict[str, dict[str, Array]], dict[str, dict[str, NDArray[np.int64]]]]:
    """Margins of class 0 and predicted classes of each baseline: baseline, then sample, to (events,)."""
    x, true = _training(data.train)
    count = len(data.classes)
    functions = {CLASS_MEAN: nearest_mean(x, true, count), DISCRIMINANT: discriminant(x, true, count)}
    scores: dict[str, dict[str, Array]] = {name: {} for name in functions}
    classes: dict[str, dict[str, NDArray[np.int64]]] = {name: {} for name in functions}
    for name, function in functions.items():
        for e in data.evaluated:
            values = function(e.inputs)
            scores[name][e.name] = values[:, 0] - values[:, 1:].max(axis=1)
            classes[name][e.name] = values.argmax(axis=1)
    return scores, classes


def _training(events: Events) -> tuple[Array, NDArray[np.int64]]:
    """Inputs (events, inputs) and classes of some training events; weights become chances of being taken.

    At least one event of every class is among them, so that each has a mean.
    """
    n, rng = len(events), np.random.default_rng(0)
    true = events.truth[CLASS].astype(np.int64)
    if n <= _FEW and events.equally_weighted:
        chosen = np.arange(n)
    else:
        chosen = rng.choice(n, min(n, _FEW), replace=not events.equally_weighted, p=events.weight)
        chosen = np.concatenate([np.unique(true, return_index=True)[1], chosen])
    return _flat(events.inputs[chosen]), true[chosen]


def _flat(inputs: NDArray[Any]) -> Array:
    return inputs.reshape(len(inputs), -1).astype(np.float64)
