"""Where the binary point of a fixed-point type of given width goes."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from l1trigger.fixed_point import FixedPoint, Overflow, Rounding

_LEAST_INTEGER = 0  # QKeras computes 2^integer with integers and fails below zero


def fit_integer(values: NDArray[Any], bits: int, signed: bool = True, least: int = _LEAST_INTEGER) -> int:
    """Bits left of the binary point, without the sign, that give the smallest squared error.

    Args:
        values: what the type has to represent.
        bits: width in all.
        signed: whether one bit is the sign.
        least: the fewest of such bits; below zero the largest value is below one half.
    """
    values = np.asarray(values, np.float64).ravel()
    top = int(np.ceil(np.log2(max(float(np.abs(values).max(initial=0)), 2.0**least))))
    best, smallest = least, np.inf
    # At least one fractional bit stays: without one hls4ml makes the type an integer and loses its rounding.
    for integer in range(least, min(top + 1, bits - 1 - int(signed)) + 1):
        t = FixedPoint(bits, integer + int(signed), signed, Rounding.RND_CONV, Overflow.SAT)
        error = float(np.square(t.quantize(values) - values).sum())
        if error < smallest:
            best, smallest = integer, error
    return best


def covering_integer(values: NDArray[Any], bits: int) -> int:
    """Bits left of the binary point, without the sign, that hold all values."""
    largest = float(np.abs(values).max(initial=0))
    return min(max(int(np.ceil(np.log2(max(largest, 1e-9)))), 0), bits - 2)
