"""Lepton-filtered collisions in the layout of the public ADC2021 files, for machines that do not have those files.

A cocktail of W, Z, heavy-flavour QCD and top-quark pairs by the published fractions, and signals, from Pythia8 and
the parametric detector. Every process is generated in seeded chunks, in any order and in parallel; what exists is
not made again. ``assemble`` joins chunks into files with the public keys.

A lepton from heavy flavour is rare: the heavy hadrons of one collision decay up to 60 times until one gives a
lepton, and the few events that pass are used several times, turned by exact symmetries and sharing their ``EvtId``.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import h5py
import numpy as np
from numpy.typing import NDArray

from l1trigger.data import parallel, pythia
from l1trigger.data import parametric_detector as detector
from l1trigger.data.pythia import Particles
from l1trigger.errors import DataError

KEY, ID_KEY, CARD = "Particles", "EvtId", "card"
_PROCESS_ID, _CHUNK_ID = 10**12, 10**6
_BATCH = 200
_RE_DECAYS = 60
_HEAVY = (411, 421, 431, 4122, 4132, 4232, 4332, 511, 521, 531, 541, 5122, 5132, 5232, 5332)
_HEAVY_PT, _RE_DECAY_PT, _GENERATED_PT = 25.0, 20.0, 18.0
_LEPTONS, _NEUTRINOS = (11, 13), (12, 14, 16)


@dataclass(frozen=True)
class Process:
    """How much of one Pythia8 process is made.

    Attributes:
        name: key of ``pythia.SETTINGS``.
        events: distinct events that pass the lepton filter.
        per_chunk: of them in one chunk, about a minute of work.
        copies: how often each is used, turned and mirrored.
    """

    name: str
    events: int
    per_chunk: int
    copies: int = 1

    def chunks(self, scale: float = 1.0) -> int:
        """Number of chunks."""
        return max(1, round(self.events * scale / self.per_chunk))


COCKTAIL = (
    # 59.2, 6.7, 33.8 and 0.3 % of the public background.
    Process("W", 9500, 500), Process("Z", 1075, 215), Process("heavy_flavour", 1352, 52, copies=4),
    Process("ttbar", 48, 48),
)
SIGNALS = tuple(Process(s, 1500, 125) for s in ("A4l", "LQ", "h0tt", "hctn"))
PLAN = (*COCKTAIL, *SIGNALS)

APPROXIMATIONS = (
    *detector.APPROXIMATIONS,
    "leading-order Pythia8; processes are mixed by the published fractions, not by cross section",
    (
        "QCD is flavour creation of b and c quarks only (no gluon splitting); its heavy hadrons decay up to "
        f"{_RE_DECAYS} times until a lepton above {_RE_DECAY_PT:g} GeV appears"
    ),
    "the public production mode of the charged Higgs boson is not stated; hctn is made with a top quark",
)


@dataclass(frozen=True)
class Settings:
    """What a chunk depends on besides process, number and size.

    Attributes:
        mean_pileup: collisions overlaid on each event; the default is none.
        selection: what counts as an object, and the lepton filter.
    """

    mean_pileup: float = 0.0
    selection: detector.Selection = field(default_factory=detector.Selection)


@dataclass(frozen=True)
class Chunk:
    """Events of one process that pass the lepton filter.

    Attributes:
        rows: float32 (n, 19, 4).
        tried: generated collisions that they come from, whole batches; the end of the last one is not used.
        sigma_mb: cross section of the process [mb].
        seed: of this chunk.
        settings: as text, to notice chunks made otherwise.
    """

    rows: NDArray[np.float32]
    tried: int
    sigma_mb: float
    seed: int
    settings: str


def chunk_seed(process: str, chunk: int) -> int:
    """Seed of a chunk: a fixed function of process and number, so that chunks can be made in any order."""
    return 500_000_000 + 10_000 * list(pythia.SETTINGS).index(process) + chunk


def make_chunk(process: Process, chunk: int, settings: Settings = Settings()) -> Chunk:
    """Generates collisions until ``process.per_chunk`` of them pass."""
    seed = chunk_seed(process.name, chunk)
    rng = np.random.default_rng(seed)
    generator = pythia.Generator(process.name, seed)
    pool = pythia.Generator("soft", seed).batch(2000) if settings.mean_pileup else None
    source = _re_decayed(generator) if process.name == "heavy_flavour" else _plain(generator)
    rows: list[NDArray[np.float32]] = []
    tried = kept = 0
    while kept < process.per_chunk:
        n, p = next(source)
        tried += n
        p = detector.subset(p, _with_lepton(p))
        if pool is not None:
            p = _overlay(p, pool, settings.mean_pileup, rng)
        if p.events:
            objects, accepted = detector.reconstruct(p, rng, settings.selection, settings.mean_pileup)
            rows.append(objects[accepted])
            kept += len(rows[-1])
    return Chunk(np.concatenate(rows)[: process.per_chunk], tried, generator.sigma_mb(), seed, _text(settings))


def _text(settings: Settings) -> str:
    return json.dumps(asdict(settings), sort_keys=True)


def _plain(generator: pythia.Generator) -> Iterator[tuple[int, Particles]]:
    while True:
        p = generator.batch(_BATCH)
        yield p.events, p


def _re_decayed(generator: pythia.Generator) -> Iterator[tuple[int, Particles]]:
    """Batches of (collisions tried, those that gave a lepton); heavy hadrons decay again and again."""
    while True:
        hits = []
        for _ in range(_BATCH):
            hit = _one_re_decayed(generator.pythia)
            if hit is not None:
                hits.append(hit)
        size = [len(h) for h in hits]
        pid, px, py, pz, energy = np.concatenate([*hits, np.zeros((0, 5))]).T
        event = np.repeat(np.arange(len(hits)), size)
        yield _BATCH, Particles(pid.astype(np.int64), px, py, pz, energy, event, len(hits), np.zeros(len(hits)))


def _one_re_decayed(run: Any) -> NDArray[np.float64] | None:
    """Visible final particles (id, px, py, pz, energy) of the next collision, or None when it gives no lepton."""
    import pythia8mc

    for pid in _HEAVY:
        run.particleData.mayDecay(pid, False)
    if not run.next():
        return None
    event = run.event
    heavy = (q for q in (event[i] for i in range(event.size())) if q.isFinal() and abs(q.id()) in _HEAVY)
    if not any(q.pT() > _HEAVY_PT for q in heavy):
        return None
    for pid in _HEAVY:
        run.particleData.mayDecay(pid, True)
    before = pythia8mc.Event(event)
    first = before.size()
    for _ in range(_RE_DECAYS):
        run.event = before
        if not run.moreDecays():
            continue
        event = run.event
        new = (event[i] for i in range(first, event.size()))
        if any(abs(q.id()) in _LEPTONS and q.pT() > _RE_DECAY_PT for q in new):
            final = (q for q in (event[i] for i in range(event.size())) if q.isFinal())
            seen = [(q.id(), q.px(), q.py(), q.pz(), q.e()) for q in final if abs(q.id()) not in _NEUTRINOS]
            return np.array(seen, np.float64)
    return None


def _with_lepton(p: Particles) -> NDArray[np.bool_]:
    """Events with a generated lepton that could pass after smearing; saves simulating the others."""
    hard = np.isin(np.abs(p.pid), _LEPTONS) & (np.hypot(p.px, p.py) > _GENERATED_PT)
    return np.bincount(p.event[hard], minlength=p.events) > 0


def _overlay(p: Particles, pool: Particles, mean: float, rng: np.random.Generator) -> Particles:
    """Adds Poisson(mean) random collisions of the pool to each event."""
    number = rng.poisson(mean, p.events)
    pick = rng.integers(0, pool.events, number.sum())
    start = np.searchsorted(pool.event, np.arange(pool.events + 1))
    size = (start[1:] - start[:-1])[pick]
    source = np.repeat(start[pick] - np.cumsum(size) + size, size) + np.arange(size.sum())
    event = np.concatenate([p.event, np.repeat(np.repeat(np.arange(p.events), number), size)])
    order = np.argsort(event, kind="stable")

    def join(name: str) -> NDArray[Any]:
        return np.concatenate([getattr(p, name), getattr(pool, name)[source]])[order]

    return Particles(
        join("pid"), join("px"), join("py"), join("pz"), join("energy"), event[order], p.events, p.pthat
    )


def chunk_path(folder: Path, process: str, chunk: int) -> Path:
    """Where a chunk lies in a folder of chunks."""
    return folder / process / f"adc_{chunk:04d}.npz"


def save_chunk(chunk: Chunk, path: Path) -> None:
    """Writes a chunk; the file appears whole or not at all.

    Raises:
        DataError: it cannot be written.
    """
    part = path.with_name(path.name + ".part")
    meta = {k: v for k, v in asdict(chunk).items() if k != "rows"}
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with part.open("wb") as f:
            np.savez_compressed(f, rows=chunk.rows, meta=np.array(json.dumps(meta)))
        part.replace(path)
    except OSError as e:
        part.unlink(missing_ok=True)
        raise DataError(path, f"could not be written ({e})", "free some disk space or choose another folder") from e


def load_chunk(path: Path, settings: Settings) -> Chunk:
    """Reads a chunk.

    Raises:
        DataError: the file is missing, damaged, or was made with other settings.
    """
    try:
        with path.open("rb") as file, np.load(file) as z:
            chunk = Chunk(rows=z["rows"], **json.loads(str(z["meta"])))
    except (OSError, KeyError, ValueError, EOFError, TypeError, BadZipFile, zlib.error) as e:
        raise DataError(path, f"is not a chunk of events ({e})", "delete it and make the chunks again") from e
    if chunk.settings != _text(settings):
        raise DataError(path, "was made with other settings", "use another folder, or delete it and make it again")
    return chunk


def _make_and_save(process: Process, chunk: int, folder: Path, settings: Settings) -> None:
    save_chunk(make_chunk(process, chunk, settings), chunk_path(folder, process.name, chunk))


def make_chunks(
    folder: Path,
    plan: Sequence[Process] = PLAN,
    *,
    scale: float = 1.0,
    workers: int = 1,
    settings: Settings = Settings(),
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> None:
    """Makes the chunks that are not there yet, in parallel processes.

    Args:
        folder: of the chunks; one sub-folder per process.
        plan: what to make.
        scale: multiplies the events of every process.
        workers: processes.
        settings: of all chunks.
        progress: called with (chunks done, chunks in all).
    """
    todo = parallel.round_robin(plan, scale)
    missing = [(p, c, folder, settings) for p, c in todo if not chunk_path(folder, p.name, c).exists()]
    parallel.run(_make_and_save, missing, len(todo), parallel.Workers(workers), progress)


def write(path: Path, rows: NDArray[np.floating], event_id: NDArray[np.int64], card: dict[str, Any]) -> None:
    """Writes a file with the keys of the public ones and a data card; it appears whole or not at all.

    Args:
        path: of the file.
        rows: (n, 19, 4) of pT [GeV], eta, phi [rad], class id.
        event_id: (n,) generator event; copies of one event share it.
        card: settings, seeds, versions and approximations.

    Raises:
        DataError: the file cannot be written.
    """
    part = path.with_name(path.name + ".part")
    packed: dict[str, Any] = {"compression": "gzip", "compression_opts": 9, "shuffle": True}
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with h5py.File(part, "w") as f:
            f.attrs[CARD] = json.dumps(card)
            block = (max(min(len(rows), 4096), 1), *rows.shape[1:])
            f.create_dataset(KEY, data=rows.astype(np.float32), chunks=block, **packed)
            f.create_dataset(ID_KEY, data=event_id.astype(np.int64), **packed)
            f.create_dataset("Particles_Names", data=np.array(["Pt", "Eta", "Phi", "Class"], dtype="S"))
            f.create_dataset("Particles_Classes", data=np.array(detector.CLASS_NAMES, dtype="S"))
        part.replace(path)
    except OSError as e:
        part.unlink(missing_ok=True)
        raise DataError(path, f"could not be written ({e})", "free some disk space or choose another folder") from e


def _joined(
    folder: Path, process: Process, scale: float, settings: Settings
) -> tuple[NDArray[np.float32], NDArray[np.int64], dict[str, Any]]:
    """Rows with their copies, generator-event ids, and the process' part of the data card."""
    chunks = [load_chunk(chunk_path(folder, process.name, c), settings) for c in range(process.chunks(scale))]
    rows, ids = [], []
    first = list(pythia.SETTINGS).index(process.name) * _PROCESS_ID
    for number, chunk in enumerate(chunks):
        rng = np.random.default_rng([chunk.seed, process.copies])
        copies = [chunk.rows] if process.copies == 1 else [
            detector.rotate(chunk.rows, rng) for _ in range(process.copies)
        ]
        rows.extend(copies)
        ids.extend([first + number * _CHUNK_ID + np.arange(len(chunk.rows))] * process.copies)
    kept, tried = sum(len(c.rows) for c in chunks), sum(c.tried for c in chunks)
    card = {
        "settings": list(pythia.SETTINGS[process.name]), "distinct_events": kept, "copies": process.copies,
        "generated": tried, "sigma_pb": 1e9 * float(np.mean([c.sigma_mb for c in chunks])),
        "seeds": [chunks[0].seed, chunks[-1].seed], "event_id": f"{first} + {_CHUNK_ID} * chunk + number",
    }
    return np.concatenate(rows), np.concatenate(ids), card


def assemble(
    chunks: Path, out: Path, plan: Sequence[Process] = PLAN, *, scale: float = 1.0, settings: Settings = Settings()
) -> list[Path]:
    """Joins chunks into ``adc2021_cocktail.h5`` and one ``adc2021_<signal>.h5`` per signal.

    The cocktail is shuffled, so that any part of it is a cocktail.

    Args:
        chunks: folder that ``make_chunks`` filled with the same plan, scale and settings.
        out: folder for the files.
        plan: as in ``make_chunks``.
        scale: as in ``make_chunks``.
        settings: as in ``make_chunks``.

    Returns:
        The files.

    Raises:
        DataError: a chunk is missing, damaged or made otherwise, or a file cannot be written.
    """
    card: dict[str, Any] = {
        "layout": "ADC2021", "energy": "13 TeV proton-proton", "generator_settings": json.loads(_text(settings)),
        "versions": {p: version(p) for p in ("pythia8mc", "fastjet", "numpy")},
        "approximations": list(APPROXIMATIONS), "license": "CC0-1.0",
    }
    files = []
    background = [p for p in plan if p.name in {c.name for c in COCKTAIL}]
    if background:
        rows, ids, cards = zip(*(_joined(chunks, p, scale, settings) for p in background), strict=True)
        order = np.random.default_rng(len(background)).permutation(sum(map(len, ids)))
        processes = {p.name: c | {"events": len(i)} for p, c, i in zip(background, cards, ids, strict=True)}
        files.append(out / "adc2021_cocktail.h5")
        whole = {"name": "cocktail", **card, "processes": processes}
        write(files[-1], np.concatenate(rows)[order], np.concatenate(ids)[order], whole)
    for p in plan:
        if p not in background:
            row, event_id, one = _joined(chunks, p, scale, settings)
            files.append(out / f"adc2021_{p.name}.h5")
            write(files[-1], row, event_id, {"name": p.name, **card, "processes": {p.name: one}})
    return files


def make_samples(
    out: Path,
    chunks: Path,
    plan: Sequence[Process] = PLAN,
    *,
    scale: float = 1.0,
    workers: int = 1,
    settings: Settings = Settings(),
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> list[Path]:
    """Makes the missing chunks and joins them into sample files; see ``make_chunks`` and ``assemble``."""
    make_chunks(chunks, plan, scale=scale, workers=workers, settings=settings, progress=progress)
    return assemble(chunks, out, plan, scale=scale, settings=settings)
