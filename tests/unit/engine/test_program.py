"""Programs of the engine against exact arithmetic, on every instruction set that this processor has."""

import numpy as np
import pytest
from engine_networks import typed_inputs
from hypothesis import given, settings
from hypothesis import strategies as st

from l1trigger import kernels
from l1trigger.engine import library
from l1trigger.engine.assembly import Arena
from l1trigger.engine.numbers import fraction_bits, joined
from l1trigger.engine.program import Program
from l1trigger.errors import UnsupportedLayerError
from l1trigger.fixed_point import FixedPoint, Overflow, Rounding

LEVELS = kernels.levels()
SOURCES = st.builds(lambda w, i, s: FixedPoint(w, min(i, w), s), st.integers(2, 15), st.integers(-3, 9), st.booleans())
TARGETS = st.builds(
    lambda w, i, s, q, o: FixedPoint(w + s, min(i, w) + s, s, q, o), st.integers(1, 18), st.integers(-4, 12),
    st.booleans(), st.sampled_from(list(Rounding)), st.sampled_from(list(Overflow)),
)


def run(program, results, raw, level=LEVELS[0]):
    """Results as real numbers (events, ...)."""
    flat = results.ravel()
    values = library.load(level).run(program.finished(flat), np.ascontiguousarray(raw, np.int16))
    assert (values >= flat.low).all() and (values <= flat.high).all()
    return np.ldexp(values.astype(float), -flat.fraction).reshape(len(raw), *results.shape)


def events(t, n, inputs, seed):
    """Integers of a type, its ends included, and their values."""
    rng = np.random.default_rng(seed)
    low, high = t.raw_range
    raw = rng.integers(low, high + 1, (n, inputs))
    raw = np.where(rng.random(raw.shape) < 0.2, rng.choice([low, high, 0], raw.shape), raw)
    return raw, t.value(raw)


@settings(max_examples=300, deadline=None)
@given(SOURCES, TARGETS, st.booleans(), st.integers(0, 2**16), st.sampled_from(LEVELS))
def test_casts_equal_fixed_point(source, target, relu, seed, level):
    raw, x = events(source, 70, 3, seed)
    program = Program(3)
    got = run(program, program.cast(typed_inputs(program, source), target, relu), raw, level)
    np.testing.assert_array_equal(got, target.quantize(np.maximum(x, 0) if relu else x))


@settings(max_examples=150, deadline=None)
@given(SOURCES, TARGETS, st.integers(1, 23), st.integers(0, 2**16), st.sampled_from(LEVELS))
def test_sums_equal_matrix_products(source, target, bits, seed, level):
    """Weights with as many bits as they are given, at several places, and numbers that two layers read."""
    rng = np.random.default_rng(seed)
    places, size, channels = (int(n) for n in rng.integers(1, 6, 3))
    weights = rng.integers(-(2**bits), 2**bits + 1, (size, channels)) * 2.0 ** rng.integers(-12, 3, channels)
    weights[rng.random(weights.shape) < 0.3] = 0
    bias = rng.integers(-50, 50, channels) * 2.0**-4
    raw, x = events(source, 65, places * size, seed)
    program = Program(places * size)
    sums = program.linear(typed_inputs(program, source).reshape(places, size), weights, bias)
    cast = program.cast(sums, target)
    expected = x.reshape(-1, places, size) @ weights + bias
    np.testing.assert_array_equal(run(program, cast, raw, level), target.quantize(expected))
    np.testing.assert_array_equal(run(program, joined([sums, cast], 0), raw, level)[:, :places], expected)


@settings(max_examples=100, deadline=None)
@given(SOURCES, SOURCES, st.integers(0, 2**16), st.sampled_from(LEVELS))
def test_numbers_of_different_types_together(first, second, seed, level):
    raw_a, a = events(first, 40, 4, seed)
    raw_b, b = events(second, 40, 4, seed + 1)
    program = Program(8)
    rows = program.hardware
    x = program.scaling(rows, np.array(
        [[0, 0, 0, *first.raw_range]] * 4 + [[0, 0, 0, *second.raw_range]] * 4
    ), np.array([first.fraction] * 4 + [second.fraction] * 4))
    p, q = x[:4], x[4:]
    five, both = program.combined([p, q], [5.0, 0.0]), np.concatenate([5 * a[:, :2], b[:, :2]], 1)
    results = {
        "sum": (p + q, a + b), "difference": (p - q, a - b), "product": (p * q, a * b), "squares": (p * p, a * a),
        "largest": (program.extremes([x[[i, 4 + i]] for i in range(4)]), np.maximum(a, b)),
        "smallest": (program.extremes([x[[i, 4 + i]] for i in range(4)], False), np.minimum(a, b)),
        "there": (program.presence(q), (b != 0).astype(float)), "half": (p / 2, a / 2),
        "scaled": (p * np.array([1.5, -2.0, 0.0, 0.25]), a * [1.5, -2.0, 0.0, 0.25]),
        "dot": (program.products(np.array([0, 4]), p, q)[[0] * 4], np.repeat((a * b).sum(1), 4).reshape(-1, 4)),
        "table": (program.table(q, np.floor, FixedPoint(20, 18)), np.floor(b)),
        "table of two kinds": (
            program.table(joined([five[:2], q[:2]]), np.floor, FixedPoint(24, 20)), np.floor(both)
        ),
        "presence of two kinds": (program.presence(joined([five[:2], q[:2]])), (both != 0).astype(float)),
        "clipped": (program.clipped(p, 0, 1), np.clip(a, 0, 1)),
        "zero": (program.constant(np.array([0.0, 0.75, -3.0, 1e4])), np.tile([0.0, 0.75, -3.0, 1e4], (40, 1))),
    }
    got = run(program, joined([numbers for numbers, _ in results.values()]), np.concatenate([raw_a, raw_b], 1), level)
    for (name, (_, expected)), values in zip(results.items(), np.split(got, len(results), 1), strict=True):
        np.testing.assert_array_equal(values, expected, err_msg=name)


def test_fraction_bits():
    values = [0.0, 1.0, 0.5, -0.75, 12.0, 2.0**-40, 3.0 * 2**30]
    assert fraction_bits(np.array(values)).tolist()[1:] == [0, 1, 2, -2, 40, -30]


def test_places_in_the_arena_are_used_again():
    """A long chain of layers needs no more than its two largest neighbours."""
    program = Program(4)
    x = typed_inputs(program, FixedPoint(4, 4))
    for _ in range(50):
        x = program.cast(program.linear(x, np.ones((4, 4)), np.zeros(4)), FixedPoint(4, 4))
    code = program.finished(x)
    assert code.units <= 4 * 2 * 3


def test_what_nobody_reads_is_left_out():
    program = Program(2)
    x = typed_inputs(program, FixedPoint(8, 8))
    program.linear(x, np.ones((2, 500)), np.zeros(500))
    assert program.finished(x).code.size < 100


def test_arena_joins_neighbours():
    arena = Arena()
    starts = [arena.take(n) for n in (3, 4, 5)]
    for start, n in zip(starts, (3, 4, 5), strict=True):
        arena.give(start, n)
    assert arena.take(12) == 0 and arena.size == 12
    arena.give(0, 12)
    assert arena.take(14) == 0 and arena.size == 14


def test_too_wide_is_said():
    program = Program(1)
    x = typed_inputs(program, FixedPoint(16, 16))
    square = x * x
    with pytest.raises(UnsupportedLayerError, match=r"table of 1,073,741,825 entries"):
        program.table(square, np.abs, FixedPoint(40, 40))
    fourth = square * square
    with pytest.raises(UnsupportedLayerError, match="64 bits"):
        fourth * fourth


def test_weights_of_more_than_32_bits_are_refused():
    program = Program(2)
    y = program.linear(typed_inputs(program, FixedPoint(4, 4)), np.array([[2.0**40 + 1], [1.0]]), np.zeros(1))
    with pytest.raises(UnsupportedLayerError, match="weights of more than 32 bits"):
        program.finished(y.ravel())
