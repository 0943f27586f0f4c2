import h5py
import numpy as np
import pytest
import toy_showers
from pydantic import ValidationError

from l1trigger.data import hits
from l1trigger.data.sources.clusters import ClusterFiles, ClusterOptions, read_clusters
from l1trigger.data.splits import content_id
from l1trigger.errors import DataError

NAMES = {"hits": "data", "count": "n", "label": "kind", "energy": "true"}


def made(clusters=40, seed=1, **changed):
    """Arrays of a file, in hardware units."""
    sample = toy_showers.events(clusters, seed)
    return {
        "data": sample.inputs.astype(np.float32), "n": (sample.inputs[..., 3] > 0).sum(axis=1).astype(np.uint16),
        "kind": sample.truth["label"], "true": sample.truth["energy"], **changed,
    }


def write(path, arrays):
    if path.suffix == ".npz":
        np.savez(path, **arrays)
        return path
    with h5py.File(path, "w") as f:
        for name, values in arrays.items():
            f[name] = values
    return path


def read(path, first=None, chunk=16, **options):
    wanted = ClusterOptions(background=path, **({"columns": NAMES} | options))
    return read_clusters(path, wanted, first, chunk)[0]


@pytest.mark.parametrize("suffix", ["h5", "npz"])
def test_clusters_in_hardware_units_are_taken_as_they_are(tmp_path, suffix):
    path = write(tmp_path / f"a.{suffix}", made())
    sample = toy_showers.events(40)
    found = read(path)
    assert np.array_equal(found.inputs, sample.inputs)
    assert np.array_equal(found.truth["energy"], sample.truth["energy"])
    assert np.array_equal(found.truth["label"], sample.truth["label"])
    assert np.array_equal(read(path, first=17).inputs, sample.inputs[:17])


def test_units_order_and_places_of_layers_are_converted(tmp_path):
    sample = toy_showers.events(40)
    x, y, layer, energy = np.moveaxis(sample.inputs.astype(float), 2, 0)
    places = np.concatenate([0.003 * np.arange(25), 0.075 + 0.021 * np.arange(25)])
    there = energy > 0
    physical = np.stack([energy * 0.02, np.where(there, places[layer.astype(int)], 0), x * 0.0208, y * 0.0208 + 1], 2)
    physical[..., 3] *= there
    path = write(tmp_path / "a.h5", made(data=physical.reshape(40, -1), true=sample.truth["energy"] * 1000))
    found = read(
        path, features=("energy", "layer", "x", "y"), columns=NAMES,
        units={"x": 0.0208, "y": 0.0208, "y_offset": 1.0, "energy": 0.02, "layers": places, "true_energy": 1000},
    )
    assert np.array_equal(found.inputs, sample.inputs)
    assert found.truth["energy"] == pytest.approx(sample.truth["energy"])


def test_classes_may_have_other_values_and_their_own_axis(tmp_path):
    kind = np.where(toy_showers.events(40).truth["label"] == 1, 22, 211)[:, None]
    found = read(write(tmp_path / "a.h5", made(kind=kind)), classes=(211, 22))
    assert np.array_equal(found.truth["label"], toy_showers.events(40).truth["label"])


def test_without_counts_hits_of_zero_energy_are_missing_ones(tmp_path):
    data = made()["data"]
    data[3, 0, 3] = 0  # in front of others
    found = read(write(tmp_path / "a.h5", made(data=data)), columns=NAMES | {"count": None})
    assert (found.inputs[3, :, 3] > 0).sum() == (data[3, :, 3] > 0).sum()
    assert found.inputs[3, 0, 3] == data[3, 1, 3]


def test_hits_softer_than_half_a_unit_are_dropped_and_hard_ones_saturate(tmp_path):
    data = np.zeros((40, 128, 4))
    data[:, :3, 3] = [5000, 0.4, 7]
    found = read(write(tmp_path / "a.h5", made(data=data, n=np.full(40, 3))))
    assert found.inputs[0, :3, 3].tolist() == [hits.MAX_ENERGY, 7, 0]


def test_an_empty_cluster_is_allowed(tmp_path):
    data = made()["data"]
    data[5] = 0
    n = made()["n"]
    n[5] = 0
    assert not read(write(tmp_path / "a.h5", made(data=data, n=n))).inputs[5].any()


def test_more_hits_than_places(tmp_path):
    data = np.zeros((40, 200, 4))
    data[..., 3] = np.arange(1, 201)
    path = write(tmp_path / "a.h5", made(data=data, n=np.full(40, 200)))
    assert read(path).inputs[0, :, 3].tolist() == list(range(200, 72, -1))
    with pytest.raises(DataError, match=r"event 0 has 200 hits, more than max_hits = 128\. Remedy: set data.too_many"):
        read(path, too_many="error")


def test_hits_outside_the_range_are_an_error_or_dropped(tmp_path):
    data = made()["data"]
    data[21, 2, 0] = -18
    path = write(tmp_path / "a.h5", made(data=data))
    with pytest.raises(DataError, match=r"hit 2 of event 21 in 'data' is at x = -18, y = .*17 on both sides.*drop"):
        read(path)
    found = read(path, outside="drop")
    assert (found.inputs[21, :, 3] > 0).sum() == made()["n"][21] - 1


def changed(name, place, value):
    arrays = made()
    values = arrays[name].astype(float)
    values[place] = value
    return {name: values}


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        (changed("data", (20, 3, 3), np.nan), r"energy of hits in 'data' is not finite \(nan\) in event 20"),
        (changed("data", (20, 3, 0), np.inf), r"x of hits in 'data' is not finite \(inf\) in event 20"),
        (changed("data", (20, 3, 3), -1), r"energy of hits in 'data' is negative \(-1.0\) in event 20"),
        (changed("data", (20, 3, 2), 50), "hit 3 of event 20 in 'data' is at .* layer 50 .*layers from 0 to 49"),
        (changed("data", (20, 3, 2), -2), "hit 3 of event 20 in 'data' is at .* layer -2 "),
        (changed("n", 20, 3), r"count of hits in 'n' is 3 in event 20, but hits with energy are the first \d+\. "),
        (changed("n", 20, 900), r"count of hits in 'n' is 900 in event 20"),
        (changed("n", 20, -1), r"count of hits in 'n' is negative \(-1.0\) in event 20"),
        (changed("data", (20, 3, 3), 0), r"count of hits in 'n' is (\d+) in event 20, but .* are \d+ of the first \1"),
        (changed("true", 20, 0), "true energy in 'true' is zero in event 20.*remove such events"),
        (changed("true", 20, -5), r"true energy in 'true' is negative \(-5.0\) in event 20"),
        (changed("true", 20, np.nan), "true energy in 'true' is not finite"),
        (changed("kind", 20, 2), r"class in 'kind' is 2 in event 20, neither 0 \(pion\) nor 1 .*data.classes"),
        ({"data": np.zeros((40, 128, 3))}, r"'data' has the shape \(n, 128, 3\)\. Remedy: \(n, hits, 4\)"),
        ({"data": np.zeros((40, 7))}, r"'data' has the shape \(n, 7\)"),
        ({"true": np.ones((40, 2))}, "'true' has more than one number per event"),
        ({"true": np.ones(39)}, "differ in length"),
    ],
)
@pytest.mark.parametrize("suffix", ["h5", "npz"])
def test_what_cannot_be_is_named_with_file_event_and_remedy(tmp_path, suffix, arrays, message):
    with pytest.raises(DataError, match=rf"a.{suffix}: .*{message}"):
        read(write(tmp_path / f"a.{suffix}", made(**arrays)))


@pytest.mark.parametrize("suffix", ["h5", "npz"])
def test_a_wrong_name_lists_those_that_exist(tmp_path, suffix):
    path = write(tmp_path / f"a.{suffix}", made())
    known = r"has no (dataset|array) 'dat'; did you mean 'data'\? Known: data, kind, n, true"
    with pytest.raises(DataError, match=known):
        read(path, columns=NAMES | {"hits": "dat"})


def test_files_that_are_missing_empty_or_damaged(tmp_path):
    with pytest.raises(DataError, match="does not exist"):
        read(tmp_path / "b.npz")
    (tmp_path / "a.npz").write_bytes(b"no archive")
    with pytest.raises(DataError, match="cannot be read"):
        read(tmp_path / "a.npz")
    empty = {name: values[:0] for name, values in made().items()}
    for suffix in ("h5", "npz"):
        with pytest.raises(DataError, match="holds no events"):
            read(write(tmp_path / f"e.{suffix}", empty))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"max_hits": 96}, "power of two"),
        ({"features": ("x", "y", "layer", "layer")}, "each of the features"),
        ({"classes": (1, 1)}, "different values"),
        ({"background": ()}, "at least one file"),
        ({"signal_files": {"a": "b.h5"}}, "leave out signal_files"),
        ({"units": {"layers": [1.0, 0.5]}}, "rising places"),
        ({"units": {"energy": 0.0}}, "greater than 0"),
    ],
)
def test_options_that_cannot_be(options, message):
    with pytest.raises(ValidationError, match=message):
        ClusterOptions(**({"background": "a.h5"} | options))


def test_the_source_divides_files_by_generator_event(tmp_path):
    event = np.arange(400) // 4
    arrays = made(400, event=event)
    paths = [write(tmp_path / "a.h5", arrays), write(tmp_path / "b.npz", made(400, 2, event=event + 100))]
    options = ClusterOptions(background=paths, columns=NAMES | {"event_id": "event"}, test_fraction=0.2)
    data = ClusterFiles(options).load()
    parts = [data.train, data.validation, data.test, *data.signals]
    assert sum(len(p) for p in parts) == 800
    assert set(data.test.truth["label"]) == {0}
    assert set(data.signals[0].truth["label"]) == {1}
    rows = [set(p.row) for p in parts]
    assert not rows[0] & rows[1]
    assert not (rows[0] | rows[1]) & (rows[2] | rows[3])
    assert options.files() == tuple(paths)


def test_test_files_of_their_own(tmp_path):
    paths = [write(tmp_path / f"{s}.h5", made(200, s)) for s in (1, 2)]
    data = ClusterFiles(ClusterOptions(background=paths[0], test_background=paths[1], columns=NAMES)).load()
    assert len(data.train) + len(data.validation) == 200
    assert len(data.test) + len(data.signals[0]) == 200
    with pytest.raises(DataError, match="both for training and for testing"):
        ClusterFiles(ClusterOptions(background=paths[0], test_background=paths[0], columns=NAMES)).load()
    copied = write(tmp_path / "3.h5", made(200, 1))
    with pytest.raises(DataError, match="3.h5: has the content of .*1.h5"):
        ClusterFiles(ClusterOptions(background=paths[0], test_background=copied, columns=NAMES)).load()
    with h5py.File(copied, "a") as f:
        f["another"] = 1  # not the same bytes any more
    with pytest.raises(DataError, match="of its events are also in the training sample"):
        ClusterFiles(ClusterOptions(background=paths[0], test_background=copied, columns=NAMES)).load()
    assert len(np.unique(content_id(data.train.inputs))) == len(data.train)
