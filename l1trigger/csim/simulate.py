"""Runs a compiled C-simulation over many events, in chunks over parallel processes; finished chunks are kept."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import FIRST_EXCEPTION, wait
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from l1trigger.cores import cores
from l1trigger.csim.compile import Executable
from l1trigger.data.events import digest
from l1trigger.design import CsimSection
from l1trigger.errors import DataError
from l1trigger.processes import run, side_by_side
from l1trigger.trigger import TriggerOutputs

CHUNK = 20_000
"""Events of one chunk; the same for any number of processes, so that a run can go on with another number."""

Progress = Callable[[str, int, int], None]


@dataclass(frozen=True)
class Simulated:
    """What the C-simulation gave.

    Attributes:
        outputs: of the trigger function.
        events: how many were computed now, not taken from an interrupted run.
        seconds: wall time that these took [s].
    """

    outputs: TriggerOutputs
    events: int
    seconds: float


def processes(section: CsimSection) -> int:
    """How many processes run at once."""
    return cores() if section.processes is None else section.processes


def simulate(
    executable: Executable,
    inputs: NDArray[Any],
    outputs: int,
    section: CsimSection,
    folder: Path,
    progress: Progress = lambda what, done, total: None,
    name: str = "csim",
) -> Simulated:
    """Outputs of the C++ trigger function for all events.

    Args:
        executable: from ``compile.build``.
        inputs: hardware integers that fit 16 bits, first axis events.
        outputs: number of network outputs.
        section: processes, and the time limit of one chunk.
        folder: takes the chunks; an interrupted run goes on from what is here.
        progress: called with (name, events done, events in all).
        name: of the sample.

    Raises:
        DataError: an input does not fit 16 bits.
        ToolFailedError: the program failed or ran past its time limit.
    """
    flat = _int16(inputs, name)
    work = folder / f"{name}_{executable.digest[:8]}_{digest(flat)[:8]}"
    work.mkdir(parents=True, exist_ok=True)
    total = len(flat)
    starts = range(0, total, CHUNK)
    sizes = [min(CHUNK, total - s) for s in starts]
    paths = [work / f"{s}.bin" for s in starts]
    todo = [i for i, p in enumerate(paths) if not _whole(p, sizes[i], outputs)]
    events = sum(sizes[i] for i in todo)
    progress(name, total - events, total)
    began = time.monotonic()
    if todo:
        flat.tofile(work / "inputs.bin")
        _run_all(executable, work, [(paths[i], starts[i], sizes[i]) for i in todo], section, total, progress, name)
    seconds = time.monotonic() - began
    parts = [_read(p, n, outputs) for p, n in zip(paths, sizes, strict=True)]
    result = TriggerOutputs(
        np.concatenate([p.network for p in parts]), np.concatenate([p.score for p in parts]),
        np.concatenate([p.accept for p in parts]),
    )
    return Simulated(result, events, seconds)


def require_events(inputs: NDArray[Any], name: str) -> None:
    """Raises when a sample is empty.

    Raises:
        DataError: it has no events.
    """
    if len(inputs) == 0:
        raise DataError(name, "has no events to simulate", "take a larger sample")


def run_program(executable: Executable, arguments: list[str], work: Path, limit: float) -> None:
    """Runs the program once; where it fails, its messages stay in a log beside what it was to write, its last argument.

    Raises:
        ToolFailedError: it failed or ran past the limit.
    """
    log = work / f"{arguments[-1]}.log"
    log.unlink(missing_ok=True)
    run("csim", [str(executable.path.resolve()), *arguments], log, limit, cwd=work)
    log.unlink()


def _run_all(
    executable: Executable, work: Path, chunks: list[tuple[Path, int, int]], section: CsimSection, total: int,
    progress: Progress, name: str,
) -> None:
    def one(chunk: tuple[Path, int, int]) -> int:
        path, start, count = chunk
        run_program(executable, ["inputs.bin", str(start), str(count), path.name], work, section.time_limit_s)
        return count

    done = total - sum(c[2] for c in chunks)
    with side_by_side(processes(section)) as pool:
        pending = {pool.submit(one, c) for c in chunks}
        while pending:
            finished, pending = wait(pending, timeout=0.2, return_when=FIRST_EXCEPTION)
            done += sum(f.result() for f in finished)
            if finished:
                progress(name, done, total)


def _int16(inputs: NDArray[Any], name: str) -> NDArray[np.int16]:
    require_events(inputs, name)
    flat = np.ascontiguousarray(inputs.reshape(len(inputs), -1))
    whole = flat.astype("<i2")
    if flat.dtype.itemsize > 2 and not np.array_equal(whole, flat):
        raise DataError(name, "has inputs that do not fit into 16 bits", "check the least significant bits of the data")
    return whole


def _whole(path: Path, count: int, outputs: int) -> bool:
    return path.exists() and path.stat().st_size == count * (8 + 8 * outputs + 1)


def _read(path: Path, count: int, outputs: int) -> TriggerOutputs:
    data = path.read_bytes()
    score = np.frombuffer(data, "<i8", count)
    network = np.frombuffer(data, "<i8", count * outputs, offset=8 * count).reshape(count, outputs)
    accept = np.frombuffer(data, np.uint8, count, offset=8 * count * (1 + outputs))
    return TriggerOutputs(network.astype(np.int64), score.astype(np.int64), accept.astype(np.bool_))
