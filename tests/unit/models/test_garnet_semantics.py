"""Integer semantics: the QKeras twin and plain Python integers against ``graph.stack.Stack``, bit for bit."""

import json
import math
from dataclasses import replace
from fractions import Fraction
from itertools import product

import numpy as np
import pytest
import toy_garnet as toy

from l1trigger import frameworks
from l1trigger.fixed_point import FixedPoint
from l1trigger.graph import hls
from l1trigger.graph.intervals import table
from l1trigger.graph.keras_layers import qkeras_quantizer, quantized_stack
from l1trigger.graph.stack import QuantizedLayer, Stack
from l1trigger.models.garnet import GarNetLayer, edge_weight
from l1trigger.network import QuantizedNetwork

CASES = [
    *product(["simplified"], [True, False], ["mean", "sum", "max"], ["linear", "relu", "tanh"]),
    *product(["full"], [False], ["mean", "sum", "max"], ["linear", "relu", "tanh"]),
]


def plain(network: QuantizedNetwork) -> Stack:
    (layer,) = hls.stacks(network.build(exact=False))
    return Stack.of(layer)


def twin(network: QuantizedNetwork, x: np.ndarray) -> np.ndarray:
    """What ``predict`` gives; for one batch the model is quicker without a graph."""
    with frameworks.float64():
        return network.build()(x).numpy()


@pytest.mark.parametrize("case", CASES, ids=lambda c: "-".join(map(str, c)))
def test_twin_equals_the_function(case):
    variant, folded, *_ = case
    with frameworks.float64():
        layer = toy.layer(*case)
        x = toy.features(300, 11)
        got = layer(x).numpy()
    stack = Stack.of(layer)
    weights = [one.weights for one in stack.layers]
    assert all(("propagate" not in w) is folded and ("maximum" in w) is (variant == "full") for w in weights)
    np.testing.assert_array_equal(got, stack.evaluate(x))
    assert got.dtype == np.float64 and stack.collapsed.represents(got)
    assert len(np.unique(got)) > 10


@pytest.mark.parametrize("collapse", ["mean", "sum", "max"])
def test_event_without_any_hit(collapse):
    x = toy.features(2, 3)
    x[..., 3] = 0
    assert x.any()
    with frameworks.float64():
        layer = toy.layer("full", False, collapse)
        np.testing.assert_array_equal(layer(x), np.zeros((2, 4)))
    np.testing.assert_array_equal(Stack.of(layer).evaluate(x), np.zeros((2, 4)))


def test_more_events_than_one_chunk(monkeypatch):
    stack, x = Stack.of(toy.layer()), toy.features(23, 4)
    whole = stack.evaluate(x)
    monkeypatch.setattr(GarNetLayer, "chunk", 10)
    np.testing.assert_array_equal(stack.evaluate(x), whole)


def rounded(value: Fraction, t: FixedPoint) -> Fraction:
    """Round half to even, saturate, in whole numbers alone; Python's ``round`` of a fraction is exact."""
    low, high = t.raw_range
    return Fraction(min(max(round(value * 2**t.fraction), low), high), 2**t.fraction)


def exactly(values) -> np.ndarray:
    """Floats as fractions, without rounding."""
    return np.vectorize(Fraction, otypes=[object])(np.asarray(values, np.float64))


def looked_up(layer: QuantizedLayer, distance: Fraction) -> Fraction:
    t, w = layer.types["distance"], layer.types["edge_weight"]
    code = int(distance * 2**t.fraction) % 2**t.width
    return Fraction(int(table(edge_weight, t, w)[code]), 2**w.fraction)


def slowly(stack: Stack, event: np.ndarray) -> list[Fraction]:
    """One event (V, features) by the formulas of ``GarNetLayer``, in exact fractions."""
    x, vertices = exactly(event), range(stack.vertices)
    m = [int(x[v, stack.mask_feature] != 0) for v in vertices]
    for index, layer in enumerate(stack.layers):
        t = layer.types
        big = {n: exactly(w) for n, w in layer.weights.items()}
        ss, fs, os = map(range, big["mean"].shape)
        d = [rounded_row(x[v] @ big["distance"] + big["distance_bias"], t["distance"]) for v in vertices]
        w = [[m[v] * looked_up(layer, d[v][s]) for s in ss] for v in vertices]
        if "propagate" not in big:
            p = [[*x[v], Fraction(1)] for v in vertices]
        else:
            p = [rounded_row(x[v] @ big["propagate"] + big["propagate_bias"], t["propagated"]) for v in vertices]
        if "maximum" in big:
            p = [[*p[v], *w[v]] for v in vertices]
        one = 1 / Fraction(stack.vertices)
        h = [[rounded(one * sum(w[v][s] * p[v][f] for v in vertices), t["aggregated"]) for f in fs] for s in ss]
        g = [[sum(h[s][f] * big["mean"][s, f, o] for f in fs) for o in os] for s in ss]
        if "maximum" in big:
            k = [[rounded(max(w[v][s] * p[v][f] for v in vertices), t["aggregated"]) for f in fs] for s in ss]
            g = [[g[s][o] + sum(k[s][f] * big["maximum"][s, f, o] for f in fs) for o in os] for s in ss]
        g = [[rounded(v, t["gathered"]) for v in row] for row in g]

        def y(count, inputs, weights, o, g=g, big=big, ss=ss):
            total = count * big["bias"][o] + sum(weights[s] * g[s][o] for s in ss)
            if "direct" in big:
                total += sum(v * big["direct"][i, o] for i, v in enumerate(inputs))
                total += sum(weights[s] * big["edges"][s, o] for s in ss)
            return total

        if index == len(stack.layers) - 1 and stack.collapse != "max":
            u = [rounded(one * sum(w[v][s] for v in vertices), t["aggregated"]) for s in ss]
            inputs = [one * sum(m[v] * x[v, i] for v in vertices) for i in range(x.shape[1])]
            scale = stack.vertices if stack.collapse == "sum" else 1
            return [rounded(scale * y(one * sum(m), inputs, u, o), stack.collapsed) for o in os]
        x = np.array([[m[v] * rounded(y(1, x[v], w[v], o), t["output"]) for o in os] for v in vertices], object)
    return [rounded(max(x[:, o]), stack.collapsed) for o in range(stack.outputs)]


def rounded_row(values, t: FixedPoint) -> list[Fraction]:
    return [rounded(Fraction(v), t) for v in values]


@pytest.mark.parametrize("case", [
    ("simplified", True, "mean", "linear"), ("full", False, "sum", "relu"), ("full", False, "max", "tanh"),
    ("simplified", False, "max", "linear"),
])
def test_exact_fractions_equal_the_function(case):
    stack = Stack.of(toy.layer(*case, seed=5))
    x = toy.features(40, 12)
    expected = [[float(v) for v in slowly(stack, event)] for event in x]
    np.testing.assert_array_equal(stack.evaluate(x), expected)
    assert len(np.unique(expected)) > 10


def test_a_changed_weight_changes_the_result():
    """The comparisons of this module can fail."""
    stack, x = Stack.of(toy.layer(seed=2)), toy.features(100, 11)
    first = stack.layers[0]
    mean = first.weights["mean"].copy()
    mean[0, 0, 0] += 0.5
    other = replace(stack, layers=(replace(first, weights={**first.weights, "mean": mean}), *stack.layers[1:]))
    assert (other.evaluate(x) != stack.evaluate(x)).any()


@pytest.mark.parametrize("width", range(4, 11))
@pytest.mark.parametrize("edge_bits", [4, 6, 12])
def test_table(width, edge_bits):
    t = FixedPoint.from_quantized_bits(width, 2)
    edge = FixedPoint.from_quantized_bits(edge_bits, 0, keep_negative=False)
    stack = Stack.of(toy.layer())
    first = stack.layers[0]
    other = replace(first, types={**first.types, "distance": t, "edge_weight": edge})
    found = replace(stack, layers=(other, *stack.layers[1:])).intervals(toy.INPUT)[0].tables["edge_weight"]
    assert len(found) == 2**width
    assert found[0] == found.max() == 2**edge_bits - 1, "1 saturates to the largest weight"
    half = 2 ** (width - 1)
    np.testing.assert_array_equal(found[1:half], found[:half:-1])
    assert (np.diff(found[:half]) <= 0).all() and found.min() >= 0
    # Entry by entry as plain Python has it.
    for code in range(2**width):
        d = (code - 2**width if code >= half else code) / 2**t.fraction
        assert found[code] == min(round(math.exp(-d * d) * 2**edge_bits), 2**edge_bits - 1)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("width", range(4, 11))
def test_tensorflow_takes_the_same_table(width, dtype):
    """Every entry, at the widths of both floats: no entry lies so near to a tie that they round differently."""
    import tensorflow as tf

    frameworks.keras()
    for integer, edge_bits in product(range(4), (4, 6, 8)):
        t = FixedPoint.from_quantized_bits(width, integer)
        edge = FixedPoint.from_quantized_bits(edge_bits, 0, keep_negative=False)
        low, high = t.raw_range
        d = np.arange(low, high + 1) * t.lsb
        with frameworks.float64() if dtype == "float64" else frameworks.contextlib.nullcontext():
            got = qkeras_quantizer(edge)(edge_weight(tf, tf.constant(d, dtype))).numpy()
        np.testing.assert_array_equal(got.astype(np.float64), edge.quantize(edge_weight(np, d)))


@pytest.mark.parametrize("variant", ["simplified", "full"])
def test_a_stored_network_is_the_same(variant, tmp_path):
    """JSON with sorted keys must not change the order of the weights."""
    network = toy.network(variant, folded=False, collapse="max", seed=3)
    network.save(tmp_path)
    again = QuantizedNetwork.load(tmp_path)
    assert json.loads((tmp_path / "network.json").read_text())["model"] == json.loads(again.config)
    x = toy.features(50, 1)
    expected = twin(network, x)
    np.testing.assert_array_equal(twin(again, x), expected)
    np.testing.assert_array_equal(plain(network).evaluate(x), expected)
    a, b = plain(network), plain(again)
    for first, second in zip(a.layers, b.layers, strict=True):
        assert first.types == second.types and list(first.weights) == list(second.weights)
        for name, values in first.weights.items():
            np.testing.assert_array_equal(values, second.weights[name])


def test_configuration_gives_the_same_layer():
    network = toy.network("full", folded=False, seed=3)
    layer = network.build(exact=False).get_layer("garnet")
    config = layer.get_config()
    scrambled = {n: [dict(sorted(each.items(), reverse=True)) for each in v] if isinstance(v, list) else v
                 for n, v in config.items()}
    again = quantized_stack(GarNetLayer).from_config(scrambled)
    again.build((None, toy.V, 4))
    assert again.get_config() == config
    assert [list(c) for c in again.cells] == [list(c) for c in layer.cells]
    again.set_weights(layer.get_weights())
    np.testing.assert_array_equal(again(toy.features(9, 3).astype("f")), layer(toy.features(9, 3).astype("f")))


def test_weights_that_are_pruned_and_quantized():
    layer = toy.network("full", folded=False, seed=3).build(exact=False).get_layer("garnet")
    names = [w.name.split("/")[-1].split(":")[0] for w in layer.get_prunable_weights()]
    assert names == [f"{n}{i}" for i in (0, 1) for n in GarNetLayer.weights if "bias" not in n]
    assert len(layer.get_quantizers()) == len(layer.get_weights()) == 2 * len(GarNetLayer.weights)
    for q, w in zip(layer.get_quantizers(), layer.get_weights(), strict=True):
        np.testing.assert_array_equal(q(w), w)
    first, second = layer.summaries()
    assert (first.name, second.name) == ("garnet0", "garnet1")
