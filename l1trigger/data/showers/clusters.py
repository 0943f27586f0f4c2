"""Clusters of hits from simulated deposits: soft showers overlaid, cells above threshold, a centre, whole numbers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

from l1trigger.data import hits
from l1trigger.data.showers import geometry
from l1trigger.data.showers.simulation import SPECIES, ShowerChunk

RESPONSE_MEV_PER_GEV = {"electromagnetic": 14.06, "hadronic": 2.2}
"""Energy in the silicon of each section [MeV] per GeV of an electron that showers in it; hits are on this scale.

Measured with Geant4 11.4.p01 and generated tables, no threshold, no overlay: electromagnetic 14.07 +- 0.01 (2100
electrons of 10 to 100 GeV) and 14.05 +- 0.01 (2100 photons), hadronic without the other in front 2.19 +- 0.03 (120
electrons of 10 GeV) and 2.21 +- 0.03 (60 of 30 GeV).
"""
BLOCKS = 10
"""Disjoint parts of a sample; events of a block share the soft showers of that block and no others."""


@dataclass(frozen=True)
class ClusterSettings:
    """How deposits become clusters.

    Attributes:
        threshold_gev: least energy of a hit, on the electron scale.
        mean_soft: mean number of soft showers in the window of a cluster; their number follows Poisson's law.
    """

    threshold_gev: float = 0.06
    mean_soft: float = 6.0


@dataclass(frozen=True)
class Clusters:
    """Clusters of one chunk.

    Attributes:
        ragged: all hits above threshold within the window, as hardware integers.
        number: of each event.
        pdg: code of the particle.
        energy: of the particle [GeV].
        saturated: hits at the largest energy that fits.
    """

    ragged: hits.Ragged
    number: NDArray[np.int64]
    pdg: NDArray[np.int32]
    energy: NDArray[np.float64]
    saturated: int


@dataclass(frozen=True)
class _Soft:
    """Deposits of one soft shower, in cells from where it entered."""

    layer: NDArray[np.int64]
    x: NDArray[np.int64]
    y: NDArray[np.int64]
    energy: NDArray[np.float64]


class SoftLibrary:
    """Soft showers, simulated once and used again, in as many disjoint parts as there are blocks."""

    def __init__(self, chunks: Sequence[ShowerChunk]) -> None:
        self._parts: list[list[_Soft]] = [[] for _ in range(BLOCKS)]
        for chunk in chunks:
            layer, x, y = geometry.cell_place(chunk.deposits.cell)
            energy = chunk.deposits.energy.astype(np.float64)
            for i, part in enumerate(block_of(chunk.number)):
                s = slice(chunk.deposits.start[i], chunk.deposits.start[i + 1])
                shower = _Soft(layer[s], x[s] - geometry.MIDDLE, y[s] - geometry.MIDDLE, energy[s])
                self._parts[part].append(shower)

    def __len__(self) -> int:
        return sum(len(p) for p in self._parts)

    def draw(
        self, block: int, mean: float, rng: np.random.Generator
    ) -> list[tuple[NDArray[np.int64], NDArray[np.float64]]]:
        """Cells and energies [MeV] of the soft showers of one event, each anywhere in the window about the middle."""
        out = []
        n = rng.poisson(mean)
        which = rng.integers(len(self._parts[block]), size=n) if n else ()
        shift = geometry.MIDDLE + rng.integers(-hits.MAX_XY, hits.MAX_XY + 1, (n, 2))
        for i, (dx, dy) in zip(which, shift, strict=True):
            soft = self._parts[block][i]
            x, y = soft.x + dx, soft.y + dy
            inside = (x >= 0) & (x < geometry.CELLS) & (y >= 0) & (y < geometry.CELLS)
            out.append((geometry.cell_index(soft.layer, x, y)[inside], soft.energy[inside]))
        return out


def block_of(number: NDArray[np.int64]) -> NDArray[np.int64]:
    """Block of each event: whole groups of one event per species, so that each block has as many of each."""
    return number // len(SPECIES) % BLOCKS


def make_clusters(chunk: ShowerChunk, library: SoftLibrary, settings: ClusterSettings, seed: int) -> Clusters:
    """Clusters of the showers of a chunk, the hardest hits first.

    Args:
        chunk: simulated showers.
        library: soft showers to overlay.
        settings: threshold and overlay.
        seed: of the overlay; each chunk has random numbers of its own.
    """
    rng = np.random.default_rng([seed, int(chunk.number[0]), *b"overlay"])
    d = chunk.deposits
    clusters = []
    for i, block in enumerate(block_of(chunk.number)):
        s = slice(d.start[i], d.start[i + 1])
        soft = library.draw(int(block), settings.mean_soft, rng) if settings.mean_soft > 0 else []
        cells = [d.cell[s].astype(np.int64), *(c for c, _ in soft)]
        energies = [d.energy[s].astype(np.float64), *(e for _, e in soft)]
        clusters.append(_cluster(np.concatenate(cells), np.concatenate(energies), settings.threshold_gev))
    count = np.array([len(f) for f in clusters])
    ragged = hits.Ragged(count, np.concatenate([*clusters, np.zeros((0, 4), np.int16)]))
    order = hits.hardest_first(np.repeat(np.arange(len(count)), count), ragged.hits)
    ragged = hits.Ragged(count, ragged.hits[order])
    saturated = int((ragged.hits[:, 3] == hits.MAX_ENERGY).sum())
    return Clusters(ragged, chunk.number, chunk.primaries.pdg, chunk.primaries.energy, saturated)


@cache
def _response() -> NDArray[np.float64]:
    """Response of each layer [MeV/GeV]."""
    return np.array([RESPONSE_MEV_PER_GEV[s.name] for s in geometry.absorbers()])


def _cluster(cells: NDArray[np.int64], energies: NDArray[np.float64], threshold_gev: float) -> NDArray[np.int16]:
    """Hits (m, 4) of one event about the hardest tower, which is where a trigger would see the particle."""
    index, inverse = np.unique(cells, return_inverse=True)
    layer, x, y = geometry.cell_place(index)
    gev = np.bincount(inverse, energies, minlength=len(index)) / _response()[layer]
    above = gev >= threshold_gev
    layer, x, y, gev = layer[above], x[above], y[above], gev[above]
    if not len(gev):
        return np.zeros((0, 4), np.int16)
    tower, of = np.unique(x * geometry.CELLS + y, return_inverse=True)
    hardest = tower[np.argmax(np.bincount(of, gev))]
    dx, dy = x - hardest // geometry.CELLS, y - hardest % geometry.CELLS
    near = (np.abs(dx) <= hits.MAX_XY) & (np.abs(dy) <= hits.MAX_XY)
    units = np.minimum(np.rint(gev / hits.ENERGY_GEV), hits.MAX_ENERGY)
    return np.asarray(np.stack([dx, dy, layer, units], axis=1)[near & (units > 0)], np.int16)
