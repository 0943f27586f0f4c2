"""What networks on calorimeter hits share: inputs, options, symmetric copies, training, and the dense head."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator

from l1trigger import frameworks
from l1trigger.data.events import DataSet, Events
from l1trigger.data.scaling import FeatureScaling, InputScaling
from l1trigger.design import ModelSection, QuantizationSection, Section, TrainSection
from l1trigger.errors import DesignError, nearest
from l1trigger.graph.fit import Fitted, Weights
from l1trigger.graph.quantized import qkeras_quantizer
from l1trigger.models import dense, supervised
from l1trigger.models.architecture import Training
from l1trigger.quantize import dense_layers, training
from l1trigger.quantize.dense_layers import DenseLayer

FEATURES = ("x", "y", "layer", "energy")
MASK_FEATURE = FEATURES.index("energy")
SAMPLE = 2000
"""Events on which the ranges inside graph layers are seen."""


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


class HitNetwork(supervised.Supervised):
    """Base of networks that take hits and give the logit of e/gamma against pion, and the energy.

    Attributes:
        graph: name of the graph layers, in the Keras model and, with a number each, in the design.
        internal_bits: widths inside them that ``compress.internal`` can change.
    """

    graph: ClassVar[str]
    internal_bits: ClassVar[Mapping[str, int]]

    @staticmethod
    @abstractmethod
    def fit_graph(
        options: Any, cells: Sequence[Weights], bits: Sequence[Mapping[str, int]], x: NDArray[np.float64],
        collapsed_bits: int,
    ) -> tuple[Any, Fitted]:
        """The Keras class of the quantized graph layers, and what it is made from.

        Args:
            options: of the architecture.
            cells: float weights of each layer, by name.
            bits: widths of each layer, by role.
            x: firmware inputs on which ranges are seen (events, V, 4).
            collapsed_bits: width of the result.
        """

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
        cells = [{n: w.numpy() for n, w in cell.items()} for cell in model.get_layer(cls.graph).cells]
        head = dense.folded_dense(model, linear=("output",))
        few = x[:SAMPLE].reshape(-1, options.hits, len(FEATURES))
        inside = {k: v for k, v in internal.items() if k != "collapsed"}
        bits = [{**w, **inside} for w in _widths(section, cls.graph, len(cells), head)]
        stack_class, fitted = cls.fit_graph(options, cells, bits, few, internal["collapsed"])
        layer = stack_class(**fitted.arguments, name=cls.graph)
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
