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

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from l1trigger.data import crossings_kernel
from l1trigger.data.detector import TOWERS_ETA, TOWERS_PHI
from l1trigger.data.electronics import REGIONS, add_missing_et, add_muons, trigger_primitives
from l1trigger.data.objects import OBJECTS
from l1trigger.data.pool_rows import LINE, Pool, positions
from l1trigger.errors import DataError, ToolNotFoundError

_SAMPLE_BATCH, _STREAM_BATCH = 50, 1000
"""Crossings drawn at once for a sample, where it is part of what a seed means, and for a stream, where it is faster."""


@dataclass(frozen=True)
class Crossings:
    """Generated crossings.

    Attributes:
        objects: (crossings, 19, 3) hardware integers.
        regions: (crossings, 18, 14) hardware integers, or none if they were not asked for.
        stratum: index of the highest class present.
        row: id of the hardest collision, unique over all processes; -1 where there is none, or it is not told.
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


def _primitives(
    pool: Pool, rows: NDArray[np.int64], crossing: NDArray[np.int64], n: int, rng: np.random.Generator
) -> tuple[NDArray[np.int16], NDArray[np.int16]]:
    """Objects and regions of n crossings, whose rows lie crossing by crossing.

    Each row is turned in phi and mirrored in eta at random, both exact symmetries.
    """
    turn, flip = rng.integers(0, TOWERS_PHI, len(rows)), rng.integers(0, 2, len(rows))
    muons = _muons(pool, rows, crossing, turn, flip)
    try:
        kernel = crossings_kernel.load()
    except ToolNotFoundError:  # no compiler: the same integers from NumPy, a few times slower
        return trigger_primitives(_towers(pool, rows, crossing, n, turn, flip), *muons)
    objects, regions, lines = kernel.run(pool.rows, rows, np.searchsorted(crossing, np.arange(n + 1)), turn, flip)
    add_missing_et(objects, lines)
    add_muons(objects, *muons)
    return objects, regions


def _towers(
    pool: Pool, rows: NDArray[np.int64], crossing: NDArray[np.int64], n: int, turn: NDArray[np.int64],
    flip: NDArray[np.int64],
) -> NDArray[np.float64]:
    """Summed towers (crossings, 72 phi, 2 depths, 56 eta) in 1/64 GeV."""
    size = pool.rows.size[rows]
    deposits = pool.rows.deposits[positions(pool.rows.begin[rows], size)[0]]
    line, eta = np.divmod((deposits & 0xFFFF).astype(np.int64), LINE)
    line = (line + np.repeat(2 * turn, size)) % (2 * TOWERS_PHI)
    eta = np.where(np.repeat(flip, size), TOWERS_ETA - 1 - eta, eta)
    cell = (np.repeat(crossing, size) * 2 * TOWERS_PHI + line) * TOWERS_ETA + eta
    summed = np.bincount(cell, deposits >> 16, n * 2 * TOWERS_PHI * TOWERS_ETA).astype(np.float64, copy=False)
    return summed.reshape(n, TOWERS_PHI, 2, TOWERS_ETA)


def _muons(
    pool: Pool, rows: NDArray[np.int64], crossing: NDArray[np.int64], turn: NDArray[np.int64], flip: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Crossing and kinematics of the muons."""
    count = pool.rows.muon_size[rows]
    muons = pool.rows.muons[positions(pool.rows.muon_begin[rows], count)[0]]
    muons[:, 1] *= 1 - 2 * np.repeat(flip, count)
    muons[:, 2] += np.repeat(turn, count) * (2 * np.pi / TOWERS_PHI)
    return np.repeat(crossing, count), muons


def generate(
    pool: Pool, pileup: float, counts: Mapping[int, int] | Mapping[None, int], block: int, rng: np.random.Generator,
    signal: str | None = None, stream: bool = False,
) -> Crossings:
    """Crossings from one block of the pool.

    Args:
        pool: to draw from.
        pileup: mean collisions per crossing.
        counts: how many crossings of each stratum; the key None is the plain, unweighted mixture.
        block: sub-pool.
        rng: random numbers.
        signal: name of the signal of which each crossing holds one event, taken in turn from the block's rows.
        stream: makes other crossings of the same kind, faster, and does not tell their hardest collisions.
    """
    lam, batch = pool.means(pileup), _STREAM_BATCH if stream else _SAMPLE_BATCH
    out: list[tuple[NDArray[np.int16], ...]] = []
    done = 0
    for stratum, total in counts.items():
        for begin in range(0, total, batch):
            n = min(batch, total - begin)
            rows, crossing = _draw(pool, lam, stratum, block, n, rng)
            if signal is not None:
                first = pool.signals[signal].first
                own = first[block] + (done + np.arange(n)) % (first[block + 1] - first[block])
                rows, crossing = np.concatenate([rows, own]), np.concatenate([crossing, np.arange(n)])
            done += n
            if stream:
                order = np.argsort(crossing.astype(np.uint16), kind="stable")  # by counting, as they are few values
            else:
                order = np.lexsort((pool.hardness[rows], crossing))
            rows, crossing = rows[order], crossing[order]
            last = np.searchsorted(crossing, np.arange(n), "right") - 1
            known = (last >= 0) & (not stream)
            hardest = np.where(known, pool.rows.collision[rows[np.maximum(last, 0)]], -1)
            objects, regions = _primitives(pool, rows, crossing, n, rng)
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
