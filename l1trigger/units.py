"""LHC constants and the conversions between clock cycles, nanoseconds, bunch crossings and trigger rates."""

from __future__ import annotations

import math

BUNCH_CROSSING_NS = 25.0
"""Time between two bunch crossings of the LHC [ns]."""

REVOLUTION_HZ = 11_245.5
"""Revolution frequency of the LHC [Hz]."""

COLLIDING_BUNCHES = 2760
"""Colliding bunches of CMS in a full machine; a design may declare another number (2544 is also in use)."""


def crossing_rate_khz(colliding_bunches: int = COLLIDING_BUNCHES) -> float:
    """Rate of bunch crossings with collisions [kHz]: bunches times revolution frequency (31 038 kHz for 2760)."""
    return colliding_bunches * REVOLUTION_HZ / 1e3


def cycles_to_ns(cycles: float, clock_ns: float) -> float:
    """Latency in ns of a number of clock cycles at the stated clock period [ns]."""
    return cycles * clock_ns


def ns_to_bunch_crossings(ns: float) -> int:
    """Whole bunch crossings that a latency [ns] takes up, rounded up."""
    return math.ceil(ns / BUNCH_CROSSING_NS - 1e-9)
