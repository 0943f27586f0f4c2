"""The pool: Pythia8 collisions reduced once to towers and muons, in classes that the trigger sees differently.

Each process of ``PLAN`` is generated in seeded chunks. A collision becomes a row of one of three classes of its
process: tagged by a measured muon, tagged by an electromagnetic cluster, or neither. Tagged rows are all kept, and
the muons of each collision are drawn several times, so that the rare objects that make up the tail of a trigger
rate do not come from the same few rows; of the others only a fraction is kept. Classes are disjoint, and every row
of a class stands for the same cross section, which is all that exact weights need (see ``crossings``).
"""

from __future__ import annotations

import json
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from l1trigger.data import detector, parallel, pythia
from l1trigger.errors import DataError

HARD_PTHAT = 20.0
"""Collisions of ``soft`` whose hardest scattering is above this [GeV] are dropped: the slices have them, diffractive
ones included, because HardQCD uses inclusive parton distributions."""
K_FACTOR = {"q020": 0.965}
"""Nondiffractive over HardQCD cross section at equal hardest scattering, measured with 1e6 collisions; 1 above."""
TAG_MUON_PT = 4.0
"""Measured muon pT [GeV] above which a row is tagged."""
TAG_CLUSTER_ET = 8.0
"""Transverse energy [GeV] of a 3 x 3 electromagnetic tower cluster above which a row is tagged."""
TAGS = ("", "_em", "_mu")

_CHUNK = 5000
_BATCH = 1000


@dataclass(frozen=True)
class Process:
    """How much of one Pythia8 process goes into the pool.

    Attributes:
        name: key of ``pythia.SETTINGS``.
        collisions: generated collisions.
        muon_passes: independent draws of the muons of each collision.
        keep_untagged: fraction of the untagged rows that is kept.
    """

    name: str
    collisions: int
    muon_passes: int = 1
    keep_untagged: float = 1.0

    def chunks(self, scale: float = 1.0) -> int:
        """Number of chunks of 5000 collisions."""
        return max(1, round(self.collisions * scale / _CHUNK))


PLAN = (
    Process("soft", 500_000, muon_passes=20, keep_untagged=0.5),
    Process("q020", 150_000, muon_passes=6, keep_untagged=0.5),
    Process("q030", 80_000, muon_passes=4, keep_untagged=0.5),
    Process("q050", 40_000, muon_passes=3),
    Process("q080", 20_000, muon_passes=3),
    Process("q120", 20_000, muon_passes=2),
    Process("q200", 10_000, muon_passes=2),
    Process("ew_w", 20_000),
    Process("ew_z", 10_000),
)
SIGNAL_PLAN = tuple(Process(s, 10_000) for s in pythia.SIGNALS)


@dataclass(frozen=True)
class PoolChunk:
    """Rows made from one seeded chunk of one process.

    Attributes:
        deposits: towers of each row.
        muon_start: row i owns muons ``muons[muon_start[i]:muon_start[i+1]]`` (pT [GeV], eta, phi).
        muons: measured muons, float32 (m, 3).
        pthat: hardest scattering of each row [GeV].
        tag: 0 untagged, 1 electromagnetic cluster, 2 muon.
        collision: number of the generated collision that the row came from; rows that share it are not independent.
        fraction: share of the process' cross section that each tag stands for.
        sigma_mb: cross section of the process [mb], K factor applied.
        seed: of this chunk.
    """

    deposits: detector.Deposits
    muon_start: NDArray[np.int64]
    muons: NDArray[np.float32]
    pthat: NDArray[np.float32]
    tag: NDArray[np.uint8]
    collision: NDArray[np.int32]
    fraction: NDArray[np.float64]
    sigma_mb: float
    seed: int


def chunk_seed(process: str, chunk: int) -> int:
    """Seed of a chunk: a fixed function of process and number, so that chunks can be made in any order."""
    return 1 + 10_000 * list(pythia.SETTINGS).index(process) + chunk


def make_chunk(process: Process, chunk: int, size: int = _CHUNK) -> PoolChunk:
    """Generates and reduces one chunk of ``size`` collisions."""
    seed = chunk_seed(process.name, chunk)
    generator = pythia.Generator(process.name, seed)
    rng = np.random.default_rng(seed)
    rows: list[_Rows] = []
    tried = kept = 0
    counts = np.zeros(3)
    passes_tagged = 0
    while tried < size:
        p = generator.batch(min(_BATCH, size - tried))
        tried += p.events
        inside = _soft(p) if process.name == "soft" else np.ones(p.events, bool)
        batch, tagged, muon_tags = _reduce(p, inside, process, rng, first=chunk * size + kept)
        kept += int(inside.sum())
        counts += tagged
        passes_tagged += muon_tags
        rows.append(batch)
    muon = passes_tagged / (kept * process.muon_passes)
    others = counts[:2] / max(counts[:2].sum(), 1) * (1 - muon)
    sigma = generator.sigma_mb() * kept / tried * K_FACTOR.get(process.name, 1.0)
    return _join(rows, np.array([*others, muon]), sigma, seed)


def _soft(p: pythia.Particles) -> NDArray[np.bool_]:
    """Collisions without a hard scattering, which the slices have, and without a fragmentation accident.

    In two of 500 000 collisions a soft system (no parton above 21 GeV in the one looked at) gave hadrons of 60 GeV and
    more. A row of this class stands for several kHz, so that a single one would be most of a trigger's rate.
    """
    largest = np.zeros(p.events)
    np.maximum.at(largest, p.event, np.hypot(p.px, p.py))
    return (p.pthat < HARD_PTHAT) & (largest < 2 * HARD_PTHAT)


@dataclass(frozen=True)
class _Rows:
    sizes: NDArray[np.int64]
    cell: NDArray[np.uint16]
    value: NDArray[np.uint16]
    muon_sizes: NDArray[np.int64]
    muons: NDArray[np.float32]
    pthat: NDArray[np.float32]
    tag: NDArray[np.uint8]
    collision: NDArray[np.int32]


def _reduce(
    p: pythia.Particles, inside: NDArray[np.bool_], process: Process, rng: np.random.Generator, first: int
) -> tuple[_Rows, NDArray[np.float64], int]:
    """Rows of a batch; the counts of (untagged, em, muon) in the first muon pass; muon tags in all passes."""
    towers = detector.calorimeter(p, rng)
    cluster = np.array([_cluster_et(towers, i) for i in range(p.events)])
    number = np.cumsum(inside) - 1 + first
    counts = np.zeros(3)
    tags = 0
    pick_event: list[NDArray[np.int64]] = []
    pick_tag: list[NDArray[np.int64]] = []
    pick_muons: list[NDArray[np.float32]] = []
    for k, m in enumerate(detector.muons(p, rng, process.muon_passes)):
        hard = np.zeros(p.events, bool)
        hard[m.event[m.kinematics[:, 0] >= TAG_MUON_PT]] = True
        tags += int((hard & inside).sum())
        take = hard & inside
        tag = np.where(hard, 2, np.where(cluster >= TAG_CLUSTER_ET, 1, 0))
        if k == 0:
            counts += np.bincount(tag[inside], minlength=3)
            take |= inside & (tag == 1)
            take |= inside & (tag == 0) & (rng.random(p.events) < process.keep_untagged)
        events = np.flatnonzero(take)
        pick_event.append(events)
        pick_tag.append(tag[events])
        splits = np.searchsorted(m.event, [events, events + 1])
        pick_muons.extend(m.kinematics[a:b] for a, b in splits.T)
    events = np.concatenate(pick_event)
    sizes = towers.start[events + 1] - towers.start[events]
    source = np.repeat(towers.start[events] - np.cumsum(sizes) + sizes, sizes) + np.arange(sizes.sum())
    rows = _Rows(
        sizes, towers.cell[source], towers.value[source],
        np.array([len(m) for m in pick_muons], np.int64), np.concatenate([*pick_muons, np.zeros((0, 3), np.float32)]),
        p.pthat[events].astype(np.float32), np.concatenate(pick_tag).astype(np.uint8),
        number[events].astype(np.int32),
    )
    return rows, counts, tags


def _cluster_et(towers: detector.Deposits, event: int) -> float:
    """Largest transverse energy [GeV] of a 3 x 3 group of electromagnetic towers about a seed of at least 2 GeV."""
    here = slice(towers.start[event], towers.start[event + 1])
    cell, value = towers.cell[here].astype(np.int64), towers.value[here].astype(np.float64)
    em = cell < detector.MAP
    ieta, iphi, value = cell[em] // detector.TOWERS_PHI, cell[em] % detector.TOWERS_PHI, value[em]
    best = 0.0
    for s in np.flatnonzero(value >= 2 * detector.UNITS_PER_GEV):
        dphi = np.abs(iphi - iphi[s])
        near = (np.abs(ieta - ieta[s]) <= 1) & (np.minimum(dphi, detector.TOWERS_PHI - dphi) <= 1)
        best = max(best, float(value[near].sum()))
    return best / detector.UNITS_PER_GEV


def _join(rows: Sequence[_Rows], fraction: NDArray[np.float64], sigma_mb: float, seed: int) -> PoolChunk:
    def starts(sizes: Sequence[NDArray[np.int64]]) -> NDArray[np.int64]:
        return np.concatenate([[0], np.cumsum(np.concatenate(sizes))])

    return PoolChunk(
        detector.Deposits(
            starts([r.sizes for r in rows]), np.concatenate([r.cell for r in rows]),
            np.concatenate([r.value for r in rows]),
        ),
        starts([r.muon_sizes for r in rows]), np.concatenate([r.muons for r in rows]),
        np.concatenate([r.pthat for r in rows]), np.concatenate([r.tag for r in rows]),
        np.concatenate([r.collision for r in rows]), fraction, sigma_mb, seed,
    )


def _settings(path: Path) -> str:
    """What a chunk's rows depend on beside its seed."""
    name = path.parent.name
    process = next((p for p in (*PLAN, *SIGNAL_PLAN) if p.name == name), Process(name, 0))
    values = [process.muon_passes, process.keep_untagged, pythia.SETTINGS.get(name), HARD_PTHAT, TAG_MUON_PT,
              TAG_CLUSTER_ET, K_FACTOR.get(name)]
    return json.dumps(values)


def save_chunk(chunk: PoolChunk, path: Path) -> None:
    """Writes a chunk; the file appears whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(path.name + ".part")
    meta = {
        "sigma_mb": chunk.sigma_mb, "seed": chunk.seed, "pythia8mc": pythia.version(), "settings": _settings(path),
    }
    with part.open("wb") as f:
        np.savez_compressed(
            f, start=chunk.deposits.start, cell=chunk.deposits.cell, value=chunk.deposits.value,
            muon_start=chunk.muon_start, muons=chunk.muons, pthat=chunk.pthat, tag=chunk.tag,
            collision=chunk.collision, fraction=chunk.fraction, meta=np.array(json.dumps(meta)),
        )
    part.replace(path)


def load_chunk(path: Path) -> PoolChunk:
    """Reads a chunk.

    Raises:
        DataError: the file is missing or damaged.
    """
    try:
        with path.open("rb") as file, np.load(file) as z:
            meta = json.loads(str(z["meta"]))
            if meta.get("settings", _settings(path)) != _settings(path):
                raise DataError(path, "was made with other settings", "use another folder, or make the pool again")
            return PoolChunk(
                detector.Deposits(z["start"], z["cell"], z["value"]), z["muon_start"], z["muons"], z["pthat"],
                z["tag"], z["collision"], z["fraction"], float(meta["sigma_mb"]), int(meta["seed"]),
            )
    except (OSError, KeyError, ValueError, EOFError, zipfile.BadZipFile) as e:
        raise DataError(path, f"is not a pool chunk ({e})", "delete it and make the pool again") from e


def chunk_path(folder: Path, process: str, chunk: int) -> Path:
    """Where a chunk lies in a pool folder."""
    return folder / process / f"chunk_{chunk:04d}.npz"


def _make_and_save(process: Process, chunk: int, folder: Path) -> None:
    save_chunk(make_chunk(process, chunk), chunk_path(folder, process.name, chunk))


def make_pool(
    folder: Path,
    plan: Sequence[Process] = (*PLAN, *SIGNAL_PLAN),
    scale: float = 1.0,
    workers: int = 1,
    progress: parallel.Progress = lambda done, total: None,
    part: int = 0,
    cluster: str | None = None,
) -> None:
    """Makes the chunks of a pool that are not there yet, in parallel processes.

    Args:
        folder: of the pool; one sub-folder per process.
        plan: what to make.
        scale: multiplies the collisions of every process.
        workers: processes.
        progress: called with (chunks done, chunks in all).
        part: which of the pools of this scale; no two of them share a collision.
        cluster: of Dask workers that make the chunks, see ``l1trigger.farm``; None takes processes here.
    """
    todo = [(p, c + part * p.chunks(scale)) for p, c in parallel.round_robin(plan, scale)]
    missing = [(p, c, folder.absolute()) for p, c in todo if not chunk_path(folder, p.name, c).exists()]
    parallel.run(_make_and_save, missing, len(todo), parallel.Workers(workers, cluster=cluster), progress)
