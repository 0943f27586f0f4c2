"""GravNet on calorimeter hits: classifies the particle and regresses its energy (arXiv:1902.07987)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator

from l1trigger.design import Design
from l1trigger.graph.fit import Fitted, Weights
from l1trigger.gravnet import fit as gravnet_fit
from l1trigger.gravnet import layers as gravnet_layers
from l1trigger.gravnet import quantized as gravnet_quantized
from l1trigger.gravnet.function import FALLOFF
from l1trigger.models import hits
from l1trigger.models.hits import MASK_FEATURE, HitOptions
from l1trigger.unread import Unread

INTERNAL_BITS: Mapping[str, int] = {
    "coordinate": 8, "square": 7, "edge_weight": 6, "propagated": 8, "aggregated": 9, "collapsed": 12,
}
"""Widths inside a GravNet stack that ``compress.internal`` can change; see ``gravnet.function``."""


class GravNetOptions(HitOptions):
    """Options of the architecture ``gravnet``; the others are those of all architectures on hits.

    Attributes:
        coordinates, propagate, filters: of each GravNet layer: dimensions of the learned space, F_LR and F_OUT of
            arXiv:1902.07987.
        neighbours: how many of the nearest vertices speak to each; a power of two, so that the mean is a shift.
        loops: whether a vertex can be its own neighbour.
        falloff: a in a neighbour's weight exp(-a d^2).
        activation: of the outputs of all GravNet layers.
        collapse: of the vertices after the last layer.
    """

    architecture: str = "gravnet"
    hits: int = Field(64, ge=2, le=1024)
    coordinates: tuple[int, ...] = (4, 4)
    propagate: tuple[int, ...] = (8, 8)
    filters: tuple[int, ...] = (8, 16)
    neighbours: int = Field(4, ge=1, le=64)
    loops: bool = False
    falloff: float = Field(FALLOFF, gt=0, le=1000)
    activation: Literal["linear", "relu", "tanh"] = "relu"
    collapse: Literal["mean", "sum", "max"] = "mean"

    def unread(self, design: Design) -> Iterator[Unread]:
        """Settings that mean nothing with these."""
        yield from super().unread(design)
        yield Unread("synth.vertices_per_clock", "there is no RTL of gravnet",
                     "set synth.route to none; convert.reuse_factor shares the HLS project's multipliers")

    @model_validator(mode="after")
    def _sizes(self) -> GravNetOptions:
        if not len(self.coordinates) == len(self.propagate) == len(self.filters) or not self.filters:
            raise ValueError("coordinates, propagate and filters need one size per layer each")
        if min(*self.coordinates, *self.propagate, *self.filters, 1) < 1:
            raise ValueError("all sizes must be at least 1")
        if self.neighbours & (self.neighbours - 1):
            raise ValueError(f"neighbours: {self.neighbours} is not a power of two, by which the mean could be a shift")
        if self.neighbours > self.hits - (not self.loops):
            raise ValueError(f"neighbours: {self.neighbours} is more than {self.hits} hits can have; take fewer")
        return self


class GravNet(hits.HitNetwork[GravNetOptions]):
    """GravNet layers, collapse, dense head; outputs are the logit of e/gamma against pion, and the energy."""

    Options = GravNetOptions
    graph: ClassVar[str] = "gravnet"
    internal_bits: ClassVar[Mapping[str, int]] = INTERNAL_BITS

    def build(self) -> Any:
        """The Keras model: inputs (hits * 4,) in network units, outputs (logit, energy in units)."""
        options = self.options
        return hits.model(options, gravnet_layers.classes().GravNetStack(
            options.coordinates, options.propagate, options.filters, options.neighbours, options.loops,
            options.falloff, options.activation, options.collapse, MASK_FEATURE, name="gravnet",
        ))

    def fit_graph(
        self, cells: Sequence[Weights], bits: Sequence[Mapping[str, int]], x: NDArray[np.float64], collapsed_bits: int
    ) -> tuple[Any, Fitted]:
        """The class ``QGravNetStack`` and what it is made from; see ``HitNetwork``."""
        options = self.options
        fitted = gravnet_fit.fit(
            cells, [gravnet_fit.Bits(**b) for b in bits], x,
            graph=gravnet_fit.Graph(options.neighbours, options.loops, options.falloff),
            activation=options.activation, collapse=options.collapse, collapsed_bits=collapsed_bits,
            mask_feature=MASK_FEATURE,
        )
        return gravnet_quantized.stack_class(), fitted
