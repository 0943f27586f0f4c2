"""Work on many pieces at once: in threads of this process, or on a cluster of Dask workers.

A piece of work is a function of one value, seeded by that value alone, so that any number of workers gives the same
bits. Clusters are described by one word, an address or a small YAML file::

    local                       processes on this machine
    tcp://10.0.0.1:8786         a scheduler that runs already
    farm.yaml                   kind: slurm or htcondor, jobs, and what dask-jobqueue is to be told
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import ExitStack, closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeVar

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from l1trigger.cores import cores
from l1trigger.errors import ClusterError, MissingExtraError, argument

T = TypeVar("T")
R = TypeVar("R")
_PATIENCE_S = 15
"""How long a scheduler may take to answer."""
_RETRIES = 3
"""How often work is done again whose worker died."""


@dataclass(frozen=True)
class Farm:
    """Where work is done.

    Attributes:
        workers: at once; None takes all processor cores. A cluster that runs already has workers of its own.
        cluster: ``local``, address of a scheduler, or path of a cluster file; None works in threads.
    """

    workers: int | None = None
    cluster: str | None = None

    def map(self, function: Callable[[T], R], jobs: Sequence[T]) -> Iterator[tuple[T, R]]:
        """Every job with its result, in the order in which they are finished.

        An error, an interruption, or a caller that wants no more ends what has not begun.

        Args:
            function: of one job; on a cluster both and the result are pickled.
            jobs: what is to be done.

        Raises:
            ClusterError: the cluster cannot be reached or started, or lost its workers too often.
        """
        return self._in_threads(function, jobs) if self.cluster is None else self._on_cluster(function, jobs)

    def _in_threads(self, function: Callable[[T], R], jobs: Sequence[T]) -> Iterator[tuple[T, R]]:
        with ThreadPoolExecutor(self.workers or cores()) as pool:
            running = {pool.submit(function, job): job for job in jobs}
            try:
                for future in as_completed(running):
                    yield running.pop(future), future.result()
            finally:
                pool.shutdown(wait=False, cancel_futures=True)

    def _on_cluster(self, function: Callable[[T], R], jobs: Sequence[T]) -> Iterator[tuple[T, R]]:
        if not jobs:
            return
        distributed = _distributed()
        with ExitStack() as stack:
            client = stack.enter_context(self._client(stack))
            # Jobs of a batch system may start in hours: nothing here waits for a worker.
            running = {client.submit(function, job, retries=_RETRIES, pure=False): job for job in jobs}
            try:
                for future in distributed.as_completed(list(running)):
                    try:
                        result = future.result()
                    except distributed.scheduler.KilledWorker as e:
                        raise ClusterError(
                            f"workers of the cluster died {_RETRIES + 1} times over the same work. Remedy: give them "
                            "more memory, or look into their logs; what is finished is kept"
                        ) from e
                    yield running.pop(future), result
                    future.release()
            finally:
                client.cancel(list(running))

    def _client(self, stack: ExitStack) -> Any:
        """A client of the cluster, which is started where it does not run already."""
        distributed = _distributed()
        assert self.cluster is not None
        if "://" in self.cluster:
            try:
                return distributed.Client(self.cluster, timeout=_PATIENCE_S)
            except (OSError, TimeoutError, ValueError) as e:
                raise ClusterError(
                    f"the scheduler at {self.cluster} does not answer. Remedy: start `dask scheduler` there, or give "
                    f"another {argument('cluster')}"
                ) from e
        if self.cluster == "local":
            cluster = distributed.LocalCluster(
                n_workers=self.workers or cores(), threads_per_worker=1, dashboard_address=None
            )
        else:
            cluster = ClusterFile.read(Path(self.cluster)).start()
        return distributed.Client(stack.enter_context(closing(cluster)))


class ClusterFile(BaseModel):
    """A batch system whose jobs are Dask workers.

    Attributes:
        kind: of the batch system.
        jobs: how many are asked for.
        cores, memory: of each job, e.g. 4 and ``8GB``.
        options: further ones of dask-jobqueue's ``SLURMCluster`` or ``HTCondorCluster``, e.g. ``walltime``, ``queue``.
    """

    model_config = ConfigDict(extra="forbid")

    kind: Literal["slurm", "htcondor"]
    jobs: int = Field(ge=1)
    cores: int = Field(1, ge=1)
    memory: str = "4GB"
    options: dict[str, Any] = {}

    @classmethod
    def read(cls, path: Path) -> ClusterFile:
        """Reads a cluster file.

        Raises:
            ClusterError: it cannot be read, or a key or value is wrong.
        """
        try:
            return cls.model_validate(yaml.safe_load(path.read_text(encoding="utf-8")))
        except OSError as e:
            raise ClusterError(
                f"{path}: cannot be read ({e.strerror}). Remedy: give local, the address of a scheduler, or a file"
            ) from e
        except (yaml.YAMLError, UnicodeDecodeError) as e:
            raise ClusterError(f"{path}: is not YAML. Remedy: write e.g. kind: slurm and jobs: 20") from e
        except ValidationError as e:
            first = e.errors()[0]
            key = ".".join(str(p) for p in first["loc"]) or "file"
            keys = ", ".join(cls.model_fields)
            raise ClusterError(f"{path}: {key}: {first['msg']}. Remedy: the keys are {keys}") from e

    def start(self) -> Any:
        """The cluster, whose jobs are asked for."""
        _distributed()
        import dask_jobqueue

        systems: Any = dask_jobqueue  # it has no types
        kind = {"slurm": systems.SLURMCluster, "htcondor": systems.HTCondorCluster}[self.kind]
        more = {"disk": "1GB"} if self.kind == "htcondor" else {}
        cluster = kind(cores=self.cores, processes=self.cores, memory=self.memory, **{**more, **self.options})
        cluster.scale(jobs=self.jobs)
        return cluster


def _distributed() -> Any:
    """The package, or what to do where it is not installed."""
    try:
        import distributed
        import distributed.scheduler
    except ImportError as e:
        raise MissingExtraError("distributed", "farm") from e
    return distributed
