"""Users' models of Keras 2, Keras 3 and QKeras: what is read from a file computes what the file itself computes."""

import json

import numpy as np
import pytest
import random_keras

from l1trigger import frameworks, keras_import
from l1trigger.errors import DataError, UnsupportedLayerError
from l1trigger.keras_import import affine
from l1trigger.quantize import keras_graph

KERAS = [("keras2", ".h5"), ("keras3", ".keras")]
OTHER_FORMATS = [("keras2", ".keras"), ("keras3", ".h5")]


def keras(which):
    return frameworks.keras() if which == "keras2" else frameworks.keras3()


def saved(model, path, seed=0, **options):
    """What is read from the file of a model with random weights."""
    random_keras.Maker(None, np.random.default_rng(seed)).with_weights(model)
    model.save(path)
    return read(path, **options)


def read(path, weights=None, outputs=(), logits=False):
    return keras_import.imported(path.read_bytes(), str(path), weights, outputs, logits)


def some(model, n=200):
    return np.random.default_rng(1).normal(size=(n, sum(int(np.prod(s)) for s in model.shapes)))


def exact(model):
    """Outputs at level float, which are the file's own."""
    x = some(model)
    own, here = model.own_outputs(x), model.float_outputs(x)
    assert own.std() > 0
    np.testing.assert_allclose(here, own, rtol=0, atol=1e-6 * own.std())
    model.require_same(x)
    return here


def kinds(model):
    return [n.kind for n in model.graph.nodes if n.kind != "InputLayer"]


def normalization_behind_relu(k, la):
    return [la.Dense(8, activation="relu"), la.BatchNormalization(), la.Dense(1)]


def six(k, la):
    return [la.Dense(8), la.ReLU(max_value=6.0), la.Dense(2)]


def six_by_name(k, la):
    return [la.Dense(8, activation="relu6"), la.Dense(2)]


def without_center(k, la):
    return [la.Dense(8), la.BatchNormalization(center=False), la.ReLU(), la.Dense(2)]


def without_scale(k, la):
    return [la.Dense(8), la.BatchNormalization(scale=False, epsilon=0.1), la.ReLU(), la.Dense(2)]


def normalized_inputs(k, la):
    return [la.BatchNormalization(), la.Dense(4, activation="relu"), la.Dense(2)]


def ends_in_flatten(k, la):
    return [la.Reshape((4, 4, 1)), la.Conv2D(2, 3), la.Flatten()]


def clashing_names(k, la):
    return [la.Dense(4, name="x"), la.ReLU(name="x_relu"), la.Dense(4, name="input_type"),
            la.Dense(2, name="output_type")]


def over_time(k, la):
    return [la.Reshape((8, 2)), la.TimeDistributed(la.Dense(3, activation="relu")), la.Conv1D(2, 3, padding="causal"),
            la.GlobalAveragePooling1D()]


def separable(k, la):
    return [la.Reshape((4, 4, 1)), la.SeparableConv2D(3, 2, padding="same", activation="relu"),
            la.BatchNormalization(), la.Conv2D(2, 2, padding="same"), la.GlobalMaxPooling2D(keepdims=True)]


def dropped(k, la):
    return [la.Dropout(0.5), la.Dense(4, activation="relu"), la.GaussianNoise(1.0), la.Dense(2, activation="linear")]


@pytest.mark.parametrize(("which", "suffix"), KERAS)
@pytest.mark.parametrize("layers", [
    normalization_behind_relu, six, six_by_name, without_center, without_scale, normalized_inputs, ends_in_flatten,
    clashing_names, over_time, separable, dropped,
])
def test_a_row_of_layers_computes_what_its_file_does(layers, which, suffix, tmp_path):
    k = keras(which)
    model = saved(k.Sequential([k.Input((16,)), *layers(k, k.layers)]), tmp_path / f"mine{suffix}")
    exact(model)
    names = [n.name for n in model.graph.nodes]
    assert len(set(names)) == len(names)
    assert not {"x", "input_type", "output_type"} & set(names)
    assert keras_graph.points(model.graph.model())


def two_heads(k, la):
    x = k.Input((6,))
    h = la.Dense(5, activation="relu")(x)
    return k.Model(x, [la.Dense(3, name="mu")(h), la.Dense(3, name="log_var")(h)])


def shared(k, la):
    x = k.Input((6,))
    twice = la.Dense(6, activation="relu")
    return k.Model(x, twice(twice(x)))


def sum_of_three(k, la):
    x = k.Input((6,))
    return k.Model(x, la.Add()([la.Dense(3)(x), la.Dense(3)(x), la.Dense(3, activation="relu")(x)]))


def average_of_three(k, la):
    x = k.Input((6,))
    return k.Model(x, la.Dense(2)(la.Average()([x, la.Dense(6)(x), la.Dense(6)(x)])))


def of_several_shapes(k, la):
    image, row, features = k.Input((4, 4, 1)), k.Input((5, 2)), k.Input((3,))
    h = la.Concatenate()([la.Flatten()(la.Conv2D(2, 3)(image)), la.Flatten()(la.Conv1D(2, 2)(row)), features])
    return k.Model([image, row, features], la.Dense(2)(h))


def normalized_before_a_sum(k, la):
    x = k.Input((4, 4, 2))
    h = la.Conv2D(2, 3, padding="same", activation="relu")(x)
    return k.Model(x, la.Flatten()(la.ReLU()(la.BatchNormalization()(la.Add()([x, la.BatchNormalization()(h)])))))


def models_inside(k, la):
    inner = k.Sequential([k.Input((4,)), la.Dense(4, activation="relu"), la.BatchNormalization()])
    first = k.Input((4,))
    functional = k.Model(first, [la.Dense(2)(first), la.Dense(3)(first)])
    x = k.Input((4,))
    return k.Model(x, functional(inner(inner(x))))


def summed_by_sign(k, la):
    x = k.Input((6,))
    y = la.Dense(6)(x)
    return k.Model(x, la.Dense(2)((x + y) * y))


@pytest.mark.parametrize(("which", "suffix"), KERAS)
@pytest.mark.parametrize("build", [
    two_heads, shared, sum_of_three, average_of_three, of_several_shapes, normalized_before_a_sum, models_inside,
    summed_by_sign,
])
def test_a_graph_computes_what_its_file_does(build, which, suffix, tmp_path):
    k = keras(which)
    exact(saved(build(k, k.layers), tmp_path / f"mine{suffix}"))


@pytest.mark.parametrize(("which", "suffix"), OTHER_FORMATS)
def test_other_formats(which, suffix, tmp_path):
    k = keras(which)
    exact(saved(models_inside(k, k.layers), tmp_path / f"mine{suffix}"))


@pytest.mark.parametrize("which", ["keras2", "keras3"])
def test_outputs_are_chosen_by_layer(which, tmp_path):
    k = keras(which)
    path = tmp_path / "mine.keras"
    both = exact(saved(two_heads(k, k.layers), path))
    np.testing.assert_allclose(exact(read(path, outputs=("log_var",))), both[:, 3:], rtol=1e-12)
    with pytest.raises(UnsupportedLayerError, match=r"no layer sigma. Remedy: model\.outputs takes some of .*mu"):
        read(path, outputs=("sigma",))


@pytest.mark.parametrize("end", ["softmax", "sigmoid"])
@pytest.mark.parametrize("apart", [True, False])
def test_ends_are_left_out_on_request(end, apart, tmp_path):
    k = keras("keras2")
    la = k.layers
    last = [la.Dense(3), la.Activation(end)] if apart else [la.Dense(3, activation=end)]
    path = tmp_path / "mine.keras"
    model = saved(k.Sequential([k.Input((6,)), *last]), path)
    with pytest.raises(UnsupportedLayerError, match=f"activation {end}"):
        keras_graph.points(model.graph.model())
    model = read(path, logits=True)
    assert kinds(model) == ["Dense"]
    x = some(model)
    model.require_same(x)
    assert (model.float_outputs(x).argmax(1) == model.own_outputs(x).argmax(1)).all()
    k.Sequential([k.Input((6,)), la.Dense(3)]).save(path)
    with pytest.raises(UnsupportedLayerError, match=r"does not end in softmax or sigmoid.*model\.logits"):
        read(path, logits=True)


def test_an_architecture_with_weights_beside_it(tmp_path):
    for which, weights in (("keras2", "w.h5"), ("keras3", "w.weights.h5")):
        k = keras(which)
        model = saved(two_heads(k, k.layers), tmp_path / "whole.keras")
        model.loaded.model.save_weights(tmp_path / weights)
        path = tmp_path / "mine.json"
        path.write_text(model.loaded.model.to_json())
        np.testing.assert_array_equal(exact(read(path, (tmp_path / weights).read_bytes())), exact(model))
        with pytest.raises(DataError, match=r"architecture without weights.*model\.weights_file"):
            read(path)
    with pytest.raises(DataError, match=r"weights without an architecture.*model\.weights_file"):
        read(tmp_path / "w.h5")


def test_pruning_wrappers_are_taken_off(tmp_path):
    import tensorflow_model_optimization as tfmot

    k = keras("keras2")
    model = k.Sequential([k.Input((6,)), k.layers.Dense(8, activation="relu"), k.layers.Dense(2)])
    for suffix in (".h5", ".keras"):
        path = tmp_path / f"pruned{suffix}"
        tfmot.sparsity.keras.prune_low_magnitude(model).save(path)
        assert kinds(read(path)) == ["Dense", "ReLU", "Dense"]
        np.testing.assert_allclose(exact(read(path)), model.predict(some(read(path)), verbose=0), atol=1e-5)


def test_what_cannot_be_told_is_refused_by_name(tmp_path):
    k, k3 = keras("keras2"), keras("keras3")

    def refused(model, match, error=UnsupportedLayerError):
        path = tmp_path / "mine.keras"
        model.save(path)
        with pytest.raises(error, match=match):
            keras_graph.points(read(path).graph.model(), "mine.keras")

    for which in (k, k3):
        la = which.layers
        x = which.Input((6,))
        refused(which.Model(x, la.Dense(2)(x) + 1.0), "is called with 1.0. Remedy: use a layer")
        for shape, layer, match in (
            ((6,), la.LeakyReLU(0.25, name="leaky"), r"leaky \(LeakyReLU\)"),
            ((6,), la.ReLU(threshold=0.5, name="late"), r"late \(ReLU threshold 0\.5\)"),
            ((6,), la.Dense(2, activation="elu", name="bent"), "activation elu"),
            ((5, 3), la.LSTM(2, name="memory"), r"memory \(LSTM\): cannot be brought to firmware. Remedy: use Dense"),
            ((4, 4, 2), la.BatchNormalization(axis=1, name="rows"), r"rows.*axis 1.*axis=-1"),
            ((None, 3), la.Conv1D(2, 2), "its shape is not fixed"),
        ):
            refused(which.Sequential([which.Input(shape), layer]), match)
    lost = k.Sequential([k.Input((3,)), k.layers.Dense(2, name="lost")])
    lost.set_weights([np.full((3, 2), np.nan), np.zeros(2)])
    refused(lost, "weights of layer lost are not all finite", DataError)
    refused(k.Sequential([k.Input((3,)), k.layers.Lambda(lambda x: 2 * x, name="own")]), "layers own hold Python code",
            DataError)


def test_an_error_of_the_importer_cannot_be_silent(tmp_path, monkeypatch):
    """Whatever a rule does wrong is found by the comparison, which names the layer and how far it is off."""
    k = keras("keras2")
    path = tmp_path / "mine.keras"
    saved(k.Sequential([k.Input((16,)), *normalization_behind_relu(k, k.layers)]), path)
    monkeypatch.setattr(affine, "_of_batch", lambda one: (np.ones(8), np.zeros(8)))
    wrong = keras_import.imported.__wrapped__(path.read_bytes(), str(path))
    with pytest.raises(DataError, match=r"other outputs than the file itself.*in layer batch_normalization.*by [\d.]+"):
        wrong.require_same(some(wrong))


def test_an_output_that_is_constant_is_compared_by_its_size(tmp_path):
    """Its spread is that of rounding, in units of which two ways of computing it differ by any amount."""
    k = keras("keras2")
    x = k.Input((4,))
    h = k.layers.ReLU()(k.layers.Dense(4, name="dead")(x))
    model = k.Model(x, k.layers.Dense(2)(k.layers.BatchNormalization()(k.layers.Dense(4)(h))))
    random_keras.Maker(None, np.random.default_rng(0)).with_weights(model)
    model.get_layer("dead").set_weights([np.full((4, 4), 0.1), np.full(4, -99.0)])
    path = tmp_path / "mine.keras"
    model.save(path)
    read(path).require_same(some(read(path)))
    assert read(path)._difference(some(read(path))) < 1e-12


def test_json_of_a_foreign_kind(tmp_path):
    path = tmp_path / "mine.json"
    path.write_text(json.dumps({"class_name": "Unknown", "config": {}}))
    with pytest.raises(DataError, match=r"mine\.json: cannot be read by Keras 2"):
        read(path, b"")
