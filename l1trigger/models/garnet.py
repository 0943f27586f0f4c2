"""GarNet on calorimeter hits: classifies the particle and regresses its energy (arXiv:1902.07987, arXiv:2008.03601)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import model_validator

from l1trigger.contracts.architecture import Progress, Training
from l1trigger.data.events import DataSet
from l1trigger.design import Design, TrainSection
from l1trigger.errors import DesignError
from l1trigger.garnet import contrib
from l1trigger.garnet import fit as garnet_fit
from l1trigger.garnet import layers as garnet_layers
from l1trigger.garnet import quantized as garnet_quantized
from l1trigger.graph.fit import Fitted, Weights
from l1trigger.models import hits
from l1trigger.models.hits import FEATURES, MASK_FEATURE, HitInputs, HitOptions, symmetric_copy
from l1trigger.quantize import training
from l1trigger.unread import Unread, untrained

__all__ = ["FEATURES", "INTERNAL_BITS", "MASK_FEATURE", "GarNet", "GarNetOptions", "HitInputs", "symmetric_copy"]

INTERNAL_BITS: Mapping[str, int] = {
    "distance": 7, "edge_weight": 6, "propagated": 8, "aggregated": 12, "gathered": 9, "collapsed": 12,
}
"""Widths inside a GarNet stack that ``compress.internal`` can change; see ``garnet.function``."""


class GarNetOptions(HitOptions):
    """Options of the architecture ``garnet``; the others are those of all architectures on hits.

    Attributes:
        aggregators, propagate, filters: S, F and O of each GarNet layer; the defaults are the published sizes.
        variant: ``simplified`` or ``full``; see ``garnet.function``.
        activation: of the outputs of all GarNet layers but a collapsed last one.
        collapse: of the vertices after the last layer.
        fold: whether firmware lets the output weights absorb the propagation, where that is possible.
        contrib_file: a trained model made of hls4ml's own GarNet layers (``.h5``), in place of training; sizes have to
            be its, and ``inputs`` the scaling that it was trained with.
    """

    architecture: str = "garnet"
    aggregators: tuple[int, ...] = (4, 4, 8)
    propagate: tuple[int, ...] = (8, 8, 16)
    filters: tuple[int, ...] = (8, 8, 16)
    variant: Literal["simplified", "full"] = "simplified"
    activation: Literal["linear", "relu", "tanh"] = "linear"
    collapse: Literal["mean", "sum", "max"] = "mean"
    fold: bool = True
    contrib_file: Path | None = None

    def unread(self, design: Design) -> Iterator[Unread]:
        """Settings that mean nothing with these."""
        yield from super().unread(design)
        yield Unread("synth.stages", "where vertices enter one after the other, each block has stages of its own",
                     "set synth.latency_cutoff_ns, the most delay of one stage, or synth.vertices_per_clock")
        if self.fold and self.variant == "simplified":
            yield Unread("compress.internal.propagated", "the output weights absorb the propagation (model.fold)",
                         "leave it out; compress.internal.aggregated is the width behind it")
        if self.contrib_file is not None:
            yield from untrained(self.contrib_file)

    @model_validator(mode="after")
    def _sizes(self) -> GarNetOptions:
        if not len(self.aggregators) == len(self.propagate) == len(self.filters) or not self.filters:
            raise ValueError("aggregators, propagate and filters need one size per layer each")
        if min(*self.aggregators, *self.propagate, *self.filters, 1) < 1:
            raise ValueError("all sizes must be at least 1")
        return self

    def files(self) -> tuple[Path, ...]:
        """The trained model, where there is one."""
        return (*super().files(), *([self.contrib_file] if self.contrib_file else []))


class GarNet(hits.HitNetwork[GarNetOptions]):
    """GarNet layers, collapse, dense head; outputs are the logit of e/gamma against pion, and the energy."""

    Options = GarNetOptions
    graph: ClassVar[str] = "garnet"
    internal_bits: ClassVar[Mapping[str, int]] = INTERNAL_BITS

    def check(self, design: Design) -> None:
        """Whether HLS and RTL can go through the vertices as the design asks.

        Raises:
            DesignError: a number of steps, or of vertices per clock, does not divide the number of vertices.
        """
        steps = {"convert.reuse_factor": design.convert.reuse_factor}
        if design.synth.route in ("rtl", "both"):
            steps["synth.vertices_per_clock"] = design.synth.vertices_per_clock
        for key, value in steps.items():
            if self.options.hits % value:
                raise DesignError(None, key, f"{value} does not divide the {self.options.hits} vertices (model.hits)",
                                  "take a power of two up to the number of vertices")

    def build(self) -> Any:
        """The Keras model: inputs (hits * 4,) in network units, outputs (logit, energy in units)."""
        options = self.options
        return hits.model(options, garnet_layers.classes().GarNetStack(
            options.aggregators, options.propagate, options.filters, options.variant, options.activation,
            options.collapse, MASK_FEATURE, name="garnet",
        ))

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

    def fit_graph(
        self, cells: Sequence[Weights], bits: Sequence[Mapping[str, int]], x: NDArray[np.float64], collapsed_bits: int
    ) -> tuple[Any, Fitted]:
        """The class ``QGarNetStack`` and what it is made from; see ``HitNetwork``."""
        options = self.options
        fitted = garnet_fit.fit(
            cells, [garnet_fit.Bits(**b) for b in bits], x, activation=options.activation, collapse=options.collapse,
            collapsed_bits=collapsed_bits, mask_feature=MASK_FEATURE, folded=options.fold,
        )
        return garnet_quantized.stack_class(), fitted


def _contrib(options: GarNetOptions, file: Path) -> contrib.ContribModel:
    """The model of a file, whose sizes are those of the design.

    Raises:
        DesignError: they are not; says all that fit.
    """
    found = contrib.read(file)
    wrong = [name for name, value in found.options.items() if getattr(options, name) != value]
    if wrong or found.output is None or found.features != len(FEATURES):
        fit = ", ".join(f"{n}: {list(v) if isinstance(v, tuple) else v}" for n, v in found.options.items())
        key = f"model.{wrong[0]}" if wrong else "model.contrib_file"
        raise DesignError(
            None, key, f"{file} is another network: {found.features} features per hit, "
            f"{'no' if found.output is None else 'two'} outputs behind the graph layers, and {fit}",
            "write these sizes into the section model; the network needs 4 features and two outputs",
        )
    return found
