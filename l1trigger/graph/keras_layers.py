"""The Keras layers of graph stacks: full precision, and the QKeras twin that equals ``stack.Stack`` exactly.

Every quantizer is QKeras' own, so that gradients pass through it as through those of a ``QDense``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, fields
from functools import cache
from typing import Any, ClassVar

from l1trigger import frameworks
from l1trigger.fixed_point import FixedPoint
from l1trigger.graph.algebra import GraphLayer, collapsed
from l1trigger.graph.tensors import Float, Quantized
from l1trigger.layer_summary import LayerSummary
from l1trigger.own_layers import OwnLayer

COLLAPSES = (None, "mean", "sum", "max")
NORMALIZATIONS = ("vertices", "count")
ACTIVATIONS = ("linear", "relu", "tanh")


def qkeras_quantizer(t: FixedPoint) -> Any:
    """QKeras' quantizer of a type that rounds to even and saturates."""
    # Not quantized_relu, which computes in float32: rounding twice is not exact.
    return frameworks.qkeras().quantized_bits(t.width, t.integer - int(t.signed), keep_negative=t.signed, alpha=1)


def _options(kind: type[GraphLayer], given: dict[str, Any]) -> GraphLayer:
    """The algebra with its options, which are taken out of arguments."""
    return kind(**{f.name: given.pop(f.name) for f in fields(kind) if f.name in given})


def _require_one_of(what: str, value: Any, known: Sequence[Any]) -> None:
    if value not in known:
        raise ValueError(f"{what} {value!r} is not known; it can be {', '.join(map(repr, known))}")


def _mask(x: Any, feature: int) -> Any:
    """1 where there is a vertex (events, V, 1)."""
    tf = frameworks.tensorflow()
    return tf.cast(tf.not_equal(x[..., feature : feature + 1], 0), x.dtype)


@cache
def float_stack(kind: type[GraphLayer]) -> Any:
    """The Keras layer class ``<title>Stack`` of a kind of graph layer, made once."""
    k, tf = frameworks.keras(), frameworks.tensorflow()

    class Stack(k.layers.Layer):  # type: ignore[misc, name-defined]
        """Graph layers one after the other, then a collapse over the vertices.

        Input (events, V, features); output (events, filters), or (events, V, filters) without a collapse.

        Args:
            sizes: of each layer, in the order of the kind's ``sizes``, or by name.
            variant: of the kind's ``variants``.
            activation: of each layer's output, but of the last where the algebra says that it is linear.
            collapse: over the vertices: ``mean`` (over V), ``sum``, ``max`` or None.
            mask_feature: index of the feature that is not zero where there is a vertex; such vertices alone count.
            normalization: means are divided by V (``vertices``) or by the number of vertices that are there.
            more: the kind's options, and Keras' own.

        Raises:
            ValueError: sizes do not fit, or an option is not known.
        """

        def __init__(
            self, *sizes: Sequence[int], variant: str = kind.variants[0], activation: str = "linear",
            collapse: str | None = "mean", mask_feature: int = 3, normalization: str = "vertices", **more: Any,
        ) -> None:
            named = dict(zip(kind.sizes, sizes, strict=False))
            named |= {n: more.pop(n) for n in kind.sizes if n in more}
            self.algebra = _options(kind, more)
            super().__init__(**more)
            self.sizes = {n: list(named.get(n, ())) for n in kind.sizes}
            lengths = {len(s) for s in self.sizes.values()}
            if len(lengths) != 1 or 0 in lengths:
                raise ValueError(f"{listed(kind.sizes)} need one size per layer")
            _require_one_of("variant", variant, kind.variants)
            _require_one_of("activation", activation, ACTIVATIONS)
            _require_one_of("collapse", collapse, COLLAPSES)
            _require_one_of("normalization", normalization, NORMALIZATIONS)
            self.variant, self.activation, self.collapse = variant, activation, collapse
            self.mask_feature, self.normalization = mask_feature, normalization
            self.cells: list[dict[str, Any]] = []

        def build(self, shape: Any) -> None:
            """Makes the weights."""
            self.vertices, features = int(shape[1]), int(shape[-1])
            if not 0 <= self.mask_feature < features:
                raise ValueError(f"mask_feature is {self.mask_feature}, but vertices have {features} features")
            if problem := self.algebra.problem(self.vertices):
                raise ValueError(problem)
            for index in range(len(self.sizes[kind.sizes[-1]])):
                sizes = {n: s[index] for n, s in self.sizes.items()}
                self.cells.append({
                    name: self.add_weight(
                        name=f"{name}{index}", shape=shape_,
                        initializer="zeros" if name.endswith("bias") else "glorot_uniform",
                    )
                    for name, shape_ in kind.shapes({"in": features, **sizes}, self.variant).items()
                })
                features = sizes[kind.sizes[-1]]
            super().build(shape)

        def call(self, x: Any) -> Any:
            """Outputs of a batch."""
            mask = _mask(x, self.mask_feature)
            count = None
            if self.normalization == "count":
                count = tf.maximum(tf.reduce_sum(mask, 1, keepdims=True), 1)
            r = Float(self.vertices, self.activation, count)
            for index, cell in enumerate(self.cells):
                if index == len(self.cells) - 1 and self.algebra.linear_end(self.collapse):
                    r = Float(self.vertices, "linear", count)
                x = self.algebra.layer(r, cell, x, mask)
            return x if self.collapse is None else collapsed(r, x, self.collapse)[:, 0]

        def compute_output_shape(self, shape: Any) -> Any:
            """Shape of the outputs."""
            out = (self.sizes[kind.sizes[-1]][-1],)
            return (*shape[:2], *out) if self.collapse is None else (shape[0], *out)

        def get_config(self) -> dict[str, Any]:
            """What the layer is made from."""
            names = ("variant", "activation", "collapse", "mask_feature", "normalization")
            own = {**self.sizes, **asdict(self.algebra), **{n: getattr(self, n) for n in names}}
            return {**super().get_config(), **own}

    Stack.__name__ = Stack.__qualname__ = f"{kind.title}Stack"
    return Stack


def listed(names: Sequence[str]) -> str:
    """Names in a sentence."""
    *first, last = names
    return f"{', '.join(first)} and {last}" if first else last


class QuantizedStack(OwnLayer):
    """Base of the Keras classes of quantized stacks.

    Attributes:
        graph_layer: the kind of layer.
    """

    graph_layer: ClassVar[type[GraphLayer]]


@cache
def quantized_stack(kind: type[GraphLayer]) -> Any:
    """The Keras layer class ``Q<title>Stack`` of a kind of graph layer, made once."""
    k = frameworks.keras()
    import tensorflow_model_optimization as tfmot

    class QStack(k.layers.Layer, tfmot.sparsity.keras.PrunableLayer, QuantizedStack):  # type: ignore[misc, name-defined]
        """A quantized stack of graph layers.

        Args:
            shapes: per layer, weight name to shape.
            weight_types: per layer, weight name to fixed-point type, as strings.
            types: per layer, role to fixed-point type.
            collapse, collapsed: how vertices are collapsed, and the type of the result.
            mask_feature: index of the feature that marks a vertex.
            more: the kind's options, and Keras' own.
        """

        graph_layer: ClassVar[type[GraphLayer]] = kind

        def __init__(
            self, shapes: Sequence[Mapping[str, Sequence[int]]], weight_types: Sequence[Mapping[str, str]],
            types: Sequence[Mapping[str, str]], collapse: str, collapsed: str, mask_feature: int = 3, **more: Any,
        ) -> None:
            self.algebra = _options(kind, more)
            super().__init__(**more)
            # The order of the weights is the kind's, whichever way a configuration was stored.
            self.shapes = [{n: list(layer[n]) for n in kind.weights if n in layer} for layer in shapes]
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

        def call(self, x: Any) -> Any:
            """Outputs of a batch (events, filters)."""
            readings = [
                Quantized(self.vertices, quantizers, types["output"].startswith("ap_u"))
                for quantizers, types in zip(self._quantizers, self.types, strict=True)
            ]
            cells = [
                {n: quantizers[n](w) for n, w in cell.items()}
                for quantizers, cell in zip(self._weight_quantizers, self.cells, strict=True)
            ]
            mask = _mask(x, self.mask_feature)
            return self._collapsed(self.algebra.stack(readings, cells, x, mask, self.collapse)[:, 0])

        def get_quantizers(self) -> list[Any]:
            """Quantizers in the order of the weights."""
            return [self._weight_quantizers[i][n] for i, cell in enumerate(self.cells) for n in cell]

        def get_prunable_weights(self) -> list[Any]:
            """Weights that pruning may set to zero: all but biases."""
            return [w for cell in self.cells for n, w in cell.items() if not n.endswith("bias")]

        def summaries(self) -> list[LayerSummary]:
            """What became of each layer; its weights lie on the grid of their types."""
            return [
                _summary(f"{self.name}{i}", cell, w[kind.shown], w["bias"], t["output"])
                for i, (cell, w, t) in enumerate(zip(self.cells, self.weight_types, self.types, strict=True))
            ]

        def compute_output_shape(self, shape: Any) -> Any:
            """Shape of the outputs."""
            return shape[0], self.shapes[-1]["bias"][0]

        def get_config(self) -> dict[str, Any]:
            """What the layer is made from."""
            names = ("shapes", "weight_types", "types", "collapse", "collapsed", "mask_feature")
            return {**super().get_config(), **asdict(self.algebra), **{n: getattr(self, n) for n in names}}

    QStack.__name__ = QStack.__qualname__ = keras_name(kind)
    return QStack


def keras_name(kind: type[GraphLayer]) -> str:
    """Name of the Keras class of a kind's quantized stacks, also in hls4ml's graph."""
    return f"Q{kind.title}Stack"


def _summary(name: str, cell: Mapping[str, Any], weight: str, bias: str, output: str) -> LayerSummary:
    """Weights, zeros and types of one layer."""
    weights = [w.numpy() for n, w in cell.items() if not n.endswith("bias")]
    return LayerSummary(
        name, sum(w.size for w in weights), sum(int((w == 0).sum()) for w in weights), weight, bias, output
    )
