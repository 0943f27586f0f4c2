"""Chunked readers of HDF5, ROOT and Parquet give the same columns, and name what is wrong with a file."""

import h5py
import numpy as np
import pytest

from l1trigger.data import object_values, readers
from l1trigger.errors import DataError

COUNT = np.array([2, 0, 3, 1, 0, 4, 1])
FLAT = np.arange(1.0, 12.0)
ID = np.arange(10, 17)
PADDED = readers.padded(FLAT, COUNT)


def write_hdf5(path):
    with h5py.File(path, "w") as f:
        f["met"] = ID * 1.5
        f["event"] = ID
        jagged = f.create_dataset("jets/pt", (7,), dtype=h5py.vlen_dtype(np.float64))
        for i, (stop, n) in enumerate(zip(np.cumsum(COUNT), COUNT, strict=True)):
            jagged[i] = FLAT[stop - n : stop]
        f["note"] = 3
    return "jets/pt"


def write_root(path):
    uproot = pytest.importorskip("uproot")
    import awkward as ak

    with uproot.recreate(path) as f:
        f["l1/objects"] = {"met": ID * 1.5, "event": ID, "jet_pt": ak.unflatten(FLAT, COUNT)}
    return "jet_pt"


def write_parquet(path):
    pa = pytest.importorskip("pyarrow")
    import pyarrow.parquet as pq

    jets = pa.ListArray.from_arrays(np.concatenate([[0], np.cumsum(COUNT)]).astype(np.int32), FLAT)
    pq.write_table(pa.table({"met": ID * 1.5, "event": ID, "jet_pt": jets}), path)
    return "jet_pt"


WRITERS = {"a.h5": write_hdf5, "a.root": write_root, "a.parquet": write_parquet}


@pytest.mark.parametrize("name", WRITERS)
@pytest.mark.parametrize("size", [1, 3, 100])
def test_all_formats_give_the_same_columns(tmp_path, name, size):
    jets = WRITERS[name](tmp_path / name)
    table = readers.open_table(tmp_path / name)
    assert len(table) == 7
    seen = list(table.chunks(["event", jets], size=size))
    assert [len(c["event"].count) for c in seen] == [min(size, 7 - s) for s in range(0, 7, size)]
    assert np.array_equal(np.concatenate([c["event"].values for c in seen]), ID)
    assert np.array_equal(np.concatenate([c[jets].count for c in seen]), COUNT)
    flat = [c[jets].values[np.arange(c[jets].values.shape[1]) < c[jets].count[:, None]] for c in seen]
    assert np.array_equal(np.concatenate(flat), FLAT)
    if size == 100:
        assert np.array_equal(seen[0][jets].values, PADDED)


@pytest.mark.parametrize("name", WRITERS)
def test_only_the_first_events(tmp_path, name):
    WRITERS[name](tmp_path / name)
    seen = list(readers.open_table(tmp_path / name).chunks(["event"], first=5, size=3))
    assert np.array_equal(np.concatenate([c["event"].values for c in seen]), ID[:5])


@pytest.mark.parametrize("name", WRITERS)
def test_a_missing_column_names_the_nearest(tmp_path, name):
    WRITERS[name](tmp_path / name)
    where = {"a.h5": "dataset", "a.root": "branch", "a.parquet": "column"}[name]
    with pytest.raises(DataError, match=rf"{name}: has no {where} 'evnt'; did you mean 'event'\? Known: event, "):
        list(readers.open_table(tmp_path / name).chunks(["evnt"]))


@pytest.mark.parametrize("name", WRITERS)
@pytest.mark.parametrize("part", [0.02, 0.3, 0.6, 0.9, 0.99])
def test_a_truncated_file_is_damaged(tmp_path, name, part):
    path = tmp_path / name
    jets = WRITERS[name](path)
    whole = path.read_bytes()
    path.write_bytes(whole[: int(len(whole) * part)])
    with pytest.raises(DataError, match=rf"{name}: cannot be read .* Remedy: the file is damaged or truncated"):
        list(readers.open_table(path).chunks(["met", "event", jets]))


def test_a_missing_file_names_its_sibling(tmp_path):
    (tmp_path / "signal_a.h5").write_bytes(b"x")
    with pytest.raises(DataError, match=r"signal_b\.h5: does not exist\.? Remedy: did you mean 'signal_a\.h5'\?"):
        readers.open_table(tmp_path / "signal_b.h5")
    with pytest.raises(DataError, match="is a folder, not a file"):
        readers.open_table(tmp_path)


def test_a_file_of_zero_bytes_or_unknown_format(tmp_path):
    (tmp_path / "a.h5").touch()
    with pytest.raises(DataError, match="is an empty file"):
        readers.open_table(tmp_path / "a.h5")
    (tmp_path / "a.csv").write_text("pt\n1\n")
    with pytest.raises(DataError, match=r"unknown suffix '\.csv'.*\.h5, .*\.root, \.parquet"):
        readers.open_table(tmp_path / "a.csv")


def test_a_table_without_events_is_refused(tmp_path):
    with h5py.File(tmp_path / "a.h5", "w") as f:
        f["event"] = np.zeros(0)
    with pytest.raises(DataError, match="holds no events"):
        list(readers.open_table(tmp_path / "a.h5").chunks(["event"]))


def test_text_columns_are_refused(tmp_path):
    with h5py.File(tmp_path / "a.h5", "w") as f:
        f["name"] = np.array([b"x", b"y"])
    with pytest.raises(DataError, match="dataset 'name' is not numeric"):
        list(readers.open_table(tmp_path / "a.h5").chunks(["name"]))


def test_datasets_of_different_length_are_refused(tmp_path):
    with h5py.File(tmp_path / "a.h5", "w") as f:
        f["a"], f["b"] = np.zeros(3), np.zeros(4)
    with pytest.raises(DataError, match=r"its datasets differ in length \(a: 3, b: 4\)"):
        list(readers.open_table(tmp_path / "a.h5").chunks(["a", "b"]))


def test_null_values_are_refused(tmp_path):
    pa = pytest.importorskip("pyarrow")
    import pyarrow.parquet as pq

    pq.write_table(pa.table({"met": [1.0, None]}), tmp_path / "a.parquet")
    with pytest.raises(DataError, match=r"column 'met' has missing values \(null\)"):
        list(readers.open_table(tmp_path / "a.parquet").chunks(["met"]))


def test_two_trees_need_a_choice(tmp_path):
    uproot = pytest.importorskip("uproot")
    with uproot.recreate(tmp_path / "a.root") as f:
        f["one"], f["two"] = {"met": ID * 1.0}, {"met": ID * 2.0}
    with pytest.raises(DataError, match=r"holds 2 trees\.? Remedy: set the key tree to one of: one, two"):
        readers.open_table(tmp_path / "a.root")
    chunk = next(readers.open_table(tmp_path / "a.root", "two").chunks(["met"]))
    assert np.array_equal(chunk["met"].values, ID * 2.0)


def test_fields_of_compound_datasets(tmp_path):
    rows = np.array([(1.5, 7), (2.5, 8)], dtype=[("pt", "f4"), ("run", "i8")])
    with h5py.File(tmp_path / "a.h5", "w") as f:
        f["events"] = rows
    chunk = next(readers.open_table(tmp_path / "a.h5").chunks(["events/run", "events/pt"]))
    assert np.array_equal(chunk["events/run"].values, [7, 8])
    assert np.array_equal(chunk["events/pt"].values, [1.5, 2.5])


def test_objects_are_sorted_within_their_class():
    objects = np.zeros((1, 19, 3))
    objects[0, 1:3, 0], objects[0, 9:12, 0], objects[0, 9:12, 1] = [3, 5], [10, 0, 20], [1, 0, 2]
    out = object_values.sort_objects(objects)
    assert np.array_equal(out[0, 1:3, 0], [5, 3])
    assert np.array_equal(out[0, 9:12, 0], [20, 10, 0])
    assert np.array_equal(out[0, 9:12, 1], [2, 1, 0])


def test_objects_that_are_not_sorted_are_named(tmp_path):
    objects = np.zeros((4, 19, 3))
    objects[:, 9:13, 0] = [30, 0, 20, 20]  # an empty place, as a jet that was dropped leaves it, and equal pT
    objects[:, 1:3, 0] = [5, 4]
    object_values.check_sorted(tmp_path / "f", "dataset 'x'", objects)
    objects[2, 11, 0] = 31
    objects[3, 2, 0] = 6
    with pytest.raises(DataError, match="dataset 'x' is not sorted: egamma 1 of event 103 has a pT of 6, above one"):
        object_values.check_sorted(tmp_path / "f", "dataset 'x'", objects, 100)
    objects[3, 2, 0] = 5
    with pytest.raises(DataError, match="jet 2 of event 102 has .* so have 0 more of the 4 .*data.unsorted to"):
        object_values.check_sorted(tmp_path / "f", "dataset 'x'", objects, 100)


@pytest.mark.parametrize(("bad", "text"), [(np.nan, "not finite"), (np.inf, "not finite"), (-1.0, "negative")])
def test_bad_values_are_named(tmp_path, bad, text):
    values = np.ones((5, 2))
    values[3, 1] = bad
    with pytest.raises(DataError, match=f"pT in column 'x' is {text} .* in event 103 and 0 more of the 5"):
        readers.check_values(tmp_path / "f", "pT in column 'x'", values, 100, negative=False)
