"""Intervals that say how wide the firmware's exact types must be."""

import numpy as np
import pytest
import toy_garnet as toy
from hypothesis import given
from hypothesis import strategies as st

from l1trigger.fixed_point import FixedPoint
from l1trigger.garnet import exact, quantized
from l1trigger.garnet.exact import Interval

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
        assert all(holds(a.halved(places), v * 2.0**-places) for v in values)


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
    assert Interval.of(t) == Interval(*t.range, t.fraction)
    assert Interval.of(t).type.represents(t.range)


@given(st.data())
def test_every_partial_sum_of_a_product_stays_inside(data):
    inputs = data.draw(st.lists(intervals(), min_size=1, max_size=4))
    raw = data.draw(st.lists(st.integers(-40, 40), min_size=len(inputs) + 1, max_size=len(inputs) + 1))
    weights = np.array(raw[:-1], float)[:, None] / 8
    bias = np.array(raw[-1:], float) / 4
    whole = exact.product(inputs, weights, bias)
    terms = [data.draw(inside(x)) * w for x, w in zip(inputs, weights[:, 0], strict=True)] + [float(bias[0])]
    terms = data.draw(st.permutations(terms))
    assert all(holds(whole, v) for v in np.cumsum(terms))


@pytest.mark.parametrize(("values", "fraction"), [([0.0, 3.0], 0), ([0.5], 1), ([1.0, -0.375], 3), ([1024.0], 0)])
def test_grid(values, fraction):
    assert exact.grid(np.array(values)) == fraction


@pytest.mark.parametrize("case", [("simplified", True, "mean"), ("full", False, "sum"), ("full", False, "max")])
def test_intervals_hold_what_a_stack_computes(case):
    """What is rounded inside a real stack, at the ends of the inputs' range too, lies in the intervals."""
    stack = quantized.stack_of(toy.layer(*case, seed=6))
    x, interval = toy.features(200, 13), Interval.of(toy.INPUT)
    mask = (x[..., stack.mask_feature] != 0).astype(float)
    for layer in stack.layers:
        found = exact.layer_intervals(layer, interval, stack.vertices)
        w, g = stack._aggregated(layer, x, mask)
        distance = x @ layer.distance + layer.distance_bias
        direct = 0 if layer.direct is None else x @ layer.direct + w @ layer.edges
        y = layer.bias + np.einsum("bvs,bso->bvo", w, g) + direct
        for values, each in ((distance, found.distance_sum), (y, found.output_sum), (w, found.edge_weight)):
            assert values.min() >= each.low and values.max() <= each.high and each.type.represents(values)
        if layer is stack.layers[-1] and stack.collapse != "max":
            collapse = exact.collapse_intervals(stack, found)
            total = collapse.total.type
            assert total.represents(collapse.total.low) and total.represents(collapse.total.high)
            shift = stack.vertices if stack.collapse == "sum" else 1
            assert (collapse.scaled.low, collapse.scaled.high) == (
                collapse.total.low * shift, collapse.total.high * shift
            )
        x = stack._output(layer, x, mask)
        interval = Interval.of(layer.types.output)
