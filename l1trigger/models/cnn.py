"""Convolutional networks on images that learn classes, or particle type and energy (arXiv:2101.05108)."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator

from l1trigger import frameworks
from l1trigger.data.events import DataSet, Events
from l1trigger.data.scaling import InputScaling
from l1trigger.design import Design, QuantizationSection, TrainSection
from l1trigger.models import blocks, classification, images, supervised
from l1trigger.models.architecture import Training
from l1trigger.network import as_inputs, batch_size
from l1trigger.quantize import keras_graph, lint, training
from l1trigger.unread import Unread

OUTPUT = "output"
"""Name of the last layer, which the architecture adds."""


class CnnOptions(images.ImageOptions):
    """Options of the architecture ``cnn``.

    Attributes:
        layers: in order; see ``models.blocks``. A dense layer with the outputs is added behind them.
        classes: number of classes, one output each; None gives the outputs of the task calorimeter, the logit of signal
            against background and the energy.
        energy_unit_gev: the second output is the energy in this unit [GeV].
        class_loss_weight: beta in beta * cross entropy + (1 - beta) * squared relative error of the energy.
        symmetric_copies: how many copies of each image, all but the first mirrored and transposed at random, are
            trained on; for images without a preferred direction.
    """

    architecture: str = "cnn"
    layers: tuple[blocks.Layer, ...]
    classes: int | None = Field(None, ge=2)
    energy_unit_gev: float = Field(16.0, gt=0)
    class_loss_weight: float = Field(0.1, gt=0, lt=1)
    symmetric_copies: int = Field(1, ge=1, le=64)

    def unread(self, design: Design) -> Iterator[Unread]:
        """Settings that mean nothing with these."""
        yield from super().unread(design)
        if self.classes is not None:
            for key in ("energy_unit_gev", "class_loss_weight"):
                yield Unread(f"model.{key}", "the outputs are classes alone (model.classes), and no energy",
                             "leave it out")

    @model_validator(mode="after")
    def _square(self) -> CnnOptions:
        if self.symmetric_copies > 1 and (self.image[0] != self.image[1] or self.features):
            raise ValueError("symmetric_copies need square images without features beside them; write 1")
        return self


class Cnn(supervised.Supervised):
    """Layers of a design on an image, and a second input if wanted, with the outputs that the task needs."""

    Options = CnnOptions

    @staticmethod
    def scaling(options: CnnOptions) -> InputScaling:
        """Scaling of the network's inputs."""
        return images.scaling(options)

    @classmethod
    def check(cls, design: Design) -> None:
        """Builds the network, so that layers that do not fit together are told before anything is trained.

        Raises:
            DesignError: they do not.
            UnsupportedLayerError: firmware cannot have one of them as it is.
        """
        assert isinstance(design.model, CnnOptions)
        lint.require_float(design.convert, cls.build(design.model))

    @staticmethod
    def check_shape(options: CnnOptions, shape: tuple[int, ...]) -> None:
        """Checks the shape of an event of the data; see ``images.require_image``."""
        images.require_image(options, shape)

    @staticmethod
    def class_count(options: CnnOptions) -> int:
        """Number of classes; 0 where the outputs are type and energy."""
        return options.classes or 0

    @staticmethod
    def build(options: CnnOptions) -> Any:
        """The Keras model: image, and features where there are any, in network units; outputs (events, outputs)."""
        inputs, h = images.model(options, options.layers)
        last = blocks.Layer(dense=blocks.Dense(units=options.classes or 2, relu=False, name=OUTPUT))
        return frameworks.keras().Model(inputs, blocks.build([last], h))

    @classmethod
    def fit(
        cls, options: CnnOptions, section: TrainSection, data: DataSet, seed: int, work: Path, progress: training.Progress
    ) -> Training:
        """Trains on classes, or on labels and energies."""
        frameworks.seed_everything(seed)
        model = cls.build(options)
        inputs, targets = cls.examples(options, data.train, seed)
        model.compile(training.cosine(section, len(inputs)), loss=cls.loss(options))
        scaling = cls.scaling(options)

        def given(hardware: NDArray[np.int16]) -> Any:
            return as_inputs(model, scaling.real(hardware).astype(np.float32))

        validation = given(data.validation.inputs), cls.targets(options, data.validation)
        history = training.fit(model, (given(inputs), targets), validation, section, work, progress)
        return Training(seed, training.weights_by_name(model), history, min(history["val_loss"]))

    @classmethod
    def examples(cls, options: CnnOptions, events: Events, seed: int) -> tuple[NDArray[np.int16], NDArray[np.float32]]:
        """Hardware integers and targets to train on."""
        rng = np.random.default_rng(seed)
        copies = [_turned(events.inputs, rng) for _ in range(options.symmetric_copies - 1)]
        targets = cls.targets(options, events)
        return np.concatenate([events.inputs, *copies]), np.tile(targets, (options.symmetric_copies, 1))

    @classmethod
    def targets(cls, options: CnnOptions, events: Events) -> NDArray[np.float32]:
        """What the outputs should be; see ``Classification`` and ``Supervised``."""
        return _Classes.targets(options, events) if options.classes else super().targets(options, events)

    @classmethod
    def loss(cls, options: CnnOptions) -> Callable[[Any, Any], Any]:
        """Of (target, output), per event; see ``Classification`` and ``Supervised``."""
        return _Classes.loss(options) if options.classes else super().loss(options)

    @classmethod
    def float_outputs(
        cls, options: Mapping[str, Any], weights: Mapping[str, NDArray[np.float32]], scaling: InputScaling,
        inputs: NDArray[Any],
    ) -> NDArray[np.float64]:
        """Outputs of the full-precision network (events, outputs)."""
        model = cls.build(CnnOptions.model_validate(options))
        training.set_weights(model, weights)
        x = as_inputs(model, scaling.real(inputs).astype(np.float32))
        return np.asarray(model.predict(x, batch_size=batch_size(model), verbose=0), np.float64)

    @classmethod
    def float_score(
        cls, options: Mapping[str, Any], weights: Mapping[str, NDArray[np.float32]], scaling: InputScaling,
        inputs: NDArray[Any],
    ) -> NDArray[np.float64]:
        """The margin of class 0, or the logit."""
        outputs = cls.float_outputs(options, weights, scaling, inputs)
        return classification.margin(outputs) if options["classes"] else outputs[:, supervised.LOGIT]

    @classmethod
    def predictions(
        cls, options: Mapping[str, Any], outputs: NDArray[np.float64]
    ) -> dict[str, NDArray[Any]]:
        """Classes, or energies [GeV], of network outputs (events, outputs)."""
        if options["classes"]:
            return _Classes.predictions(options, outputs)
        return super().predictions(options, outputs)

    @classmethod
    def quantized_model(
        cls, options: CnnOptions, weights: Mapping[str, NDArray[np.float32]], section: QuantizationSection,
        internal: Mapping[str, int], x: NDArray[np.float64],
    ) -> Any:
        """The QKeras model with the float weights in it.

        Args:
            options: of the architecture.
            weights: of the float model.
            section: bit widths of all layers and of single ones.
            internal: none; nothing is computed inside a layer.
            x: firmware inputs on which ranges are seen (events, inputs).
        """
        model = cls.build(options)
        training.set_weights(model, weights)
        return keras_graph.quantized(model, section, cls.scaling(options).network_type, x)


class _Classes(classification.Classification):
    """The half of the architecture that learns classes."""


def _turned(inputs: NDArray[np.int16], rng: np.random.Generator) -> NDArray[np.int16]:
    """Each image mirrored along its axes and transposed, at random; shape (events, size, size[, channels])."""
    n = len(inputs)
    out = inputs.copy()
    for axis in (1, 2):
        some = rng.random(n) < 0.5
        out[some] = np.flip(out[some], axis)
    some = rng.random(n) < 0.5
    out[some] = np.swapaxes(out[some], 1, 2)
    return out
