"""The sample of clusters, from chunks that are simulated unless they are there."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from l1trigger.data import hits, parallel
from l1trigger.data.events import Events
from l1trigger.data.showers import clusters, geant4, geometry, packed, simulation
from l1trigger.errors import DataError

FILE = "showers.h5"
EGAMMA = (simulation.ELECTRON, simulation.PHOTON)


def make_samples(
    out: Path, pool: Path, events: int, seed: int = 1, workers: int = 1,
    settings: clusters.ClusterSettings | None = None, progress: parallel.Progress = lambda done, total: None,
) -> list[Path]:
    """Makes ``showers.h5``, half of it electrons and photons, half charged pions.

    Args:
        out: folder of the file.
        pool: folder of simulated chunks, which later calls use again.
        events: showers to simulate; those without any hit are left out of the file.
        seed: of all random numbers.
        workers: processes.
        settings: threshold and overlay.
        progress: called with (chunks done, chunks in all).

    Returns:
        The file.

    Raises:
        DataError: the pool was made with other settings, or a file is damaged.
        MissingExtraError: a package of the extra ``calo`` is not installed.
        ToolFailedError: Geant4 ended its process.
    """
    hard = -(-events // simulation.CHUNK)
    total = simulation.SOFT_CHUNKS + hard

    def tell(first: int) -> parallel.Progress:
        return lambda done, _: progress(first + done, total)

    soft = simulation.make_chunks(pool, "soft", simulation.SOFT_CHUNKS, seed, workers, tell(0))
    paths = simulation.make_chunks(pool, "hard", hard, seed, workers, tell(len(soft)))
    path = out / FILE
    packed.save(assemble(paths, soft, events, seed, settings or clusters.ClusterSettings()), path)
    return [path]


def assemble(
    hard: Sequence[Path], soft: Sequence[Path], events: int, seed: int, settings: clusters.ClusterSettings
) -> Events:
    """The clusters of some chunks, in the order of their generation, in which species take turns.

    Args:
        hard: chunks of showers.
        soft: chunks of soft showers.
        events: showers to take.
        seed: of the overlay.
        settings: threshold and overlay.

    Raises:
        DataError: a chunk is damaged, or no cluster has a hit.
    """
    library = clusters.SoftLibrary([simulation.load_chunk(p) for p in soft])
    made, response, meta = [], [], {}
    for path in hard:
        chunk = simulation.load_chunk(path)
        meta = chunk.meta
        made.append(clusters.make_clusters(chunk, library, settings, seed))
        response.append(_response(chunk))
    number, pdg, energy = (np.concatenate([getattr(m, f) for m in made])[:events] for f in ("number", "pdg", "energy"))
    count = np.concatenate([m.ragged.count for m in made])[:events]
    inputs = np.concatenate([hits.pad(m.ragged) for m in made])[:events]
    there = count > 0
    if not there.any():
        raise DataError(hard[0], "gives no cluster with a hit above threshold", "lower the threshold")
    n = int(there.sum())
    measured = _measured(pdg, count, np.concatenate(response)[:events], sum(m.saturated for m in made))
    return Events(
        "showers", inputs[there], np.full(n, 1 / n), clusters.block_of(number)[there].astype(np.int16),
        number[there].astype(np.int32), _card(settings, seed, meta, len(library), n, measured),
        {
            "energy": energy[there], "label": np.isin(pdg, EGAMMA)[there].astype(np.float64),
            "pdg": pdg[there].astype(np.float64),
        },
    )


def _response(chunk: simulation.ShowerChunk) -> NDArray[np.float64]:
    """Energy in all silicon over true energy [MeV/GeV], without threshold or overlay."""
    total = np.concatenate([[0.0], np.cumsum(chunk.deposits.energy, dtype=np.float64)])[chunk.deposits.start]
    return np.diff(total) / chunk.primaries.energy


def _measured(
    pdg: NDArray[np.int32], count: NDArray[np.int64], response: NDArray[np.float64], saturated: int
) -> dict[str, Any]:
    egamma = np.isin(pdg, EGAMMA)
    figures: dict[str, Any] = {
        "showers_without_a_hit": int((count == 0).sum()), "hits_at_the_largest_energy": saturated,
    }
    for name, mine in (("egamma", egamma), ("pion", ~egamma)):
        if mine.any():
            figures[name] = {
                "mean_hits_before_truncation": round(float(count[mine].mean()), 2),
                "share_truncated": round(float((count[mine] > hits.SLOTS).mean()), 4),
            }
    for code in np.unique(pdg):
        r = response[pdg == code]
        figures[f"response_of_{code}_mev_per_gev"] = [
            round(float(r.mean()), 3), round(float(r.std() / np.sqrt(len(r))), 3),
        ]
    return figures


def _card(
    settings: clusters.ClusterSettings, seed: int, meta: dict[str, Any], soft: int, events: int,
    measured: dict[str, Any],
) -> dict[str, Any]:
    """How the sample came about: settings, seeds, versions, tables, approximations."""
    return {
        "title": "calorimeter clusters of e/gamma and charged pions with soft showers", "events": events, "seed": seed,
        "generator": f"Geant4 ({meta['geant4']})", "versions": meta["versions"], "numpy": np.__version__,
        "g4data": meta["g4data"], "physics": geant4.PHYSICS, "range_cut_mm": geant4.CUT_MM,
        "calorimeter": {
            "sections": [asdict(s) for s in geometry.SECTIONS], "silicon_mm": geometry.SILICON_MM,
            "gap_mm": geometry.GAP_MM, "cell_mm": geometry.CELL_MM, "width_cells": geometry.CELLS,
        },
        "particles": {
            "pdg": list(simulation.SPECIES), "kinetic_energy_gev": list(simulation.ENERGY_GEV),
            "spectrum": "uniform", "incidence": "normal, anywhere in the middle cell",
        },
        "hits": {
            "threshold_gev": settings.threshold_gev, "response_mev_per_gev": clusters.RESPONSE_MEV_PER_GEV,
            "lsb": hits.LSB, "energy_bits": hits.ENERGY_BITS, "most": hits.SLOTS, "window_cells": hits.MAX_XY,
            "centre": "cell of the tower (all layers at one x and y) with the largest sum of hits",
        },
        "overlay": {
            "pdg": list(simulation.SOFT), "kinetic_energy_gev": list(simulation.SOFT_ENERGY_GEV),
            "spectrum": "1/E^2", "showers": soft, "mean_per_cluster": settings.mean_soft,
            "place": "uniform over the window; each of the ten blocks has a tenth of the showers to itself",
        },
        "blocks": clusters.BLOCKS, "measured": measured,
        "approximations": [
            *(_TABLES if meta["g4data"] != "official" else ()), *geant4.APPROXIMATIONS,
            "each section has the response of electrons in it; pions are measured low by a quarter to a third",
            "the number of soft showers is chosen, not derived from a pile-up; they come in time and at right angles",
        ],
    }


_TABLES = (
    "tables made from formulas and xraylib in place of Geant4's data sets: bremsstrahlung below 1 GeV (in Born's "
    "approximation below 50 MeV), photoelectric effect without shells, schematic neutrons below 20 MeV, no excited "
    "nuclei",
)
