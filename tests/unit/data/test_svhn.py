import h5py
import numpy as np
import pytest
from scipy.io import savemat

from l1trigger.data.sources import svhn
from l1trigger.data.sources.svhn import Svhn, SvhnOptions
from l1trigger.errors import DataError


def arrays(n=200, seed=1):
    """X (32, 32, 3, n) and y (n, 1) with the labels 1 to 10 in turn."""
    rng = np.random.default_rng(seed)
    return {
        "X": rng.integers(0, 256, (32, 32, 3, n), dtype=np.uint8),
        "y": (np.arange(n) % 10 + 1).astype(np.uint8)[:, None],
    }


def write(path, **changed):
    savemat(path, {k: v for k, v in (arrays() | changed).items() if v is not None}, do_compression=True)
    return path


def write_hdf5(path, **changed):
    """As MATLAB does since version 7.3: 512 bytes of its own in front, all axes turned round."""
    with h5py.File(path, "w", userblock_size=512) as f:
        for key, value in (arrays() | changed).items():
            f[key] = value.T
    with path.open("r+b") as f:
        f.write(b"MATLAB 7.3 MAT-file")
    return path


@pytest.mark.parametrize("writer", [write, write_hdf5])
def test_images_and_digits_of_both_kinds_of_files(tmp_path, writer):
    known = arrays()
    read = svhn.load_images(writer(tmp_path / "a.mat"))
    assert read.images.shape == (200, 32, 32, 3)
    assert read.images.dtype == np.int16
    assert np.array_equal(read.images[7], known["X"][:, :, :, 7])
    assert read.digit[:11].tolist() == [1, 2, 3, 4, 5, 6, 7, 8, 9, 0, 1]
    few = svhn.load_images(tmp_path / "a.mat", first=13)
    assert np.array_equal(few.images, read.images[:13])
    assert np.array_equal(few.digit, read.digit[:13])


def test_the_data_set_of_three_files(tmp_path):
    for seed, name in enumerate(("train", "test", "extra")):
        write(tmp_path / f"{name}.mat", **arrays(200, seed))
    options = {"train": tmp_path / "train.mat", "test": tmp_path / "test.mat"}
    data = Svhn(SvhnOptions(**options, wanted="digit_7")).load()
    assert data.classes[:3] == ("digit_7", "digit_0", "digit_1")
    assert [len(e) for e in (data.train, data.validation, data.test, *data.signals)] == [180, 20, 180, 20]
    # Labels 1 to 10 in turn: the sevens of the test file are images 6, 16, ...
    assert np.array_equal(data.signals[0].inputs, np.moveaxis(arrays(200, 1)["X"], 3, 0)[6::10])
    assert np.bincount(data.validation.truth["class"].astype(int)).tolist() == [2] * 10
    more = SvhnOptions(**options, extra=tmp_path / "extra.mat", limit_events=150)
    data = Svhn(more).load()
    assert [len(e) for e in (data.train, data.validation, data.test, *data.signals)] == [270, 30, 135, 15]
    assert more.files() == (tmp_path / "train.mat", tmp_path / "test.mat", tmp_path / "extra.mat")


def test_a_file_for_training_and_testing_is_refused(tmp_path):
    path = write(tmp_path / "a.mat")
    with pytest.raises(DataError, match="both for training and for testing"):
        Svhn(SvhnOptions(train=path, test=path)).load()


X, Y = arrays().values()


@pytest.mark.parametrize(("changed", "message"), [
    ({"X": None}, "has no key 'X'; it holds y"),
    ({"y": None}, "has no key 'y'; it holds X"),
    ({"X": np.moveaxis(X, 3, 0)}, r"key 'X' has the shape \(200, 32, 32, 3\).*np.moveaxis\(X, 0, 3\)"),
    ({"X": X.T}, r"key 'X' has the shape \(200, 3, 32, 32\).*turn all axes round: np.transpose\(X\)"),
    ({"X": X[:, :, 0]}, r"key 'X' has the shape \(32, 32, 200\).*\(32, 32, 3, n\)"),
    ({"X": X / 255}, "key 'X' has the type float64.*uint8"),
    ({"y": Y[:-1]}, r"key 'y' has the shape \(199, 1\) for the 200 images.*\(200, 1\)"),
    ({"y": Y - 1}, "key 'y' gives image 0 the label 0, and 19 more are not among 1 to 10.*10 for the digit 0"),
    ({"y": np.where(np.arange(200)[:, None] == 5, 11, Y)}, "key 'y' gives image 5 the label 11, and 0 more"),
])
@pytest.mark.parametrize("writer", [write, write_hdf5])
def test_a_file_that_holds_something_else_is_refused(tmp_path, writer, changed, message):
    if writer is write_hdf5 and None in [v if v is None else 0 for v in changed.values()]:
        path = tmp_path / "a.mat"
        (key,) = changed
        write_hdf5(path)
        with h5py.File(path, "r+") as f:
            del f[key]
    else:
        path = writer(tmp_path / "a.mat", **changed)
    with pytest.raises(DataError, match="a.mat: " + message):
        svhn.load_images(path)


@pytest.mark.parametrize("writer", [write, write_hdf5])
@pytest.mark.parametrize("share", [0.3, 0.9])
def test_a_truncated_file_is_refused(tmp_path, writer, share):
    path = writer(tmp_path / "a.mat")
    path.write_bytes(path.read_bytes()[: int(share * path.stat().st_size)])
    with pytest.raises(DataError, match="a.mat: .*damaged or truncated"):
        svhn.load_images(path)


def test_other_files_are_refused(tmp_path):
    (tmp_path / "train_32x32.mat").write_text("<html>not found</html>")
    with pytest.raises(DataError, match="is no MATLAB file"):
        svhn.load_images(tmp_path / "train_32x32.mat")
    with pytest.raises(DataError, match="does not exist. .*did you mean 'train_32x32.mat'"):
        svhn.load_images(tmp_path / "train32x32.mat")
