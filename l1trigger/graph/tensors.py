"""Readings of the algebra on TensorFlow, through which gradients pass: the Keras layers, float and quantized.

Axes are events, vertices, features.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from l1trigger import frameworks
from l1trigger.graph.algebra import Function, Reading, added

_NOT_THERE = 1e30
"""Squared distance of what cannot be a neighbour."""


class Tensors(Reading):
    """The operations; what stands where a type stands is left open."""

    def __init__(self, vertices: int) -> None:
        self.vertices = vertices
        self.tf = frameworks.tensorflow()

    def table(self, role: str, function: Function, value: Any) -> Any:
        """The function, then the type."""
        return self.q(role, function(self.tf, value))

    def affine(self, terms: Sequence[tuple[Any, Any]], bias: Any = None) -> Any:
        """By matrix products."""
        return added([self._product(x, w) for x, w in terms], bias)

    def _product(self, x: Any, w: Any) -> Any:
        return self.tf.einsum("bsf,sfo->bso", x, w) if len(w.shape) == 3 else x @ w

    def masked(self, mask: Any, value: Any) -> Any:
        """By a product."""
        return mask * value

    def joined(self, parts: Sequence[Any]) -> Any:
        """Along the last axis."""
        return self.tf.concat(parts, -1)

    def one(self, like: Any) -> Any:
        """Of the same events and vertices."""
        return self.tf.ones_like(like[..., :1])

    def total(self, value: Any) -> Any:
        """Over the second axis."""
        return self.tf.reduce_sum(value, 1, keepdims=True)

    def largest(self, value: Any) -> Any:
        """Over the second axis."""
        return self.tf.reduce_max(value, 1, keepdims=True)

    def weighted_sum(self, w: Any, p: Any) -> Any:
        """(events, S, F)."""
        return self.tf.einsum("bvs,bvf->bsf", w, p)

    def weighted_max(self, w: Any, p: Any) -> Any:
        """(events, S, F)."""
        return self.tf.reduce_max(w[..., None] * p[:, :, None], 1)

    def spread(self, w: Any, g: Any) -> Any:
        """(events, V, O)."""
        return self.tf.einsum("bvs,bso->bvo", w, g)

    def nearest(self, s: Any, mask: Any, neighbours: int, loops: bool) -> tuple[Any, Any]:
        """No gradient passes.

        Squared distances are multiples of a power of two where coordinates are, hence exact and with true ties; of two
        equal ones ``top_k`` takes the lower index first.
        """
        tf = self.tf
        s, mask = tf.stop_gradient(s), tf.stop_gradient(mask)
        norm = tf.reduce_sum(tf.square(s), -1, keepdims=True)
        square = tf.maximum(norm + tf.transpose(norm, (0, 2, 1)) - 2 * tf.matmul(s, s, transpose_b=True), 0)
        possible = tf.transpose(mask, (0, 2, 1)) > 0
        if not loops:
            possible = tf.logical_and(possible, tf.logical_not(tf.eye(s.shape[1], dtype=tf.bool)))
        negative, at = tf.math.top_k(tf.where(possible, -square, tf.constant(-_NOT_THERE, s.dtype)), neighbours)
        return at, mask * tf.cast(negative > -_NOT_THERE, s.dtype)

    def of_neighbours(self, value: Any, at: Any) -> Any:
        """By indices."""
        return self.tf.gather(value, at, batch_dims=1)

    def square_distances(self, s: Any, at: Any) -> Any:
        """From differences, through which gradients pass."""
        return self.tf.reduce_sum(self.tf.square(s[:, :, None] - self.of_neighbours(s, at)), -1)

    def over_neighbours(self, w: Any, p: Any) -> tuple[Any, Any]:
        """Over the third axis."""
        product = w[..., None] * p
        return self.tf.reduce_sum(product, 2), self.tf.reduce_max(product, 2)


class Float(Tensors):
    """Full precision.

    Args:
        vertices: V.
        activation: of the outputs: ``linear``, ``relu`` or ``tanh``.
        count: what sums are divided by in place of V (events, 1, 1); None takes V.
    """

    def __init__(self, vertices: int, activation: str, count: Any = None) -> None:
        super().__init__(vertices)
        self._activation, self._count = activation, count

    def q(self, role: str, value: Any, there: Any = None) -> Any:
        """The value itself; outputs behind the activation."""
        if role != "output":
            return value
        return {"linear": self.tf.identity, "relu": self.tf.nn.relu, "tanh": self.tf.tanh}[self._activation](value)

    def averaged(self, total: Any) -> Any:
        """Divided by V, or by the number of vertices that are there."""
        return total / (self.vertices if self._count is None else self._count)


class Quantized(Tensors):
    """QKeras' quantizers where types stand.

    Args:
        vertices: V.
        quantizers: by role.
        relu: whether the outputs' type has no sign.
    """

    def __init__(self, vertices: int, quantizers: Mapping[str, Any], relu: bool) -> None:
        super().__init__(vertices)
        self._quantizers, self._relu = quantizers, relu

    def q(self, role: str, value: Any, there: Any = None) -> Any:
        """Quantized, with a straight-through gradient."""
        if role == "output" and self._relu:
            value = self.tf.nn.relu(value)  # the quantizer alone would let gradients through below zero
        return self._quantizers[role](value)
