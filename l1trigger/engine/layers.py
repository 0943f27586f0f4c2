"""Layers of a network in an engine's numbers, from hls4ml's graph: what its C++ computes, bit for bit.

A layer is a function of its inputs, shaped as in the graph and without the axis of events. It gives exact values; they
are brought into the layer's result type afterwards, in one place.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from l1trigger.convert import functions
from l1trigger.convert.graph import GraphLayer, input_slices
from l1trigger.engine import windows
from l1trigger.engine.elements import by_group, tabulated
from l1trigger.engine.graph import stack
from l1trigger.engine.numbers import Numbers, joined
from l1trigger.engine.products import weighted_sums
from l1trigger.engine.program import Program
from l1trigger.errors import UnsupportedLayerError
from l1trigger.fixed_point import FixedPoint, Overflow, Rounding
from l1trigger.graph.stack import Stack

LayerFunction = Callable[[Program, GraphLayer, Sequence[Numbers]], Numbers]


def network(
    program: Program, layers: Sequence[GraphLayer], stacks: Mapping[str, Stack], x: Numbers
) -> dict[str, Numbers]:
    """Results of all layers of a network by name, in order; the last is the network's output.

    Args:
        program: in the making.
        layers: of the graph, in order.
        stacks: of graph layers, by the name of their layer.
        x: inputs, one after the other.

    Raises:
        UnsupportedLayerError: a layer is none that the engine has; names it.
    """
    values: dict[str, Numbers] = {}
    results: dict[str, Numbers] = {}
    taken = input_slices(layers)
    for layer in layers:
        if layer.name in taken:
            result = program.cast(x[taken[layer.name]], layer.types["result"])
        elif layer.name in stacks:
            graph = stacks[layer.name]
            result = stack(program, graph, values[layer.inputs[0]].reshape(graph.vertices, graph.inputs))
        else:
            result = _result(program, layer, [values[name] for name in layer.inputs])
        result = result.reshape(*layer.shape)
        values |= dict.fromkeys(layer.outputs, result)
        results[layer.name] = result
    return results


def _result(program: Program, layer: GraphLayer, inputs: Sequence[Numbers]) -> Numbers:
    """Outputs of one layer, in its result type."""
    if layer.kind not in KINDS:
        raise unsupported(layer, f"a {layer.kind}")
    if "result" not in layer.types:
        raise unsupported(layer, f"its result is {layer.unknown.get('result', 'of no type')}")
    relu = layer.kind in ACTIVATED and layer.word("activation") == "relu"
    value = inputs[0] if relu else KINDS[layer.kind](program, layer, inputs)
    return program.cast(value, layer.types["result"], relu)


def unsupported(layer: GraphLayer, what: str) -> UnsupportedLayerError:
    """The error for a layer that the engine does not have."""
    return UnsupportedLayerError(
        f"The engine has no operations for {layer.name} ({what}). Remedy: none is needed; csim simulates the network "
        "as it is, event by event"
    )


def _dense(program: Program, layer: GraphLayer, inputs: Sequence[Numbers]) -> Numbers:
    weight, bias = layer.weights["weight"], layer.weights["bias"]
    return weighted_sums(program, layer, inputs[0].reshape(-1, len(weight)), weight, bias)


def _scaled(program: Program, layer: GraphLayer, inputs: Sequence[Numbers]) -> Numbers:
    """Batch normalization and scales: by element, or by channel."""
    scale, bias = layer.weights["scale"].ravel(), layer.weights["bias"].ravel()
    return program.scaled(inputs[0].reshape(-1, len(scale)), scale, bias)


def _relu_up_to(top: int) -> LayerFunction:
    return lambda program, layer, inputs: program.clipped(inputs[0], 0, top)


def _leaky_relu(program: Program, layer: GraphLayer, inputs: Sequence[Numbers]) -> Numbers:
    return _bent(program, inputs[0], float(layer.types["param"].quantize(float(layer.attributes["activ_param"]))))


def _prelu(program: Program, layer: GraphLayer, inputs: Sequence[Numbers]) -> Numbers:
    slopes = np.resize(layer.weights["param"].ravel(), inputs[0].size)
    return by_group(inputs[0], slopes.tolist(), lambda x, slope: _bent(program, x, slope))


def _bent(program: Program, x: Numbers, slope: float) -> Numbers:
    """Numbers where they are positive, else times a slope."""
    flat = x.reshape(1, -1)
    both = joined([flat, program.scaled(x.reshape(-1, 1), np.array([slope]), np.zeros(1)).reshape(1, -1)], axis=0)
    return program.extremes([both[:, i] for i in range(x.size)], largest=slope <= 1)


def _thresholded_relu(program: Program, layer: GraphLayer, inputs: Sequence[Numbers]) -> Numbers:
    theta = float(layer.types["param"].quantize(float(layer.attributes["activ_param"])))
    return tabulated(program, layer, inputs[0], lambda v: np.where(v > theta, v, 0.0))


def _binary_tanh(program: Program, layer: GraphLayer, inputs: Sequence[Numbers]) -> Numbers:
    return tabulated(program, layer, inputs[0], lambda v: np.where(v < 0, -1.0, 1.0))


def _hard(low: float, factor: float) -> LayerFunction:
    """A straight line with two ends: hard sigmoid, and hard tanh, which is twice that less 1."""
    def function(program: Program, layer: GraphLayer, inputs: Sequence[Numbers]) -> Numbers:
        slope, shift = (float(layer.types[r].quantize(float(layer.attributes[r]))) for r in ("slope", "shift"))
        line = program.scaled(inputs[0].reshape(-1, 1), np.array([slope]), np.array([shift]))
        return program.scaled(program.clipped(line, 0, 1), np.array([factor]), np.array([low]))

    return function


def _from_table(name: str) -> LayerFunction:
    return lambda program, layer, inputs: tabulated(
        program, layer, inputs[0], lambda v: functions.TABLES[name](layer, v)
    )


ACTIVATIONS: Mapping[str, LayerFunction] = {
    "linear": lambda program, layer, inputs: inputs[0], "relu1": _relu_up_to(1), "relu6": _relu_up_to(6),
    "leakyrelu": _leaky_relu, "leaky_relu": _leaky_relu, "thresholdedrelu": _thresholded_relu, "prelu": _prelu,
    "binary_tanh": _binary_tanh, "hard_sigmoid": _hard(0.0, 1.0), "hard_tanh": _hard(-1.0, 2.0),
    **{name: _from_table(name) for name in functions.TABLES},
}
ACTIVATED = ("Activation", "HardActivation", "ParametrizedActivation", "PReLU")


def _activation(program: Program, layer: GraphLayer, inputs: Sequence[Numbers]) -> Numbers:
    name = layer.word("activation")
    if name not in ACTIVATIONS:
        raise unsupported(layer, f"activation {name}")
    return ACTIVATIONS[name](program, layer, inputs)


def _softmax(program: Program, layer: GraphLayer, inputs: Sequence[Numbers]) -> Numbers:
    """Softmax along one axis; exponentials and the reciprocal of their sum are tables."""
    flat = inputs[0].ravel()
    inner, outer = layer.number("n_inner", 1), layer.number("n_outer", 1)
    slots = np.arange(flat.size).reshape(outer, -1, inner).swapaxes(1, 2).reshape(outer * inner, -1)
    kind = layer.word("implementation")
    if kind not in _SOFTMAX:
        raise unsupported(layer, f"the {kind} softmax")
    results = joined([_SOFTMAX[kind](program, layer, flat[row]) for row in slots])
    return results[np.argsort(slots.ravel())]


def _argmax(program: Program, layer: GraphLayer, x: Numbers) -> Numbers:
    """1 for the first of the largest values, 0 for all others."""
    truth = FixedPoint(1, 1, False, Rounding.TRN, Overflow.SAT)

    def holds(a: Numbers, b: Numbers, condition: Callable[[NDArray[np.float64]], NDArray[np.bool_]]) -> Numbers:
        return program.table(a - b, lambda v: condition(v).astype(float), truth)

    winners = []
    for i in range(x.size):
        own = x[i : i + 1]
        wins = program.constant(np.ones(1))
        if i:
            wins = wins * holds(own, program.extremes([x[:i]]), lambda v: v > 0)
        if i + 1 < x.size:
            wins = wins * holds(own, program.extremes([x[i + 1 :]]), lambda v: v >= 0)
        winners.append(wins)
    return joined(winners)


def _latency(program: Program, layer: GraphLayer, x: Numbers) -> Numbers:
    return _normalized(program, layer, x, layer.types["input"], 1.0)


def _stable(program: Program, layer: GraphLayer, x: Numbers) -> Numbers:
    """Softmax of the distances to the largest value, which keeps the exponentials from overflowing."""
    t = functions.distance_type(layer)
    return _normalized(program, layer, program.cast(program.extremes([x]) - x, t), t, -1.0)


def _normalized(program: Program, layer: GraphLayer, x: Numbers, address: FixedPoint, sign: float) -> Numbers:
    """Exponentials of ``x`` of type ``address``, times the reciprocal of their sum."""
    accumulator, t = layer.types["accum"], layer.types["inv_inp"]
    exponentials = program.table(x, functions.exponential(layer, address, sign), accumulator)
    total = program.cast(_tree_sum(program, exponentials, accumulator), t)
    cut = program.floored(total, round(-np.log2(functions.address_step(t, layer.attributes["inv_table_size"]))))
    return exponentials * program.table(cut, functions.reciprocal(layer), layer.types["inv_table"])


def _tree_sum(program: Program, x: Numbers, accumulator: FixedPoint) -> Numbers:
    """Sum by a balanced tree, every partial sum in the accumulator's type."""
    if x.size == 1:
        return x
    half = 1 << ((x.size - 1).bit_length() - 1)
    left, right = (_tree_sum(program, part, accumulator) for part in (x[:half], x[half:]))
    return program.cast(left + right, accumulator)


_SOFTMAX: Mapping[str, Callable[[Program, GraphLayer, Numbers], Numbers]] = {
    "argmax": _argmax, "latency": _latency, "stable": _stable,
}


def _one_of_two(largest: bool) -> Callable[[Program, Numbers, Numbers], Numbers]:
    return lambda program, a, b: program.extremes(
        [joined([a[i : i + 1], b[i : i + 1]]) for i in range(a.size)], largest
    )


MERGES: Mapping[str, Callable[[Program, Numbers, Numbers], Numbers]] = {
    "add": lambda program, a, b: a + b, "subtract": lambda program, a, b: a - b,
    "multiply": lambda program, a, b: a * b, "average": lambda program, a, b: (a + b).by_power(-1),
    "maximum": _one_of_two(True), "minimum": _one_of_two(False),
}


def _merge(program: Program, layer: GraphLayer, inputs: Sequence[Numbers]) -> Numbers:
    if layer.word("op") not in MERGES:
        raise unsupported(layer, f"a merge by {layer.word('op')}")
    n = int(np.prod(layer.shape))
    # The C++ starts the shorter input over again, which is how it broadcasts.
    first, second = (v.view(lambda a: np.resize(a.ravel(), n)) for v in inputs)
    return MERGES[layer.word("op")](program, first, second)


def _dot(program: Program, layer: GraphLayer, inputs: Sequence[Numbers]) -> Numbers:
    accumulator = layer.types["accum"]
    products = program.cast(inputs[0].ravel() * inputs[1].ravel(), accumulator)
    return program.cast(program.totals([products]), accumulator)


def _concatenate(program: Program, layer: GraphLayer, inputs: Sequence[Numbers]) -> Numbers:
    axis = layer.number("axis", -1)
    return joined(inputs, axis=axis - 1 if axis > 0 else axis)


def _unchanged(program: Program, layer: GraphLayer, inputs: Sequence[Numbers]) -> Numbers:
    return inputs[0]


def _transpose(program: Program, layer: GraphLayer, inputs: Sequence[Numbers]) -> Numbers:
    return inputs[0].view(lambda a: a.transpose(layer.attributes["perm"]))


def _quantizer(program: Program, layer: GraphLayer, inputs: Sequence[Numbers]) -> Numbers:
    """A type of its own for every element; 0 where it has no bits."""
    signed, width, integer = (
        np.broadcast_to(layer.weights[role], layer.shape).ravel().astype(int) for role in ("signed", "width", "integer")
    )
    rounding, overflow = Rounding(layer.attributes["RND"]), Overflow(layer.attributes["SAT"])

    def typed(x: Numbers, key: tuple[int, int, int]) -> Numbers:
        k, w, i = key
        if not w:
            return program.constant(np.zeros(1))[np.zeros(x.size, int)]
        return program.cast(x, FixedPoint(w, i, bool(k), rounding, overflow))

    return by_group(inputs[0], list(zip(signed.tolist(), width.tolist(), integer.tolist(), strict=True)), typed)


KINDS: Mapping[str, LayerFunction] = {
    "Dense": _dense, **dict.fromkeys(ACTIVATED, _activation), "Softmax": _softmax, "BatchNormalization": _scaled,
    "ApplyAlpha": _scaled, "Merge": _merge, "Concatenate": _concatenate, "Dot": _dot, "Reshape": _unchanged,
    "Repack": _unchanged, "Clone": _unchanged, "Transpose": _transpose, "FixedPointQuantizer": _quantizer,
    **windows.KINDS,
}
"""Layers that the engine has, by hls4ml's class names."""
