"""A user's model as it was written and as firmware is made from it, and the comparison of the two."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache, partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import special

from l1trigger import frameworks
from l1trigger.data.scaling import InputScaling
from l1trigger.errors import DataError
from l1trigger.keras_import import onnx_file, onnx_walk, ports
from l1trigger.keras_import.files import load
from l1trigger.keras_import.graph import Graph, Loaded
from l1trigger.keras_import.rewrite import canonical, end_of
from l1trigger.keras_import.walk import graph_of
from l1trigger.network import QuantizedNetwork, as_inputs, batch_size
from l1trigger.quantize.dense_layers import output_type
from l1trigger.quantize.quantizers import fixed_point

TOLERANCE = 1e-5
"""Largest difference of full-precision outputs from the file's own, in units of their spread."""


@dataclass(frozen=True)
class ImportedModel:
    """A user's model in the form that firmware is made from.

    Attributes:
        name: of its file.
        loaded: the model as it was written.
        walked: its graph as it was written.
        graph: the same network, every layer doing one thing.
        selected: layers of the file whose results are the outputs; empty where they are the file's own.
        ends: what was left out at the end of each output, ``softmax`` or ``sigmoid``; empty where nothing was.
    """

    name: str
    loaded: Loaded
    walked: Graph
    graph: Graph
    selected: tuple[str, ...]
    ends: tuple[str, ...]

    @property
    def shapes(self) -> tuple[tuple[int, ...], ...]:
        """Shape of each input, without events."""
        return tuple(self.walked.shapes[n] for n in self.walked.inputs)

    @property
    def outputs(self) -> int:
        """Numbers that it gives for an event."""
        return sum(math.prod(self.graph.shapes[n]) for n in self.graph.outputs)

    @property
    def is_quantized(self) -> bool:
        """Whether it has layers of QKeras."""
        return self.graph.is_quantized

    @cached_property
    def float_graph(self) -> Graph:
        """The network without quantizers."""
        return ports.without_quantizers(self.graph) if self.is_quantized else self.graph

    def float_outputs(self, x: NDArray[np.float64]) -> NDArray[np.float64]:
        """Outputs at level float (events, outputs) of flat inputs (events, inputs), computed in float64."""
        return _predicted(self.float_graph, x)

    def own_outputs(self, x: NDArray[np.float64]) -> NDArray[np.float64]:
        """What the file itself gives (events, outputs) for flat inputs (events, inputs), computed in float64; before
        what was left out at the ends, where that can be told apart.
        """
        split = np.cumsum([math.prod(s) for s in self.shapes])[:-1]
        parts = [p.reshape(len(x), *s) for p, s in zip(np.split(x, split, axis=1), self.shapes, strict=True)]
        if self._has_own_logits:
            return _flat(self.loaded.outputs(parts, self.walked.outputs, logits=True))
        return _flat(self.loaded.outputs(parts, self.selected))

    @property
    def _has_own_logits(self) -> bool:
        """Whether something was left out at the ends, of layers that the file has by these names."""
        return bool(self.ends) and all(self.loaded.has_once(name) for name in self.walked.outputs)

    def quantized_network(self, scaling: InputScaling) -> QuantizedNetwork:
        """The network for firmware of a QKeras model.

        Args:
            scaling: of its inputs, for inputs without a quantizer of their own.
        """
        graph = ports.with_ports(self.graph, scaling.network_type)
        first = next(n for n in graph.nodes if n.kind == "QActivation")
        input_type = fixed_point(ports.quantizer_of(first))
        model = graph.model()
        return QuantizedNetwork.from_keras(model, input_type or scaling.network_type, output_type(model))

    def require_same(self, x: NDArray[np.float64]) -> None:
        """Checks that the network at level float computes what the file itself does, within ``TOLERANCE``.

        Args:
            x: flat inputs (events, inputs).

        Raises:
            DataError: it does not; names the first layer that differs, and by how much.
        """
        if (difference := self._difference(x)) > TOLERANCE:
            raise DataError(
                self.name, f"the network that is read from it gives other outputs than the file itself: they differ by "
                f"up to {difference:.2g} of their spread, first {self._first_difference(x)}",
                "report this with the file's layers, and leave out that layer",
            )

    def require_same_integers(self, network: QuantizedNetwork, x: NDArray[np.float64]) -> None:
        """Checks that a quantized network computes what the file itself does, without any tolerance.

        Softmax or sigmoid that were left out at the ends of models inside models are compared within ``TOLERANCE``.

        Args:
            network: from ``quantized_network``.
            x: flat inputs as firmware has them (events, inputs).

        Raises:
            DataError: it does not; says how often and by how much.
        """
        own, here = self.own_outputs(x), self._ended(network.predict(x))
        wrong = np.abs(own - here) > (TOLERANCE if self.ends and not self._has_own_logits else 0)
        if wrong.any():
            event, output = (int(i) for i in np.argwhere(wrong)[0])
            raise DataError(
                self.name, f"the quantized network that is read from it gives other outputs than the file itself: "
                f"{int(wrong.sum())} of {wrong.size} differ, the first in event {event}, output {output}: "
                f"{here[event, output]:g}, not {own[event, output]:g}", "report this with the file's layers",
            )

    def _difference(self, x: NDArray[np.float64]) -> float:
        """Largest difference of an output from the file's own, in units of the spread of that output; of its size,
        where it spreads by roundings alone.
        """
        own, here = self.own_outputs(x), self._ended(self.float_outputs(x))
        size = np.abs(own).max(axis=0)
        spread = np.where(spreads(own), own.std(axis=0), np.maximum(size, 1e-300))
        return float((np.abs(own - here) / spread).max())

    def _first_difference(self, x: NDArray[np.float64]) -> str:
        """The first layer whose results differ from the file's, in words."""
        for node in self.walked.nodes:
            if node.inputs and self.loaded.has_once(node.name):
                one = replace(self, graph=canonical(replace(self.walked, outputs=(node.name,)).reachable()),
                              selected=(node.name,), ends=())
                if (difference := one._difference(x)) > TOLERANCE:
                    return f"in layer {node.name} ({node.kind}), by {difference:.2g} of its spread"
        return "in none of its layers alone"

    def _ended(self, outputs: NDArray[np.float64]) -> NDArray[np.float64]:
        """Outputs with what was left out at their ends, where the file's own are compared with it."""
        if not self.ends or self._has_own_logits:
            return outputs
        sizes = [math.prod(self.walked.shapes[n]) for n in self.walked.outputs]
        parts = np.split(outputs, np.cumsum(sizes)[:-1], axis=1)
        return np.concatenate([_END[e](p) for e, p in zip(self.ends, parts, strict=True)], axis=1)


def spreads(outputs: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Whether each of some outputs (events, outputs) differs from event to event by more than roundings of float64."""
    return np.asarray(outputs.std(axis=0) > 1e-7 * np.abs(outputs).max(axis=0))


_END: Mapping[str, Callable[[NDArray[np.float64]], Any]] = {
    "softmax": partial(special.softmax, axis=1), "sigmoid": special.expit,
}


def _predicted(graph: Graph, x: NDArray[np.float64]) -> NDArray[np.float64]:
    model = graph.model(float64=True)
    with frameworks.float64():
        y = model.predict(as_inputs(model, x), batch_size=batch_size(model), verbose=0)
    return _flat(y if isinstance(y, list) else [y])


def _flat(outputs: Sequence[Any]) -> NDArray[np.float64]:
    return np.concatenate([np.asarray(y, np.float64).reshape(len(y), -1) for y in outputs], axis=1)


@lru_cache(maxsize=4)
def imported(
    content: bytes, name: str, weights: bytes | None = None, outputs: tuple[str, ...] = (), logits: bool = False
) -> ImportedModel:
    """The model in the content of a file.

    Args:
        content: of the file; its suffix tells the format.
        name: of the file, for messages, too.
        weights: content of a file of weights for an architecture in JSON.
        outputs: layers whose results are its outputs; none takes the model's own.
        logits: whether a softmax or sigmoid at the end is left out.

    Raises:
        DataError: the file cannot be read.
        MissingExtraError: its format needs a package that is not installed.
        UnsupportedLayerError: a layer is called in a way, or has options, that cannot be brought to firmware.
    """
    loaded, walked = _read(content, name, weights, outputs)
    graph = canonical(walked, logits)
    # A selected layer's own end is left out with it.
    ends = tuple(end_of(walked[n]) for n in walked.outputs) if logits else ()
    return ImportedModel(name, loaded, walked, graph, outputs, ends)


def _read(
    content: bytes, name: str, weights: bytes | None, outputs: tuple[str, ...]
) -> tuple[Loaded, Graph]:
    """What a file computes, and its graph, by the reader of its format."""
    if Path(name).suffix.lower() in onnx_file.SUFFIXES:
        return onnx_walk.read(content, name, outputs)
    loaded = load(content, name, weights)
    return loaded, graph_of(loaded, outputs)
