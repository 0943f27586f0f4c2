from __future__ import annotations

import numpy as np
import pytest

from l1trigger.data.events import Events
from l1trigger.physics.turn_on import quantities, turn_on_curve


def events(jet_pt):
    inputs = np.zeros((len(jet_pt), 19, 3), np.int16)
    inputs[:, 9, 0] = np.asarray(jet_pt) * 2
    return Events.unweighted("s", inputs)


def test_step_at_a_threshold():
    pt = np.linspace(0, 100, 2000, endpoint=False)
    e = events(pt)
    curve = turn_on_curve(pt > 50, pt, e, np.arange(0, 101, 10.0))
    assert curve.efficiency == pytest.approx([0] * 5 + [1] * 5, abs=0.01)
    assert (curve.low <= curve.efficiency).all() and (curve.efficiency <= curve.high).all()
    point = curve.pt_at_95_percent()
    assert point is not None and 45 < point < 55


def test_plateau_below_95_percent_gives_none():
    pt = np.linspace(0, 100, 2000, endpoint=False)
    curve = turn_on_curve((pt > 50) & (np.arange(2000) % 5 > 0), pt, events(pt), np.arange(0, 101, 10.0))
    assert curve.pt_at_95_percent() is None


def test_empty_bins_are_not_numbers_and_the_last_holds_what_is_above():
    pt = np.array([5.0, 500.0])
    curve = turn_on_curve(np.array([False, True]), pt, events(pt), np.array([0, 10, 20, 30.0]))
    assert np.isnan(curve.efficiency).tolist() == [False, True, False]
    assert curve.efficiency[-1] == 1


def test_quantities_in_gev():
    found = quantities(events([40.0]))
    assert found["leading_jet_pt"].tolist() == [40.0] == found["sum_pt"].tolist()
    assert quantities(Events.unweighted("r", np.zeros((3, 18, 14), np.int16))) == {}
