"""Models of hls4ml's own GarNet layers: the same outputs, the way to exact firmware, and what is refused."""

from __future__ import annotations

import numpy as np
import pytest
import toy_contrib as toy
import toy_showers
import toy_trigger

from l1trigger.convert.contrib import deviation, stack_model
from l1trigger.csim import compile, simulate
from l1trigger.data.events import DataSet
from l1trigger.design import QuantizationSection, TrainSection
from l1trigger.errors import DataError, DesignError, UnsupportedLayerError
from l1trigger.models import garnet_contrib as contrib
from l1trigger.models.garnet import GarNet, GarNetOptions
from l1trigger.network import QuantizedNetwork
from l1trigger.quantize.dense_layers import output_type
from l1trigger.trigger import TriggerFunction

CASES = {
    "stack": {},
    "single layer": {"stack": False},
    "marked by its fourth feature": {"input_format": "x", "seed": 2},
    "sum": {"collapse": "sum", "seed": 3},
    "max, relu": {"stack": False, "collapse": "max", "output_activation": "relu", "seed": 4},
    "two outputs of one layer": {"outputs": "one", "head": (5, 4)},
    "energy first": {"outputs": "energy first"},
    "class alone": {"stack": False, "outputs": "class"},
}


def saved(tmp_path, **options):
    made = toy.model(**options)
    made.save(tmp_path / "model.h5")
    return made, tmp_path / "model.h5"


@pytest.mark.parametrize("case", CASES)
def test_the_same_outputs(case, tmp_path):
    made, path = saved(tmp_path, **CASES[case])
    found = contrib.read(path)
    x, n = toy.events()
    expected = made.predict([x, n] if found.input_format == "xn" else x, verbose=0)
    options = GarNetOptions.model_validate({**found.options, "contrib_file": path})
    own = GarNet(options).build()
    contrib.assign(found, own)
    outputs = own.predict(x.reshape(len(x), -1), verbose=0)
    if CASES[case].get("outputs") != "one":
        expected = logits(expected, CASES[case].get("outputs"))
    assert np.ptp(expected, axis=0).min() > 0.01
    # The same sums in another order in float32, and a logarithm of a float32 probability.
    np.testing.assert_allclose(outputs, expected, rtol=1e-4, atol=1e-4)
    # Without the head there is no logarithm: float32's own precision, times a few hundred additions.
    x64 = stack_model(found).predict(x, verbose=0)
    graph = contrib_output(made, x, n, found)
    np.testing.assert_allclose(x64, graph, rtol=1e-5, atol=1e-5)


def logits(expected, outputs):
    """The logit, and the energy behind it."""
    if outputs == "class":
        return np.log(expected / (1 - expected))
    probability, energy = expected[::-1] if outputs == "energy first" else expected
    return np.concatenate([np.log(probability / (1 - probability)), energy], 1)


def contrib_output(made, x, n, found):
    from l1trigger import frameworks

    inner = frameworks.keras().Model(made.inputs, made.get_layer("gar").output)
    return inner.predict([x, n] if found.input_format == "xn" else x, verbose=0)


def test_the_way_to_exact_firmware(tmp_path):
    made, path = saved(tmp_path)
    sample = toy_showers.events(300, slots=16)
    data = DataSet(sample, sample, sample, (), False, 2760)
    sizes = {n: v for n, v in contrib.read(path).options.items() if n != "variant"}
    options = GarNetOptions.model_validate({**sizes, "contrib_file": path})
    assert options.files() == (path,)
    trained = GarNet(options).fit(TrainSection(), data, 0, tmp_path, lambda text: None)
    assert 0 < trained.validation_loss < np.inf
    scaling = GarNet(options).scaling
    x = scaling.firmware(sample.inputs)
    real = scaling.real(sample.inputs).astype(np.float32).reshape(-1, 16, 4)
    logit = GarNet(options).float_score(trained.weights, sample.inputs)
    count = (real[..., 3] != 0).sum(1, keepdims=True).astype(np.float32)
    probability = made.predict([real, count], verbose=0)[0][:, 0]
    np.testing.assert_allclose(1 / (1 + np.exp(-logit)), probability, rtol=1e-4, atol=1e-5)  # as above
    model = GarNet(options).quantized_model(trained.weights, QuantizationSection(), GarNet.internal_bits, x)
    network = QuantizedNetwork.from_keras(model, scaling.network_type, output_type(model))
    function = TriggerFunction("toycontrib", scaling, network, "classifier", network.output_type, 0)
    section = toy_trigger.design().csim
    converted = toy_trigger.convert(function, tmp_path / "convert", None)
    program = compile.build(converted, section, tmp_path)
    found = simulate.simulate(program, sample.inputs, 2, section, tmp_path)
    assert len(np.unique(found.outputs.network)) > 20
    assert np.array_equal(found.outputs.network, network.raw(x))


@pytest.mark.slow
def test_deviation_of_hls4mls_own_simulation(tmp_path):
    _, path = saved(tmp_path, stack=False)
    x, _ = toy.events(count=100)
    (tmp_path / "project").mkdir()
    told = deviation(path, x[1:], tmp_path / "project")
    assert told.events == 99
    assert told.own < 1e-5 < told.largest  # float32
    # hls4ml keeps 10 bits of each edge weight, whatever the precision: it is off, but by less than that many.
    assert 1e-5 < told.simulated < 0.05 * told.largest
    assert 0 < told.simulated_rms < told.simulated


@pytest.mark.parametrize(("options", "message"), [
    ({"collapse": None, "head": (), "outputs": None}, "collapse None"),
    ({"output_activation": "tanh"}, "output_activation tanh with collapse mean"),
    ({"stack": False, "output_activation": "tanh", "collapse": "max"}, "output_activation tanh"),
    ({"stack": False, "mean_by_nvert": True, "collapse": "sum", "head": (), "outputs": None}, "number of hits"),
    ({"stack": False, "quantize_transforms": True, "total_bits": 8, "int_bits": 2}, "quantized transforms"),
    ({"vertices": 12}, "12 vertices, which is no power of two"),
    ({"outputs": None}, "dense0 .6, relu."),
    ({"quantize_transforms": True, "total_bits": 0, "int_bits": 0}, "hls4ml's own layer cannot build"),
])
def test_what_is_refused(options, message, tmp_path):
    _, path = saved(tmp_path, **options)
    with pytest.raises(UnsupportedLayerError, match=message) as told:
        contrib.read(path)
    assert "Remedy: " in str(told.value)


def test_an_output_too_many_or_too_few_is_told(tmp_path):
    _, path = saved(tmp_path, outputs="class")
    sizes = {n: v for n, v in contrib.read(path).options.items() if n != "energy"}
    options = GarNetOptions.model_validate({**sizes, "contrib_file": path})
    with pytest.raises(DesignError, match=r"model\.energy: .*another network.* 1 outputs .*energy: False"):
        GarNet(options).fit(TrainSection(), None, 0, tmp_path, lambda text: None)


def test_a_network_of_the_class_alone_learns_it(tmp_path):
    sample = toy_showers.events(200, slots=16)
    data = DataSet(sample, sample, sample, (), False, 2760)
    network = GarNet(GarNetOptions(hits=16, aggregators=(2,), propagate=(2,), filters=(3,), energy=False))
    trained = network.fit(TrainSection(epochs=2), data, 0, tmp_path, lambda text: None)
    outputs = network.float_outputs(trained.weights, sample.inputs)
    assert outputs.shape == (200, 1)
    assert network.truth.predictions(outputs) == {}
    np.testing.assert_array_equal(network.float_score(trained.weights, sample.inputs), outputs[:, 0])
    z, y = outputs[:, 0], sample.truth["label"]
    entropy = float(np.mean(np.maximum(z, 0) - z * y + np.log1p(np.exp(-np.abs(z)))))
    assert trained.validation_loss == pytest.approx(entropy, rel=1e-5)  # float32


def test_the_full_variant(tmp_path):
    import h5py

    _, path = saved(tmp_path)
    with h5py.File(path, "a") as f:  # hls4ml's own layer cannot compute it
        f.attrs["model_config"] = f.attrs["model_config"].replace('"simplified": true', '"simplified": false')
    with pytest.raises(UnsupportedLayerError, match="full variant"):
        contrib.read(path)


def test_files_that_are_no_such_model(tmp_path):
    with pytest.raises(DataError, match="cannot be read as a Keras 2 model"):
        contrib.read(tmp_path / "nowhere.h5")
    (tmp_path / "text.h5").write_text("no HDF5")
    with pytest.raises(DataError, match="cannot be read as a Keras 2 model"):
        contrib.read(tmp_path / "text.h5")
    from l1trigger import frameworks

    x = frameworks.keras().Input((4,))
    frameworks.keras().Model(x, frameworks.keras().layers.Dense(2)(x)).save(tmp_path / "dense.h5")
    with pytest.raises(DataError, match="holds 0 layers of hls4ml"):
        contrib.read(tmp_path / "dense.h5")


def test_sizes_of_another_network(tmp_path):
    _, path = saved(tmp_path)
    sample = toy_showers.events(40, slots=128)
    data = DataSet(sample, sample, sample, (), False, 2760)
    options = GarNetOptions.model_validate({"contrib_file": path})
    with pytest.raises(DesignError, match=r"model.hits: .*another network.*hits: 16, aggregators: \[3, 4\]"):
        GarNet(options).fit(TrainSection(), data, 0, tmp_path, lambda text: None)
