"""LHC constants and conversions, against numbers that are widely quoted."""

from __future__ import annotations

import pytest

from l1trigger import units


def test_crossing_rate() -> None:
    assert units.crossing_rate_khz() == pytest.approx(31_037.58, abs=1e-9)
    assert units.crossing_rate_khz(2544) == pytest.approx(28_608.552, abs=1e-9)
    # All 3564 slots filled would give the clock of 40 MHz: one crossing each 25 ns.
    assert units.crossing_rate_khz(3564) == pytest.approx(1e6 / units.BUNCH_CROSSING_NS, rel=3e-3)


@pytest.mark.parametrize(("ns", "crossings"), [(0, 0), (1, 1), (25, 1), (25.1, 2), (50, 2), (740, 30)])
def test_bunch_crossings(ns: float, crossings: int) -> None:
    assert units.ns_to_bunch_crossings(ns) == crossings


def test_cycles() -> None:
    assert units.cycles_to_ns(10, 5) == 50
    # 0.1 ns cannot be written in binary; ten cycles are still one crossing.
    assert units.ns_to_bunch_crossings(units.cycles_to_ns(250, 0.1)) == 1
