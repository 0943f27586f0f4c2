"""Networks of graph layers on calorimeter hits: inputs, options, symmetric copies, training, and the dense head.

A new one is a kind of graph layer (``graph.algebra``), options with its sizes, and a class of two lines.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any, ClassVar, Literal, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator

from l1trigger import frameworks
from l1trigger.data.events import DataSet, Events
from l1trigger.data.scaling import FeatureScaling, InputScaling
from l1trigger.design import Design, ModelSection, QuantizationSection, Section, TrainSection
from l1trigger.errors import DesignError, nearest
from l1trigger.graph import keras_layers
from l1trigger.graph.algebra import AggregatingLayer, GraphLayer
from l1trigger.graph.fit import Fitted, Weights, fit
from l1trigger.graph.keras_layers import listed, qkeras_quantizer
from l1trigger.models import dense, supervised
from l1trigger.models.architecture import Training
from l1trigger.own_layers import WithOwnLayers
from l1trigger.package_files import firmware_folder
from l1trigger.quantize import dense_layers, training
from l1trigger.quantize.dense_layers import DenseLayer

FEATURES = ("x", "y", "layer", "energy")
MASK_FEATURE = FEATURES.index("energy")
SAMPLE = 2000
"""Events on which the ranges inside graph layers are seen."""


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


class HitOptions(ModelSection):
    """Options of all architectures on hits.

    Attributes:
        hits: vertices per event, V; a power of two, so that the mean over them is a shift.
        head: sizes of the dense layers behind the graph layers.
        energy_unit_gev: the network's second output is the energy in this unit [GeV].
        class_loss_weight: beta in beta * cross entropy + (1 - beta) * squared relative error of the energy. The default
            is what arXiv:2008.03601 is remembered to take; the paper was not read for it.
        symmetric_copies: how many randomly mirrored and transposed copies of each shower are trained on.
        inputs: scaling of the hits.
    """

    hits: int = Field(128, ge=2, le=1024)
    head: tuple[int, ...] = (16,)
    energy_unit_gev: float = Field(16.0, gt=0)
    class_loss_weight: float = Field(0.01, gt=0, lt=1)
    symmetric_copies: int = Field(4, ge=1, le=64)
    inputs: HitInputs = HitInputs()

    @model_validator(mode="after")
    def _hits(self) -> Self:
        if self.hits & (self.hits - 1):
            raise ValueError(f"hits: {self.hits} is not a power of two, by which the mean could be a shift")
        if min((*self.head, 1)) < 1:
            raise ValueError("all sizes must be at least 1")
        if self.inputs.energy.offset:
            raise ValueError("inputs.energy.offset must be 0: a hit of energy 0 is a hit that is not there")
        return self


class GraphOptions(HitOptions):
    """Options of networks of graph layers; a subclass has a field for each size and option of its layer.

    Attributes:
        layer: the kind of graph layer.
        activation: of the outputs of all layers, but of the last where the algebra says that it is linear.
        collapse: of the vertices after the last layer.
    """

    layer: ClassVar[type[GraphLayer]]
    activation: Literal["linear", "relu", "tanh"] = "linear"
    collapse: Literal["mean", "sum", "max"] = "mean"

    @model_validator(mode="after")
    def _layers(self) -> Self:
        sizes = list(self.sizes().values())
        if len({len(s) for s in sizes}) != 1 or not sizes[0]:
            raise ValueError(f"{listed(self.layer.sizes)} need one size per layer each")
        if min(min(s) for s in sizes) < 1:
            raise ValueError("all sizes must be at least 1")
        return self

    def sizes(self) -> dict[str, tuple[int, ...]]:
        """Sizes of the graph layers, by name."""
        return {n: getattr(self, n) for n in self.layer.sizes}

    def algebra(self) -> GraphLayer:
        """The kind of graph layer with its options."""
        return self.layer(**{f.name: getattr(self, f.name) for f in fields(self.layer)})

    def weights_variant(self) -> str:
        """Which weights the layers have."""
        return self.layer.variants[0]

    def prepared(self, cell: Weights) -> Weights:
        """Weights of a layer as they are quantized."""
        return cell


class HitNetwork(supervised.Supervised, WithOwnLayers):
    """Graph layers, collapse, dense head; outputs are the logit of e/gamma against pion, and the energy.

    A subclass says what its ``Options`` are, the rest follows from their ``layer``.

    Attributes:
        layer: the kind of graph layer; its name is that of the layers in the Keras model and, with a number each, in
            the design.
        internal_bits: widths inside the layers that ``compress.internal`` can change.
    """

    Options: type[GraphOptions]
    layer: ClassVar[type[GraphLayer]]
    internal_bits: ClassVar[Mapping[str, int]]

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        cls.layer = cls.Options.layer
        cls.internal_bits = {**{name: role.bits for name, role in cls.layer.roles.items()}, "collapsed": 12}

    @classmethod
    def own_layers(cls) -> Mapping[str, Any]:
        """The class of the quantized graph layers."""
        return {keras_layers.keras_name(cls.layer): keras_layers.quantized_stack(cls.layer)}

    @classmethod
    def sources(cls) -> tuple[Path, ...]:
        """The C++ header, where it is not this package's."""
        header = cls.layer.header()
        return () if header.is_relative_to(firmware_folder()) else (header,)

    @classmethod
    def check(cls, design: Design) -> None:
        """Whether HLS and RTL can go through the vertices as the design asks.

        Raises:
            DesignError: a number of steps, or of vertices per clock, does not divide the number of vertices.
        """
        assert isinstance(design.model, GraphOptions)
        steps = {"convert.reuse_factor": design.convert.reuse_factor}
        if issubclass(cls.layer, AggregatingLayer) and design.synth.route in ("rtl", "both"):
            steps["synth.vertices_per_clock"] = design.synth.vertices_per_clock
        for key, value in steps.items():
            if design.model.hits % value:
                raise DesignError(None, key, f"{value} does not divide the {design.model.hits} vertices (model.hits)",
                                  "take a power of two up to the number of vertices")

    @classmethod
    def build(cls, options: Any) -> Any:
        """The Keras model: inputs (hits * 4,) in network units, outputs (logit, energy in units)."""
        own = {f.name: getattr(options, f.name) for f in fields(cls.layer)}
        return model(options, keras_layers.float_stack(cls.layer)(
            **options.sizes(), **own, variant=options.weights_variant(), activation=options.activation,
            collapse=options.collapse, mask_feature=MASK_FEATURE, name=cls.layer.name(),
        ))

    @staticmethod
    def scaling(options: Any) -> InputScaling:
        """Scaling of the network's inputs."""
        scaling: InputScaling = options.inputs.scaling(options.hits)
        return scaling

    @classmethod
    def fit(
        cls, options: Any, section: TrainSection, data: DataSet, seed: int, work: Path,
        progress: training.Progress,
    ) -> Training:
        """Trains on labels and energies."""
        frameworks.seed_everything(seed)
        scaling = cls.scaling(options)
        inputs, targets = cls.examples(options, data.train, seed)
        validation = cls.targets(options, data.validation)
        model = cls.build(options)
        model.compile(training.cosine(section, len(inputs)), loss=cls.loss(options))
        history = training.fit(
            model, (scaling.real(inputs).astype(np.float32), targets),
            (scaling.real(data.validation.inputs).astype(np.float32), validation), section, work, progress,
        )
        return Training(seed, training.weights_by_name(model), history, min(history["val_loss"]))

    @classmethod
    def examples(
        cls, options: Any, events: Events, seed: int
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
        cls, options: Any, weights: Mapping[str, NDArray[np.float32]], section: QuantizationSection,
        internal: Mapping[str, int], x: NDArray[np.float64],
    ) -> Any:
        """The QKeras model with the float weights in it.

        Args:
            options: of the architecture.
            weights: of the float model.
            section: widths of weights, biases and activations, and of single layers (``garnet0`` ..., ``head0`` ...).
            internal: widths inside the graph layers; see ``internal_bits``.
            x: firmware inputs on which ranges are seen (events, hits * 4).
        """
        model = cls.build(options)
        training.set_weights(model, weights)
        name = cls.layer.name()
        cells = [options.prepared({n: w.numpy() for n, w in cell.items()}) for cell in model.get_layer(name).cells]
        head = dense.folded_dense(model, linear=("output",))
        few = x[:SAMPLE].reshape(-1, options.hits, len(FEATURES))
        inside = {k: v for k, v in internal.items() if k != "collapsed"}
        bits = [{**w, **inside} for w in _widths(section, name, len(cells), head)]
        fitted = fit(
            options.algebra(), cells, bits, few, activation=options.activation, collapse=options.collapse,
            collapsed_bits=internal["collapsed"], mask_feature=MASK_FEATURE,
        )
        layer = keras_layers.quantized_stack(cls.layer)(**fitted.arguments, name=name)
        return _quantized(options, layer, fitted, head, section, cls.scaling(options))


def symmetric_copy(inputs: NDArray[np.int16], rng: np.random.Generator) -> NDArray[np.int16]:
    """Each shower mirrored in x or y and transposed, at random; shape (events, hits, 4)."""
    n = len(inputs)
    signs = rng.choice(np.array([-1, 1], np.int16), (n, 1, 2))
    xy = inputs[..., :2] * signs
    swap = rng.random(n) < 0.5
    xy[swap] = xy[swap, :, ::-1]
    return np.concatenate([xy, inputs[..., 2:]], -1)


def model(options: Any, graph: Any) -> Any:
    """The Keras model: inputs (hits * 4,) in network units, outputs (logit, energy in units).

    Args:
        options: see ``HitOptions``.
        graph: the Keras layer from hits (events, V, 4) to (events, filters).
    """
    k = frameworks.keras()
    inputs = k.Input((options.hits * len(FEATURES),), name="x")
    hits = k.layers.Reshape((options.hits, len(FEATURES)), name="hits")(inputs)
    h = dense.hidden_layers(graph(hits), options.head, "head", batch_norm=False)
    return k.Model(inputs, k.layers.Dense(2, name="output")(h))


def _widths(
    section: QuantizationSection, graph: str, layers: int, head: Sequence[DenseLayer]
) -> list[dict[str, int]]:
    """Bits of ``weights``, ``biases`` and ``output`` of each graph layer.

    Args:
        section: bit widths, of all layers and of single ones (``garnet0`` ..., ``head0`` ...).
        graph: name of the graph layers without their number.
        layers: number of them.
        head: the dense layers that follow.

    Raises:
        DesignError: the section names a layer that does not exist.
    """
    names = [f"{graph}{i}" for i in range(layers)]
    known = [*names, *(h.name for h in head)]
    for name in section.layers:
        if name not in known:
            key = f"compress.quantization.layers.{name}"
            raise DesignError(None, key, "there is no such layer", nearest(name, known))
    out = []
    for name in names:
        own = section.layers.get(name)
        of = [getattr(own, k, None) or getattr(section, k) for k in ("weights", "biases", "activations")]
        out.append(dict(zip(("weights", "biases", "output"), of, strict=True)))
    return out


def _quantized(
    options: Any, layer: Any, fitted: Fitted, head: Sequence[DenseLayer], section: QuantizationSection,
    scaling: InputScaling,
) -> Any:
    """The QKeras model with the float weights in it.

    Args:
        options: see ``HitOptions``.
        layer: the quantized graph layer that ``fitted`` describes.
        fitted: its weights, and outputs of the float graph layers.
        head: the dense layers that follow.
        section: bit widths.
        scaling: of the network's inputs.
    """
    k, q = frameworks.keras(), frameworks.qkeras()
    names = [h.name for h in head]
    own: Mapping[str, Any] = {n: b for n, b in section.layers.items() if n in names}
    types = dense_layers.fit_types(head, section.model_copy(update={"layers": own}), fitted.outputs)
    inputs = k.Input((len(scaling),), name="x")
    h = q.QActivation(qkeras_quantizer(scaling.network_type), name="input_type")(inputs)
    h = k.layers.Reshape((options.hits, len(FEATURES)), name="hits")(h)
    made = k.Model(inputs, dense_layers.dense_layers(layer(h), head, types))
    for cell, weights in zip(layer.cells, fitted.weights, strict=True):
        for name, variable in cell.items():
            variable.assign(weights[name])
    dense_layers.set_dense_weights(made, head)
    return made
