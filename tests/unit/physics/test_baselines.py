from __future__ import annotations

import numpy as np
import pytest

from l1trigger.data.events import DataSet, Events
from l1trigger.data.objects import to_hardware
from l1trigger.data.scaling import ObjectInputs
from l1trigger.physics import baselines, class_baselines, hit_baselines


@pytest.fixture
def inputs():
    physical = np.zeros((2, 19, 3))
    physical[0, 0, 0] = 30  # missing ET
    physical[0, 1:3, 0] = [20, 5]  # e/gamma
    physical[0, 5, 0] = 7.5  # muon
    physical[0, 9:12, 0] = [40, 25, 12]  # jets
    return to_hardware(physical)


def test_scores_on_hardware_integers(inputs):
    assert baselines.object_count(inputs).tolist() == [2 * 3 + 3, 0]
    assert baselines.sum_pt(inputs).tolist() == [2 * (20 + 5 + 7.5 + 40 + 25 + 12), 0]
    assert baselines.leading_pt(inputs).tolist() == [80, 0]
    assert baselines.missing_et(inputs).tolist() == [60, 0]


def test_linear_model_finds_a_linear_score():
    rng = np.random.default_rng(1)
    scaling = ObjectInputs().scaling()
    x = rng.integers(0, 200, (500, 19, 3)).astype(np.int16)
    truth = scaling.real(x) @ np.linspace(-1, 1, 57) + 3
    model = baselines.LinearModel.fit(scaling, Events.unweighted("b", x), truth)
    # Least squares in double precision on inputs of order one.
    assert model(x) == pytest.approx(truth, abs=1e-8)


def test_images_have_their_own(inputs):
    rng = np.random.default_rng(2)
    regions = Events.unweighted("zerobias", rng.integers(0, 50, (20, 18, 14)).astype(np.int16))
    images = baselines.baseline_scores(DataSet(regions, regions, regions, (), True, 2760))
    assert set(images) == {"sum_et", "leading_et"}
    assert images["sum_et"]["zerobias"].tolist() == regions.inputs.sum((1, 2)).tolist()
    on_hits = {hit_baselines.MEAN_DEPTH, hit_baselines.MOMENTS, hit_baselines.ENERGY}
    of_classes = {class_baselines.CLASS_MEAN, class_baselines.DISCRIMINANT}
    assert set(baselines.TITLES) == {*baselines.ON_OBJECTS, *baselines.ON_IMAGES, *on_hits, *of_classes, "linear"}
