"""Resources of each layer by itself, where the pipeline's stages cut across layers.

Works for networks that are too large as a whole, too: no step here sees more than one layer.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from l1trigger.convert.graph import GraphLayer, input_slices
from l1trigger.fixed_point import FixedPoint
from l1trigger.sections import SynthSection
from l1trigger.synth import lower, rtl
from l1trigger.synth.partial_logic import Ports, layer_logic
from l1trigger.synth.result import LayerResources
from l1trigger.synth.synthesizer import SYNTHESIZERS, Module
from l1trigger.trigger import TriggerFunction

Part = tuple[str, str, Any]
"""Name, kind and ``CombLogic`` of a part."""


def trigger_parts(
    trigger: TriggerFunction, layers: Sequence[GraphLayer], section: SynthSection, types: Sequence[FixedPoint]
) -> list[Part]:
    """The parts of a trigger function: its input scaling, the layers of its network, its score and decision."""
    scaling, x = lower.scaling_logic(trigger.scaling, section, types)
    parts, output = network_parts(layers, section, x)
    score = lower.score_logic(trigger, section, types, x, output)
    return [(lower.SCALING, "trigger", scaling), *parts, (lower.SCORE, "trigger", score)]


def network_parts(layers: Sequence[GraphLayer], section: SynthSection, x: Ports) -> tuple[list[Part], Ports]:
    """The layers of a network, and what is known of its outputs.

    Args:
        layers: in order.
        section: options of the solver.
        x: what is known of the network's inputs.
    """
    parts = []
    tensors: dict[str, Ports] = {}
    output = x
    taken = input_slices(layers)
    for layer in layers:
        if layer.name in taken:
            given = [x.reshape(3, -1)[:, taken[layer.name]].reshape(3, *layer.shape)]
        else:
            given = [tensors[name] for name in layer.inputs]
        comb, output = layer_logic(layer, given, section)
        tensors |= dict.fromkeys(layer.outputs, output)
        parts.append((layer.name, layer.kind, comb))
    return parts, output


def resources(parts: Sequence[Part], section: SynthSection, fpga: str, folder: Path) -> tuple[LayerResources, ...]:
    """What each part takes; those that only pass values on are left out.

    Args:
        parts: of a trigger function or a network.
        section: whether to synthesize, with what, and its time limit.
        fpga: part number of the FPGA.
        folder: for sources and logs.

    Raises:
        ToolFailedError: the synthesizer failed or ran past its time limit.
    """
    working = [part for part in parts if _has_logic(part[2])]
    if not section.yosys:
        return tuple(_resources(part, None) for part in working)
    modules = {
        name: Module(rtl.write_combinational(comb, folder / name / "rtl"), fpga, prove=False)
        for name, _, comb in working
    }
    cells = SYNTHESIZERS.of(section).synthesize_each(modules, folder)
    return tuple(_resources(part, cells[part[0]]) for part in working)


def _resources(part: Part, cells: Mapping[str, int] | None) -> LayerResources:
    name, kind, comb = part
    return LayerResources(name, kind, cells, round(float(comb.cost), 1), round(float(comb.latency[1]), 3))


def _has_logic(comb: Any) -> bool:
    """Whether anything but copying and cutting of bits is done."""
    return any(op.opcode not in _WIRES for op in comb.ops)


_WIRES = frozenset({-1, 3, 5})
"""Copies of inputs, cuts of bits and constants, by alkaid's operation codes."""
