"""Stages train and compress on tiny networks: the exact is equal, the pruned is zero, the seeded repeats."""

import numpy as np
import pytest
import tiny

from l1trigger import compress, design, train
from l1trigger.binary_points import covering_integer, fit_integer
from l1trigger.compress.result import CompressResult
from l1trigger.data.objects import CLASSES, maximum_table
from l1trigger.errors import DesignError
from l1trigger.fixed_point import FixedPoint
from l1trigger.quantize.outliers import make_outliers
from l1trigger.results import Results
from l1trigger.train.result import TrainResult

SCHEMES = [
    ("student", "autoencoder"), ("latent_norm", "variational_autoencoder"), ("reconstruction_error", "autoencoder"),
]


@pytest.fixture(scope="module")
def data():
    return tiny.dataset()


def made(data, folder, raw):
    d = design.from_mapping(raw)
    trained = train.run(d, Results(data=data), folder / "train")
    return d, trained, compress.run(d, Results(data=data, train=trained), folder / "compress")


@pytest.fixture(scope="module", params=SCHEMES, ids=lambda s: s[0])
def scheme(request, data, tmp_path_factory):
    score, architecture = request.param
    raw = tiny.raw_design(score, architecture, pruning={"sparsity": 0.5})
    return made(data, tmp_path_factory.mktemp(score), raw)


def test_pruned_weights_are_zero_and_the_output_layer_is_left_alone(scheme):
    _, _, compressed = scheme
    *hidden, output = compressed.layers
    for layer in hidden:
        assert layer.zeros >= layer.weights // 2
    assert output.zeros < output.weights // 2


def test_weights_lie_on_the_grid_of_their_types(scheme):
    _, _, compressed = scheme
    kernels = compressed.trigger.network.weights[::2]
    for kernel, layer in zip(kernels, compressed.layers, strict=True):
        assert FixedPoint.parse(layer.weight_type).represents(kernel)


def test_qkeras_equals_exact_integer_arithmetic(scheme, data):
    """An independent evaluation with FixedPoint alone gives the same integers as QKeras."""
    _, _, compressed = scheme
    trigger = compressed.trigger
    x = trigger.scaling.firmware(data.test.inputs)
    weights = trigger.network.weights
    for i, layer in enumerate(compressed.layers):
        y = x @ weights[2 * i].astype(np.float64) + weights[2 * i + 1].astype(np.float64)
        t = FixedPoint.parse(layer.activation_type)
        x = t.quantize(np.maximum(y, 0) if not t.signed else y)
    np.testing.assert_array_equal(trigger.network.output_type.raw(x), trigger.evaluate(data.test.inputs).network)


def test_results_survive_the_disk(scheme, data, tmp_path):
    _, trained, compressed = scheme
    for result, cls in ((trained, TrainResult), (compressed, CompressResult)):
        folder = tmp_path / cls.__name__
        folder.mkdir()
        result.save(folder)
        again = cls.load(folder)
        if cls is TrainResult:
            np.testing.assert_array_equal(again.float_score(data.test.inputs), trained.float_score(data.test.inputs))
        else:
            a, b = (r.trigger.evaluate(data.test.inputs) for r in (again, compressed))
            np.testing.assert_array_equal(a.score, b.score)
            assert again.layers == compressed.layers


def test_threshold_keeps_the_false_positive_rate(scheme, data):
    _, _, compressed = scheme
    accepted = compressed.trigger.evaluate(data.test.inputs).accept.mean()
    assert 0 < accepted <= 0.01


def test_same_seed_same_network(data, tmp_path):
    raw = tiny.raw_design()
    first, second = (made(data, tmp_path / n, raw)[2] for n in "ab")
    for a, b in zip(first.trigger.network.weights, second.trigger.network.weights, strict=True):
        np.testing.assert_array_equal(a, b)


def test_several_seeds_give_their_spread(data, tmp_path):
    raw = tiny.raw_design()
    raw["train"]["seeds"] = 2
    _, trained, compressed = made(data, tmp_path, raw)
    losses = [t.validation_loss for t in trained.trainings]
    assert trained.best == int(np.argmin(losses))
    seeds = {f.conditions["seed"] for f in compressed.seed_figures if f.name == "auc"}
    assert seeds == {1, 2}


def test_scores_that_do_not_fit_the_architecture_say_so(data, tmp_path):
    with pytest.raises(DesignError, match=r"latent_norm needs an architecture.*variational_autoencoder"):
        made(data, tmp_path, tiny.raw_design("latent_norm", "autoencoder"))


@pytest.mark.parametrize("section", ["pruning", "quantization"])
def test_unknown_layer_names_the_known(data, tmp_path, section):
    value = 0.5 if section == "pruning" else {"weights": 4}
    raw = tiny.raw_design(**{section: {"layers": {"dense_0": value}}})
    with pytest.raises(DesignError, match=rf"compress\.{section}\.layers\.dense_0.*did you mean 'dense0'"):
        made(data, tmp_path, raw)


def test_rate_threshold_needs_zero_bias(data, tmp_path):
    from dataclasses import replace

    raw = tiny.raw_design(threshold={"rate_khz": 10})
    with pytest.raises(DesignError, match=r"rate_khz.*not a zero-bias"):
        made(replace(data, zero_bias=False), tmp_path, raw)


@pytest.mark.parametrize(("largest", "expected"), [(0.9, 0), (1.7, 1), (3.9, 2)])
def test_fitted_binary_point_covers_uniform_values(largest, expected):
    values = np.linspace(-largest, largest, 1001)
    assert fit_integer(values, 8) == expected
    assert covering_integer(values, 8) == expected


def test_fitted_type_keeps_a_fractional_bit():
    assert fit_integer(np.linspace(-100, 100, 99), 4) <= 2


def test_outliers_are_possible_hardware_events():
    background = tiny.objects(500, 7)
    outliers = make_outliers(background, 1000, seed=1)
    assert (np.abs(outliers) <= maximum_table()).all()
    for c in CLASSES:
        pt = outliers[:, c.rows, 0].astype(int)
        assert (np.diff(pt, axis=1) <= 0).all()
    assert not outliers[outliers[..., 0] == 0].any()
    assert outliers[..., 0].sum() / len(outliers) > background[..., 0].sum() / len(background)
    np.testing.assert_array_equal(outliers, make_outliers(background, 1000, seed=1))
