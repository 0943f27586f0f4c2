"""A pool without Pythia8: every process has a few rows with one tower and, where tagged, one muon."""

from pathlib import Path

import numpy as np

from l1trigger.data import detector, pool
from l1trigger.data.pool import PLAN, PoolChunk, chunk_path, save_chunk

ROWS = 200
SIGMA = {"soft": 77.0, "q020": 0.53, "q030": 0.14, "q050": 0.019, "q080": 2.7e-3, "q120": 5.3e-4, "q200": 6e-5,
         "ew_w": 1.4e-4, "ew_z": 4.3e-5, "A4l": 1e-9}
ENERGY_GEV = {"soft": 2, "q020": 25, "q030": 40, "q050": 60, "q080": 100, "q120": 100, "q200": 120, "ew_w": 40,
              "ew_z": 45, "A4l": 20}


def make(folder: Path, signals: tuple[str, ...] = ("A4l",), scale: float = 1.0) -> Path:
    """Writes the pool; ``scale`` multiplies the cross sections of hard processes to make them common."""
    rng = np.random.default_rng(0)
    processes = [(p.name, p) for p in PLAN] + [(s, pool.Process(s, ROWS)) for s in signals]
    for name, process in processes:
        tag = np.arange(ROWS) % 3
        cell = rng.integers(10 * detector.TOWERS_PHI, 40 * detector.TOWERS_PHI, ROWS).astype(np.uint16)
        cell[tag != 1] += detector.MAP
        value = np.full(ROWS, ENERGY_GEV[name] * detector.UNITS_PER_GEV, np.uint16)
        has_muon = tag == 2
        muons = np.stack([np.full(ROWS, 10.0), rng.uniform(-2, 2, ROWS), rng.uniform(-3, 3, ROWS)], 1)[has_muon]
        chunk = PoolChunk(
            detector.Deposits(np.arange(ROWS + 1), cell, value),
            np.concatenate([[0], np.cumsum(has_muon)]), muons.astype(np.float32),
            np.full(ROWS, ENERGY_GEV[name], np.float32), tag.astype(np.uint8), np.arange(ROWS, dtype=np.int32) // 3,
            np.array([0.7, 0.2, 0.1]), SIGMA[name] * (1 if name == "soft" else scale), 1,
        )
        save_chunk(chunk, chunk_path(folder, process.name, 0))
    return folder
