"""Convolutional networks on images that learn classes, or particle type and energy (arXiv:2101.05108)."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator

from l1trigger import frameworks
from l1trigger.contracts.architecture import Part, Progress, SupervisedArchitecture, Training, Truth, Weights
from l1trigger.data.events import DataSet, Events
from l1trigger.data.scaling import InputScaling
from l1trigger.design import Design, TrainSection
from l1trigger.models import blocks, classification, images, supervised
from l1trigger.network import as_inputs, batch_size
from l1trigger.quantize import lint, training
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


class Cnn(SupervisedArchitecture[CnnOptions]):
    """Layers of a design on an image, and a second input if wanted, with the outputs that the task needs."""

    Options = CnnOptions

    @property
    def scaling(self) -> InputScaling:
        """Scaling of the network's inputs."""
        return images.scaling(self.options)

    @property
    def truth(self) -> Truth:
        """Classes, or type and energy."""
        own = self.options
        if own.classes:
            return classification.Classes(own.classes)
        return supervised.LabelAndEnergy(own.energy_unit_gev, own.class_loss_weight)

    def check(self, design: Design) -> None:
        """Builds the network, so that layers that do not fit together are told before anything is trained.

        Raises:
            DesignError: they do not.
            UnsupportedLayerError: firmware cannot have one of them as it is.
        """
        lint.require_float(design.convert, self.build())

    def check_shape(self, shape: tuple[int, ...]) -> None:
        """Checks the shape of an event of the data; see ``images.require_image``."""
        images.require_image(self.options.image, shape, self.options.features)

    def build(self) -> Any:
        """The Keras model: image, and features where there are any, in network units; outputs (events, outputs)."""
        inputs, h = images.model(self.options, self.options.layers)
        last = blocks.Layer(dense=blocks.Dense(units=self.options.classes or 2, relu=False, name=OUTPUT))
        return frameworks.keras().Model(inputs, blocks.build([last], h))

    def fit(self, section: TrainSection, data: DataSet, seed: int, work: Path, progress: Progress) -> Training:
        """Trains on classes, or on labels and energies."""
        frameworks.seed_everything(seed)
        model, truth = self.build(), self.truth
        inputs, targets = self.examples(data.train, seed)
        model.compile(training.cosine(section, len(inputs)), loss=truth.loss())
        scaling = self.scaling

        def given(hardware: NDArray[np.int16]) -> Any:
            return as_inputs(model, scaling.real(hardware).astype(np.float32))

        validation = given(data.validation.inputs), truth.targets(data.validation)
        history = training.fit(model, (given(inputs), targets), validation, section, work, progress)
        return Training(seed, training.weights_by_name(model), history, min(history["val_loss"]))

    def examples(self, events: Events, seed: int) -> tuple[NDArray[np.int16], NDArray[np.float32]]:
        """Hardware integers and targets to train on, with mirrored and transposed copies."""
        rng, copies = np.random.default_rng(seed), self.options.symmetric_copies
        turned = [_turned(events.inputs, rng) for _ in range(copies - 1)]
        return np.concatenate([events.inputs, *turned]), np.tile(self.truth.targets(events), (copies, 1))

    def float_outputs(self, weights: Weights, inputs: NDArray[Any]) -> NDArray[np.float64]:
        """Outputs of the full-precision network (events, outputs)."""
        model = self.layers(weights)
        x = as_inputs(model, self.scaling.real(inputs).astype(np.float32))
        return np.asarray(model.predict(x, batch_size=batch_size(model), verbose=0), np.float64)

    def untrained(self) -> Any:
        """The Keras model with random weights."""
        return self.build()

    def layers(self, weights: Weights, part: Part = Part.OUTPUTS) -> Any:
        """The trained Keras model, whatever the score."""
        model = self.build()
        training.set_weights(model, weights)
        return model


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
