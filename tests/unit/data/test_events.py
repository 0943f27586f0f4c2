import json
from dataclasses import replace

import h5py
import numpy as np
import pytest
from tiny import dataset, events

from l1trigger.data.events import DataSet, load_events, save_events
from l1trigger.data.sources.files import Sample, joined


def with_truth(name="egamma", n=40, seed=1):
    made = events(name, n, seed)
    return replace(made, truth={"energy": np.arange(n) + 10.5, "label": np.arange(n) % 2.0})


def test_truth_goes_along_with_the_events_that_are_selected():
    some = with_truth().select(np.array([3, 1, 30]))
    assert some.truth["energy"].tolist() == [13.5, 11.5, 40.5]
    assert some.truth["label"].tolist() == [1, 1, 0]


def test_a_file_gives_back_truth_also_of_the_first_events(tmp_path):
    made = with_truth()
    save_events(made, tmp_path / "a.h5", layout="hits")
    whole, first = (load_events(tmp_path / "a.h5", "hits", n) for n in (None, 7))
    assert set(whole.truth) == {"energy", "label"}
    assert np.array_equal(whole.truth["energy"], made.truth["energy"])
    assert whole.truth["energy"].dtype == np.float64
    assert np.array_equal(first.truth["label"], made.truth["label"][:7])


def test_a_file_without_truth_has_no_such_group_and_is_read_as_before(tmp_path):
    save_events(events("zerobias", 10, 1), tmp_path / "a.h5")
    with h5py.File(tmp_path / "a.h5") as f:
        assert "truth" not in f
    assert load_events(tmp_path / "a.h5").truth == {}


def test_the_digest_of_a_data_set_depends_on_its_truth(tmp_path):
    plain = dataset(16)  # weights of a power of two are normalized exactly
    told = replace(plain, train=replace(plain.train, truth={"energy": np.ones(16)}))
    other = replace(plain, train=replace(plain.train, truth={"energy": np.full(16, 2.0)}))
    assert len({plain.digest(), told.digest(), other.digest()}) == 3
    told.save(tmp_path)
    assert DataSet.load(tmp_path).digest() == told.digest()


def test_names_of_classes_are_kept_and_count_in_the_digest(tmp_path):
    plain = dataset(16)
    named = replace(plain, classes=("top", "light"))
    assert len({plain.digest(), named.digest(), replace(plain, classes=("light", "top")).digest()}) == 3
    named.save(tmp_path)
    assert DataSet.load(tmp_path).classes == ("top", "light")
    assert DataSet.load(tmp_path).digest() == named.digest()


def test_a_data_set_saved_without_names_of_classes_is_read_as_before(tmp_path):
    plain = dataset(16)
    plain.save(tmp_path)
    meta = json.loads((tmp_path / "data.json").read_text())
    del meta["classes"]
    (tmp_path / "data.json").write_text(json.dumps(meta))
    assert DataSet.load(tmp_path).classes == ()
    assert DataSet.load(tmp_path).digest() == plain.digest()


@pytest.mark.parametrize(("second", "kept"), [(with_truth(seed=2), {"energy", "label"}), (events("b", 5, 3), set())])
def test_files_that_are_joined_keep_the_truth_that_all_of_them_have(second, kept):
    whole = joined([Sample(e, None, len(e)) for e in (with_truth(), second)], "background").events
    assert set(whole.truth) == kept
    assert all(len(v) == len(whole) for v in whole.truth.values())
