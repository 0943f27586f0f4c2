"""Weighted means and their errors from groups of events that are independent of each other.

Events of a zero-bias sample share pool rows, so that counting them understates every error. The honest error is the
scatter between disjoint sub-pools; where a sample has none, events that share a pool row are taken together.
One formula serves all: with weights of sum 1 and groups g,

    variance of the mean = G / (G - 1) * sum_g (sum_{i in g} w_i (x_i - mean))^2
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from l1trigger.data.events import Events
from l1trigger.figures import Estimate

MINIMUM_BLOCKS = 8
"""Fewest sub-pools whose scatter is taken as an error; n values know their own scatter to 1/sqrt(2 (n - 1))."""


@dataclass(frozen=True)
class Groups:
    """How a sample falls into groups of events; events of different groups are independent.

    Attributes:
        weight: weights of the events, sum 1.
        ids: group of each event, counted from 0.
        count: number of groups.
        method: what the groups are, in words.
        events: how many events each entry stands for, where equal ones were counted; None for one each.
    """

    weight: NDArray[np.float64]
    ids: NDArray[np.int64]
    count: int
    method: str
    events: NDArray[np.int64] | None = None

    @classmethod
    def of(cls, events: Events, by_block: bool = True) -> Groups:
        """Sub-pools where the sample has at least 8, otherwise pool rows, otherwise single events.

        Args:
            events: the sample.
            by_block: whether sub-pools count. Signals do without: their pile-up hardly matters, each generator event
                is a row of its own, and many small groups know an error better than ten large ones.

        Raises:
            ValueError: the sample is empty.
        """
        total = float(events.weight.sum())
        if not len(events) or not total > 0:
            raise ValueError(f"sample '{events.name}' is empty or has no weight")
        weight = np.asarray(events.weight, np.float64) / total
        blocks, ids = np.unique(events.block, return_inverse=True)
        if by_block and len(blocks) >= MINIMUM_BLOCKS and blocks[0] >= 0:
            return cls(weight, ids, len(blocks), f"scatter over {len(blocks)} disjoint sub-pools")
        if (events.row >= 0).any():
            unshared = -1 - np.arange(len(events), dtype=np.int64)
            rows, ids = np.unique(np.where(events.row >= 0, events.row, unshared), return_inverse=True)
            if len(rows) < len(events):
                return cls(weight, ids, len(rows), f"clusters of events that share one of {len(rows)} pool rows")
        return cls(weight, np.arange(len(events)), len(events), "binomial over single events")

    @property
    def by_block(self) -> bool:
        """Whether the groups are disjoint sub-pools."""
        return self.method.startswith("scatter")

    @property
    def single(self) -> bool:
        """Whether every event is a group of its own."""
        return self.count == len(self.ids)

    def number(self, which: NDArray[np.bool_]) -> int:
        """How many events there are among some entries."""
        return int(np.count_nonzero(which) if self.events is None else self.events[which].sum())

    def mean(self, values: NDArray[Any]) -> Estimate:
        """Weighted mean of one value per event, shape (events,)."""
        mean = float((self.weight * values).sum())  # not @: its threads make the last digits vary
        if self.count < 2:
            return Estimate(mean, float("inf"), "one group only, so no error is known")
        parts = np.bincount(self.ids, self.weight * (values - mean), self.count)
        variance = self.count / (self.count - 1) * float(parts @ parts)
        return Estimate(mean, variance**0.5, self.method)

    def effective_events(self) -> float:
        """Number of equally weighted independent events that know a small probability as well as this sample."""
        sums = np.bincount(self.ids, self.weight, self.count)
        return 1.0 / float(sums @ sums)
