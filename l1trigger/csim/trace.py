"""Where two levels part: the first layer whose values differ for one event, with its fixed-point type."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from l1trigger import frameworks
from l1trigger.convert.graph import GraphLayer
from l1trigger.convert.result import ConvertResult
from l1trigger.csim.compile import Executable
from l1trigger.csim.simulate import run_program
from l1trigger.engine import Engine
from l1trigger.network import as_inputs
from l1trigger.trigger import TriggerFunction

_LIMIT_S = 60.0


@dataclass(frozen=True)
class Place:
    """A layer and the fixed-point type of its values."""

    layer: str
    type: str


def locate(
    executable: Executable, trigger: TriggerFunction, converted: ConvertResult, event: NDArray[Any], work: Path
) -> Place:
    """The first place where the C++ and QKeras differ for one event.

    Args:
        executable: the compiled project; it can print every layer's values.
        trigger: the trigger function.
        converted: the project, for the types of its layers.
        event: hardware integers of the event, without an axis for events.
        work: existing folder for scratch files.
    """
    traced = _csim_values(executable, event, work)
    x = trigger.scaling.firmware(event[None])
    if not np.array_equal(traced.pop("scaling"), x[0]):
        return Place("input scaling", str(trigger.scaling.network_type))
    expected = _keras_values(trigger, x)
    for name, keras_name in _match(list(traced), list(expected)):
        if not np.isnan(traced[name]).any() and not np.array_equal(traced[name], expected[keras_name]):
            given = converted.layer_types.get(name, {}).get("result", "unknown")
            return Place(name, given)
    return Place(f"score {trigger.score}", str(trigger.score_type))


def locate_engine(
    executable: Executable, trigger: TriggerFunction, layers: Sequence[GraphLayer], event: NDArray[Any], work: Path
) -> Place:
    """The first place where the engine and the C++ differ for one event; see ``locate``.

    Args:
        executable, trigger, event, work: see ``locate``.
        layers: of the network in hls4ml's graph.
    """
    expected, got = _csim_values(executable, event, work), Engine.layers(trigger, event, layers)
    types = {layer.name: layer.types.get("result") for layer in layers}
    for name, values in expected.items():
        known = name in got and not np.isnan(values).any()
        if known and not np.array_equal(values, got[name]):
            return Place(name, str(types.get(name, trigger.scaling.network_type)))
    return Place(f"score {trigger.score}", str(trigger.score_type))


def _csim_values(executable: Executable, event: NDArray[Any], work: Path) -> dict[str, NDArray[np.float64]]:
    """Values of the scaled inputs and of every layer of the C++ for one event, flat."""
    np.ascontiguousarray(event, "<i2").tofile(work / "event.bin")
    run_program(executable, ["event.bin", "0", "trace", "trace.txt"], work, _LIMIT_S)
    lines = [line.split(" ") for line in (work / "trace.txt").read_text().splitlines()]
    return {words[0]: np.array([float(w) for w in words[1:]]) for words in lines}


def _keras_values(trigger: TriggerFunction, x: NDArray[np.float64]) -> Mapping[str, NDArray[np.float64]]:
    """Values of every QKeras layer for one event, in order, flat."""
    keras = frameworks.keras()
    with frameworks.float64():
        model = trigger.network.build(exact=True)
        layers = [layer for layer in model.layers if type(layer).__name__ != "InputLayer"]
        values = keras.Model(model.inputs, [layer.output for layer in layers]).predict(
            as_inputs(model, x), verbose=0
        )
    values = values if isinstance(values, list) else [values]
    return {layer.name: np.asarray(v, np.float64).ravel() for layer, v in zip(layers, values, strict=True)}


def _match(traced: list[str], keras: list[str]) -> list[tuple[str, str]]:
    """Pairs of hls4ml's and Keras' layers that hold the same values.

    hls4ml merges a linear activation into one of its own (``dense_3_linear``): such a layer stands for the last of
    the Keras layers between its neighbours.
    """
    pairs = []
    at = -1
    for i, name in enumerate(traced):
        if name in keras:
            at = keras.index(name)
        else:
            following = [keras.index(n) for n in traced[i + 1 :] if n in keras]
            end = (following[0] if following else len(keras)) - 1
            if end <= at:
                continue
            at = end
        pairs.append((name, keras[at]))
    return pairs
