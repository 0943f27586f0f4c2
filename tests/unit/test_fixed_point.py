"""Fixed-point types: parsing, names, ranges, and values worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest
from pydantic import TypeAdapter, ValidationError

from l1trigger.fixed_point import FixedPoint, Overflow, Rounding

SAT, WRAP, SYM = Overflow.SAT, Overflow.WRAP, Overflow.SAT_SYM


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("ap_fixed<16,6>", FixedPoint(16, 6)),
        ("ap_ufixed<8,3,AP_RND_CONV,AP_SAT>", FixedPoint(8, 3, False, Rounding.RND_CONV, SAT)),
        ("fixed<8,0,RND,SAT_SYM,0>", FixedPoint(8, 0, True, Rounding.RND, SYM)),
        (" ufixed< 4 , -2 > ", FixedPoint(4, -2, False)),
        ("ap_int<8>", FixedPoint(8, 8)),
        ("uint<1>", FixedPoint(1, 1, False)),
    ],
)
def test_parse(text: str, expected: FixedPoint) -> None:
    assert FixedPoint.parse(text) == expected


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("ap_fixed<6,16>", r"more integer bits \(16\) than bits in all \(6\); .* e.g. ap_fixed<16,6>"),
        ("ap_fixed<0,0>", "a width of 0 bits"),
        ("ap_fixed<65,6>", "a width of 65 bits"),
        ("ap_fixed<16>", "is not a fixed-point type"),
        ("ap_int<8,4>", "is not a fixed-point type"),
        ("float", "is not a fixed-point type"),
        ("ap_fixed<16,6,ROUND>", "'ROUND'.*rounding is TRN, TRN_ZERO, .*, RND_INF or RND_CONV"),
        ("ap_fixed<16,6,RND,CLIP>", "'CLIP'.*overflow WRAP, SAT, SAT_ZERO or SAT_SYM"),
        ("ap_fixed<16,6> x", "is not a fixed-point type"),
    ],
)
def test_parse_refuses(text: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        FixedPoint.parse(text)


def test_names_write_out_rounding_and_overflow() -> None:
    t = FixedPoint(8, 3)
    assert str(t) == "ap_fixed<8,3,TRN,WRAP>"
    assert t.cpp() == "ap_fixed<8,3,AP_TRN,AP_WRAP>"
    assert FixedPoint(8, 3, False, Rounding.RND, SYM).cpp() == "ap_ufixed<8,3,AP_RND,AP_SAT_SYM>"


def test_from_other_notations() -> None:
    assert FixedPoint.from_quantized_bits(6, 0) == FixedPoint(6, 1, True, Rounding.RND_CONV, SAT)
    assert FixedPoint.from_quantized_bits(8, 3, keep_negative=False) == FixedPoint(8, 3, False, Rounding.RND_CONV, SAT)
    assert FixedPoint.from_kif(1, 2, 3) == FixedPoint(6, 3)
    assert FixedPoint.from_kif(0, 2, 3) == FixedPoint(5, 2, False)


@pytest.mark.parametrize(
    ("t", "low", "high", "lsb"),
    [
        (FixedPoint(4, 2), -2, 1.75, 0.25),
        (FixedPoint(4, 2, False), 0, 3.75, 0.25),
        (FixedPoint(4, 2, True, Rounding.TRN, SYM), -1.75, 1.75, 0.25),
        (FixedPoint(4, 4), -8, 7, 1),
        (FixedPoint(4, -2), -0.125, 0.109375, 2**-6),
    ],
)
def test_range(t: FixedPoint, low: float, high: float, lsb: float) -> None:
    assert t.range == (low, high)
    assert t.lsb == lsb


VALUES = [-2.5, -1.5, -0.75, -0.5, -0.25, 0.25, 0.5, 0.75, 1.5, 2.5]


@pytest.mark.parametrize(
    ("rounding", "expected"),
    [
        (Rounding.TRN, [-3, -2, -1, -1, -1, 0, 0, 0, 1, 2]),
        (Rounding.RND, [-2, -1, -1, 0, 0, 0, 1, 1, 2, 3]),
        (Rounding.RND_CONV, [-2, -2, -1, 0, 0, 0, 0, 1, 2, 2]),
    ],
)
def test_rounding(rounding: Rounding, expected: list[int]) -> None:
    assert FixedPoint(8, 8, True, rounding, SAT).raw(VALUES).tolist() == expected


@pytest.mark.parametrize(
    ("t", "expected"),
    [
        (FixedPoint(4, 4, True, Rounding.TRN, WRAP), [-8, 7, -8, -1, 7, -7]),
        (FixedPoint(4, 4, True, Rounding.TRN, SAT), [-8, 7, 7, 7, -8, -8]),
        (FixedPoint(4, 4, True, Rounding.TRN, SYM), [-7, 7, 7, 7, -7, -7]),
        (FixedPoint(4, 4, False, Rounding.TRN, WRAP), [8, 7, 8, 15, 7, 9]),
        (FixedPoint(4, 4, False, Rounding.TRN, SAT), [0, 7, 8, 15, 0, 0]),
    ],
)
def test_overflow(t: FixedPoint, expected: list[int]) -> None:
    assert t.raw([-8, 7, 8, 15, -9, -7 - 16]).tolist() == expected


def test_just_below_one_half_is_not_one_half() -> None:
    below = np.nextafter(0.5, 0)
    assert FixedPoint(8, 8, True, Rounding.RND, SAT).raw(below) == 0


def test_large_numbers_wrap_exactly() -> None:
    assert FixedPoint(8, 8, False).raw(2.0**60 + 2**10 * 3) == 0
    assert FixedPoint(8, 8, True, Rounding.RND, WRAP).raw(2.0**52 + 1) == 1
    assert FixedPoint(53, 53, False, Rounding.TRN, SAT).raw(2.0**60) == 2**53 - 1


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_only_finite_values(bad: float) -> None:
    with pytest.raises(ValueError, match="only finite values"):
        FixedPoint(8, 8).raw([0, bad])


def test_wider_than_float64() -> None:
    with pytest.raises(ValueError, match="wider than the 53 bits"):
        FixedPoint(54, 10).raw(1)


def test_represents() -> None:
    t = FixedPoint(4, 2, True, Rounding.RND, SAT)
    assert t.represents([0.25, -2, 1.75])
    assert not t.represents([0.1])
    assert not t.represents([2.0])


def test_in_a_design_file() -> None:
    field = TypeAdapter(FixedPoint)
    assert field.validate_json('"ap_fixed<8,3,RND,SAT>"') == FixedPoint(8, 3, True, Rounding.RND, SAT)
    assert field.validate_python(FixedPoint(8, 3)) == FixedPoint(8, 3)
    assert field.dump_json(FixedPoint(8, 3)) == b'"ap_fixed<8,3,TRN,WRAP>"'
    assert field.json_schema()["type"] == "string"
    with pytest.raises(ValidationError, match="more integer bits"):
        field.validate_json('"ap_fixed<6,16>"')
