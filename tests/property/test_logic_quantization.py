"""Logic that quantizes gives the integers of ``FixedPoint``, for every rounding and overflow and odd grids."""

from __future__ import annotations

import numpy as np
from hypothesis import example, given, settings
from hypothesis import strategies as st

from l1trigger.fixed_point import FixedPoint, Overflow, Rounding
from l1trigger.synth.quantization import quantized
from l1trigger.synth.tracing import combinational

small = st.builds(
    lambda width, below, signed: FixedPoint(width, width - below, signed), st.integers(1, 8), st.integers(0, 9),
    st.booleans(),
)
targets = st.builds(
    lambda width, below, signed, q, o: FixedPoint(width, width - below, signed, q, o), st.integers(1, 10),
    st.integers(0, 8), st.booleans(), st.sampled_from(Rounding), st.sampled_from(Overflow),
)


def traced(source: FixedPoint, target: FixedPoint, factor: float, offset: float, x: np.ndarray) -> np.ndarray:
    """Values of ``x * factor + offset`` brought into the target by logic."""
    from alkaid.trace import FVArrayInput

    first = FVArrayInput((1,))
    k = int(source.signed)
    value = first.quantize(np.array([k]), np.array([source.integer - k]), np.array([source.fraction]))
    comb = combinational(first, quantized(value * factor + offset, target))
    return np.asarray(comb.predict(np.ascontiguousarray(x[:, None], np.float64)), np.float64).ravel()


@example(FixedPoint(1, 1, False), FixedPoint(1, 1, False), 3.0, 1, 0)
@settings(max_examples=400, deadline=None)
@given(small, targets, st.sampled_from([1.0, -1.0, 0.5, 3.0, -2.5]), st.integers(-40, 40), st.integers(-2, 5))
def test_equals_fixed_point(source: FixedPoint, target: FixedPoint, factor: float, steps: int, below: int) -> None:
    low, high = source.raw_range
    x = np.arange(low, high + 1) * source.lsb
    offset = steps * 2.0**-below
    got = traced(source, target, factor, offset, x)
    assert np.array_equal(got, target.quantize(x * factor + offset))


@settings(max_examples=60, deadline=None)
@given(st.integers(25, 34), st.integers(0, 20), st.booleans(), st.sampled_from([Overflow.SAT, Overflow.SAT_SYM]),
       st.lists(st.integers(-(2**37), 2**37 - 1), min_size=20, max_size=20))
def test_wide_types_saturate_exactly(
    width: int, fraction: int, signed: bool, overflow: Overflow, raw: list[int]
) -> None:
    source = FixedPoint(38, 38 - fraction)
    target = FixedPoint(width, width - fraction, signed, Rounding.TRN, overflow)
    edges = [f(e) for e in target.raw_range for f in (lambda e: e - 1, lambda e: e, lambda e: e + 1)]
    x = np.array([*raw, *edges], np.float64) * source.lsb
    assert np.array_equal(traced(source, target, 1.0, 0.0, x), target.quantize(x))
