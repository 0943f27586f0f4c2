"""A quantized stack of graph layers as plain values: what does not depend on the algebra of a layer."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar, Generic, Literal, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from l1trigger.fixed_point import FixedPoint

Array = NDArray[np.float64]
Collapse = Literal["mean", "sum", "max"]


class Sized(Protocol):
    """One layer."""

    @property
    def inputs(self) -> int:
        """Features per vertex that go in."""

    @property
    def filters(self) -> int:
        """Features per vertex that come out."""


LayerT = TypeVar("LayerT", bound=Sized)


@dataclass(frozen=True)
class Stack(ABC, Generic[LayerT]):
    """A quantized stack of graph layers.

    Attributes:
        vertices: V, a power of two.
        mask_feature: index of the input feature that is not zero where there is a vertex.
        layers: in order.
        collapse: over the vertices.
        collapsed: type of the result.
    """

    vertices: int
    mask_feature: int
    layers: tuple[LayerT, ...]
    collapse: Collapse
    collapsed: FixedPoint

    chunk: ClassVar[int]
    """Events at a time, so that what is computed inside fits into memory."""

    @property
    def inputs(self) -> int:
        """Features per vertex."""
        return self.layers[0].inputs

    @property
    def outputs(self) -> int:
        """Results per event."""
        return self.layers[-1].filters

    def evaluate(self, x: Array) -> Array:
        """Results of a batch of events, exact.

        Args:
            x: inputs (events, V, features), on the grid of the network's input type.
        """
        # At least one chunk: no events have no results, of the right shape.
        chunks = [x[s : s + self.chunk] for s in range(0, max(len(x), 1), self.chunk)]
        return np.concatenate([self._evaluate(c, (c[..., self.mask_feature] != 0).astype(np.float64)) for c in chunks])

    @abstractmethod
    def _evaluate(self, x: Array, mask: Array) -> Array:
        """Results of few events; the mask (events, V) is 1 where there is a vertex."""


def collapsed(x: Array, collapse: str) -> Array:
    """Mean, sum or maximum of vertices (events, V, O) over all V places, of which empty ones are 0."""
    if collapse == "max":
        return np.asarray(x.max(1), np.float64)
    total: Array = x.sum(1)
    return total / x.shape[1] if collapse == "mean" else total
