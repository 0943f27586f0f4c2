"""The full-precision Keras layers ``GarNet`` and ``GarNetStack``; the algebra is that of ``function``.

Keras is imported when the classes are first asked for: ``layers.classes().GarNetStack``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from l1trigger import frameworks

VARIANTS = ("simplified", "full")
COLLAPSES = (None, "mean", "sum", "max")
NORMALIZATIONS = ("vertices", "count")
ACTIVATIONS = ("linear", "relu", "tanh")


@dataclass(frozen=True)
class Classes:
    """The layer classes."""

    GarNet: Any
    GarNetStack: Any


def weight_shapes(
    inputs: int, aggregators: int, propagate: int, filters: int, full: bool
) -> dict[str, tuple[int, ...]]:
    """Shapes of one layer's weights by name; biases end in ``_bias``.

    Args:
        inputs: features per vertex that go in.
        aggregators: S.
        propagate: F.
        filters: O.
        full: whether it has maxima, and connects inputs and edge weights to the output.
    """
    features = propagate + (aggregators if full else 0)
    shapes: dict[str, tuple[int, ...]] = {
        "distance": (inputs, aggregators), "distance_bias": (aggregators,),
        "propagate": (inputs, propagate), "propagate_bias": (propagate,),
        "mean": (aggregators, features, filters),
    }
    if full:
        shapes |= {"maximum": (aggregators, features, filters), "direct": (inputs, filters),
                   "edges": (aggregators, filters)}
    return shapes | {"bias": (filters,)}


def require_one_of(what: str, value: Any, known: Sequence[Any]) -> None:
    """Raises when a layer's argument is none of the known ones.

    Raises:
        ValueError: names the argument and what is known.
    """
    if value not in known:
        raise ValueError(f"{what} {value!r} is not known; it can be {', '.join(map(repr, known))}")


@cache
def classes() -> Classes:
    """The Keras layer classes, made once."""
    k = frameworks.keras()
    import tensorflow as tf

    class GarNetStack(k.layers.Layer):  # type: ignore[misc, name-defined]
        """GarNet layers one after the other, then a collapse over the vertices.

        Input (events, V, features); output (events, filters), or (events, V, filters) without a collapse.

        Args:
            aggregators, propagate, filters: sizes of each layer: S, F and O of arXiv:1902.07987.
            variant: ``simplified`` (arXiv:2008.03601) aggregates means; ``full`` also maxima, and its output sees
                inputs and edge weights, too.
            activation: of each layer's output; the last layer's is linear where the collapse is a mean or a sum.
            collapse: over the vertices: ``mean`` (over V), ``sum``, ``max`` or None.
            mask_feature: index of the feature that is not zero where there is a vertex; such vertices alone count.
            normalization: means are divided by V (``vertices``) or by the number of vertices that are there.

        Raises:
            ValueError: sizes do not fit, or an option is not known.
        """

        def __init__(
            self, aggregators: Sequence[int], propagate: Sequence[int], filters: Sequence[int],
            variant: str = "simplified", activation: str = "linear", collapse: str | None = "mean",
            mask_feature: int = 3, normalization: str = "vertices", **more: Any,
        ) -> None:
            super().__init__(**more)
            if not len(aggregators) == len(propagate) == len(filters) or not len(filters):
                raise ValueError("aggregators, propagate and filters need one size per layer")
            require_one_of("variant", variant, VARIANTS)
            require_one_of("activation", activation, ACTIVATIONS)
            require_one_of("collapse", collapse, COLLAPSES)
            require_one_of("normalization", normalization, NORMALIZATIONS)
            self.aggregators, self.propagate, self.filters = map(list, (aggregators, propagate, filters))
            self.variant, self.activation, self.collapse = variant, activation, collapse
            self.mask_feature, self.normalization = mask_feature, normalization
            self.cells: list[dict[str, Any]] = []

        def build(self, shape: Any) -> None:
            """Makes the weights."""
            features = int(shape[-1])
            if not 0 <= self.mask_feature < features:
                raise ValueError(f"mask_feature is {self.mask_feature}, but vertices have {features} features")
            for index, (s, f, o) in enumerate(zip(self.aggregators, self.propagate, self.filters, strict=True)):
                shapes = weight_shapes(features, s, f, o, self.variant == "full")
                self.cells.append({
                    name: self.add_weight(
                        name=f"{name}{index}", shape=shape_,
                        initializer="zeros" if name.endswith("bias") else "glorot_uniform",
                    )
                    for name, shape_ in shapes.items()
                })
                features = o
            super().build(shape)

        def call(self, x: Any) -> Any:
            """Outputs of a batch."""
            mask = tf.cast(tf.not_equal(x[..., self.mask_feature : self.mask_feature + 1], 0), x.dtype)
            total = tf.cast(tf.shape(x)[1], x.dtype)
            count = total if self.normalization == "vertices" else tf.maximum(tf.reduce_sum(mask, 1), 1)[..., None]
            for index, cell in enumerate(self.cells):
                last = index == len(self.cells) - 1 and self.collapse in ("mean", "sum")
                x = mask * self._garnet(cell, x, mask, count, "linear" if last else self.activation)
            if self.collapse is None:
                return x
            if self.collapse == "max":
                return tf.reduce_max(x, 1)
            summed = tf.reduce_sum(x, 1)
            if self.collapse == "sum":
                return summed
            return summed / (count if self.normalization == "vertices" else count[:, 0])

        def _garnet(self, cell: dict[str, Any], x: Any, mask: Any, count: Any, activation: str) -> Any:
            features = x @ cell["propagate"] + cell["propagate_bias"]
            w = mask * tf.exp(-tf.square(x @ cell["distance"] + cell["distance_bias"]))
            if self.variant == "full":
                features = tf.concat([mask * features, w], -1)
            mean = tf.einsum("bvs,bvf->bsf", w, features) / count
            gathered = tf.einsum("bsf,sfo->bso", mean, cell["mean"])
            if self.variant == "full":
                maximum = tf.reduce_max(w[..., None] * features[:, :, None], 1)
                gathered += tf.einsum("bsf,sfo->bso", maximum, cell["maximum"])
            y = cell["bias"] + tf.einsum("bvs,bso->bvo", w, gathered)
            if self.variant == "full":
                y += x @ cell["direct"] + w @ cell["edges"]
            return {"linear": tf.identity, "relu": tf.nn.relu, "tanh": tf.tanh}[activation](y)

        def compute_output_shape(self, shape: Any) -> Any:
            """Shape of the outputs."""
            out = (self.filters[-1],)
            return (*shape[:2], *out) if self.collapse is None else (shape[0], *out)

        def get_config(self) -> dict[str, Any]:
            """What the layer is made from."""
            names = ("aggregators", "propagate", "filters", "variant", "activation", "collapse", "mask_feature",
                     "normalization")
            return {**super().get_config(), **{n: getattr(self, n) for n in names}}

    class GarNet(GarNetStack):
        """A single GarNet layer; arguments as for ``GarNetStack``, with one size each."""

        def __init__(self, aggregators: int, propagate: int, filters: int, **more: Any) -> None:
            super().__init__([aggregators], [propagate], [filters], **more)

        def get_config(self) -> dict[str, Any]:
            """What the layer is made from."""
            config = super().get_config()
            return config | {n: config[n][0] for n in ("aggregators", "propagate", "filters")}

    return Classes(GarNet, GarNetStack)
