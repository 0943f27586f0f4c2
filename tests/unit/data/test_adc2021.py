"""The ADC2021 generator, its files, and the source that reads them and the public ones."""

import json

import h5py
import numpy as np
import pytest

from l1trigger import design
from l1trigger.contracts.source import SOURCES
from l1trigger.data import adc2021, parametric_detector, splits
from l1trigger.data.objects import CLASSES, JET, class_of_row, to_hardware
from l1trigger.data.pythia import Particles
from l1trigger.data.sources.adc2021 import Adc2021, Adc2021Options, read_events
from l1trigger.errors import DataError, DesignError
from l1trigger.package_files import samples_folder


def some_events(n=200, seed=1):
    """Physical events (n, 19, 4) in the public layout, each with a hard electron."""
    rng = np.random.default_rng(seed)
    rows = np.zeros((n, 19, 4))
    for c in CLASSES:
        k = rng.integers(1 if c.name in ("met", "egamma") else 0, c.count + 1, n)
        used = np.arange(c.count) < k[:, None]
        pt = np.sort(rng.exponential(20, (n, c.count)) + 25, axis=1)[:, ::-1]
        eta = np.zeros_like(pt) if c.name == "met" else rng.uniform(-2, 2, pt.shape)
        rows[:, c.rows] = np.stack([pt, eta, rng.uniform(-np.pi, np.pi, pt.shape), np.full(pt.shape, c.adc_class)], 2)
        rows[:, c.rows][~used] = 0
    return rows


@pytest.fixture
def files(tmp_path):
    """A background whose events come in fours, and a signal."""
    adc2021.write(tmp_path / "b.h5", some_events(800), np.repeat(np.arange(200), 4), {"name": "b"})
    adc2021.write(tmp_path / "s.h5", some_events(50, 2), np.arange(50), {"name": "s"})
    return tmp_path


def options(**given):
    return Adc2021Options(**given)


def test_files_have_the_public_keys(files):
    with h5py.File(files / "b.h5") as f:
        assert set(f) == {"Particles", "Particles_Names", "Particles_Classes", "EvtId"}
        assert f["Particles"].shape == (800, 19, 4) and f["Particles"].dtype == np.float32
        assert f["EvtId"].dtype == np.int64
        assert [n.decode() for n in f["Particles_Names"]] == ["Pt", "Eta", "Phi", "Class"]
        assert [n.decode() for n in f["Particles_Classes"]] == [
            "MET_class_1", "Four_Ele_class_2", "Four_Mu_class_3", "Ten_Jet_class_4",
        ]
        assert json.loads(f.attrs["card"]) == {"name": "b"}


def test_objects_that_are_not_sorted_are_refused_unless_asked_for(tmp_path):
    rows = some_events()
    rows[:, 9:19] = rows[:, 18:8:-1]
    adc2021.write(tmp_path / "a.h5", rows, np.arange(200), {})
    with pytest.raises(DataError, match="dataset 'Particles' is not sorted: jet .*data.unsorted to sort"):
        read_events(tmp_path / "a.h5")
    adc2021.write(tmp_path / "b.h5", some_events(), np.arange(200), {})
    for settings in ({}, {"jet_eta": 1.0, "lepton_pt": 30.0}):
        known, ids, _ = read_events(tmp_path / "b.h5", **settings)
        made, same, _ = read_events(tmp_path / "a.h5", **settings, sort=True)
        assert np.array_equal(made.inputs, known.inputs)
        assert np.array_equal(ids, same)


def test_the_source_divides_by_generator_event(files):
    data = Adc2021(options(background=files / "b.h5", signal_files={"S": files / "s.h5"})).load()
    parts = (data.train, data.validation, data.test)
    assert sum(map(len, parts)) == 800 and not data.zero_bias
    rows = [set(p.row) for p in parts]
    assert not (rows[0] & rows[1] or rows[0] & rows[2] or rows[1] & rows[2])
    assert all(len(p) == 4 * len(r) for p, r in zip(parts, rows, strict=True))
    assert [s.name for s in data.signals] == ["S"] and len(data.signals[0]) == 50
    assert 0.2 < len(data.test) / 800 < 0.4
    # Independent events are what binomial errors count.
    assert splits.independent(data.test) == len(rows[2])
    assert set(data.test.block) <= set(range(splits.BLOCKS))


def test_events_become_hardware_integers(files):
    events, ids, _ = read_events(files / "s.h5")
    assert np.array_equal(events.inputs, to_hardware(some_events(50, 2).astype(np.float32)[..., :3]))
    assert np.array_equal(ids, np.arange(50))
    assert events.card["name"] == "s"


def test_the_filters_of_the_authors(tmp_path):
    rows = some_events(3)
    rows[0, 1:9] = 0  # no lepton
    rows[1, 9] = [200, 4.5, 1, 4]
    rows[1, 10:] = 0
    rows[1, 10] = [100, 1, 1, 4]
    adc2021.write(tmp_path / "a.h5", rows, np.arange(3), {})
    events, ids, _ = read_events(tmp_path / "a.h5", jet_eta=4.0, lepton_pt=23.0)
    assert np.array_equal(ids, [1, 2])
    assert np.array_equal(events.inputs[0, JET.rows, 0], [200, *[0] * 9])  # 100 GeV; the far jet is gone
    assert events.card["read"] == {"jet_eta": 4.0, "lepton_pt": 23.0, "kept": 2, "of": 3}
    with pytest.raises(DataError, match=r"no event with an electron or muon above 900.0 GeV \(3 were read\)"):
        read_events(tmp_path / "a.h5", lepton_pt=900.0)


def test_derived_files_keep_their_division(tmp_path):
    rows = some_events(300)[..., :3].reshape(300, 57)
    with h5py.File(tmp_path / "BKG_dataset.h5", "w") as f:
        f["X_train"], f["X_val"], f["X_test"] = rows[:200], rows[200:240], rows[240:]
    with h5py.File(tmp_path / "S_dataset.h5", "w") as f:
        f["Data"] = rows[:7]
    signal = {"S": tmp_path / "S_dataset.h5"}
    data = Adc2021(options(background=tmp_path / "BKG_dataset.h5", signal_files=signal)).load()
    assert [len(data.train), len(data.validation), len(data.test), len(data.signals[0])] == [200, 40, 60, 7]
    assert np.array_equal(data.test.inputs, to_hardware(rows[240:].reshape(-1, 19, 3)))
    with h5py.File(tmp_path / "BKG_dataset.h5", "a") as f:
        f["X_test"][:5] = rows[:5]
    with pytest.raises(DataError, match=r"BKG_dataset\.h5: \d of its events are also in the training sample"):
        Adc2021(options(background=tmp_path / "BKG_dataset.h5")).load()


def test_a_test_file_of_its_own(files):
    adc2021.write(files / "t.h5", some_events(90, 5), np.arange(90), {})
    data = Adc2021(options(background=files / "b.h5", test_background=files / "t.h5")).load()
    assert len(data.test) == 90 and len(data.train) + len(data.validation) == 800


def test_overlapping_train_and_test_are_refused(files):
    with pytest.raises(DataError, match=r"b\.h5: is named both for training and for testing"):
        Adc2021(options(background=files / "b.h5", test_background=files / "b.h5")).load()
    mixed = np.concatenate([some_events(90, 5), some_events(800)[:10]])
    adc2021.write(files / "t.h5", mixed, np.arange(100), {})
    with pytest.raises(DataError, match=r"t\.h5: \d+ of its events are also in the training sample"):
        Adc2021(options(background=files / "b.h5", test_background=files / "t.h5")).load()


def test_unknown_signals_list_the_known(files):
    with pytest.raises(DesignError, match=r"data\.signals: .* no signal 'LQQ'.*did you mean 'LQ'\? Known: A4l, LQ"):
        Adc2021(options(
            background=files / "b.h5", signal_files={"LQ": files / "s.h5", "A4l": files / "s.h5"}, signals=("LQQ",)
        )).load()


def break_value(value, feature=0):
    def f(rows):
        rows[7, 9] = [30, 1, 1, 4]
        rows[7, 9, feature] = value
        return rows
    return f


def swap_classes(rows):
    rows[:, [1, 9]] = rows[:, [9, 1]]
    return rows


@pytest.mark.parametrize(("change", "message"), [
    (break_value(np.nan), r"pT in dataset 'Particles' is not finite \(nan\) in event 7 .* Remedy: remove these"),
    (break_value(np.inf), r"pT in dataset 'Particles' is not finite \(inf\) in event 7"),
    (break_value(-3), r"pT in dataset 'Particles' is negative \(-3\.0\) in event 7"),
    (break_value(np.nan, 2), r"eta or phi in dataset 'Particles' is not finite \(nan\) in event 7"),
    (swap_classes, r"row 1 of event \d+ in dataset 'Particles' has the class 4\.0, not 2"),
    (lambda rows: rows[:, :18], r"shape \(n, 18, 4\).*\(n, 19, 4\), \(n, 19, 3\) or \(n, 57\) is needed"),
    (lambda rows: rows[:0], r"holds no events"),
])
def test_bad_contents_are_named(tmp_path, change, message):
    rows = change(some_events(20))
    with h5py.File(tmp_path / "a.h5", "w") as f:
        f["Particles"] = rows
    with pytest.raises(DataError, match=rf"a\.h5: .*{message}"):
        Adc2021(options(background=tmp_path / "a.h5")).load()


def test_a_missing_key_lists_those_there(tmp_path):
    with h5py.File(tmp_path / "a.h5", "w") as f:
        f["Particle"], f["Other"] = some_events(5), np.zeros(5)
    with pytest.raises(DataError, match=r"no dataset 'Particles'; did you mean 'Particle'\? Known: Other, Particle"):
        Adc2021(options(background=tmp_path / "a.h5")).load()


def test_missing_and_truncated_files(files):
    with pytest.raises(DataError, match=r"c\.h5: does not exist"):
        Adc2021(options(background=files / "c.h5")).load()
    whole = (files / "b.h5").read_bytes()
    (files / "b.h5").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(DataError, match=r"b\.h5: cannot be read .* truncated"):
        Adc2021(options(background=files / "b.h5")).load()


def test_options_are_strict():
    source = SOURCES.get("adc2021")
    assert source.Options.model_validate({"source": "adc2021", "background": "a.h5"}).background[0].name == "a.h5"
    with pytest.raises(ValueError, match="leave no events to train on"):
        options(validation_fraction=0.5, test_fraction=0.5)
    with pytest.raises(DesignError, match=r"data\.jet_etta: is not a known key"):
        design._validated(Adc2021Options, {"jet_etta": 1}, None, "data")


def test_the_shipped_sample():
    if not (samples_folder() / "adc2021_cocktail.h5").exists():
        pytest.skip("the ADC2021-like sample is not in this checkout")
    data = Adc2021(options()).load()
    assert {s.name for s in data.signals} == {"A4l", "LQ", "h0tt", "hctn"}
    assert sum(map(len, (data.train, data.validation, data.test))) >= 15_000
    assert not set(data.train.row) & set(data.test.row)
    shares = {n: p["events"] for n, p in data.train.card["processes"].items()}
    total = sum(shares.values())
    # Half a percent covers the rounding to whole chunks.
    expected = {"W": 0.592, "Z": 0.067, "heavy_flavour": 0.338, "ttbar": 0.003}
    assert all(abs(shares[n] / total - e) < 0.005 for n, e in expected.items())


def test_splits_do_not_depend_on_the_order():
    rows = to_hardware(some_events(500)[..., :3])
    ids = splits.content_id(rows)
    order = np.random.default_rng(1).permutation(500)
    assert np.array_equal(splits.content_id(rows[order]), ids[order])
    assert len(np.unique(ids)) == 500
    assert [len({class_of_row()[i].name for i in r}) for r in ([0], range(1, 5))] == [1, 1]


def test_rotation_is_a_symmetry():
    rows = some_events(50).astype(np.float32)
    turned = parametric_detector.rotate(rows, np.random.default_rng(3))
    assert np.array_equal(turned[..., [0, 3]], rows[..., [0, 3]])
    assert np.array_equal(np.abs(turned[..., 1]), np.abs(rows[..., 1]))
    assert np.array_equal(turned[rows[..., 0] == 0], np.zeros(((rows[..., 0] == 0).sum(), 4)))
    delta = (turned[..., 2] - rows[..., 2])[rows[..., 0] > 0]
    first = np.repeat((turned - rows)[:, 0, 2], (rows[..., 0] > 0).sum(1))
    # float32 angles: a few units in the last place of pi
    assert np.abs(np.remainder(delta - first + np.pi, 2 * np.pi) - np.pi).max() < 2e-6


def particles(momenta, pids):
    p = np.array(momenta, np.float64)
    n = len(p)
    energy = np.sqrt((p**2).sum(1))
    return Particles(np.array(pids), *p.T, energy, np.zeros(n, np.int64), 1, np.zeros(1))


@pytest.mark.gen
def test_a_lepton_and_a_jet_are_found():
    pytest.importorskip("fastjet")
    near = [[-20, 0.2 * i, 1] for i in range(5)]
    p = particles([[40, 0, 5], *near], [13, 211, -211, 211, 22, 22])
    found = 0
    for seed in range(20):
        rng = np.random.default_rng(seed)
        rows, accepted = parametric_detector.reconstruct(p, rng, parametric_detector.Selection())
        assert rows.shape == (1, 19, 4)
        assert accepted[0] == (rows[0, 5, 0] > 23)
        found += bool(accepted[0])
        assert rows[0, 9, 3] == 4 and abs(abs(rows[0, 9, 2]) - np.pi) < 0.2
        # Resolution of a few per cent on 100 GeV.
        assert 70 < rows[0, 9, 0] < 130
        assert np.count_nonzero(rows[0, 10:]) == 0
    assert 14 <= found <= 20  # efficiency 0.95


def test_overlaid_collisions_stay_whole():
    """Each particle of the pool carries its collision and place in px and py, so that every overlay can be followed."""
    sizes = np.array([3, 0, 2, 4])
    event = np.repeat(np.arange(4), sizes)
    number = np.concatenate([np.arange(k) for k in sizes])
    pool = Particles(np.full(9, 22), event * 1.0, number * 1.0, np.zeros(9), np.ones(9), event, 4, np.zeros(4))
    zero, at = np.zeros(3), np.array([0, 2, 2])
    hard = Particles(np.array([13, 11, 13]), zero - 1, zero, zero, zero + 1, at, 3, zero)
    out = adc2021._overlay(hard, pool, 5.0, np.random.default_rng(1))
    assert (np.diff(out.event) >= 0).all() and out.events == 3
    for i in range(3):
        here = out.event == i
        assert (out.px[here] < 0).sum() == [1, 0, 2][i]
        seen = [out.py[here & (out.px == k)] for k in range(4)]
        for k, places in enumerate(seen):
            counts = np.bincount(places.astype(int), minlength=max(sizes[k], 1))
            assert len(set(counts)) == 1  # a collision is there with all its particles, or not at all
    # 3 events, 5 collisions, 9/4 particles each: 34 on average, standard deviation about 10.
    assert 10 < len(out.pid) - 3 < 65


@pytest.mark.gen
def test_a_lepton_in_a_jet_is_not_isolated():
    pytest.importorskip("fastjet")
    p = particles([[30, 0, 0], [30, 1, 0], [30, 0, 1]], [13, 211, 22])
    rows, accepted = parametric_detector.reconstruct(p, np.random.default_rng(1), parametric_detector.Selection())
    assert not accepted[0] and rows[0, 5, 0] == 0


@pytest.mark.gen
def test_chunks_are_reproducible_and_resumed(tmp_path):
    pytest.importorskip("pythia8mc")
    plan = [adc2021.Process("W", 40, 20), adc2021.Process("LQ", 10, 10)]
    files = adc2021.make_samples(tmp_path / "out", tmp_path / "chunks", plan)
    assert [f.name for f in files] == ["adc2021_cocktail.h5", "adc2021_LQ.h5"]
    first = [f.read_bytes() for f in files]
    kept = adc2021.chunk_path(tmp_path / "chunks", "W", 0)
    stamp = kept.stat().st_mtime_ns
    adc2021.chunk_path(tmp_path / "chunks", "W", 1).unlink()
    calls = []
    adc2021.make_samples(tmp_path / "out", tmp_path / "chunks", plan, progress=lambda *a: calls.append(a))
    assert calls == [(2, 3), (3, 3)] and kept.stat().st_mtime_ns == stamp
    for f, old in zip(files, first, strict=True):
        with h5py.File(f) as new:
            assert new["Particles"].shape[1:] == (19, 4)
        events, ids, _ = read_events(f)
        f.write_bytes(old)
        again, old_ids, _ = read_events(f)
        assert np.array_equal(events.inputs, again.inputs) and np.array_equal(ids, old_ids)
    w, ids, _ = read_events(files[0])
    assert len(np.unique(ids)) == 40
    # Every event passed the filter: an electron or muon above 23 GeV.
    assert (np.maximum(w.inputs[:, 1, 0], w.inputs[:, 5, 0]) >= 46).all()
    assert w.card["processes"]["W"]["distinct_events"] == 40
    assert not list(tmp_path.rglob("*.part"))


@pytest.mark.gen
def test_chunks_of_other_settings_are_refused(tmp_path):
    pytest.importorskip("pythia8mc")
    rows = np.zeros((1, 19, 4), np.float32)
    path = adc2021.chunk_path(tmp_path, "LQ", 0)
    adc2021.save_chunk(adc2021.Chunk(rows, 1, 1.0, 1, "{}"), path)
    with pytest.raises(DataError, match="was made with other settings"):
        adc2021.assemble(tmp_path, tmp_path, [adc2021.Process("LQ", 1, 1)])
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(DataError, match="is not a chunk of events"):
        adc2021.load_chunk(path, adc2021.Settings())


@pytest.mark.gen
def test_copies_share_their_event(tmp_path):
    pytest.importorskip("pythia8mc")
    plan = [adc2021.Process("W", 10, 10, copies=3)]
    (file,) = adc2021.make_samples(tmp_path, tmp_path / "chunks", plan)
    events, ids, _ = read_events(file)
    assert len(events) == 30 and np.array_equal(np.unique(ids, return_counts=True)[1], [3] * 10)
    for i in np.unique(ids):
        pt = events.inputs[ids == i, :, 0]
        assert (pt == pt[0]).all()
