"""The QKeras twin of a GravNet stack: what is trained with quantization, and equals ``function.Stack`` exactly.

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
from l1trigger.garnet.quantized import qkeras_quantizer, summary
from l1trigger.gravnet import function
from l1trigger.gravnet.layers import nearest, squares

NAME = "QGravNetStack"
WEIGHTS = ("coordinate", "coordinate_bias", "propagate", "propagate_bias", "direct", "mean", "maximum", "bias")
"""Order of a layer's weights, whichever way a configuration was stored."""
ROLES = ("coordinate", "square", "edge_weight", "propagated", "aggregated", "output")


@cache
def stack_class() -> Any:
    """The Keras layer class ``QGravNetStack``, made once."""
    k = door.keras()
    import tensorflow as tf
    import tensorflow_model_optimization as tfmot

    class QGravNetStack(k.layers.Layer, tfmot.sparsity.keras.PrunableLayer):  # type: ignore[misc, name-defined]
        """A quantized GravNet stack.

        Args:
            shapes: per layer, weight name (a field of ``function.Layer``) to shape.
            weight_types: per layer, weight name to fixed-point type, as strings.
            types: per layer, role (a field of ``function.LayerTypes``) to fixed-point type.
            neighbours, loops, falloff: see ``function.Layer``; the same in all layers.
            collapse, collapsed: how vertices are collapsed, and the type of the result.
            mask_feature: index of the feature that marks a vertex.
        """

        def __init__(
            self, shapes: Sequence[Mapping[str, Sequence[int]]], weight_types: Sequence[Mapping[str, str]],
            types: Sequence[Mapping[str, str]], neighbours: int, loops: bool, falloff: float, collapse: str,
            collapsed: str, mask_feature: int = 3, **more: Any,
        ) -> None:
            super().__init__(**more)
            self.shapes = [{n: list(layer[n]) for n in WEIGHTS} for layer in shapes]
            self.weight_types, self.types = [dict(w) for w in weight_types], [dict(t) for t in types]
            self.neighbours, self.loops, self.falloff = neighbours, loops, falloff
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
            for index, cell in enumerate(self.cells):
                weights = {n: self._weight_quantizers[index][n](w) for n, w in cell.items()}
                y = self._gravnet(self._quantizers[index], weights, x, mask)
                # The quantizer alone would let gradients through below zero.
                relu = self.types[index]["output"].startswith("ap_u")
                x = mask * self._quantizers[index]["output"](tf.nn.relu(y) if relu else y)
            collapse = {"mean": tf.reduce_mean, "sum": tf.reduce_sum, "max": tf.reduce_max}[self.collapse]
            return self._collapsed(collapse(x, 1))

        def _gravnet(self, q: dict[str, Any], cell: dict[str, Any], x: Any, mask: Any) -> Any:
            s = q["coordinate"](x @ cell["coordinate"] + cell["coordinate_bias"])
            p = q["propagated"](x @ cell["propagate"] + cell["propagate_bias"])
            at, there = nearest(s, mask, self.neighbours, self.loops)
            w = there * q["edge_weight"](tf.exp(-self.falloff * q["square"](squares(s, at))))
            product = w[..., None] * tf.gather(p, at, batch_dims=1)
            y = x @ cell["direct"] + cell["bias"]
            y += q["aggregated"](tf.reduce_mean(product, 2)) @ cell["mean"]
            return y + q["aggregated"](tf.reduce_max(product, 2)) @ cell["maximum"]

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
            names = ("shapes", "weight_types", "types", "neighbours", "loops", "falloff", "collapse", "collapsed",
                     "mask_feature")
            return {**super().get_config(), **{n: getattr(self, n) for n in names}}

    return QGravNetStack


def stack_of(layer: Any) -> function.Stack:
    """The plain values of a built ``QGravNetStack``.

    Args:
        layer: whose weights are on the grid of their types, as those of a ``QuantizedNetwork`` are.
    """
    layers = tuple(
        function.Layer(
            types=function.LayerTypes(**{role: FixedPoint.parse(types[role]) for role in ROLES}),
            neighbours=layer.neighbours, loops=layer.loops, falloff=layer.falloff,
            **{n: np.asarray(cell[n].numpy(), np.float64) for n in WEIGHTS},
        )
        for cell, types in zip(layer.cells, layer.types, strict=True)
    )
    return function.Stack(
        layer.vertices, layer.mask_feature, layers, layer.collapse, FixedPoint.parse(layer.collapsed)
    )
