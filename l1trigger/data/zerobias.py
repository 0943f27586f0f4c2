"""Samples of zero-bias crossings and overlaid signals, made from a pool: sizes, blocks, weights and the data card."""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from l1trigger.data import detector, electronics, parallel, pool, pythia
from l1trigger.data.crossings import Crossings, allocate, generate, natural
from l1trigger.data.events import Events, save_events
from l1trigger.data.objects import CLASSES
from l1trigger.data.pool_rows import BLOCKS, TEST_BLOCKS, TRAIN_BLOCKS, Pool
from l1trigger.errors import DataError
from l1trigger.units import COLLIDING_BUNCHES, crossing_rate_khz


@dataclass(frozen=True)
class SampleSpec:
    """One sample to make.

    Attributes:
        name: of the file and of the events in it.
        kind: ``natural`` crossings are unweighted, ``weighted`` ones enrich rare strata, ``signal`` ones hold one
            signal event each.
        events: how many.
        layout: ``objects`` or ``regions``.
        signal: name of the signal.
    """

    name: str
    kind: Literal["natural", "weighted", "signal"]
    events: int
    layout: Literal["objects", "regions"] = "objects"
    signal: str | None = None

    @property
    def blocks(self) -> range:
        """Sub-pools that the sample is made from."""
        return TRAIN_BLOCKS if self.kind == "natural" else TEST_BLOCKS


def specs(
    natural_events: int, weighted_events: int, signal_events: int, region_events: int = 0,
    signals: Sequence[str] = pythia.SIGNALS,
) -> list[SampleSpec]:
    """The samples of a full set: training, test, and each signal; region images for ``region_events`` of each."""
    out = [
        SampleSpec("zerobias_train", "natural", natural_events),
        SampleSpec("zerobias_test", "weighted", weighted_events),
        *(SampleSpec(f"signal_{s}", "signal", signal_events, signal=s) for s in signals),
    ]
    if region_events:
        few = max(1, region_events // 15)
        out += [
            SampleSpec("regions_train", "natural", region_events, "regions"),
            SampleSpec("regions_test", "weighted", region_events, "regions"),
            *(SampleSpec(f"regions_{s}", "signal", few, "regions", s) for s in signals),
        ]
    return [s for s in out if s.events]


_POOL: Pool | None = None  # shared with forked workers, which then need no copy of the pool


def make_samples(
    out: Path,
    pool_folder: Path,
    samples: Sequence[SampleSpec],
    pileup: float = 50.0,
    seed: int = 1,
    workers: int = 1,
    progress: parallel.Progress = lambda done, total: None,
) -> list[Path]:
    """Makes sample files from a pool, block by block in parallel; blocks that are there already are not redone.

    Args:
        out: folder of the files.
        pool_folder: where ``pool.make_pool`` put its chunks.
        samples: what to make.
        pileup: mean collisions per crossing.
        seed: of the random numbers; every sample and block has its own stream.
        workers: processes.
        progress: called with (blocks done, blocks in all).

    Returns:
        The files.
    """
    global _POOL  # noqa: PLW0603 (see above)
    work = out / ".blocks"
    work.mkdir(parents=True, exist_ok=True)
    asked = json.dumps([pileup, seed])
    if (work / "asked.json").exists() and (work / "asked.json").read_text() != asked:
        shutil.rmtree(work)
        work.mkdir()
    (work / "asked.json").write_text(asked)
    signals = sorted({s.signal for s in samples if s.signal})
    _POOL = Pool.load(pool_folder, signals)
    jobs = [(s, b, _block_path(work, s, b)) for s in samples for b in s.blocks]
    missing = [j for j in jobs if not j[2].exists()]
    todo = [(s, b, path, pileup, seed) for s, b, path in missing]
    parallel.run(_make_block, todo, len(jobs), parallel.Workers(workers, start="fork"), progress)
    files = []
    for s in samples:
        files.append(out / f"{s.name}.h5")
        save_events(_assemble(s, work, pileup, seed), files[-1], layout=s.layout)
    shutil.rmtree(work)
    _POOL = None
    return files


def _block_path(work: Path, spec: SampleSpec, block: int) -> Path:
    return work / f"{spec.name}_{spec.events}_{block:02d}.npz"


def _make_block(spec: SampleSpec, block: int, path: Path, pileup: float, seed: int) -> None:
    assert _POOL is not None
    stream = np.random.SeedSequence([seed, block, *spec.name.encode()])
    rng = np.random.default_rng(stream)
    position = block - spec.blocks.start
    share = spec.events // len(spec.blocks) + (position < spec.events % len(spec.blocks))
    counts: dict[int, int] | dict[None, int]
    strata = _POOL.strata(pileup)
    match spec.kind:
        case "natural":
            counts = natural(strata, share, rng)
        case "weighted":
            counts = allocate(strata, share, least=20)
        case "signal":
            counts = {None: share}
    made = generate(_POOL, pileup, counts, block, rng, spec.signal)
    part = path.with_suffix(".part")
    with part.open("wb") as f:
        np.savez_compressed(
            f, inputs=getattr(made, spec.layout), weight=_weights(spec, made, strata), row=made.row,
            stratum=made.stratum,
        )
    part.replace(path)


def _weights(spec: SampleSpec, made: Crossings, strata: NDArray[np.float64]) -> NDArray[np.float64]:
    """Probability of each crossing, summing to 1 in the block."""
    if spec.kind != "weighted":
        return np.full(len(made.row), 1 / max(len(made.row), 1))
    number = np.bincount(made.stratum, minlength=len(strata))
    return np.asarray(strata[made.stratum] / number[made.stratum])


def _assemble(spec: SampleSpec, work: Path, pileup: float, seed: int) -> Events:
    inputs, weight, block, row, stratum = [], [], [], [], []
    for b in spec.blocks:
        with _block_path(work, spec, b).open("rb") as file, np.load(file) as z:
            inputs.append(z["inputs"])
            weight.append(z["weight"] / len(spec.blocks))
            row.append(z["row"])
            stratum.append(z["stratum"])
            block.append(np.full(len(z["row"]), b, np.int16))
    all_blocks = np.concatenate(block)
    # Mixed order, so that any first part of an unweighted file is a fair sample of it.
    order = np.random.default_rng(seed).permutation(len(all_blocks))
    counts = np.bincount(np.concatenate(stratum)) if spec.kind != "signal" else None
    card = data_card(spec, pileup, seed, None if counts is None else [int(c) for c in counts])
    name = spec.signal or "zerobias"
    return Events(
        name, np.concatenate(inputs)[order], np.concatenate(weight)[order], all_blocks[order],
        np.concatenate(row)[order], card,
    )


def data_card(spec: SampleSpec, pileup: float, seed: int, counts: list[int] | None) -> dict[str, Any]:
    """How a sample came about: settings, seeds, versions, cross sections, approximations."""
    if _POOL is None:
        raise DataError("pool", "is not loaded")
    strata = _POOL.strata(pileup)
    lam = _POOL.means(pileup)
    classes = [
        {
            "name": c.name, "rows": c.rows, "sigma_mb": c.sigma_mb, "mean_per_crossing": float(m),
            "stratum_probability": float(p), "crossings": None if counts is None or k >= len(counts) else counts[k],
            "rate_of_one_row_khz": float(crossing_rate_khz() * m / c.rows),
        }
        for k, (c, m, p) in enumerate(zip(_POOL.classes, lam, strata, strict=True))
    ]
    processes = [p.name for p in pool.PLAN] + ([spec.signal] if spec.signal else [])
    return {
        "title": f"{spec.kind} crossings at pile-up {pileup:g}" + (f" with one {spec.signal}" if spec.signal else ""),
        "events": spec.events, "kind": spec.kind, "layout": spec.layout, "pileup": pileup, "seed": seed,
        "energy_tev": 13, "blocks": [spec.blocks.start, spec.blocks.stop, BLOCKS],
        "generator": f"Pythia8 (pythia8mc {pythia.version()})", "numpy": np.__version__,
        "settings": {p: list(pythia.SETTINGS[p]) for p in processes},
        "pool_plan": {p.name: vars(p) for p in pool.PLAN}, "classes": classes, "k_factor": pool.K_FACTOR,
        "lsb": {c.name: list(c.lsb) for c in CLASSES}, "thresholds": vars(electronics.Thresholds()),
        "units": "pt 0.5 GeV; eta 0.0435 (muons 0.010875); phi 2pi/144 (muons 2pi/576), signed",
        "colliding_bunches_of_rates_in_this_card": COLLIDING_BUNCHES,
        "approximations": [
            *detector.APPROXIMATIONS,
            "mean pile-up is constant; each pool row is turned in phi and mirrored in eta at random",
            "13 TeV; hard-scattering slices are leading order with a K factor of 0.965 at 20-30 GeV",
            (
                "objects of equal pT are ordered by position, as a sorter in firmware would: the last e/gamma slots, "
                "full of soft candidates, favour small phi"
            ),
            "raw level-1 energy scale: neither jets nor e/gamma are calibrated",
            (
                "soft collisions with a visible particle above 40 GeV are dropped: about four in a million, from "
                "fragmentation of soft systems"
            ),
        ],
    }
