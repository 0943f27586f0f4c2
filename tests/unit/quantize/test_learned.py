"""Learned bit widths: what is trained, and the plain QKeras layers that it becomes, are one function."""

import itertools
import math

import numpy as np
import pytest
import toy_cnn

from l1trigger import frameworks
from l1trigger.compress_sections import CompressSection, LearnedSection
from l1trigger.data.scaling import FeatureScaling, InputScaling, uniform
from l1trigger.network import QuantizedNetwork, as_inputs
from l1trigger.quantize import dense_layers, learned
from l1trigger.quantize.learned_export import _Export, _floored, exported, without_low_bits
from l1trigger.quantize.learned_network import Layout, LearnedNetwork, on_grid, significant_bits
from l1trigger.quantize.training import Lesson

PIXEL = FeatureScaling(shift=4, bits=6)


def random_network(layout: Layout, scaling: InputScaling, x: np.ndarray, seed: int) -> LearnedNetwork:
    """A network with random widths, as training could leave it: some weights and channels without any bits."""
    net = LearnedNetwork(layout, scaling, x)
    rng = np.random.default_rng(seed)
    for v in net.variables:
        if "bits" in v.name:
            v.assign(rng.integers(0 if "result" in v.name else 1, 6, v.shape).astype(np.float32))
        elif "dropped" in v.name:
            v.assign(rng.integers(-1, 4, v.shape).astype(np.float32))
    return net


def with_exported_biases(net: LearnedNetwork, scaling: InputScaling, x: np.ndarray) -> None:
    """Takes over the biases of firmware, so that nothing but the form of the weights differs."""
    made = _Export(net.layout, net.widths(), scaling, 12)
    made.types(_floored(x, made.scaling))
    for name, bias in made.biases.items():
        scale = np.array([made._scales.get(int(n), 1.0) for n in net.layout.numbers[name]])
        net.biases[name].assign((bias / scale).astype(np.float32))


def function(model, scaling: InputScaling, seed: int, clipped=()):
    """A random learned network, its exported twin, inputs for both."""
    rng = np.random.default_rng(seed)
    hardware = rng.integers(0, 64, (400, len(scaling)))
    if any(scaling.signed):
        hardware -= 32
    x = scaling.firmware(hardware)
    layout = Layout(model, clipped)
    net = random_network(layout, scaling, x, seed)
    with_exported_biases(net, scaling, x)
    made = exported(layout, net.widths(), scaling, 12, x)
    twin = QuantizedNetwork.from_keras(made.model, made.scaling.network_type, dense_layers.output_type(made.model))
    return net, twin, made.scaling, hardware, x


def compare(net: LearnedNetwork, twin: QuantizedNetwork, scaling: InputScaling, hardware, x) -> np.ndarray:
    """Integers of both, which are to be equal."""
    tf = frameworks.tensorflow()
    shaped = as_inputs(net.layout.model, x.astype(np.float32))
    shaped = [tf.constant(s) for s in shaped] if isinstance(shaped, list) else tf.constant(shaped)
    wanted = net.forward(shaped)[0].numpy().reshape(len(x), -1).astype(np.float64)
    found = twin.raw(scaling.firmware(hardware))
    assert np.array_equal(found, twin.output_type.raw(wanted))
    return found


@pytest.mark.parametrize("case", toy_cnn.CASES)
@pytest.mark.parametrize("seed", [1, 2])
def test_exported_layers_are_the_trained_function(case, seed):
    written, options = toy_cnn.CASES[case]
    model = toy_cnn.float_model(written, **options)
    inputs = sum(math.prod(t.shape[1:]) for t in model.inputs)
    found = compare(*function(model, uniform(PIXEL, inputs), seed))
    assert len(np.unique(found)) > 3


def dense_stack(seed: int, sizes=(6, 5, 4, 2), clipped: bool = False):
    rng = np.random.default_rng(seed)
    return [
        dense_layers.DenseLayer(f"d{i}", rng.normal(0, 0.7, (a, b)).astype(np.float32),
                                rng.normal(0, 0.3, b).astype(np.float32), relu=i < len(sizes) - 2 and not clipped,
                                clipped=clipped and i == 0)
        for i, (a, b) in enumerate(itertools.pairwise(sizes))
    ]


@pytest.mark.parametrize("clipped", [False, True])
@pytest.mark.parametrize("seed", range(4))
def test_dense_stacks_with_signed_inputs_and_clipped_results(seed, clipped):
    layout = learned._layout(dense_stack(seed, clipped=clipped))
    scaling = uniform(FeatureScaling(shift=4, bits=6), 6, signed=True)
    assert layout.clipped == ({"d0"} if clipped else set())
    found = compare(*function(layout.model, scaling, seed, layout.clipped))
    assert len(np.unique(found)) > 3


def test_channels_that_nothing_but_weights_reads_have_bits_of_their_own():
    written, options = toy_cnn.CASES["branches"]
    layout = Layout(toy_cnn.float_model(written, **options))
    own = {name: layout.has_scale(name) for name in layout.points}
    assert any(own.values())
    assert not all(own.values())  # what is added to something else shares its last bit
    for point in layout.points.values():
        if type(point.layer).__name__ == "Add":
            assert all(not own[s.name] for s in point.layer.inbound_nodes[0].inbound_layers if s.name in own)


def test_an_input_loses_bits_but_never_its_place():
    scaling = without_low_bits(uniform(FeatureScaling(shift=4, bits=6), 3), np.array([0, 2, 4]))
    assert scaling.drop == (0, 2, 4)
    assert scaling.magnitude_bits == (6, 4, 2)
    assert [str(t) for t in scaling.types] == ["ap_ufixed<6,2,TRN,SAT>", "ap_ufixed<4,2,TRN,SAT>",
                                               "ap_ufixed<2,2,TRN,SAT>"]


def test_effective_bit_operations_of_a_dense_layer_by_hand():
    stack = [dense_layers.DenseLayer("d", np.array([[0.75, 0.0], [0.5, -3.0]], np.float32), np.zeros(2, np.float32),
                                     False)]
    scaling = uniform(FeatureScaling(shift=4, bits=6), 2)
    net = LearnedNetwork(learned._layout(stack), scaling, np.ones((4, 2)))
    (bits,) = [v for v in net.variables if "weight_bits" in v.name]
    bits.assign(np.full((2, 2), 2.0))  # 3, 0; 2, 12: 2, 0; 2, 4 bits
    _, ebops = net.forward(frameworks.tensorflow().ones((1, 2)))
    assert float(ebops) == 6 * (2 + 0 + 2 + 4)


@pytest.mark.parametrize("shift", [4, 9])
@pytest.mark.parametrize("signed", [False, True])
def test_an_input_that_costs_too_much_loses_bits_and_keeps_one(shift, signed):
    tf = frameworks.tensorflow()
    scaling = uniform(FeatureScaling(shift=shift, bits=6), 6, signed=signed)
    x = scaling.firmware(np.random.default_rng(1).integers(0, 32, (100, 6)))
    layout = learned._layout(dense_stack(0))
    net = LearnedNetwork(layout, scaling, x)
    with tf.GradientTape() as tape:
        _, ebops = net.forward(tf.constant(x, tf.float32))
    (dropped,) = [v for v in net.variables if "dropped" in v.name]
    assert (tape.gradient(ebops, dropped).numpy() < 0).all()  # a bit less costs less, from the beginning on
    dropped.assign(np.full(6, 20.0))
    made = exported(layout, net.widths(), scaling, 12, x)
    assert all(t.width >= 1 for t in made.scaling.types)


def test_gradients_of_a_width_follow_the_rounding_error():
    tf = frameworks.tensorflow()
    x, fraction = tf.Variable([0.3, 0.25]), tf.Variable([2.0, 2.0])
    with tf.GradientTape() as tape:
        y = on_grid(x, fraction)
    assert y.numpy().tolist() == [0.25, 0.25]
    to_x, to_fraction = tape.gradient(y, [x, fraction])
    assert to_x.numpy().tolist() == [1, 1]
    assert to_fraction.numpy() == pytest.approx([math.log(2) * 0.05, 0], abs=1e-6)
    assert significant_bits(tf.constant([0.1, 0.75, -1.0]), tf.constant([2.0, 2.0, 2.0])).numpy().tolist() == [0, 2, 3]


def test_a_given_strength_is_reached_along_a_ramp_and_holds():
    section = LearnedSection(strength=1e-4, epochs=10, ramp=0.4)
    strength = learned.Strength(section, None, 10)
    after = [strength.after(done, 0.0, 1.0, 1.0, 1.0) for done in range(1, 10)]
    assert all(b > a for a, b in itertools.pairwise(after[:4]))
    assert after[3:] == [math.log(1e-4)] * 6


def test_a_target_moves_the_strength_towards_it():
    strength = learned.Strength(LearnedSection(lut=100, epochs=10, ramp=0.5), 100, 10)
    begun = strength.after(1, learned.OFF, 0.5, 1000, 1000)
    assert strength.after(5, begun, 0.5, 1000, 1000) > begun
    assert strength.after(5, begun, 0.5, 100, 1000) == begun
    assert strength.after(5, begun, 0.5, 50, 1000) < begun
    assert strength.after(1, begun, 0.5, 300, 1000) < begun  # ahead of the ramp


def trained(work, told, epochs=60, lut=60.0, front=(30.0, 200.0)):
    rng = np.random.default_rng(3)
    scaling = uniform(FeatureScaling(shift=4, bits=6), 6)
    x = scaling.firmware(rng.integers(0, 64, (4000, 6)))
    target = np.maximum(x[:, :1] - x[:, 1:2], 0).astype(np.float32) + x[:, 2:3].astype(np.float32) / 2
    section = CompressSection(
        score="student", method="learned",
        learned=LearnedSection(lut=lut, front=front, epochs=epochs, batch_size=200, learning_rate=1e-2),
    )
    stack = dense_stack(0, (6, 8, 1))
    lesson = Lesson(x, target, frameworks.keras().losses.MeanSquaredError(), 1, work, told.append)
    made = learned.compressed(stack, scaling, lesson, section, x)
    return made, scaling, x, target


def test_one_training_gives_networks_for_several_targets(tmp_path):
    told = []
    made, _, x, target = trained(tmp_path, told)
    small, large = sorted(f.ebops for f in made.front)
    assert small < made.ebops < large < 400  # 1,300 before
    assert made.ebops < 120  # few and short epochs: nearer to 60 than to the 200 that it was trained to before
    y = made.network.output_type.value(made.network.raw(made.scaling.network_type.quantize(x)))
    assert np.corrcoef(y[:, 0], target[:, 0])[0, 1] > 0.9
    assert len(made.history["loss"]) == 60 + 30 + 30


def test_what_is_trained_is_read_back_and_an_interrupted_training_goes_on(tmp_path):
    first, *_ = trained(tmp_path, [], epochs=6, front=())
    told = []
    again, *_ = trained(tmp_path, told, epochs=6, front=())
    assert not any(", epoch " in line for line in told)
    for a, b in zip(first.network.weights, again.network.weights, strict=True):
        assert np.array_equal(a, b)


def test_a_target_that_is_out_of_reach_is_told(tmp_path):
    told = []
    made, *_ = trained(tmp_path, told, epochs=2, lut=1.0, front=())
    assert made.ebops > 1.1
    assert any("compress.learned.lut: 1 was not reached" in line for line in told)


@pytest.mark.parametrize(("given", "message"), [
    ({"lut": 100, "strength": 1e-4}, "one of lut and strength"), ({"strength": 1e-4, "front": [100]}, "give lut, too"),
])
def test_sections_that_contradict_themselves(given, message):
    with pytest.raises(ValueError, match=message):
        LearnedSection.model_validate({k: tuple(v) if isinstance(v, list) else v for k, v in given.items()})


def test_method_learned_needs_a_target():
    with pytest.raises(ValueError, match="write learned: "):
        CompressSection(score="student", method="learned")
