"""Samples made from a synthetic pool, and the source that reads them."""

import json

import numpy as np
import pytest
import synthetic_pool

from l1trigger.data import zerobias
from l1trigger.data.events import load_events, save_events
from l1trigger.data.pool_rows import TEST_BLOCKS, TRAIN_BLOCKS
from l1trigger.data.sources.zerobias import ZeroBias, ZeroBiasOptions
from l1trigger.data.zerobias import SampleSpec, make_samples, specs
from l1trigger.errors import DataError, DesignError
from l1trigger.package_files import samples_folder

WANTED = specs(1000, 1500, 50, 60, signals=("A4l",))


@pytest.fixture(scope="module")
def pool(tmp_path_factory):
    return synthetic_pool.make(tmp_path_factory.mktemp("pool"), scale=20.0)


@pytest.fixture(scope="module")
def samples(pool, tmp_path_factory):
    out = tmp_path_factory.mktemp("samples")
    make_samples(out, pool, WANTED, pileup=5.0)
    return out


def test_training_and_test_share_no_row(samples):
    train, test = (load_events(samples / f"zerobias_{n}.h5") for n in ("train", "test"))
    assert set(train.block) <= set(TRAIN_BLOCKS)
    assert set(test.block) == set(TEST_BLOCKS)
    assert not (set(train.row) & set(test.row)) - {-1}


def test_weights_are_probabilities(samples):
    train, test = (load_events(samples / f"zerobias_{n}.h5") for n in ("train", "test"))
    assert train.equally_weighted
    assert len(train) == 1000
    assert not test.equally_weighted
    assert test.weight.sum() == pytest.approx(1)
    for b in TEST_BLOCKS:  # every block is a whole sample of its own
        assert test.weight[test.block == b].sum() == pytest.approx(1 / len(TEST_BLOCKS))


def test_card_says_how(samples):
    card = load_events(samples / "zerobias_test.h5").card
    assert card["pileup"] == 5.0
    assert sum(c["stratum_probability"] for c in card["classes"]) == pytest.approx(1)
    assert sum(c["crossings"] for c in card["classes"]) == len(load_events(samples / "zerobias_test.h5"))
    assert card["approximations"]
    json.dumps(card)


def test_interrupted_making_goes_on_and_gives_the_same(pool, samples, tmp_path, monkeypatch):
    made = []
    original = zerobias._make_block

    def count(spec, block, path, *rest):
        made.append(path.name)
        if len(made) == 4:
            raise KeyboardInterrupt
        original(spec, block, path, *rest)

    monkeypatch.setattr(zerobias, "_make_block", count)
    monkeypatch.setattr(zerobias.parallel, "run", lambda f, jobs, *_, **__: [count(*j) for j in jobs])
    with pytest.raises(KeyboardInterrupt):
        make_samples(tmp_path, pool, WANTED, pileup=5.0)
    finished = made[:3]
    made.clear()
    made.extend(["x"] * 4)  # past the interruption
    make_samples(tmp_path, pool, WANTED, pileup=5.0)
    assert not set(finished) & set(made)
    for f in samples.glob("*.h5"):
        layout = "regions" if f.stem.startswith("regions") else "objects"
        a, b = (load_events(folder / f.name, layout) for folder in (samples, tmp_path))
        np.testing.assert_array_equal(a.inputs, b.inputs)
        np.testing.assert_array_equal(a.weight, b.weight)


def test_source_keeps_validation_apart(samples):
    data = ZeroBias(ZeroBiasOptions(folder=samples)).load()
    assert not set(data.train.block) & set(data.validation.block)
    assert [s.name for s in data.signals] == ["A4l"]
    assert data.zero_bias
    images = ZeroBias(ZeroBiasOptions(folder=samples, layout="regions")).load()
    assert images.test.inputs.shape[1:] == (18, 14)


def test_unknown_signal_lists_the_known(samples):
    with pytest.raises(DesignError, match=r"no signal 'A41'.*did you mean 'A4l'"):
        ZeroBias(ZeroBiasOptions(folder=samples, signals=("A41",))).load()


def test_overlapping_train_and_test_are_refused(samples, tmp_path):
    for f in samples.glob("*.h5"):
        (tmp_path / f.name).write_bytes(f.read_bytes())
    save_events(load_events(samples / "zerobias_test.h5"), tmp_path / "zerobias_train.h5")
    with pytest.raises(DataError, match="share the pool blocks"):
        ZeroBias(ZeroBiasOptions(folder=tmp_path)).load()


@pytest.mark.parametrize("cut", [0, 1000])
def test_damaged_sample_is_named(samples, tmp_path, cut):
    path = tmp_path / "zerobias_train.h5"
    path.write_bytes((samples / "zerobias_train.h5").read_bytes()[:cut])
    with pytest.raises(DataError, match=r"zerobias_train\.h5: cannot be read"):
        load_events(path)


def test_shipped_samples_are_what_the_issue_of_rates_needs():
    """Sizes, disjoint blocks and unit weights of what ships with the package."""
    data = ZeroBias(ZeroBiasOptions()).load()
    assert len(data.train) + len(data.validation) >= 200_000
    assert len(data.test) >= 100_000
    assert {s.name for s in data.signals} >= {"A4l", "LQ", "h0tt", "hctn", "ttbar"}
    assert all(len(s) >= 5000 for s in data.signals)
    assert len(np.unique(data.test.block)) >= 8
    assert data.test.weight.sum() == pytest.approx(1)
    assert sum(f.stat().st_size for f in samples_folder().glob("*.h5")) <= 25_000_000


def test_spec_of_nothing_makes_nothing():
    assert specs(0, 0, 0) == []
    assert SampleSpec("x", "signal", 5, signal="A4l").blocks == TEST_BLOCKS
