"""The streaming engine of a trigger function whose network works on images."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from l1trigger.convert.graph import GraphLayer
from l1trigger.data.scaling import InputScaling
from l1trigger.errors import DesignError, UnsupportedLayerError
from l1trigger.sections import SynthSection
from l1trigger.synth import layers as logic
from l1trigger.synth import lower
from l1trigger.synth.streaming import images_rtl
from l1trigger.synth.streaming.images_rtl import Engine
from l1trigger.synth.streaming.plan import plan
from l1trigger.trigger import TriggerFunction


def build(
    trigger: TriggerFunction, layers: Sequence[GraphLayer], section: SynthSection, samples: Mapping[str, NDArray[Any]],
    clock_ns: float,
) -> Engine:
    """The engine of a trigger function.

    Args:
        trigger: the function.
        layers: of its network in hls4ml's graph.
        section: pixels per clock, depth of the stages, options of the solver.
        samples: events whose hardware integers must fit.
        clock_ns: clock period; the depth of a stage when the section says nothing [ns].

    Raises:
        UnsupportedLayerError: a layer has no logic, or no streaming logic, or the score needs the whole input.
        DesignError: the pixels per clock do not go with the image, or pixels are scaled differently.
    """
    logic.require_supported(layers)
    if trigger.score_plugin.kernel.needs_inputs:
        raise UnsupportedLayerError(
            f"The score {trigger.score} compares outputs with inputs, which a streaming engine does not keep. Remedy: "
            "leave synth.pixels_per_clock out for fully parallel RTL, or take a score of the outputs alone"
        )
    divided = plan(layers)
    channels = divided.channels
    one, behind = pixel_scaling(part(trigger.scaling, divided.image), channels), part(trigger.scaling, divided.features)
    flat = [sample.reshape(len(sample), -1) for sample in samples.values()]
    features = lower.repeated_ports(behind, len(behind), [f[:, divided.features] for f in flat]) if len(behind) else ()

    def decide(output: Any) -> Any:
        return np.concatenate([lower.decided(trigger, None, None, output), output])

    assert section.pixels_per_clock is not None
    return images_rtl.build(
        divided, images_rtl.Ports(
            lower.repeated_ports(one, channels, [f[:, divided.image] for f in flat]), features,
            lambda hardware: lower.scaled(hardware, one), lambda hardware: lower.scaled(hardware, behind),
        ), decide, section.pixels_per_clock,
        {"hard_dc": section.hard_dc, "binary_lut": section.binary_lut}, section.latency_cutoff_ns or clock_ns,
    )


def part(scaling: InputScaling, which: slice) -> InputScaling:
    """The scaling of some inputs."""
    return replace(scaling, **{k: v[which] for k, v in vars(scaling).items()})


def pixel_scaling(scaling: InputScaling, channels: int) -> InputScaling:
    """The scaling of one pixel.

    Raises:
        DesignError: it differs from pixel to pixel.
    """
    for key, values in vars(scaling).items():
        rows = np.array(values).reshape(-1, channels)
        if (rows != rows[0]).any():
            raise DesignError(
                None, "synth.pixels_per_clock", f"the input scaling ({key}) differs from pixel to pixel, and a "
                "streaming engine treats all alike", "leave it out, or scale all pixels of a channel alike (data)",
            )
    return part(scaling, slice(channels))
