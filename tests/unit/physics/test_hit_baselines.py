"""Sums and moments of hits, computed by hand."""

import numpy as np
import pytest
import toy_garnet as toy

from l1trigger.data.events import DataSet
from l1trigger.physics import hit_baselines


def cluster(*hits, slots=8):
    out = np.zeros((1, slots, 4), np.int16)
    out[0, : len(hits)] = np.reshape(hits, (-1, 4))
    return out


def test_moments_by_hand():
    """Energies 30 and 10 at layers 4 and 8, at distances 5 and 0 from the axis."""
    (found,) = hit_baselines.moments(cluster((3, -4, 4, 30), (0, 0, 8, 10)))
    assert found == pytest.approx([40 * 0.02, 5.0, np.sqrt((30 * 1 + 10 * 9) / 40), 30 * 5 / 40, 2])
    assert hit_baselines.mean_depth(cluster((3, -4, 4, 30), (0, 0, 8, 10))) == pytest.approx([-5.0])


def test_empty_cluster_is_zero():
    np.testing.assert_array_equal(hit_baselines.moments(cluster()), np.zeros((1, 5)))
    fitted = hit_baselines.Fitted(np.array([2.0, 0.1, 0.1]), (np.arange(5.0), 0.25))
    assert fitted.energy(cluster()) == [0.0] and fitted.score(cluster()) == [0.25]


def test_large_clusters_do_not_overflow():
    (found,) = hit_baselines.moments(np.full((1, 128, 4), 1023, np.int16))
    assert found[0] == pytest.approx(128 * 1023 * 0.02)


@pytest.mark.parametrize(("shape", "are"), [((5, 128, 4), True), ((5, 19, 3), False), ((5, 57), False)])
def test_which_inputs_are_hits(shape, are):
    assert hit_baselines.are_hits(np.zeros(shape, np.int16)) is are


def sample(n, seed, name="showers", label=None):
    inputs = toy.clusters(n, seed, extreme=0)[2:]
    inputs[:, 0, 3] = np.maximum(inputs[:, 0, 3], 5)
    m = hit_baselines.moments(inputs)
    label = (m[:, 1] < np.median(m[:, 1])).astype(float) if label is None else np.full(len(inputs), label)
    return toy.with_truth(inputs, label, m[:, 0] * (1.5 - 0.02 * m[:, 1] + 0.001 * m[:, 1] ** 2), name)


def test_calibration_recovers_a_known_scale():
    train = sample(400, 1)
    fitted = hit_baselines.Fitted.fit(train)
    np.testing.assert_allclose(fitted.calibration, [1.5, -0.02, 0.001], rtol=1e-9)
    other = sample(100, 2)
    np.testing.assert_allclose(fitted.energy(other.inputs), other.truth["energy"], rtol=1e-9)


def test_discriminant_is_large_for_early_showers():
    train = sample(400, 1)
    fitted = hit_baselines.Fitted.fit(train)
    score = fitted.score(train.inputs)
    label = train.truth["label"] == 1
    assert (score[label].mean() > score[~label].mean()) and ((score > 0) == label).mean() > 0.9


def test_scores_and_energies_of_every_sample():
    data = DataSet(sample(300, 1), sample(50, 2), sample(60, 3, "pion", 0), (sample(40, 4, "egamma", 1),), False, 2760)
    scores, energies = hit_baselines.scores_and_energies(data)
    assert set(scores) == {hit_baselines.MEAN_DEPTH, hit_baselines.MOMENTS}
    for name, n in (("pion", 58), ("egamma", 38)):
        assert energies[name].shape == (n,) and all(s[name].shape == (n,) for s in scores.values())
