"""A graph network as another package brings it: this file, and the header beside it."""

from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar

from l1trigger.graph.algebra import AggregatingLayer, GraphLayer, Role
from l1trigger.models import hits


class LorentzLayer(AggregatingLayer):
    """Inputs are averaged with weights that fall slowly with a distance; aggregators s, filters o.

        d[v,s] = Q_distance( sum_i x[v,i] D[i,s] + d0[s] )
        w[v,s] = m[v] * T[ d[v,s] ]                     T[d] = Q_edge_weight( 1 / (1 + d^2) )
        p[v,:] = x[v,:]
        g[s,o] = Q_gathered( sum_i h[s,i] A[s,i,o] )
        y[v,o] = m[v] b[o] + sum_s w[v,s] g[s,o] + sum_i x[v,i] X[i,o]
    """

    title: ClassVar = "Lorentz"
    sizes: ClassVar = ("aggregators", "filters")
    weights: ClassVar = {
        "distance": ("in", "aggregators"), "distance_bias": ("aggregators",),
        "average": ("aggregators", "features", "filters"), "direct": ("in", "filters"), "bias": ("filters",),
    }
    roles: ClassVar = {
        "distance": Role(6), "edge_weight": Role(5, "weight"), "aggregated": Role(9), "gathered": Role(7),
    }
    shown: ClassVar = "average"

    @classmethod
    def header(cls):
        return Path(__file__).with_name("lorentz.h")

    @classmethod
    def shapes(cls, sizes: Mapping[str, int], variant: str):
        return super().shapes({**sizes, "features": sizes["in"]}, variant)

    def direct(self, cell):
        return True

    def encode(self, r, cell, x, mask):
        distance = r.q("distance", r.affine([(x, cell["distance"])], cell["distance_bias"]), mask)
        return r.masked(mask, r.table("edge_weight", lorentz, distance)), x

    def gather(self, r, cell, h, k):
        return r.affine([(h, cell["average"])])

    def combine(self, r, cell, mask, x, w, g):
        return r.spread(w, g) + mask * cell["bias"] + r.affine([(x, cell["direct"])])


def lorentz(xp, distance):
    return 1 / (1 + xp.square(distance))


class LorentzOptions(hits.GraphOptions):
    layer: ClassVar[type[GraphLayer]] = LorentzLayer
    architecture: str = "lorentz"
    aggregators: tuple[int, ...] = (2,)
    filters: tuple[int, ...] = (3,)


class Lorentz(hits.HitNetwork[LorentzOptions]):
    Options = LorentzOptions
