"""Commands that only look: ``check``, ``schema``, ``doctor``, ``show``."""

from __future__ import annotations

from pathlib import Path

import typer
from rich.console import Console


def add_to(app: typer.Typer) -> None:
    """Adds the commands."""


def print_report(folder: Path, console: Console) -> None:
    """The main figures of a run's report."""
