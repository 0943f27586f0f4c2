"""The full-precision Keras layers ``GravNet`` and ``GravNetStack``; the algebra is that of ``function``.

Keras is imported when the classes are first asked for: ``layers.classes().GravNetStack``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from l1trigger import frameworks
from l1trigger.garnet.layers import ACTIVATIONS, COLLAPSES, require_one_of
from l1trigger.gravnet.function import FALLOFF

_NOT_THERE = 1e30
"""Squared distance of what cannot be a neighbour."""


@dataclass(frozen=True)
class Classes:
    """The layer classes."""

    GravNet: Any
    GravNetStack: Any


def weight_shapes(inputs: int, coordinates: int, propagate: int, filters: int) -> dict[str, tuple[int, ...]]:
    """Shapes of one layer's weights by name; names of biases end in ``bias``.

    Args:
        inputs: features per vertex that go in.
        coordinates: C.
        propagate: F.
        filters: O.
    """
    return {
        "coordinate": (inputs, coordinates), "coordinate_bias": (coordinates,),
        "propagate": (inputs, propagate), "propagate_bias": (propagate,),
        "direct": (inputs, filters), "mean": (propagate, filters), "maximum": (propagate, filters), "bias": (filters,),
    }


def nearest(s: Any, mask: Any, neighbours: int, loops: bool) -> tuple[Any, Any]:
    """Indices of each vertex's neighbours and whether they are there, both (events, V, k), as tensors.

    No gradient passes. Squared distances are multiples of a power of two where coordinates are, hence exact and with
    true ties; of two equal ones ``top_k`` takes the lower index first.

    Args:
        s: coordinates (events, V, C).
        mask: 1 where there is a vertex (events, V, 1).
        neighbours: k.
        loops: whether a vertex can be its own neighbour.
    """
    import tensorflow as tf

    s, mask = tf.stop_gradient(s), tf.stop_gradient(mask)
    norm = tf.reduce_sum(tf.square(s), -1, keepdims=True)
    square = tf.maximum(norm + tf.transpose(norm, (0, 2, 1)) - 2 * tf.matmul(s, s, transpose_b=True), 0)
    possible = tf.transpose(mask, (0, 2, 1)) > 0
    if not loops:
        possible = tf.logical_and(possible, tf.logical_not(tf.eye(s.shape[1], dtype=tf.bool)))
    negative, at = tf.math.top_k(tf.where(possible, -square, tf.constant(-_NOT_THERE, s.dtype)), neighbours)
    return at, tf.cast(negative > -_NOT_THERE, s.dtype)


def squares(s: Any, at: Any) -> Any:
    """Squared distances (events, V, k) of vertices to their neighbours, as a tensor that gradients pass through."""
    import tensorflow as tf

    return tf.reduce_sum(tf.square(s[:, :, None] - tf.gather(s, at, batch_dims=1)), -1)


@cache
def classes() -> Classes:
    """The Keras layer classes, made once."""
    k = frameworks.keras()
    import tensorflow as tf

    class GravNetStack(k.layers.Layer):  # type: ignore[misc, name-defined]
        """GravNet layers one after the other, then a collapse over the vertices.

        Input (events, V, features); output (events, filters), or (events, V, filters) without a collapse.

        Args:
            coordinates, propagate, filters: sizes of each layer: dimensions of the space, F_LR and F_OUT of
                arXiv:1902.07987.
            neighbours: how many of the nearest speak to a vertex.
            loops: whether a vertex can be its own neighbour.
            falloff: a in the neighbours' weight exp(-a d^2).
            activation: of each layer's output.
            collapse: over the vertices: ``mean`` (over V), ``sum``, ``max`` or None.
            mask_feature: index of the feature that is not zero where there is a vertex; such vertices alone count.

        Raises:
            ValueError: sizes do not fit, or an option is not known.
        """

        def __init__(
            self, coordinates: Sequence[int], propagate: Sequence[int], filters: Sequence[int], neighbours: int = 4,
            loops: bool = False, falloff: float = FALLOFF, activation: str = "relu", collapse: str | None = "mean",
            mask_feature: int = 3, **more: Any,
        ) -> None:
            super().__init__(**more)
            if not len(coordinates) == len(propagate) == len(filters) or not len(filters):
                raise ValueError("coordinates, propagate and filters need one size per layer")
            require_one_of("activation", activation, ACTIVATIONS)
            require_one_of("collapse", collapse, COLLAPSES)
            self.coordinates, self.propagate, self.filters = map(list, (coordinates, propagate, filters))
            self.neighbours, self.loops, self.falloff = neighbours, loops, falloff
            self.activation, self.collapse, self.mask_feature = activation, collapse, mask_feature
            self.cells: list[dict[str, Any]] = []

        def build(self, shape: Any) -> None:
            """Makes the weights."""
            vertices, features = int(shape[1]), int(shape[-1])
            if not 0 <= self.mask_feature < features:
                raise ValueError(f"mask_feature is {self.mask_feature}, but vertices have {features} features")
            if not 1 <= self.neighbours <= vertices - (not self.loops):
                raise ValueError(f"neighbours is {self.neighbours}, but there are {vertices} vertices")
            for index, sizes in enumerate(zip(self.coordinates, self.propagate, self.filters, strict=True)):
                self.cells.append({
                    name: self.add_weight(
                        name=f"{name}{index}", shape=shape_,
                        initializer="zeros" if name.endswith("bias") else "glorot_uniform",
                    )
                    for name, shape_ in weight_shapes(features, *sizes).items()
                })
                features = sizes[-1]
            super().build(shape)

        def call(self, x: Any) -> Any:
            """Outputs of a batch."""
            mask = tf.cast(tf.not_equal(x[..., self.mask_feature : self.mask_feature + 1], 0), x.dtype)
            activation = {"linear": tf.identity, "relu": tf.nn.relu, "tanh": tf.tanh}[self.activation]
            for cell in self.cells:
                x = mask * activation(self._gravnet(cell, x, mask))
            reductions = {None: lambda y, axis: y, "mean": tf.reduce_mean, "sum": tf.reduce_sum, "max": tf.reduce_max}
            return reductions[self.collapse](x, 1)

        def _gravnet(self, cell: dict[str, Any], x: Any, mask: Any) -> Any:
            s = x @ cell["coordinate"] + cell["coordinate_bias"]
            p = x @ cell["propagate"] + cell["propagate_bias"]
            at, there = nearest(s, mask, self.neighbours, self.loops)
            w = there * tf.exp(-self.falloff * squares(s, at))
            product = w[..., None] * tf.gather(p, at, batch_dims=1)
            y = x @ cell["direct"] + cell["bias"] + tf.reduce_mean(product, 2) @ cell["mean"]
            return y + tf.reduce_max(product, 2) @ cell["maximum"]

        def compute_output_shape(self, shape: Any) -> Any:
            """Shape of the outputs."""
            out = (self.filters[-1],)
            return (*shape[:2], *out) if self.collapse is None else (shape[0], *out)

        def get_config(self) -> dict[str, Any]:
            """What the layer is made from."""
            names = ("coordinates", "propagate", "filters", "neighbours", "loops", "falloff", "activation",
                     "collapse", "mask_feature")
            return {**super().get_config(), **{n: getattr(self, n) for n in names}}

    class GravNet(GravNetStack):
        """A single GravNet layer; arguments as for ``GravNetStack``, with one size each."""

        def __init__(self, coordinates: int, propagate: int, filters: int, *args: Any, **more: Any) -> None:
            super().__init__([coordinates], [propagate], [filters], *args, **more)

        def get_config(self) -> dict[str, Any]:
            """What the layer is made from."""
            config = super().get_config()
            return config | {n: config[n][0] for n in ("coordinates", "propagate", "filters")}

    return Classes(GravNet, GravNetStack)
