"""Stage ``data``: the events that a design trains and is judged on."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from l1trigger.data.events import DataSet
    from l1trigger.design import Design
    from l1trigger.results import Results


def run(
    design: Design, results: Results, folder: Path, progress: Callable[[str], None] = lambda message: None
) -> DataSet:
    """The events that the design's data source gives.

    Args:
        design: its section ``data`` names the source.
        results: not read; this stage is the first.
        folder: of the stage; nothing is written there before the result is saved.
        progress: told which source is read.

    Raises:
        DesignError: there is no such source.
        DataError: a file is missing or damaged, or a sample has no events.
    """
    from l1trigger.contracts.source import SOURCES

    progress(f"events of the source {design.data.source}")
    return SOURCES.of(design.data).load()


__all__ = ["run"]
