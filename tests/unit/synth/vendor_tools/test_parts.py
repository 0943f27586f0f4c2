"""One part under many names, and parts that only look alike."""

from __future__ import annotations

import itertools

import pytest

from l1trigger.synth.vendor_tools.parts import normal, same, with_grades

SPELLINGS = (
    ("xc7z020-clg400-1", "xc7z020clg400-1", "7z020clg400-1", "7z020-clg400-1", "XC7Z020CLG400-1"),
    ("xcvu13p-flga2577-2-e", "vu13p-flga2577-2-e", "xcvu13pflga2577-2-e"),
    ("xcu250-figd2104-2L-e", "u250-figd2104-2L-e", "xcu250figd2104-2l-e"),
    ("xcku115-flvb2104-2-i",),
    ("xcv80-lsva4737-2MHP-e-S",),
    ("xc7vx690tffg1927-2", "7vx690tffg1927-2"),
)


@pytest.mark.parametrize("names", SPELLINGS, ids=lambda names: names[0])
def test_spellings_of_one_part(names):
    assert len({normal(n) for n in names}) == 1
    assert all(same(a, b) for a, b in itertools.product(names, repeat=2))


def test_parts_are_told_apart():
    for (a, *_), (b, *_) in itertools.permutations(SPELLINGS, 2):
        assert not same(a, b)


@pytest.mark.parametrize(("short", "whole"), [
    ("xcvu13p-flga2577", "xcvu13p-flga2577-2-e"), ("xcvu13p-flga2577-2", "xcvu13p-flga2577-2-e"),
    ("7z020-clg400", "xc7z020-clg400-1"), ("xcu250", "xcu250-figd2104-2L-e"),
    ("xcu280fsvh2892-2L", "u280-fsvh2892-2L-e"),
])
def test_what_stands_last_may_be_left_out(short, whole):
    assert same(short, whole) and same(whole, short)


@pytest.mark.parametrize(("one", "other"), [
    ("xc7z020-clg400-1", "7z020clg400-2"), ("xcvu13p-flga2577-2-e", "xcvu13p-flga2577-2-i"),
    ("xcvu9p-flga2104-2-e", "xcvu9p-flgb2104-2-e"), ("xcu250-figd2104-2L-e", "xcu250-figd2104-2-e"),
    ("xc7a35tcsg324-1", "xa7a35tcsg324-1"), ("xc7z020clg400-1", "xc7z020clg484-1"), ("xc7z010", "xc7z020clg400-1"),
])
def test_another_package_or_grade_is_another_part(one, other):
    assert not same(one, other) and not same(other, one)


@pytest.mark.parametrize(("device", "speed", "temperature", "name"), [
    ("7z020-clg400", "-1  PRODUCTION 1.12 2019-11-22", "", "xc7z020-clg400-1"),
    ("xczu3eg-sbva484", "-1  PRODUCTION 1.29 08-03-2020", "E", "xczu3eg-sbva484-1-e"),
    ("xcvu9p-flga2104-2-e", "-2", "", "xcvu9p-flga2104-2-e"), ("xcvu9p-flga2104", "", "", "xcvu9p-flga2104"),
])
def test_grades_in_lines_of_their_own(device, speed, temperature, name):
    assert with_grades(device, speed, temperature) == name
