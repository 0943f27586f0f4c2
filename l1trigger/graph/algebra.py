"""The algebra of graph layers: each is written once, in terms of what a ``Reading`` gives, and read in many ways.

| reading | what the algebra becomes |
| --- | --- |
| ``tensors.Float`` | the full-precision Keras layer |
| ``tensors.Quantized`` | its QKeras twin, for quantization-aware training |
| ``arrays.Rounded`` | integer semantics on NumPy: what all other levels must equal bit for bit |
| ``arrays.Seen`` | values to which fixed-point types are fitted |
| ``intervals.Intervals`` | types of the C++ that hold every intermediate value exactly |
| ``synth.streaming.graph_logic.Logic`` | logic of the streaming engine's blocks |

A vertex takes part when its mask is 1, which is when one of its features, ``mask_feature``, is not zero. Q_t rounds and
saturates to the type t; everything else is exact. Outputs of a layer are x'[v,o] = m[v] Q_output(y[v,o]), where an
unsigned type is a ReLU. A stack of layers ends with a collapse over the V vertices, a power of two, so that 1/V is a
shift:

    mean        c[o] = Q_collapsed( 1/V sum_v x'[v,o] )
    sum         c[o] = Q_collapsed( sum_v x'[v,o] )
    max         c[o] = Q_collapsed( max_v x'[v,o] )
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Literal, NoReturn

from l1trigger.errors import UnsupportedLayerError
from l1trigger.package_files import firmware_folder

Collapse = Literal["mean", "sum", "max"]
Cell = Mapping[str, Any]
"""Weights of one layer, by name."""
Function = Callable[[Any, Any], Any]
"""A function of one number, as a function of a namespace with ``exp`` and ``square`` and an array."""


class Reading(ABC):
    """What a layer is computed with: operations on one kind of arrays, and what stands where a type stands.

    Axes are events, vertices, features where the kind has them; weights are plain arrays or tensors.

    Attributes:
        vertices: V.
    """

    vertices: int

    @abstractmethod
    def q(self, role: str, value: Any, there: Any = None) -> Any:
        """A value brought into the type of a role; ``there`` is 1 where it matters, which is everywhere when None."""

    @abstractmethod
    def table(self, role: str, function: Function, value: Any) -> Any:
        """A function of a value that has a type, brought into the type of a role: a table in firmware."""

    def exact(self, name: str, value: Any) -> Any:
        """The value itself, which no type rounds; in C++ it is of the type ``name_t``."""
        return value

    @abstractmethod
    def affine(self, terms: Sequence[tuple[Any, Any]], bias: Any = None) -> Any:
        """Sum of matrix products of values and weights, and of a bias.

        Args:
            terms: values (..., n) with weights (n, m), or values (..., k, n) with weights (k, n, m), one matrix for
                each k.
            bias: (m,).
        """

    @abstractmethod
    def masked(self, mask: Any, value: Any) -> Any:
        """The value where the mask is 1, else 0."""

    @abstractmethod
    def joined(self, parts: Sequence[Any]) -> Any:
        """Features one after the other."""

    @abstractmethod
    def one(self, like: Any) -> Any:
        """A feature that is 1 everywhere."""

    @abstractmethod
    def total(self, value: Any) -> Any:
        """Sum over the vertices, whose axis stays."""

    @abstractmethod
    def largest(self, value: Any) -> Any:
        """Largest over the vertices, whose axis stays."""

    def lacks(self, operation: str) -> NoReturn:
        """Refuses an operation that an algebra asks for and this reading does not have.

        Raises:
            UnsupportedLayerError: always.
        """
        raise UnsupportedLayerError(
            f"a graph layer asks for '{operation}', which {type(self).__name__} does not have. Remedy: set "
            "synth.route: none where RTL was asked for, or write the algebra with other operations"
        )

    def averaged(self, total: Any) -> Any:
        """A sum over the vertices divided by V."""
        return total / self.vertices

    @abstractmethod
    def weighted_sum(self, w: Any, p: Any) -> Any:
        """sum_v w[v,s] p[v,f], of edge weights and features of every vertex."""

    @abstractmethod
    def weighted_max(self, w: Any, p: Any) -> Any:
        """max_v w[v,s] p[v,f]."""

    @abstractmethod
    def spread(self, w: Any, g: Any) -> Any:
        """sum_s w[v,s] g[s,o]."""

    def nearest(self, s: Any, mask: Any, neighbours: int, loops: bool) -> tuple[Any, Any]:
        """The nearest vertices of each, the nearest first and of equally near ones the one with the lower index.

        Args:
            s: coordinates.
            mask: 1 where there is a vertex.
            neighbours: k, how many.
            loops: whether a vertex can be its own neighbour.

        Returns:
            Their indices (..., V, k), and 1 where there are both a vertex and its neighbour (..., V, k).
        """
        self.lacks("nearest")

    def of_neighbours(self, value: Any, at: Any) -> Any:
        """Features of neighbours (..., V, k, n) from those of vertices (..., V, n) and indices (..., V, k)."""
        self.lacks("of_neighbours")

    def square_distances(self, s: Any, at: Any) -> Any:
        """Squared distances of vertices to their neighbours (..., V, k)."""
        self.lacks("square_distances")

    def over_neighbours(self, w: Any, p: Any) -> tuple[Any, Any]:
        """Sum and maximum over the neighbours of w[v,k] p[v,k,f] (..., V, f)."""
        self.lacks("over_neighbours")


@dataclass(frozen=True)
class Role:
    """What stands at a place inside a layer where a value is brought into a type.

    Attributes:
        bits: width, unless the design says otherwise.
        kind: ``signed`` or ``unsigned`` with a fitted binary point, or ``weight``: unsigned without integer bits.
    """

    bits: int
    kind: Literal["signed", "unsigned", "weight"] = "signed"


@dataclass(frozen=True)
class GraphLayer(ABC):
    """One kind of graph layer; fields of a subclass are options that all layers of a stack share.

    Whole numbers and truth values among them are constants of the same name in C++.

    Attributes:
        title: name of the kind; that of the Keras classes is ``<title>Stack`` and ``Q<title>Stack``, that of the C++
            namespace and header ``title`` in lower case.
        sizes: names of its sizes that a design chooses, the last of which is the features that come out.
        weights: each weight's axes by name, in the order of the Keras layer's weights; those of biases end in ``bias``.
            ``in`` is the features that come in; C++ has the size of an axis as ``n_<axis>``.
        roles: what is brought into a type inside, in addition to the outputs.
        shown: name of the weight whose type stands for all in tables.
        variants: which of the weights there are; the first is the default.
        chunk: events at a time, so that what is computed inside fits into memory.
    """

    title: ClassVar[str]
    sizes: ClassVar[tuple[str, ...]]
    weights: ClassVar[Mapping[str, tuple[str, ...]]]
    roles: ClassVar[Mapping[str, Role]]
    shown: ClassVar[str]
    variants: ClassVar[tuple[str, ...]] = ("plain",)
    chunk: ClassVar[int] = 2048

    @classmethod
    def name(cls) -> str:
        """Name of the C++ namespace and header."""
        return cls.title.lower()

    @classmethod
    def header(cls) -> Path:
        """The C++ header with the layer's kernel; a package of its own says where it lies."""
        return firmware_folder() / "hls" / f"{cls.name()}.h"

    @classmethod
    def shapes(cls, sizes: Mapping[str, int], variant: str) -> dict[str, tuple[int, ...]]:
        """Shapes of the weights.

        Args:
            sizes: by name, and ``in``.
            variant: one of ``variants``.
        """
        return {name: tuple(sizes[axis] for axis in axes) for name, axes in cls.weights.items()}

    def problem(self, vertices: int) -> str:
        """What of the options does not fit the number of vertices; empty where all does."""
        return ""

    def limit(self, role: str) -> float | None:
        """A magnitude beyond which values of a role may saturate when its binary point is fitted; None for all."""
        return None

    def linear_end(self, collapse: str | None) -> bool:
        """Whether the last layer's outputs have no activation."""
        return False

    @abstractmethod
    def outputs(self, r: Reading, cell: Cell, x: Any, mask: Any) -> Any:
        """Y of every vertex, not yet in a type, from its features and its mask."""

    def layer(self, r: Reading, cell: Cell, x: Any, mask: Any) -> Any:
        """X' of every vertex."""
        return r.masked(mask, r.q("output", self.outputs(r, cell, x, mask), mask))

    def end(self, r: Reading, cell: Cell, x: Any, mask: Any, collapse: str) -> Any:
        """What the last layer's outputs are collapsed to, not yet in a type."""
        return collapsed(r, self.layer(r, cell, x, mask), collapse)

    def stack(self, readings: Sequence[Reading], cells: Sequence[Cell], x: Any, mask: Any, collapse: str) -> Any:
        """What a stack of layers gives, not yet in a type; the axis of the vertices has one place.

        Args:
            readings: one for each layer.
            cells: weights of each layer.
            x: features.
            mask: 1 where there is a vertex.
            collapse: over the vertices.
        """
        *inner, last = zip(readings, cells, strict=True)
        for r, cell in inner:
            x = self.layer(r, cell, x, mask)
        return self.end(*last, x, mask, collapse)


class AggregatingLayer(GraphLayer):
    """A graph layer whose vertices speak to each other through S aggregators; such layers have a streaming engine.

        w[v,s], p[v,f]   edge weights and features of a vertex, of x[v,:] alone                         ``encode``
        h[s,f] = Q_aggregated( 1/V sum_v w[v,s] p[v,f] )
        k[s,f] = Q_aggregated( max_v w[v,s] p[v,f] )                                      where ``maximum`` says so
        g[s,o] = Q_gathered( what the aggregators send back, of h and k )                               ``gather``
        y[v,o]           linear in m[v], x[v,:] and w[v,:]: sum_s w[v,s] g[s,o] + ...                   ``combine``

    Its roles have at least ``edge_weight``, which is the type of w, ``aggregated`` and ``gathered``; the sizes have
    ``aggregators``, and an axis of the weights is ``features``, which counts those of p.

    Being linear, the mean and the sum of y over the vertices need no second pass: but for the roundings they are

        mean        c[o] = Q_collapsed( y of  1/V sum_v m[v], 1/V sum_v m[v] x[v,:], Q_aggregated(1/V sum_v w[v,:]) )
        sum         the same times V, before Q_collapsed
    """

    @abstractmethod
    def encode(self, r: Reading, cell: Cell, x: Any, mask: Any) -> tuple[Any, Any]:
        """w, which is 0 where there is no vertex, and p."""

    @abstractmethod
    def gather(self, r: Reading, cell: Cell, h: Any, k: Any) -> Any:
        """g, not yet in a type; k is None where there are no maxima."""

    @abstractmethod
    def combine(self, r: Reading, cell: Cell, mask: Any, x: Any, w: Any, g: Any) -> Any:
        """y; x is None where ``direct`` says that it is not needed."""

    def maximum(self, cell: Cell) -> bool:
        """Whether there are maxima."""
        return False

    def direct(self, cell: Cell) -> bool:
        """Whether y depends on x otherwise than through w and g."""
        return False

    def linear_end(self, collapse: str | None) -> bool:
        """The last layer's outputs have no activation where they are averaged or added up."""
        return collapse in ("mean", "sum")

    def sent(self, r: Reading, cell: Cell, mean: Any, maximum: Any) -> Any:
        """G of the aggregates before they are rounded."""
        k = None if maximum is None else r.q("aggregated", maximum)
        return r.q("gathered", self.gather(r, cell, r.q("aggregated", mean), k))

    def closed(self, r: Reading, cell: Cell, means: tuple[Any, Any, Any], g: Any, collapse: str) -> Any:
        """Mean or sum of y over the vertices, from the means of m, x and w."""
        mask, x, w = means
        mean = r.exact("collapse_sum", self.combine(r, cell, mask, x, r.q("aggregated", w), g))
        return mean * r.vertices if collapse == "sum" else mean

    def outputs(self, r: Reading, cell: Cell, x: Any, mask: Any) -> Any:
        """Y of every vertex."""
        w, g = self._aggregated(r, cell, x, mask)
        return self.combine(r, cell, mask, x, w, g)

    def end(self, r: Reading, cell: Cell, x: Any, mask: Any, collapse: str) -> Any:
        """What the last layer is collapsed to, by means and sums where that is possible."""
        if collapse == "max":
            return super().end(r, cell, x, mask, collapse)
        w, g = self._aggregated(r, cell, x, mask)
        sums = (r.total(mask), r.exact("input_sum", r.total(r.masked(mask, x))), r.exact("edge_sum", r.total(w)))
        count, x, w = (r.averaged(s) for s in sums)
        return self.closed(r, cell, (count, x, w), g, collapse)

    def _aggregated(self, r: Reading, cell: Cell, x: Any, mask: Any) -> tuple[Any, Any]:
        w, p = self.encode(r, cell, x, mask)
        p = r.exact("feature", p)
        mean = r.averaged(r.exact("aggregated_sum", r.weighted_sum(w, p)))
        return w, self.sent(r, cell, mean, r.weighted_max(w, p) if self.maximum(cell) else None)


def added(products: Sequence[Any], bias: Any = None) -> Any:
    """Sum of the products of an ``affine``, one after the other, with the bias behind the first."""
    first, *others = products
    y = first if bias is None else first + bias
    for other in others:
        y = y + other
    return y


def collapsed(r: Reading, x: Any, collapse: str) -> Any:
    """Mean, sum or maximum of x' over the vertices, whose axis stays."""
    if collapse == "max":
        return r.exact("collapse_sum", r.largest(x))
    total = r.exact("collapse_sum", r.total(x))
    return r.averaged(total) if collapse == "mean" else total
