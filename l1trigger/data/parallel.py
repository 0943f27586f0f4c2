"""Seeded chunks made in parallel processes: those that are there already are not made again."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal, Protocol, TypeVar

from l1trigger.farm import Farm

Progress = Callable[[int, int], None]
"""Called with what is done and what there is in all."""


class Chunked(Protocol):
    """A process that is made in chunks."""

    def chunks(self, scale: float = 1.0) -> int:
        """Number of chunks."""


P = TypeVar("P", bound=Chunked)


def round_robin(plan: Sequence[P], scale: float) -> list[tuple[P, int]]:
    """Every process with the number of each of its chunks; interrupted anywhere, there is some of everything."""
    todo = [(p, c) for p in plan for c in range(p.chunks(scale))]
    return sorted(todo, key=lambda pc: pc[1] / pc[0].chunks(scale))


@dataclass(frozen=True)
class Workers:
    """Processes that do jobs, here or on a cluster.

    Attributes:
        number: how many.
        start: ``spawn`` gives fresh interpreters, as needed once TensorFlow is loaded; ``fork`` shares memory.
        jobs_per_process: jobs after which a process is replaced by a fresh one; None keeps it. With 1, what a job
            gives cannot depend on those before it, also where a library keeps a state of its own.
        cluster: of Dask workers, which see the same files; see ``l1trigger.farm``. None takes processes here.
    """

    number: int
    start: Literal["spawn", "fork"] = "spawn"
    jobs_per_process: int | None = None
    cluster: str | None = None


def run(
    function: Callable[..., Any], jobs: Sequence[tuple[Any, ...]], total: int, workers: Workers, progress: Progress
) -> None:
    """Calls a function for every job in parallel processes, here or on a cluster.

    Args:
        function: of a job's values.
        jobs: what is left to do.
        total: what there was to do in all; the rest counts as done.
        workers: who does them.
        progress: told after each job.
    """
    done = total - len(jobs)
    progress(done, total)
    if workers.cluster is not None:
        for _ in Farm(workers.number, workers.cluster).map(partial(_apply, function), jobs):
            done += 1
            progress(done, total)
        return
    context = multiprocessing.get_context(workers.start)
    with ProcessPoolExecutor(workers.number, context, max_tasks_per_child=workers.jobs_per_process) as ex:
        try:
            for future in as_completed([ex.submit(function, *job) for job in jobs]):
                future.result()
                done += 1
                progress(done, total)
        except BaseException:
            ex.shutdown(wait=False, cancel_futures=True)  # else an interrupt would wait for the whole queue
            raise


def _apply(function: Callable[..., Any], job: tuple[Any, ...]) -> None:
    function(*job)
