"""One chunk of crossings: made, scored by the engine, counted and dropped."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from l1trigger.data.crossings import Crossings, allocate, generate
from l1trigger.data.pool_rows import TEST_BLOCKS, Pool
from l1trigger.engine import Engine
from l1trigger.rate.counts import Counts
from l1trigger.rate.menu import Menu

SIZE = 50_000
"""Crossings of a chunk; part of what a seed means."""
LEAST = 20
"""Fewest crossings of a stratum in a chunk."""
BLOCKS = TEST_BLOCKS
"""Sub-pools that are used: no crossing that a network learned from shares a row with these."""


@dataclass(frozen=True)
class Chunk:
    """What is made in one piece; any order of them, and any number of workers, gives the same bits.

    Attributes:
        pileup: mean collisions per crossing.
        block: sub-pool.
        number: of the chunk among those of this pile-up and sub-pool.
        size: crossings.
    """

    pileup: float
    block: int
    number: int
    size: int = SIZE

    def name(self, kind: str) -> str:
        """Of the file that keeps its counts."""
        return f"{kind}_pileup{self.pileup:g}_block{self.block:02d}_{self.number:05d}_{self.size}.npz"


@dataclass(frozen=True)
class Task:
    """What is done with every chunk.

    Attributes:
        pool: folder of the pool.
        layout: ``objects`` or ``regions``.
        engine: of the trigger function.
        menu: cuts beside it.
        seed: of the random numbers.
    """

    pool: Path
    layout: Literal["objects", "regions"]
    engine: Engine
    menu: Menu
    seed: int

    def crossings(self, chunk: Chunk) -> tuple[Crossings, NDArray[np.int16]]:
        """The crossings of a chunk, and their hardware integers."""
        pool = loaded(self.pool)
        key = [self.seed, chunk.block, chunk.number, *f"{chunk.pileup:g}".encode()]
        rng = np.random.default_rng(np.random.SeedSequence(key))
        counts = allocate(pool.strata(chunk.pileup), chunk.size, least=LEAST)
        made = generate(pool, chunk.pileup, counts, chunk.block, rng, stream=True)
        return made, getattr(made, self.layout)

    def count(self, chunk: Chunk) -> Counts:
        """Scores of a chunk, and which cuts of the menu its crossings pass."""
        made, inputs = self.crossings(chunk)
        score = self.engine.scores(inputs, threads=1)
        return Counts.of(np.full(len(score), chunk.block), made.stratum, self.menu.patterns(inputs), score)

    def compare(self, chunk: Chunk, float_accepts: Callable[[NDArray[Any]], NDArray[np.bool_]]) -> Counts:
        """Which of two levels accept the crossings of a chunk: float as bit 0, the firmware as bit 1.

        Args:
            chunk: which crossings.
            float_accepts: decision of the float reference for hardware integers.
        """
        made, inputs = self.crossings(chunk)
        firmware = self.engine.scores(inputs, threads=1) > self.engine.threshold
        pattern = float_accepts(inputs).astype(np.int64) | firmware.astype(np.int64) << 1
        none = np.zeros(len(pattern), np.int64)
        return Counts.of(none + chunk.block, made.stratum, pattern, none)


@lru_cache(1)
def loaded(folder: Path) -> Pool:
    """The pool in memory, read once in every process."""
    return Pool.load(folder, blocks=BLOCKS)


def chunks(pileup: float, events: int) -> list[Chunk]:
    """Chunks of at least so many crossings, the sub-pools in turn."""
    numbers = -(-events // (SIZE * len(BLOCKS)))
    size = min(SIZE, -(-events // len(BLOCKS)))
    return [Chunk(pileup, block, n, size) for n in range(numbers) for block in BLOCKS]
