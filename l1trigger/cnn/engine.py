"""The streaming engine of a trigger function whose network works on images."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from l1trigger.cnn import rtl
from l1trigger.cnn.plan import plan
from l1trigger.cnn.rtl import Engine
from l1trigger.convert.graph import GraphLayer
from l1trigger.data.scaling import InputScaling
from l1trigger.errors import DesignError, UnsupportedLayerError
from l1trigger.sections import SynthSection
from l1trigger.synth import layers as logic
from l1trigger.synth import lower
from l1trigger.trigger import TriggerFunction

_NEEDS_INPUTS = frozenset({"masked_squared_error"})
"""Score kernels that compare the outputs with the inputs, which have passed by then."""


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
    if trigger.score_plugin.kernel in _NEEDS_INPUTS:
        raise UnsupportedLayerError(
            f"The score {trigger.score} compares outputs with inputs, which a streaming engine does not keep. Remedy: "
            "leave synth.pixels_per_clock out for fully parallel RTL, or take a score of the outputs alone"
        )
    divided = plan(layers)
    channels = divided.channels
    one = pixel_scaling(trigger.scaling, channels)

    def decide(output: Any) -> Any:
        return np.concatenate([lower.decided(trigger, None, None, output), output])

    assert section.pixels_per_clock is not None
    return rtl.build(
        divided, lambda hardware: lower.scaled(hardware, one),
        lower.repeated_ports(trigger.scaling, channels, list(samples.values())), decide, section.pixels_per_clock,
        {"hard_dc": section.hard_dc, "binary_lut": section.binary_lut}, section.latency_cutoff_ns or clock_ns,
    )


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
    return replace(scaling, **{k: v[:channels] for k, v in vars(scaling).items()})
