"""Comparison of integers between two levels."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from l1trigger.bit_exact import compare
from l1trigger.errors import BitMismatchError

LEVELS = ("quantized", "csim")


def test_equal() -> None:
    c = compare(np.array([1, -2, 3]), np.array([1, -2, 3]), LEVELS)
    assert c.exact
    assert (c.events, c.outputs, c.mismatches, c.max_difference, c.first_mismatch) == (3, 3, 0, 0, None)
    c.require()


def test_first_mismatch_is_named() -> None:
    expected = np.arange(12).reshape(4, 3)
    got = expected.copy()
    got[2, 1] += 5
    got[3, 0] -= 7
    c = compare(expected, got, LEVELS, "network")
    assert (c.events, c.outputs, c.mismatches, c.max_difference) == (4, 12, 2, 7)
    where = "differ in 2 of 12 integers of network; first at event 2, output 1: 7 against 12"
    with pytest.raises(BitMismatchError, match=where) as e:
        c.require()
    assert e.value.exit_code == 1
    assert c.first_mismatch is not None
    placed = replace(c, first_mismatch=replace(c.first_mismatch, layer="hidden1", type="ap_fixed<4,4,TRN,WRAP>"))
    with pytest.raises(BitMismatchError, match="in layer hidden1 of type ap_fixed<4,4,TRN,WRAP>"):
        placed.require()


def test_one_unit_is_a_mismatch() -> None:
    assert not compare(np.array([2**40]), np.array([2**40 + 1]), LEVELS).exact


@pytest.mark.parametrize("shape", [(0,), (0, 3)])
def test_no_events(shape: tuple[int, ...]) -> None:
    none = np.zeros(shape, np.int64)
    c = compare(none, none, LEVELS)
    assert c.exact
    assert c.outputs == 0


def test_shapes_must_agree() -> None:
    with pytest.raises(ValueError, match=r"quantized has shape \(3,\), csim has \(2,\)"):
        compare(np.zeros(3, np.int64), np.zeros(2, np.int64), LEVELS)


def test_report_entry_is_plain_and_of_its_own() -> None:
    c = compare(np.array([1, 2]), np.array([1, 3]), LEVELS)
    entry = c.as_dict()
    assert json.loads(json.dumps(entry)) == entry
    entry["first_mismatch"]["event"] = 99
    assert c.first_mismatch is not None
    assert c.first_mismatch.event == 1
