"""One output, a logit, per class; class 0 is the one that the trigger looks for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from l1trigger import frameworks
from l1trigger.contracts.architecture import Loss, Truth
from l1trigger.data.classes import CLASS
from l1trigger.data.events import Events
from l1trigger.errors import DataError

TASK = "classification"


@dataclass(frozen=True)
class Classes(Truth):
    """The class of each event.

    Attributes:
        class_count: number of classes.
    """

    class_count: int

    def targets(self, events: Events) -> NDArray[np.float32]:
        """One for the true class and zero for the others (events, classes).

        Raises:
            DataError: the sample has no true classes, or one that the network has no output for.
        """
        return np.eye(self.class_count, dtype=np.float32)[true_classes(events, self.class_count)]

    def loss(self) -> Loss:
        """Cross entropy of the softmax of the logits, per event; targets may be probabilities of another network."""
        tf = frameworks.tensorflow()

        def entropy(target: Any, output: Any) -> Any:
            return tf.nn.softmax_cross_entropy_with_logits(target, output)

        return entropy

    def score(self, outputs: NDArray[np.float64]) -> NDArray[np.float64]:
        """The margin of class 0: its logit minus the largest of the others."""
        return np.asarray(outputs[:, 0] - outputs[:, 1:].max(axis=1), np.float64)

    def predictions(self, outputs: NDArray[np.float64]) -> dict[str, NDArray[Any]]:
        """The class of the largest of the outputs (events, classes), the first of equals."""
        return {CLASS: np.asarray(outputs.argmax(axis=1), np.int64)}  # named like the truth


def true_classes(events: Events, count: int) -> NDArray[np.int64]:
    """True class of each event as an index.

    Args:
        events: with truth.
        count: number of classes.

    Raises:
        DataError: there are no true classes, or one is not an index of a class.
    """
    if CLASS not in events.truth:
        raise DataError(events.name, "has no true classes to learn from", "take a data source that gives them")
    true = events.truth[CLASS]
    wrong = np.flatnonzero(~np.isin(true, np.arange(count)))
    if len(wrong):
        raise DataError(
            events.name, f"event {wrong[0]} is of class {true[wrong[0]]:g}, but there are classes 0 to {count - 1}",
            "give model.classes as many classes as the data have, or leave such events out",
        )
    return np.asarray(true, np.int64)
