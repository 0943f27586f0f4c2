"""The architecture gravnet: its options, and a training on few clusters that becomes a quantized network."""

from __future__ import annotations

import numpy as np
import pytest
import toy_showers
from pydantic import ValidationError

from l1trigger.data.events import DataSet
from l1trigger.design import LayerBits, QuantizationSection, TrainSection
from l1trigger.errors import DesignError
from l1trigger.graph.stack import Stack
from l1trigger.models.gravnet import GravNet, GravNetOptions
from l1trigger.network import QuantizedNetwork
from l1trigger.quantize.dense_layers import output_type, summarize

SMALL = GravNetOptions(hits=16, coordinates=(2, 2), propagate=(3, 3), filters=(4, 4), head=(4,), symmetric_copies=1)


@pytest.fixture(scope="module")
def sample():
    return toy_showers.events(200, slots=16)


@pytest.fixture(scope="module")
def trained(sample, tmp_path_factory):
    data = DataSet(sample, sample, sample, (), False, 2760)
    return GravNet(SMALL).fit(TrainSection(epochs=3), data, 1, tmp_path_factory.mktemp("train"), lambda text: None)


def test_training_lowers_the_loss_and_repeats(trained, sample, tmp_path):
    assert trained.history["loss"][-1] < trained.history["loss"][0]
    data = DataSet(sample, sample, sample, (), False, 2760)
    again = GravNet(SMALL).fit(TrainSection(epochs=3), data, 1, tmp_path, lambda text: None)
    assert again.history["loss"] == trained.history["loss"]


def test_quantized(trained, sample):
    section = QuantizationSection(layers={"gravnet1": LayerBits(weights=5), "head0": LayerBits(weights=7)})
    scaling = GravNet(SMALL).scaling
    x = scaling.firmware(sample.inputs)
    model = GravNet(SMALL).quantized_model(trained.weights, section, GravNet.internal_bits, x)
    network = QuantizedNetwork.from_keras(model, scaling.network_type, output_type(model))
    names = {layer.name: layer for layer in summarize(network)}
    assert list(names) == ["gravnet0", "gravnet1", "head0", "output"]
    stack = Stack.of(network.build().get_layer("gravnet"))
    assert stack.layers[0].types["coordinate"].width == GravNet.internal_bits["coordinate"]
    assert "<5," in names["gravnet1"].weight_type
    assert "<7," in names["head0"].weight_type
    outputs = network.predict(x)
    expected = GravNet(SMALL).float_outputs(trained.weights, sample.inputs)
    # Rounding to 6 to 9 bits without fine-tuning: close in rank, not in value.
    assert np.corrcoef(outputs[:, 1], expected[:, 1])[0, 1] > 0.9


def test_a_layer_that_does_not_exist(trained, sample):
    section = QuantizationSection(layers={"garvnet1": LayerBits(weights=5)})
    x = GravNet(SMALL).scaling.firmware(sample.inputs)
    with pytest.raises(DesignError, match=r"layers.garvnet1: there is no such layer.*gravnet1"):
        GravNet(SMALL).quantized_model(trained.weights, section, GravNet.internal_bits, x)


@pytest.mark.parametrize(("options", "message"), [
    ({"hits": 48}, "48 is not a power of two"), ({"neighbours": 3}, "3 is not a power of two"),
    ({"hits": 4, "neighbours": 4}, "neighbours: 4 is more than 4 hits can have"),
    ({"filters": (8,)}, "one size per layer"), ({"coordinates": (0, 4)}, "at least 1"),
    ({"falloff": 0}, "greater than 0"), ({"collapse": "median"}, "'mean', 'sum' or 'max'"),
    ({"inputs": {"energy": {"shift": 6, "bits": 10, "offset": 3}}}, "energy 0 is a hit that is not there"),
])
def test_options_that_make_no_sense(options, message):
    with pytest.raises(ValidationError, match=message):
        GravNetOptions.model_validate(options)


def test_as_many_neighbours_as_hits_with_loops():
    assert GravNetOptions(hits=4, neighbours=4, loops=True).neighbours == 4
