"""Random quantized GravNet stacks, and events whose vertices often lie at the same distance."""

import numpy as np

from l1trigger import frameworks
from l1trigger.data.scaling import InputScaling
from l1trigger.fixed_point import FixedPoint
from l1trigger.graph.keras_layers import qkeras_quantizer, quantized_stack
from l1trigger.graph.stack import Stack
from l1trigger.models.gravnet import GravNetLayer
from l1trigger.network import QuantizedNetwork
from l1trigger.trigger import TriggerFunction

FEATURES = 4


def signed(bits, integer):
    return FixedPoint.from_quantized_bits(bits, integer)


def unsigned(bits, integer):
    return FixedPoint.from_quantized_bits(bits, integer, keep_negative=False)


def scaling(vertices):
    """Small integers of 5 bits and a sign; the last feature is unsigned and marks a vertex."""
    flags = (True, True, True, False)
    return InputScaling((0,) * FEATURES * vertices, (3,) * FEATURES * vertices, (0,) * FEATURES * vertices,
                        (4,) * FEATURES * vertices, flags * vertices)


def events(vertices, count=60, seed=1):
    """Hardware integers (count, V, 4): the first event is empty, the second full, the third has one vertex."""
    rng = np.random.default_rng(seed)
    x = rng.integers(-4, 5, (count, vertices, FEATURES)) * rng.choice([1, 3], (count, 1, 1))
    x[..., 3] = rng.integers(1, 16, (count, vertices))
    there = rng.integers(0, vertices + 1, count)
    there[:3] = 0, vertices, 1
    x[np.arange(vertices) >= there[:, None]] = 0
    x[count // 2 :] = rng.permuted(x[count // 2 :], axis=1)  # vertices need not come first
    return x.astype(np.int16)


def stack_arguments(sizes, neighbours, loops, collapse, relu, falloff=10.0):
    """Arguments of a ``QGravNetStack`` with layers of (coordinates, propagate, filters)."""
    shapes, inputs = [], FEATURES
    for each in sizes:
        sizes_of = dict(zip(GravNetLayer.sizes, each, strict=True))
        shapes.append(GravNetLayer.shapes({"in": inputs, **sizes_of}, "plain"))
        inputs = each[-1]
    output = unsigned(7, 2) if relu else signed(7, 2)
    types = {"coordinate": signed(6, 1), "square": unsigned(6, 0), "edge_weight": unsigned(6, 0),
             "propagated": signed(7, 2), "aggregated": signed(8, 2), "output": output}
    return {
        "shapes": shapes, "types": [{role: str(t) for role, t in types.items()}] * len(sizes),
        "weight_types": [{n: str(signed(8, 2) if n.endswith("bias") else signed(6, 0)) for n in s} for s in shapes],
        "neighbours": neighbours, "loops": loops, "falloff": falloff, "collapse": collapse,
        "collapsed": str(signed(12, 4) if collapse == "sum" else signed(10, 2)), "mask_feature": 3,
    }


def network(vertices=16, sizes=((3, 4, 5), (2, 3, 4)), neighbours=4, loops=False, collapse="mean", relu=True, seed=1,
            falloff=10.0):
    """A network that is a stack and a dense layer, with random weights."""
    keras, q = frameworks.keras(), frameworks.qkeras()
    rng, inputs = np.random.default_rng(seed), scaling(vertices)
    x = first = keras.Input((len(inputs),), name="x")
    x = q.QActivation(qkeras_quantizer(inputs.network_type), name="input_type")(x)
    x = keras.layers.Reshape((vertices, FEATURES), name="hits")(x)
    arguments = stack_arguments(sizes, neighbours, loops, collapse, relu, falloff)
    x = quantized_stack(GravNetLayer)(**arguments, name="gravnet")(x)
    x = q.QDense(2, kernel_quantizer=q.quantized_bits(6, 1, alpha=1), bias_quantizer=q.quantized_bits(6, 1, alpha=1),
                 name="output")(x)
    x = q.QActivation(q.quantized_bits(14, 5, alpha=1), name="output_type")(x)
    model = keras.Model(first, x)
    model.set_weights([rng.normal(0, 0.6, w.shape) for w in model.get_weights()])
    return QuantizedNetwork.from_keras(model, inputs.network_type, signed(14, 5))


def trigger(found, vertices=16):
    return TriggerFunction("toygravnet", scaling(vertices), found, "classifier", found.output_type, 0)


def stack(found):
    return Stack.of(found.build().get_layer("gravnet"))
