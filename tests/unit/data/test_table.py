"""A user's own tables become the same data set from every format; what cannot be is refused by name."""

import shutil
from pathlib import Path

import h5py
import numpy as np
import pytest

from l1trigger import design
from l1trigger.data import readers
from l1trigger.data.objects import CLASSES, lsb_table, to_hardware
from l1trigger.data.readers import padded
from l1trigger.data.sources.table import Columns, Table, TableOptions, read_events
from l1trigger.errors import DataError, DesignError

COLUMNS = {
    "met": {"pt": "met", "phi": "met_phi"},
    **{c: {f: f"{c}_{f}" for f in ("pt", "eta", "phi")} for c in ("egamma", "muon", "jet")},
}


def events(n=300, seed=1):
    """Jagged columns in no order: {name: (flat, count) or array}."""
    rng = np.random.default_rng(seed)
    columns = {"met": rng.exponential(30, n), "met_phi": rng.uniform(-3, 3, n), "event": np.arange(n) // 3}
    for c in ("egamma", "muon", "jet"):
        count = rng.integers(0, 14 if c == "jet" else 4, n)
        k = count.sum()
        values = {"pt": rng.exponential(30, k) + 1, "eta": rng.uniform(-2, 2, k), "phi": rng.uniform(-3.1, 3.1, k)}
        columns |= {f"{c}_{f}": (v, count) for f, v in values.items()}
    return columns


def expected(columns):
    """The objects that the reader should find, written independently of it."""
    n = len(columns["met"])
    out = np.zeros((n, 19, 3))
    out[:, 0, 0], out[:, 0, 2] = columns["met"], columns["met_phi"]
    for c in CLASSES[1:]:
        pt, count = columns[f"{c.name}_pt"]
        stop = np.cumsum(count)
        for i in range(n):
            here = slice(stop[i] - count[i], stop[i])
            order = np.argsort(-pt[here])[: c.count]
            for f in range(3):
                flat = columns[f"{c.name}_{('pt', 'eta', 'phi')[f]}"][0]
                out[i, c.first : c.first + len(order), f] = flat[here][order]
    return to_hardware(out)


def write_hdf5(path, columns):
    with h5py.File(path, "w") as f:
        for name, c in columns.items():
            f[name] = padded(*c) if isinstance(c, tuple) else c


def write_root(path, columns):
    uproot, ak = pytest.importorskip("uproot"), pytest.importorskip("awkward")
    with uproot.recreate(path) as f:
        f["events"] = {k: ak.unflatten(*c) if isinstance(c, tuple) else c for k, c in columns.items()}


def write_parquet(path, columns):
    pa = pytest.importorskip("pyarrow")
    import pyarrow.parquet as pq

    def arrow(c):
        if not isinstance(c, tuple):
            return pa.array(c)
        return pa.ListArray.from_arrays(np.concatenate([[0], np.cumsum(c[1])]).astype(np.int32), c[0])

    pq.write_table(pa.table({k: arrow(c) for k, c in columns.items()}), path)


WRITERS = {"h5": write_hdf5, "root": write_root, "parquet": write_parquet}


def options(path, **more):
    return TableOptions.model_validate({"background": path, "columns": COLUMNS, **more})


@pytest.mark.parametrize("suffix", WRITERS)
@pytest.mark.parametrize("chunk", [7, 100_000])
def test_every_format_gives_the_same_events(tmp_path, monkeypatch, suffix, chunk):
    monkeypatch.setattr(readers, "CHUNK", chunk)
    path = tmp_path / f"a.{suffix}"
    columns = events()
    WRITERS[suffix](path, columns)
    found, ids, _ = read_events(path, Columns.model_validate(COLUMNS | {"event_id": "event"}))
    assert np.array_equal(found.inputs, expected(columns))
    assert np.array_equal(ids, columns["event"])
    assert found.equally_weighted and found.weight.sum() == pytest.approx(1, abs=1e-12)


def test_a_data_set_from_one_file(tmp_path):
    write_parquet(tmp_path / "a.parquet", events())
    write_parquet(tmp_path / "s.parquet", events(40, 2))
    given = options(
        tmp_path / "a.parquet", columns=COLUMNS | {"event_id": "event"}, signal_files={"S": tmp_path / "s.parquet"},
        zero_bias=True, colliding_bunches=2000,
    )
    data = Table(given).load()
    assert data.zero_bias and data.colliding_bunches == 2000
    rows = [set(p.row) for p in (data.train, data.validation, data.test)]
    assert sum(map(len, rows)) == 100 and len(set.union(*rows)) == 100
    assert data.signals[0].name == "S" and len(data.signals[0]) == 40
    assert given.files() == (tmp_path / "a.parquet", tmp_path / "s.parquet")


def test_weights_travel_with_the_events(tmp_path):
    columns = events() | {"w": np.linspace(0, 1, 300)}
    write_hdf5(tmp_path / "a.h5", columns)
    found, _, _ = read_events(tmp_path / "a.h5", Columns.model_validate(COLUMNS | {"weight": "w"}))
    assert np.allclose(found.weight, columns["w"] / columns["w"].sum(), rtol=1e-12)
    columns["w"][5] = np.nan
    write_hdf5(tmp_path / "a.h5", columns)
    with pytest.raises(DataError, match="weight in dataset 'w' is not finite .* in event 5"):
        read_events(tmp_path / "a.h5", Columns.model_validate(COLUMNS | {"weight": "w"}))
    write_hdf5(tmp_path / "a.h5", columns | {"w": np.zeros(300)})
    with pytest.raises(DataError, match="all weights in dataset 'w' are zero"):
        read_events(tmp_path / "a.h5", Columns.model_validate(COLUMNS | {"weight": "w"}))


def test_whole_events_that_are_not_sorted_are_refused_unless_asked_for(tmp_path):
    whole = expected(events())
    mixed = whole.copy()
    mixed[:, 9:19] = mixed[:, 18:8:-1]
    with h5py.File(tmp_path / "a.h5", "w") as f:
        f["x"] = mixed
    given = {"columns": {"objects": "x"}, "units": "hardware"}
    with pytest.raises(DataError, match="dataset 'x' is not sorted: jet .*data.unsorted to sort"):
        Table(options(tmp_path / "a.h5", **given)).load()
    data = Table(options(tmp_path / "a.h5", **given, unsorted="sort")).load()
    made = np.concatenate([e.inputs for e in (data.train, data.validation, data.test)])
    assert sorted(made[..., 0].tolist()) == sorted(whole[..., 0].tolist())


def test_whole_events_in_hardware_units(tmp_path):
    whole = expected(events())
    with h5py.File(tmp_path / "a.h5", "w") as f:
        f["x"], f["flat"], f["physical"] = whole, whole.reshape(300, 57), (whole + np.array([0.5, 0, 0])) * lsb_table()
    for name, units in (("x", "hardware"), ("flat", "hardware")):
        found, ids, _ = read_events(tmp_path / "a.h5", Columns(objects=name), units=units)
        assert np.array_equal(found.inputs, whole) and ids is None
    with pytest.raises(DataError, match=r"hardware units are whole numbers up to 4095.*data\.units to physical"):
        read_events(tmp_path / "a.h5", Columns(objects="physical"), units="hardware")


def test_identical_events_never_lie_on_both_sides(tmp_path):
    whole = expected(events())
    with h5py.File(tmp_path / "a.h5", "w") as f:
        f["x"] = np.concatenate([whole] * 4)
    data = Table(options(tmp_path / "a.h5", columns={"objects": "x"}, units="hardware")).load()
    train = {e.tobytes() for e in data.train.inputs}
    assert not train & {e.tobytes() for e in data.test.inputs}


def test_overlapping_train_and_test_are_refused(tmp_path):
    a, b, c = tmp_path / "a.h5", tmp_path / "b.h5", tmp_path / "c.h5"
    write_hdf5(a, events())
    write_hdf5(b, events(100))  # another multiplicity sequence: other events
    write_hdf5(c, events())
    with pytest.raises(DataError, match=r"a\.h5: is named both for training and for testing"):
        Table(options(a, test_background=tmp_path / "x" / ".." / "a.h5")).load()
    with h5py.File(c, "a") as f:
        f["another"] = 1  # not the same bytes any more
    with pytest.raises(DataError, match=r"c\.h5: \d+ of its events are also in the training sample"):
        Table(options(a, test_background=c)).load()
    with pytest.raises(DataError, match=r"a\.h5: is named both"):
        Table(options(a, signal_files={"S": a})).load()
    assert len(Table(options(a, test_background=b)).load().test) == 100


def test_events_that_are_given_twice_are_refused(tmp_path):
    for name, n, seed in (("a", 300, 1), ("b", 300, 2), ("s", 50, 3), ("t", 50, 4)):
        write_hdf5(tmp_path / f"{name}.h5", events(n, seed))
    a, b, copy, s = (tmp_path / f"{n}.h5" for n in ("a", "b", "copy", "s"))
    shutil.copy(a, copy)
    for more, said in (
        ({"background": [a, b, tmp_path / "x" / ".." / "a.h5"]}, r"a\.h5: is named twice"),
        ({"background": [a, b, copy]}, r"copy\.h5: has the content of .*a\.h5.*Remedy: name one of the two"),
        ({"background": {"file": [a, copy], "cross_section_pb": 1}}, r"copy\.h5: has the content of"),
        ({"background": b, "test_background": [a, copy]}, r"copy\.h5: has the content of"),
        ({"background": a, "test_background": copy}, r"copy\.h5: has the content of"),
        ({"background": a, "signal_files": {"S": copy}}, r"copy\.h5: has the content of"),
        ({"background": a, "signal_files": {"S": s, "T": s}}, r"s\.h5: is named twice"),
    ):
        with pytest.raises(DataError, match=said):
            Table(loaded(**more)).load()
    fine = Table(loaded(background=[a, b], signal_files={"S": s, "T": tmp_path / "t.h5"})).load()
    assert sum(map(len, (fine.train, fine.validation, fine.test))) == 600


def test_the_same_events_in_a_file_of_another_kind_are_refused(tmp_path):
    """A copy in another format, and one joined with other events."""
    both = {
        k: (np.concatenate([a[0], b[0]]), np.concatenate([a[1], b[1]])) if isinstance(a, tuple) else
        np.concatenate([a, b]) for (k, a), b in zip(events(300, 1).items(), events(300, 2).values(), strict=True)
    }
    write_hdf5(tmp_path / "a.h5", events(300, 1))
    write_parquet(tmp_path / "a.parquet", events(300, 1))
    write_parquet(tmp_path / "both.parquet", both)
    for name in ("a.parquet", "both.parquet"):
        with pytest.raises(DataError, match=rf"{name}: \d+ of its \d+ events with 3 objects or more .* in .*a.h5"):
            Table(loaded(background=[tmp_path / "a.h5", tmp_path / name])).load()


def loaded(**data):
    return design._validated(TableOptions, {"source": "table", "columns": COLUMNS, **data}, None, "data")


def change(name, event, value):
    def f(columns):
        flat, count = columns[name]
        flat[np.cumsum(count)[event] - count[event]] = value
    return f


def drop_last(columns):
    flat, count = columns["jet_eta"]
    count = count.copy()
    event = int(np.flatnonzero(count)[-1])
    count[event] -= 1
    columns["jet_eta"] = (flat[:-1], count)


JETS = int(np.flatnonzero(events()["jet_pt"][1])[20])


@pytest.mark.parametrize("suffix", WRITERS)
@pytest.mark.parametrize(("damage", "message"), [
    (change("jet_pt", JETS, np.nan), rf"pt in \w+ 'jet_pt' is not finite \(nan\) in event {JETS} .* Remedy: remove"),
    (change("jet_pt", JETS, -2.0), rf"pt in \w+ 'jet_pt' is negative \(-2\.0\) in event {JETS}"),
    (change("jet_eta", JETS, np.inf), rf"eta in \w+ 'jet_eta' is not finite \(inf\) in event {JETS}"),
    (lambda c: c.pop("jet_pt"), r"has no \w+ 'jet_pt'; did you mean 'jet_phi'\? Known: egamma_eta"),
])
def test_bad_columns_are_named(tmp_path, suffix, damage, message):
    columns = events()
    damage(columns)
    path = tmp_path / f"a.{suffix}"
    WRITERS[suffix](path, columns)
    with pytest.raises(DataError, match=rf"a\.{suffix}: {message}"):
        Table(options(path)).load()


@pytest.mark.parametrize("suffix", ["root", "parquet"])
def test_columns_of_different_multiplicity(tmp_path, suffix):
    columns = events()
    drop_last(columns)
    WRITERS[suffix](tmp_path / f"a.{suffix}", columns)
    with pytest.raises(DataError, match=r"eta in \w+ 'jet_eta' has \d+ entries in event \d+, but 'jet_pt' has \d+"):
        Table(options(tmp_path / f"a.{suffix}")).load()


def test_wrong_shapes(tmp_path):
    wrong = {"jet_pt": np.ones((300, 4, 2)), "w": np.ones((300, 2)), "x": np.ones((300, 5))}
    write_hdf5(tmp_path / "a.h5", events() | wrong)
    with pytest.raises(DataError, match=r"pt in dataset 'jet_pt' has the shape \(n, 4, 2\)"):
        Table(options(tmp_path / "a.h5")).load()
    with pytest.raises(DataError, match="dataset 'w' has more than one number per event"):
        read_events(tmp_path / "a.h5", Columns.model_validate({"met": COLUMNS["met"], "weight": "w"}))
    with pytest.raises(DataError, match=r"dataset 'x' has the shape \(n, 5\).*\(n, 57\) is needed"):
        read_events(tmp_path / "a.h5", Columns(objects="x"))
    with pytest.raises(DataError, match=r"event id in dataset 'met' is not an integer \(it is float64\)"):
        read_events(tmp_path / "a.h5", Columns.model_validate({"met": COLUMNS["met"], "event_id": "met"}))


def test_empty_missing_and_too_small_files(tmp_path):
    empty = {k: (c[0][:0], c[1][:0]) if isinstance(c, tuple) else c[:0] for k, c in events().items()}
    write_hdf5(tmp_path / "a.h5", empty)
    with pytest.raises(DataError, match=r"a\.h5: .*holds no events"):
        Table(options(tmp_path / "a.h5")).load()
    with pytest.raises(DataError, match=r"b\.h5: does not exist"):
        Table(options(tmp_path / "b.h5")).load()
    write_hdf5(tmp_path / "a.h5", events(2))
    with pytest.raises(DataError, match=r"leaves no events for the \w+ sample \(2 events in all\)"):
        Table(options(tmp_path / "a.h5")).load()


def test_options_name_what_is_wrong():
    def problem(data):
        with pytest.raises(DesignError) as e:
            design._validated(TableOptions, {"source": "table", **data}, None, "data")
        return str(e.value)

    assert "data.columns: is missing" in problem({"background": "a.h5"})
    assert "name at least one file under background" in problem({"columns": COLUMNS})
    assert "data.columns.jet.ptt: is not a known key" in problem(
        {"background": "a.h5", "columns": {"jet": {"pt": "a", "ptt": "b", "eta": "c", "phi": "d"}}}
    )
    assert "name the column jet.eta" in problem({"background": "a.h5", "columns": {"jet": {"pt": "a", "phi": "d"}}})
    assert "one column objects with whole events" in problem({"background": "a.h5", "columns": {}})
    assert "data.units" in problem({"background": "a.h5", "columns": COLUMNS, "units": "MeV"})
    good = {"background": "a.h5", "signal_files": {"S": "s.h5"}, "columns": COLUMNS, "units": "hardware"}
    assert design._validated(TableOptions, good, None, "data").background == (Path("a.h5"),)
