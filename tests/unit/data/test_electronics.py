import numpy as np
import pytest

from l1trigger.data.detector import TOWERS_ETA, TOWERS_PHI, UNITS_PER_GEV
from l1trigger.data.electronics import trigger_primitives
from l1trigger.data.objects import EGAMMA, JET, MUON, signed_phi

NO_MUONS = np.zeros(0, np.int64), np.zeros((0, 3))


def towers(*deposits):
    """One crossing with deposits (phi, depth, eta, GeV)."""
    t = np.zeros((1, TOWERS_PHI, 2, TOWERS_ETA))
    for phi, depth, eta, gev in deposits:
        t[0, phi, depth, eta] += gev * UNITS_PER_GEV
    return t


def test_one_electromagnetic_tower_is_one_egamma_and_one_jet():
    objects, regions = trigger_primitives(towers((10, 0, 20, 20.0)), *NO_MUONS)
    assert objects[0, EGAMMA.first, 0] == 40  # 20 GeV in units of 0.5 GeV
    assert objects[0, JET.first, 0] == 40
    assert objects[0, EGAMMA.first, 2] == 21  # towers are two units of phi wide; the centre of tower 10
    assert objects[0, 0, 0] == 40  # missing ET balances it ...
    assert objects[0, 0, 2] == signed_phi(np.array(20 + 72), 144)  # ... on the other side
    assert (objects[0, :, 0] > 0).sum() == 3
    assert regions[0, 10 // 4, 20 // 4] == 40
    assert regions.sum() == 40


def test_hadronic_tower_is_no_egamma():
    objects, _ = trigger_primitives(towers((10, 1, 20, 20.0)), *NO_MUONS)
    assert objects[0, EGAMMA.first, 0] == 0
    assert objects[0, JET.first, 0] == 40


@pytest.mark.parametrize("second", [(11, 20), (10, 21), (9, 21), (11, 21)])
def test_equal_towers_give_exactly_one_object(second):
    objects, _ = trigger_primitives(towers((10, 0, 20, 15.0), (second[0], 0, second[1], 15.0)), *NO_MUONS)
    assert (objects[0, JET.rows, 0] > 0).sum() == 1
    assert (objects[0, EGAMMA.rows, 0] > 0).sum() == 1
    assert objects[0, JET.first, 0] == 60


def test_window_wraps_around_in_phi():
    objects, _ = trigger_primitives(towers((0, 1, 20, 15.0), (TOWERS_PHI - 1, 1, 20, 12.0)), *NO_MUONS)
    assert (objects[0, JET.rows, 0] > 0).sum() == 1
    assert objects[0, JET.first, 0] == 54


def test_deposits_below_the_last_bit_are_suppressed():
    objects, regions = trigger_primitives(towers(*[(p, 1, 20, 0.49) for p in range(TOWERS_PHI)]), *NO_MUONS)
    assert not objects.any()
    assert not regions.any()


def test_muons_are_sorted_and_limited():
    muons = np.array([[3.2, 0.5, 1.0], [40.0, -1.0, -2.0], [7.0, 0.1, 3.0], [5.0, 0.0, 0.0], [1e4, 2.0, 0.3]])
    objects, _ = trigger_primitives(towers(), np.zeros(5, np.int64), muons)
    assert objects[0, MUON.rows, 0].tolist() == [511, 80, 14, 10]
    assert objects[0, MUON.first + 1, 1] == round(-1.0 / MUON.lsb[1])
    assert (objects[0, MUON.rows, 2] >= -288).all()
    assert (objects[0, MUON.rows, 2] < 288).all()


def test_regions_saturate_at_ten_bits():
    everywhere = [(p, 1, e, 127.0) for p in range(4) for e in range(4)]
    _, regions = trigger_primitives(towers(*everywhere), *NO_MUONS)
    assert regions.max() == 1023
