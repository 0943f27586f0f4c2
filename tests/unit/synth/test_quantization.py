"""Rounding where a sum can never lie in the middle between two results."""

import numpy as np
import pytest

from l1trigger.fixed_point import FixedPoint, Overflow, Rounding
from l1trigger.sections import SynthSection
from l1trigger.synth import partial_logic
from l1trigger.synth.quantization import quantized
from l1trigger.synth.tracing import combinational

NEAREST = (Rounding.RND, Rounding.RND_CONV, Rounding.RND_ZERO, Rounding.RND_INF, Rounding.RND_MIN_INF)


def logic(constant: float, target: FixedPoint, factor: float = 1.0):
    """A signed integer of 8 bits with 4 fractional bits times a factor, plus a constant, brought into a type."""
    ports = partial_logic.ports([FixedPoint(8, 4)], (1,))
    first, x = partial_logic.traced_inputs(ports, SynthSection())
    return combinational(first, quantized(x * factor + constant, target))


def values(constant: float, factor: float = 1.0):
    x = np.arange(-128, 128) / 16.0
    return x, x * factor + constant


@pytest.mark.parametrize("overflow", [Overflow.SAT, Overflow.WRAP])
@pytest.mark.parametrize("rounding", NEAREST)
@pytest.mark.parametrize("constant", [1 / 32, -1 / 32, 3 / 64 + 1, 1 / 16, 0.0, -2.53125])
@pytest.mark.parametrize("factor", [1.0, -1.0, 0.5, -4.0])
def test_every_rounding_with_and_without_ties(rounding, overflow, constant, factor):
    for fraction in (0, 1, 2, 3, 4):
        t = FixedPoint(6 + fraction, 6, True, rounding, overflow)
        x, exact = values(constant, factor)
        found = np.asarray(logic(constant, t, factor).predict(x[:, None])).ravel()
        assert np.array_equal(found, t.quantize(exact)), fraction


def test_a_half_step_in_the_bias_makes_rounding_to_even_free():
    t = FixedPoint(6, 5, True, Rounding.RND_CONV, Overflow.SAT)
    assert logic(1 / 32, t).cost < logic(1 / 16, t).cost
    cut = FixedPoint(6, 5, True, Rounding.TRN, Overflow.SAT)
    assert logic(1 / 32, t).cost == logic(0.25, cut).cost
