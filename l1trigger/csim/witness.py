"""The engine as a witness of its own: compared with the C++ on every event that this simulates."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from l1trigger.bit_exact import Comparison, compare
from l1trigger.convert import hls4ml
from l1trigger.convert.graph import GraphLayer
from l1trigger.csim import trace
from l1trigger.csim.compile import Executable
from l1trigger.engine import Engine, library
from l1trigger.errors import ToolFailedError, ToolNotFoundError, UnsupportedLayerError
from l1trigger.sections import ConvertSection
from l1trigger.trigger import TriggerFunction, TriggerOutputs

LEVELS = ("csim", "engine")


@dataclass(frozen=True)
class Seen:
    """What the engine said of one sample.

    Attributes:
        comparisons: with the C++.
        seconds: that it took in one thread [s].
    """

    comparisons: tuple[Comparison, ...]
    seconds: float


@dataclass(frozen=True)
class Witness:
    """The engine of a trigger function.

    Attributes:
        trigger: the function.
        layers: of its network in hls4ml's graph.
        engine: None where the network has something that the engine does not, or its kernels cannot be compiled.
        tool: instruction set and compiler of the kernels.
        reason: why there is no engine.
    """

    trigger: TriggerFunction
    layers: Sequence[GraphLayer]
    engine: Engine | None
    tool: str | None = None
    reason: str | None = None

    def compare(
        self, name: str, inputs: NDArray[Any], simulated: TriggerOutputs, executable: Executable, work: Path
    ) -> Seen:
        """Holds the engine against the C++.

        Args:
            name: of the sample.
            inputs: hardware integers, first axis events.
            simulated: what the C++ gave for them.
            executable: the compiled project, which can print every layer's values.
            work: existing folder for scratch files.
        """
        assert self.engine is not None
        began = time.monotonic()
        got = self.engine.evaluate(inputs, threads=1)
        seconds = time.monotonic() - began
        pairs = (
            (simulated.network, got.network, "network outputs"), (simulated.score, got.score, "score"),
            (simulated.accept.astype(np.int64), got.accept.astype(np.int64), "accept"),
        )
        comparisons = []
        for expected, given, what in pairs:
            c = compare(expected, given, LEVELS, f"{what} of {name}")
            if c.first_mismatch is not None:
                event = inputs[c.first_mismatch.event]
                place = trace.locate_engine(executable, self.trigger, self.layers, event, work)
                c = replace(c, first_mismatch=replace(c.first_mismatch, layer=place.layer, type=place.type))
            comparisons.append(c)
        return Seen(tuple(comparisons), seconds)


def of(trigger: TriggerFunction, section: ConvertSection) -> Witness:
    """The witness of a trigger function.

    Args:
        trigger: the function.
        section: how its network is converted.
    """
    layers = hls4ml.graph_layers(trigger.network, section)
    try:
        return Witness(trigger, layers, Engine.of(trigger, layers), library.load().tool)
    except (UnsupportedLayerError, ToolNotFoundError, ToolFailedError) as e:
        return Witness(trigger, layers, None, reason=str(e))
