"""The summary of a file is right by hand, and every supported file gives a picture."""

import h5py
import numpy as np
import pytest

from l1trigger.data import adc2021, describe
from l1trigger.data.events import Events, save_events
from l1trigger.data.sources.table import Columns
from l1trigger.errors import DataError


def sample(name="zerobias", n=40):
    """Half of the events have one e/gamma of 10 GeV and jets of 20 and 30 GeV, and weigh three times as much."""
    inputs = np.zeros((n, 19, 3), np.int16)
    inputs[:, 0] = [12, 0, 5]
    inputs[::2, 1] = [20, 3, -70]
    inputs[::2, 9] = [60, -60, 1]
    inputs[::2, 10] = [40, 60, 2]
    weight = np.tile([3.0, 1.0], n // 2)
    block, row = np.arange(n, dtype=np.int16) % 5, np.arange(n, dtype=np.int32) // 2
    return Events(name, inputs, weight / weight.sum(), block, row, {"versions": {"pythia8mc": "8.317"}})


def png(path):
    return path.read_bytes()[:8] == b"\x89PNG\r\n\x1a\n" and path.stat().st_size > 10_000


def test_a_sample_of_the_package(tmp_path):
    save_events(sample(), tmp_path / "a.h5")
    d = describe.describe(tmp_path / "a.h5")
    s = d.summary
    assert (s["events"], s["sample"], s["blocks"], s["distinct rows"]) == (40, "zerobias", 5, 20)
    # (sum w)^2 / sum w^2 with weights 3 and 1
    assert s["effective events"] == round(80**2 / (20 * 9 + 20))
    assert s["weights"] == "0.0125 to 0.0375"
    egamma, jet = s["objects"]["egamma"], s["objects"]["jet"]
    assert egamma["share of events"] == 0.75 and egamma["mean pT [GeV]"] == 10.0
    assert jet["mean multiplicity"] == 1.5 and jet["mean pT [GeV]"] == 25.0 and jet["mean leading pT [GeV]"] == 30.0
    assert s["objects"]["muon"]["mean pT [GeV]"] == 0.0 and s["objects"]["met"]["mean pT [GeV]"] == 6.0
    assert s["objects"]["all"]["mean sum of pT [GeV]"] == 0.75 * 60
    assert s["card"] == {"versions": {"pythia8mc": "8.317"}}
    assert "zerobias" in describe.summary_json(d)
    assert png(describe.plot(d, tmp_path / "a.png"))


def test_a_sample_of_regions(tmp_path):
    regions = np.zeros((30, 18, 14), np.int16)
    regions[:, 2, 3], regions[:, 5, 5] = 8, 2
    save_events(Events.unweighted("regions", regions), tmp_path / "r.h5", layout="regions")
    d = describe.describe(tmp_path / "r.h5")
    assert d.summary["regions"] == {
        "mean sum of ET [GeV]": 5.0, "mean non-zero regions": 2.0, "mean largest region [GeV]": 4.0,
    }
    assert d.summary["weights"] == "equal" and d.summary["blocks"] == "unknown"
    assert d.objects is None and png(describe.plot(d, tmp_path / "r.png"))


def test_a_file_in_the_public_layout(tmp_path):
    rows = np.zeros((20, 19, 4))
    rows[:, 0], rows[:, 1] = [15, 0, 1, 1], [30, 1, 2, 2]
    adc2021.write(tmp_path / "a.h5", rows, np.arange(20) // 4, {"name": "x", "generator_settings": {}})
    d = describe.describe(tmp_path / "a.h5", first=8)
    assert (d.summary["format"], d.summary["events"], d.summary["events read"]) == ("ADC2021", 20, 8)
    assert d.summary["distinct rows"] == 2
    assert d.summary["objects"]["egamma"]["mean pT [GeV]"] == 30.0
    assert png(describe.plot(d, tmp_path / "a.png"))


def test_tables_with_and_without_meaning(tmp_path):
    pa, pq = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    jets = [[30.0, 50.0], [], [np.nan]] * 10
    columns = {"met": np.arange(30.0), "phi": np.zeros(30), "jet_pt": jets, "name": ["a"] * 30}
    pq.write_table(pa.table(columns), tmp_path / "a.parquet")
    d = describe.describe(tmp_path / "a.parquet")
    assert d.summary["events"] == 30 and d.objects is None
    assert d.summary["columns"]["met"] == {
        "entries": 30, "not finite": 0, "mean": 14.5, "smallest": 0.0, "largest": 29.0,
    }
    assert d.summary["columns"]["jet_pt"]["not finite"] == 10 and d.summary["columns"]["jet_pt"]["entries"] == 30
    assert "is not numeric" in d.summary["columns"]["name"]
    assert png(describe.plot(d, tmp_path / "a.png"))
    columns = Columns.model_validate({"met": {"pt": "met", "phi": "phi"}})
    named = describe.describe(tmp_path / "a.parquet", columns=columns)
    assert named.summary["objects"]["met"]["mean pT [GeV]"] == pytest.approx(15.0)  # of those above zero
    assert png(describe.plot(named, tmp_path / "b.png"))


def test_a_root_file(tmp_path):
    uproot = pytest.importorskip("uproot")
    with uproot.recreate(tmp_path / "a.root") as f:
        f["t"] = {"met": np.arange(30.0)}
    d = describe.describe(tmp_path / "a.root")
    assert d.summary["columns"]["met"]["mean"] == 14.5 and png(describe.plot(d, tmp_path / "a.png"))


def test_what_cannot_be_described(tmp_path):
    with pytest.raises(DataError, match=r"b\.h5: does not exist"):
        describe.describe(tmp_path / "b.h5")
    (tmp_path / "b.txt").write_text("hello")
    with pytest.raises(DataError, match=r"unknown suffix '\.txt'"):
        describe.describe(tmp_path / "b.txt")
    with h5py.File(tmp_path / "c.h5", "w") as f:
        f["note"] = np.array([b"only text"])
    d = describe.describe(tmp_path / "c.h5")
    with pytest.raises(DataError, match=r"c\.h5: has no numeric column to draw"):
        describe.plot(d, tmp_path / "c.png")
    with h5py.File(tmp_path / "d.h5", "w") as f:
        f["x"] = np.zeros(0)
    with pytest.raises(DataError, match=r"d\.h5: holds no events"):
        describe.describe(tmp_path / "d.h5")
    save_events(sample(), tmp_path / "a.h5")
    whole = (tmp_path / "a.h5").read_bytes()
    (tmp_path / "a.h5").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(DataError, match=r"a\.h5: "):
        describe.describe(tmp_path / "a.h5")


def test_a_picture_that_cannot_be_written(tmp_path):
    save_events(sample(), tmp_path / "a.h5")
    d = describe.describe(tmp_path / "a.h5")
    with pytest.raises(DataError, match=r"a\.xyz: could not be written"):
        describe.plot(d, tmp_path / "a.xyz")
    with pytest.raises(DataError, match=r"no/a\.png: could not be written"):
        describe.plot(d, tmp_path / "no" / "a.png")
    assert not list(tmp_path.glob("*.part"))
