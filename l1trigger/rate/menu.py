"""The menu beside the network: cuts on trivial scores, as a trigger has them already."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from l1trigger.data.events import DataSet
from l1trigger.data.objects import FEATURES, OBJECTS
from l1trigger.errors import ArgumentError, nearest
from l1trigger.physics import rates
from l1trigger.physics.baselines import ON_IMAGES, ON_OBJECTS
from l1trigger.physics.roc import Scored

MOST_CUTS = 12
"""Events are counted by which of the cuts they pass, so that there must be few."""


@dataclass(frozen=True)
class Cut:
    """One cut.

    Attributes:
        baseline: the score that it cuts on, one of ``physics.baselines``.
        threshold: events with a greater score pass.
    """

    baseline: str
    threshold: float


@dataclass(frozen=True)
class Menu:
    """Cuts, any of which accepts an event.

    Attributes:
        cuts: in order.
    """

    cuts: tuple[Cut, ...]

    def patterns(self, inputs: NDArray[Any]) -> NDArray[np.int64]:
        """Which cuts each event passes, cut i as bit i (events,).

        Args:
            inputs: hardware integers, first axis events.
        """
        known = available(inputs)
        pattern = np.zeros(len(inputs), np.int64)
        for i, cut in enumerate(self.cuts):
            pattern |= (known[cut.baseline](inputs) > cut.threshold).astype(np.int64) << i
        return pattern

    def passed(self, patterns: NDArray[np.int64], cut: int) -> NDArray[np.bool_]:
        """Whether events of these patterns pass a cut."""
        return np.asarray(patterns >> cut & 1, bool)


def available(inputs: NDArray[Any]) -> Mapping[str, Any]:
    """The trivial scores that events of this shape have."""
    return ON_OBJECTS if inputs.shape[1:] == (OBJECTS, len(FEATURES)) else ON_IMAGES


def at_rate(data: DataSet, khz: float, asked: Mapping[str, float] | None = None) -> Menu:
    """A cut on every trivial score, each of which takes a rate on the test background.

    Args:
        data: zero-bias events.
        khz: of each cut [kHz].
        asked: thresholds by score; where there are some, they are the menu.

    Raises:
        ArgumentError: there is no such score, or no such rate.
    """
    known = available(data.test.inputs)
    if asked:
        for name in asked:
            if name not in known:
                raise ArgumentError("cut", f"there is no score '{name}' to cut on", nearest(name, known))
        return _checked([Cut(name, float(threshold)) for name, threshold in asked.items()])
    cuts = []
    for name, score in known.items():
        try:
            rate = rates.threshold_for_rate(Scored.of(score(data.test.inputs), data.test), khz, data.colliding_bunches)
        except ValueError as e:
            raise ArgumentError("menu_khz", str(e), "give a rate between them") from e
        cuts.append(Cut(name, rate.threshold))
    return _checked(cuts)


def _checked(cuts: Sequence[Cut]) -> Menu:
    if len(cuts) > MOST_CUTS:
        raise ArgumentError("cut", f"{len(cuts)} cuts are too many", f"give at most {MOST_CUTS}")
    return Menu(tuple(cuts))
