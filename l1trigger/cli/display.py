"""What a run shows: one line per stage, with its progress while it runs."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from rich.console import Console
from rich.live import Live
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.spinner import Spinner
from rich.text import Text

from l1trigger.stages import Display


class RichDisplay(Display):
    """Lines on a terminal, with a spinner; plain lines where the output is a file or a log."""

    def __init__(self, console: Console) -> None:
        self.console = console
        self._live: Live | None = None
        self._stage = ""
        self._redirected = ExitStack()

    def start(self, folder: Path) -> None:
        """What libraries write to stderr goes into ``log.txt`` of the run folder from now on."""
        self._redirected.enter_context(stderr_to(folder / "log.txt"))

    def begin(self, stage: str, reason: str) -> None:
        """A stage starts."""
        self._stage = stage
        if reason:
            self._line("·", stage, f"[dim]{escape(reason)}[/]")
        self._live = Live(self._spinner(""), console=self.console, refresh_per_second=8, transient=True)
        if self.console.is_terminal:
            self._live.start()

    def progress(self, text: str) -> None:
        """How far the running stage is."""
        if self._live is not None and self._live.is_started:
            self._live.update(self._spinner(text))

    def end(self, stage: str, seconds: float) -> None:
        """The stage is finished."""
        self._end_spinner()
        self._line("[green]✓[/]", stage, f"{seconds:.1f} s")

    def skip(self, stage: str, reason: str) -> None:
        """The stage was not run."""
        self._line("[dim]-[/]", stage, f"[dim]{escape(reason)}[/]")

    def note(self, text: str) -> None:
        """Something worth knowing."""
        self.console.print(f"[yellow]note[/] {escape(text)}", highlight=False, soft_wrap=True)

    def stop(self) -> None:
        """Gives the terminal back, also after an error."""
        self._end_spinner()
        self._redirected.close()

    def _end_spinner(self) -> None:
        if self._live is not None:
            self._live.stop()
            self._live = None

    def _spinner(self, text: str) -> Spinner:
        return Spinner("dots", Text.from_markup(f"[bold]{self._stage:9}[/] {escape(text)}"))

    def _line(self, mark: str, stage: str, text: str) -> None:
        self.console.print(f"{mark} [bold]{stage:9}[/] {text}", highlight=False, soft_wrap=True)


@contextmanager
def bar(what: str, console: Console | None = None) -> Iterator[Callable[[int, int], None]]:
    """A progress bar; gives a function of (done, in all).

    Args:
        what: is done.
        console: to draw on; None takes stderr.
    """
    columns = (TextColumn("[bold]{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console or Console(stderr=True)) as progress:
        task = progress.add_task(what, total=None)
        yield lambda done, total: progress.update(task, completed=done, total=total)


@contextmanager
def stderr_to(path: Path | str) -> Iterator[None]:
    """Appends to a file whatever is written to stderr, also by C++ libraries and child processes."""
    sys.stderr.flush()
    before = os.dup(2)
    try:
        with Path(path).open("ab") as log:
            os.dup2(log.fileno(), 2)
        yield
    finally:
        sys.stderr.flush()
        os.dup2(before, 2)
        os.close(before)
