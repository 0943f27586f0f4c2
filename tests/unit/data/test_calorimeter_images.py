from dataclasses import replace

import numpy as np
import pytest
import toy_showers

from l1trigger import load_design
from l1trigger.data import describe, hits
from l1trigger.data.events import save_events
from l1trigger.data.showers import images, packed
from l1trigger.data.sources.calorimeter_images import SPECIES, CalorimeterImages, CalorimeterImagesOptions
from l1trigger.data.sources.showers import Showers, ShowersOptions
from l1trigger.errors import DataError, DesignError


def clusters(*rows):
    """One cluster with the hits (x, y, layer, energy)."""
    return hits.pad(hits.Ragged(np.array([len(rows)]), np.array(rows, np.int16)))


def pixels(image):
    return {tuple(int(i) for i in at): int(image[tuple(at)]) for at in np.argwhere(image)}


def load(**options):
    return CalorimeterImages(CalorimeterImagesOptions(**options)).load()


@pytest.fixture
def folder(tmp_path):
    """Both files, 400 clusters each."""
    made = toy_showers.events(400)
    packed.save(made, tmp_path / "showers.h5")
    extra = toy_showers.events(400, seed=2)
    truth = {**extra.truth, "pdg": np.resize([111.0, 13.0], 400), "label": np.zeros(400)}
    packed.save(replace(extra, truth=truth, row=extra.row + 1_000_000), tmp_path / "showers_extra.h5")
    return tmp_path


def test_hits_of_a_tower_add_up_in_slices_of_depth():
    image, saturated = images.to_images(clusters(
        (0, 0, 0, 500), (0, 0, 13, 40), (0, 0, 14, 7), (0, 0, 27, 8), (0, 0, 28, 9), (0, 0, 49, 10), (-3, 5, 30, 11),
    ))
    assert image.shape == (1, 32, 32, 3)
    assert pixels(image[0]) == {(16, 16, 0): 540, (16, 16, 1): 15, (16, 16, 2): 19, (13, 21, 2): 11}
    assert saturated == 0


def test_hits_outside_of_the_image_are_dropped():
    corners = clusters((-16, -16, 0, 9), (15, 15, 0, 8), (16, 0, 0, 7), (0, -17, 0, 6))
    assert pixels(images.to_images(corners)[0][0]) == {(0, 0, 0): 9, (31, 31, 0): 8}
    assert len(pixels(images.to_images(corners, size=images.MOST)[0][0])) == 4
    assert pixels(images.to_images(clusters((0, 0, 3, 5), (0, 0, 4, 6)), slices=(4,))[0][0]) == {(16, 16, 0): 6}


def test_pixels_drop_low_bits_of_their_sum_and_saturate():
    rows = [(0, 0, layer, 1023) for layer in range(5)] + [(1, 0, 0, 7)]
    image, saturated = images.to_images(clusters(*rows), bits=12)
    assert pixels(image[0]) == {(16, 16, 0): 4095, (17, 16, 0): 7}
    assert saturated == 1
    image, saturated = images.to_images(clusters(*rows), bits=12, drop=2)
    assert pixels(image[0]) == {(16, 16, 0): 5115 // 4, (17, 16, 0): 1}
    assert saturated == 0


def test_many_clusters_are_taken_in_parts(monkeypatch):
    inputs = toy_showers.events(50).inputs
    whole, _ = images.to_images(inputs)
    monkeypatch.setattr(images, "_AT_ONCE", 7)
    assert np.array_equal(images.to_images(inputs)[0], whole)
    near = (np.abs(inputs[..., :2] + 0.5) < 16).all(axis=2)
    assert np.array_equal(whole.sum(axis=(1, 2, 3)), (inputs[..., 3] * near).sum(axis=1))


def test_each_species_is_a_class_unless_told_otherwise(folder):
    data = load(folder=folder)
    assert data.classes == tuple(SPECIES)
    assert [len(e) for e in (data.train, data.validation, data.test, *data.signals)] == [560, 80, 140, 20]
    assert data.train.inputs.shape[1:] == (32, 32, 3)
    for e in (data.train, data.validation, *data.evaluated):
        for k, codes in enumerate(SPECIES.values()):
            assert set(e.truth["pdg"][e.truth["class"] == k]) <= set(codes)
    assert data.signals[0].name == "electron"
    assert set(data.test.truth["class"]) == {1, 2, 3, 4}
    assert set(data.test.block) == set(data.signals[0].block) == {8, 9}
    assert set(data.validation.block) == {7}
    assert {"energy", "label"} < set(data.test.truth)
    assert data.train.card["images"]["layers"] == [[0, 13], [14, 27], [28, 49]]


def test_classes_are_made_of_species(folder):
    data = load(folder=folder, classes={"egamma": ["electron", "photon"], "pion": "pion"}, wanted="pion")
    assert data.classes == ("pion", "egamma")
    assert set(np.abs(data.signals[0].truth["pdg"])) == {211}
    assert set(data.test.truth["pdg"]) == {11, 22}
    options = CalorimeterImagesOptions(folder=folder, classes={"a": "pi0", "b": "muon"})
    assert [p.name for p in options.files()] == ["showers_extra.h5"]


def test_a_design_may_write_one_species_or_several(tmp_path):
    (tmp_path / "a.yaml").write_text(
        "name: a\ntask: classification\ndata:\n  source: calorimeter_images\n  classes: {egamma: [electron, photon], "
        "mu: muon}\n  slices: [0, 28]\nmodel: {architecture: cnn, image: [32, 32, 2], classes: 2, layers: []}\n"
        "compress: {score: class_margin, threshold: {false_positive_rate: 0.01}}\n"
    )
    options = load_design(tmp_path / "a.yaml").data
    assert options.classes == {"egamma": ("electron", "photon"), "mu": ("muon",)}
    assert options.slices == (0, 28)
    with pytest.raises(DesignError, match="data.classes.*there is no species 'e'"):
        load_design(tmp_path / "a.yaml", ["data.classes={a: e, b: muon}"])


def test_for_energies_images_are_divided_as_clusters_are(folder):
    data, known = load(folder=folder, target="energy"), Showers(ShowersOptions(folder=folder)).load()
    assert data.classes == ()
    assert [e.name for e in data.evaluated] == ["pion", "egamma"]
    for made, cluster in zip((data.train, *data.evaluated), (known.train, *known.evaluated), strict=True):
        order = np.argsort(made.row)
        assert made.row[order].tolist() == cluster.row.tolist()
        assert np.array_equal(made.truth["energy"][order], cluster.truth["energy"])
        assert np.array_equal(made.inputs[order], images.to_images(cluster.inputs)[0])


def test_features_follow_the_pixels(folder, tmp_path):
    data, plain = load(folder=folder, features=True), load(folder=folder)
    pixels = plain.train.inputs.astype(int)
    assert data.train.inputs.shape == (560, 3072 + 9)
    assert data.train.inputs.dtype == np.int16
    assert np.array_equal(data.train.inputs[:, :3072].reshape(-1, 32, 32, 3), pixels)
    for k in range(3):
        mine = pixels[..., k].reshape(560, -1)
        known = [mine.sum(1) // 16, np.count_nonzero(mine, axis=1), mine.max(1) // 8]
        assert np.array_equal(data.train.inputs[:, 3072 + 3 * k : 3075 + 3 * k].T, known)
    full = np.full((1, 8, 8, 1), 2**15 - 1, np.int16)
    assert images.features(full).tolist() == [[4095, 64, 4095]]
    save_events(data.train, tmp_path / "train.h5", layout="inputs")
    found = describe.describe(tmp_path / "train.h5").summary
    assert found["images"]["shape"] == "32 x 32 x 3"
    assert found["images"]["mean sum"] == pytest.approx(pixels.sum() / 560, rel=1e-3)


def test_the_first_images_are_of_all_files(folder):
    assert len(set(load(folder=folder).train.truth["class"][:60])) == 5


def test_shipped_images():
    data = load(limit_events=1000, classes={"muon": "muon", "pi0": "pi0", "egamma": ("electron", "photon")})
    assert data.signals[0].name == "muon"
    mean = [data.train.inputs[data.train.truth["class"] == k].sum(axis=(1, 2, 3)).mean() for k in range(3)]
    assert mean[0] < 0.3 * mean[1]
    assert mean[2] == pytest.approx(mean[1], rel=0.1)  # same mean energy, both showers of photons or electrons
    assert data.train.inputs.max() < 2**12 - 1


@pytest.mark.parametrize(("options", "message"), [
    ({"classes": {"a": "electron", "b": "foton"}}, "there is no species 'foton'; did you mean 'photon'"),
    ({"classes": {"a": "muon", "b": ["pion", "muon"]}}, "muon belongs to two classes"),
    ({"classes": {"a": "muon"}}, "at least two classes"),
    ({"classes": {"a": "muon", "b": []}}, "at least two classes, each with at least one species"),
    ({"slices": (0, 28, 14)}, "first layer of each slice, rising, within 0 to 49"),
    ({"slices": (0, 50)}, "rising, within 0 to 49"),
    ({"slices": ()}, "rising, within 0 to 49"),
    ({"target": "energy", "wanted": "pion"}, "target energy has the classes egamma and pion"),
    ({"size": 36}, "less than or equal to 35"),
    ({"pixel_bits": 16}, "less than or equal to 15"),
])
def test_options_that_cannot_be(options, message):
    with pytest.raises(ValueError, match=message):
        CalorimeterImagesOptions(**options)


def test_a_missing_file_or_class_is_named(folder):
    with pytest.raises(DesignError, match="data.wanted: there is no class 'pi'.*pion"):
        load(folder=folder, wanted="pi")
    (folder / "showers_extra.h5").unlink()
    with pytest.raises(DataError, match="showers_extra.h5: does not exist. .*data make showers --extra"):
        load(folder=folder)
    some = toy_showers.events(400)
    packed.save(some.select(some.block != 7), folder / "showers.h5")
    with pytest.raises(DataError, match="no event of the class electron for the validation sample"):
        load(folder=folder, classes={"electron": "electron", "pion": "pion"})
