"""GarNet on calorimeter hits: classifies the particle and regresses its energy (arXiv:1902.07987, arXiv:2008.03601)."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator

from l1trigger import keras as door
from l1trigger.compress import quantize
from l1trigger.compress.quantize import DenseLayer
from l1trigger.data.events import DataSet, Events
from l1trigger.data.scaling import FeatureScaling, InputScaling
from l1trigger.design import ModelSection, QuantizationSection, Section, TrainSection
from l1trigger.errors import DesignError, nearest
from l1trigger.garnet import fit as garnet_fit
from l1trigger.garnet import layers as garnet_layers
from l1trigger.garnet import quantized as garnet_quantized
from l1trigger.models import dense, supervised
from l1trigger.train.result import Training

FEATURES = ("x", "y", "layer", "energy")
MASK_FEATURE = FEATURES.index("energy")
INTERNAL_BITS: Mapping[str, int] = {
    "distance": 7, "edge_weight": 6, "propagated": 8, "aggregated": 12, "gathered": 9, "collapsed": 12,
}
"""Widths inside a GarNet stack that ``compress.internal`` can change; see ``garnet.function``."""
_SAMPLE = 2000


class HitInputs(Section):
    """Scaling of a hit's four features.

    The defaults are for cells of 2 cm, 50 layers and 20 MeV: they bring each feature to order one.
    """

    x: FeatureScaling = FeatureScaling(shift=3, bits=6)
    y: FeatureScaling = FeatureScaling(shift=3, bits=6)
    layer: FeatureScaling = FeatureScaling(shift=4, bits=6)
    energy: FeatureScaling = FeatureScaling(shift=6, bits=10)

    def scaling(self, hits: int) -> InputScaling:
        """The scaling of all inputs in the order of an event (hits, 4); x and y carry a sign."""
        each = [getattr(self, f) for f in FEATURES]
        signed = [f in ("x", "y") for f in FEATURES]
        return InputScaling(
            tuple(f.offset for f in each) * hits, tuple(f.shift for f in each) * hits,
            tuple(f.drop for f in each) * hits,
            tuple(f.bits - s for f, s in zip(each, signed, strict=True)) * hits, tuple(signed) * hits,
        )


class GarNetOptions(ModelSection):
    """Options of the architecture ``garnet``.

    Attributes:
        hits: vertices per event, V; a power of two, so that the mean over them is a shift.
        aggregators, propagate, filters: S, F and O of each GarNet layer; the defaults are the published sizes.
        variant: ``simplified`` or ``full``; see ``garnet.function``.
        activation: of the outputs of all GarNet layers but a collapsed last one.
        collapse: of the vertices after the last layer.
        head: sizes of the dense layers that follow.
        fold: whether firmware lets the output weights absorb the propagation, where that is possible.
        energy_unit_gev: the network's second output is the energy in this unit [GeV].
        class_loss_weight: beta in beta * cross entropy + (1 - beta) * squared relative error of the energy.
        symmetric_copies: how many randomly mirrored and transposed copies of each shower are trained on.
        inputs: scaling of the hits.
    """

    architecture: str = "garnet"
    hits: int = Field(128, ge=2, le=1024)
    aggregators: tuple[int, ...] = (4, 4, 8)
    propagate: tuple[int, ...] = (8, 8, 16)
    filters: tuple[int, ...] = (8, 8, 16)
    variant: Literal["simplified", "full"] = "simplified"
    activation: Literal["linear", "relu", "tanh"] = "linear"
    collapse: Literal["mean", "sum", "max"] = "mean"
    head: tuple[int, ...] = (16,)
    fold: bool = True
    energy_unit_gev: float = Field(16.0, gt=0)
    class_loss_weight: float = Field(0.01, gt=0, lt=1)
    symmetric_copies: int = Field(4, ge=1, le=64)
    inputs: HitInputs = HitInputs()

    @model_validator(mode="after")
    def _sizes(self) -> GarNetOptions:
        if self.hits & (self.hits - 1):
            raise ValueError(f"hits: {self.hits} is not a power of two, by which the mean could be a shift")
        if not len(self.aggregators) == len(self.propagate) == len(self.filters) or not self.filters:
            raise ValueError("aggregators, propagate and filters need one size per layer each")
        if min(*self.aggregators, *self.propagate, *self.filters, *self.head, 1) < 1:
            raise ValueError("all sizes must be at least 1")
        energy = self.inputs.energy
        if energy.offset:
            raise ValueError("inputs.energy.offset must be 0: a hit of energy 0 is a hit that is not there")
        return self


class GarNet(supervised.Supervised):
    """GarNet layers, collapse, dense head; outputs are the logit of e/gamma against pion, and the energy."""

    Options = GarNetOptions
    internal_bits: ClassVar[Mapping[str, int]] = INTERNAL_BITS

    @staticmethod
    def scaling(options: GarNetOptions) -> InputScaling:
        """Scaling of the network's inputs."""
        return options.inputs.scaling(options.hits)

    @staticmethod
    def build(options: GarNetOptions) -> Any:
        """The Keras model: inputs (hits * 4,) in network units, outputs (logit, energy in units)."""
        k = door.keras()
        inputs = k.Input((options.hits * len(FEATURES),), name="x")
        hits = k.layers.Reshape((options.hits, len(FEATURES)), name="hits")(inputs)
        h = garnet_layers.classes().GarNetStack(
            options.aggregators, options.propagate, options.filters, options.variant, options.activation,
            options.collapse, MASK_FEATURE, name="garnet",
        )(hits)
        h = dense.hidden_layers(h, options.head, "head", batch_norm=False)
        return k.Model(inputs, k.layers.Dense(2, name="output")(h))

    @classmethod
    def fit(
        cls, options: GarNetOptions, section: TrainSection, data: DataSet, seed: int, work: Path,
        progress: dense.Progress,
    ) -> Training:
        """Trains on labels and energies."""
        door.seed_everything(seed)
        scaling = cls.scaling(options)
        inputs, targets = cls.examples(options, data.train, seed)
        validation = cls.targets(options, data.validation)
        model = cls.build(options)
        model.compile(dense.cosine(section, len(inputs)), loss=cls.loss(options))
        history = dense.fit(
            model, (scaling.real(inputs).astype(np.float32), targets),
            (scaling.real(data.validation.inputs).astype(np.float32), validation), section, work, progress,
        )
        return Training(seed, dense.weights_by_name(model), history, min(history["val_loss"]))

    @classmethod
    def examples(
        cls, options: GarNetOptions, events: Events, seed: int
    ) -> tuple[NDArray[np.int16], NDArray[np.float32]]:
        """Hardware integers and targets to train on: every shower in several random orientations.

        The cells form a square grid around the cluster, so that mirroring x or y and exchanging them changes nothing.
        """
        rng = np.random.default_rng(seed)
        copies = [symmetric_copy(events.inputs, rng) for _ in range(options.symmetric_copies - 1)]
        targets = cls.targets(options, events)
        return np.concatenate([events.inputs, *copies]), np.tile(targets, (options.symmetric_copies, 1))

    @classmethod
    def quantized_model(
        cls, options: GarNetOptions, weights: Mapping[str, NDArray[np.float32]], section: QuantizationSection,
        internal: Mapping[str, int], x: NDArray[np.float64],
    ) -> Any:
        """The QKeras model with the float weights in it.

        Args:
            options: of the architecture.
            weights: of the float model.
            section: widths of weights, biases and activations, and of single layers (``garnet0`` ..., ``head0`` ...).
            internal: widths inside the GarNet layers; see ``INTERNAL_BITS``.
            x: firmware inputs on which ranges are seen (events, hits * 4).
        """
        model = cls.build(options)
        dense.set_weights(model, weights)
        cells = [{n: w.numpy() for n, w in cell.items()} for cell in model.get_layer("garnet").cells]
        head = dense.folded_dense(model, linear=("output",))
        few = x[:_SAMPLE].reshape(-1, options.hits, len(FEATURES))
        fitted = garnet_fit.fit(
            cells, _bits(section, internal, len(cells), head), few, activation=options.activation,
            collapse=options.collapse, collapsed_bits=internal["collapsed"], mask_feature=MASK_FEATURE,
            folded=options.fold,
        )
        own = {n: b for n, b in section.layers.items() if not n.startswith("garnet")}
        types = quantize.fit_types(head, section.model_copy(update={"layers": own}), fitted.outputs)
        return _quantized(options, fitted, head, types, cls.scaling(options))


def symmetric_copy(inputs: NDArray[np.int16], rng: np.random.Generator) -> NDArray[np.int16]:
    """Each shower mirrored in x or y and transposed, at random; shape (events, hits, 4)."""
    n = len(inputs)
    signs = rng.choice(np.array([-1, 1], np.int16), (n, 1, 2))
    xy = inputs[..., :2] * signs
    swap = rng.random(n) < 0.5
    xy[swap] = xy[swap, :, ::-1]
    return np.concatenate([xy, inputs[..., 2:]], -1)


def _bits(
    section: QuantizationSection, internal: Mapping[str, int], layers: int, head: list[DenseLayer]
) -> list[garnet_fit.Bits]:
    """Widths of each GarNet layer."""
    names = [f"garnet{i}" for i in range(layers)]
    for name in section.layers:
        if name not in [*names, *(h.name for h in head)]:
            key = f"compress.quantization.layers.{name}"
            known = [*names, *(h.name for h in head)]
            raise DesignError(None, key, "there is no such layer", nearest(name, known))
    inside = {k: v for k, v in internal.items() if k != "collapsed"}
    out = []
    for name in names:
        own = section.layers.get(name)
        widths = [getattr(own, k, None) or getattr(section, k) for k in ("weights", "biases", "activations")]
        out.append(garnet_fit.Bits(weights=widths[0], biases=widths[1], output=widths[2], **inside))
    return out


def _quantized(
    options: GarNetOptions, fitted: garnet_fit.Fitted, head: list[DenseLayer], types: tuple[quantize.LayerTypes, ...],
    scaling: InputScaling,
) -> Any:
    k, q = door.keras(), door.qkeras()
    inputs = k.Input((len(scaling),), name="x")
    h = q.QActivation(garnet_quantized.qkeras_quantizer(scaling.network_type), name="input_type")(inputs)
    h = k.layers.Reshape((options.hits, len(FEATURES)), name="hits")(h)
    h = garnet_quantized.stack_class()(**fitted.arguments, name="garnet")(h)
    model = k.Model(inputs, quantize.dense_layers(h, head, types))
    for layer, weights in zip(model.get_layer("garnet").cells, fitted.weights, strict=True):
        for name, variable in layer.items():
            variable.assign(weights[name])
    quantize.set_dense_weights(model, head)
    return model
