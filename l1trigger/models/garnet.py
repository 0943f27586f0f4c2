"""GarNet, the distance-weighted graph network (arXiv:1902.07987, arXiv:2008.03601), on calorimeter hits.

Classifies the particle and regresses its energy.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from l1trigger.contracts.architecture import Progress, Training
from l1trigger.data.events import DataSet
from l1trigger.design import Design, TrainSection
from l1trigger.errors import DesignError
from l1trigger.graph.algebra import AggregatingLayer, Cell, GraphLayer, Reading, Role
from l1trigger.graph.fit import Weights
from l1trigger.models import garnet_contrib as contrib
from l1trigger.models import hits
from l1trigger.models.hits import FEATURES, MASK_FEATURE, GraphOptions, HitInputs, symmetric_copy
from l1trigger.quantize import training
from l1trigger.unread import Unread, untrained

__all__ = ["FEATURES", "MASK_FEATURE", "GarNet", "GarNetLayer", "GarNetOptions", "HitInputs", "symmetric_copy"]


class GarNetLayer(AggregatingLayer):
    """A GarNet layer; aggregators s, propagated features f, filters o.

        d[v,s] = Q_distance( sum_i x[v,i] D[i,s] + d0[s] )
        w[v,s] = m[v] * T[ d[v,s] ]                     T[d] = Q_edge_weight( exp(-d^2) ), a table
        p[v,f] = Q_propagated( sum_i x[v,i] P[i,f] + p0[f] )          with transform
        p[v,:] = (x[v,1], ..., x[v,n], 1)                              folded
        g[s,o] = Q_gathered( sum_f h[s,f] A[s,f,o] + sum_f k[s,f] B[s,f,o] )        h, k as ``AggregatingLayer`` says
        y[v,o] = m[v] b[o] + sum_s w[v,s] g[s,o] + sum_i x[v,i] X[i,o] + sum_s w[v,s] W[s,o]

    In the full variant p carries w as further features, as in the authors' code, k and B are there, and X and W connect
    inputs and edge weights to the output directly; they are absent in the simplified one. ``g`` is computed once per
    event: returning the aggregated features to the vertices then takes S x O products per vertex in place of a matrix
    product with S x F inputs.

    With linear transforms and no maximum, A absorbs the propagation: A[s,i,o] = sum_f P[i,f] A'[s,f,o]. Then p is the
    input itself (``folded``) and the number of propagated features costs nothing.
    """

    title: ClassVar[str] = "GarNet"
    sizes: ClassVar[tuple[str, ...]] = ("aggregators", "propagate", "filters")
    weights: ClassVar[Mapping[str, tuple[str, ...]]] = {
        "distance": ("in", "aggregators"), "distance_bias": ("aggregators",),
        "propagate": ("in", "propagate"), "propagate_bias": ("propagate",),
        "mean": ("aggregators", "features", "filters"), "maximum": ("aggregators", "features", "filters"),
        "direct": ("in", "filters"), "edges": ("aggregators", "filters"), "bias": ("filters",),
    }
    roles: ClassVar[Mapping[str, Role]] = {
        "distance": Role(7), "edge_weight": Role(6, "weight"), "propagated": Role(8), "aggregated": Role(12),
        "gathered": Role(9),
    }
    shown: ClassVar[str] = "mean"
    variants: ClassVar[tuple[str, ...]] = ("simplified", "full")

    @classmethod
    def shapes(cls, sizes: Mapping[str, int], variant: str) -> dict[str, tuple[int, ...]]:
        """Shapes of the weights; the simplified variant lacks some."""
        full = variant == "full"
        features = sizes["propagate"] + (sizes["aggregators"] if full else 0)
        shapes = super().shapes({**sizes, "features": features}, variant)
        return {n: s for n, s in shapes.items() if full or n not in ("maximum", "direct", "edges")}

    def limit(self, role: str) -> float | None:
        """A distance beyond which exp(-d^2) is below 10^-5 and binary points need not care."""
        return 3.5 if role == "distance" else None

    def maximum(self, cell: Cell) -> bool:
        """In the full variant."""
        return "maximum" in cell

    def direct(self, cell: Cell) -> bool:
        """In the full variant."""
        return "direct" in cell

    def encode(self, r: Reading, cell: Cell, x: Any, mask: Any) -> tuple[Any, Any]:
        """W and p."""
        distance = r.q("distance", r.affine([(x, cell["distance"])], cell["distance_bias"]), mask)
        w = r.masked(mask, r.table("edge_weight", edge_weight, distance))
        if "propagate" in cell:
            p = r.q("propagated", r.affine([(x, cell["propagate"])], cell["propagate_bias"]), mask)
        else:
            p = r.joined([x, r.one(x)])
        return w, r.joined([p, w]) if self.maximum(cell) else p

    def gather(self, r: Reading, cell: Cell, h: Any, k: Any) -> Any:
        """g, not yet in a type."""
        return r.affine([(h, cell["mean"]), *([] if k is None else [(k, cell["maximum"])])])

    def combine(self, r: Reading, cell: Cell, mask: Any, x: Any, w: Any, g: Any) -> Any:
        """Y."""
        y = r.spread(w, g) + mask * cell["bias"]
        return y + r.affine([(x, cell["direct"])]) + r.affine([(w, cell["edges"])]) if self.direct(cell) else y


def edge_weight(xp: Any, distance: Any) -> Any:
    """exp(-d^2), the weight with which a vertex at distance d speaks to an aggregator (arXiv:1902.07987)."""
    return xp.exp(-xp.square(distance))


def fold(cell: Weights) -> dict[str, NDArray[Any]]:
    """A layer whose linear transform is absorbed by its output weights; see ``GarNetLayer``.

    The weights for the propagated features of a layer without maxima become weights for its inputs and a constant 1.
    """
    transform = np.concatenate([cell["propagate"], cell["propagate_bias"][None]])
    kept = {n: w for n, w in cell.items() if n not in ("propagate", "propagate_bias", "mean")}
    folded = kept | {"mean": np.einsum("if,sfo->sio", transform, cell["mean"])}
    return {n: folded[n] for n in GarNetLayer.weights if n in folded}


class GarNetOptions(GraphOptions):
    """Options of the architecture ``garnet``; the others are those of all architectures on hits.

    Attributes:
        aggregators, propagate, filters: S, F and O of each GarNet layer; the defaults are the published sizes.
        variant: ``simplified`` or ``full``; see ``GarNetLayer``.
        fold: whether firmware lets the output weights absorb the propagation, where that is possible.
        contrib_file: a trained model made of hls4ml's own GarNet layers (``.h5``), in place of training; sizes have to
            be its, and ``inputs`` the scaling that it was trained with.
    """

    layer: ClassVar[type[GraphLayer]] = GarNetLayer
    architecture: str = "garnet"
    aggregators: tuple[int, ...] = (4, 4, 8)
    propagate: tuple[int, ...] = (8, 8, 16)
    filters: tuple[int, ...] = (8, 8, 16)
    variant: Literal["simplified", "full"] = "simplified"
    fold: bool = True
    contrib_file: Path | None = None

    def unread(self, design: Design) -> Iterator[Unread]:
        """Settings that mean nothing with these."""
        yield from super().unread(design)
        if self.fold and self.variant == "simplified":
            yield Unread("compress.internal.propagated", "the output weights absorb the propagation (model.fold)",
                         "leave it out; compress.internal.aggregated is the width behind it")
        if self.contrib_file is not None:
            yield from untrained(self.contrib_file)

    def files(self) -> tuple[Path, ...]:
        """The trained model, where there is one."""
        return (*super().files(), *([self.contrib_file] if self.contrib_file else []))

    def weights_variant(self) -> str:
        """The variant."""
        return self.variant

    def prepared(self, cell: Weights) -> Weights:
        """Folded, where that is possible and wanted."""
        return fold(cell) if self.fold and "maximum" not in cell else cell


class GarNet(hits.HitNetwork[GarNetOptions]):
    """GarNet layers, collapse, dense head; outputs are the logit of e/gamma against pion and, mostly, the energy."""

    Options = GarNetOptions

    def fit(self, section: TrainSection, data: DataSet, seed: int, work: Path, progress: Progress) -> Training:
        """Trains on labels and energies, or takes the weights of ``contrib_file``.

        Raises:
            DesignError: the design's sizes are not those of the file.
            DataError: the file cannot be read.
            UnsupportedLayerError: it has layers that cannot be brought to firmware.
        """
        file, truth = self.options.contrib_file, self.truth
        if file is None:
            return super().fit(section, data, seed, work, progress)
        model = self.build()
        contrib.assign(_contrib(self.options, file), model)
        model.compile(loss=truth.loss())
        x = self.scaling.real(data.validation.inputs).astype(np.float32)
        loss = float(model.evaluate(x, truth.targets(data.validation), batch_size=section.batch_size, verbose=0))
        progress(f"model of {file}")
        return Training(seed, training.weights_by_name(model), {}, loss)


def _contrib(options: GarNetOptions, file: Path) -> contrib.ContribModel:
    """The model of a file, whose sizes are those of the design.

    Raises:
        DesignError: they are not; says all that fit.
    """
    saved_model = contrib.read(file)
    wrong = [name for name, value in saved_model.options.items() if getattr(options, name) != value]
    if wrong or saved_model.output is None or saved_model.features != len(FEATURES):
        fit = ", ".join(f"{n}: {list(v) if isinstance(v, tuple) else v}" for n, v in saved_model.options.items())
        key = f"model.{wrong[0]}" if wrong else "model.contrib_file"
        raise DesignError(
            None, key, f"{file} is another network: {saved_model.features} features per hit, "
            f"{'no' if saved_model.output is None else 1 + saved_model.energy} outputs behind the graph layers, and "
            f"{fit}", "write these sizes into the section model; the network needs 4 features, and outputs",
        )
    return saved_model
