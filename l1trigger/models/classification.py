"""What networks share that learn classes: one logit per class, class 0 being the one that the trigger looks for."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from l1trigger import frameworks
from l1trigger.data.classes import CLASS
from l1trigger.data.events import Events
from l1trigger.data.scaling import InputScaling
from l1trigger.errors import DataError

TASK = "classification"
KERNEL = "margin"
"""The score kernel that compares the first output with the others."""


class Classification:
    """Base of architectures with one output, a logit, per class.

    The architecture's options have ``classes``, their number, and the architecture has ``float_outputs``; one that
    can do other things as well overrides ``class_count``.
    """

    float_outputs: Callable[..., NDArray[np.float64]]

    @staticmethod
    def class_count(options: Any) -> int:
        """Number of classes that the outputs stand for; 0 where they stand for something else."""
        return int(options.classes)

    @classmethod
    def targets(cls, options: Any, events: Events) -> NDArray[np.float32]:
        """One for the true class and zero for the others (events, classes).

        Raises:
            DataError: the sample has no true classes, or one that the network has no output for.
        """
        count = cls.class_count(options)
        return np.eye(count, dtype=np.float32)[true_classes(events, count)]

    @staticmethod
    def loss(options: Any) -> Callable[[Any, Any], Any]:
        """Cross entropy of the softmax of the logits, per event; targets may be probabilities of another network."""
        tf = frameworks.tensorflow()

        def entropy(target: Any, output: Any) -> Any:
            return tf.nn.softmax_cross_entropy_with_logits(target, output)

        return entropy

    @classmethod
    def float_score(
        cls, options: Mapping[str, Any], weights: Mapping[str, NDArray[np.float32]], scaling: InputScaling,
        inputs: NDArray[Any],
    ) -> NDArray[np.float64]:
        """The margin of class 0."""
        return margin(cls.float_outputs(options, weights, scaling, inputs))

    @staticmethod
    def predictions(options: Mapping[str, Any], outputs: NDArray[np.float64]) -> dict[str, NDArray[Any]]:
        """The class of the largest of the outputs (events, classes), the first of equals."""
        return {CLASS: predicted(outputs)}  # named like the truth


def margin(outputs: NDArray[np.float64]) -> NDArray[np.float64]:
    """First of the outputs (events, classes) minus the largest of the others."""
    return np.asarray(outputs[:, 0] - outputs[:, 1:].max(axis=1), np.float64)


def predicted(outputs: NDArray[np.float64]) -> NDArray[np.int64]:
    """Index of the largest of the outputs (events, classes), the first of equals."""
    return np.asarray(outputs.argmax(axis=1), np.int64)


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


