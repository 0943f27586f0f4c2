"""Every error that the package raises on purpose; all share one base, and the CLI turns them into one sentence."""

from __future__ import annotations

import contextlib
import difflib
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any


class L1TriggerError(Exception):
    """Base of all errors that a user can act upon."""

    exit_code: int = 2

    def __reduce__(self) -> tuple[Any, ...]:
        """Comes out of a process of its own as it was: Exception would call the class with its sentence."""
        return _again, (type(self), self.args), self.__dict__


class DesignError(L1TriggerError):
    """A design file asks for something that does not exist or cannot be.

    Args:
        file: the design file, or None for a design made in Python.
        key: dotted path of the key, e.g. ``compress.pruning.sparsity``.
        expectation: what would have been accepted.
        remedy: what to change.
    """

    def __init__(self, file: Path | str | None, key: str, expectation: str, remedy: str = "") -> None:
        self.file, self.key, self.expectation, self.remedy = file, key, expectation, remedy
        where = f"{file}: " if file else ""
        at = f"{key}: " if key else ""
        super().__init__(f"{where}{at}{_with_remedy(expectation, remedy)}")


class ArgumentError(L1TriggerError):
    """A function is given what it cannot take.

    Args:
        name: of the parameter.
        expectation: what would have been accepted.
        remedy: what to give instead.
    """

    def __init__(self, name: str, expectation: str, remedy: str = "") -> None:
        self.name, self.expectation, self.remedy = name, expectation, remedy
        super().__init__(f"{argument(name)}: {_with_remedy(expectation, remedy)}")


class DataError(L1TriggerError):
    """A data file is missing, damaged, or does not hold what its reader needs."""

    def __init__(self, file: Path | str, problem: str, remedy: str = "") -> None:
        self.file, self.problem, self.remedy = file, problem, remedy
        super().__init__(f"{file}: {_with_remedy(problem, remedy)}")


class UnsupportedLayerError(L1TriggerError):
    """A model holds layers that cannot be brought to firmware."""


class RunFolderError(L1TriggerError):
    """A run folder is in use, damaged, or from another version."""


class ReportError(L1TriggerError):
    """A report does not follow its schema."""


class UnknownFigureError(L1TriggerError, ValueError):
    """The catalogue of figures has no such name, or has it already."""


class ToolNotFoundError(L1TriggerError):
    """A tool is needed and was not found; says where it was looked for."""


class ToolFailedError(L1TriggerError):
    """A tool ran and failed.

    Args:
        tool: name of the tool.
        return_code: its exit status, or None when it ran past its time limit.
        log: file that holds its whole output.
        last_lines: the end of that output.
        problem: what went wrong, where the exit status does not tell.
    """

    def __init__(
        self, tool: str, return_code: int | None, log: Path, last_lines: str = "", problem: str = ""
    ) -> None:
        self.tool, self.return_code, self.log = tool, return_code, log
        how = "ran past its time limit" if return_code is None else f"failed with exit status {return_code}"
        how = problem or how
        super().__init__(f"{tool} {how}; its log is {log}." + (f" It ended with:\n{last_lines}" if last_lines else ""))


class ClusterError(L1TriggerError):
    """A cluster of workers cannot be started or reached, or does not keep its workers."""


class BitMismatchError(L1TriggerError):
    """Two levels that must be equal bit for bit are not."""

    exit_code = 1


class BudgetError(L1TriggerError):
    """A design does not keep its own budget.

    Args:
        figures: the figures that are out of bounds, with their values.
    """

    exit_code = 1

    def __init__(self, figures: Mapping[str, float]) -> None:
        self.figures = figures
        listed = ", ".join(f"{name} = {value:.6g}" for name, value in figures.items())
        super().__init__(f"{len(figures)} limit(s) of the budget are not met: {listed}")


class MissingExtraError(L1TriggerError):
    """A function needs packages that are installed only with an extra."""

    def __init__(self, package: str, extra: str) -> None:
        super().__init__(f"The package {package} is needed here. Remedy: pip install 'l1trigger[{extra}]'")


def argument(name: str) -> str:
    """How a message names a parameter of the function that was called; the command line shows its option instead."""
    return f"`{name}=`"


@contextlib.contextmanager
def of_file(file: Path | str | None) -> Iterator[None]:
    """Design errors inside name the design file, which what finds them need not know."""
    try:
        yield
    except DesignError as e:
        if e.file is not None or file is None:
            raise
        raise DesignError(file, e.key, e.expectation, e.remedy) from e


def nearest(word: str, known: Iterable[str]) -> str:
    """A sentence that lists what is known, with the nearest match to ``word`` first."""
    names = sorted(known)
    close = difflib.get_close_matches(word, names, n=1, cutoff=0.6)
    hint = f"did you mean '{close[0]}'? " if close else ""
    return f"{hint}Known: {', '.join(names)}."


def _again(cls: type[L1TriggerError], args: tuple[Any, ...]) -> L1TriggerError:
    return cls.__new__(cls, *args)


def _with_remedy(problem: str, remedy: str) -> str:
    return f"{problem.rstrip('.')}. Remedy: {remedy}" if remedy else problem
