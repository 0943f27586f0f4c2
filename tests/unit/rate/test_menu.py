"""Cuts beside the network."""

import numpy as np
import pytest

from l1trigger.errors import ArgumentError
from l1trigger.physics import rates
from l1trigger.physics.baselines import ON_IMAGES, ON_OBJECTS
from l1trigger.physics.roc import Scored
from l1trigger.rate import menu
from l1trigger.rate.menu import Cut, Menu


def test_every_trivial_score_takes_the_asked_rate(data):
    made = menu.at_rate(data, 500.0)
    assert [c.baseline for c in made.cuts] == list(ON_OBJECTS)
    for cut in made.cuts:
        scores = Scored.of(ON_OBJECTS[cut.baseline](data.test.inputs), data.test)
        assert rates.rate(scores, cut.threshold, data.colliding_bunches).khz <= 500.0


def test_patterns_say_which_cuts_an_event_passes():
    images = np.zeros((3, 18, 14), np.int16)
    images[1, 0, :3] = 50
    images[2, 0, 0] = 120
    made = Menu((Cut("sum_et", 130.0), Cut("leading_et", 100.0)))
    assert made.patterns(images).tolist() == [0, 1, 2]
    assert made.passed(made.patterns(images), 1).tolist() == [False, False, True]
    assert set(menu.available(images)) == set(ON_IMAGES)


def test_wrong_cuts(data):
    with pytest.raises(ArgumentError, match="`cut=`: there is no score 'mising_et'.*did you mean 'missing_et'"):
        menu.at_rate(data, 10.0, {"mising_et": 3.0})
    with pytest.raises(ArgumentError, match="`menu_khz=`: a rate of 1000000000.0 kHz is not between"):
        menu.at_rate(data, 1e9)
    assert menu.at_rate(data, 10.0, {"missing_et": 40}).cuts == (Cut("missing_et", 40.0),)
