"""The QKeras twin of a GarNet stack: what is trained with quantization, and equals ``function.Stack`` exactly.

Every quantizer is QKeras' own, so that gradients pass through it as through those of a ``QDense``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

import numpy as np

from l1trigger import keras as door
from l1trigger.compress.result import LayerSummary
from l1trigger.fixed_point import FixedPoint
from l1trigger.garnet import function

NAME = "QGarNetStack"
WEIGHTS = (
    "distance", "distance_bias", "propagate", "propagate_bias", "mean", "maximum", "direct", "edges", "bias",
)
"""Order of a layer's weights, whichever way a configuration was stored."""
ROLES = ("distance", "edge_weight", "propagated", "aggregated", "gathered", "output")


def qkeras_quantizer(t: FixedPoint) -> Any:
    """QKeras' quantizer of a type that rounds to even and saturates."""
    # Not quantized_relu, which computes in float32: rounding twice is not exact.
    return door.qkeras().quantized_bits(t.width, t.integer - int(t.signed), keep_negative=t.signed, alpha=1)


@cache
def stack_class() -> Any:
    """The Keras layer class ``QGarNetStack``, made once."""
    k = door.keras()
    import tensorflow as tf
    import tensorflow_model_optimization as tfmot

    class QGarNetStack(k.layers.Layer, tfmot.sparsity.keras.PrunableLayer):  # type: ignore[misc, name-defined]
        """A quantized GarNet stack.

        Args:
            shapes: per layer, weight name (a field of ``function.Layer``) to shape.
            weight_types: per layer, weight name to fixed-point type, as strings.
            types: per layer, role (a field of ``function.LayerTypes``) to fixed-point type; without ``propagated``
                where the transform is folded.
            collapse, collapsed: how vertices are collapsed, and the type of the result.
            mask_feature: index of the feature that marks a vertex.
        """

        def __init__(
            self, shapes: Sequence[Mapping[str, Sequence[int]]], weight_types: Sequence[Mapping[str, str]],
            types: Sequence[Mapping[str, str]], collapse: str, collapsed: str, mask_feature: int = 3, **more: Any,
        ) -> None:
            super().__init__(**more)
            self.shapes = [{n: list(layer[n]) for n in WEIGHTS if n in layer} for layer in shapes]
            self.weight_types, self.types = [dict(w) for w in weight_types], [dict(t) for t in types]
            self.collapse, self.collapsed, self.mask_feature = collapse, collapsed, mask_feature
            self.cells: list[dict[str, Any]] = []

        def build(self, shape: Any) -> None:
            """Makes the weights."""
            self.vertices = int(shape[1])
            for index, shapes in enumerate(self.shapes):
                self.cells.append({
                    name: self.add_weight(name=f"{name}{index}", shape=s, initializer="zeros")
                    for name, s in shapes.items()
                })
            self._quantizers = [
                {n: qkeras_quantizer(FixedPoint.parse(t)) for n, t in types.items()} for types in self.types
            ]
            self._weight_quantizers = [
                {n: qkeras_quantizer(FixedPoint.parse(t)) for n, t in types.items()} for types in self.weight_types
            ]
            self._collapsed = qkeras_quantizer(FixedPoint.parse(self.collapsed))
            super().build(shape)

        def call(self, x: Any) -> Any:
            """Outputs of a batch (events, filters)."""
            mask = tf.cast(tf.not_equal(x[..., self.mask_feature : self.mask_feature + 1], 0), x.dtype)
            for index in range(len(self.cells)):
                cell = self._quantized_weights(index)
                w, g = self._aggregated(index, cell, x, mask)
                if index == len(self.cells) - 1 and self.collapse != "max":
                    return self._mean(index, cell, x, w, g, mask)
                y = self._output(index, self._combined(cell, tf.ones_like(mask), x, w, g))
                x = mask * y
            return self._collapsed(tf.reduce_max(x, 1))

        def _mean(self, index: int, cell: dict[str, Any], x: Any, w: Any, g: Any, mask: Any) -> Any:
            """Mean, or sum, over the vertices without going through them again; see ``garnet.function``."""
            count, x, w = (tf.reduce_mean(a, 1, keepdims=True) for a in (mask, mask * x, w))
            w = self._quantizers[index]["aggregated"](w)
            total = self._combined(cell, count, x, w, g)[:, 0]
            return self._collapsed(total if self.collapse == "mean" else total * self.vertices)

        def _combined(self, cell: dict[str, Any], count: Any, x: Any, w: Any, g: Any) -> Any:
            y = count * cell["bias"] + tf.einsum("bvs,bso->bvo", w, g)
            return y + x @ cell["direct"] + w @ cell["edges"] if "direct" in cell else y

        def _output(self, index: int, y: Any) -> Any:
            # The quantizer alone would let gradients through below zero.
            relu = self.types[index]["output"].startswith("ap_u")
            return self._quantizers[index]["output"](tf.nn.relu(y) if relu else y)

        def _aggregated(self, index: int, cell: dict[str, Any], x: Any, mask: Any) -> tuple[Any, Any]:
            q = self._quantizers[index]
            distance = q["distance"](x @ cell["distance"] + cell["distance_bias"])
            w = mask * q["edge_weight"](tf.exp(-tf.square(distance)))
            if "propagated" in q:
                p = q["propagated"](x @ cell["propagate"] + cell["propagate_bias"])
            else:
                p = tf.concat([x, tf.ones_like(x[..., :1])], -1)
            if "maximum" in cell:
                p = tf.concat([p, w], -1)
            mean = q["aggregated"](tf.einsum("bvs,bvf->bsf", w, p) / self.vertices)
            gathered = tf.einsum("bsf,sfo->bso", mean, cell["mean"])
            if "maximum" in cell:
                maximum = q["aggregated"](tf.reduce_max(w[..., None] * p[:, :, None], 1))
                gathered += tf.einsum("bsf,sfo->bso", maximum, cell["maximum"])
            return w, q["gathered"](gathered)

        def _quantized_weights(self, index: int) -> dict[str, Any]:
            return {n: self._weight_quantizers[index][n](w) for n, w in self.cells[index].items()}

        def get_quantizers(self) -> list[Any]:
            """Quantizers in the order of the weights."""
            return [self._weight_quantizers[i][n] for i, cell in enumerate(self.cells) for n in cell]

        def get_prunable_weights(self) -> list[Any]:
            """Weights that pruning may set to zero: all but biases."""
            return [w for cell in self.cells for n, w in cell.items() if not n.endswith("bias")]

        def summaries(self) -> list[LayerSummary]:
            """What became of each layer; its weights lie on the grid of their types."""
            return [summary(f"{self.name}{i}", cell, self.weight_types[i], self.types[i]["output"])
                    for i, cell in enumerate(self.cells)]

        def compute_output_shape(self, shape: Any) -> Any:
            """Shape of the outputs."""
            return shape[0], self.shapes[-1]["bias"][0]

        def get_config(self) -> dict[str, Any]:
            """What the layer is made from."""
            names = ("shapes", "weight_types", "types", "collapse", "collapsed", "mask_feature")
            return {**super().get_config(), **{n: getattr(self, n) for n in names}}

    return QGarNetStack


def summary(name: str, cell: Mapping[str, Any], types: Mapping[str, str], output: str) -> LayerSummary:
    """Weights, zeros and types of one layer; the type of its output weights stands for all."""
    weights = [w.numpy() for n, w in cell.items() if not n.endswith("bias")]
    return LayerSummary(
        name, sum(w.size for w in weights), sum(int((w == 0).sum()) for w in weights), types["mean"], types["bias"],
        output,
    )


def stack_of(layer: Any) -> function.Stack:
    """The plain values of a built ``QGarNetStack``.

    Args:
        layer: whose weights are on the grid of their types, as those of a ``QuantizedNetwork`` are.
    """
    layers = []
    for cell, types in zip(layer.cells, layer.types, strict=True):
        weights = {n: np.asarray(w.numpy(), np.float64) for n, w in cell.items()}
        parsed = {role: FixedPoint.parse(types[role]) if role in types else None for role in ROLES}
        optional = ("propagate", "propagate_bias", "maximum", "direct", "edges")
        layers.append(function.Layer(
            types=function.LayerTypes(**parsed), **{n: weights.get(n) for n in optional},  # type: ignore[arg-type]
            **{n: weights[n] for n in ("distance", "distance_bias", "mean", "bias")},
        ))
    return function.Stack(
        layer.vertices, layer.mask_feature, tuple(layers), layer.collapse, FixedPoint.parse(layer.collapsed)
    )
