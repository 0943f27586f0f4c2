"""Weights keep their meaning across and inside files: for training, test, rates and thresholds."""

from __future__ import annotations

import h5py
import numpy as np
import pytest

from l1trigger import design
from l1trigger.data import splits
from l1trigger.data.events import Events
from l1trigger.data.sources.cicada import Cicada, CicadaOptions
from l1trigger.data.sources.table import Table, TableOptions
from l1trigger.errors import DataError, DesignError
from l1trigger.physics import rates, roc
from l1trigger.physics.roc import Scored, Spectrum
from l1trigger.units import crossing_rate_khz

MET = {"met": {"pt": "met", "phi": "phi"}}
BUNCHES = 2000
HARD, SOFT = 200.0, 10.0
"""Missing ET [GeV] of the events of two processes."""


def write(path, n, met, weight=None, seed=0):
    """A file whose events have one missing ET, and angles of their own."""
    with h5py.File(path, "w") as f:
        f["met"], f["phi"] = np.full(n, met), np.random.default_rng(seed).uniform(-3, 3, n)
        f["event"] = np.arange(n)
        if weight is not None:
            f["w"] = np.broadcast_to(weight, n)
    return str(path)


def load(background, weight="w", **more):
    columns = MET | {"event_id": "event"} | ({"weight": weight} if weight else {})
    given = {"background": background, "columns": columns, "zero_bias": True, "colliding_bunches": BUNCHES, **more}
    return Table(design._validated(TableOptions, {"source": "table", **given}, None, "data")).load()


def hard(events):
    """Which events are of the hard process."""
    return events.inputs[:, 0, 0] > 100


def hard_rate(data):
    """Rate of hard events [kHz] on the test sample."""
    return rates.rate(Scored.of(hard(data.test).astype(float), data.test), 0.5, data.colliding_bunches)


def test_the_relative_normalization_of_files_is_kept(tmp_path):
    """As many hard as soft events, which are a thousandth of all by weight."""
    files = [write(tmp_path / "soft.h5", 4000, SOFT, 0.999, 1), write(tmp_path / "hard.h5", 4000, HARD, 0.001, 2)]
    data = load(files, test_fraction=0.5)
    soft, heavy = ((hard(data.test) == of).sum() for of in (False, True))
    share = 0.001 * heavy / (0.001 * heavy + 0.999 * soft)
    assert heavy > 1000
    assert hard_rate(data).khz == pytest.approx(crossing_rate_khz(BUNCHES) * share)
    assert hard_rate(data).khz < 50
    # The events to learn from have one weight, and as many are hard as the weights say.
    for part in (data.train, data.validation):
        assert part.equally_weighted
    assert 1 <= hard(data.train).sum() <= 10


def test_a_threshold_for_a_rate_knows_the_normalization(tmp_path):
    files = [write(tmp_path / "soft.h5", 4000, SOFT, 0.999, 1), write(tmp_path / "hard.h5", 4000, HARD, 0.001, 2)]
    data = load(files, test_fraction=0.5)
    scored = Scored.of(data.test.inputs[:, 0, 0].astype(float), data.test)
    assert rates.threshold_for_rate(scored, 50, BUNCHES).threshold == 2 * SOFT
    assert rates.threshold_for_rate(scored, 1, BUNCHES).threshold == 2 * HARD


@pytest.mark.parametrize("weight", [None, 7.0])
def test_cross_sections_spread_over_the_events_of_their_files(tmp_path, weight):
    """Two files of one process, one of another, with any common scale of the weights."""
    soft = [write(tmp_path / f"soft{k}.h5", n, SOFT, weight, k) for k, n in enumerate((3000, 1000))]
    data = load([
        {"file": soft, "cross_section_pb": 9e9},
        {"file": write(tmp_path / "hard.h5", 2000, HARD, None if weight is None else 0.01, 5),
         "cross_section_pb": 1e9},
    ], "w" if weight else None, test_fraction=0.5)
    of_soft, of_hard = 9e9 / 4000 * (~hard(data.test)).sum(), 1e9 / 2000 * hard(data.test).sum()
    assert data.test.weight[hard(data.test)].sum() == pytest.approx(of_hard / (of_hard + of_soft))
    assert np.ptp(data.test.weight[~hard(data.test)]) < 1e-15


def test_luminosity_stands_beside_cross_sections(tmp_path):
    """4000 recorded events in 2/pb are 2000 pb."""
    data = load([
        {"file": write(tmp_path / "data.h5", 4000, SOFT, seed=1), "luminosity_inverse_pb": 2.0},
        {"file": write(tmp_path / "hard.h5", 1000, HARD, seed=2), "cross_section_pb": 500.0},
    ], None, test_fraction=0.5)
    light, heavy = 0.5 * (~hard(data.test)).sum(), 0.5 * hard(data.test).sum()
    assert data.test.weight[hard(data.test)].sum() == pytest.approx(heavy / (heavy + light))
    assert data.test.weight[hard(data.test)][0] == pytest.approx(data.test.weight[~hard(data.test)][0])


@pytest.mark.parametrize("weight", [None, "w"])
def test_the_first_events_of_a_file_stand_for_all_of_it(tmp_path, weight):
    """Nine tenths of the events are soft, also where as many of each file are read."""
    files = [write(tmp_path / "soft.h5", 9000, SOFT, 1, 1), write(tmp_path / "hard.h5", 1000, HARD, 1, 2)]
    data = load(files, weight, events=1000, test_fraction=0.5)
    heavy, light = hard(data.test).sum(), (~hard(data.test)).sum()
    assert data.test.weight[hard(data.test)].sum() == pytest.approx(heavy / (heavy + 9 * light))


def test_regions_of_several_files_count_alike(tmp_path):
    for name, n in (("a", 900), ("b", 100)):
        with h5py.File(tmp_path / f"{name}.h5", "w") as f:
            f["CaloRegions"] = np.random.default_rng(n).integers(0, 9, (n, 18, 14)) + 100 * (name == "b")
    options = CicadaOptions(background=(tmp_path / "a.h5", tmp_path / "b.h5"), events=100, test_fraction=0.5)
    test = Cicada(options).load().test
    of_b = test.inputs.min(axis=(1, 2)) >= 100
    assert test.weight[of_b].sum() == pytest.approx(of_b.sum() / (of_b.sum() + 9 * (~of_b).sum()))


def test_any_first_part_of_several_files_is_a_fair_sample(tmp_path):
    files = [write(tmp_path / "soft.h5", 4000, SOFT, 1, 1), write(tmp_path / "hard.h5", 4000, HARD, 1, 2)]
    data = load(files, test_fraction=0.5)
    assert 0.4 < hard(data.test)[:500].mean() < 0.6
    assert 0.4 < hard(data.train)[:500].mean() < 0.6


def test_events_are_taken_as_often_as_their_weight_says(tmp_path):
    weight = np.array([0.0, 1.0, 2.5, 0.5, 6.0])
    inputs = np.arange(5, dtype=np.int16)[:, None, None] * np.ones((5, 19, 3), np.int16)
    e = Events.unweighted("s", inputs)
    given = Events("s", inputs, weight / 10, e.block, e.row)
    taken = splits.unweighted(given, tmp_path)
    copies = np.bincount(taken.inputs[:, 0, 0], minlength=5)
    assert len(taken) == 5 and taken.equally_weighted and taken.weight.sum() == pytest.approx(1)
    assert (np.floor(weight / 2) <= copies).all() and (copies <= np.ceil(weight / 2)).all()
    assert taken.card["taken by weight"] == {"events": 5, "different": np.count_nonzero(copies)}
    assert splits.unweighted(e, tmp_path) is e


def test_an_incomplete_normalization_is_refused(tmp_path):
    a, b = write(tmp_path / "a.h5", 100, SOFT), write(tmp_path / "b.h5", 100, HARD)
    with pytest.raises(DesignError, match="data.background: give a cross section or a luminosity for all files"):
        load([a, {"file": b, "cross_section_pb": 1.0}], None)
    with pytest.raises(DesignError, match="give exactly one of cross_section_pb and luminosity_inverse_pb"):
        load([{"file": b, "cross_section_pb": 1.0, "luminosity_inverse_pb": 1.0}], None)
    with pytest.raises(DesignError, match="cross_section: is not a known key.* did you mean 'cross_section_pb'"):
        load([{"file": b, "cross_section": 1.0}], None)


def signed(n, seed):
    """Weights as of a generator at next-to-leading order: a fifth of them negative."""
    return np.where(np.random.default_rng(seed).random(n) < 0.2, -1.0, 1.0)


def test_negative_weights_count_in_rates_and_efficiencies(tmp_path):
    w = signed(4000, 3)
    data = load(
        write(tmp_path / "train.h5", 1000, SOFT, 1.0, 1),
        test_background=[write(tmp_path / "soft.h5", 4000, SOFT, w, 2),
                         write(tmp_path / "hard.h5", 1000, HARD, -0.25, 4),
                         write(tmp_path / "more.h5", 4000, HARD, 0.5, 6)],
        signal_files={"S": write(tmp_path / "s.h5", 2000, HARD, signed(2000, 5), 7)},
    )
    assert (data.test.weight < 0).any() and (data.signals[0].weight < 0).any()
    share = (2000 - 250) / (w.sum() + 2000 - 250)
    assert hard_rate(data).khz == pytest.approx(crossing_rate_khz(BUNCHES) * share)
    assert data.signals[0].weight.sum() == pytest.approx(1)


def test_negative_weights_are_not_trained_on(tmp_path):
    with pytest.raises(DataError, match=r"a\.h5: \d+ of the \d+ events to train on have negative weights.*"
                                        r"Remedy: train on a sample without them \(data\.background\)"):
        load(write(tmp_path / "a.h5", 1000, SOFT, signed(1000, 1)))
    with pytest.raises(DataError, match=r"a\.h5: the weights of this sample sum to -1000, not to more than 0"):
        load(write(tmp_path / "a.h5", 1000, SOFT, -1.0))


def test_a_threshold_holds_for_every_score_above_it():
    """Above 1 lies 0.1 of the weight, above 2 again 0.2: where 0.1 is wanted, 1 is too low."""
    spectrum = Spectrum.of(np.array([0.0, 1.0, 2.0, 3.0]), np.array([0.8, 0.1, -0.1, 0.2]))
    assert np.allclose(spectrum.above, [0.2, 0.1, 0.2, 0.0])
    assert spectrum.threshold(0.1) == 3.0
    assert spectrum.threshold(0.2) == 0.0


def test_negative_weights_subtract_in_the_auc():
    """Events that cancel another, exactly: the area is that of the sample without the two."""
    rng = np.random.default_rng(1)
    scores, other = rng.normal(0, 1, 500), rng.normal(1, 1, 500)

    def sample(scores, weight):
        e = Events.unweighted("s", np.zeros((len(scores), 19, 3), np.int16))
        return Scored.of(scores, Events("s", e.inputs, weight / weight.sum(), e.block, e.row))

    cancelled = sample(np.r_[scores, 2.0, 2.0], np.r_[np.ones(500), 1.0, -1.0])
    plain, signal = sample(scores, np.ones(500)), sample(other, np.ones(500))
    assert roc.auc(cancelled, signal).value == pytest.approx(roc.auc(plain, signal).value, abs=1e-12)
    assert roc.auc(signal, cancelled).value == pytest.approx(roc.auc(signal, plain).value, abs=1e-12)
    error = roc.auc(cancelled, signal).error
    assert error > roc.auc(plain, signal).error
