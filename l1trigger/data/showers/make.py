"""The samples of clusters, from chunks that are simulated unless they are there."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from l1trigger.data import hits, parallel
from l1trigger.data.events import Events
from l1trigger.data.showers import clusters, geant4, geometry, packed, simulation
from l1trigger.errors import DataError

EGAMMA = (simulation.ELECTRON, simulation.PHOTON)
FILE, EXTRA_FILE = "showers.h5", "showers_extra.h5"
_GROUPS = {
    "egamma": EGAMMA, "pion": (simulation.PION, -simulation.PION), "pi0": (geant4.NEUTRAL_PION,),
    "muon": (simulation.MUON,),
}
_TITLES = {"hard": "e/gamma and charged pions", "extra": "neutral pions and muons"}


@dataclass(frozen=True)
class Samples:
    """What the samples hold.

    Attributes:
        events: showers to simulate; those without any hit are left out of the file.
        extra: showers of ``showers_extra.h5`` to simulate; 0 makes no such file.
        seed: of all random numbers.
        settings: threshold and overlay.
    """

    events: int
    extra: int = 0
    seed: int = 1
    settings: clusters.ClusterSettings = field(default_factory=clusters.ClusterSettings)


def make_samples(
    out: Path, pool: Path, samples: Samples, workers: int = 1,
    progress: parallel.Progress = lambda done, total: None,
) -> list[Path]:
    """Makes ``showers.h5``, half of it electrons and photons, half charged pions.

    ``showers_extra.h5`` has neutral pions and muons with the same soft showers: as there, an event of one block
    shares none with those of other blocks, in whichever of the two files they are.

    Args:
        out: folder of the file.
        pool: folder of simulated chunks, which later calls use again.
        samples: what they hold.
        workers: processes.
        progress: called with (chunks done, chunks in all).

    Returns:
        The files.

    Raises:
        DataError: the pool was made with other settings, or a file is damaged.
        MissingExtraError: a package of the extra ``calo`` is not installed.
        ToolFailedError: Geant4 ended its process.
    """
    wanted = {"hard": (FILE, samples.events)} | ({"extra": (EXTRA_FILE, samples.extra)} if samples.extra else {})
    chunks = {"soft": simulation.SOFT_CHUNKS} | {k: -(-n // simulation.CHUNK) for k, (_, n) in wanted.items()}
    made: dict[str, list[Path]] = {}
    for kind, number in chunks.items():
        before = sum(chunks[k] for k in made)

        def tell(done: int, _: int, before: int = before) -> None:
            progress(before + done, sum(chunks.values()))

        made[kind] = simulation.make_chunks(pool, kind, number, samples.seed, workers, tell)
    for kind, (name, number) in wanted.items():
        assembled = assemble(made[kind], made["soft"], number, samples.seed, samples.settings, kind)
        packed.save(assembled, out / name)
    return [out / name for name, _ in wanted.values()]


def assemble(
    hard: Sequence[Path], soft: Sequence[Path], events: int, seed: int, settings: clusters.ClusterSettings,
    kind: str = "hard",
) -> Events:
    """The clusters of some chunks, in the order of their generation, in which species take turns.

    Args:
        hard: chunks of showers.
        soft: chunks of soft showers.
        events: showers to take.
        seed: of the overlay.
        settings: threshold and overlay.
        kind: of the chunks, ``hard`` or ``extra``.

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
    card = _card(kind, settings, seed, meta, len(library), n, measured)
    if kind == "extra":
        card["command"] = f"l1trigger data make showers --extra {events} --seed {seed}"
    return Events(
        Path(FILE if kind == "hard" else EXTRA_FILE).stem, inputs[there], np.full(n, 1 / n),
        clusters.block_of(number)[there].astype(np.int16), number[there].astype(np.int32), card,
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
    figures: dict[str, Any] = {
        "showers_without_a_hit": int((count == 0).sum()), "hits_at_the_largest_energy": saturated,
    }
    for name, codes in _GROUPS.items():
        mine = np.isin(pdg, codes)
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
    kind: str, settings: clusters.ClusterSettings, seed: int, meta: dict[str, Any], soft: int, events: int,
    measured: dict[str, Any],
) -> dict[str, Any]:
    """How the sample came about: settings, seeds, versions, tables, approximations."""
    return {
        "title": f"calorimeter clusters of {_TITLES[kind]} with soft showers", "events": events, "seed": seed,
        "generator": f"Geant4 ({meta['geant4']})", "versions": meta["versions"], "numpy": np.__version__,
        "g4data": meta["g4data"], "physics": geant4.PHYSICS, "range_cut_mm": geant4.CUT_MM,
        "calorimeter": {
            "sections": [asdict(s) for s in geometry.SECTIONS], "silicon_mm": geometry.SILICON_MM,
            "gap_mm": geometry.GAP_MM, "cell_mm": geometry.CELL_MM, "width_cells": geometry.CELLS,
        },
        "particles": {
            "pdg": list(simulation.species(kind)), "kinetic_energy_gev": list(simulation.ENERGY_GEV),
            "spectrum": "uniform", "incidence": "normal, anywhere in the middle cell",
            **({"neutral_pions_start_mm": geant4.NEUTRAL_PION_MM} if kind == "extra" else {}),
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
            *(_EXTRA if kind == "extra" else ()),
            "each section has the response of electrons in it; pions are measured low by a quarter to a third",
            "the number of soft showers is chosen, not derived from a pile-up; they come in time and at right angles",
        ],
    }


_EXTRA = (
    "neutral pions start at a distance and decay there at once; all other particles start at the calorimeter",
    (
        "a muon leaves less than the threshold in most layers (8 hits on average): many of its clusters are centred on "
        "a soft shower"
    ),
)
_TABLES = (
    (
        "tables made from formulas and xraylib in place of Geant4's data sets: bremsstrahlung below 1 GeV (in Born's "
        "approximation below 50 MeV), photoelectric effect without shells, schematic neutrons below 20 MeV, no excited "
        "nuclei"
    ),
)
