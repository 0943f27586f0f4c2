"""Small GarNet stacks and triggers with random weights, and random clusters of hits."""

from functools import cache

import numpy as np
import toy_trigger as toy

from l1trigger import frameworks
from l1trigger.compress_sections import QuantizationSection
from l1trigger.data.events import DataSet, Events
from l1trigger.fixed_point import FixedPoint
from l1trigger.graph import fit
from l1trigger.graph.keras_layers import qkeras_quantizer, quantized_stack
from l1trigger.models.garnet import GarNet, GarNetLayer, GarNetOptions, fold
from l1trigger.network import QuantizedNetwork
from l1trigger.quantize import dense_layers
from l1trigger.scores.kernels import KERNELS
from l1trigger.trigger import TriggerFunction

V = 8
BITS = {
    "weights": 5, "biases": 6, "distance": 6, "edge_weight": 4, "propagated": 6, "aggregated": 9, "gathered": 7,
    "output": 6,
}
INPUT = FixedPoint.parse("ap_fixed<7,3,RND_CONV,SAT>")
"""Type of the features in tests of a stack alone."""


def clusters(n: int, seed: int = 0, vertices: int = V, extreme: float = 0.2) -> np.ndarray:
    """Hits (n, vertices, 4); the first event has none, the second all, and a share ends of the 16-bit range."""
    rng = np.random.default_rng(seed)
    hits = np.stack([
        rng.integers(-17, 18, (n, vertices)), rng.integers(-17, 18, (n, vertices)), rng.integers(0, 50, (n, vertices)),
        np.minimum(3 + rng.exponential(100, (n, vertices)), 1023),
    ], -1).astype(np.int16)
    ends = rng.choice(np.array([-32768, -33, -32, -1, 0, 1, 31, 63, 1023, 1024, 32767], np.int16), hits.shape)
    hits = np.where(rng.random((n, 1, 1)) < extreme, ends, hits)
    count = rng.integers(0, vertices + 1, n)
    count[:2] = 0, vertices
    hits[1, :, 3] = np.maximum(hits[1, :, 3], 1)
    return np.where(np.arange(vertices)[:, None] < count[:, None, None], hits, 0).astype(np.int16)


def features(n: int, seed: int = 0, inputs: int = 4, mask_feature: int = 3, vertices: int = V) -> np.ndarray:
    """Features on the grid of ``INPUT`` with the ends of its range; missing vertices are not zero elsewhere."""
    rng = np.random.default_rng(seed)
    low, high = INPUT.raw_range
    x = INPUT.quantize(rng.normal(0, 1, (n, vertices, inputs)))
    x = np.where(rng.random(x.shape) < 0.1, rng.choice([low, high], x.shape) * INPUT.lsb, x)
    x[..., mask_feature] = np.abs(x[..., mask_feature]) + INPUT.lsb
    there = np.arange(vertices) < rng.integers(0, vertices + 1, n)[:, None]
    there[:2] = [[False], [True]]
    x[..., mask_feature] = np.where(there, INPUT.quantize(x[..., mask_feature]), 0)
    return x


def cells(variant: str, seed: int, inputs: int = 4, sizes: tuple = ((2, 3, 3), (3, 2, 4))) -> list[dict]:
    """Random float weights of layers of given S, F and O."""
    rng, out = np.random.default_rng(seed), []
    for s, f, o in sizes:
        shapes = GarNetLayer.shapes({"in": inputs, "aggregators": s, "propagate": f, "filters": o}, variant)
        out.append({n: rng.normal(0, 0.5, shape) for n, shape in shapes.items()})
        inputs = o
    return out


def fitted(
    variant: str, folded: bool, collapse: str, activation: str, seed: int, vertices: int = V
) -> fit.Fitted:
    """What a quantized layer with random weights is made from."""
    own = [fold(c) if folded and variant == "simplified" else c for c in cells(variant, seed)]
    stack = fit.FloatStack(GarNetLayer(), own, activation, collapse, mask_feature=3)
    return fit.fit(stack, [BITS, BITS], features(300, seed, vertices=vertices), collapsed_bits=9)


def layer(
    variant: str = "simplified", folded: bool = True, collapse: str = "mean", activation: str = "linear", seed: int = 1,
):
    """The quantized Keras layer alone in float64, with weights on their grid; for features of the type ``INPUT``."""
    found = fitted(variant, folded, collapse, activation, seed)
    made = quantized_stack(GarNetLayer)(**found.arguments, name="garnet", dtype="float64")
    made.build((None, V, 4))
    for own, weights, types in zip(made.cells, found.weights, made.weight_types, strict=True):
        for name, variable in own.items():
            variable.assign(FixedPoint.parse(types[name]).quantize(weights[name]))
    return made


def network(
    variant: str = "simplified", folded: bool = True, collapse: str = "mean", activation: str = "linear", seed: int = 1,
    vertices: int = V,
) -> QuantizedNetwork:
    """A quantized stack alone, on features of the type ``INPUT``."""
    found = fitted(variant, folded, collapse, activation, seed, vertices)
    k, q = frameworks.keras(), frameworks.qkeras()
    inputs = k.Input((vertices, 4), name="x")
    h = q.QActivation(qkeras_quantizer(INPUT), name="input_type")(inputs)
    stack = quantized_stack(GarNetLayer)(**found.arguments, name="garnet")
    model = k.Model(inputs, stack(h))
    for layer, weights in zip(stack.cells, found.weights, strict=True):
        for name, variable in layer.items():
            variable.assign(weights[name])
    return QuantizedNetwork.from_keras(model, INPUT, FixedPoint.parse(found.arguments["collapsed"]))


def options(**more) -> GarNetOptions:
    """A tiny architecture."""
    return GarNetOptions(**{
        "hits": V, "aggregators": (2, 2), "propagate": (2, 3), "filters": (2, 3), "head": (3,), **more
    })


@cache
def trigger(seed: int = 3, score_type: FixedPoint | None = None, **more) -> TriggerFunction:
    """A whole trigger with random weights; it accepts about a third of random clusters."""
    own = options(**more)
    model, rng = GarNet(own).build(), np.random.default_rng(seed)
    model.set_weights([rng.normal(0, 0.5, w.shape) for w in model.get_weights()])
    weights = {f"{i:03d}": w for i, w in enumerate(model.get_weights())}
    scaling = GarNet(own).scaling
    section = QuantizationSection(weights=5, biases=7, activations=6, score=10)
    internal = {**GarNet.internal_bits, "distance": 5, "edge_weight": 4, "propagated": 5, "aggregated": 8}
    internal["gathered"] = 6
    made = GarNet(own).quantized_model(weights, section, internal, scaling.firmware(clusters(300, 9, own.hits)))
    net = QuantizedNetwork.from_keras(made, scaling.network_type, dense_layers.output_type(made))
    t = score_type or KERNELS["identity"].score_type(scaling, net)
    function = TriggerFunction("toy", scaling, net, "classifier", t, 0)
    score = function.evaluate(clusters(300, 9, own.hits)).score
    return TriggerFunction("toy", scaling, net, "classifier", t, int(np.quantile(score, 0.67)))


def data_set(background: np.ndarray, signal: np.ndarray) -> DataSet:
    """Clusters without truth."""
    return toy.data_set(background, signal)


def with_truth(inputs: np.ndarray, label: np.ndarray, energy: np.ndarray, name: str = "showers") -> Events:
    """A sample with label and true energy [GeV]."""
    plain = Events.unweighted(name, inputs)
    return Events(name, inputs, plain.weight, plain.block, plain.row, {}, {"label": label, "energy": energy})
