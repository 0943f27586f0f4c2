"""The integer semantics: against a definition written out vertex by vertex, and against the QKeras twin."""

from __future__ import annotations

import numpy as np
import pytest
import toy_gravnet as toy

from l1trigger import frameworks
from l1trigger.graph.arrays import Rounded, Seen
from l1trigger.models.gravnet import GravNetLayer
from l1trigger.network import QuantizedNetwork

CASES = {
    "mean": {},
    "sum, linear": {"collapse": "sum", "relu": False, "seed": 2},
    "max, loops": {"collapse": "max", "loops": True, "seed": 3},
    "max, linear": {"collapse": "max", "relu": False, "seed": 4},
    "one neighbour": {"neighbours": 1, "sizes": ((4, 3, 4),), "seed": 5},
    "all but itself are neighbours": {"vertices": 8, "neighbours": 4, "falloff": 2.0, "seed": 6},
    "as many neighbours as vertices": {"vertices": 4, "neighbours": 4, "loops": True, "falloff": 1.0, "seed": 7},
    "one coordinate": {"sizes": ((1, 2, 3), (1, 2, 3)), "seed": 8},
}


def by_hand(stack, x):
    """One event, from the formulas of the module, with sorted pairs in place of arrays."""
    there = [v for v in range(stack.vertices) if x[v, stack.mask_feature] != 0]
    for layer in stack.layers:
        t, weights, algebra = layer.types, layer.weights, stack.algebra
        s = t["coordinate"].quantize(x @ weights["coordinate"] + weights["coordinate_bias"])
        p = t["propagated"].quantize(x @ weights["propagate"] + weights["propagate_bias"])
        y = np.zeros((stack.vertices, len(weights["bias"])))
        for v in there:
            pairs = sorted((sum((a - b) ** 2 for a, b in zip(s[v], s[u], strict=True)), u) for u in there
                           if u != v or algebra.loops)[: algebra.neighbours]
            near = [t["edge_weight"].quantize(np.exp(-algebra.falloff * t["square"].quantize(d))) for d, _ in pairs]
            found = [w * p[u] for w, (_, u) in zip(near, pairs, strict=True)]
            found += [np.zeros(p.shape[1])] * (algebra.neighbours - len(found))
            mean = t["aggregated"].quantize(np.sum(found, 0) / algebra.neighbours)
            maximum = t["aggregated"].quantize(np.max(found, 0))
            total = weights["bias"] + x[v] @ weights["direct"] + mean @ weights["mean"] + maximum @ weights["maximum"]
            y[v] = t["output"].quantize(total)
        x = y
    end = {"mean": x.mean(0), "sum": x.sum(0), "max": x.max(0)}[stack.collapse]
    return stack.collapsed.quantize(end)


def real(vertices, count=60):
    return toy.scaling(vertices).firmware(toy.events(vertices, count)).reshape(count, vertices, toy.FEATURES)


@pytest.mark.parametrize("case", CASES)
def test_three_definitions_agree(case):
    network = toy.network(**CASES[case])
    stack = toy.stack(network)
    x = real(stack.vertices)
    found = stack.evaluate(x)
    assert len(np.unique(found)) > 20, "a network whose outputs hardly vary proves little"
    assert np.array_equal(found, [by_hand(stack, event) for event in x])
    model = network.build()
    with frameworks.float64():
        inner = frameworks.keras().Model(model.input, model.get_layer("gravnet").output)
        assert np.array_equal(found, inner.predict(x.reshape(len(x), -1), verbose=0))


def test_empty_and_lonely_vertices():
    stack = toy.stack(toy.network())
    x = real(16)[:3]  # the first half of the events has its vertices in front
    assert not (x[0, :, 3] != 0).any()
    assert (x[1, :, 3] != 0).all()
    assert (x[2, :, 3] != 0).sum() == 1
    found = stack.evaluate(x)
    assert not found[0].any(), "no vertex has no output"
    first = stack.layers[0]
    mask = (x[..., 3:] != 0).astype(float)
    bias_and_inputs = first.types["output"].quantize(x[2, 0] @ first.weights["direct"] + first.weights["bias"])
    outputs = stack.algebra.layer(Rounded(16, first.types), first.weights, x, mask)
    assert np.array_equal(outputs[2, 0], bias_and_inputs)


def nearest(s, mask, neighbours, loops):
    """Indices, and squared distances that are infinite where one lacks."""
    r = Seen(s.shape[1], "linear")
    at, there = r.nearest(s, mask[..., None], neighbours, loops)
    return at, np.where(there > 0, r.square_distances(s, at), np.inf)


def test_ties_go_to_the_lower_index():
    s = np.array([[[0.0], [1.0], [-1.0], [1.0], [1.0]]])
    mask = np.array([[1.0, 1, 1, 1, 0]])
    at, square = nearest(s, mask, 3, loops=False)
    assert at[0, :3].tolist() == [[1, 2, 3], [3, 0, 2], [0, 1, 3]]
    assert square[0, 1].tolist() == [0, 1, 4]
    with_self, _ = nearest(s, mask, 3, loops=True)
    assert with_self[0, 3].tolist() == [1, 3, 0]
    two, lacking = nearest(s[:, :2], mask[:, :2], 2, loops=False)
    assert lacking[0, 0].tolist() == [1, np.inf]
    assert two[0, 0, 0] == 1


def test_order_of_vertices_matters_through_ties_alone():
    stack = toy.stack(toy.network())
    layer, algebra = stack.layers[0], stack.algebra
    x = real(16)
    mask = (x[..., 3] != 0).astype(float)
    s = layer.types["coordinate"].quantize(x @ layer.weights["coordinate"] + layer.weights["coordinate_bias"])
    _, square = nearest(s, mask, algebra.neighbours + 1, loops=False)
    near = np.where(np.isfinite(square), square, 1e6 + np.arange(algebra.neighbours + 1))
    tied = ((np.diff(near, axis=-1) == 0).any(-1) & (mask > 0)).any(-1)
    assert 3 < tied.sum() < 57, "events with ties and without"
    order = np.random.default_rng(3).permutation(16)
    r = Rounded(16, layer.types)
    shuffled = algebra.layer(r, layer.weights, x[:, order], mask[:, order, None])
    same = (algebra.layer(r, layer.weights, x, mask[..., None])[:, order] == shuffled).all((1, 2))
    assert same[~tied].all()
    assert not same[tied].all()


def test_round_trip(tmp_path):
    network = toy.network(loops=True, falloff=8.0)
    network.save(tmp_path)
    again = QuantizedNetwork.load(tmp_path)
    x = toy.scaling(16).firmware(toy.events(16))
    assert np.array_equal(network.raw(x), again.raw(x))
    assert toy.stack(again).algebra == GravNetLayer(neighbours=4, loops=True, falloff=8.0)
