"""Readings of the algebra agree bit for bit on random weights and types: integers, QKeras, engine and logic."""

import numpy as np
import pytest
import toy_garnet as toy
from engine_networks import typed_inputs
from hypothesis import given, settings
from hypothesis import strategies as st
from toy_lorentz import LorentzLayer

from l1trigger import frameworks
from l1trigger.engine import graph, library
from l1trigger.engine.program import Program
from l1trigger.fixed_point import FixedPoint
from l1trigger.graph.arrays import Rounded
from l1trigger.graph.keras_layers import quantized_stack
from l1trigger.graph.stack import Stack
from l1trigger.models.garnet import GarNetLayer
from l1trigger.models.gravnet import GravNetLayer
from l1trigger.synth.blocks import block, field
from l1trigger.synth.streaming.graph_logic import Logic

KINDS = {"garnet": (GarNetLayer(), 0), "full garnet": (GarNetLayer(), 1), "gravnet": (GravNetLayer(2, falloff=2.0), 0),
         "third party": (LorentzLayer(), 0)}
SOLVER = {"hard_dc": 2, "binary_lut": True}


def stack(algebra, variant, seed):
    """A quantized Keras layer of two layers in float64, and its plain values."""
    rng, features, shapes = np.random.default_rng(seed), 4, []
    for _ in range(2):
        sizes = {n: int(rng.integers(1, 4)) for n in algebra.sizes}
        shapes.append(algebra.shapes({"in": features, **sizes}, algebra.variants[variant]))
        features = sizes[algebra.sizes[-1]]
    relu, collapse = bool(rng.integers(2)), str(rng.choice(["mean", "sum", "max"]))

    def fixed(kind="signed"):
        bits = int(rng.integers(4, 9))
        return str(FixedPoint.from_quantized_bits(
            bits, 0 if kind == "weight" else int(rng.integers(0, 3)), keep_negative=kind == "signed"
        ))

    layer = quantized_stack(type(algebra))(
        shapes=shapes, weight_types=[{n: fixed() for n in s} for s in shapes],
        types=[{**{n: fixed(role.kind) for n, role in algebra.roles.items()},
                "output": fixed("unsigned" if relu else "signed")} for _ in shapes],
        collapse=collapse, collapsed=fixed(), mask_feature=3, dtype="float64", **vars(algebra),
    )
    layer.build((None, toy.V, 4))
    for cell, types in zip(layer.cells, layer.weight_types, strict=True):
        for name, variable in cell.items():
            variable.assign(FixedPoint.parse(types[name]).quantize(rng.normal(0, 0.7, variable.shape)))
    return layer, Stack.of(layer)


@pytest.mark.parametrize("kind", KINDS)
@given(seed=st.integers(0, 2**20))
@settings(max_examples=8, deadline=None)
def test_integers_and_qkeras(kind, seed):
    x = toy.features(40, seed)
    with frameworks.float64():
        layer, plain = stack(*KINDS[kind], seed)
        np.testing.assert_array_equal(layer(x).numpy(), plain.evaluate(x))
    program = Program(toy.V * 4)
    results = graph.stack(program, plain, typed_inputs(program, toy.INPUT).reshape(toy.V, 4))
    code = program.finished(program.exactly(results, plain.collapsed))
    fast = library.load().run(code, toy.INPUT.raw(x.reshape(len(x), -1)).astype(np.int16))
    np.testing.assert_array_equal(plain.collapsed.value(fast), plain.evaluate(x))


@pytest.mark.parametrize("kind", ["garnet", "full garnet", "third party"])
@given(seed=st.integers(0, 2**20))
@settings(max_examples=3, deadline=None)
def test_integers_and_logic(kind, seed):
    """What a vertex gives to the aggregators, and what they send back."""
    with frameworks.float64():
        _, plain = stack(*KINDS[kind], seed)
    algebra, layer, x = plain.algebra, plain.layers[0], toy.features(30, seed)
    logic, integers = Logic(toy.V, layer.types), Rounded(toy.V, layer.types)

    def lane(given):
        w, p = algebra.encode(logic, layer.weights, given, given[3:4].to_bool("any"))
        return np.concatenate([w, logic.products(w, p)])

    made = block("lane", [field(toy.INPUT)] * 4, lane, SOLVER, 5.0)
    got = np.asarray(made.comb.predict(np.ascontiguousarray(x.reshape(-1, 4)))).reshape(*x.shape[:2], -1)
    mask = (x[..., 3:] != 0).astype(float)
    w, p = algebra.encode(integers, layer.weights, x, mask)
    products = w[..., None] * p[:, :, None]
    np.testing.assert_array_equal(got, np.concatenate([w, products.reshape(*x.shape[:2], -1)], -1))

    h = layer.types["aggregated"].quantize(products.mean(1))
    k = layer.types["aggregated"].quantize(products.max(1)) if algebra.maximum(layer.weights) else None
    parts = [h] if k is None else [h, k]
    t = layer.types["aggregated"]

    def gather(given):
        each = np.split(np.arange(len(given)), len(parts))
        return algebra.sent(logic, layer.weights, *(
            given[list(i)].reshape(h.shape[1:]) for i in each), *[None] * (2 - len(parts))).ravel()

    once = block("gather", [field(t)] * (h[0].size * len(parts)), gather, SOLVER, 5.0)
    flat = np.concatenate([part.reshape(len(x), -1) for part in parts], -1)
    sent = layer.types["gathered"].quantize(algebra.gather(integers, layer.weights, h, k))
    np.testing.assert_array_equal(np.asarray(once.comb.predict(flat)).reshape(sent.shape), sent)
