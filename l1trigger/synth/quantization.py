"""Logic that brings values into fixed-point types, with every rounding and overflow of the vendor's ``ap_fixed``.

Works on alkaid's traced variables, each of which knows the range and the last bit of its values: what cannot change a
value makes no logic. Rounding comes first and saturation after it, which gives the same with fewer bits.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from l1trigger.fixed_point import FixedPoint, Overflow, Rounding

_EXACT_CONSTANT_BITS = 24
"""Of alkaid, which keeps constants as float32."""


def like(x: Any, values: Any) -> Any:
    """Traced values as an array, with the solver's options of ``x``."""
    from alkaid.trace import FVArray

    return FVArray(np.asarray(values, object), x.solver_options, x.hwconf)


def quantized(x: Any, types: FixedPoint | Sequence[FixedPoint]) -> Any:
    """``x`` brought into a type, or each of its elements into its own."""
    values = np.asarray(x).ravel()
    each = (types,) * len(values) if isinstance(types, FixedPoint) else types
    return like(x, [_one(v, t) for v, t in zip(values, each, strict=True)]).reshape(x.shape)


def _one(v: Any, t: FixedPoint) -> Any:
    """One value brought into a type."""
    if v.low == v.high:
        return _constant(v, t)
    v, t = _without_ties(v, t)
    if t.overflow is Overflow.WRAP and _native(v, t):
        return v.quantize(int(t.signed), t.integer - t.signed, t.fraction, "WRAP", str(t.rounding))
    v = _rounded(v, t)
    if v.low == v.high:
        return _constant(v, t)
    inside = t.range[0] <= v.low and v.high <= t.range[1]
    return v if inside else _overflown(v, t)


_NEAREST = (Rounding.RND, Rounding.RND_CONV, Rounding.RND_ZERO, Rounding.RND_INF, Rounding.RND_MIN_INF)


def _without_ties(v: Any, t: FixedPoint) -> tuple[Any, FixedPoint]:
    """A value and a type that cuts bits off where rounding to the nearest would do the same.

    A sum with a constant, such as a bias, whose last bit lies below that of all else in it is never in the middle
    between two results. The half that is to be added then goes into the constant, and costs nothing.
    """
    if t.rounding not in _NEAREST or v.opr != "cadd":
        return v, t
    (rest,) = v._from
    rest = rest * (v._factor / rest._factor)
    fraction = int(rest.kif[2])
    if fraction <= t.fraction or int(v.kif[2]) <= fraction:
        return v, t
    step = 2.0**-fraction
    constant = math.floor((float(v.low - rest.low) + t.lsb / 2) / step) * step
    return rest + constant, replace(t, rounding=Rounding.TRN)


def _overflown(v: Any, t: FixedPoint) -> Any:
    """One rounded value, some of whose values the type does not hold."""
    match t.overflow:
        case Overflow.WRAP:
            return v.quantize(int(t.signed), t.integer - t.signed, t.fraction)
        case Overflow.SAT_ZERO:
            return _zeroed(v, t)
    return _signed(v, t) if t.signed else _unsigned(v, t)


def _native(v: Any, t: FixedPoint) -> bool:
    """Whether alkaid's own rounding is exact here; its rounding to even is not where hardly any bits are left."""
    if t.rounding is not Rounding.RND_CONV:
        return t.rounding in (Rounding.TRN, Rounding.RND)
    fraction = int(v.kif[2])
    shifted = v + t.lsb / 2
    return fraction <= t.fraction or (int(shifted.kif[2]) == fraction and bool(v.high - v.low >= 2 * t.lsb))


def _constant(v: Any, t: FixedPoint) -> Any:
    """One value that never changes; alkaid itself wraps such a one into an unsigned type of one bit too many."""
    return v.from_const(float(t.quantize(v.low)), v.hwconf)


def _rounded(v: Any, t: FixedPoint) -> Any:
    """One value with no more fractional bits than the type, and enough integer bits for what rounding up gives."""
    _, integer, fraction = map(int, v.kif)
    if fraction <= t.fraction:
        return v
    whole = max(integer, t.integer) + 1
    if _native(v, t):
        return v.quantize(1, whole, t.fraction, "WRAP", str(t.rounding))
    step, half = 2.0**-fraction, t.lsb / 2
    negative = v.is_negative()
    match t.rounding:
        case Rounding.RND_CONV:
            odd = v.quantize(0, 1 - t.fraction, t.fraction)
            v = v + (half - step) + odd * (step / t.lsb)
        case Rounding.TRN_ZERO:
            v = v + negative * (t.lsb - step)
        case Rounding.RND_MIN_INF:
            v = v + (half - step)
        case Rounding.RND_INF:
            v = v + half - negative * step
        case Rounding.RND_ZERO:
            v = v + (half - step) + negative * step
    return v.quantize(1, whole, t.fraction)


def _signed(v: Any, t: FixedPoint) -> Any:
    """One rounded value, saturated to a signed type."""
    if t.width <= _EXACT_CONSTANT_BITS:
        return v.quantize(1, t.integer - 1, t.fraction, str(t.overflow), "TRN")
    return _signed_by_bits(v, t)


def _signed_by_bits(v: Any, t: FixedPoint) -> Any:
    """The same by the high bits, without a constant: exact for types of any width."""
    everywhere = -v.is_negative() * t.lsb  # all bits of the sign
    inside = _filled(folded(v, t.fraction), t.integer - 1, t.fraction) ^ everywhere
    saturated = inside.quantize(1, t.integer - 1, t.fraction)
    if t.overflow is not Overflow.SAT_SYM:
        return saturated
    return saturated + (saturated + 2.0 ** (t.integer - 1)).unary_bit_op("any") * -t.lsb + t.lsb


def folded(v: Any, fraction: int) -> Any:
    """One value where it is not negative, else with its bits inverted: -v - 1, in units of 2^-fraction."""
    if v.low >= 0:
        return v
    return (v ^ (-v.is_negative() * 2.0**-fraction)).quantize(0, int(v.kif[1]), fraction)


def _unsigned(v: Any, t: FixedPoint) -> Any:
    """One rounded value, saturated to an unsigned type: by its high bits, which is cheaper than comparing."""
    positive = v.max_of(0.0)
    integer = int(positive.kif[1])
    if integer <= t.integer:
        return positive
    if t.width > _EXACT_CONSTANT_BITS:
        return _filled(positive, t.integer, t.fraction)
    over = positive.quantize(0, integer, -t.integer).unary_bit_op("any")
    return over.msb_mux(t.range[1], positive.quantize(0, t.integer, t.fraction))


def _filled(positive: Any, integer: int, fraction: int) -> Any:
    """The low bits of a positive value, all of them 1 where it has higher ones."""
    over = positive.quantize(0, max(int(positive.kif[1]), integer + 1), -integer).unary_bit_op("any")
    ones = (-over * 2.0**-fraction).quantize(0, integer, fraction)
    return positive.quantize(0, integer, fraction) | ones


def _zeroed(v: Any, t: FixedPoint) -> Any:
    """One rounded value, and 0 in place of what a type does not hold."""
    kept = v.quantize(int(t.signed), t.integer - t.signed, t.fraction)
    return (v - kept).unary_bit_op("any").msb_mux(0.0, kept)
