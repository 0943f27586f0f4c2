"""Runs of external programs: with a time limit, a log that an error can point at, and nothing left behind.

A program is started in a process group of its own, and that group ends with it: after the time limit, an error or an
interruption, no child of a compiler or of a vendor's tool goes on working.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from l1trigger.errors import ToolFailedError, ToolNotFoundError

if TYPE_CHECKING:
    from collections.abc import Iterator

T = TypeVar("T")
R = TypeVar("R")
_LAST_LINES = 20
_NOT_STARTED = 126
"""Exit status that shells give for a program that cannot be started."""


def find(program: str, need: str, remedy: str) -> Path:
    """Where a program lies.

    Args:
        program: its name or path.
        need: what needs it, e.g. ``The C-simulation needs the C++ compiler``.
        remedy: what to do where it is not there.

    Raises:
        ToolNotFoundError: it is not on PATH.
    """
    path = shutil.which(program)
    if path is None:
        raise ToolNotFoundError(f"{need} '{program}', which is not on PATH. Remedy: {remedy}")
    return Path(path).absolute()


def run(
    name: str, command: Sequence[str], log: Path, limit_s: float, environment: Mapping[str, str] | None = None,
    cwd: Path | None = None,
) -> None:
    """Runs a program to its end; what it prints is added to the log.

    Args:
        name: of the program, for messages.
        command: program and arguments.
        log: file for its output.
        limit_s: longest time [s].
        environment: variables to set beside those that are there.
        cwd: folder to run it in; this process' own by default.

    Raises:
        ToolNotFoundError: there is no such program.
        ToolFailedError: it failed, could not be started, or ran past the limit.
    """
    if shutil.which(command[0]) is None and not Path(command[0]).exists():
        raise ToolNotFoundError(f"{name} cannot be run: there is no program '{command[0]}'")
    with log.open("a", encoding="utf-8") as f:
        f.write(f"$ {' '.join(command)}\n")
        f.flush()
        start = os.fstat(f.fileno()).st_size
        try:
            code = _crew().run(command, f.fileno(), limit_s, {**os.environ, **(environment or {})}, cwd)
        except OSError as e:
            f.write(f"cannot be started: {e}\n")
            code = _NOT_STARTED
    if code != 0:
        raise ToolFailedError(name, code, log, tail(log, start))


def tail(log: Path, start: int = 0) -> str:
    """The last lines of a log, of what stands behind so many bytes."""
    text = log.read_bytes()[start:].decode("utf-8", errors="replace")
    return "\n".join(text.splitlines()[-_LAST_LINES:])


def first_line(command: Sequence[str], log: Path, limit_s: float) -> str:
    """The first line that a program prints, e.g. its version; empty when it prints nothing.

    Args:
        command: program and arguments.
        log: file for its output; what it held before is lost.
        limit_s: longest time [s].

    Raises:
        ToolNotFoundError: there is no such program.
        ToolFailedError: it failed, could not be started, or ran past the limit.
    """
    log.unlink(missing_ok=True)
    run(Path(command[0]).name, command, log, limit_s)
    _, *lines = log.read_text(encoding="utf-8", errors="replace").splitlines()
    return next((line for line in lines if line), "")


@contextmanager
def side_by_side(workers: int) -> Iterator[Executor]:
    """An executor whose threads may ``run`` programs; when its block is left by an exception, these programs end.

    Args:
        workers: most programs at the same time.
    """
    crew = _Crew()
    with ThreadPoolExecutor(max(workers, 1), initializer=_join, initargs=(crew,)) as pool:
        try:
            yield pool
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            crew.end()
            raise


def run_each(function: Callable[[T], R], items: Iterable[T], workers: int) -> list[R]:
    """Results of a function that runs programs, for each item and in their order; ends all when one fails."""
    with side_by_side(workers) as pool:
        return list(pool.map(function, items))


class _Crew:
    """Programs that end together."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._ended = False
        self._running: set[subprocess.Popen[bytes]] = set()

    def run(
        self, command: Sequence[str], output: int, limit_s: float, environment: Mapping[str, str], cwd: Path | None
    ) -> int | None:
        """Exit status of a program; None when it ran past its limit [s]."""
        with self._lock:
            if self._ended:
                return -signal.SIGKILL
            process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT, start_new_session=True,
                env=environment, cwd=cwd,
            )
            self._running.add(process)
        try:
            return process.wait(max(limit_s, 0.001))
        except subprocess.TimeoutExpired:
            return None
        finally:
            with self._lock:
                self._running.discard(process)
            _kill(process)
            process.wait()

    def end(self) -> None:
        """Ends all that run, and lets no other begin."""
        with self._lock:
            self._ended = True
            for process in self._running:
                _kill(process)


def _kill(process: subprocess.Popen[bytes]) -> None:
    """Ends what there still is of a program's process group."""
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)


_of_thread = threading.local()


def _join(crew: _Crew) -> None:
    _of_thread.crew = crew


def _crew() -> _Crew:
    """Of the pool that this thread belongs to, or one of its own."""
    crew: _Crew | None = getattr(_of_thread, "crew", None)
    return crew or _Crew()
