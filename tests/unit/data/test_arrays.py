"""A user's own numbers of any shape."""

import h5py
import numpy as np
import pytest

from l1trigger.data.doubts import doubts
from l1trigger.data.sources.arrays import ArrayOptions, Arrays, read_events
from l1trigger.errors import DataError


def write(path, **columns):
    with h5py.File(path, "w") as f:
        for name, values in columns.items():
            f[name] = values
    return path


def options(path, **more):
    return ArrayOptions.model_validate({"background": path, "columns": ["x"], **more}, strict=False)


def test_one_column_keeps_its_shape_and_several_are_flattened(tmp_path):
    x = np.arange(200 * 6).reshape(200, 3, 2) % 50 - 20.0
    path = write(tmp_path / "a.h5", x=x, m=np.arange(200) / 4)
    np.testing.assert_array_equal(read_events(path, options(path)).events.inputs, x)
    both = read_events(path, options(path, columns=["m", "x"], units=[0.25, 2.0])).events.inputs
    np.testing.assert_array_equal(both[:, 0], np.arange(200))
    np.testing.assert_array_equal(both[:, 1:], np.rint(x / 2).reshape(200, 6))
    assert read_events(path, options(path, columns=["m"])).events.inputs.shape == (200, 1)


def test_values_saturate_and_are_doubted(tmp_path):
    path = write(tmp_path / "a.h5", x=np.stack([np.linspace(-1e9, 1e9, 200), np.arange(200.0)], 1))
    data = Arrays(options(path)).load()
    assert {int(v) for v in data.train.inputs[:, 0]} == {-32768, 32767}
    assert [str(d) for d in doubts(data)] == [
        "50% of the numbers are the largest that 16 bits hold. Remedy: give the unit of the numbers (data.units)"
    ]
    assert doubts(Arrays(options(path, units=1e5)).load()) == []


def test_weights_keep_their_meaning_across_files(tmp_path):
    a = write(tmp_path / "a.h5", x=np.arange(300.0)[:, None], w=np.full(300, 3.0))
    b = write(tmp_path / "b.h5", x=np.arange(1000.0, 1300.0)[:, None], w=np.full(300, 1.0))
    test = Arrays(options([a, b], weight="w")).load().test
    of_a = test.inputs[:, 0] < 1000
    assert test.weight[of_a].sum() == pytest.approx(3 * of_a.sum() / (3 * of_a.sum() + (~of_a).sum()))


@pytest.mark.parametrize(("columns", "more", "problem"), [
    ({"x": np.array([[1.0], [np.nan]])}, {}, r"a\.h5: dataset 'x' is not finite \(nan\) in event 1"),
    ({"y": np.ones((2, 1))}, {}, "has no dataset 'x'"),
    ({"x": np.ones((2, 1)), "w": np.ones((2, 2))}, {"weight": "w"}, "more than one number per event"),
    ({"x": np.ones((2, 1)), "i": np.ones(2)}, {"event_id": "i"}, r"holds no whole numbers.*data\.event_id"),
])
def test_what_cannot_be_is_refused(columns, more, problem, tmp_path):
    path = write(tmp_path / "a.h5", **columns)
    with pytest.raises(DataError, match=problem):
        read_events(path, options(path, **more))


def test_events_of_different_length_are_refused(tmp_path):
    path = tmp_path / "a.h5"
    with h5py.File(path, "w") as f:
        ragged = f.create_dataset("x", (3,), h5py.vlen_dtype(np.float32))
        ragged[:] = [np.ones(n, np.float32) for n in (2, 3, 2)]
    with pytest.raises(DataError, match="2 numbers in some events and 3 in others. Remedy: fill them up"):
        read_events(path, options(path))
