"""The QKeras twin of a GarNet stack: what is trained with quantization, and equals ``function.Stack`` exactly.

Weights, types and configuration are those of every graph stack (``graph.quantized``); here is what it computes.
"""

from __future__ import annotations

from functools import cache
from typing import Any, ClassVar

import numpy as np

from l1trigger.fixed_point import FixedPoint
from l1trigger.garnet import function
from l1trigger.graph import quantized as graph

NAME = "QGarNetStack"
WEIGHTS = (
    "distance", "distance_bias", "propagate", "propagate_bias", "mean", "maximum", "direct", "edges", "bias",
)
"""Order of a layer's weights, whichever way a configuration was stored."""
ROLES = ("distance", "edge_weight", "propagated", "aggregated", "gathered", "output")


@cache
def stack_class() -> Any:
    """The Keras layer class ``QGarNetStack``, made once."""
    import tensorflow as tf

    class QGarNetStack(graph.stack_class()):  # type: ignore[misc]
        """A quantized GarNet stack; arguments as for every graph stack.

        ``types`` are without ``propagated`` where the transform is folded.
        """

        WEIGHTS: ClassVar[tuple[str, ...]] = WEIGHTS

        def call(self, x: Any) -> Any:
            """Outputs of a batch (events, filters)."""
            mask = self._mask(x)
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

    return QGarNetStack


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
