"""Files of ONNX and QONNX: every operator against ONNX's reference evaluator, and what is refused."""

import math
import sys
from dataclasses import replace

import numpy as np
import onnx
import pytest
from onnx_files import QONNX, Network

from l1trigger import keras_import
from l1trigger.data.scaling import FeatureScaling, uniform
from l1trigger.errors import DataError, MissingExtraError, UnsupportedLayerError
from l1trigger.keras_import import onnx_file
from l1trigger.keras_import.rewrite import canonical
from l1trigger.sections import SynthSection
from l1trigger.synth import lower
from l1trigger.trigger import TriggerFunction

IMAGE = (3, 6, 5)
BEHIND = ("Flatten", "MatMul")


def imported(content, **options):
    return keras_import.imported(content, "mine.onnx", **options)


def compared(found):
    """Holds the network that was read against the file."""
    x = np.random.default_rng(2).normal(size=(60, sum(math.prod(s) for s in found.shapes)))
    found.require_same(x)
    assert found.own_outputs(x).std() > 1e-3
    return found


def conv(n, x, channels=3, filters=4, size=3, **attributes):
    group = attributes.get("group", 1)
    shape = (size, size) if np.ndim(size) == 0 else size
    return n.node("Conv", x, n.random(filters, channels // group, *shape), n.random(filters), **attributes)


def normalized(n, x, channels):
    positive = n.constant(n.rng.uniform(0.5, 2, channels).astype(np.float32))
    return n.node("BatchNormalization", x, n.random(channels), n.random(channels), n.random(channels), positive,
                  epsilon=1e-3)


def padded(n, x, *pads):
    return n.node("Pad", x, n.constant(np.array(pads)))


def added_twice(n, x):
    return n.node("Add", n.node("Mul", x, n.constant(2.0)), x)


def reduced(n, x):
    return n.node("ReduceMean", x, axes=[2, 3], keepdims=0)


def shaped_by_shape(n, x):
    """Flattened as PyTorch exports x.view(x.size(0), -1)."""
    events = n.node("Gather", n.node("Shape", x), n.constant(np.array(0)), axis=0)
    axis = n.constant(np.array([0]))
    both = [n.node("Unsqueeze", one, axis) for one in (events, n.constant(np.array(-1)))]
    return n.node("Reshape", x, n.node("Concat", *both, axis=0))


IMAGES = {
    "conv": conv,
    "strides": lambda n, x: conv(n, x, strides=[2, 1]),
    "symmetric padding": lambda n, x: conv(n, x, pads=[1, 1, 1, 1]),
    "padding that is not Keras'": lambda n, x: conv(n, x, pads=[1, 1, 1, 1], strides=[2, 2]),
    "one-sided padding": lambda n, x: conv(n, x, pads=[0, 2, 1, 0]),
    "SAME_UPPER": lambda n, x: conv(n, x, auto_pad="SAME_UPPER", strides=[2, 2]),
    "SAME_LOWER": lambda n, x: conv(n, x, size=2, auto_pad="SAME_LOWER"),
    "VALID": lambda n, x: conv(n, x, auto_pad="VALID"),
    "flat kernel": lambda n, x: conv(n, x, size=(1, 3)),
    "depthwise": lambda n, x: conv(n, x, filters=6, group=3),
    "convs": lambda n, x: conv(n, n.node("Relu", conv(n, x)), channels=4, size=2),
    "normalized": lambda n, x: normalized(n, conv(n, x), 4),
    "normalized before": lambda n, x: conv(n, normalized(n, x, 3)),
    "normalized between": lambda n, x: n.node("Relu", normalized(n, n.node("Relu", x), 3)),
    "max pool": lambda n, x: n.node("MaxPool", x, kernel_shape=[2, 2], strides=[2, 2]),
    "max pool same": lambda n, x: n.node("MaxPool", x, kernel_shape=[3, 3], pads=[1, 1, 1, 1]),
    "average pool": lambda n, x: n.node("AveragePool", x, kernel_shape=[2, 2], strides=[2, 1]),
    "average of zeros": lambda n, x: n.node("AveragePool", x, kernel_shape=[3, 3], pads=[1, 1, 1, 1],
                                            count_include_pad=1),
    "average without zeros": lambda n, x: n.node("AveragePool", x, kernel_shape=[3, 3], pads=[1, 1, 1, 1]),
    "global average": lambda n, x: n.node("GlobalAveragePool", x),
    "global maximum": lambda n, x: n.node("GlobalMaxPool", x),
    "mean": reduced,
    "sum of convs": lambda n, x: n.node("Add", conv(n, x), conv(n, x)),
    "difference": lambda n, x: n.node("Sub", conv(n, x, filters=3, size=1), x),
    "maximum": lambda n, x: n.node("Max", conv(n, x), conv(n, x)),
    "product": lambda n, x: n.node("Mul", conv(n, x), conv(n, x)),
    "sum of another order": lambda n, x: n.node("Add", x, conv(n, x, filters=3, size=1)),
    "concat channels": lambda n, x: n.node("Concat", conv(n, x), conv(n, x, filters=2), axis=1),
    "concat with the input": lambda n, x: n.node("Concat", conv(n, x, size=1), x, axis=1),
    "concat rows": lambda n, x: n.node("Concat", x, conv(n, x, filters=3, size=1), axis=2),
    "bias of channels": lambda n, x: n.node("Add", n.node("Relu", conv(n, x)), n.random(4, 1, 1)),
    "constant first": lambda n, x: n.node("Sub", n.constant(1.5), conv(n, x)),
    "scaled": lambda n, x: n.node("Div", n.node("Mul", conv(n, x), n.random(1, 4, 1, 1)), n.constant(3.0)),
    "constant of places": lambda n, x: n.node("Add", n.node("Relu", conv(n, x, filters=2)), n.random(4, 3)),
    "shared result": lambda n, x: added_twice(n, conv(n, x)),
    "clipped": lambda n, x: n.node("Clip", x, n.constant(0.0), n.constant(1.5)),
    "padded": lambda n, x: padded(n, x, 0, 0, 1, 0, 0, 0, 0, 2),
    "through channels last": lambda n, x: n.node(
        "Transpose", n.node("Relu", n.node("Transpose", conv(n, x), perm=[0, 2, 3, 1])), perm=[0, 3, 1, 2]),
    "channels last": lambda n, x: n.node("Transpose", conv(n, x), perm=[0, 2, 3, 1]),
    "other axes": lambda n, x: n.node("Transpose", conv(n, x), perm=[0, 3, 1, 2]),
    "two axes": lambda n, x: n.node("Reshape", conv(n, x), n.constant(np.array([0, 4, 12]))),
    "shape of a shape": lambda n, x: shaped_by_shape(n, conv(n, x)),
    "left out": lambda n, x: n.node("Identity", n.node("Dropout", conv(n, x))),
}


@pytest.mark.parametrize("name", IMAGES)
@pytest.mark.parametrize("end", ["", "dense"])
def test_operators_on_images(name, end):
    n = Network(IMAGE)
    y = IMAGES[name](n, "x1")
    if end:
        size = math.prod(onnx_file.read(n.content(y), "mine.onnx").shapes[y])
        y = n.node("MatMul", n.node("Flatten", y), n.random(size, 3))
    compared(imported(n.content(y)))


ROWS = {
    "gemm": lambda n, x: n.node("Gemm", x, n.random(8, 4), n.random(4)),
    "gemm turned": lambda n, x: n.node("Gemm", x, n.random(4, 8), n.random(4), transB=1, alpha=0.5, beta=2.0),
    "gemm without bias": lambda n, x: n.node("Gemm", x, n.random(8, 4)),
    "matmul": lambda n, x: n.node("Add", n.node("MatMul", x, n.random(8, 4)), n.random(4)),
    "bias first": lambda n, x: n.node("Add", n.random(1, 4), n.node("MatMul", x, n.random(8, 4))),
    "of rows": lambda n, x: n.node("MatMul", n.node("Reshape", x, n.constant(np.array([-1, 4, 2]))), n.random(2, 3)),
    "conv 1d": lambda n, x: conv(n, n.node("Reshape", x, n.constant(np.array([-1, 2, 4]))), 2, 3, (3,), pads=[1, 1]),
    "unsqueezed": lambda n, x: n.node("Squeeze", normalized(n, n.node("Unsqueeze", x, n.constant(np.array([2]))), 8),
                                      n.constant(np.array([2]))),
    "turned weights": lambda n, x: n.node("MatMul", x, n.node("Transpose", n.random(4, 8), perm=[1, 0])),
}


@pytest.mark.parametrize("name", ROWS)
def test_operators_on_rows(name):
    n = Network((8,))
    compared(imported(n.content(ROWS[name](n, "x1"))))


@pytest.mark.parametrize(("end", "options"), [("Softmax", {"axis": 1}), ("Sigmoid", {})])
def test_ends(end, options):
    n = Network((8,))
    content = n.content(n.node(end, ROWS["gemm"](n, "x1"), **options))
    found = compared(imported(content, logits=True))
    assert found.ends == (end.lower(),) and [o.kind for o in found.graph.nodes] == ["InputLayer", "Dense"]
    compared(imported(content))
    assert np.isfinite(found.own_outputs(np.full((1, 8), 1e4))).all()


def test_several_inputs_and_outputs_and_their_choice():
    n = Network((4,), IMAGE)
    first = n.node("Relu", n.node("Gemm", "x1", n.random(4, 3)))
    second = conv(n, "x2")
    content = n.content(first, second)
    found = compared(imported(content))
    assert found.shapes == ((4,), IMAGE) and found.outputs == 3 + 4 * 4 * 3
    assert compared(imported(content, outputs=(second,))).outputs == 48
    with pytest.raises(UnsupportedLayerError, match="no result t9. Remedy: model.outputs takes some of t0, t1"):
        imported(content, outputs=("t9",))


def test_the_first_difference_is_named():
    n = Network(IMAGE)
    found = imported(n.content(n.node("Relu", conv(n, conv(n, "x1"), channels=4))))
    nodes = tuple(replace(o, weights=tuple(1.5 * w for w in o.weights)) for o in found.walked.nodes)
    walked = replace(found.walked, nodes=nodes)
    with pytest.raises(DataError, match=r"by up to .* of their spread, first in layer t0_channels_last \(Conv2D\), by"):
        compared(replace(found, walked=walked, graph=canonical(walked)))


X = np.array([-9, -2.5, -1.5, -0.5, 0, 0.25, 0.5, 0.75, 1.5, 2.5, 9])


@pytest.mark.parametrize(("options", "expected"), [
    ({"signed": 1}, [-4, -2, -2, 0, 0, 0, 0, 1, 2, 2, 3]),
    ({"signed": 1, "narrow": 1}, [-3, -2, -2, 0, 0, 0, 0, 1, 2, 2, 3]),
    ({"signed": 0}, [0, 0, 0, 0, 0, 0, 0, 1, 2, 2, 7]),
])
def test_quant_is_that_of_its_definition(options, expected):
    scale, zero, bits = np.array(1.0), np.array(0.0), np.array(3.0)
    np.testing.assert_array_equal(onnx_file.quantized(X, scale, zero, bits, **options), expected)


SCALING = uniform(FeatureScaling(shift=4, bits=8), 6, True)
INPUTS = np.random.default_rng(1).integers(-128, 128, (300, 6))


def dense(n, x, inputs, units, scale=2.0**-3, bits=5, bias=True):
    """A layer as Brevitas exports it: weights and biases through Quant, and Gemm with transB."""
    weights = n.quant(n.random(units, inputs), scale, bits, narrow=1)
    return n.node("Gemm", x, weights, *([n.quant(n.random(units), 2.0**-6, 8)] if bias else []), transB=1)


QUANTIZED = {
    "as Brevitas": {},
    "without the input's": {"first": False},
    "scales of channels": {"scale": 2.0 ** -np.array([[1], [2], [3], [4], [3]])},
    "signed behind a ReLU": {"signed": 1},
    "no ReLU": {"relu": False, "signed": 1},
    "clipped by the quantizer": {"relu": False},
    "narrow": {"relu": False, "signed": 1, "narrow": 1},
    "coarse": {"step": 1.0},
    "twice": {"twice": True},
    "without biases": {"bias": False},
    "quantized output": {"last": True},
    "activations with scales of channels": {"step": 2.0 ** -np.arange(5)},
    "the same without a ReLU": {"step": 2.0 ** -np.arange(1, 6), "relu": False, "signed": 1},
    "the same twice": {"step": 2.0 ** -np.arange(5), "twice": True},
    "inputs with scales of their own": {"first": 2.0 ** -np.arange(6)},
}


def quantized(first=True, relu=True, signed=0, narrow=0, step=0.25, twice=False, last=False, scale=2.0**-3, **options):
    n = Network((6,))
    x = n.quant("x1", 2.0**-3, 7) if first is not False else "x1"
    if np.ndim(first):
        x = n.quant(x, first, 6)
    y = dense(n, x, 6, 5, scale, **options)
    for _ in range(1 + twice):
        y = n.quant(n.node("Relu", y) if relu else y, step, 5, signed, narrow, domain="onnx.brevitas")
    y = dense(n, y, 5, 3, **options)
    return n.content(n.quant(y, 2.0**-2, 8) if last else y)


@pytest.mark.parametrize("case", QUANTIZED)
def test_quantized_files_are_equal_at_every_level(case):
    found = imported(quantized(**QUANTIZED[case]))
    assert found.is_quantized
    network, x = found.quantized_network(SCALING), SCALING.firmware(INPUTS)
    found.require_same_integers(network, x)
    trigger = TriggerFunction("mine", SCALING, network, "student", network.output_type, 0)
    logic = lower.lower(trigger, SynthSection(), lower.ports(SCALING, [INPUTS]), with_outputs=True)
    np.testing.assert_array_equal(logic.comb.predict(INPUTS.astype(float))[:, 2:], network.predict(x))
    assert len(np.unique(network.predict(x))) > 20


def test_a_quantized_network_of_images_is_equal():
    n = Network((2, 4, 4))
    x = n.quant("x1", 2.0**-3, 7)
    y = n.node("Conv", x, n.quant(n.random(3, 2, 3, 3), 2.0**-3, 5), n.quant(n.random(3), 2.0**-6, 8),
               pads=[1, 1, 1, 1])
    y = n.quant(n.node("Relu", y), 0.25, 5, signed=0)
    y = n.node("MaxPool", y, kernel_shape=[2, 2], strides=[2, 2])
    found = imported(n.content(n.quant(dense(n, n.node("Flatten", y), 12, 3), 0.25, 10)))
    scaling = uniform(FeatureScaling(shift=4, bits=8), 32, True)
    x = scaling.firmware(np.random.default_rng(1).integers(-128, 128, (300, 32)))
    network = found.quantized_network(scaling)
    found.require_same_integers(network, x)
    assert len(np.unique(network.predict(x))) > 20


def test_powers_of_two_behind_a_layer_are_folded_exactly():
    n = Network((6,))
    y = dense(n, n.quant("x1", 2.0**-3, 7), 6, 5)
    y = n.node("Add", n.node("Mul", y, n.constant(np.float32([0.5, 1, 2, -1, 4]))), n.constant(0.25))
    found = imported(n.content(n.quant(y, 0.25, 8)))
    found.require_same_integers(found.quantized_network(SCALING), SCALING.firmware(INPUTS))


def test_weights_alone_with_any_scale_are_a_network_of_floats():
    n = Network((6,))
    found = compared(imported(n.content(dense(n, "x1", 6, 5, scale=0.0123, bits=8))))
    assert not found.is_quantized


def quantized_by(**options):
    n = Network((6,))
    return n.content(dense(n, n.quant("x1", **{"scale": 2.0**-3, "bits": 7, "name": "/act", **options}), 6, 5))


def made(kind, *more, domain="", shape=(6,), **attributes):
    n = Network(shape)
    return n.content(n.node(kind, "x1", *(n.constant(c) for c in more), domain=domain, name="/one", **attributes))


def scaled_behind_a_quantizer():
    n = Network((6,))
    return n.content(n.node("Mul", n.quant("x1", 2.0**-3, 7), n.constant(0.3)))


def odd_weights():
    n = Network((6,))
    return n.content(dense(n, n.quant("x1", 2.0**-3, 7), 6, 5, scale=0.0123))


IMAGE_OF_ONE = (1, 4, 4)
REFUSED = {
    r"^/act \(Quant\): its scale 0.3 is no power of two. Remedy: train with": quantized_by(scale=0.3),
    r"^/act \(Quant\): has zero point 1,": quantized_by(zero=1),
    r"^/act \(Quant\): has zero point 0, 1 bits": quantized_by(bits=1),
    r"^/act \(Quant\): has zero point 0, 4 bits, signed 0, narrow 1": quantized_by(bits=4, signed=0, narrow=1),
    r"^/act \(Quant\): has widths of channels": quantized_by(bits=[7, 6] * 3),
    r"^/act \(Quant\): its largest number is about 2\^-4": quantized_by(scale=2.0**-10),
    r"^/act \(Quant\): rounds by FLOOR, which QKeras does not. Remedy": quantized_by(rounding_mode="FLOOR"),
    r"^t\d+ \(Dense\): no type of up to 24 bits holds its weights. Remedy: quantize": odd_weights(),
    r"^t\d+_scaled \(DepthwiseConv2D\): no type of .* holds its weights. Remedy: .*merge": scaled_behind_a_quantizer(),
    r"^/one \(BipolarQuant\): the operator of the domain .* Remedy: quantize with at least 2 bits": made(
        "BipolarQuant", 1.0, domain=QONNX),
    r"^/one \(Trunc\): the operator of the domain": made("Trunc", 1.0, 0.0, 8.0, 4.0, domain=QONNX),
    r"^/one \(Conv\): the operator of the domain .* Remedy: take the file from before": made(
        "Conv", np.ones((1, 1, 1, 1), np.float32), domain="qonnx.custom_op.channels_last", shape=IMAGE_OF_ONE),
    r"^/one \(Erf\): the operator cannot be brought to firmware. Remedy: .*Conv": made("Erf"),
    r"^/one \(Transpose\): moves the axis of events": made("Transpose", perm=[1, 0]),
    r"^/one \(Softmax\): acts along another axis": made("Softmax", shape=IMAGE, axis=1),
    r"^/one \(Clip\): clips at -1": made("Clip", -1.0, 1.0),
    r"^/one \(MaxPool\): adds .* around what it pools": made(
        "MaxPool", shape=IMAGE_OF_ONE, kernel_shape=[2, 2], pads=[1, 1, 1, 1]),
    r"^/one \(MaxPool\): rounds up": made(
        "MaxPool", shape=IMAGE_OF_ONE, kernel_shape=[3, 3], strides=[2, 2], ceil_mode=1),
    r"^/one \(Conv\): has 2 groups of 4 channels": made(
        "Conv", np.ones((4, 2, 1, 1), np.float32), shape=(4, 3, 3), group=2),
    r"^/one \(Conv\): convolves along 3 axes": made("Conv", np.ones((1, 1, 1, 1, 1), np.float32), shape=(1, 3, 3, 3)),
    r"^/one \(ReduceSum\): mixes events": made("ReduceSum", np.array([0]), keepdims=0),
    r"^/one \(Add\): makes a result larger by a constant": made("Add", np.ones((1, 4, 6), np.float32), shape=(1, 6)),
    r"^/one \(Div\): joins a result with a constant": made("Div", 0.0),
}


@pytest.mark.parametrize("words", REFUSED)
def test_what_is_refused_is_named(words):
    with pytest.raises(UnsupportedLayerError, match=words):
        imported(REFUSED[words])


def test_products_of_two_results_are_refused():
    n = Network((2, 3), (3, 2))
    with pytest.raises(UnsupportedLayerError, match=r"MatMul_t0 \(MatMul\): its input x2 depends on the event"):
        imported(n.content(n.node("MatMul", "x1", "x2")))


def without_a_shape():
    n = Network(("M",))
    return n.content(n.node("Relu", "x1"))


def with_weights(change):
    n = Network((6,))
    y = n.node("MatMul", "x1", n.random(6, 2))
    change(n.weights[0])
    return n.content(y)


def elsewhere(tensor):
    tensor.data_location = onnx.TensorProto.EXTERNAL


MALFORMED = {
    "cannot be read as an ONNX model. Remedy: write it again": b"no model",
    "holds no network": b"",
    "the shape of the input x1 is not fixed": without_a_shape(),
    "keeps its weights in another file": with_weights(elsewhere),
    "the weights w0 are not all finite": with_weights(lambda t: t.CopyFrom(
        onnx.numpy_helper.from_array(np.full((6, 2), np.nan, np.float32), "w0"))),
    "cannot be computed by ONNX's reference evaluator": with_weights(lambda t: t.CopyFrom(
        onnx.numpy_helper.from_array(np.ones((5, 2), np.float32), "w0"))),
}


@pytest.mark.parametrize("words", MALFORMED)
def test_malformed_files_are_told(words):
    with pytest.raises(DataError, match=f"^mine.onnx: .*{words}"):
        imported(MALFORMED[words])


def test_a_missing_extra_names_the_remedy(monkeypatch):
    monkeypatch.setitem(sys.modules, "onnx", None)
    monkeypatch.setitem(sys.modules, "onnx.reference", None)
    with pytest.raises(MissingExtraError, match=r"onnx is needed here. Remedy: pip install 'l1trigger\[onnx\]'") as e:
        onnx_file.read(b"", "mine.onnx")
    assert e.value.exit_code == 2
