"""Pool chunks from Pythia8: seeded, complete in their cross section, and free of hard collisions in the soft class."""

import numpy as np
import pytest

from l1trigger.data import detector, pool
from l1trigger.data.pool import Process, load_chunk, make_chunk, save_chunk
from l1trigger.data.pythia import Generator, Particles
from l1trigger.errors import DataError

pytestmark = pytest.mark.gen


@pytest.fixture(scope="module")
def chunk():
    pytest.importorskip("pythia8mc")
    return make_chunk(Process("q030", 200, muon_passes=5, keep_untagged=0.5), 0, size=200)


def test_fractions_cover_the_cross_section(chunk):
    assert chunk.fraction.sum() == pytest.approx(1)
    assert 0.1 < chunk.sigma_mb < 0.2  # 0.139 mb at leading order


def test_tags_hold(chunk):
    for row in np.flatnonzero(chunk.tag == 2):
        own = chunk.muons[chunk.muon_start[row] : chunk.muon_start[row + 1]]
        assert own[:, 0].max() >= pool.TAG_MUON_PT
    untagged = np.flatnonzero(chunk.tag != 2)
    for row in untagged:
        own = chunk.muons[chunk.muon_start[row] : chunk.muon_start[row + 1]]
        assert not (own[:, 0] >= pool.TAG_MUON_PT).any()


def test_same_seed_same_rows_and_disk(chunk, tmp_path):
    again = make_chunk(Process("q030", 200, muon_passes=5, keep_untagged=0.5), 0, size=200)
    np.testing.assert_array_equal(chunk.deposits.value, again.deposits.value)
    path = tmp_path / "q030" / "chunk_0000.npz"
    save_chunk(chunk, path)
    read = load_chunk(path)
    np.testing.assert_array_equal(read.deposits.cell, chunk.deposits.cell)
    np.testing.assert_array_equal(read.muons, chunk.muons)
    assert read.sigma_mb == chunk.sigma_mb


def test_chunk_of_other_settings_is_refused(chunk, tmp_path, monkeypatch):
    path = tmp_path / "q030" / "chunk_0000.npz"
    save_chunk(chunk, path)
    monkeypatch.setattr(pool, "TAG_MUON_PT", 5.0)
    with pytest.raises(DataError, match="made with other settings"):
        load_chunk(path)


def test_unknown_process_is_named():
    with pytest.raises(DataError, match=r"unknown process 'A41'.*did you mean 'A4l'"):
        Generator("A41", 1)


def particles(**columns):
    n = len(columns["pid"])
    zero = np.zeros(n)
    given = {k: np.asarray(v, float) for k, v in columns.items()}
    values = {"px": zero, "py": zero, "pz": zero, "energy": zero, **given}
    return Particles(
        np.asarray(columns["pid"]), values["px"], values["py"], values["pz"], values["energy"], np.zeros(n, int), 1,
        np.zeros(1),
    )


def test_photon_lands_in_its_tower():
    towers = detector.calorimeter(particles(pid=[22], px=[50.0], energy=[50.0]), np.random.default_rng(1))
    best = towers.cell[np.argmax(towers.value)]
    assert best < detector.MAP  # electromagnetic
    assert best % detector.TOWERS_PHI == 0  # azimuth zero
    assert best // detector.TOWERS_PHI in (27, 28)  # about eta zero, by the vertex
    assert towers.value.sum() / detector.UNITS_PER_GEV == pytest.approx(50, rel=0.05)  # 0.7 % resolution


def test_prompt_muon_is_measured_and_leaves_no_deposit():
    p = particles(pid=[13] * 500, px=[20.0] * 500, energy=[20.0] * 500)
    rng = np.random.default_rng(2)
    assert len(detector.calorimeter(p, rng).cell) == 0
    (found,) = detector.muons(p, rng)
    assert len(found.event) / 500 == pytest.approx(0.93, abs=0.05)  # efficiency, four standard deviations
    assert np.median(found.kinematics[:, 0]) == pytest.approx(20, rel=0.05)


def test_soft_class_has_neither_hard_scattering_nor_accident():
    p = Particles(
        np.array([211, 211, 211]), np.array([1.0, 1.0, 60.0]), np.zeros(3), np.zeros(3), np.array([1.0, 1.0, 60.0]),
        np.arange(3), 3, np.array([5.0, 25.0, 5.0]),
    )
    assert pool._soft(p).tolist() == [True, False, False]
