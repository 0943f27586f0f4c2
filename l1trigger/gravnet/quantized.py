"""The QKeras twin of a GravNet stack: what is trained with quantization, and equals ``function.Stack`` exactly.

Weights, types and configuration are those of every graph stack (``graph.quantized``); here is what it computes.
"""

from __future__ import annotations

from functools import cache
from typing import Any, ClassVar

import numpy as np

from l1trigger.fixed_point import FixedPoint
from l1trigger.graph import quantized as graph
from l1trigger.gravnet import function
from l1trigger.gravnet.layers import nearest, squares

NAME = "QGravNetStack"
WEIGHTS = ("coordinate", "coordinate_bias", "propagate", "propagate_bias", "direct", "mean", "maximum", "bias")
"""Order of a layer's weights, whichever way a configuration was stored."""
ROLES = ("coordinate", "square", "edge_weight", "propagated", "aggregated", "output")


@cache
def stack_class() -> Any:
    """The Keras layer class ``QGravNetStack``, made once."""
    import tensorflow as tf

    class QGravNetStack(graph.stack_class()):  # type: ignore[misc]
        """A quantized GravNet stack; arguments as for every graph stack, and some more.

        Args:
            neighbours, loops, falloff: see ``function.Layer``; the same in all layers.
        """

        WEIGHTS: ClassVar[tuple[str, ...]] = WEIGHTS
        OPTIONS: ClassVar[tuple[str, ...]] = ("neighbours", "loops", "falloff")

        def __init__(self, *args: Any, neighbours: int, loops: bool, falloff: float, **more: Any) -> None:
            super().__init__(*args, **more)
            self.neighbours, self.loops, self.falloff = neighbours, loops, falloff

        def call(self, x: Any) -> Any:
            """Outputs of a batch (events, filters)."""
            mask = self._mask(x)
            for index in range(len(self.cells)):
                y = self._gravnet(self._quantizers[index], self._quantized_weights(index), x, mask)
                x = mask * self._output(index, y)
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
