"""A pool in memory: its rows by class and sub-pool, ready to be summed to crossings."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from l1trigger.data.detector import MAP, TOWERS_ETA, TOWERS_PHI
from l1trigger.data.pool import PLAN, TAGS, PoolChunk, load_chunk
from l1trigger.errors import DataError

BLOCKS = 20
"""Disjoint sub-pools; a crossing is made from the rows of one block only, so that blocks are independent."""
ALL_BLOCKS, TRAIN_BLOCKS, TEST_BLOCKS = range(BLOCKS), range(BLOCKS // 2), range(BLOCKS // 2, BLOCKS)
"""Training and test samples share no pool row."""
LINE = 64
"""Cells are counted in lines of 64 at each phi and depth, of which the first 56 are towers in eta."""
_COLLISIONS_PER_PROCESS = 10_000_000
_HARDER_CLASS = 1e5


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


@dataclass(frozen=True)
class Rows:
    """Rows of a pool; their deposits and muons may lie in any order.

    Attributes:
        deposits: cell ``(phi * 2 + depth) * 64 + eta`` in the lower 16 bits, 1/64 GeV in the upper 16 bits.
        begin, size: row i owns ``size[i]`` deposits from ``begin[i]`` on.
        muons: pT [GeV], eta, phi (m, 3).
        muon_begin, muon_size: likewise.
        pthat: hardest scattering of each row [GeV].
        tag, collision: see ``pool.PoolChunk``; collisions are counted over all processes.
    """

    deposits: NDArray[np.uint32]
    begin: NDArray[np.int64]
    size: NDArray[np.int32]
    muons: NDArray[np.float64]
    muon_begin: NDArray[np.int64]
    muon_size: NDArray[np.int32]
    pthat: NDArray[np.float64]
    tag: NDArray[np.uint8]
    collision: NDArray[np.int32]

    def __len__(self) -> int:
        return len(self.tag)

    @classmethod
    def of(cls, chunk: PoolChunk, number: int, blocks: range, wanted: range) -> Rows:
        """Rows of a chunk that fall into the wanted blocks.

        Args:
            chunk: of a process.
            number: of the process.
            blocks: among which its collisions are dealt out.
            wanted: those that are kept.
        """
        collision = chunk.collision + np.int32(number * _COLLISIONS_PER_PROCESS)
        kept = np.flatnonzero(np.isin(block_of(collision, blocks), wanted))
        source, begin, size = _ranges(chunk.deposits.start, kept)
        muons, muon_begin, muon_size = _ranges(chunk.muon_start, kept)
        cell = chunk.deposits.cell[source].astype(np.uint32)
        depth, eta, phi = cell // MAP, cell // TOWERS_PHI % TOWERS_ETA, cell % TOWERS_PHI
        deposits = (phi * 2 + depth) * LINE + eta | chunk.deposits.value[source].astype(np.uint32) << 16
        return cls(
            deposits.astype(np.uint32, copy=False), begin, size, chunk.muons[muons].astype(np.float64), muon_begin,
            muon_size, chunk.pthat[kept].astype(np.float64), chunk.tag[kept], collision[kept],
        )

    @classmethod
    def join(cls, parts: Sequence[Rows]) -> Rows:
        """All rows, one part after the other."""
        deposits = np.cumsum([0, *(len(p.deposits) for p in parts)])
        muons = np.cumsum([0, *(len(p.muons) for p in parts)])
        return cls(
            np.concatenate([p.deposits for p in parts]),
            np.concatenate([p.begin + d for p, d in zip(parts, deposits, strict=False)]),
            np.concatenate([p.size for p in parts]), np.concatenate([p.muons for p in parts]),
            np.concatenate([p.muon_begin + m for p, m in zip(parts, muons, strict=False)]),
            np.concatenate([p.muon_size for p in parts]), np.concatenate([p.pthat for p in parts]),
            np.concatenate([p.tag for p in parts]), np.concatenate([p.collision for p in parts]),
        )

    def ordered(self, which: NDArray[np.int64]) -> Rows:
        """Some rows in another order; deposits and muons stay where they are."""
        return Rows(
            self.deposits, self.begin[which], self.size[which], self.muons, self.muon_begin[which],
            self.muon_size[which], self.pthat[which], self.tag[which], self.collision[which],
        )


def block_of(collision: NDArray[np.int32], blocks: range) -> NDArray[np.int32]:
    """The sub-pool of each collision."""
    return np.asarray(blocks.start + collision % len(blocks), np.int32)


class Pool:
    """All classes of a pool in memory.

    Attributes:
        classes: what each class is, in the order of the strata (soft first).
        signals: classes of signal processes by their name.
        rows: of all classes and signals, one class after the other and by block within a class.
        hardness: of each row; the classes' order first, then the hardest scattering.
    """

    def __init__(self, classes: Sequence[PoolClass], signals: Sequence[PoolClass], rows: Rows) -> None:
        self.classes = tuple(classes)
        self.signals = {s.name: s for s in signals}
        self.rows = rows
        order = np.concatenate([np.full(c.rows, k) for k, c in enumerate([*classes, *signals])])
        self.hardness = order * _HARDER_CLASS + rows.pthat

    @classmethod
    def load(cls, folder: Path, signals: Sequence[str] = (), blocks: range = ALL_BLOCKS) -> Pool:
        """Reads the chunks of a pool folder, as far as they exist.

        Signal events serve tests only, so all of their rows are dealt out to the test blocks.

        Args:
            folder: of the pool.
            signals: processes to read beside those of the pool.
            blocks: to read; the others hold no row.

        Raises:
            DataError: a process has no chunk.
        """
        classes: list[PoolClass] = []
        extra: list[PoolClass] = []
        parts: list[Rows] = []
        order: list[NDArray[np.int64]] = []
        read = placed = 0
        for number, (name, dealt) in enumerate([*((p.name, ALL_BLOCKS) for p in PLAN),
                                                *((s, TEST_BLOCKS) for s in signals)]):
            chunks = list(_read(folder, name, number, dealt, blocks))
            rows = Rows.join([c for c, _, _ in chunks])
            sigma = float(np.mean([s for _, s, _ in chunks]))
            fraction = np.mean([f for _, _, f in chunks], axis=0)
            block = block_of(rows.collision, dealt)
            for group in _groups(number):
                chosen = np.flatnonzero(np.isin(rows.tag, group))
                chosen = chosen[np.argsort(block[chosen], kind="stable")]
                first = placed + np.searchsorted(block[chosen], np.arange(BLOCKS + 1))
                if number < len(PLAN):
                    share = float(sigma * fraction[list(group)].sum())
                    classes.append(PoolClass(name + TAGS[group[0]], share, first))
                else:
                    extra.append(PoolClass(name, sigma, first))
                order.append(read + chosen)
                placed += len(chosen)
            parts.append(rows)
            read += len(rows)
        rows = Rows.join(parts)
        parts.clear()
        return cls(classes, extra, rows.ordered(np.concatenate(order)))

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


def _groups(number: int) -> tuple[tuple[int, ...], ...]:
    """Tags whose rows form a class each.

    Where every row was kept, clusters need no class of their own (and hard slices have little else).
    """
    if number >= len(PLAN):
        return ((0, 1, 2),)
    return ((0, 1), (2,)) if PLAN[number].keep_untagged == 1 else ((0,), (1,), (2,))


def _read(
    folder: Path, process: str, number: int, dealt: range, blocks: range
) -> Iterator[tuple[Rows, float, NDArray[np.float64]]]:
    """Rows, cross section and fractions of the tags of each chunk."""
    paths = sorted((folder / process).glob("chunk_*.npz"))
    if not paths:
        raise DataError(folder / process, "holds no chunk of the pool", "make it with `l1trigger data make`")
    for path in paths:
        chunk = load_chunk(path)
        yield Rows.of(chunk, number, dealt, blocks), chunk.sigma_mb, chunk.fraction


def _ranges(
    start: NDArray[np.int64], rows: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int32]]:
    """Positions of all elements that the rows own, and where each row begins among them and its size."""
    size = start[rows + 1] - start[rows]
    source, begin = positions(start[rows], size)
    return source, begin, size.astype(np.int32)


def positions(
    begin: NDArray[np.int64], size: NDArray[np.integer]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Positions of the elements of ranges one after the other, and where each range begins among them."""
    end = np.cumsum(size, dtype=np.int64)
    count = int(end[-1]) if len(end) else 0
    return np.repeat(begin - end + size, size) + np.arange(count), end - size
