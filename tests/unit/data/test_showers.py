import json
import os
import subprocess
import sys
from concurrent.futures.process import BrokenProcessPool
from importlib.util import find_spec

import h5py
import numpy as np
import pytest
import toy_showers
from typer.testing import CliRunner

from l1trigger.cli import app
from l1trigger.data import describe, hits
from l1trigger.data.events import save_events
from l1trigger.data.showers import clusters, geant4, geant4_tables, geometry, make, packed, simulation
from l1trigger.data.sources.showers import Showers, ShowersOptions
from l1trigger.errors import DataError, DesignError, MissingExtraError, ToolFailedError, ToolNotFoundError
from l1trigger.package_files import samples_folder

GEV = clusters.RESPONSE_MEV_PER_GEV["electromagnetic"]  # MeV in silicon
STEEL = clusters.RESPONSE_MEV_PER_GEV["hadronic"]
QUIET = clusters.ClusterSettings(mean_soft=0)
NOTHING = clusters.SoftLibrary([])


def cluster(deposits, settings=QUIET, library=NOTHING, seed=1):
    return clusters.make_clusters(toy_showers.chunk([deposits]), library, settings, seed)


def test_layers_lie_one_behind_the_other():
    front = geometry.front_mm()
    assert len(front) == geometry.LAYERS == 50
    assert front[:2].tolist() == pytest.approx([0, 9.6])
    assert front[28] == pytest.approx(28 * 9.6)
    assert front[29] - front[28] == pytest.approx(49)


def test_a_cell_number_gives_back_its_place():
    place = np.array([[0, 0, 0], [49, 42, 42], [7, 3, 40]]).T
    assert np.array_equal(geometry.cell_place(geometry.cell_index(*place).astype(np.uint32)), place)


def test_hits_are_on_the_scale_of_electrons_in_their_section():
    made = cluster([(5, 0, 0, GEV), (30, 0, 0, STEEL)])
    assert made.ragged.hits.tolist() == [[0, 0, 5, 50], [0, 0, 30, 50]]


def test_cells_below_threshold_are_dropped_and_deposits_of_a_cell_add_up():
    made = cluster([(5, 0, 0, GEV), (6, 0, 0, 0.059 * GEV), (7, 0, 0, 0.04 * GEV), (7, 0, 0, 0.04 * GEV)])
    assert made.ragged.hits.tolist() == [[0, 0, 5, 50], [0, 0, 7, 4]]


def test_the_hardest_tower_is_the_centre_and_far_cells_fall_out():
    made = cluster([(5, 2, -1, 2 * GEV), (5, 1, -1, 1.5 * GEV), (8, 1, -1, 1.5 * GEV), (5, -16, -1, GEV),
                    (5, -17, -1, GEV)])
    assert made.ragged.hits.tolist() == [[1, 0, 5, 100], [0, 0, 5, 75], [0, 0, 8, 75], [-17, 0, 5, 50]]


def test_energies_saturate():
    made = cluster([(5, 0, 0, 30 * GEV)])
    assert made.ragged.hits.tolist() == [[0, 0, 5, hits.MAX_ENERGY]]
    assert made.saturated == 1


def test_a_shower_without_hits_is_an_empty_cluster():
    assert cluster([]).ragged.count.tolist() == [0]
    assert cluster([(5, 0, 0, 0.01)]).ragged.count.tolist() == [0]


def test_soft_showers_come_from_the_block_of_the_event():
    # Block of a soft shower is told by its layer.
    library = clusters.SoftLibrary([toy_showers.chunk([[(i // 4, 0, 0, GEV)] for i in range(40)])])
    chunk = toy_showers.chunk([[(45, 0, 0, 50 * STEEL)]] * 40)
    made = clusters.make_clusters(chunk, library, clusters.ClusterSettings(mean_soft=5), seed=3)
    event = np.repeat(np.arange(40), made.ragged.count)
    soft = made.ragged.hits[:, 2] != 45
    assert soft.sum() > 100
    assert np.array_equal(made.ragged.hits[soft, 2], clusters.block_of(event)[soft])
    again = clusters.make_clusters(chunk, library, clusters.ClusterSettings(mean_soft=5), seed=3)
    assert np.array_equal(made.ragged.hits, again.ragged.hits)


def test_blocks_have_as_many_events_of_each_species():
    pdg = np.resize(np.array(simulation.SPECIES), 400)
    for block in range(clusters.BLOCKS):
        mine = pdg[clusters.block_of(np.arange(400)) == block]
        assert {p: (mine == p).sum() for p in simulation.SPECIES} == dict.fromkeys(simulation.SPECIES, 10)


def test_particles_follow_from_seed_and_chunk():
    one, same, other = (simulation.primaries("hard", c, 1) for c in (3, 3, 4))
    assert np.array_equal(one.energy, same.energy)
    assert not np.array_equal(one.energy, other.energy)
    assert one.energy.min() >= 10
    assert one.energy.max() <= 100
    assert np.abs(one.x).max() <= geometry.CELL_MM / 2
    assert simulation.chunk_seed("hard", 3, 1) != simulation.chunk_seed("hard", 3, 2)


def test_soft_energies_fall_with_their_square():
    energy = simulation.primaries("soft", 0, 1, size=20_000).energy
    assert energy.min() >= 0.3
    assert energy.max() <= 3
    # Half of them below 2 / (1/0.3 + 1/3): 3.5 standard deviations of a share.
    assert (energy < 0.5454).mean() == pytest.approx(0.5, abs=0.012)


def test_a_chunk_file_gives_back_the_chunk(tmp_path):
    chunk = toy_showers.chunk([[(5, 0, 0, 1.5)], [], [(6, 1, 1, 2.5), (7, 0, 0, 1)]])
    simulation.save_chunk(chunk, tmp_path / "a.npz")
    again = simulation.load_chunk(tmp_path / "a.npz")
    assert again.deposits.start.tolist() == [0, 1, 1, 3]
    assert np.array_equal(again.deposits.energy, chunk.deposits.energy)
    (tmp_path / "a.npz").write_bytes((tmp_path / "a.npz").read_bytes()[:200])
    with pytest.raises(DataError, match=r"a.npz: is not a chunk of showers"):
        simulation.load_chunk(tmp_path / "a.npz")


def test_chunks_of_another_seed_are_not_mixed_in(tmp_path, monkeypatch):
    monkeypatch.setattr(geant4_tables, "environment", lambda cache, given: ({}, geant4_tables.NAME))
    made = toy_showers.chunk([[(5, 0, 0, 1.5)]])
    made.meta.update(settings=simulation.settings("hard", 1), g4data=geant4_tables.NAME)
    path = simulation.chunk_path(tmp_path, "hard", 0)
    path.parent.mkdir()
    simulation.save_chunk(made, path)
    assert simulation.make_chunks(tmp_path, "hard", 1, seed=1) == [path]
    with pytest.raises(DataError, match="another seed, other settings or other tables"):
        simulation.make_chunks(tmp_path, "hard", 1, seed=2)


def _break(folder):
    path = simulation.chunk_path(folder, "hard", 0).with_suffix(".log")
    path.parent.mkdir(parents=True)
    path.write_text("-------- EEEE -------\nno such file\n")
    raise BrokenProcessPool


def test_a_crash_of_geant4_shows_the_end_of_its_log(tmp_path, monkeypatch):
    monkeypatch.setattr(geant4_tables, "environment", lambda cache, given: ({}, geant4_tables.NAME))
    monkeypatch.setattr(simulation, "find_spec", lambda name: object())
    monkeypatch.setattr(simulation.parallel, "run", lambda *args, **options: _break(tmp_path))
    with pytest.raises(ToolFailedError, match=r"Geant4 failed .*chunk_0000.log(.|\n)*no such file"):
        simulation.make_chunks(tmp_path, "hard", 1, seed=1)


def test_the_package_of_geant4_is_named_when_it_is_missing(tmp_path, monkeypatch):
    monkeypatch.setattr(geant4_tables, "environment", lambda cache, given: ({}, geant4_tables.NAME))
    monkeypatch.setattr(simulation, "find_spec", lambda name: None)
    with pytest.raises(MissingExtraError, match=r"geant4-pybind.*l1trigger\[calo\]"):
        simulation.make_chunks(tmp_path, "hard", 1, seed=1)


def test_official_tables_are_used_only_when_all_are_named(tmp_path):
    named = dict.fromkeys(geant4_tables.NEEDED, str(tmp_path))
    found, name = geant4_tables.environment(tmp_path / "cache", named)
    assert name == "official"
    assert found["G4LEDATA"] == str(tmp_path)
    assert found["G4ABLADATA"]
    with pytest.raises(DataError, match=r"named by G4LEDATA, but G4PARTICLEXSDATA, .* is not set"):
        geant4_tables.environment(tmp_path / "cache", {"G4LEDATA": str(tmp_path)})
    with pytest.raises(DataError, match="named by G4PARTICLEXSDATA, but is no folder"):
        geant4_tables.environment(tmp_path / "cache", named | {"G4PARTICLEXSDATA": str(tmp_path / "no")})


@pytest.mark.parametrize(("z", "mass", "length"), [(13, 26.982, 24.01), (26, 55.845, 13.84), (82, 207.2, 6.37)])
def test_energy_lost_to_bremsstrahlung_goes_with_the_radiation_length(z, mass, length):
    # Radiation lengths [g/cm2] of the Particle Data Group. 3 %: its Coulomb and electron terms differ a little.
    kinetic, fraction = 1e4, np.linspace(1e-6, 1, 4001)
    mean = np.trapezoid(geant4_tables.bremsstrahlung(z, kinetic, fraction), fraction)  # mb
    lost = 6.022e23 / mass * z**2 * mean * 1e-27 * kinetic
    assert lost == pytest.approx(kinetic / length, rel=0.03)


def test_a_packed_file_gives_back_all_of_the_sample(tmp_path):
    made = toy_showers.events(60)
    made.inputs[7] = 0
    packed.save(made, tmp_path / "a.h5")
    again = packed.load(tmp_path / "a.h5")
    assert np.array_equal(again.inputs, made.inputs)
    assert again.inputs.dtype == np.int16
    assert np.array_equal(again.block, made.block)
    assert np.array_equal(again.row, made.row)
    assert np.array_equal(again.truth["label"], made.truth["label"])
    assert np.array_equal(again.truth["energy"], made.truth["energy"].astype(np.float32))
    assert again.truth["pdg"].tolist() == made.truth["pdg"].tolist()
    assert again.card == made.card


def test_the_first_clusters_of_a_packed_file_and_fewer_places(tmp_path):
    made = toy_showers.events(60)
    packed.save(made, tmp_path / "a.h5")
    again = packed.load(tmp_path / "a.h5", first=9, slots=16)
    assert np.array_equal(again.inputs, made.inputs[:9, :16])
    assert len(again.truth["energy"]) == 9


def test_damage_of_a_packed_file_is_told(tmp_path):
    path = tmp_path / "a.h5"
    with pytest.raises(DataError, match="does not exist.*data make showers"):
        packed.load(path)
    packed.save(toy_showers.events(20), path)
    with h5py.File(path, "a") as f:
        count = f["count"][:]
        count[3] += 1
        f["count"][:] = count
    with pytest.raises(DataError, match=r"a.h5: its counts add up to \d+ hits, but it holds \d+ values of x"):
        packed.load(path)
    with h5py.File(path, "a") as f:
        f.attrs["format"] = "other"
    with pytest.raises(DataError, match="no file of clusters.*source clusters"):
        packed.load(path)


def test_a_packed_file_with_a_place_outside_the_window_is_refused(tmp_path):
    path = tmp_path / "a.h5"
    packed.save(toy_showers.events(20), path)
    with h5py.File(path, "a") as f:
        x = f["x"][:]
        x[0] = 40
        f["x"][:] = x
    with pytest.raises(DataError, match=r"x of hit \d+ in event 0 is 40, outside the hardware range"):
        packed.load(path)


def test_the_source_divides_by_block_and_class(tmp_path):
    packed.save(toy_showers.events(400), tmp_path / "showers.h5")
    data = Showers(ShowersOptions(folder=tmp_path)).load()
    sizes = [len(e) for e in (data.train, data.validation, data.test, *data.signals)]
    assert sizes == [280, 40, 40, 40]
    assert [e.name for e in data.evaluated] == ["pion", "egamma"]
    assert set(data.test.truth["label"]) == {0}
    assert set(data.signals[0].truth["label"]) == {1}
    assert set(data.train.truth["label"]) == {0, 1}
    blocks = [set(e.block) for e in (data.train, data.validation, data.test)]
    assert not blocks[0] & blocks[1]
    assert not (blocks[0] | blocks[1]) & blocks[2]
    assert not data.zero_bias
    few = Showers(ShowersOptions(folder=tmp_path, max_hits=32, limit_events=200)).load()
    assert few.train.inputs.shape == (140, 32, 4)


def test_the_shipped_sample_keeps_the_contract_and_fills_its_card():
    path = samples_folder() / "showers.h5"
    assert path.stat().st_size <= 2_500_000
    made = packed.load(path)
    assert len(made) >= 8000
    assert made.inputs.shape[1:] == (128, 4)
    assert (made.inputs[:, 0, 3] > 0).all()
    assert made.inputs[..., 3][made.inputs[..., 3] > 0].min() == 3  # 60 MeV
    assert abs(made.truth["label"].mean() - 0.5) < 0.001
    assert 10 <= made.truth["energy"].min() < made.truth["energy"].max() <= 100
    assert set(made.card) >= {"seed", "versions", "g4data", "calorimeter", "hits", "overlay", "approximations"}
    assert made.card["events"] == len(made)
    # Electrons and photons shower early, and the sum of their hits is most of their energy.
    egamma = made.truth["label"] == 1
    response = hits.total_gev(made.inputs) / made.truth["energy"]
    assert 0.8 < response[egamma].mean() < 0.95
    depth = hits.mean_layer(made.inputs)
    assert 7 < depth[egamma].mean() < 11
    assert 20 < depth[~egamma].mean() < 30


def test_options_that_cannot_be(tmp_path):
    with pytest.raises(ValueError, match="power of two.*100 is none"):
        ShowersOptions(max_hits=100)
    with pytest.raises(ValueError, match="less than or equal to 128"):
        ShowersOptions(max_hits=256)
    packed.save(toy_showers.events(400), tmp_path / "showers.h5")
    with pytest.raises(DesignError, match="there is no signal 'muon'.*egamma"):
        Showers(ShowersOptions(folder=tmp_path, signals=("muon",))).load()


def test_a_sample_without_one_class_is_refused(tmp_path):
    made = toy_showers.events(400)
    packed.save(made.select(made.truth["label"] == 1), tmp_path / "showers.h5")
    with pytest.raises(DataError, match=r"no cluster of class 0 \(pion\) for the training sample"):
        Showers(ShowersOptions(folder=tmp_path)).load()


def test_assemble_leaves_out_empty_clusters_and_counts_them(tmp_path):
    meta = {"geant4": "none", "versions": {}, "g4data": "generated-v1"}
    hard = toy_showers.chunk([[(5, 0, 0, 2 * GEV)], [], [(5, 0, 0, GEV)] * 2])
    paths = []
    for name, chunk in (("hard", hard), ("soft", toy_showers.chunk([[]] * 30))):
        chunk.meta.update(meta)
        paths.append(tmp_path / f"{name}.npz")
        simulation.save_chunk(chunk, paths[-1])
    made = make.assemble(paths[:1], paths[1:], 3, 1, QUIET)
    assert made.row.tolist() == [0, 2]
    assert hits.total_gev(made.inputs).tolist() == [2.0, 2.0]
    assert made.card["measured"]["showers_without_a_hit"] == 1
    assert made.card["measured"]["response_of_11_mev_per_gev"][0] == pytest.approx(4 * GEV / 3 / 50, abs=6e-4)
    json.dumps(made.card)


def test_extra_particles_are_others_than_the_hard_ones():
    hard, extra = (simulation.primaries(kind, 3, 1) for kind in ("hard", "extra"))
    assert extra.pdg[:4].tolist() == [111, 13, 111, 13]
    assert not np.array_equal(hard.energy, extra.energy)
    assert 10 <= extra.energy.min() < extra.energy.max() <= 100
    # Settings of pools that exist stay what they were.
    assert json.loads(simulation.settings("hard", 1))[:3] == ["hard", 1, [11, 211, 22, -211]]
    assert len(json.loads(simulation.settings("hard", 1))) == 7
    assert json.loads(simulation.settings("extra", 1))[-1] == geant4.NEUTRAL_PION_MM


def test_two_files_are_made_of_chunks_of_three_kinds(tmp_path, monkeypatch):
    meta = {"geant4": "none", "versions": {}, "g4data": "generated-v1"}
    asked, told = [], []

    def chunks(folder, kind, number, seed, workers, progress):
        asked.append((kind, number))
        pdg = {"hard": 11, "soft": 22, "extra": 13}[kind]
        made = toy_showers.chunk([[(5, 0, 0, GEV)]] * 20, simulation.EXTRA_FIRST * (kind == "extra"), pdg)
        made.meta.update(meta)
        path = tmp_path / f"{kind}.npz"
        simulation.save_chunk(made, path)
        progress(number, number)
        return [path]

    monkeypatch.setattr(simulation, "make_chunks", chunks)
    samples = make.Samples(20, extra=17, settings=QUIET)
    files = make.make_samples(tmp_path, tmp_path, samples, progress=lambda *done: told.append(done))
    assert [f.name for f in files] == ["showers.h5", "showers_extra.h5"]
    assert asked == [("soft", simulation.SOFT_CHUNKS), ("hard", 1), ("extra", 1)]
    assert told == [(4, 6), (5, 6), (6, 6)]
    hard, extra = (packed.load(f) for f in files)
    assert (hard.name, len(hard), set(hard.truth["pdg"])) == ("showers", 20, {11})
    assert (extra.name, len(extra), set(extra.truth["pdg"])) == ("showers_extra", 17, {13})
    assert not set(hard.row) & set(extra.row)
    assert set(extra.truth["label"]) == {0}
    assert extra.card["command"] == "l1trigger data make showers --extra 17 --seed 1"
    assert extra.card["particles"]["pdg"] == [111, 13]
    assert "muon" in extra.card["measured"]
    assert "pion" not in extra.card["measured"]
    alone = make.make_samples(tmp_path, tmp_path, make.Samples(20, settings=QUIET))
    assert [f.name for f in alone] == ["showers.h5"]


def test_the_shipped_extra_sample_shares_blocks_with_the_other():
    path = samples_folder() / "showers_extra.h5"
    assert path.stat().st_size <= 800_000
    made, hard = packed.load(path), packed.load(samples_folder() / "showers.h5")
    assert {code: int((made.truth["pdg"] == code).sum()) for code in (111, 13)} == {111: 1600, 13: 1600}
    assert [(made.block == b).sum() for b in range(clusters.BLOCKS)] == [320] * 10
    assert not set(made.row) & set(hard.row)
    # One seed, settings and versions, so that both files have the same soft showers in each block.
    for key in ("seed", "generator", "versions", "g4data", "hits", "overlay", "calorimeter"):
        assert made.card[key] == hard.card[key]
    neutral = made.truth["pdg"] == 111
    response = hits.total_gev(made.inputs) / made.truth["energy"]
    assert 0.8 < response[neutral].mean() < 0.95  # as photons
    assert (made.inputs[~neutral, :, 3] > 0).sum(axis=1).mean() < 40


def test_info_tells_neutral_pions_and_muons_from_charged_pions():
    found = describe.describe(samples_folder() / "showers_extra.h5").summary
    assert found["neutral pions"]["clusters"] == found["muons"]["clusters"] == 1600
    assert "pions" not in found


def test_info_describes_and_draws_clusters(tmp_path):
    packed.save(toy_showers.events(100), tmp_path / "a.h5")
    picture = tmp_path / "a.png"
    done = CliRunner().invoke(app, ["data", "info", str(tmp_path / "a.h5"), "--plot", str(picture)])
    assert done.exit_code == 0, done.output
    assert picture.read_bytes()[:4] == b"\x89PNG"
    assert "e/gamma" in done.output
    assert "mean number of hits" in done.output


def test_info_describes_clusters_of_a_run_folder_too(tmp_path):
    made = toy_showers.events(100)
    save_events(made.select(made.truth["label"] == 0), tmp_path / "test.h5", layout="inputs")
    found = describe.describe(tmp_path / "test.h5")
    assert found.summary["pions"]["clusters"] == 50
    assert "e/gamma" not in found.summary
    assert found.regions is None
    count = (made.inputs[1::2, :, 3] > 0).sum(axis=1)
    assert found.summary["pions"]["mean number of hits"] == pytest.approx(count.mean(), rel=1e-3)


@pytest.mark.skipif(find_spec("xraylib") is None, reason="needs the extra calo (xraylib)")
def test_tables_are_complete_and_made_once(tmp_path):
    folder = geant4_tables.tables(tmp_path / "tables")
    assert len(list((folder / "brem_SB").iterdir())) == 92
    first = (folder / "epics2017/phot/pe-cs-82.dat").read_text().splitlines()
    assert first[1] == str(len(first) - 2)
    (folder / "ENSDFSTATE.dat").write_text("kept")
    assert geant4_tables.tables(folder) == folder
    assert (folder / "ENSDFSTATE.dat").read_text() == "kept"


@pytest.mark.skipif(find_spec("xraylib") is not None, reason="the extra calo is installed")
def test_the_extra_is_named_when_it_is_missing(tmp_path):
    with pytest.raises(MissingExtraError, match=r"xraylib.*l1trigger\[calo\]"):
        geant4_tables.tables(tmp_path / "tables")


def test_a_library_of_the_system_that_is_missing_is_named(tmp_path, monkeypatch):
    (tmp_path / "geant4_pybind.py").write_text("raise ImportError('libGL.so.1: cannot open shared object file')")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "geant4_pybind", raising=False)
    with pytest.raises(ToolNotFoundError, match=r"does not load: libGL\.so\.1.*apt install libgl1"):
        geant4.Simulation({})


@pytest.mark.calo
def test_geant4_gives_the_same_showers_again(tmp_path, monkeypatch):
    for package in ("geant4_pybind", "xraylib"):
        if find_spec(package) is None:
            pytest.skip(f"needs the extra calo ({package})")
    tried = subprocess.run(
        [sys.executable, "-c", "import geant4_pybind"], capture_output=True, text=True, check=False,
        env=os.environ | {"GEANT4_DATA_DIR": str(tmp_path)},
    )
    if "cannot open shared object" in tried.stderr:
        pytest.skip(f"geant4-pybind does not load: {geant4.LIBRARIES}")
    for v in (*geant4_tables.NEEDED, "GEANT4_DATA_DIR"):
        monkeypatch.delenv(v, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("CI", "true")  # in which geant4_pybind would look for a folder of data sets
    made = []
    for name in "ab":
        work = tmp_path / name
        simulation.parallel.run(
            simulation.make_chunk, [(work, "hard", 0, 1, 3)], 1, simulation.parallel.Workers(1, jobs_per_process=1),
            lambda done, total: None,
        )
        made.append(simulation.load_chunk(simulation.chunk_path(work, "hard", 0)))
    a, b = made
    assert np.array_equal(a.deposits.energy, b.deposits.energy)
    assert np.array_equal(a.deposits.cell, b.deposits.cell)
    response = make._response(a)  # of an electron, a pion and a photon
    # Resolution is 8 % at 10 GeV and falls, so that 15 % is two standard deviations at least.
    assert response[0] == pytest.approx(GEV, rel=0.15)
    assert 0 < response[1] < response[0]
    assert a.meta["g4data"] == geant4_tables.NAME
    assert [p.name for p in (tmp_path / "a" / "hard").iterdir()] == ["chunk_0000.npz"]
