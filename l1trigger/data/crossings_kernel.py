"""The compiled kernel that makes crossings of pool rows; ``electronics`` states what it computes."""

from __future__ import annotations

import ctypes
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from l1trigger import kernels
from l1trigger.data.detector import TOWERS_PHI
from l1trigger.data.electronics import ETA_CENTRES, REGIONS, Thresholds
from l1trigger.data.objects import OBJECTS
from l1trigger.data.pool_rows import Rows

_CUT = Thresholds()


@cache
def load() -> Kernel:
    """The kernel, for the best instruction set of this processor.

    Raises:
        ToolNotFoundError: there is no C++ compiler.
        ToolFailedError: it failed.
    """
    return Kernel(kernels.compiled(Path(__file__).with_suffix("").with_name("crossings.cpp")).path)


class Kernel:
    """The compiled function.

    Args:
        path: of the shared library.
    """

    def __init__(self, path: Path) -> None:
        self._run = ctypes.CDLL(str(path)).l1trigger_crossings
        self._run.argtypes = [ctypes.c_void_p] * 7 + [ctypes.c_int64] + [ctypes.c_void_p] * 4
        self._run.restype = None

    def run(
        self, pool: Rows, rows: NDArray[np.int64], first: NDArray[np.int64], turn: NDArray[np.int64],
        flip: NDArray[np.int64], cut: Thresholds = _CUT,
    ) -> tuple[NDArray[np.int16], NDArray[np.int16], NDArray[np.int32]]:
        """Objects without missing ET and muons, regions, and ET of each line of towers in phi.

        Args:
            pool: all rows.
            rows: of the crossings, crossing by crossing.
            first: crossing c owns ``rows[first[c]:first[c + 1]]``.
            turn, flip: steps in phi by which each row is turned, and whether it is mirrored in eta.
            cut: thresholds of the object finders.
        """
        n = len(first) - 1
        objects = np.zeros((n, OBJECTS, 3), np.int16)
        regions, lines = np.empty((n, *REGIONS), np.int16), np.empty((n, TOWERS_PHI), np.int32)
        settings = np.array(
            [cut.jet, cut.jet_seed, cut.egamma, cut.egamma_seed, 2**cut.region_bits - 1, *ETA_CENTRES], np.int32
        )
        given = (
            pool.deposits, pool.begin, pool.size, np.ascontiguousarray(rows, np.int64), turn.astype(np.uint8),
            flip.astype(np.uint8), np.ascontiguousarray(first, np.int64),
        )
        self._run(*(_at(a) for a in given), n, *(_at(a) for a in (settings, objects, regions, lines)))
        return objects, regions, lines


def _at(a: NDArray[Any]) -> ctypes.c_void_p:
    return a.ctypes.data_as(ctypes.c_void_p)
