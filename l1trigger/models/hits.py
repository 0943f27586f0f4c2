"""Networks of graph layers on calorimeter hits: inputs, options, symmetric copies, training, and the dense head.

A new one is a kind of graph layer (``graph.algebra``), options with its sizes, and a class of two lines.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any, ClassVar, Literal, Self, TypeVar

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator

from l1trigger import frameworks
from l1trigger.contracts.architecture import Progress, SupervisedArchitecture, Training, Truth
from l1trigger.data.events import DataSet, Events
from l1trigger.data.scaling import FeatureScaling, InputScaling
from l1trigger.design import Design, ModelSection, QuantizationSection, Section, TrainSection
from l1trigger.errors import DesignError, nearest
from l1trigger.graph import keras_layers
from l1trigger.graph.algebra import AggregatingLayer, GraphLayer
from l1trigger.graph.fit import Fitted, FloatStack, Weights, fit
from l1trigger.graph.keras_layers import listed, qkeras_quantizer
from l1trigger.models import dense, supervised
from l1trigger.package_files import firmware_folder
from l1trigger.quantize import dense_layers, training
from l1trigger.quantize.dense_layers import DenseLayer
from l1trigger.unread import Unread, no_pixels

FEATURES = ("x", "y", "layer", "energy")
MASK_FEATURE = FEATURES.index("energy")
SAMPLE = 2000
"""Events on which the ranges inside graph layers are seen."""
_BATCH = 4096


class HitInputs(Section):
    """Scaling of a hit's four features.

    The defaults are for cells of 2 cm, 50 layers and 20 MeV: they bring each feature to order one.

    Attributes:
        x, y, layer, energy: of each feature.
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
        energy: whether the network gives the energy as its second output, behind the logit of the class.
        energy_unit_gev: the network's second output is the energy in this unit [GeV].
        class_loss_weight: beta in beta * cross entropy + (1 - beta) * squared relative error of the energy. The default
            is what arXiv:2008.03601 is remembered to take; the paper was not read for it.
        symmetric_copies: how many randomly mirrored and transposed copies of each shower are trained on.
        inputs: scaling of the hits.
    """

    hits: int = Field(128, ge=2, le=1024)
    head: tuple[int, ...] = (16,)
    energy: bool = True
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

    def unread(self, design: Design) -> Iterator[Unread]:
        """Settings that mean nothing with these."""
        yield no_pixels(design)
        if not self.energy:
            for key in ("energy_unit_gev", "class_loss_weight"):
                yield Unread(f"model.{key}", "the network gives no energy (model.energy)", "leave it out")
        yield from _unread_types(design, self.layer.name())
        whole = "is not possible for graph layers, which are quantized as they are trained"
        sizes = "leave it out; the sizes of the layers are in the section model"
        yield Unread("compress.pruning.structured", whole, sizes)
        yield Unread("compress.student", whole, sizes)
        yield Unread("compress.method", whole, "write qat; post_training.figures shows what rounding alone gives")
        yield Unread("compress.post_training.events", "no biases of graph layers are corrected", "leave it out")
        if issubclass(self.layer, AggregatingLayer):
            yield Unread("synth.stages", "where vertices enter one after the other, each block has stages of its own",
                         "set synth.latency_cutoff_ns, the most delay of one stage, or synth.vertices_per_clock")
        else:
            yield Unread("synth.vertices_per_clock", f"there is no RTL of {self.layer.name()}",
                         "set synth.route to none; convert.reuse_factor shares the HLS project's multipliers")

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


OptionsT = TypeVar("OptionsT", bound=GraphOptions)


class HitNetwork(SupervisedArchitecture[OptionsT]):
    """Graph layers, collapse, dense head; outputs are the logit of e/gamma against pion and, mostly, the energy.

    A subclass says what its ``Options`` are, the rest follows from their ``layer``.

    Attributes:
        layer: the kind of graph layer; its name is that of the layers in the Keras model and, with a number each, in
            the design.
        internal_bits: widths inside the layers that ``compress.internal`` can change.
    """

    layer: ClassVar[type[GraphLayer]]

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

    def check(self, design: Design) -> None:
        """Whether HLS and RTL can go through the vertices as the design asks.

        Raises:
            DesignError: a number of steps, or of vertices per clock, does not divide the number of vertices.
        """
        steps = {"convert.reuse_factor": design.convert.reuse_factor}
        if issubclass(self.layer, AggregatingLayer) and design.synth.route in ("rtl", "both"):
            steps["synth.vertices_per_clock"] = design.synth.vertices_per_clock
        for key, value in steps.items():
            if self.options.hits % value:
                raise DesignError(None, key, f"{value} does not divide the {self.options.hits} vertices (model.hits)",
                                  "take a power of two up to the number of vertices")

    def build(self) -> Any:
        """The Keras model: inputs (hits * 4,) in network units, outputs (logit, energy in units) or the logit."""
        options = self.options
        own = {f.name: getattr(options, f.name) for f in fields(self.layer)}
        return model(options, keras_layers.float_stack(self.layer)(
            **options.sizes(), **own, variant=options.weights_variant(), activation=options.activation,
            collapse=options.collapse, mask_feature=MASK_FEATURE, name=self.layer.name(),
        ))

    @property
    def scaling(self) -> InputScaling:
        """Scaling of the network's inputs."""
        return self.options.inputs.scaling(self.options.hits)

    @property
    def truth(self) -> Truth:
        """Particle type and energy, or the type alone."""
        if not self.options.energy:
            return supervised.Label()
        return supervised.LabelAndEnergy(self.options.energy_unit_gev, self.options.class_loss_weight)

    def fit(self, section: TrainSection, data: DataSet, seed: int, work: Path, progress: Progress) -> Training:
        """Trains on labels and energies."""
        frameworks.seed_everything(seed)
        scaling = self.scaling
        inputs, targets = self.examples(data.train, seed)
        validation = self.truth.targets(data.validation)
        model = self.build()
        model.compile(training.cosine(section, len(inputs)), loss=self.truth.loss())
        history = training.fit(
            model, (scaling.real(inputs).astype(np.float32), targets),
            (scaling.real(data.validation.inputs).astype(np.float32), validation), section, work, progress,
        )
        return Training(seed, training.weights_by_name(model), history, min(history["val_loss"]))

    def float_outputs(self, weights: Mapping[str, NDArray[Any]], inputs: NDArray[Any]) -> NDArray[np.float64]:
        """Outputs of the full-precision network (events, 1 or 2)."""
        model = self.build()
        training.set_weights(model, weights)
        x = self.scaling.real(inputs).astype(np.float32)
        return np.asarray(model.predict(x, batch_size=_BATCH, verbose=0), np.float64)

    def examples(self, events: Events, seed: int) -> tuple[NDArray[np.int16], NDArray[np.float32]]:
        """Hardware integers and targets to train on: every shower in several random orientations.

        The cells form a square grid around the cluster, so that mirroring x or y and exchanging them changes nothing.
        """
        rng = np.random.default_rng(seed)
        copies = [symmetric_copy(events.inputs, rng) for _ in range(self.options.symmetric_copies - 1)]
        targets = self.truth.targets(events)
        return np.concatenate([events.inputs, *copies]), np.tile(targets, (self.options.symmetric_copies, 1))

    def quantized_model(
        self, weights: Mapping[str, NDArray[Any]], section: QuantizationSection, internal: Mapping[str, int],
        x: NDArray[np.float64],
    ) -> Any:
        """The QKeras model; single layers are ``garnet0`` ..., ``head0`` ... . See ``SupervisedArchitecture``."""
        options, name = self.options, self.layer.name()
        model = self.build()
        training.set_weights(model, weights)
        cells = [options.prepared({n: w.numpy() for n, w in cell.items()}) for cell in model.get_layer(name).cells]
        head = dense.folded_dense(model, linear=("output",))
        few = x[:SAMPLE].reshape(-1, options.hits, len(FEATURES))
        inside = {k: v for k, v in internal.items() if k != "collapsed"}
        bits = [{**w, **inside} for w in _widths(section, name, len(cells), head)]
        stack = FloatStack(options.algebra(), cells, options.activation, options.collapse, MASK_FEATURE)
        fitted = fit(stack, bits, few, internal["collapsed"])
        layer = keras_layers.quantized_stack(self.layer)(**fitted.arguments, name=name)
        return _quantized(options, layer, fitted, head, section, self.scaling)


def _unread_types(design: Design, graph: str) -> Iterator[Unread]:
    """What says more about types than graph layers have: they take widths, and fit binary points themselves."""
    section = "compress.quantization"
    types = ("weights_integer", "biases_integer", "activations_integer", "per_channel")
    head = f"write it below {section}.layers.NAME for the dense layers head0 ... and output"
    for key in types:
        yield Unread(f"{section}.{key}", f"{graph} layers take numbers of bits, and fit their binary points", head)
    for name in design.compress.quantization.layers:
        if name.removeprefix(graph).isdigit():
            for key in (*types, "weights_by_channel", "weights_integer_by_channel"):
                yield Unread(
                    f"{section}.layers.{name}.{key}", f"{graph} layers take numbers of bits alone, one for all "
                    "channels, and fit their binary points",
                    "write weights, biases and activations as numbers of bits; compress.internal has the other widths",
                )


def symmetric_copy(inputs: NDArray[np.int16], rng: np.random.Generator) -> NDArray[np.int16]:
    """Each shower mirrored in x or y and transposed, at random; shape (events, hits, 4)."""
    n = len(inputs)
    signs = rng.choice(np.array([-1, 1], np.int16), (n, 1, 2))
    xy = inputs[..., :2] * signs
    swap = rng.random(n) < 0.5
    xy[swap] = xy[swap, :, ::-1]
    return np.concatenate([xy, inputs[..., 2:]], -1)


def model(options: Any, graph: Any) -> Any:
    """The Keras model: inputs (hits * 4,) in network units, outputs (logit, energy in units), or the logit alone.

    Args:
        options: see ``HitOptions``.
        graph: the Keras layer from hits (events, V, 4) to (events, filters).
    """
    k = frameworks.keras()
    inputs = k.Input((options.hits * len(FEATURES),), name="x")
    hits = k.layers.Reshape((options.hits, len(FEATURES)), name="hits")(inputs)
    h = dense.hidden_layers(graph(hits), options.head, "head", batch_norm=False)
    return k.Model(inputs, k.layers.Dense(1 + options.energy, name="output")(h))


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
