"""Nodes of Keras, channels last, in place of ONNX' operations, channels first.

No number is moved for that: of each result it is known where its numbers are in the flat result of a node (``Value``).
What turns or reshapes costs nothing so, and a dense layer takes its weights in the order in which the numbers come.
Only where the order has to be another, a ``Permute`` stands.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from l1trigger.errors import UnsupportedLayerError
from l1trigger.keras_import import affine
from l1trigger.keras_import.graph import Graph, Node
from l1trigger.keras_import.onnx_file import OnnxModel, Operation

Array = NDArray[Any]
WEIGHTED = ("Dense", "Conv1D", "Conv2D", "DepthwiseConv2D")


@dataclass(frozen=True)
class Value:
    """A result of the file.

    Attributes:
        node: name of the node that holds its numbers.
        order: of the shape of the result: where each number is in the node's flat result.
    """

    node: str
    order: NDArray[np.intp]

    @property
    def is_plain(self) -> bool:
        """Whether its numbers are in the order of the node's."""
        return bool((self.order.ravel() == np.arange(self.order.size)).all())


class Nodes:
    """Nodes that were made so far.

    Attributes:
        model: the file's.
        outputs: names of the results that are wanted.
        values: each result that is known.
        places: as in ``LoadedOnnx``.
    """

    def __init__(self, model: OnnxModel, outputs: Sequence[str]) -> None:
        self.model = model
        self.outputs = outputs
        self.nodes: dict[str, Node] = {}
        self.shapes: dict[str, tuple[int, ...]] = {}
        self.values: dict[str, Value] = {}
        self.places: dict[str, tuple[str, NDArray[np.intp]]] = {}
        for name, shape in model.inputs.items():
            self.values[name] = self.add(name, Node(name, "InputLayer", (), {"shape": shape}), shape)

    def renamed(self, node: str, name: str) -> str:
        """Another name of the last node, whose order is not that of the result of its name."""
        shape = self.shapes.pop(node)
        return self.add(name, self.nodes.pop(node), shape).node

    def graph(self) -> Graph:
        """The graph whose outputs are the results that are wanted, in the file's order."""
        made = tuple(self.laid(self.values[n], self.values[n].order, n).node for n in self.outputs)
        return Graph(tuple(self.nodes.values()), tuple(self.model.inputs), made).reachable()

    def constant(self, operation: Operation, position: int) -> Array | None:
        """An input that is the same for every event; None where it is left out.

        Raises:
            UnsupportedLayerError: it depends on the event.
        """
        name = operation.inputs[position] if position < len(operation.inputs) else ""
        if name and name not in self.model.constants:
            raise operation.refused(f"its input {name} depends on the event", "use weights that are constants")
        return self.model.constants[name] if name else None

    def value(self, operation: Operation, position: int = 0) -> Value:
        """An input that depends on the event."""
        if operation.inputs[position] not in self.values:
            raise operation.refused("takes a constant in place of a result", "exchange its inputs")
        return self.values[operation.inputs[position]]

    def add(self, name: str, node: Node, shape: Sequence[int]) -> Value:
        """A node, named as the result, or after it where the name is taken; its result in its own order."""
        fresh = next(n for n in itertools.chain([name], (f"{name}_{i}" for i in itertools.count(1)))
                     if n not in self.nodes)
        self.nodes[fresh] = replace(node, name=fresh)
        self.shapes[fresh] = tuple(shape)
        return Value(fresh, np.arange(math.prod(shape)).reshape(shape))

    def laid(self, value: Value, order: NDArray[np.intp], name: str) -> Value:
        """A node whose result has a shape and an order.

        Args:
            value: that it is made of.
            order: where each number is in the value's node.
            name: of the operation that wants it, for names and messages.
        """
        node, flat = value.node, np.arange(order.size)
        shape = self.shapes[node]
        if not np.array_equal(order.ravel(), flat):
            if len(shape) < order.ndim and value.is_plain:
                shape, node = self._as(node, value.order.shape, f"{name}_image")
            turned = flat.reshape(shape)
            dims = next((d for d in itertools.permutations(range(len(shape)))
                         if np.array_equal(turned.transpose(d).ravel(), order.ravel())), None)
            if dims is None:
                raise UnsupportedLayerError(f"{name}: takes numbers in an order that no Permute gives. Remedy: leave "
                                            "out reshaping between transposing")
            shape = tuple(shape[d] for d in dims)
            node = self.add(f"{name}_turned", Node("", "Permute", (node,), {"dims": tuple(d + 1 for d in dims)}),
                            shape).node
        if shape != order.shape:
            _, node = self._as(node, order.shape, f"{name}_shaped")
        return Value(node, flat.reshape(order.shape))

    def _as(self, node: str, shape: tuple[int, ...], name: str) -> tuple[tuple[int, ...], str]:
        """A shape, and a node that has it."""
        return shape, self.add(name, Node("", "Reshape", (node,), {"target_shape": shape}), shape).node

    def last(self, operation: Operation, value: Value, axis: int = 0) -> Value:
        """A value with one of its axes, the channels, as the last."""
        return self.laid(value, np.moveaxis(value.order, axis, -1), operation.output)

    def layer(self, operation: Operation, kind: str, before: Value, shape: Sequence[int],
              weights: tuple[Array, ...] = (), **config: Any) -> Value:
        """A layer with channels last in place of an operation; its result as ONNX has it, channels first."""
        made = self.add(operation.output, Node("", kind, (before.node,), config, weights), shape)
        return replace(made, order=np.moveaxis(made.order, -1, 0))

    def affine(self, operation: Operation, value: Value, scale: Array, offset: Array) -> Value:
        """A value, scaled and shifted; folded into a layer with weights where that stands right before it."""
        shape = self.model.shapes[operation.output]
        if shape != value.order.shape:
            raise operation.refused("makes a result larger by a constant", "bring both to one shape before")
        both = [np.broadcast_to(_of_event(operation, v, shape), shape) for v in (scale, offset)]
        value = self._with_channels_last(operation, value, both)
        channels = self.shapes[value.node][-1]
        taken = np.argsort(value.order.ravel())[:channels]
        factors, terms = (v.ravel()[taken] for v in both)
        node = self.nodes[value.node]
        if node.kind in WEIGHTED and self._is_last(value.node, operation):
            self.nodes[value.node] = affine.behind(node, factors, terms)
            return value
        made = self.add(operation.output, affine.node("", value.node, factors, terms), self.shapes[value.node])
        return replace(value, node=made.node)

    def _with_channels_last(self, operation: Operation, value: Value, constants: Sequence[Array]) -> Value:
        """A value in a layout in which constants of its shape differ along the last axis alone."""
        where = np.argsort(value.order.ravel())
        if all(_of_last_axis(v.ravel()[where], self.shapes[value.node]) for v in constants):
            return value
        for axis in range(value.order.ndim):
            turned = [np.moveaxis(v, axis, -1) for v in constants]
            if all(_of_last_axis(v.ravel(), v.shape) for v in turned):
                made = self.last(operation, value, axis)
                return replace(made, order=np.moveaxis(made.order, -1, axis))
        made = self.laid(value, value.order.ravel(), operation.output)
        return replace(made, order=made.order.reshape(value.order.shape))

    def _is_last(self, node: str, operation: Operation) -> bool:
        """Whether nothing but an operation takes a node's numbers."""
        held = {n for n, v in self.values.items() if v.node == node}
        takers = [o for o in self.model.operations if held & set(o.inputs) and o.output not in held]
        return takers == [operation] and not held & set(self.outputs) and all(
            node not in n.inputs for n in self.nodes.values())


def _of_last_axis(numbers: Array, shape: Sequence[int]) -> bool:
    rows = numbers.reshape(-1, shape[-1])
    return bool((rows == rows[0]).all())


def _of_event(operation: Operation, value: Array, shape: Sequence[int]) -> Array:
    """A constant without an axis of events."""
    value = np.asarray(value, np.float64)
    if value.ndim > len(shape):
        if value.shape[0] != 1:
            raise operation.refused("has a constant of several events", "give it one for all")
        value = value[0]
    return value
