"""Bunch crossings at given pile-up as sums of pool rows, with exact weights.

The number of collisions of class c in a crossing is Poisson with mean lambda_c = pileup * sigma_c / sum(sigma),
independently for each class (thinning of one Poisson process). With the classes ordered, crossings are divided
into strata by the highest class present:

    P_0 = exp(-sum_{k>0} lambda_k),    P_j = (1 - exp(-lambda_j)) exp(-sum_{k>j} lambda_k),    sum_j P_j = 1

A crossing of stratum j has a zero-truncated Poisson number of class j, Poisson numbers of the classes below and
none above, and weight P_j / n_j when n_j crossings of that stratum are made. That is exact for any number of hard
collisions in one crossing and for any disjoint classes; n_j = N P_j gives an unweighted sample.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from l1trigger.data.detector import CELLS, MAP, TOWERS_ETA, TOWERS_PHI
from l1trigger.data.electronics import REGIONS, trigger_primitives
from l1trigger.data.objects import OBJECTS
from l1trigger.data.pool import PLAN, TAGS, PoolChunk, load_chunk
from l1trigger.errors import DataError

BLOCKS = 20
"""Disjoint sub-pools; a crossing is made from the rows of one block only, so that blocks are independent."""
ALL_BLOCKS, TRAIN_BLOCKS, TEST_BLOCKS = range(BLOCKS), range(BLOCKS // 2), range(BLOCKS // 2, BLOCKS)
"""Training and test samples share no pool row."""
_BATCH = 50  # crossings summed at once: the tower map must stay in the processor's cache
_COLLISIONS_PER_PROCESS = 10_000_000


@dataclass(frozen=True)
class PoolClass:
    """One class of pool rows.

    Attributes:
        name: process and tag, e.g. ``q030_mu``.
        sigma_mb: cross section that all its rows stand for [mb].
        first: rows of block b are ``first[b]`` up to ``first[b + 1]``.
    """

    name: str
    sigma_mb: float
    first: NDArray[np.int64]

    @property
    def rows(self) -> int:
        """Number of rows."""
        return int(self.first[-1] - self.first[0])


class Pool:
    """All classes of a pool in memory, ready to be summed.

    Args:
        classes: what each class is, in the order of the strata (soft first).
        rows: of all classes and signals, concatenated in the same order and by block within a class.
        signals: signal processes, whose rows stand behind those of the classes.
    """

    def __init__(self, classes: Sequence[PoolClass], rows: _Rows, signals: Sequence[PoolClass] = ()) -> None:
        self.classes = tuple(classes)
        self.signals = {s.name: s for s in signals}
        self.start, self.muon_start = rows.start, rows.muon_start
        self.muons = rows.muons.astype(np.float64)
        self.collision = rows.collision
        order = np.concatenate([np.full(c.rows, k) for k, c in enumerate([*classes, *signals])])
        self.hardness = order * 1e5 + rows.pthat
        # Cells become phi-major, so that turning a row in phi is one addition; behind them stands the map mirrored
        # in eta, so that mirroring is another one.
        cell = rows.cell.astype(np.int32)
        depth, eta, phi = cell // MAP, cell // TOWERS_PHI % TOWERS_ETA, cell % TOWERS_PHI
        direct = (phi * 2 + depth) * TOWERS_ETA + eta
        mirrored = (phi * 2 + depth) * TOWERS_ETA + (TOWERS_ETA - 1 - eta)
        self._mirror = len(cell)
        self.cell = np.concatenate([direct, mirrored]).astype(np.int32)
        self.value = np.tile(rows.value.astype(np.float32), 2)

    @classmethod
    def load(cls, folder: Path, signals: Sequence[str] = ()) -> Pool:
        """Reads the chunks of a pool folder, as far as they exist.

        Signal events serve tests only, so all of their rows are dealt out to the test blocks.

        Raises:
            DataError: a process has no chunk.
        """
        classes: list[PoolClass] = []
        parts: list[_Rows] = []
        base = 0
        for number, process in enumerate(PLAN):
            rows = _Rows.read(folder, process.name, number)
            # Where every row was kept, clusters need no class of their own (and hard slices have little else).
            groups = ((0, 1), (2,)) if process.keep_untagged == 1 else ((0,), (1,), (2,))
            for group in groups:
                chosen, first = rows.select(np.isin(rows.tag, group)).by_block()
                sigma = rows.sigma_mb * rows.fraction[list(group)].sum()
                classes.append(PoolClass(process.name + TAGS[group[0]], float(sigma), base + first))
                parts.append(chosen)
                base += len(chosen)
        extra = []
        for number, name in enumerate(signals, start=len(PLAN)):
            rows, first = _Rows.read(folder, name, number).by_block(TEST_BLOCKS)
            extra.append(PoolClass(name, rows.sigma_mb, base + first))
            parts.append(rows)
            base += len(rows)
        return cls(classes, _Rows.join(parts), extra)

    def means(self, pileup: float) -> NDArray[np.float64]:
        """Mean number of collisions of each class in a crossing."""
        sigma = np.array([c.sigma_mb for c in self.classes])
        return np.asarray(pileup * sigma / sigma.sum())

    def strata(self, pileup: float) -> NDArray[np.float64]:
        """Probability of each stratum; they sum to 1."""
        lam = self.means(pileup)
        above = np.append(np.cumsum(lam[::-1])[::-1][1:], 0.0)
        p = -np.expm1(-lam) * np.exp(-above)
        p[0] = np.exp(-above[0])
        return np.asarray(p)


@dataclass(frozen=True)
class _Rows:
    """Pool rows in flat arrays; see ``pool.PoolChunk``."""

    start: NDArray[np.int64]
    cell: NDArray[np.uint16]
    value: NDArray[np.uint16]
    muon_start: NDArray[np.int64]
    muons: NDArray[np.float32]
    pthat: NDArray[np.float32]
    tag: NDArray[np.uint8]
    collision: NDArray[np.int32]
    sigma_mb: float
    fraction: NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.tag)

    @classmethod
    def read(cls, folder: Path, process: str, number: int) -> _Rows:
        paths = sorted((folder / process).glob("chunk_*.npz"))
        if not paths:
            raise DataError(folder / process, "holds no chunk of the pool", "make it with `l1trigger data make`")
        chunks = [load_chunk(p) for p in paths]
        return cls.join([cls._of(c, number) for c in chunks])

    @classmethod
    def _of(cls, c: PoolChunk, number: int) -> _Rows:
        return cls(
            c.deposits.start, c.deposits.cell, c.deposits.value, c.muon_start, c.muons, c.pthat, c.tag,
            c.collision + np.int32(number * _COLLISIONS_PER_PROCESS), c.sigma_mb, c.fraction,
        )

    @classmethod
    def join(cls, parts: Sequence[_Rows]) -> _Rows:
        """Rows one after the other; cross sections and fractions are averaged, as chunks are of equal size."""

        def starts(sizes: list[NDArray[np.int64]]) -> NDArray[np.int64]:
            return np.concatenate([[0], np.cumsum(np.concatenate(sizes))])

        def all_of(name: str) -> NDArray[np.generic]:
            return np.concatenate([getattr(p, name) for p in parts])

        return cls(
            starts([np.diff(p.start) for p in parts]), all_of("cell"), all_of("value"),  # type: ignore[arg-type]
            starts([np.diff(p.muon_start) for p in parts]), all_of("muons"), all_of("pthat"),  # type: ignore[arg-type]
            all_of("tag"), all_of("collision"),  # type: ignore[arg-type]
            float(np.mean([p.sigma_mb for p in parts])), np.mean([p.fraction for p in parts], axis=0),
        )

    def select(self, which: NDArray[np.generic]) -> _Rows:
        rows = np.flatnonzero(which) if which.dtype == bool else which.astype(np.int64)
        source, start = _ranges(self.start, rows)
        muon_source, muon_start = _ranges(self.muon_start, rows)
        return _Rows(
            start, self.cell[source], self.value[source], muon_start, self.muons[muon_source], self.pthat[rows],
            self.tag[rows], self.collision[rows], self.sigma_mb, self.fraction,
        )

    def by_block(self, blocks: range = ALL_BLOCKS) -> tuple[_Rows, NDArray[np.int64]]:
        """The rows ordered by block, and where each block begins."""
        block = blocks.start + self.collision % len(blocks)
        order = np.argsort(block, kind="stable")
        return self.select(order), np.searchsorted(block[order], np.arange(BLOCKS + 1))


def _ranges(start: NDArray[np.int64], rows: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Positions of all elements that the rows own, and the starts of the rows among them."""
    size = start[rows + 1] - start[rows]
    end = np.cumsum(size)
    return np.repeat(start[rows] - end + size, size) + np.arange(size.sum()), np.concatenate([[0], end])


@dataclass(frozen=True)
class Crossings:
    """Generated crossings.

    Attributes:
        objects: (crossings, 19, 3) hardware integers.
        regions: (crossings, 18, 14) hardware integers, or none if they were not asked for.
        stratum: index of the highest class present.
        row: id of the hardest collision, unique over all processes.
    """

    objects: NDArray[np.int16]
    regions: NDArray[np.int16]
    stratum: NDArray[np.int16]
    row: NDArray[np.int32]


def _truncated_poisson(lam: float, n: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """Poisson numbers given that they are not zero, by inversion."""
    u = rng.uniform(np.exp(-lam), 1.0, n)
    number = np.ones(n, np.int64)
    term = np.exp(-lam) * lam
    cumulative = np.exp(-lam) + term
    k = 1
    while (u > cumulative).any() and term > 0:
        number += u > cumulative
        k += 1
        term *= lam / k
        cumulative += term
    return number


def _draw(
    pool: Pool, lam: NDArray[np.float64], stratum: int | None, block: int, n: int, rng: np.random.Generator
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Pool rows, and the crossing that each belongs to, for n crossings of one stratum (None: the plain mixture)."""
    rows, crossing = [], []
    for k, mean in enumerate(lam[: None if stratum is None else stratum + 1]):
        number = _truncated_poisson(mean, n, rng) if k == stratum and k > 0 else rng.poisson(mean, n)
        first = pool.classes[k].first
        if first[block] == first[block + 1]:
            raise DataError("pool", f"class {pool.classes[k].name} has no row in block {block}", "make a larger pool")
        rows.append(rng.integers(first[block], first[block + 1], number.sum()))
        crossing.append(np.repeat(np.arange(n), number))
    return np.concatenate(rows), np.concatenate(crossing)


def _sum(
    pool: Pool, rows: NDArray[np.int64], crossing: NDArray[np.int64], n: int, rng: np.random.Generator
) -> tuple[NDArray[np.float64], NDArray[np.int64], NDArray[np.float64]]:
    """Summed towers and muons; each row is turned in phi and mirrored in eta at random, both exact symmetries."""
    turn, flip = rng.integers(0, TOWERS_PHI, len(rows)), rng.integers(0, 2, len(rows))
    size = pool.start[rows + 1] - pool.start[rows]
    end = np.cumsum(size)
    source = np.repeat(pool.start[rows] + flip * pool._mirror - end + size, size)
    source += np.arange(len(source))
    cell = np.repeat(turn * 2 * TOWERS_ETA, size)
    cell += pool.cell[source]
    cell -= CELLS * (cell >= CELLS)
    cell += np.repeat(crossing * CELLS, size)
    summed = np.bincount(cell, pool.value[source], n * CELLS).astype(np.float64, copy=False)
    towers = summed.reshape(n, TOWERS_PHI, 2, TOWERS_ETA)

    source, _ = _ranges(pool.muon_start, rows)
    count = pool.muon_start[rows + 1] - pool.muon_start[rows]
    muons = pool.muons[source].copy()
    muons[:, 1] *= 1 - 2 * np.repeat(flip, count)
    muons[:, 2] += np.repeat(turn, count) * (2 * np.pi / TOWERS_PHI)
    return towers, np.repeat(crossing, count), muons


def generate(
    pool: Pool, pileup: float, counts: Mapping[int, int] | Mapping[None, int], block: int, rng: np.random.Generator,
    signal: str | None = None,
) -> Crossings:
    """Crossings from one block of the pool.

    Args:
        pool: to draw from.
        pileup: mean collisions per crossing.
        counts: how many crossings of each stratum; the key None is the plain, unweighted mixture.
        block: sub-pool.
        rng: random numbers.
        signal: name of the signal of which each crossing holds one event, taken in turn from the block's rows.
    """
    lam = pool.means(pileup)
    out: list[tuple[NDArray[np.int16], ...]] = []
    done = 0
    for stratum, total in counts.items():
        for begin in range(0, total, _BATCH):
            n = min(_BATCH, total - begin)
            rows, crossing = _draw(pool, lam, stratum, block, n, rng)
            if signal is not None:
                first = pool.signals[signal].first
                own = first[block] + (done + np.arange(n)) % (first[block + 1] - first[block])
                rows, crossing = np.concatenate([rows, own]), np.concatenate([crossing, np.arange(n)])
            done += n
            order = np.lexsort((pool.hardness[rows], crossing))
            rows, crossing = rows[order], crossing[order]
            last = np.searchsorted(crossing, np.arange(n), "right") - 1
            hardest = np.where(last >= 0, pool.collision[rows[np.maximum(last, 0)]], -1)
            objects, regions = trigger_primitives(*_sum(pool, rows, crossing, n, rng))
            label = np.full(n, -1 if stratum is None else stratum, np.int16)
            out.append((objects, regions, label, hardest.astype(np.int32)))
    if not out:
        empty = np.zeros(0, np.int16)
        return Crossings(empty.reshape(0, OBJECTS, 3), empty.reshape(0, *REGIONS), empty, empty.astype(np.int32))
    objects, regions, label, row = (np.concatenate(c) for c in zip(*out, strict=True))
    return Crossings(objects, regions, label, row.astype(np.int32))


def allocate(probability: NDArray[np.float64], total: int, exponent: float = 0.35, least: int = 200) -> dict[int, int]:
    """How many crossings of each stratum a weighted sample of ``total`` crossings gets.

    A power below one of the probability gives rare strata more than their share; the weights make up for it.
    """
    share = probability**exponent
    return {j: max(least, round(total * s)) for j, s in enumerate(share / share.sum())}


def natural(probability: NDArray[np.float64], total: int, rng: np.random.Generator) -> dict[int, int]:
    """How many crossings of each stratum an unweighted sample gets: a multinomial draw."""
    return {j: int(n) for j, n in enumerate(rng.multinomial(total, probability)) if n}
