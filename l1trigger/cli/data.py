"""``l1trigger data``: make samples, look into files, or run a design's stage ``data``."""

from __future__ import annotations

import typer


def add_to(app: typer.Typer) -> None:
    """Adds the commands."""
