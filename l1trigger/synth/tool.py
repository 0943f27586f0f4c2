"""Calls of tools: with a time limit, and a log that an error can point at."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from l1trigger.errors import ToolFailedError

_LAST_LINES = 15


def call(
    name: str, command: Sequence[str], log: Path, limit_s: float, environment: Mapping[str, str] | None = None,
    cwd: Path | None = None,
) -> None:
    """Runs a tool to its end; what it says is added to the log.

    Args:
        name: of the tool, for messages.
        command: program and arguments.
        log: file for its output.
        limit_s: longest time [s].
        environment: variables to set beside those that are there.
        cwd: folder to run it in; this process' own by default.

    Raises:
        ToolFailedError: it failed, could not be started, or ran past the limit.
    """
    code: int | None
    with log.open("a", encoding="utf-8") as f:
        f.write(f"$ {' '.join(command)}\n")
        f.flush()
        try:
            process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=f, stderr=subprocess.STDOUT, start_new_session=True,
                env={**os.environ, **(environment or {})}, cwd=cwd,
            )
        except OSError as e:
            f.write(f"cannot be started: {e}\n")
            code = 126
        else:
            try:
                code = process.wait(limit_s)
            except subprocess.TimeoutExpired:
                code = None
            finally:
                if process.poll() is None:
                    os.killpg(process.pid, signal.SIGKILL)
                    process.wait()
    if code != 0:
        lines = log.read_text(encoding="utf-8", errors="replace").splitlines()
        raise ToolFailedError(name, code, log, "\n".join(lines[-_LAST_LINES:]))
