import numpy as np
import pytest
import toy_showers

from l1trigger.data import hits
from l1trigger.errors import DataError


def test_pad_sorts_by_energy_then_place_and_drops_the_softest():
    rows = np.array([[1, 0, 5, 9], [0, 0, 3, 40], [2, 1, 4, 9], [-1, 0, 5, 9], [4, 4, 4, 3]], np.int16)
    padded = hits.pad(hits.Ragged(np.array([5, 0]), rows), slots=4)
    assert padded[0].tolist() == [[0, 0, 3, 40], [2, 1, 4, 9], [-1, 0, 5, 9], [1, 0, 5, 9]]
    assert not padded[1].any()


def test_unpad_is_the_inverse_of_pad():
    made = toy_showers.events(50).inputs
    assert np.array_equal(hits.pad(hits.unpad(made)), made)


def test_an_empty_cluster_keeps_the_contract():
    empty = np.zeros((2, 128, 4), np.int16)
    assert np.array_equal(hits.check(empty, "a.h5"), empty)
    assert hits.total_gev(empty).tolist() == [0, 0]
    assert hits.mean_layer(empty).tolist() == [-1, -1]


def test_sum_and_depth_follow_the_units():
    two = hits.pad(hits.Ragged(np.array([2]), np.array([[0, 0, 10, 300], [0, 0, 20, 100]], np.int16)))
    assert hits.total_gev(two).tolist() == [8.0]
    assert hits.mean_layer(two).tolist() == [12.5]


@pytest.mark.parametrize(
    ("place", "value", "message"),
    [
        ((3, 2, 0), 18, r"x of hit 2 in event 13 is 18, outside the hardware range\. Remedy: keep x within -17 to 17"),
        ((3, 2, 1), -18, "y of hit 2 in event 13 is -18, outside"),
        ((3, 2, 2), 50, "layer of hit 2 in event 13 is 50, outside"),
        ((3, 0, 3), 1024, "energy of hit 0 in event 13 is 1024, outside"),
        ((3, 2, 3), -1, "energy of hit 2 in event 13 is -1, outside"),
        ((3, 127, 0), 1, "x of hit 127 in event 13 is 1, given for a hit of energy zero"),
        ((3, 4, 3), 900, "energy of hit 4 in event 13 is 900, above that of the hit before.*sort hits"),
        ((3, 127, 3), 5, "energy of hit 127 in event 13 is 5, above that of the hit before"),
        ((3, 1, 0), 0.5, "x of hit 1 in event 13 is 0.5, no whole number"),
        ((3, 1, 3), np.nan, "energy of hit 1 in event 13 is nan, no whole number"),
        ((3, 1, 1), np.inf, "y of hit 1 in event 13 is inf, no whole number"),
    ],
)
def test_what_breaks_the_contract_is_named(place, value, message):
    made = toy_showers.events(6).inputs.astype(float)
    assert made[3, :5, 3].all()
    assert made[3, 127, 3] == 0
    made[place] = value
    with pytest.raises(DataError, match=message):
        hits.check(made, "a.h5", first=10)


@pytest.mark.parametrize("shape", [(2, 128, 3), (2, 129, 4), (2, 512), (2, 128, 4, 1)])
def test_wrong_shapes_are_named(shape):
    with pytest.raises(DataError, match=r"a.h5: hits have the shape .*x, y, layer, energy"):
        hits.check(np.zeros(shape), "a.h5")


def test_another_number_of_places_than_asked_for_is_refused():
    with pytest.raises(DataError, match=r"shape \(2, 64, 4\), and not \(n, 128, 4\)"):
        hits.check(np.zeros((2, 64, 4)), "a.h5", slots=128)
