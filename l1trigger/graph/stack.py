"""A quantized stack of graph layers as plain values, and its integer semantics."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from l1trigger.fixed_point import FixedPoint
from l1trigger.graph.algebra import Collapse, GraphLayer
from l1trigger.graph.arrays import Array, Rounded
from l1trigger.graph.intervals import MASK, Interval, Intervals


@dataclass(frozen=True)
class QuantizedLayer:
    """One layer of a stack.

    Attributes:
        weights: by name, on the grids of their types.
        types: of what is computed inside, by role.
    """

    weights: Mapping[str, Array]
    types: Mapping[str, FixedPoint]


@dataclass(frozen=True)
class Stack:
    """A quantized stack of graph layers.

    Attributes:
        algebra: of its layers.
        vertices: V, a power of two.
        mask_feature: index of the input feature that is not zero where there is a vertex.
        layers: in order.
        collapse: over the vertices.
        collapsed: type of the result.
    """

    algebra: GraphLayer
    vertices: int
    mask_feature: int
    layers: tuple[QuantizedLayer, ...]
    collapse: Collapse
    collapsed: FixedPoint

    @classmethod
    def of(cls, layer: Any) -> Stack:
        """The plain values of a built quantized Keras layer.

        Args:
            layer: whose weights are on the grid of their types, as those of a ``QuantizedNetwork`` are.
        """
        layers = tuple(
            QuantizedLayer(
                {n: np.asarray(w.numpy(), np.float64) for n, w in cell.items()},
                {role: FixedPoint.parse(t) for role, t in types.items()},
            )
            for cell, types in zip(layer.cells, layer.types, strict=True)
        )
        return cls(
            layer.algebra, layer.vertices, layer.mask_feature, layers, layer.collapse, FixedPoint.parse(layer.collapsed)
        )

    @property
    def inputs(self) -> int:
        """Features per vertex."""
        return self.axes(0)["in"]

    @property
    def outputs(self) -> int:
        """Results per event."""
        return self.axes(-1)[self.algebra.sizes[-1]]

    def axes(self, index: int) -> dict[str, int]:
        """Sizes of the axes of a layer's weights, by name."""
        return {
            axis: int(size) for name, w in self.layers[index].weights.items()
            for axis, size in zip(self.algebra.weights[name], w.shape, strict=True)
        }

    def evaluate(self, x: Array) -> Array:
        """Results of a batch of events, exact.

        Args:
            x: inputs (events, V, features), on the grid of the network's input type.
        """
        step = self.algebra.chunk
        # At least one chunk: no events have no results, of the right shape.
        return np.concatenate([self._evaluate(x[s : s + step]) for s in range(0, max(len(x), 1), step)])

    def _evaluate(self, x: Array) -> Array:
        mask = (x[..., self.mask_feature, None] != 0).astype(np.float64)
        readings = [Rounded(self.vertices, layer.types) for layer in self.layers]
        cells = [layer.weights for layer in self.layers]
        return self.collapsed.quantize(self.algebra.stack(readings, cells, x, mask, self.collapse)[:, 0])

    def intervals(self, inputs: FixedPoint) -> tuple[Intervals, ...]:
        """Intervals of what every layer computes of inputs of a type.

        The exact types include ``input``, and those of the last layer ``collapse_sum``.
        """
        readings = [Intervals(self.vertices, layer.types) for layer in self.layers]
        for index, r in enumerate(readings):
            r.exact("input", Interval.of(self.layers[index - 1].types["output"] if index else inputs))
        self.algebra.stack(
            readings, [layer.weights for layer in self.layers], Interval.of(inputs, self.inputs), MASK, self.collapse
        )
        return tuple(readings)
