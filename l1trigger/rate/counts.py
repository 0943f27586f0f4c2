"""How many crossings of each kind have which score: exact, small, and the same however they were made."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from l1trigger.physics.estimate import Groups
from l1trigger.physics.roc import Scored, Spectrum

Ints = NDArray[np.int64]


@dataclass(frozen=True)
class Counts:
    """Crossings by four whole numbers, each combination once.

    Attributes:
        block: sub-pool.
        stratum: highest class of collisions; its probability is the weight of its crossings.
        pattern: which cuts of a menu they pass, or which levels accept them.
        score: as the integer that the firmware gives.
        events: how many there are.
    """

    block: Ints
    stratum: Ints
    pattern: Ints
    score: Ints
    events: Ints

    def __len__(self) -> int:
        return len(self.events)

    @classmethod
    def of(
        cls, block: NDArray[np.integer], stratum: NDArray[np.integer], pattern: Ints, score: Ints,
        events: Ints | None = None,
    ) -> Counts:
        """Counts of single crossings, or of crossings that were counted already."""
        keys: Ints = np.stack([block, stratum, pattern, score], 1).astype(np.int64)
        order = np.lexsort(keys.T[::-1])
        keys = keys[order]
        new = np.append(True, (keys[1:] != keys[:-1]).any(1)) if len(keys) else np.zeros(0, bool)
        first = np.flatnonzero(new)
        columns = np.ascontiguousarray(keys[first].T)
        number = np.ones(len(keys), np.int64) if events is None else events[order]
        total = np.add.reduceat(number, first) if len(first) else np.zeros(0, np.int64)
        return cls(columns[0], columns[1], columns[2], columns[3], total)

    @classmethod
    def none(cls) -> Counts:
        """No crossings."""
        empty = np.zeros(0, np.int64)
        return cls(empty, empty, empty, empty, empty)

    @classmethod
    def join(cls, parts: Sequence[Counts]) -> Counts:
        """All counts together."""
        columns = (np.concatenate([getattr(p, name) for p in parts]) for name in
                   ("block", "stratum", "pattern", "score", "events"))
        return cls.of(*columns)

    def save(self, path: Path) -> None:
        """Writes the counts; the file appears whole or not at all."""
        part = path.with_name(path.name + ".part")
        with part.open("wb") as f:
            np.savez_compressed(f, **vars(self))
        part.replace(path)

    @classmethod
    def load(cls, path: Path) -> Counts:
        """Reads what ``save`` wrote.

        Raises:
            OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile: it is missing or damaged.
        """
        with path.open("rb") as file, np.load(file) as z:
            return cls(*(z[name] for name in ("block", "stratum", "pattern", "score", "events")))

    def weighted(self, strata: NDArray[np.float64]) -> NDArray[np.float64]:
        """Weight of each entry: the probability of its stratum, shared by all of its crossings in its sub-pool.

        Args:
            strata: probability of each stratum.
        """
        blocks, at = np.unique(self.block, return_inverse=True)
        made = np.zeros((len(blocks), len(strata)))
        np.add.at(made, (at, self.stratum), self.events)
        return np.asarray(strata[self.stratum] * self.events / made[at, self.stratum] / len(blocks))


@dataclass(frozen=True)
class Binned:
    """Weighted crossings of one pile-up, equal ones together.

    Attributes:
        pattern: which cuts they pass, or which levels accept them.
        scored: scores with weights, sub-pools and numbers of crossings.
    """

    pattern: Ints
    scored: Scored

    @classmethod
    def of(cls, counts: Counts, strata: NDArray[np.float64], lsb: float) -> Binned:
        """Counts with their weights.

        Args:
            counts: of one pile-up.
            strata: probability of each stratum.
            lsb: value of the last bit of a score.
        """
        weight = counts.weighted(strata)
        keys = np.stack([counts.block, counts.pattern, counts.score], 1)
        keys, at = np.unique(keys, axis=0, return_inverse=True)
        at = at.ravel()
        total = np.bincount(at, weight, len(keys))
        events = np.zeros(len(keys), np.int64)
        np.add.at(events, at, counts.events)
        blocks, ids = np.unique(keys[:, 0], return_inverse=True)
        groups = Groups(
            total / total.sum(), ids, len(blocks), f"scatter over {len(blocks)} disjoint sub-pools", events
        )
        scores = np.asarray(keys[:, 2] * lsb, np.float64)
        return cls(keys[:, 1], Scored(scores, groups, Spectrum.of(scores, groups.weight, events)))

    @property
    def crossings(self) -> int:
        """How many crossings there are."""
        return self.scored.spectrum.events
