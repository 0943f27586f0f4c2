"""A training is on disk what it was in memory, whatever its weights are called."""

import tempfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from l1trigger.contracts.architecture import Training
from l1trigger.data.scaling import ObjectInputs
from l1trigger.train.result import TrainResult

ARTEFACTS = Path(__file__).parents[3] / "models" / "artefacts"
AWKWARD = [
    "file", "args", "kwds", "allow_pickle", "self", "arr_0", "arr_1", "", " ", ".npy", "a.npy", "a", "A", "a/b", "a/B",
    "/a", "../a", "..", ".", "\0", "a\0b", "\ud800", "x" * 70_000, "weights", "ä", "a\\b", "nul", "\n",
]


def saved_and_loaded(weights):
    trained = TrainResult(
        "autoencoder", {"architecture": "autoencoder"}, ObjectInputs().scaling(),
        (Training(3, weights, {"loss": [1.0, 0.5]}, 0.5),), 0,
    )
    with tempfile.TemporaryDirectory() as folder:
        trained.save(Path(folder))
        return TrainResult.load(Path(folder)).trainings[0].weights


def require_same(weights):
    found = saved_and_loaded(weights)
    assert list(found) == list(weights)
    for name, values in weights.items():
        assert found[name].dtype == values.dtype
        np.testing.assert_array_equal(found[name], values)


def numbered(names):
    return {name: np.full(i % 3, i, np.float32) for i, name in enumerate(names)}


def test_awkward_names():
    require_same(numbered(AWKWARD))


@settings(max_examples=60, deadline=None)
@given(st.lists(st.one_of(st.sampled_from(AWKWARD), st.text(max_size=20)), unique=True, max_size=6))
def test_any_names(names):
    require_same(numbered(names))


def test_any_kind_of_array():
    require_same({"bytes": np.arange(5, dtype=np.uint8), "number": np.array(2.5), "none": np.zeros((0, 3), np.float64)})


@pytest.mark.parametrize("folder", sorted(ARTEFACTS.glob("*/train")), ids=lambda f: f.parent.name)
def test_committed_trainings_are_what_their_archives_say(folder):
    for training in TrainResult.load(folder).trainings:
        with np.load(folder / f"weights_seed{training.seed}.npz") as archive:
            assert list(training.weights) == archive.files
            for name, values in training.weights.items():
                np.testing.assert_array_equal(values, archive[name])
