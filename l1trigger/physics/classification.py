"""How well classes are told apart, on the test events and the signals together.

| name | value | conditions |
| --- | --- | --- |
| ``accuracy`` | fraction of events whose predicted class is the true one | classes, events |
| ``accuracy_loss`` | accuracy of the float level minus that of this level, on the same events | classes |
| ``accuracy_above_best_baseline`` | accuracy of this level minus that of the best baseline, on the same events | |
| | | best_baseline, best_baseline_value |
| ``efficiency`` | fraction of a true class that is found (recall) | class, events |
| ``purity`` | fraction of what is taken for a class that is of it (precision) | class, events |

Events count by their weight; those of each sample weigh 1 on average, so that equally weighted events simply count.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from l1trigger.data.classes import CLASS
from l1trigger.data.events import UNKNOWN, DataSet, Events
from l1trigger.figures import Conditions, Estimate, Figure, FigureMaker
from l1trigger.physics.estimate import Groups
from l1trigger.physics.roc import INTERVAL_METHOD, efficiency

Predicted = Mapping[str, NDArray[np.int64]]
"""Sample name to the predicted class of each event, as an index (events,)."""

METHOD = INTERVAL_METHOD.partition(",")[0]


@dataclass(frozen=True)
class Labelled:
    """All events that classes are judged on.

    Attributes:
        events: the test events followed by the signals; without inputs.
        true: their classes, as indices (events,).
        samples: names of the samples in that order, with the number of events of each.
        classes: names of the classes.
    """

    events: Events
    true: NDArray[np.int64]
    samples: Mapping[str, int]
    classes: tuple[str, ...]

    @classmethod
    def of(cls, data: DataSet) -> Labelled:
        """Test events and signals of a data set with classes."""
        rows, first = [], 0
        for e in data.evaluated:  # rows of different samples are different events
            rows.append(np.where(e.row == UNKNOWN, UNKNOWN, e.row + first))
            first += int(e.row.max(initial=UNKNOWN)) + 1
        joined = replace(
            data.test, inputs=np.empty((sum(map(len, data.evaluated)), 0), np.int16), truth={},
            weight=np.concatenate([e.weight * len(e) for e in data.evaluated]),
            block=np.concatenate([e.block for e in data.evaluated]), row=np.concatenate(rows).astype(np.int32),
        )
        true = np.concatenate([e.truth[CLASS] for e in data.evaluated]).astype(np.int64)
        return cls(joined, true, {e.name: len(e) for e in data.evaluated}, data.classes)

    def joined(self, predicted: Predicted) -> NDArray[np.int64]:
        """Predicted classes in the order of the events."""
        return np.concatenate([predicted[name][:count] for name, count in self.samples.items()])

    def confusion(self, predicted: Predicted) -> NDArray[np.float64]:
        """Weighted events by true class (rows) and predicted class (columns)."""
        n = len(self.classes)
        cells = np.bincount(self.true * n + self.joined(predicted), self.events.weight, n * n)
        return np.asarray(cells.reshape(n, n), np.float64)


def class_figures(labelled: Labelled, predicted: Predicted, make: FigureMaker) -> list[Figure]:
    """What one level's classes are worth.

    Args:
        labelled: the events.
        predicted: classes at that level.
        make: of the level.
    """
    assigned = labelled.joined(predicted)
    right, count = assigned == labelled.true, len(labelled.classes)
    at: Conditions = {"classes": count, "events": len(right)}
    figures = [_fraction("accuracy", right, labelled.events, make, at)]
    for index, name in enumerate(labelled.classes):
        for what, chosen in (("efficiency", labelled.true == index), ("purity", assigned == index)):
            at = {"class": name, "events": int(chosen.sum())}
            figures.append(_fraction(what, right[chosen], labelled.events.select(chosen), make, at))
    return figures


def _fraction(name: str, right: NDArray[np.bool_], events: Events, make: FigureMaker, at: Conditions) -> Figure:
    """The fraction of events that are right, with its binomial interval."""
    if not events.weight.sum() > 0:
        none = "no event is of this class" if name == "efficiency" else "no event is taken for this class"
        return make(name, None, none, conditions=at)
    e = efficiency(right, Groups.of(events, by_block=False))
    return make(name, e.value, interval=(e.low, e.high), method=METHOD, conditions=at)


def loss_figure(labelled: Labelled, reference: Predicted, other: Predicted, make: FigureMaker) -> Figure:
    """Loss of accuracy against the float level, with the error of the paired difference.

    Args:
        labelled: the events.
        reference: classes at level float.
        other: at the level in question.
        make: of that level.
    """
    loss = _paired_difference(labelled, reference, other)
    return make("accuracy_loss", loss, classes=len(labelled.classes))


def above_baselines_figure(
    labelled: Labelled, level: Predicted, baselines: Mapping[str, Predicted], make: FigureMaker
) -> Figure:
    """Accuracy above that of the best baseline, with the error of the paired difference.

    Args:
        labelled: the events.
        level: classes at the level in question.
        baselines: name to its classes; at least one.
        make: of the level.
    """
    groups = Groups.of(labelled.events, by_block=False)
    accuracy = {name: groups.mean(_right(labelled, p)).value for name, p in baselines.items()}
    best = max(accuracy, key=accuracy.__getitem__)
    gain = _paired_difference(labelled, level, baselines[best])
    return make("accuracy_above_best_baseline", gain, best_baseline=best, best_baseline_value=accuracy[best])


def _paired_difference(labelled: Labelled, first: Predicted, second: Predicted) -> Estimate:
    """Accuracy of the first classes minus that of the second, on the same events."""
    groups = Groups.of(labelled.events, by_block=False)
    difference = groups.mean(_right(labelled, first) - _right(labelled, second))
    return replace(difference, method=f"paired difference, {difference.method}")


def _right(labelled: Labelled, predicted: Predicted) -> NDArray[np.float64]:
    """1 for each event whose predicted class is the true one, else 0 (events,)."""
    return np.asarray(labelled.joined(predicted) == labelled.true, np.float64)
