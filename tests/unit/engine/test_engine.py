"""Trigger functions in the engine against QKeras, on integers over the whole range of 16 bits."""

from dataclasses import replace

import numpy as np
import pytest
import toy_garnet
import toy_trigger as toy

from l1trigger.engine import Engine, engine
from l1trigger.errors import DataError, UnsupportedLayerError
from l1trigger.fixed_point import FixedPoint, Overflow, Rounding

KERNELS = {"identity": (8, 4, 1), "margin": (6, 3), "sum_of_squares": (6, 3), "masked_squared_error": (6, 9),
           "squared_error": (6, 9)}


def wild(function, n=2000, seed=1):
    """Random integers with many zeros and ends."""
    rng = np.random.default_rng(seed)
    x = rng.integers(-(2**15), 2**15, (n, len(function.scaling)))
    small = rng.integers(-300, 300, x.shape)
    x = np.where(rng.random(x.shape) < 0.6, small, x)
    ends = rng.choice([-(2**15), -1, 0, 1, 2**15 - 1], x.shape)
    return np.where(rng.random(x.shape) < 0.2, ends, x).astype(np.int16)


def assert_equal(function, inputs):
    expected, got = function.evaluate(inputs), Engine.of(function).evaluate(inputs)
    np.testing.assert_array_equal(got.network, expected.network)
    np.testing.assert_array_equal(got.score, expected.score)
    np.testing.assert_array_equal(got.accept, expected.accept)
    assert len(np.unique(expected.score)) > 10


@pytest.mark.parametrize("kernel", KERNELS)
def test_every_score(kernel):
    function = toy.trigger(KERNELS[kernel], kernel, seed=3)
    assert_equal(function, wild(function).reshape(-1, 3, 3))


@pytest.mark.parametrize("overflow", [Overflow.SAT, Overflow.WRAP], ids=str)
def test_narrow_score_types(overflow):
    function = toy.trigger((8, 3), "sum_of_squares", score_type=FixedPoint(9, 4, False, Rounding.RND, overflow))
    assert_equal(function, wild(function).reshape(-1, 3, 3))


def test_folded_inputs():
    scaling = toy.small_scaling().folded([k % 3 > 0 for k in range(9)])
    function = toy.trigger(scaling=scaling)
    assert_equal(function, wild(function).reshape(-1, 3, 3))


@pytest.fixture(scope="module")
def function():
    return toy.trigger()


@pytest.fixture(scope="module")
def made(function):
    return Engine.of(function)


@pytest.mark.parametrize("threads", [1, 2, 5])
@pytest.mark.parametrize("n", [0, 1, 63, 64, 65, 9000])
def test_any_number_of_events_and_threads(function, made, n, threads):
    inputs = wild(function, n).reshape(-1, 3, 3)
    got = made.evaluate(inputs, threads)
    assert got.network.shape == (n, 1) and got.score.shape == got.accept.shape == (n,)
    if n:
        np.testing.assert_array_equal(got.score, function.evaluate(inputs).score)
    np.testing.assert_array_equal(made.scores(inputs, threads), got.score)


def test_inputs_that_do_not_fit(made):
    with pytest.raises(DataError, match="holds 0 to 40000, hardware integers have 16 bits"):
        made.scores(np.array([[40000, 0, 0, 0, 0, 0, 0, 0, 0]]))
    with pytest.raises(DataError, match="an event has 6 numbers, the trigger function takes 9"):
        made.scores(np.zeros((4, 2, 3), np.int16))
    for wrong in (0.5, np.nan):
        with pytest.raises(DataError, match="not whole.*before any scaling"):
            made.scores(np.full((1, 9), wrong))
    assert len(made.scores(np.zeros((4, 9)))) == 4


def test_score_without_a_form_for_the_engine(function, monkeypatch):
    monkeypatch.setattr(function.score_plugin, "kernel", replace(function.score_plugin.kernel, engine=None))
    with pytest.raises(UnsupportedLayerError, match="no operations for the score student"):
        Engine.of(function)


def test_layers_of_one_event(function):
    event = wild(function, 1).reshape(3, 3)
    values = engine.Engine.layers(function, event)
    np.testing.assert_array_equal(values["scaling"], function.scaling.firmware(event[None])[0])
    *_, last = values.values()
    np.testing.assert_array_equal(function.network.output_type.raw(last), function.evaluate(event[None]).network[0])


@pytest.mark.parametrize("variant", ["simplified", "full"])
def test_graph_networks(variant):
    function = toy_garnet.trigger(variant=variant)
    assert_equal(function, toy_garnet.clusters(300, 5))
