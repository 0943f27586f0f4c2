"""Samples of several classes, as networks that classify take them: the wanted class first, all samples labelled.

``truth["class"]`` is the index of each event's class in ``DataSet.classes``, whose order is that of the network's
outputs. The trigger looks for class 0: its test events are the signal, those of all other classes the background.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from l1trigger.data.events import DataSet, Events
from l1trigger.design import DataSection
from l1trigger.errors import DataError, DesignError, nearest

CLASS = "class"
"""Name of the truth that holds the index."""
NAMES = "classes"
"""Key of a card with the names, so that a file by itself tells them."""
OTHERS = "others"
"""Name of the test background."""


class WantedOptions(DataSection):
    """Options of sources with several classes.

    Attributes:
        wanted: the class that the trigger looks for; None takes the source's first one.
    """

    wanted: str | None = None


class LabelledOptions(WantedOptions):
    """Options of sources that divide labelled images at random, alike in each class.

    Attributes:
        validation_fraction: share of the images that are not for testing, taken for validation.
        seed: of the division.
    """

    validation_fraction: float = Field(0.1, gt=0, lt=1)
    seed: int = Field(1, ge=0)


def order(names: Sequence[str], wanted: str | None) -> tuple[str, ...]:
    """The classes with the wanted one in front; the others keep their order.

    Raises:
        DesignError: there is no such class.
    """
    if wanted is None:
        return tuple(names)
    if wanted not in names:
        raise DesignError(None, "data.wanted", f"there is no class '{wanted}'", nearest(wanted, names))
    return (wanted, *(n for n in names if n != wanted))


def labelled(events: Events, names: Sequence[str], index: NDArray[Any], ordered: Sequence[str]) -> Events:
    """Events that know their class, with the names of all in their card.

    Args:
        events: without it.
        names: classes in the order of ``index``.
        index: class of each event, an index into ``names`` (n,).
        ordered: the same classes in the order of the network's outputs.
    """
    place = np.array([ordered.index(n) for n in names], np.float64)
    return replace(
        events, truth={**events.truth, CLASS: place[np.asarray(index, np.int64)]},
        card={**events.card, NAMES: list(ordered)},
    )


def counts(events: Events, names: Sequence[str]) -> dict[str, int]:
    """Events of each class."""
    return {n: int((events.truth[CLASS] == k).sum()) for k, n in enumerate(names)}


def halves(events: Events, fraction: float, seed: int) -> tuple[Events, Events]:
    """The events in two parts at random, the second with ``fraction`` of each class, rounded.

    Args:
        events: that know their class.
        fraction: of the second part.
        seed: of the choice; the order of the events is kept.
    """
    rng = np.random.default_rng([seed, *b"halves"])
    second = np.zeros(len(events), bool)
    for k in np.unique(events.truth[CLASS]):
        mine = np.flatnonzero(events.truth[CLASS] == k)
        second[rng.permutation(mine)[: round(fraction * len(mine))]] = True
    return events.select(~second), events.select(second)


def as_dataset(
    file: Path | str, train: Events, validation: Events, test: Events, names: Sequence[str], options: DataSection
) -> DataSet:
    """The data set of a classification.

    Args:
        file: where the events come from, for messages.
        train, validation, test: events that know their class.
        names: of the classes, the wanted one first.
        options: of the source.

    Raises:
        DataError: one of the samples lacks a class.
        DesignError: a signal is asked for that is not the wanted class.
    """
    for name in options.signals or ():
        if name != names[0]:
            raise DesignError(
                None, "data.signals", f"the signal is the wanted class, '{names[0]}', and not '{name}'",
                "leave signals out, or set data.wanted",
            )
    for part, what in ((train, "training"), (validation, "validation"), (test, "test")):
        empty = [n for n, count in counts(part, names).items() if count == 0]
        if empty:
            raise DataError(
                file, f"gives no event of the class {empty[0]} for the {what} sample",
                "give more events, change how they are divided, or leave the class out",
            )
    is_wanted = test.truth[CLASS] == 0
    return DataSet(
        replace(train, name="train"), replace(validation, name="validation"),
        replace(test.select(~is_wanted), name=OTHERS),
        () if options.signals == () else (replace(test.select(is_wanted), name=names[0]),), False,
        options.colliding_bunches, tuple(names),
    )
