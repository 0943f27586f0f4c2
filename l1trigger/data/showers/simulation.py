"""Seeded chunks of simulated showers: particles of 10 to 100 GeV, and the soft ones that are overlaid on them.

There are three kinds: ``hard`` showers, ``soft`` ones, and ``extra`` ones of further species for images.
"""

from __future__ import annotations

import json
import os
import sys
import zipfile
from collections.abc import Iterator
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from l1trigger.data import parallel
from l1trigger.data.showers import geant4, geant4_tables, geometry
from l1trigger.errors import DataError, MissingExtraError, ToolFailedError

ELECTRON, MUON, PHOTON, PION = 11, 13, 22, 211
SPECIES = (ELECTRON, PION, PHOTON, -PION)
"""Particles of a chunk in turn, so that any number of chunks has as many e/gamma as pions."""
EXTRA = (geant4.NEUTRAL_PION, MUON)
"""Species of the kind ``extra`` in turn."""
ENERGY_GEV = (10.0, 100.0)
CHUNK = 200
"""Events of a chunk."""
EXTRA_FIRST = 1_000_000
"""Number of the first event of the kind ``extra``, so that no event of kind ``hard`` has its number."""

SOFT = (PHOTON, PION, -PION)
"""Soft particles in turn: a third photons, as from neutral pions."""
SOFT_ENERGY_GEV = (0.3, 3.0)
"""Their energies fall like 1/E^2 in this range."""
SOFT_CHUNK = 1000
SOFT_CHUNKS = 4


@dataclass(frozen=True)
class ShowerChunk:
    """Showers of one seeded chunk.

    Attributes:
        primaries: what entered the calorimeter.
        deposits: of each event.
        number: of each event, different in all chunks of a kind.
        meta: seed, versions and tables.
    """

    primaries: geant4.Primaries
    deposits: geant4.Deposits
    number: NDArray[np.int64]
    meta: dict[str, Any]


def species(kind: str) -> tuple[int, ...]:
    """Particles of a kind, in turn."""
    return {"hard": SPECIES, "soft": SOFT, "extra": EXTRA}[kind]


def primaries(kind: str, chunk: int, seed: int, size: int | None = None) -> geant4.Primaries:
    """Particles of a chunk: any impact within the middle cell; uniform energies, or falling ones of kind ``soft``."""
    n = size or (SOFT_CHUNK if kind == "soft" else CHUNK)
    rng = np.random.default_rng([seed, chunk, *kind.encode()])
    pdg = np.resize(np.array(species(kind), np.int32), n)
    u = rng.random(n)
    if kind == "soft":
        low, high = SOFT_ENERGY_GEV
        energy = low * high / (high - u * (high - low))
    else:
        energy = ENERGY_GEV[0] + u * (ENERGY_GEV[1] - ENERGY_GEV[0])
    x, y = (rng.random((2, n)) - 0.5) * geometry.CELL_MM
    return geant4.Primaries(pdg, energy, x, y)


def chunk_seed(kind: str, chunk: int, seed: int) -> int:
    """Seed of Geant4 for a chunk, so that chunks can be made in any order."""
    return int(np.random.SeedSequence([seed, chunk, *kind.encode()]).generate_state(1)[0] >> 1)


def chunk_path(folder: Path, kind: str, chunk: int) -> Path:
    """Where a chunk lies."""
    return folder / kind / f"chunk_{chunk:04d}.npz"


def make_chunk(folder: Path, kind: str, chunk: int, seed: int, size: int | None = None) -> None:
    """Simulates one chunk and writes it; it appears whole or not at all.

    Needs a process of its own: Geant4 keeps states that a seed does not reset. What Geant4 prints goes into a log,
    which stays only when it fails.
    """
    path = chunk_path(folder, kind, chunk)
    path.parent.mkdir(parents=True, exist_ok=True)
    log = path.with_suffix(".log")
    environment, name = geant4_tables.environment(folder / "tables", os.environ)
    with _printing_to(log):
        simulation = geant4.Simulation(environment)
        wanted, random = primaries(kind, chunk, seed, size), chunk_seed(kind, chunk, seed)
        deposits = simulation.run(wanted, random)
    first = EXTRA_FIRST if kind == "extra" else 0
    number = first + chunk * (SOFT_CHUNK if kind == "soft" else CHUNK) + np.arange(len(wanted))
    meta = {
        "settings": settings(kind, seed), "geant4_seed": random, "geant4": simulation.version, "g4data": name,
        "versions": geant4.versions(),
    }
    save_chunk(ShowerChunk(wanted, deposits, number, meta), path)
    log.unlink()


def settings(kind: str, seed: int) -> str:
    """What showers of a kind depend on besides the number of their chunk."""
    energy = SOFT_ENERGY_GEV if kind == "soft" else ENERGY_GEV
    sections = [vars(s) for s in geometry.SECTIONS]
    cells = [geometry.CELL_MM, geometry.SILICON_MM, geometry.GAP_MM, geometry.CELLS]
    tracking = [geant4.PHYSICS, geant4.CUT_MM, geant4.NEUTRON_NS, geant4.KEPT_MEV]
    start = [geant4.NEUTRAL_PION_MM] if kind == "extra" else []
    return json.dumps([kind, seed, species(kind), energy, sections, cells, tracking, *start])


@contextmanager
def _printing_to(log: Path) -> Iterator[None]:
    """Sends what C++ prints on the standard streams into a file."""
    streams = (sys.stdout.fileno(), sys.stderr.fileno()) if _real_streams() else (1, 2)
    saved = [os.dup(s) for s in streams]
    with log.open("wb") as f:
        for s in streams:
            os.dup2(f.fileno(), s)
        try:
            yield
        finally:
            for s, old in zip(streams, saved, strict=True):
                os.dup2(old, s)
                os.close(old)


def _real_streams() -> bool:
    try:
        return sys.stdout.fileno() >= 0 and sys.stderr.fileno() >= 0
    except (OSError, ValueError, AttributeError):
        return False


def save_chunk(chunk: ShowerChunk, path: Path) -> None:
    """Writes a chunk; the file appears whole or not at all."""
    part = path.with_name(path.name + ".part")
    p, d = chunk.primaries, chunk.deposits
    with part.open("wb") as f:
        np.savez_compressed(
            f, pdg=p.pdg, true_energy=p.energy, x=p.x, y=p.y, start=d.start, cell=d.cell, energy=d.energy,
            number=chunk.number, meta=np.array(json.dumps(chunk.meta)),
        )
    part.replace(path)


def load_chunk(path: Path) -> ShowerChunk:
    """Reads a chunk.

    Raises:
        DataError: the file is missing or damaged.
    """
    try:
        with path.open("rb") as file, np.load(file) as z:
            return ShowerChunk(
                geant4.Primaries(z["pdg"], z["true_energy"], z["x"], z["y"]),
                geant4.Deposits(z["start"], z["cell"], z["energy"]), z["number"], json.loads(str(z["meta"])),
            )
    except (OSError, KeyError, ValueError, EOFError, zipfile.BadZipFile) as e:
        raise DataError(path, f"is not a chunk of showers ({e})", "delete it and make the showers again") from e


def make_chunks(
    folder: Path, kind: str, chunks: int, seed: int, workers: int = 1,
    progress: parallel.Progress = lambda done, total: None,
) -> list[Path]:
    """Simulates the chunks of a kind that are not there yet, in parallel processes.

    Args:
        folder: of the chunks, and of tables for Geant4.
        kind: ``hard``, ``soft`` or ``extra``.
        chunks: how many.
        seed: of all.
        workers: processes.
        progress: called with (chunks done, chunks in all).

    Returns:
        The files.

    Raises:
        DataError: a chunk was made with other settings or other tables.
        MissingExtraError: a package of the extra ``calo`` is not installed.
        ToolFailedError: Geant4 ended its process.
    """
    _, name = geant4_tables.environment(folder / "tables", os.environ)
    paths = [chunk_path(folder, kind, c) for c in range(chunks)]
    for path in (p for p in paths if p.exists()):
        meta = load_chunk(path).meta
        if (meta["settings"], meta["g4data"]) != (settings(kind, seed), name):
            raise DataError(path, "was made with another seed, other settings or other tables", "use another folder")
    missing = [(folder, kind, c, seed) for c, path in enumerate(paths) if not path.exists()]
    if missing and find_spec("geant4_pybind") is None:  # told here: a process of its own could not say so
        raise MissingExtraError("geant4-pybind", "calo")
    try:
        parallel.run(make_chunk, missing, chunks, parallel.Workers(workers, jobs_per_process=1), progress)
    except BrokenProcessPool as e:
        log = next((p.with_suffix(".log") for p in paths if p.with_suffix(".log").exists()), folder)
        tail = "\n".join(log.read_text(errors="replace").splitlines()[-12:]) if log.is_file() else ""
        raise ToolFailedError("Geant4", -6, log, tail) from e
    return paths
