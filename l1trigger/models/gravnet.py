"""GravNet, the graph network of nearest neighbours in a learned space (arXiv:1902.07987), on calorimeter hits.

Classifies the particle and regresses its energy. There is no streaming engine for it: the distances of all pairs of
vertices need the whole event.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

from pydantic import Field, model_validator

from l1trigger.graph.algebra import Cell, GraphLayer, Reading, Role
from l1trigger.models import hits
from l1trigger.models.hits import GraphOptions

FALLOFF = 10.0
"""a of arXiv:1902.07987."""
_NEGLIGIBLE = 7.0
"""Exponents above it give a weight below 10^-3: such squared distances may saturate."""


@dataclass(frozen=True)
class GravNetLayer(GraphLayer):
    """A GravNet layer; vertices v and u, coordinates c, propagated features f, filters o.

        s[v,c] = Q_coordinate( sum_i x[v,i] S[i,c] + s0[c] )
        p[v,f] = Q_propagated( sum_i x[v,i] P[i,f] + p0[f] )
        d2[v,u] = sum_c (s[v,c] - s[u,c])^2
        N[v] = the k vertices u with m[u] = 1 and the smallest (d2[v,u], u); without v itself unless ``loops``
        w[v,u] = T[ Q_square( d2[v,u] ) ]               T[z] = Q_edge_weight( exp(-a z) ), a table
        h[v,f] = Q_aggregated( 1/k sum_{u in N[v]} w[v,u] p[u,f] )
        g[v,f] = Q_aggregated( max_{u in N[v]} w[v,u] p[u,f] )
        y[v,o] = b[o] + sum_i x[v,i] X[i,o] + sum_f h[v,f] A[f,o] + sum_f g[v,f] B[f,o]

    Of two vertices at the same distance the one with the lower index is nearer. Where fewer than k vertices can be
    neighbours, each that is lacking counts as one with w = 0, in the mean and in the maximum. k is a power of two, so
    that 1/k is a shift.

    Attributes:
        neighbours: k.
        loops: whether a vertex can be its own neighbour.
        falloff: a.
    """

    neighbours: int = 4
    loops: bool = False
    falloff: float = FALLOFF

    title: ClassVar[str] = "GravNet"
    sizes: ClassVar[tuple[str, ...]] = ("coordinates", "propagate", "filters")
    weights: ClassVar[Mapping[str, tuple[str, ...]]] = {
        "coordinate": ("in", "coordinates"), "coordinate_bias": ("coordinates",),
        "propagate": ("in", "propagate"), "propagate_bias": ("propagate",), "direct": ("in", "filters"),
        "mean": ("propagate", "filters"), "maximum": ("propagate", "filters"), "bias": ("filters",),
    }
    roles: ClassVar[Mapping[str, Role]] = {
        "coordinate": Role(8), "square": Role(7, "unsigned"), "edge_weight": Role(6, "weight"), "propagated": Role(8),
        "aggregated": Role(9),
    }
    shown: ClassVar[str] = "mean"
    chunk: ClassVar[int] = 256

    def problem(self, vertices: int) -> str:
        """There have to be enough neighbours."""
        enough = 1 <= self.neighbours <= vertices - (not self.loops)
        return "" if enough else f"neighbours is {self.neighbours}, but there are {vertices} vertices"

    def limit(self, role: str) -> float | None:
        """Squared distances beyond which neighbours hardly count."""
        return _NEGLIGIBLE / self.falloff if role == "square" else None

    def outputs(self, r: Reading, cell: Cell, x: Any, mask: Any) -> Any:
        """Y of every vertex."""
        s = r.q("coordinate", r.affine([(x, cell["coordinate"])], cell["coordinate_bias"]), mask)
        p = r.q("propagated", r.affine([(x, cell["propagate"])], cell["propagate_bias"]), mask)
        at, there = r.nearest(s, mask, self.neighbours, self.loops)
        square = r.q("square", r.square_distances(s, at), there)
        w = r.masked(there, r.table("edge_weight", self.edge_weight, square))
        total, largest = r.over_neighbours(w, r.of_neighbours(p, at))
        h = r.q("aggregated", r.exact("aggregated_sum", total) / self.neighbours, mask)
        g = r.q("aggregated", largest, mask)
        return r.affine([(x, cell["direct"]), (h, cell["mean"]), (g, cell["maximum"])], cell["bias"])

    def edge_weight(self, xp: Any, square: Any) -> Any:
        """exp(-a d^2), the weight of a neighbour at distance d (arXiv:1902.07987)."""
        return xp.exp(-self.falloff * square)


class GravNetOptions(GraphOptions):
    """Options of the architecture ``gravnet``; the others are those of all architectures on hits.

    Attributes:
        coordinates, propagate, filters: of each GravNet layer: dimensions of the learned space, F_LR and F_OUT of
            arXiv:1902.07987.
        neighbours: how many of the nearest vertices speak to each; a power of two, so that the mean is a shift.
        loops: whether a vertex can be its own neighbour.
        falloff: a in a neighbour's weight exp(-a d^2).
    """

    layer: ClassVar[type[GraphLayer]] = GravNetLayer
    architecture: str = "gravnet"
    hits: int = Field(64, ge=2, le=1024)
    coordinates: tuple[int, ...] = (4, 4)
    propagate: tuple[int, ...] = (8, 8)
    filters: tuple[int, ...] = (8, 16)
    neighbours: int = Field(4, ge=1, le=64)
    loops: bool = False
    falloff: float = Field(FALLOFF, gt=0, le=1000)
    activation: Literal["linear", "relu", "tanh"] = "relu"

    @model_validator(mode="after")
    def _neighbours(self) -> GravNetOptions:
        if self.neighbours & (self.neighbours - 1):
            raise ValueError(f"neighbours: {self.neighbours} is not a power of two, by which the mean could be a shift")
        if self.neighbours > self.hits - (not self.loops):
            raise ValueError(f"neighbours: {self.neighbours} is more than {self.hits} hits can have; take fewer")
        return self


class GravNet(hits.HitNetwork[GravNetOptions]):
    """GravNet layers, collapse, dense head; outputs are the logit of e/gamma against pion, and the energy."""

    Options = GravNetOptions
