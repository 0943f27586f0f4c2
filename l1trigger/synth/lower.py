"""From a trigger function to traced combinational logic of the whole function, from hardware integers to the decision.

The logic is alkaid's: multiplications by constants become shared adders (distributed arithmetic). Nothing is rounded
but where a type of the trigger function says so, hence the logic equals the level ``quantized`` integer by integer.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from l1trigger.compress.quantizers import fixed_point, has_unit_scale
from l1trigger.data.objects import INPUTS, maximum_table
from l1trigger.data.scaling import InputScaling
from l1trigger.errors import UnsupportedLayerError
from l1trigger.fixed_point import FixedPoint, Overflow
from l1trigger.scores.kernels import kernel
from l1trigger.sections import SynthSection
from l1trigger.trigger import TriggerFunction

WIDEST = FixedPoint(16, 16)
"""Type of a hardware integer in the C++, for inputs whose range is not known."""


@dataclass(frozen=True)
class Logic:
    """The combinational logic of a trigger function.

    Attributes:
        comb: alkaid's ``CombLogic``; its outputs are the score and the decision bit.
        ports: type of each hardware integer.
        score_type: type of the score.
    """

    comb: Any
    ports: tuple[FixedPoint, ...]
    score_type: FixedPoint

    @property
    def lut(self) -> float:
        """Look-up tables by alkaid's cost model."""
        return float(self.comb.cost)

    @property
    def delay_ns(self) -> float:
        """Delay of the whole logic by alkaid's delay model [ns]."""
        return float(self.comb.latency[1])

    def evaluate(self, inputs: NDArray[Any]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Scores and decision bits as integers, by alkaid's interpreter."""
        flat = np.ascontiguousarray(inputs.reshape(len(inputs), -1), np.float64)
        out = np.asarray(self.comb.predict(flat), np.float64).reshape(len(inputs), 2)
        return np.rint(out[:, 0] / self.score_type.lsb).astype(np.int64), out[:, 1].astype(np.int64)


def ports(scaling: InputScaling, samples: Sequence[NDArray[Any]] = ()) -> tuple[FixedPoint, ...]:
    """Types of the hardware integers: as narrow as trigger objects are, and wide enough for all samples.

    Args:
        scaling: of the inputs.
        samples: events whose integers must fit; an input that does not is given 16 bits, as in the C++.
    """
    if len(scaling) != INPUTS:
        return (WIDEST,) * len(scaling)
    types = []
    for index, maximum in enumerate(maximum_table().ravel()):
        signed = index % 3 > 0
        bits = max(int(maximum).bit_length() + signed, 1)
        types.append(FixedPoint(bits, bits, signed))
    for sample in samples:
        flat = sample.reshape(len(sample), -1)
        for index, (low, high) in enumerate(zip(flat.min(0), flat.max(0), strict=True)):
            bottom, top = types[index].raw_range
            if low < bottom or high > top:
                types[index] = WIDEST
    return tuple(types)


def lower(trigger: TriggerFunction, section: SynthSection, types: Sequence[FixedPoint]) -> Logic:
    """The logic of a trigger function.

    Args:
        trigger: the function.
        section: options of the solver.
        types: of the hardware integers.

    Raises:
        UnsupportedLayerError: the network has layers that have no logic here; names all of them.
    """
    from alkaid.trace import FVArrayInput, trace

    model = trigger.network.build(exact=False)
    require_supported(model)
    options: dict[str, Any] = {"hard_dc": section.hard_dc, "binary_lut": section.binary_lut}
    first = FVArrayInput((len(types),), solver_options=options)
    k, width = np.array([(int(t.signed), t.width) for t in types]).T
    hardware = first.quantize(k, width - k, np.zeros_like(k))
    x = _scaled(hardware, trigger.scaling)
    output = _network(model, x).ravel()
    score = _quantized(SCORES[trigger.score_plugin.kernel](hardware, x, output), _score_type(trigger))
    accept = score > trigger.threshold * trigger.score_type.lsb
    return Logic(trace(first, np.concatenate([score, accept])), tuple(types), trigger.score_type)


def _score_type(trigger: TriggerFunction) -> FixedPoint:
    """The score's type, without saturation where every score fits: that costs, and is not exact beyond 24 bits."""
    t = trigger.score_type
    whole = kernel(trigger.score_plugin).score_type(trigger.scaling, trigger.network)
    return replace(t, overflow=Overflow.WRAP) if t.integer >= whole.integer and t.signed == whole.signed else t


def _quantized(x: Any, types: FixedPoint | Sequence[FixedPoint]) -> Any:
    """``x`` brought into a type, or each of its elements into its own."""
    values = np.asarray(x).ravel()
    each = (types,) * len(values) if isinstance(types, FixedPoint) else types
    found = [_one_quantized(v, t) for v, t in zip(values, each, strict=True)]
    return type(x)(np.array(found).reshape(x.shape), x.solver_options)


def _one_quantized(v: Any, t: FixedPoint) -> Any:
    """One value brought into a type: rounded first, then saturated, which gives the same with fewer bits."""
    k, rounding = int(t.signed), str(t.rounding)
    if t.overflow is Overflow.WRAP:
        return v.quantize(k, t.integer - k, t.fraction, "WRAP", rounding)
    _, integer, fraction = map(int, v.kif)
    if fraction > t.fraction:
        v = v.quantize(1, max(integer, t.integer) + 1, t.fraction, "WRAP", rounding)
    return _signed(v, t) if t.signed else _unsigned(v, t)


def _signed(v: Any, t: FixedPoint) -> Any:
    """One rounded value, saturated to a signed type."""
    return v.quantize(1, t.integer - 1, t.fraction, str(t.overflow), "TRN")


def _unsigned(v: Any, t: FixedPoint) -> Any:
    """One rounded value, saturated to an unsigned type: by its high bits, which is cheaper than comparing."""
    positive = v.max_of(0.0)
    integer = int(positive.kif[1])
    if integer <= t.integer:
        return positive
    over = positive.quantize(0, integer, -t.integer).unary_bit_op("any")
    return over.msb_mux(t.range[1], positive.quantize(0, t.integer, t.fraction))


def _scaled(hardware: Any, scaling: InputScaling) -> Any:
    """Network inputs of hardware integers; see ``data.scaling``."""
    shifted = (hardware + np.array(scaling.offset, np.float64)) * 2.0 ** -np.array(scaling.shift, np.float64)
    return _quantized(shifted, scaling.types)


def _identity(hardware: Any, x: Any, output: Any) -> Any:
    return output[:1]


def _sum_of_squares(hardware: Any, x: Any, output: Any) -> Any:
    return np.sum(output**2, keepdims=True)


def _masked_squared_error(hardware: Any, x: Any, output: Any) -> Any:
    present = np.repeat(hardware[::3].to_bool("any"), 3)
    return np.sum(np.where(present, x - output, 0.0) ** 2, keepdims=True)


SCORES: Mapping[str, Callable[[Any, Any, Any], Any]] = {
    "identity": _identity, "sum_of_squares": _sum_of_squares, "masked_squared_error": _masked_squared_error,
}
"""Score kernels by their C++ name, as logic from hardware integers, network inputs and network outputs."""


def _network(model: Any, x: Any) -> Any:
    """Network outputs; layers are walked in the order of the model's graph."""
    values = {id(model.inputs[0]): x.reshape(model.input_shape[1:])}
    for layer in model.layers:
        for node in layer.inbound_nodes:
            if type(layer).__name__ == "InputLayer":
                continue
            inputs = [values[id(t)] for t in node.keras_inputs]
            values[id(node.outputs)] = LAYERS[type(layer).__name__](layer, inputs)
    return values[id(model.outputs[0])]


def _dense(layer: Any, inputs: Sequence[Any]) -> Any:
    weights = [np.asarray(w, np.float64) for w in layer.get_weights()]
    y = inputs[0] @ weights[0]
    if layer.use_bias:
        y = y + weights[1]
    return y if _is_linear(layer) else _quantized(y, _activation_type(layer.activation))


def _quantizer(layer: Any, inputs: Sequence[Any]) -> Any:
    return _quantized(inputs[0], _activation_type(layer.quantizer))


def _activation(layer: Any, inputs: Sequence[Any]) -> Any:
    return inputs[0] if _is_linear(layer) else np.maximum(inputs[0], 0)


def _activation_type(quantizer: Any) -> FixedPoint:
    found = fixed_point(quantizer)
    assert found is not None  # require_supported
    return found


def _is_linear(layer: Any) -> bool:
    return layer.activation is None or getattr(layer.activation, "__name__", "") == "linear"


LAYERS: Mapping[str, Callable[[Any, Sequence[Any]], Any]] = {
    "QActivation": _quantizer,
    "QDense": _dense,
    "Activation": _activation,
    "ReLU": lambda layer, inputs: np.maximum(inputs[0], 0),
    "Dropout": lambda layer, inputs: inputs[0],
    "Flatten": lambda layer, inputs: inputs[0].reshape(-1),
    "Reshape": lambda layer, inputs: inputs[0].reshape(layer.output_shape[1:]),
    "Add": lambda layer, inputs: sum(inputs[1:], inputs[0]),
    "Subtract": lambda layer, inputs: inputs[0] - inputs[1],
    "Concatenate": lambda layer, inputs: np.concatenate(inputs, axis=layer.axis),
}
"""Layer classes that have logic: functions of the layer and its inputs, without the axis of events."""


def require_supported(model: Any) -> None:
    """Raises when a network has layers without logic.

    Raises:
        UnsupportedLayerError: names all of them.
    """
    wrong = [f"{layer.name} ({problem})" for layer in model.layers if (problem := _problem(layer))]
    if wrong:
        raise UnsupportedLayerError(
            f"The stage synth has no logic for these layers: {', '.join(wrong)}. "
            f"Remedy: use {', '.join(LAYERS)}, or leave this stage out with synth.route: none"
        )


def _problem(layer: Any) -> str:
    """Why a layer has no logic; empty when it has."""
    kind = type(layer).__name__
    if kind == "InputLayer":
        return ""
    if kind not in LAYERS:
        return f"a {kind}"
    quantizer = layer.quantizer if kind == "QActivation" else None
    if kind == "QDense" and not _is_linear(layer):
        quantizer = layer.activation
    if kind == "Activation" and not _is_linear(layer) and layer.activation.__name__ != "relu":
        return f"activation {layer.activation.__name__}"
    if kind == "ReLU" and (layer.max_value is not None or layer.negative_slope or layer.threshold):
        return "a ReLU with options"
    if quantizer is not None:
        known = fixed_point(quantizer) is not None and has_unit_scale(quantizer)
        if not known or getattr(quantizer, "negative_slope", None):
            return f"quantizer {type(quantizer).__name__}"
    return ""


def tool() -> str:
    """Name and version of what makes the logic and estimates its cost."""
    from importlib.metadata import version

    return f"alkaid {version('alkaid')}"
