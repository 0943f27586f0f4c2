"""Rates from very many crossings, which are made, scored and dropped in chunks."""

from __future__ import annotations

import hashlib
import json
import zipfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Literal

import numpy as np

from l1trigger.data.electronics import REGIONS
from l1trigger.data.events import DataSet
from l1trigger.data.objects import FEATURES, OBJECTS
from l1trigger.engine import Engine, library
from l1trigger.errors import ArgumentError, DataError, RunFolderError, argument
from l1trigger.farm import Farm
from l1trigger.rate import menu as menus
from l1trigger.rate.chunks import Chunk, Task, chunks, loaded
from l1trigger.rate.counts import Counts
from l1trigger.rate.result import NAME, AtPileup, RateResult
from l1trigger.results import Results
from l1trigger.run_folder import RunFolder, remove
from l1trigger.units import crossing_rate_khz

Progress = Callable[[int, int], None]
"""Told of crossings that are counted and of those that are wanted."""
_LAYOUT = 1


@dataclass(frozen=True)
class Request:
    """What is asked for.

    Attributes:
        pool: folder of the pool that crossings are made from.
        events: crossings of each pile-up, at least.
        pileups: mean collisions per crossing; empty takes that of the test background.
        rates_khz: that thresholds are wanted for [kHz].
        menu_khz: rate of each cut of the menu on the test background [kHz].
        cuts: thresholds of the menu by trivial score, in place of ``menu_khz``.
        float_events: crossings of each pile-up that the float reference sees too.
        seed: of the random numbers.
    """

    pool: Path
    events: int = 1_000_000
    pileups: tuple[float, ...] = ()
    rates_khz: tuple[float, ...] = (1.0, 10.0, 100.0)
    menu_khz: float = 10.0
    cuts: dict[str, float] = field(default_factory=dict)
    float_events: int = 500_000
    seed: int = 1


def study(
    folder: RunFolder, asked: Request, farm: Farm, progress: Progress = lambda done, wanted: None
) -> RateResult:
    """Counts crossings, as far as they are not counted yet, and saves the result into the run folder.

    Args:
        folder: of a run up to the stage csim.
        asked: what is wanted.
        farm: does the work.
        progress: told how far it is.

    Raises:
        RunFolderError: the run has no C-simulation.
        ArgumentError: the engine is not proven for the run's trigger function, or a value is not possible.
        DataError: the data are no zero-bias crossings, or the pool is missing, damaged or too small.
    """
    results = Results(folder.path)
    engine = proven_engine(results, folder)
    data = results.data
    _check(asked, data)
    menu = menus.at_rate(data, asked.menu_khz, asked.cuts)
    pileups = asked.pileups or (_pileup(data),)
    task = Task(asked.pool.absolute(), _layout(data), engine, menu, asked.seed)
    record = folder.record("csim")
    assert record is not None
    pool = pool_digest(asked.pool)
    strata = {p: loaded(task.pool).strata(p) for p in pileups}
    kept = folder.path / NAME / "chunks" / _digest(
        [_LAYOUT, record.digest, pool, [vars(c) for c in menu.cuts], asked.seed, np.__version__]
    )[:16]
    _drop_others(kept)
    wanted = {p: chunks(p, asked.events) for p in pileups}
    by_float = {p: chunks(p, min(asked.float_events, asked.events)) if asked.float_events else [] for p in pileups}
    total = sum(c.size for part in (*wanted.values(), *by_float.values()) for c in part)
    done = _Count(total, progress)
    counted = _counted(task.count, "scores", wanted, kept, farm, done)
    reference, threshold = results.train, results.compress.float_threshold
    compare = partial(task.compare, float_accepts=lambda x: reference.float_score(x) > threshold)
    # TensorFlow has threads of its own.
    compared = _counted(compare, "levels", by_float, kept, Farm(1), done)
    result = RateResult(
        pileups={p: AtPileup(strata[p], counted[p], compared[p]) for p in pileups},
        menu=menu, menu_khz=None if asked.cuts else asked.menu_khz, rates_khz=asked.rates_khz,
        threshold=engine.threshold, float_threshold=threshold, lsb=results.compress.trigger.score_type.lsb,
        colliding_bunches=data.colliding_bunches, upstream=record.digest, pool=pool,
        rows={c.name: c.rows for c in loaded(task.pool).classes}, seed=asked.seed, tool=library.load().tool,
    )
    result.save(folder.path / NAME)
    loaded.cache_clear()  # what comes next, a report, has no use for the pool
    return result


def proven_engine(results: Results, folder: RunFolder) -> Engine:
    """The engine of a run's trigger function, where its C-simulation proved it on every test event.

    Raises:
        RunFolderError: there is no C-simulation.
        ArgumentError: it did not prove the engine.
    """
    if not results.has("csim"):
        raise RunFolderError(
            f"{folder.path} holds no C-simulation, which proves the engine. Remedy: run `l1trigger csim` of the design"
        )
    simulated = results.csim
    if simulated.no_engine is not None:
        raise ArgumentError("run", f"there is no engine of its trigger function: {simulated.no_engine}")
    shown = [c for c in simulated.comparisons if "engine" in c.between]
    if simulated.program is None or not shown or any(c.mismatches for c in shown):
        raise ArgumentError("run", "its C-simulation does not prove the engine", "run `l1trigger csim` of the design")
    return simulated.program


def _check(asked: Request, data: DataSet) -> None:
    if not data.zero_bias:
        raise ArgumentError("run", "its test background is no zero-bias sample, so that no rate follows from it",
                            "take a run on zero-bias data")
    highest = crossing_rate_khz(data.colliding_bunches)
    for rate in asked.rates_khz:
        if not 0 < rate < highest:
            raise ArgumentError("khz", f"a rate of {rate:g} kHz is not possible",
                                f"take one between 0 and the crossing rate of {highest:.0f} kHz")
    for pileup in asked.pileups:
        if not 0 < pileup <= 500:
            raise ArgumentError("pileup", f"{pileup:g} collisions per crossing are not possible", "take 1 to 500")
    if asked.events < 1:
        raise ArgumentError("events", "there must be at least one crossing", "take e.g. 1e6")


def _layout(data: DataSet) -> Literal["objects", "regions"]:
    shape = data.test.inputs.shape[1:]
    if shape == (OBJECTS, len(FEATURES)):
        return "objects"
    if shape == REGIONS:
        return "regions"
    text = " x ".join(str(n) for n in shape)
    raise ArgumentError(
        "run", f"its events have {text} hardware integers; crossings are made as 19 trigger objects or as 18 x 14 "
        "regions", "take a run on one of these",
    )


def _pileup(data: DataSet) -> float:
    known = data.test.card.get("pileup")
    if not isinstance(known, int | float):
        raise ArgumentError("pileup", "the test background does not tell its own", f"give {argument('pileup')}")
    return float(known)


def pool_digest(folder: Path) -> str:
    """Digest of the names and sizes of a pool's chunks.

    Raises:
        DataError: there is no pool.
    """
    files = sorted(folder.glob("*/chunk_*.npz"))
    if not files:
        raise DataError(folder, "is no pool of collisions", "make one with `l1trigger data make pool --out DIR`")
    return _digest([[f.parent.name, f.name, f.stat().st_size] for f in files])


def _digest(values: Any) -> str:
    return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()


def _drop_others(kept: Path) -> None:
    """Makes the folder of counted chunks; those of another trigger function, pool or menu go."""
    kept.mkdir(parents=True, exist_ok=True)
    for other in kept.parent.iterdir():
        if other != kept:
            remove(other)


class _Count:
    """How many crossings are counted."""

    def __init__(self, total: int, progress: Progress) -> None:
        self.done, self.total, self.progress = 0, total, progress

    def add(self, number: int) -> None:
        self.done += number
        self.progress(self.done, self.total)


def _counted(
    work: Callable[[Chunk], Counts], kind: str, wanted: Mapping[float, Sequence[Chunk]], kept: Path, farm: Farm,
    done: _Count,
) -> dict[float, Counts]:
    """Counts of all chunks by pile-up; those that are kept are read."""
    total = dict.fromkeys(wanted, Counts.none())
    missing = []

    def add(chunk: Chunk, found: Counts) -> None:
        total[chunk.pileup] = Counts.join([total[chunk.pileup], found])
        done.add(chunk.size)

    for chunk in (c for part in wanted.values() for c in part):
        try:
            add(chunk, Counts.load(kept / chunk.name(kind)))
        except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
            missing.append(chunk)
    for chunk, found in farm.map(work, missing):
        found.save(kept / chunk.name(kind))
        add(chunk, found)
    return total

