"""The streaming engine of a trigger function whose network is a stack of graph layers and what follows it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from l1trigger.convert.graph import GraphLayer
from l1trigger.errors import DesignError, UnsupportedLayerError
from l1trigger.graph import hls
from l1trigger.graph.algebra import AggregatingLayer
from l1trigger.graph.keras_layers import QuantizedStack
from l1trigger.graph.stack import Stack
from l1trigger.own_layers import keras_classes
from l1trigger.sections import SynthSection
from l1trigger.synth import layers as logic
from l1trigger.synth import lower
from l1trigger.synth.streaming import graph_rtl
from l1trigger.synth.streaming.graph_rtl import Engine
from l1trigger.trigger import TriggerFunction

_PASSED_ON = frozenset({"Input", "FixedPointQuantizer", "Activation", "Reshape", "Repack"})


def applies(layers: Sequence[GraphLayer]) -> bool:
    """Whether a network has a stack of graph layers that stream: those that aggregate."""
    return bool(_streamed(layers))


def _streamed(layers: Sequence[GraphLayer]) -> list[int]:
    """Places of stacks of graph layers that stream."""
    own = keras_classes({layer.kind for layer in layers} - set(logic.KINDS))
    streaming = {
        name for name, cls in own.items()
        if issubclass(cls, QuantizedStack) and issubclass(cls.graph_layer, AggregatingLayer)
    }
    return [i for i, layer in enumerate(layers) if layer.kind in streaming]


def build(
    trigger: TriggerFunction, layers: Sequence[GraphLayer], section: SynthSection, samples: Mapping[str, NDArray[Any]],
    clock_ns: float,
) -> Engine:
    """The engine of a trigger function.

    Args:
        trigger: the function.
        layers: of its network in hls4ml's graph: a stack, and what follows it.
        section: vertices per clock, depth of the stages, options of the solver.
        samples: events whose hardware integers must fit.
        clock_ns: clock period; the depth of a stage when the section says nothing [ns].

    Raises:
        UnsupportedLayerError: something stands before the stack, or a layer behind it has no logic.
        DesignError: the vertices per clock do not divide the number of vertices.
    """
    stack = stack_of(trigger)
    at = _streamed(layers)[0]
    before, after = layers[:at], list(layers[at + 1 :])
    if wrong := [layer.name for layer in before if layer.kind not in _PASSED_ON]:
        raise UnsupportedLayerError(
            f"The stage synth has no streaming engine for layers before graph layers: {', '.join(wrong)}. "
            "Remedy: let the stack take the network's inputs, or leave this stage out with synth.route: none"
        )
    logic.require_supported(after)
    if stack.vertices % section.vertices_per_clock:
        raise DesignError(
            None, "synth.vertices_per_clock", f"{section.vertices_per_clock} does not divide the {stack.vertices} "
            "vertices", "take a power of two up to the number of vertices",
        )

    def head(collapsed: Any) -> Any:
        known = dict.fromkeys(layers[at].outputs, collapsed)
        output = logic.network(after, collapsed, known)[0].ravel() if after else collapsed
        return np.concatenate([lower.decided(trigger, None, None, output), output])

    ports = lower.repeated_ports(trigger.scaling, stack.inputs, list(samples.values())) * stack.vertices
    return graph_rtl.build(
        stack, trigger.scaling, ports, head, section.vertices_per_clock,
        {"hard_dc": section.hard_dc, "binary_lut": section.binary_lut}, section.latency_cutoff_ns or clock_ns,
    )


def stack_of(trigger: TriggerFunction) -> Stack:
    """The one stack of a trigger function's network."""
    (layer,) = hls.stacks(trigger.network.build(exact=False))
    return Stack.of(layer)
