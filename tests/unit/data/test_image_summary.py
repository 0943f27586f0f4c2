from dataclasses import replace

import awkward as ak
import h5py
import numpy as np
import pytest
import uproot
from scipy.io import savemat
from typer.testing import CliRunner

from l1trigger.cli import app
from l1trigger.data import describe, image_summary
from l1trigger.data.classes import labelled
from l1trigger.data.events import Events, save_events
from l1trigger.data.sources.l1ntuple import EMULATED
from l1trigger.errors import DataError


def images(n=40, channels=2, names=("top", "light")):
    """Pixels 1 for class 0, 3 for class 1 in channel 0; two pixels of 7 in channel 1."""
    index = np.arange(n) % 4 == 0
    pixels = np.zeros((n, 4, 4, channels), np.int16)
    pixels[..., 0] = np.where(index, 3, 1)[:, None, None]
    pixels[:, 1, 2:4, 1:] = 7
    events = Events.unweighted("made", pixels, {"title": "synthetic"})
    return labelled(events, names, index, names)


def test_figures_of_a_sample_and_of_its_classes(tmp_path):
    save_events(images(), tmp_path / "train.h5", layout="inputs")
    found = describe.describe(tmp_path / "train.h5").summary
    assert found["images"] == {
        "shape": "4 x 4 x 2", "smallest pixel": 0, "largest pixel": 7, "events": 40,
        "mean sum": 38.0, "standard deviation of the sum": 13.86,  # 30 or 62, three to one
        "mean share of pixels above zero": 0.5625, "mean sum of channel 0": 24.0, "mean sum of channel 1": 14.0,
    }
    assert {name: f["events"] for name, f in found["classes"].items()} == {"top": 30, "light": 10}
    assert found["classes"]["light"]["mean sum of channel 0"] == 48
    assert found["classes"]["light"]["standard deviation of the sum"] == 0
    assert found["card"]["classes"] == ["top", "light"]


def test_classes_without_names_or_labels():
    events = images()
    assert list(image_summary.by_class(replace(events, card={}))) == ["class 0", "class 1"]
    assert list(image_summary.by_class(replace(events, truth={}))) == ["images"]
    told = replace(events, truth={"label": np.ones(40)})
    assert list(image_summary.by_class(told)) == ["e/gamma"]


@pytest.mark.parametrize(("channels", "classes"), [(1, 1), (1, 10), (3, 2), (2, 5)])
def test_info_draws_images(tmp_path, channels, classes):
    names = tuple(f"digit_{k}" for k in range(classes))
    rng = np.random.default_rng(1)
    events = Events.unweighted("made", rng.poisson(2, (60, 5, 4, channels)).astype(np.int16))
    save_events(labelled(events, names, np.arange(60) % classes, names), tmp_path / "a.h5", layout="inputs")
    picture = tmp_path / "a.png"
    done = CliRunner().invoke(app, ["data", "info", str(tmp_path / "a.h5"), "--plot", str(picture)])
    assert done.exit_code == 0, done.output
    assert picture.read_bytes()[:4] == b"\x89PNG"
    assert f"shape: 5 x 4 x {channels}" in done.output
    assert f"digit_{classes - 1}" in done.output


def test_info_of_images_that_are_all_zero_can_be_drawn(tmp_path):
    save_events(Events.unweighted("none", np.zeros((3, 4, 4, 1), np.int16)), tmp_path / "a.h5", layout="inputs")
    found = describe.describe(tmp_path / "a.h5")
    assert found.summary["images"]["mean sum"] == 0
    assert describe.plot(found, tmp_path / "a.png").exists()


def test_info_knows_the_public_layouts(tmp_path):
    pixels = np.full((32, 32, 3, 20), 9, np.uint8)
    savemat(tmp_path / "a.mat", {"X": pixels, "y": np.arange(20)[:, None] % 10 + 1})
    found = describe.describe(tmp_path / "a.mat", first=15).summary
    assert (found["format"], found["events"], found["events read"]) == ("SVHN", 20, 15)
    assert found["images"]["mean sum"] == 27_650  # 9 * 3072 in four digits
    assert found["classes"]["digit_0"]["events"] == 1
    assert found["classes"]["digit_5"]["events"] == 2
    with h5py.File(tmp_path / "b.h5", "w") as f:
        f["CaloRegions"], f["AcceptanceFlag"] = np.full((6, 18, 14), 2), np.zeros(6)
    found = describe.describe(tmp_path / "b.h5").summary
    assert (found["format"], found["events"]) == ("CICADA", 6)
    assert found["regions"]["mean sum of ET [GeV]"] == 252
    with h5py.File(tmp_path / "b.h5", "w") as f:
        f["CaloRegions"] = np.full((6, 14, 18), 2)
    with pytest.raises(DataError, match="exchange the axes"):
        describe.describe(tmp_path / "b.h5")


def test_info_knows_towers_of_ntuples(tmp_path):
    with uproot.recreate(tmp_path / "a.root") as f:
        for tree in (EMULATED, "l1EventTree/L1EventTree"):
            f.mktree(tree, dict.fromkeys(("iet", "ieta", "iphi"), "var * int16"))
            f[tree].extend({name: ak.Array([[1, 2], [3], []]) for name in ("iet", "ieta", "iphi")})
    found = describe.describe(tmp_path / "a.root").summary
    assert (found["format"], found["events"]) == ("L1Ntuple", 3)
    assert found["regions"]["mean sum of ET [GeV]"] == 1
    with pytest.raises(DataError, match="has no tree 'other'"):
        describe.describe(tmp_path / "a.root", tree="other")
