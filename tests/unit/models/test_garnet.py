"""The GarNet architecture: options, targets, loss, and widths of single layers."""

import numpy as np
import pytest
import toy_garnet as toy
from pydantic import ValidationError

from l1trigger import design, frameworks
from l1trigger.compress_sections import LayerBits, QuantizationSection
from l1trigger.contracts.architecture import SupervisedArchitecture
from l1trigger.errors import DataError, DesignError
from l1trigger.fixed_point import FixedPoint
from l1trigger.models.garnet import GarNet, symmetric_copy
from l1trigger.quantize import training
from l1trigger.scores.classifier import ClassifierOptions, internal_bits


def sample(n=20, energy=None, label=None):
    rng = np.random.default_rng(1)
    return toy.with_truth(
        toy.clusters(n, extreme=0), np.arange(n) % 2.0 if label is None else label,
        rng.uniform(10, 100, n) if energy is None else energy,
    )


@pytest.mark.parametrize(("wrong", "says"), [
    ({"hits": 12}, "12 is not a power of two"),
    ({"hits": 1}, "greater than or equal to 2"),
    ({"aggregators": (2,)}, "one size per layer each"),
    ({"aggregators": (), "propagate": (), "filters": ()}, "one size per layer each"),
    ({"filters": (2, 0)}, "all sizes must be at least 1"),
    ({"head": (0,)}, "all sizes must be at least 1"),
    ({"variant": "slim"}, "simplified"),
    ({"energy_unit_gev": 0}, "greater than 0"),
    ({"class_loss_weight": 1}, "less than 1"),
    ({"inputs": {"energy": {"shift": 6, "offset": -1}}}, "inputs.energy.offset must be 0"),
])
def test_options_that_are_not_possible(wrong, says):
    with pytest.raises(ValidationError, match=says):
        toy.options(**wrong)


def test_a_design_names_file_and_key(tmp_path):
    path = tmp_path / "bad.yaml"
    path.write_text("name: bad\ndata: {source: showers}\nmodel: {architecture: garnet, hits: 100}\n"
                    "compress: {score: classifier}\n")
    with pytest.raises(DesignError, match=r"bad\.yaml.*model.*100 is not a power of two") as caught:
        design.load(path)
    assert caught.value.exit_code == 2


def test_targets():
    events = sample(4, np.array([8.0, 16.0, 32.0, 64.0]))
    np.testing.assert_array_equal(GarNet(toy.options()).truth.targets(events), [[0, 0.5], [1, 1], [0, 2], [1, 4]])


@pytest.mark.parametrize(("truth", "missing"), [
    ({}, "label and energy"), ({"label": np.ones(20)}, "energy"), ({"energy": np.ones(20)}, "label"),
])
def test_sample_without_truth(truth, missing):
    from dataclasses import replace

    with pytest.raises(DataError, match=f"showers.*has no true {missing} to learn from.*showers") as caught:
        GarNet(toy.options()).truth.targets(replace(sample(), truth=truth))
    assert caught.value.exit_code == 2


@pytest.mark.parametrize("energy", [0.0, -3.0, float("nan")])
def test_energies_that_have_no_relative_error(energy):
    energies = np.full(20, 50.0)
    energies[7] = energy
    with pytest.raises(DataError, match=f"event 7 has a true energy of {energy:g} GeV"):
        GarNet(toy.options()).truth.targets(sample(energy=energies))


def test_loss_by_hand():
    options = toy.options(class_loss_weight=0.25)
    target = np.array([[1, 2.0], [0, 0.5], [1, 1.0]], np.float32)
    output = np.array([[0.3, 1.0], [-1.2, 0.75], [-40.0, 1.0]], np.float32)
    p = 1 / (1 + np.exp(-output[:, 0].astype(float)))
    entropy = -np.log(np.where(target[:, 0] == 1, p, 1 - p))
    expected = 0.25 * entropy + 0.75 * np.array([0.25, 0.25, 0.0])
    np.testing.assert_allclose(GarNet(options).truth.loss()(target, output), expected, rtol=1e-6)  # float32


def test_symmetric_copies_are_the_same_showers():
    inputs = toy.clusters(200, 5, extreme=0)
    copy = symmetric_copy(inputs, np.random.default_rng(2))
    np.testing.assert_array_equal(copy[..., 2:], inputs[..., 2:])
    np.testing.assert_array_equal(np.sort(np.abs(copy[..., :2]), -1), np.sort(np.abs(inputs[..., :2]), -1))
    assert copy.dtype == np.int16 and not copy[0].any()
    # Eight orientations, each the same for all hits of a shower.
    kinds = set()
    for a, b in zip(inputs[1:], copy[1:], strict=True):
        same = [(sx, sy, swap) for sx in (-1, 1) for sy in (-1, 1) for swap in (False, True)
                if (b[:, :2] == (a[:, :2] * [sx, sy])[:, :: -1 if swap else 1]).all()]
        assert same or not a.any()
        kinds |= set(same if len(same) == 1 else [])
    assert len(kinds) == 8


def test_examples_repeat_their_targets():
    options, events = toy.options(symmetric_copies=3), sample()
    inputs, targets = GarNet(options).examples(events, 1)
    assert inputs.shape == (60, toy.V, 4) and targets.shape == (60, 2)
    np.testing.assert_array_equal(inputs[:20], events.inputs)
    np.testing.assert_array_equal(targets[40:], GarNet(options).truth.targets(events))
    assert (inputs[20:40] != events.inputs).any()


def quantized(own=None, internal=None, **section):
    own = own or toy.options()
    model = GarNet(own).build()
    weights = training.weights_by_name(model)
    x = GarNet(own).scaling.firmware(toy.clusters(100, extreme=0))
    inside = {**GarNet.internal_bits, **(internal or {})}
    return GarNet(own).quantized_model(weights, QuantizationSection(**section), inside, x)


def test_widths_of_single_layers():
    made = quantized(
        weights=6, biases=9, activations=7,
        layers={"garnet1": LayerBits(weights=3, biases=5, activations=4), "head0": LayerBits(weights=2)},
        internal={"distance": 5, "edge_weight": 3, "aggregated": 10, "gathered": 8, "collapsed": 11},
    )
    stack = made.get_layer("garnet")
    width = [{n: FixedPoint.parse(t).width for n, t in w.items()} for w in stack.weight_types]
    assert width == [{"distance": w, "distance_bias": b, "mean": w, "bias": b} for w, b in ((6, 9), (3, 5))]
    inner = [{n: FixedPoint.parse(t).width for n, t in w.items()} for w in stack.types]
    assert inner == [
        {"distance": 5, "edge_weight": 3, "aggregated": 10, "gathered": 8, "output": w} for w in (7, 4)
    ]
    assert FixedPoint.parse(stack.collapsed).width == 11
    assert made.get_layer("head0").kernel_quantizer_internal.bits == 2
    assert made.get_layer("output").kernel_quantizer_internal.bits == 6


@pytest.mark.parametrize(("name", "nearest"), [("garnet2", "garnet"), ("hed0", "head0"), ("garnet", "garnet")])
def test_widths_of_a_layer_that_is_not_there(name, nearest):
    key = rf"compress\.quantization\.layers\.{name}"
    with pytest.raises(DesignError, match=f"{key}: there is no such layer.*{nearest}"):
        quantized(layers={name: LayerBits(weights=3)})


def test_float_outputs_and_energies():
    own = toy.options(energy_unit_gev=8.0)
    frameworks.seed_everything(4)
    model = GarNet(own).build()
    garnet = GarNet(own)
    inputs, scaling, weights = toy.clusters(30), garnet.scaling, training.weights_by_name(model)
    outputs = garnet.float_outputs(weights, inputs)
    np.testing.assert_allclose(outputs, model(scaling.real(inputs).astype("f")), rtol=1e-5, atol=1e-5)  # float32
    np.testing.assert_array_equal(garnet.float_score(weights, inputs), outputs[:, 0])
    np.testing.assert_array_equal(garnet.truth.predictions(outputs)["energy"], outputs[:, 1] * 8)


@pytest.mark.parametrize(("internal", "says"), [
    ({"gatherd": 8}, r"compress\.internal\.gatherd: there is nothing of this name.*did you mean 'gathered'"),
    ({"distance": 1}, r"compress\.internal\.distance: 1 bits are not possible.*take 2 to 24"),
    ({"collapsed": 25}, r"compress\.internal\.collapsed: 25 bits are not possible"),
])
def test_widths_inside_that_are_not_possible(internal, says):
    with pytest.raises(DesignError, match=says) as caught:
        internal_bits(ClassifierOptions(internal=internal), GarNet)
    assert caught.value.exit_code == 2


def test_widths_inside_keep_their_defaults():
    found = internal_bits(ClassifierOptions(internal={"distance": 2, "gathered": 24}), GarNet)
    assert found == {**GarNet.internal_bits, "distance": 2, "gathered": 24}
    assert internal_bits(ClassifierOptions(), SupervisedArchitecture) == {}
