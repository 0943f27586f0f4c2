"""Laws that every fixed-point type obeys, held against integer and decimal arithmetic without rounding."""

from __future__ import annotations

import decimal
from fractions import Fraction
from math import ceil, floor, trunc

from hypothesis import given
from hypothesis import strategies as st

from l1trigger.fixed_point import FixedPoint, Overflow, Rounding

decimal.getcontext().prec = 1500  # every float64 has fewer decimal digits

types = st.builds(
    lambda width, below, signed, q, o: FixedPoint(width, width - below, signed, q, o),
    st.integers(1, 24), st.integers(0, 30), st.booleans(), st.sampled_from(Rounding), st.sampled_from(Overflow),
)
values = st.floats(-1e6, 1e6) | st.integers(-4096, 4096).map(lambda n: n / 64) | st.floats(allow_nan=False, width=32)
finite = values.filter(lambda x: abs(x) < 1e300)


@given(types, finite)
def test_quantize_is_idempotent(t: FixedPoint, x: float) -> None:
    once = t.quantize(x)
    assert t.quantize(once) == once
    assert t.represents(once)


@given(types, finite)
def test_within_bounds(t: FixedPoint, x: float) -> None:
    low, high = t.raw_range
    assert low <= int(t.raw(x)) <= high
    assert t.range[0] <= float(t.quantize(x)) <= t.range[1]


@given(types, finite)
def test_rounding_is_exact(t: FixedPoint, x: float) -> None:
    exact = Fraction(x) * Fraction(2) ** t.fraction
    match t.rounding:
        case Rounding.TRN:
            whole = floor(exact)
        case Rounding.TRN_ZERO:
            whole = trunc(exact)
        case Rounding.RND:
            whole = floor(exact + Fraction(1, 2))
        case Rounding.RND_MIN_INF:
            whole = ceil(exact - Fraction(1, 2))
        case Rounding.RND_ZERO:
            whole = ceil(exact - Fraction(1, 2)) if exact > 0 else floor(exact + Fraction(1, 2))
        case Rounding.RND_INF:
            whole = floor(exact + Fraction(1, 2)) if exact > 0 else ceil(exact - Fraction(1, 2))
        case Rounding.RND_CONV:
            scaled = decimal.Decimal(x) * decimal.Decimal(2) ** t.fraction
            whole = int(scaled.to_integral_value(decimal.ROUND_HALF_EVEN))
    low, high = t.raw_range
    expected = whole
    if t.overflow is Overflow.WRAP:
        expected = (whole - low) % 2**t.width + low
    elif not low <= whole <= high:
        expected = 0 if t.overflow is Overflow.SAT_ZERO else low if whole < low else high
    assert int(t.raw(x)) == expected


@given(types, st.integers(-(2**40), 2**40), st.integers(-8, 8))
def test_wrapping_forgets_multiples_of_the_span(t: FixedPoint, n: int, turns: int) -> None:
    t = FixedPoint(t.width, t.integer, t.signed, t.rounding, Overflow.WRAP)
    assert t.raw(n * t.lsb) == t.raw((n + turns * 2**t.width) * t.lsb)


@given(types, finite, finite)
def test_saturating_keeps_order(t: FixedPoint, a: float, b: float) -> None:
    t = FixedPoint(t.width, t.integer, t.signed, t.rounding, Overflow.SAT)
    assert t.raw(min(a, b)) <= t.raw(max(a, b))


@given(types)
def test_names_can_be_parsed(t: FixedPoint) -> None:
    assert FixedPoint.parse(str(t)) == t
    assert FixedPoint.parse(t.cpp()) == t


@given(st.integers(1, 16), st.integers(-4, 15), st.booleans())
def test_qkeras_leaves_the_sign_out(bits: int, integer: int, signed: bool) -> None:
    if integer + signed > bits:
        return
    t = FixedPoint.from_quantized_bits(bits, integer, signed)
    assert t.fraction == bits - integer - signed
    assert t.range[1] == 2.0**integer - t.lsb
    assert t.range[0] == (-(2.0**integer) if signed else 0)


@given(st.booleans(), st.integers(0, 8), st.integers(1, 8))
def test_kif(k: bool, i: int, f: int) -> None:
    t = FixedPoint.from_kif(int(k), i, f)
    assert (t.width, t.fraction, t.signed) == (k + i + f, f, k)
