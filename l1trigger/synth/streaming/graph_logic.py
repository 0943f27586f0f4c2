"""Reading of the algebra of graph layers in alkaid's traced variables: logic of one vertex, or of what follows once.

Arrays have no axes of events and vertices: a vertex's features are (n,), what is aggregated (S, F).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from l1trigger.fixed_point import FixedPoint
from l1trigger.graph.algebra import Function, Reading, added
from l1trigger.synth.quantization import like, quantized


class Logic(Reading):
    """Logic; sums and maxima over vertices are not in it, since trees and registers make them.

    Args:
        vertices: V.
        types: by role.
    """

    def __init__(self, vertices: int, types: Mapping[str, FixedPoint]) -> None:
        self.vertices, self._types = vertices, types

    def q(self, role: str, value: Any, there: Any = None) -> Any:
        """Rounded and saturated."""
        return quantized(value, self._types[role])

    def table(self, role: str, function: Function, value: Any) -> Any:
        """Looked up."""
        t = self._types[role]
        entry = value.apply(lambda v: t.quantize(function(np, v)))
        return entry.quantize(int(t.signed), t.integer - t.signed, t.fraction)

    def affine(self, terms: Sequence[tuple[Any, Any]], bias: Any = None) -> Any:
        """By shared adders."""
        return added([_product(x, w) for x, w in terms], bias)

    def masked(self, mask: Any, value: Any) -> Any:
        """By a multiplexer."""
        present = mask.to_bool("any")
        return np.where(np.repeat(present, value.size), value, 0.0)

    def joined(self, parts: Sequence[Any]) -> Any:
        """Side by side."""
        return np.concatenate(parts)

    def one(self, like: Any) -> NDArray[np.float64]:
        """A constant."""
        return np.ones(1)

    def total(self, value: Any) -> Any:
        """Not in a block."""
        self.lacks("total")

    def largest(self, value: Any) -> Any:
        """Not in a block."""
        self.lacks("largest")

    def averaged(self, total: Any) -> Any:
        """By moving the binary point."""
        return total * (1 / self.vertices)

    def products(self, w: Any, p: Any) -> Any:
        """w[s] p[f] of one vertex (S, F), one after the other; those by 1 are the edge weights themselves."""
        columns = np.asarray(p)
        return like(w, [x if f.low == f.high == 1 else x * f for x in np.asarray(w) for f in columns])

    def weighted_sum(self, w: Any, p: Any) -> Any:
        """Not in a block, but for its ``products``."""
        self.lacks("weighted_sum")

    def weighted_max(self, w: Any, p: Any) -> Any:
        """Not in a block, but for its ``products``."""
        self.lacks("weighted_max")

    def spread(self, w: Any, g: Any) -> Any:
        """One product after the other."""
        return np.sum(w[:, None] * g, axis=0)


def _product(x: Any, w: NDArray[np.float64]) -> Any:
    if w.ndim == 2:
        return x @ w
    return np.concatenate([x[i] @ w[i] for i in range(len(w))]).reshape(len(w), -1)
