"""From a trigger function to traced combinational logic of the whole function, from hardware integers to the decision.

The logic is alkaid's: multiplications by constants become shared adders (distributed arithmetic). The network comes
from hls4ml's graph, with every type that its C++ rounds and saturates to; hence the logic equals the level ``csim``
integer by integer.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from l1trigger.convert.graph import GraphLayer
from l1trigger.data.objects import INPUTS, input_names, maximum_table
from l1trigger.data.scaling import InputScaling
from l1trigger.fixed_point import FixedPoint, Overflow
from l1trigger.sections import ConvertSection, SynthSection
from l1trigger.synth import partial_logic
from l1trigger.synth.layers import network, require_supported
from l1trigger.synth.partial_logic import Ports, traced_inputs
from l1trigger.synth.quantization import folded, like, quantized
from l1trigger.synth.tracing import combinational
from l1trigger.trigger import TriggerFunction

SCALING, SCORE = "input_scaling", "score"
"""Names of what the trigger function does around its network."""

_READ = -1
"""Alkaid's code of the operation that reads an input."""
WIDEST = FixedPoint(16, 16)
"""Type of a hardware integer in the C++, for inputs whose range is not known."""


@dataclass(frozen=True)
class Logic:
    """The combinational logic of a trigger function.

    Attributes:
        comb: alkaid's ``CombLogic``; its outputs are the score and the decision bit, and then the network's outputs
            where they are wanted.
        ports: type of each hardware integer.
        score_type: type of the score.
        output_types: type of each of the network's outputs among them; empty where they are not wanted.
        times: name of a layer or part to when its first input and its last output arrive, by alkaid's delay model [ns].
    """

    comb: Any
    ports: tuple[FixedPoint, ...]
    score_type: FixedPoint
    output_types: tuple[FixedPoint, ...]
    times: Mapping[str, tuple[float, float]]

    @property
    def lut(self) -> float:
        """Look-up tables by alkaid's cost model."""
        return float(self.comb.cost)

    @property
    def unread(self) -> tuple[str, ...]:
        """Names of the inputs that nothing reads: numbers without weights."""
        read = {op.data[0] for op in self.comb.ops if op.opcode == _READ}
        names = input_names() if len(self.ports) == INPUTS else [f"input {i}" for i in range(1, len(self.ports) + 1)]
        return tuple(name for i, name in enumerate(names) if i not in read)

    @property
    def delay_ns(self) -> float:
        """Delay of the whole logic by alkaid's delay model [ns]."""
        return float(self.comb.latency[1])

    def working(self, start: float, end: float) -> tuple[str, ...]:
        """Layers and parts that work between two times [ns], as far as the delay model tells."""
        return tuple(name for name, (first, last) in self.times.items() if first < end and start < last > first)

    def evaluate(self, inputs: NDArray[Any]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Scores and decision bits as integers, by alkaid's interpreter."""
        flat = np.ascontiguousarray(inputs.reshape(len(inputs), -1), np.float64)
        out = np.asarray(self.comb.predict(flat), np.float64).reshape(len(inputs), -1)
        return np.rint(out[:, 0] / self.score_type.lsb).astype(np.int64), out[:, 1].astype(np.int64)


def ports(scaling: InputScaling, samples: Sequence[NDArray[Any]] = ()) -> tuple[FixedPoint, ...]:
    """Types of the hardware integers, wide enough for all samples: those of trigger objects, or what the scaling keeps.

    Args:
        scaling: of the inputs.
        samples: events whose integers must fit; an input that does not, or of which nothing is known, is given 16 bits,
            as in the C++.
    """
    if len(scaling) == INPUTS:
        bits = [int(m).bit_length() + (i % 3 > 0) for i, m in enumerate(maximum_table().ravel())]
        types = [FixedPoint(max(b, 1), max(b, 1), i % 3 > 0) for i, b in enumerate(bits)]
    else:
        types = kept(scaling) if samples else [WIDEST] * len(scaling)
    for sample in samples:
        flat = sample.reshape(len(sample), -1)
        for index, (low, high) in enumerate(zip(flat.min(0), flat.max(0), strict=True)):
            bottom, top = types[index].raw_range
            if low < bottom or high > top:
                types[index] = WIDEST
    return tuple(types)


def kept(scaling: InputScaling) -> list[FixedPoint]:
    """Types of the hardware integers as wide as what the scaling keeps of them."""
    signed = [s or f for s, f in zip(scaling.signed, scaling.fold, strict=True)]
    bits = [m + d + s for m, d, s in zip(scaling.magnitude_bits, scaling.drop, signed, strict=True)]
    return [FixedPoint(b, b, s) for b, s in zip(bits, signed, strict=True)]


def repeated_ports(
    scaling: InputScaling, features: int, samples: Sequence[NDArray[Any]]
) -> tuple[FixedPoint, ...]:
    """Types of the hardware integers of a vertex or a pixel: what the scaling keeps, widened where a sample exceeds it.

    Args:
        scaling: of all inputs; the first of them stand for all others.
        features: of one vertex or pixel.
        samples: events whose integers must fit.
    """
    types = kept(scaling)[:features]
    for sample in samples:
        for i, values in enumerate(sample.reshape(-1, features).T):
            low, high = types[i].raw_range
            if len(values) and (values.min() < low or values.max() > high):
                types[i] = WIDEST
    return tuple(types)


def lower(
    trigger: TriggerFunction, section: SynthSection, types: Sequence[FixedPoint],
    layers: Sequence[GraphLayer] | None = None, with_outputs: bool = False,
) -> Logic:
    """The logic of a trigger function.

    Args:
        trigger: the function.
        section: options of the solver.
        types: of the hardware integers.
        layers: of the network in hls4ml's graph; None makes the graph with the default section ``convert``.
        with_outputs: whether the network's outputs leave the logic, too.

    Raises:
        UnsupportedLayerError: the network has layers that have no logic here; names all of them.
    """
    if layers is None:
        from l1trigger.convert import hls4ml

        layers = hls4ml.graph_layers(trigger.network, ConvertSection())
    require_supported(layers)
    first, hardware = traced_inputs(partial_logic.ports(types, (len(types),)), section)
    x = scaled(hardware, trigger.scaling)
    output, times = network(layers, x)
    output = output.ravel()
    end = decided(trigger, hardware, x, output)
    times = {
        SCALING: (0.0, float(x.latency.max())), **times, SCORE: (float(output.latency.min()), float(end.latency.max())),
    }
    output_types: tuple[FixedPoint, ...] = ()
    if with_outputs:
        end, output_types = np.concatenate([end, output]), (trigger.network.output_type,) * len(output)
    return Logic(combinational(first, end), tuple(types), trigger.score_type, output_types, times)


def scaling_logic(scaling: InputScaling, section: SynthSection, types: Sequence[FixedPoint]) -> tuple[Any, Ports]:
    """The ``CombLogic`` of the input scaling, and what is known of the network's inputs."""
    first, hardware = traced_inputs(partial_logic.ports(types, (len(types),)), section)
    x = scaled(hardware, scaling)
    return combinational(first, x), partial_logic.known(x)


def score_logic(
    trigger: TriggerFunction, section: SynthSection, types: Sequence[FixedPoint], x: Ports, output: Ports
) -> Any:
    """The ``CombLogic`` of score and decision, given hardware integers, network inputs and network outputs."""
    n = len(types)
    given = np.concatenate([partial_logic.ports(types, (n,)), x.reshape(3, -1), output.reshape(3, -1)], axis=1)
    first, values = traced_inputs(given, section)
    return combinational(first, decided(trigger, values[:n], values[n : 2 * n], values[2 * n :]))


def decided(trigger: TriggerFunction, hardware: Any, x: Any, output: Any) -> Any:
    """Score and decision bit."""
    score = quantized(trigger.score_plugin.kernel.logic(hardware, x, output), _score_type(trigger))
    return np.concatenate([score, score > trigger.threshold * trigger.score_type.lsb])


def _score_type(trigger: TriggerFunction) -> FixedPoint:
    """The score's type, without saturation where every score fits: that costs, and is not exact beyond 24 bits."""
    t = trigger.score_type
    whole = trigger.score_plugin.kernel.score_type(trigger.scaling, trigger.network)
    return replace(t, overflow=Overflow.WRAP) if t.integer >= whole.integer and t.signed == whole.signed else t


def scaled(hardware: Any, scaling: InputScaling) -> Any:
    """Network inputs of hardware integers; see ``data.scaling``."""
    moved = hardware + np.array(scaling.offset, np.float64)
    folds = zip(np.asarray(moved).ravel(), scaling.fold, strict=True)
    moved = like(moved, [folded(v, 0) if fold else v for v, fold in folds]).reshape(moved.shape)
    return quantized(moved * 2.0 ** -np.array(scaling.shift, np.float64), scaling.types)


def tool() -> str:
    """Name and version of what makes the logic and estimates its cost."""
    from importlib.metadata import version

    return f"alkaid {version('alkaid')}"
