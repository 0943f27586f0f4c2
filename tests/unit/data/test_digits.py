import numpy as np
import pytest
from sklearn.datasets import load_digits

from l1trigger.contracts.source import SOURCES
from l1trigger.data import classes
from l1trigger.data.events import DataSet, Events
from l1trigger.data.sources.digits import NAMES, Digits, DigitsOptions
from l1trigger.errors import DataError, DesignError


def load(**options):
    return Digits(DigitsOptions(**options)).load()


def whole(data):
    """All images, and the name of the class of each."""
    parts = (data.train, data.validation, *data.evaluated)
    inputs = np.concatenate([p.inputs for p in parts])
    return inputs, np.array(data.classes)[np.concatenate([p.truth["class"] for p in parts]).astype(int)]


def test_digits_are_found_as_a_plugin():
    assert SOURCES.get("digits") is Digits


def test_every_image_is_in_one_sample_with_its_digit():
    data = load()
    inputs, names = whole(data)
    found = load_digits()
    made = sorted((name, *image.ravel().tolist()) for name, image in zip(names, inputs, strict=True))
    known = sorted((NAMES[t], *map(int, i.ravel())) for t, i in zip(found.target, found.images, strict=True))
    assert made == known
    assert inputs.shape == (1797, 8, 8, 1)
    assert inputs.dtype == np.int16


def test_each_digit_is_divided_alike():
    data = load()
    assert data.classes == NAMES
    test = np.concatenate([e.truth["class"] for e in data.evaluated])
    for part, share in ((data.validation.truth["class"], 0.07), (test, 0.3)):
        number = np.bincount(part.astype(int), minlength=10)
        all_of_them = np.bincount(load_digits().target)
        assert np.abs(number - share * all_of_them).max() <= 1
    assert not data.zero_bias


def test_the_wanted_digit_comes_first_and_is_the_signal():
    data = load(wanted="digit_4")
    assert data.classes == ("digit_4", *(n for n in NAMES if n != "digit_4"))
    (signal,) = data.signals
    assert signal.name == "digit_4"
    assert set(signal.truth["class"]) == {0}
    assert set(data.test.truth["class"]) == set(range(1, 10))
    assert data.test.name == "others"
    first = load()
    assert np.array_equal(first.signals[0].inputs, load(wanted="digit_0").signals[0].inputs)
    _, names = whole(data)
    assert sorted(names) == sorted(whole(first)[1])


def test_the_division_follows_from_the_seed():
    assert load().digest() == load().digest()
    assert load().digest() != load(seed=2).digest()


def test_images_are_enlarged_by_repeating_pixels():
    small, large = load(), load(size=32, channels=3)
    assert large.train.inputs.shape[1:] == (32, 32, 3)
    for channel in range(3):
        assert np.array_equal(large.train.inputs[:, 2::4, 1::4, channel], small.train.inputs[..., 0])
    assert np.array_equal(large.train.inputs[:, 0::4], large.train.inputs[:, 3::4])


def test_data_of_digits_survive_a_file(tmp_path):
    data = load()
    data.save(tmp_path)
    again = DataSet.load(tmp_path)
    assert again.classes == data.classes
    for a, b in zip((again.train, *again.evaluated), (data.train, *data.evaluated), strict=True):
        assert np.array_equal(a.inputs, b.inputs)
        assert np.array_equal(a.truth["class"], b.truth["class"])
    assert again.train.card["scikit-learn"]


def test_a_digit_or_signal_that_is_not_there_is_refused():
    with pytest.raises(DesignError, match="data.wanted: there is no class 'digit_11'.*did you mean 'digit_1'"):
        load(wanted="digit_11")
    with pytest.raises(DesignError, match="the signal is the wanted class, 'digit_0', and not 'digit_3'"):
        load(signals=("digit_3",))
    assert load(signals=()).signals == ()
    with pytest.raises(ValueError, match="test_fraction"):
        DigitsOptions(test_fraction=1)


def test_a_sample_without_a_class_is_refused():
    events = Events.unweighted("a", np.zeros((3, 2, 2, 1), np.int16))
    events = classes.labelled(events, ("top", "light"), np.array([0, 1, 0]), ("light", "top"))
    assert events.truth["class"].tolist() == [1, 0, 1]
    with pytest.raises(DataError, match="x.h5: gives no event of the class light for the validation sample"):
        classes.as_dataset("x.h5", events, events.select(slice(0, 1)), events, ("light", "top"), DigitsOptions())
