"""Stage ``compress``: from the full-precision reference to the quantized function that goes into firmware."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from l1trigger.compress.result import CompressResult
    from l1trigger.design import Design
    from l1trigger.results import Results


def run(
    design: Design, results: Results, folder: Path, progress: Callable[[str], None] = lambda message: None
) -> CompressResult:
    """Compresses the reference of a design; with several seeds each of them, for the spread.

    Args:
        design: what to make of it.
        results: give the reference, and the background to fine-tune on; signals are only measured, never trained on.
        folder: of the stage, in which an interrupted run finds what it had.
        progress: told what happens, one line at a time.
    """
    from l1trigger.compress.stage import compress
    from l1trigger.run_folder import checkpoints

    return compress(design, results.data, results.train, checkpoints(folder), progress)


__all__ = ["run"]
