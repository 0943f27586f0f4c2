"""Users' own models: float and quantized ones of any graph and shape, refused by name before anything is trained."""

import numpy as np
import pytest
import toy_cnn
import toy_images
from onnx_files import Network

from l1trigger import compress, design, frameworks, pipeline, rehearsal, train
from l1trigger.data.scaling import uniform
from l1trigger.errors import DesignError, UnsupportedLayerError
from l1trigger.quantize import keras_graph
from l1trigger.results import Results

NETWORK = [
    {"conv": {"filters": 3, "padding": "same", "batch_norm": True}},
    {"add": [[{"conv": {"filters": 3, "padding": "same"}}], []]}, {"max_pool": {}},
    {"dense": {"units": 3, "relu": False}},
]
PIXEL = {"shift": 6, "bits": 8}


@pytest.fixture(autouse=True)
def source(monkeypatch):
    toy_images.install(monkeypatch)


def made(folder, file, **options):
    raw = toy_images.raw_design(**options.pop("sections", {}))
    raw["model"] = {"architecture": "keras_model", "file": str(file), "inputs": [PIXEL], "classes": 3, **options}
    del raw["train"]
    d = design.from_mapping(raw)
    return d, train.run(d, Results(data=toy_images.data_set(300)), folder / "train")


def test_a_float_graph_is_quantized_and_fine_tuned(tmp_path):
    model = toy_cnn.float_model(NETWORK)
    model.save(tmp_path / "mine.keras")
    d, trained = made(tmp_path, tmp_path / "mine.keras")
    data = toy_images.data_set(300)
    x = trained.scaling.real(data.test.inputs).astype(np.float32).reshape(-1, 6, 6, 1)
    np.testing.assert_array_equal(trained.float_predictions(data.test.inputs)["class"],
                                  model.predict(x, verbose=0).argmax(1))
    done = compress.run(d, Results(data=data, train=trained), tmp_path / "compress")
    assert [layer.name for layer in done.layers] == ["conv0", "conv1", "dense0"]
    assert len(np.unique(done.trigger.evaluate(data.test.inputs).score)) > 10


def onnx_network(quantized):
    """A convolution, a ReLU and a dense layer as PyTorch or Brevitas exports them."""
    n = Network((1, 6, 6))
    bits = (lambda x: n.quant(x, 2.0**-4, 6)) if quantized else (lambda x: x)
    x = n.quant("x1", 2.0**-6, 8) if quantized else "x1"
    x = n.node("Relu", n.node("Conv", x, bits(n.random(2, 1, 3, 3)), bits(n.random(2)), pads=[1, 1, 1, 1]))
    x = n.quant(x, 0.25, 6, signed=0) if quantized else x
    x = n.node("Flatten", n.node("MaxPool", x, kernel_shape=[2, 2], strides=[2, 2]))
    return n.content(n.node("Softmax", n.node("Gemm", x, bits(n.random(3, 18)), bits(n.random(3)), transB=1), axis=1))


@pytest.mark.parametrize("quantized", [False, True])
def test_an_onnx_model_goes_the_same_way(quantized, tmp_path):
    (tmp_path / "mine.onnx").write_bytes(onnx_network(quantized))
    sections = {"compress": {"quantization": {}}} if quantized else {}
    d, trained = made(tmp_path, tmp_path / "mine.onnx", logits=True, sections=sections)
    data = toy_images.data_set(300)
    done = compress.run(d, Results(data=data, train=trained), tmp_path / "compress")
    assert len(np.unique(done.trigger.evaluate(data.test.inputs).score)) > 10


def test_without_classes_the_outputs_are_learned_again(tmp_path):
    toy_cnn.float_model(NETWORK).save(tmp_path / "mine.h5")
    plain = {"task": "calorimeter"}
    raw = toy_images.raw_design() | plain
    raw["compress"] |= {"score": "classifier"}
    raw["model"] = {"architecture": "keras_model", "file": str(tmp_path / "mine.h5"), "inputs": [PIXEL]}
    del raw["train"]
    d, data = design.from_mapping(raw), toy_images.data_set(300)
    trained = train.run(d, Results(data=data), tmp_path / "train")
    done = compress.run(d, Results(data=data, train=trained), tmp_path / "compress")
    score = done.trigger.value(done.trigger.evaluate(data.test.inputs).score)
    assert np.corrcoef(score, trained.float_score(data.test.inputs))[0, 1] > 0.9


def test_a_qkeras_graph_goes_to_firmware_as_it_is(tmp_path):
    scaling = uniform(toy_cnn.PIXEL, 36)
    x = scaling.firmware(toy_cnn.images(100, 36))
    model = keras_graph.quantized(toy_cnn.float_model(NETWORK), toy_cnn.BITS, scaling.network_type, x)
    model.save(tmp_path / "mine.h5")
    data = toy_images.data_set(300)
    asked, trained = made(tmp_path, tmp_path / "mine.h5")
    with pytest.raises(DesignError, match=r"compress\.quantization\.activations: the model is quantized already"):
        compress.run(asked, Results(data=data, train=trained), tmp_path / "compress")
    d, trained = made(tmp_path, tmp_path / "mine.h5", sections={"compress": {"quantization": {}}})
    done = compress.run(d, Results(data=data, train=trained), tmp_path / "compress")
    given = trained.scaling.firmware(data.test.inputs).astype(np.float32).reshape(-1, 6, 6, 1)
    got = done.trigger.network.output_type.value(done.trigger.evaluate(data.test.inputs).network)
    np.testing.assert_array_equal(got, model.predict(given, verbose=0))  # float32 is exact at these widths
    close = trained.float_score(data.test.inputs) - done.trigger.value(done.trigger.evaluate(data.test.inputs).score)
    assert np.abs(close).mean() < 0.5 * np.abs(trained.float_score(data.test.inputs)).mean()


@pytest.mark.parametrize("limited", [pipeline.quick_design, lambda d: pipeline.at_most(d, rehearsal.LIMITS)])
def test_fewer_epochs_ask_for_nothing_that_a_quantized_file_cannot_have(limited, tmp_path):
    (tmp_path / "mine.onnx").write_bytes(onnx_network(quantized=True))
    d, trained = made(tmp_path, tmp_path / "mine.onnx", logits=True, sections={"compress": {"quantization": {}}})
    compress.run(limited(d), Results(data=toy_images.data_set(300), train=trained), tmp_path / "compress")


def test_what_firmware_cannot_have_is_named_before_training(tmp_path):
    k = frameworks.keras()
    la = k.layers
    bad = k.Sequential([k.Input((6, 6, 1)), la.Conv2D(2, 3, dilation_rate=2, name="wide"), la.Flatten(),
                        la.Dense(3, "tanh", name="bent")])
    bad.save(tmp_path / "bad.keras")
    with pytest.raises(UnsupportedLayerError, match=r"wide: hls4ml has no dilation \(2 x 2\).*Remedy"):
        made(tmp_path, tmp_path / "bad.keras")
    good = k.Sequential([k.Input((6, 6, 1)), la.Flatten(), la.Dense(3, "tanh", name="bent")])
    good.save(tmp_path / "good.keras")
    with pytest.raises(UnsupportedLayerError, match=r"good\.keras: .*bent_activation \(activation tanh\)"):
        made(tmp_path, tmp_path / "good.keras")
    with pytest.raises(DesignError, match=r"model\.inputs: has 2 scalings, but .*takes 6 x 6 x 1"):
        made(tmp_path, tmp_path / "good.keras", inputs=[PIXEL, PIXEL])
    with pytest.raises(DesignError, match=r"model\.classes: .*has 3 outputs, not 4"):
        made(tmp_path, tmp_path / "good.keras", classes=4)
    q = frameworks.qkeras()
    scaled = k.Sequential([k.Input((6, 6, 1)), q.QActivation("quantized_bits(8,1,alpha=1)"), la.Flatten(),
                           q.QDense(3, kernel_quantizer=q.quantized_bits(4, 0, alpha="auto"),
                                    bias_quantizer=q.quantized_bits(4, 0, alpha=1), name="scaled"),
                           q.QActivation("quantized_bits(8,1,alpha=1)")])
    scaled.save(tmp_path / "scaled.h5")
    with pytest.raises(UnsupportedLayerError, match="scaled: .*alpha=auto"):
        made(tmp_path, tmp_path / "scaled.h5")
