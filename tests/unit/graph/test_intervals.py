"""Intervals that say how wide the firmware's exact types must be."""

import numpy as np
import pytest
import toy_garnet as toy
import toy_gravnet
from hypothesis import given
from hypothesis import strategies as st

from l1trigger.fixed_point import FixedPoint
from l1trigger.graph import intervals as exact
from l1trigger.graph.arrays import Rounded
from l1trigger.graph.intervals import Interval
from l1trigger.graph.stack import Stack

fractions = st.integers(0, 8)


@st.composite
def intervals(draw):
    fraction = draw(fractions)
    low, high = sorted(draw(st.tuples(*[st.integers(-2000, 2000)] * 2)))
    return Interval(low * 2.0**-fraction, high * 2.0**-fraction, fraction)


@st.composite
def inside(draw, interval):
    scale = 2**interval.fraction
    return draw(st.integers(int(interval.low * scale), int(interval.high * scale))) / scale


def holds(interval, value):
    return interval.low <= value <= interval.high and interval.type.represents(value)


@given(st.data())
def test_sums_and_products_stay_inside(data):
    a, b = data.draw(intervals()), data.draw(intervals())
    x, y = data.draw(inside(a)), data.draw(inside(b))
    assert holds(a + b, x + y) and holds(a * b, x * y)
    assert holds(Interval.hull([a, b]), x) and holds(Interval.hull([a, b]), y)


@given(st.data())
def test_sums_of_many_and_shifts_stay_inside(data):
    a = data.draw(intervals())
    values = data.draw(st.lists(inside(a), max_size=9))
    assert holds(a.times(9), sum(values))
    for places in (-a.fraction, 0, 5):
        assert all(holds(a / 2.0**places, v * 2.0**-places) for v in values)


@given(intervals())
def test_types_hold_the_ends_and_are_no_wider_than_needed(interval):
    t = interval.type
    assert t.signed and t.represents([interval.low, interval.high])
    if t.width > 2:
        narrower = FixedPoint(t.width - 1, t.integer - 1, True)
        assert not narrower.represents([interval.low, interval.high])


@pytest.mark.parametrize("text", ["ap_fixed<8,3>", "ap_ufixed<6,0>", "ap_fixed<4,4>"])
def test_interval_of_a_type(text):
    t = FixedPoint.parse(text)
    assert Interval.of(t) == Interval(*t.range, t.fraction, rounded=t)
    assert Interval.of(t).type.represents(t.range)


@given(st.data())
def test_every_partial_sum_of_a_product_stays_inside(data):
    inputs = data.draw(st.lists(intervals(), min_size=1, max_size=4))
    raw = data.draw(st.lists(st.integers(-40, 40), min_size=len(inputs) + 1, max_size=len(inputs) + 1))
    weights = np.array(raw[:-1], float)[:, None] / 8
    bias = np.array(raw[-1:], float) / 4
    whole = exact.product([(x, w[None]) for x, w in zip(inputs, weights, strict=True)], bias)
    terms = [data.draw(inside(x)) * w for x, w in zip(inputs, weights[:, 0], strict=True)] + [float(bias[0])]
    terms = data.draw(st.permutations(terms))
    assert all(holds(whole, v) for v in np.cumsum(terms))


@pytest.mark.parametrize(("values", "fraction"), [([0.0, 3.0], 0), ([0.5], 1), ([1.0, -0.375], 3), ([1024.0], 0)])
def test_grid(values, fraction):
    assert exact.grid(np.array(values)) == fraction


class Watched(Rounded):
    """Integer semantics that remember what was exact on the way."""

    def __init__(self, *more):
        super().__init__(*more)
        self.exacts = {}

    def exact(self, name, value):
        self.exacts.setdefault(name, []).append(np.asarray(value))
        return value

    def q(self, role, value, there=None):
        self.exacts.setdefault(f"{role}_sum", []).append(np.asarray(value))
        return super().q(role, value)


CASES = [(*kind, collapse) for kind in (("simplified", True), ("simplified", False), ("full", False))
         for collapse in ("mean", "sum", "max")]


@pytest.mark.parametrize("case", CASES, ids=str)
def test_types_hold_what_a_stack_computes(case):
    """Every value inside a real stack, at the ends of the inputs' range too, is one of its exact type."""
    stack = Stack.of(toy.layer(*case, seed=6))
    seen = watched(stack, toy.features(200, 13))
    readings = stack.intervals(toy.INPUT)
    for found, intervals in zip(seen, readings, strict=True):
        # Tables are looked up; the type of sums over vertices is that of their means and maxima with more bits.
        names = set(found.exacts) - {"edge_weight_sum", "aggregated_sum"}
        assert names >= {"distance_sum", "gathered_sum", "feature"}
        for name in names:
            assert all(intervals.exact_types[name].represents(v) for v in found.exacts[name]), name
        total = intervals.exact_types["aggregated_sum"]
        sums, *others = found.exacts["aggregated_sum"]
        assert total.represents(sums) and all(v.min() >= total.range[0] and v.max() <= total.range[1] for v in others)
    assert "collapse_sum" in seen[-1].exacts


def watched(stack, x):
    """Readings of every layer after a batch."""
    seen = [Watched(stack.vertices, layer.types) for layer in stack.layers]
    mask = (x[..., stack.mask_feature, None] != 0).astype(float)
    stack.algebra.stack(seen, [layer.weights for layer in stack.layers], x, mask, stack.collapse)
    return seen


@pytest.mark.parametrize("case", [{}, {"collapse": "max", "loops": True}, {"collapse": "sum", "relu": False}], ids=str)
def test_types_hold_what_neighbours_give(case):
    network = toy_gravnet.network(**case)
    stack = toy_gravnet.stack(network)
    x = toy_gravnet.scaling(16).firmware(toy_gravnet.events(16)).reshape(-1, 16, 4)
    for found, intervals in zip(watched(stack, x), stack.intervals(network.input_type), strict=True):
        names = set(found.exacts) - {"edge_weight_sum", "aggregated_sum"}
        assert names >= {"coordinate_sum", "square_sum", "propagated_sum", "output_sum"}
        for name in names:
            assert all(intervals.exact_types[name].represents(v) for v in found.exacts[name]), name
        assert intervals.exact_types["aggregated_sum"].represents(found.exacts["aggregated_sum"][0])
