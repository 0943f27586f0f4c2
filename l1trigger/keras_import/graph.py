"""A network as plain values: nodes in order, each a Keras layer that is used once, and Keras models made of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from l1trigger import frameworks
from l1trigger.errors import UnsupportedLayerError
from l1trigger.network import qkeras_objects

Weights = tuple[NDArray[np.float64], ...]


@dataclass(frozen=True)
class Node:
    """One use of one layer.

    Attributes:
        name: unique in its graph; also that of the Keras layer.
        kind: Keras' or QKeras' class name, ``InputLayer`` for an input.
        inputs: names of the nodes whose results it takes, in order.
        config: the options of the class, without its name; ``shape`` of an input.
        weights: in Keras' order.
    """

    name: str
    kind: str
    inputs: tuple[str, ...] = ()
    config: Mapping[str, Any] = field(default_factory=dict)
    weights: Weights = ()

    @property
    def is_quantized(self) -> bool:
        """Whether it is a layer of QKeras."""
        return self.kind.startswith("Q")


@dataclass(frozen=True)
class Graph:
    """A network.

    Attributes:
        nodes: each behind those that it takes its inputs from.
        inputs, outputs: names of nodes, in order.
    """

    nodes: tuple[Node, ...]
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]

    def __getitem__(self, name: str) -> Node:
        return self._by_name[name]

    @cached_property
    def _by_name(self) -> dict[str, Node]:
        return {node.name: node for node in self.nodes}

    @cached_property
    def consumers(self) -> Mapping[str, tuple[Node, ...]]:
        """The nodes that take each node's result, once for each time that they take it."""
        takers: dict[str, list[Node]] = {node.name: [] for node in self.nodes}
        for node in self.nodes:
            for name in node.inputs:
                takers[name].append(node)
        return {name: tuple(nodes) for name, nodes in takers.items()}

    @cached_property
    def shapes(self) -> Mapping[str, tuple[int, ...]]:
        """Shape of each node's result, without events."""
        return {name: tuple(int(n) for n in t.shape[1:]) for name, t in self._tensors().items()}

    @property
    def is_quantized(self) -> bool:
        """Whether there are layers of QKeras."""
        return any(node.is_quantized for node in self.nodes)

    def only_consumer(self, name: str) -> Node | None:
        """The one node that takes a node's result; None where there are several, or where it is an output."""
        consumers = self.consumers[name]
        return consumers[0] if len(consumers) == 1 and name not in self.outputs else None

    def rewritten(self, rule: Callable[[Node], Iterable[Node]]) -> Graph:
        """The graph with other nodes in place of each.

        Args:
            rule: gives the nodes in place of one, in order. The last of them gives its result; none at all, its input
                does.
        """
        nodes: list[Node] = []
        given: dict[str, str] = {}
        for node in self.nodes:
            taken = Node(node.name, node.kind, tuple(given[n] for n in node.inputs), node.config, node.weights)
            made = tuple(rule(taken))
            nodes += made
            given[node.name] = made[-1].name if made else taken.inputs[0]
        return Graph(tuple(nodes), self.inputs, tuple(given[n] for n in self.outputs)).reachable()

    def reachable(self) -> Graph:
        """The graph without nodes whose results nobody takes; inputs stay."""
        wanted = {*self.outputs, *self.inputs}
        for node in reversed(self.nodes):
            if node.name in wanted:
                wanted.update(node.inputs)
        return Graph(tuple(n for n in self.nodes if n.name in wanted), self.inputs, self.outputs)

    def fresh(self, name: str) -> str:
        """A name that no node has, made of another."""
        taken, n = set(self._by_name), 0
        new = name
        while new in taken:
            n += 1
            new = f"{name}_{n}"
        return new

    def model(self, float64: bool = False) -> Any:
        """The Keras 2 model, with the weights in it.

        Args:
            float64: compute in float64 in place of float32.
        """
        if float64:
            with frameworks.float64():
                return self._model()
        return self._model()

    def _model(self) -> Any:
        k = frameworks.keras()
        tensors = self._tensors()
        inputs, outputs = ([tensors[n] for n in names] for names in (self.inputs, self.outputs))
        model = k.Model(inputs if len(inputs) > 1 else inputs[0], outputs if len(outputs) > 1 else outputs[0])
        for node in self.nodes:
            if node.weights:
                model.get_layer(node.name).set_weights(node.weights)
        return model

    def _tensors(self) -> dict[str, Any]:
        tensors: dict[str, Any] = {}
        for node in self.nodes:
            given = [tensors[n] for n in node.inputs]
            try:
                tensors[node.name] = _tensor(node, given[0] if len(given) == 1 else given)
            except (ValueError, TypeError, IndexError) as e:
                raise UnsupportedLayerError(
                    f"{node.name}: {node.kind} cannot be rebuilt ({str(e).splitlines()[0][:160]}). "
                    "Remedy: leave out options that this project does not name"
                ) from e
        return tensors


def _tensor(node: Node, given: Any) -> Any:
    k = frameworks.keras()
    if node.kind == "InputLayer":
        return k.Input(node.config["shape"], name=node.name)
    objects = qkeras_objects()
    made = objects[node.kind] if node.is_quantized else getattr(k.layers, node.kind)
    config = {key: value for key, value in node.config.items() if key != "dtype"}
    with k.utils.custom_object_scope(objects):
        return made.from_config({**config, "name": node.name})(given)


class Loaded(Protocol):
    """A user's model as its file has it, whatever the format; what a reader gives beside the graph."""

    def has_once(self, name: str) -> bool:
        """Whether a node of the graph stands for one result of the file, which ``outputs`` knows by this name."""

    def outputs(
        self, inputs: Sequence[NDArray[np.float64]], layers: Sequence[str] = (), logits: bool = False
    ) -> list[NDArray[np.float64]]:
        """What the model itself gives, computed in float64, one array for each of its outputs.

        Args:
            inputs: one array for each of its inputs, first axis events.
            layers: names of the results that are wanted; none takes the model's own outputs.
            logits: whether results are taken before a softmax or sigmoid.
        """


def unique(names: Sequence[str]) -> list[str]:
    """Names with numbers behind those that occurred before."""
    seen: Counter[str] = Counter()
    taken = set(names)
    out = []
    for name in names:
        new = name
        while seen[name] and new in taken:
            new = f"{name}_{seen[name]}"
            seen[name] += 1
        seen[name] += 1
        taken.add(new)
        out.append(new)
    return out
