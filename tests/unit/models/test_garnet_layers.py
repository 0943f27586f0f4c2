"""The float layer against loops written from the formulas of arXiv:1902.07987 and arXiv:2008.03601."""

import numpy as np
import pytest
import toy_garnet as toy

from l1trigger import frameworks
from l1trigger.graph import keras_layers
from l1trigger.graph.fit import FloatStack, fit
from l1trigger.models.garnet import GarNetLayer, fold

ACTIVATIONS = {"linear": lambda v: v, "relu": lambda v: np.maximum(v, 0), "tanh": np.tanh}
# Float32 has a relative error of 6e-8 per operation; sums of some tens of terms of order one stay well below this.
CLOSE = {"rtol": 2e-5, "atol": 2e-5}


def by_loops(cells, x, activation, collapse, normalization, mask_feature=3):
    """One event (V, features), vertex by vertex; cells without ``maximum`` are simplified ones."""
    vertices = len(x)
    there = [v for v in range(vertices) if x[v, mask_feature] != 0]
    count = vertices if normalization == "vertices" else max(len(there), 1)
    for index, c in enumerate(cells):
        full, (_, aggregators) = "maximum" in c, c["distance"].shape
        w = {v: [np.exp(-(x[v] @ c["distance"][:, s] + c["distance_bias"][s]) ** 2) for s in range(aggregators)]
             for v in there}
        p = {v: [*(x[v] @ c["propagate"] + c["propagate_bias"]), *(w[v] if full else [])] for v in there}
        features = c["mean"].shape[1]
        mean = [[sum(w[v][s] * p[v][f] for v in there) / count for f in range(features)] for s in range(aggregators)]
        # A vertex that is missing weighs 0, and 0 is what it adds to the maximum.
        missing = [0.0] if len(there) < vertices else []
        top = [[max([w[v][s] * p[v][f] for v in there] + missing) for f in range(features)] for s in range(aggregators)]
        filters = len(c["bias"])
        out = np.zeros((vertices, filters))
        linear = index == len(cells) - 1 and collapse in ("mean", "sum")
        for v in there:
            for o in range(filters):
                y = c["bias"][o]
                for s in range(aggregators):
                    y += w[v][s] * sum(mean[s][f] * c["mean"][s, f, o] for f in range(features))
                    if full:
                        y += w[v][s] * sum(top[s][f] * c["maximum"][s, f, o] for f in range(features))
                        y += w[v][s] * c["edges"][s, o]
                if full:
                    y += x[v] @ c["direct"][:, o]
                out[v, o] = ACTIVATIONS["linear" if linear else activation](y)
        x = out
    if collapse is None:
        return x
    return {"mean": x.sum(0) / count, "sum": x.sum(0), "max": x.max(0)}[collapse]


def stack(cells, sizes, **options):
    layer = keras_layers.float_stack(GarNetLayer)(*zip(*sizes, strict=True), **options)
    layer.build((None, toy.V, 4))
    for cell, weights in zip(layer.cells, cells, strict=True):
        assert list(cell) == list(weights)
        for name, variable in cell.items():
            variable.assign(weights[name])
    return layer


SIZES = ((2, 3, 3), (3, 2, 4))


@pytest.mark.parametrize("normalization", keras_layers.NORMALIZATIONS)
@pytest.mark.parametrize("collapse", keras_layers.COLLAPSES)
@pytest.mark.parametrize("variant", GarNetLayer.variants)
def test_equals_the_formulas(variant, collapse, normalization):
    cells, x = toy.cells(variant, 1), toy.features(6, 5)
    for activation in keras_layers.ACTIVATIONS:
        layer = stack(cells, SIZES, variant=variant, activation=activation, collapse=collapse,
                      normalization=normalization)
        got = layer(x.astype(np.float32)).numpy()
        expected = np.stack([by_loops(cells, event, activation, collapse, normalization) for event in x])
        assert got.shape[1:] == tuple(layer.compute_output_shape((None, toy.V, 4))[1:])
        np.testing.assert_allclose(got, expected, **CLOSE)
        assert len(np.unique(got.round(3))) > 5


def test_missing_vertices_do_not_count():
    """What stands in the other features of a vertex that is not there changes nothing."""
    x = toy.features(20, 6).astype(np.float32)
    clean = np.where(x[..., 3:] == 0, 0, x)
    assert (clean != x).any()
    for variant in GarNetLayer.variants:
        layer = stack(toy.cells(variant, 4), SIZES, variant=variant, collapse="sum")
        np.testing.assert_array_equal(layer(x), layer(clean))


def test_order_of_vertices_does_not_count():
    x = toy.features(20, 7).astype(np.float32)
    layer = stack(toy.cells("full", 4), SIZES, variant="full", collapse="max")
    np.testing.assert_allclose(layer(x), layer(x[:, ::-1]), **CLOSE)


@pytest.mark.parametrize("sizes", [((2,), (3,), (4,)), ((2, 3), (3, 2), (2, 4))])
def test_configuration_gives_the_same_layer(sizes):
    k = frameworks.keras()
    options = {"variant": "full", "activation": "tanh", "collapse": "max", "mask_feature": 2, "normalization": "count"}
    cls = keras_layers.float_stack(GarNetLayer)
    inputs = k.Input((toy.V, 4))
    model = k.Model(inputs, cls(*sizes, **options)(inputs))
    again = k.models.model_from_json(model.to_json(), custom_objects={"GarNetStack": cls})
    again.set_weights(model.get_weights())
    assert again.layers[1].get_config() == model.layers[1].get_config()
    x = toy.features(5, 2, mask_feature=2).astype(np.float32)
    np.testing.assert_array_equal(again(x), model(x))


@pytest.mark.parametrize(("wrong", "says"), [
    ({"variant": "fast"}, "variant 'fast' is not known; it can be 'simplified', 'full'"),
    ({"activation": "gelu"}, "activation 'gelu' is not known"),
    ({"collapse": "min"}, "collapse 'min' is not known"),
    ({"normalization": "sqrt"}, "normalization 'sqrt' is not known"),
    ({"aggregators": [4]}, "one size per layer"),
    ({"aggregators": [], "propagate": [], "filters": []}, "one size per layer"),
])
def test_wrong_arguments(wrong, says):
    given = {"aggregators": [2, 2], "propagate": [2, 2], "filters": [2, 2], **wrong}
    with pytest.raises(ValueError, match=says):
        keras_layers.float_stack(GarNetLayer)(**given)


@pytest.mark.parametrize("index", [4, -1])
def test_mask_feature_that_is_not_there(index):
    layer = keras_layers.float_stack(GarNetLayer)([2], [2], [2], mask_feature=index)
    with pytest.raises(ValueError, match=f"mask_feature is {index}, but vertices have 4 features"):
        layer.build((None, toy.V, 4))


def test_folding_leaves_the_function_unchanged():
    """A folded layer takes the inputs and a constant 1 for the propagated features."""
    (cell,) = toy.cells("simplified", 3, sizes=SIZES[:1])
    folded = fold(cell)
    assert set(folded) == {"distance", "distance_bias", "mean", "bias"}
    assert folded["mean"].shape == (2, 4 + 1, 3)
    for event in toy.features(10, 4):
        p = np.concatenate([event, np.ones((toy.V, 1))], 1)
        direct = event @ cell["propagate"] + cell["propagate_bias"]
        # The same products in another order: float64 rounding only.
        np.testing.assert_allclose(
            np.einsum("vi,sio->vso", p, folded["mean"]), np.einsum("vf,sfo->vso", direct, cell["mean"]), rtol=1e-12,
            atol=1e-12,
        )


@pytest.mark.parametrize("collapse", ["mean", "sum", "max"])
@pytest.mark.parametrize("variant", GarNetLayer.variants)
@pytest.mark.parametrize("folded", [True, False])
def test_the_fit_follows_the_float_function(variant, collapse, folded):
    """The outputs that binary points are fitted to are those of the float layer, folded or not."""
    cells, x = toy.cells(variant, 4), toy.features(30, 5)
    use = [fold(c) if folded and variant == "simplified" else c for c in cells]
    float_stack = FloatStack(GarNetLayer(), use, "tanh", collapse, mask_feature=3)
    found = fit(float_stack, [toy.BITS] * 2, x, collapsed_bits=9)
    layer = stack(cells, SIZES, variant=variant, activation="tanh", collapse=collapse)
    np.testing.assert_allclose(found.outputs, layer(x.astype(np.float32)), **CLOSE)
    assert ("propagate" in found.weights[0]) is not (folded and variant == "simplified")
