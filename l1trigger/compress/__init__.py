"""Stage ``compress``: from the full-precision reference to the quantized function that goes into firmware."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from l1trigger.compress.result import CompressResult
    from l1trigger.data.events import DataSet
    from l1trigger.design import Design
    from l1trigger.train.result import TrainResult


def run(
    design: Design, data: DataSet, trained: TrainResult, work: Path,
    progress: Callable[[str], None] = lambda message: None,
) -> CompressResult:
    """Compresses the reference of a design; with several seeds each of them, for the spread.

    Args:
        design: what to make of it.
        data: background to fine-tune on; signals are only measured, never trained on.
        trained: the reference.
        work: folder in which an interrupted run finds what it had.
        progress: told what happens, one line at a time.
    """
    from l1trigger.compress.stage import compress

    return compress(design, data, trained, work, progress)


__all__ = ["run"]
