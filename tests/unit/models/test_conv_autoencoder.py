"""Convolutional autoencoders on images and on trigger objects: from a design to the quantized function."""

import numpy as np
import pytest
import tiny
import toy_regions as toy
import toy_trigger

from l1trigger import compress, csim, design, train
from l1trigger.contracts.architecture import Part
from l1trigger.data.objects import FEATURES, OBJECTS
from l1trigger.design import SynthSection
from l1trigger.errors import DesignError
from l1trigger.models import blocks, coders
from l1trigger.models.conv_autoencoder import ConvAutoencoder
from l1trigger.quantize import training
from l1trigger.results import Results
from l1trigger.scores import base
from l1trigger.synth import lower

OBJECT_ENCODER = [
    {"conv": {"filters": 4}}, {"average_pool": {"size": [3, 1]}}, {"conv": {"filters": 4, "kernel": [3, 1]}},
    {"average_pool": {"size": [3, 1]}},
]
OBJECT_DECODER = [
    {"dense": {"units": 14}}, {"reshape": {"shape": [7, 1, 2]}}, {"up_sample": {"size": [3, 1]}},
    {"conv": {"filters": 3, "kernel": [3, 1], "relu": False}},
]
OBJECT_MODEL = {
    "image": [OBJECTS, len(FEATURES), 1], "encoder": OBJECT_ENCODER, "decoder": OBJECT_DECODER, "pixel": None
}


def made(raw, data, folder):
    d = design.from_mapping(raw)
    trained = train.run(d, Results(data=data), folder / "train")
    return trained, compress.run(d, Results(data=data, train=trained), folder / "compress")


@pytest.fixture(scope="module")
def regions():
    return toy.data_set()


@pytest.fixture(scope="module")
def objects():
    return tiny.dataset(1000)


def test_firmware_takes_the_layers_that_were_trained(regions, tmp_path):
    trained = train.run(design.from_mapping(toy.raw_design("image_error")), Results(data=regions), tmp_path)
    weights = trained.trainings[0].weights
    model = trained.network.build()
    training.set_weights(model, weights)
    x = trained.scaling.real(regions.test.inputs)
    network = trained.network.layers(weights, Part.RECONSTRUCTION)
    assert network.input_shape == (None, *toy.IMAGE)
    error = model.predict([x.astype(np.float32), np.ones_like(x, np.float32)], verbose=0)[:, 0]
    # The same float32 sums in another order.
    np.testing.assert_allclose(np.square(x - base.forward(network, x)).sum(1), error, rtol=1e-4)
    other = ConvAutoencoder.stored({**trained.options, "error": "absolute"})
    assert other.layers(weights, Part.RECONSTRUCTION) is None


def test_zero_suppression_is_what_firmware_does(regions):
    raw = toy.raw_design(model={"zero_suppressed": True, "pixel": {**toy.PIXEL, "bits": 12, "drop": 0}})
    coder = coders.ConvCoder(design.from_mapping(raw).model)
    x, mask = coder.batch(regions.test.inputs)
    np.testing.assert_array_equal(x, coder.scaling.firmware(regions.test.inputs))
    assert (coder.scaling.real(regions.test.inputs) < 0).any() and (mask == 1).all()


def test_a_floor_keeps_the_order_and_no_longer_stretches_quiet_events(regions, tmp_path):
    scores = {}
    for floor in (0.0, 1.0):
        raw = toy.raw_design("image_error", {"floor": floor, "zero_suppressed": True})
        trained = train.run(design.from_mapping(raw), Results(data=regions), tmp_path / f"{floor}")
        scores[floor] = trained.float_score(regions.train.inputs)
        weights = trained.trainings[0].weights
        error = np.exp(scores[floor] * float(weights["score_std"]) + float(weights["score_mean"]))
        error -= float(weights["score_floor"])
        if floor:
            assert float(weights["score_floor"]) == pytest.approx(float(np.median(error)), rel=1e-4)
        assert scores[floor].mean() == pytest.approx(0, abs=1e-6)
        assert scores[floor].std() == pytest.approx(1)
    np.testing.assert_array_equal(np.argsort(scores[0.0]), np.argsort(scores[1.0]))
    assert scores[1.0].min() > scores[0.0].min()


CASES = {
    "dense student": toy.raw_design(),
    "convolutional student": toy.raw_design(layers=[{"conv": {"filters": 2, "kernel": 2, "stride": 2}},
                                                    {"dense": {"units": 3}}]),
    "error of all pixels": toy.raw_design("image_error"),
}


@pytest.mark.parametrize("case", CASES)
def test_images_are_exact_at_every_level(case, regions, tmp_path):
    trained, compressed = made(CASES[case], regions, tmp_path)
    trigger, inputs = compressed.trigger, regions.test.inputs
    truth = trigger.evaluate(inputs)
    assert len(np.unique(truth.score)) > 20
    converted = toy_trigger.convert(trigger, tmp_path / "convert", inputs[:10])
    before = toy_trigger.results(toy_trigger.data_set(inputs, inputs[:10]), trigger, converted)
    result = csim.run(toy_trigger.design(), before, tmp_path)
    assert [c.mismatches for c in result.comparisons] == [0] * 12
    logic = lower.lower(trigger, SynthSection(), lower.ports(trigger.scaling))
    score, accept = logic.evaluate(inputs)
    np.testing.assert_array_equal(score, truth.score)
    np.testing.assert_array_equal(accept, truth.accept)
    assert np.std(trained.float_score(regions.train.inputs)) == pytest.approx(1)


@pytest.mark.parametrize("score", ["reconstruction_error", "latent_norm"])
def test_trigger_objects_as_an_image(score, objects, tmp_path):
    architecture = "conv_autoencoder" if score == "reconstruction_error" else "conv_variational_autoencoder"
    raw = toy.raw_design(score, {**OBJECT_MODEL, "architecture": architecture})
    _, compressed = made(raw, objects, tmp_path)
    names = [layer.name for layer in compressed.layers]
    assert names[:2] == ["conv0", "conv1"] and names[-1] == ("conv2" if score == "reconstruction_error" else "mean")
    trigger, inputs = compressed.trigger, objects.test.inputs
    truth = trigger.evaluate(inputs)
    logic = lower.lower(trigger, SynthSection(), lower.ports(trigger.scaling))
    np.testing.assert_array_equal(logic.evaluate(inputs)[0], truth.score)
    empty = np.zeros_like(inputs[:1])
    if score == "reconstruction_error":  # nothing is there, so that nothing is wrong
        assert trigger.evaluate(empty).score[0] == 0


def change(**model):
    return toy.raw_design(model=model)


WRONG = {
    "an image of 18 x 14 x 1 holds no trigger objects": change(image=[18, 14, 1], pixel=None),
    "has no column 4": change(columns={"4": toy.PIXEL}),
    "not for trigger objects": change(**{**OBJECT_MODEL, "zero_suppressed": True}),
    "model.image: the network takes 4 x 6 x 1, but an event of the data is 6 x 4": change(
        image=[4, 6, 1], decoder=[{"dense": {"units": 24}}]
    ),
    "model.decoder: gives 3 x 2 x 1, but the image is 6 x 4 x 1": change(
        decoder=[*toy.DECODER[:2], toy.DECODER[3]]
    ),
    "model.encoder: a layer conv cannot follow on 6 x 4 x 1": change(encoder=[{"conv": {"filters": 2, "kernel": 5}}]),
    "reconstruction_error is not for an image without objects.*take image_error": toy.raw_design(
        "reconstruction_error"
    ),
    "compress.copies: only images of 18 x 14 regions": toy.raw_design(copies=2),
    "compress.layers: a layer max_pool cannot follow on 6 x 4 x 1": toy.raw_design(layers=[{"max_pool": {"size": 7}}]),
}


@pytest.mark.parametrize("message", WRONG)
def test_what_does_not_fit_is_told_before_training(message, regions, tmp_path, monkeypatch):
    monkeypatch.setattr(ConvAutoencoder, "fit", lambda *a: pytest.fail("it was trained"))
    with pytest.raises(DesignError, match=message):
        train.run(design.from_mapping(WRONG[message]), Results(data=regions), tmp_path)


def test_the_decoder_counts_on_from_the_encoder():
    options = design.from_mapping(toy.raw_design()).model
    assert isinstance(options.encoder[0], blocks.Layer)
    names = [layer.name for layer in ConvAutoencoder(options).build().layers]
    assert {"conv0", "conv1", "latent", "dense0"} <= set(names)
