from types import SimpleNamespace

import numpy as np

from l1trigger.data.regions import LARGEST
from l1trigger.quantize.image_outliers import make_image_outliers, symmetric_copies
from l1trigger.scores import base

NOTHING = {"merged": 0, "scaled": 0, "hot": 0}


def regions(n, seed=0, largest=60):
    return np.random.default_rng(seed).integers(0, largest, (n, 18, 14)).astype(np.int16)


def test_copies_are_turned_in_phi_and_mirrored_in_eta():
    images = regions(300)
    copies = symmetric_copies(images, np.random.default_rng(1))
    seen = set()
    for image, copy in zip(images, copies, strict=True):
        found = [
            (turn, mirror) for turn in range(18) for mirror in (1, -1)
            if (np.roll(image, -turn, axis=0)[:, ::mirror] == copy).all()
        ]
        assert len(found) == 1
        seen |= set(found)
    assert len(seen) == 36
    np.testing.assert_array_equal(images, regions(300))


def test_other_images_have_no_such_symmetry():
    images = np.arange(48, dtype=np.int16).reshape(2, 4, 3, 2)
    np.testing.assert_array_equal(symmetric_copies(images, np.random.default_rng(1)), images)
    np.testing.assert_array_equal(make_image_outliers(images, 50, 1, **NOTHING)[:, 0, 0, 0] % 24, 0)


def test_each_perturbation_adds_what_it_says():
    images = regions(200)
    totals = {int(i.sum()) for i in images}
    same = make_image_outliers(images, 500, 3, **NOTHING)
    assert {int(i.sum()) for i in same} <= totals
    merged = make_image_outliers(images, 500, 3, **{**NOTHING, "merged": 1})
    assert {int(i.sum()) for i in merged} <= {a + b for a in totals for b in totals}
    hot = make_image_outliers(images, 500, 3, **{**NOTHING, "hot": 1}).astype(int)
    changed = (hot != same).sum((1, 2))
    assert changed.min() >= 1 and changed.max() <= 12
    assert ((hot - same) >= 0).all()
    scaled = make_image_outliers(images, 500, 3, **{**NOTHING, "scaled": 1})
    assert 0.25 < np.std(np.log(scaled.sum((1, 2)) / same.sum((1, 2)))) < 0.35


def test_sums_saturate_as_in_hardware():
    out = make_image_outliers(np.full((4, 18, 14), 1000, np.int16), 200, 2)
    assert out.dtype == np.int16
    assert out.max() == LARGEST
    np.testing.assert_array_equal(out, make_image_outliers(np.full((4, 18, 14), 1000, np.int16), 200, 2))


def test_background_comes_first_then_its_copies_then_outliers():
    images = regions(50)
    data = SimpleNamespace(train=SimpleNamespace(inputs=images))
    taught = base.with_outliers(data, 0.5, seed=1, copies=3)
    assert taught.shape == (3 * 50 + 25, 18, 14)
    np.testing.assert_array_equal(taught[:50], images)
    np.testing.assert_array_equal(np.sort(taught[50:100].reshape(50, -1)), np.sort(images.reshape(50, -1)))
    assert (taught[50:100] != taught[100:150]).any()
