"""The base of the QKeras twins of graph stacks: weights, their quantizers and types, configuration.

Every quantizer is QKeras' own, so that gradients pass through it as through those of a ``QDense``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any, ClassVar

from l1trigger import frameworks
from l1trigger.fixed_point import FixedPoint
from l1trigger.layer_summary import LayerSummary


def qkeras_quantizer(t: FixedPoint) -> Any:
    """QKeras' quantizer of a type that rounds to even and saturates."""
    # Not quantized_relu, which computes in float32: rounding twice is not exact.
    return frameworks.qkeras().quantized_bits(t.width, t.integer - int(t.signed), keep_negative=t.signed, alpha=1)


@cache
def stack_class() -> Any:
    """The Keras layer class ``QStack`` that twins derive from, made once."""
    k = frameworks.keras()
    import tensorflow as tf
    import tensorflow_model_optimization as tfmot

    class QStack(k.layers.Layer, tfmot.sparsity.keras.PrunableLayer):  # type: ignore[misc, name-defined]
        """A quantized stack of graph layers, but for what they compute.

        Args:
            shapes: per layer, weight name (a field of ``function.Layer``) to shape.
            weight_types: per layer, weight name to fixed-point type, as strings.
            types: per layer, role (a field of ``function.LayerTypes``) to fixed-point type.
            collapse, collapsed: how vertices are collapsed, and the type of the result.
            mask_feature: index of the feature that marks a vertex.
        """

        WEIGHTS: ClassVar[tuple[str, ...]]
        """Order of a layer's weights, whichever way a configuration was stored."""
        OPTIONS: ClassVar[tuple[str, ...]] = ()
        """Arguments that a twin takes in addition."""

        def __init__(
            self, shapes: Sequence[Mapping[str, Sequence[int]]], weight_types: Sequence[Mapping[str, str]],
            types: Sequence[Mapping[str, str]], collapse: str, collapsed: str, mask_feature: int = 3, **more: Any,
        ) -> None:
            super().__init__(**more)
            self.shapes = [{n: list(layer[n]) for n in self.WEIGHTS if n in layer} for layer in shapes]
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
            self._quantizers, self._weight_quantizers = (
                [{n: qkeras_quantizer(FixedPoint.parse(t)) for n, t in types.items()} for types in each]
                for each in (self.types, self.weight_types)
            )
            self._collapsed = qkeras_quantizer(FixedPoint.parse(self.collapsed))
            super().build(shape)

        def _mask(self, x: Any) -> Any:
            """1 where there is a vertex (events, V, 1)."""
            return tf.cast(tf.not_equal(x[..., self.mask_feature : self.mask_feature + 1], 0), x.dtype)

        def _quantized_weights(self, index: int) -> dict[str, Any]:
            return {n: self._weight_quantizers[index][n](w) for n, w in self.cells[index].items()}

        def _output(self, index: int, y: Any) -> Any:
            # The quantizer alone would let gradients through below zero.
            relu = self.types[index]["output"].startswith("ap_u")
            return self._quantizers[index]["output"](tf.nn.relu(y) if relu else y)

        def get_quantizers(self) -> list[Any]:
            """Quantizers in the order of the weights."""
            return [self._weight_quantizers[i][n] for i, cell in enumerate(self.cells) for n in cell]

        def get_prunable_weights(self) -> list[Any]:
            """Weights that pruning may set to zero: all but biases."""
            return [w for cell in self.cells for n, w in cell.items() if not n.endswith("bias")]

        def summaries(self) -> list[LayerSummary]:
            """What became of each layer; its weights lie on the grid of their types."""
            return [_summary(f"{self.name}{i}", cell, self.weight_types[i], self.types[i]["output"])
                    for i, cell in enumerate(self.cells)]

        def compute_output_shape(self, shape: Any) -> Any:
            """Shape of the outputs."""
            return shape[0], self.shapes[-1]["bias"][0]

        def get_config(self) -> dict[str, Any]:
            """What the layer is made from."""
            names = ("shapes", "weight_types", "types", *self.OPTIONS, "collapse", "collapsed", "mask_feature")
            return {**super().get_config(), **{n: getattr(self, n) for n in names}}

    return QStack


def _summary(name: str, cell: Mapping[str, Any], types: Mapping[str, str], output: str) -> LayerSummary:
    """Weights, zeros and types of one layer; the type of its output weights stands for all."""
    weights = [w.numpy() for n, w in cell.items() if not n.endswith("bias")]
    return LayerSummary(
        name, sum(w.size for w in weights), sum(int((w == 0).sum()) for w in weights), types["mean"], types["bias"],
        output,
    )
