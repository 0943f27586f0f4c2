"""Convolutional networks: QKeras against the logic of the RTL, integer by integer, for all that a design may write."""

import numpy as np
import pytest
import toy_cnn

from l1trigger.fixed_point import FixedPoint
from l1trigger.sections import SynthSection
from l1trigger.synth import lower


@pytest.mark.parametrize("case", toy_cnn.CASES)
def test_equal(case):
    written, options = toy_cnn.CASES[case]
    function = toy_cnn.trigger(written, **options)
    inputs = toy_cnn.images(1000, len(function.scaling), seed=12)
    logic = lower.lower(function, SynthSection(), lower.ports(function.scaling, [inputs]))
    found, expected = logic.evaluate(inputs), function.evaluate(inputs)
    assert np.array_equal(found[0], expected.score)
    assert np.array_equal(found[1], expected.accept)
    assert len(np.unique(found[0])) > 10


def test_ports_are_as_wide_as_what_is_kept_unless_an_event_does_not_fit():
    scaling, narrow = toy_cnn.uniform(toy_cnn.PIXEL, 2), FixedPoint(8, 8, False)
    assert lower.ports(scaling, [np.array([[0, 255]])]) == (narrow, narrow)
    assert lower.ports(scaling, [np.array([[0, 256]])]) == (narrow, lower.WIDEST)
    assert lower.ports(scaling) == (lower.WIDEST,) * 2
