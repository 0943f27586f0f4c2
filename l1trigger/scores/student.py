"""A small network that regresses the reference's score: distillation on background and synthetic outliers."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from l1trigger import frameworks
from l1trigger.contracts.architecture import Loss
from l1trigger.contracts.score import Progress, Score
from l1trigger.data.electronics import REGIONS
from l1trigger.data.events import DataSet
from l1trigger.data.objects import FEATURES, OBJECTS
from l1trigger.design import CompressSection, Design, TrainSection
from l1trigger.errors import DesignError
from l1trigger.models import blocks, dense
from l1trigger.quantize import compressed, keras_graph, lint, training
from l1trigger.quantize.score_link import LogLink
from l1trigger.quantize.training import Lesson
from l1trigger.scores import base, kernels
from l1trigger.train.result import TrainResult
from l1trigger.unread import Unread, one_seed


class StudentOptions(CompressSection):
    """Options of the score ``student``.

    Attributes:
        hidden: sizes of the student's hidden layers, where they are dense; one output follows.
        layers: hidden layers on the image of an event; see ``models.blocks``. They take the place of ``hidden``.
        outliers: synthetic outliers per background event.
        copies: how often each background image of regions is trained on, all but the first time turned in phi and
            mirrored in eta at random. A dense student has a weight for each region and learns the sample by heart
            where it sees each crossing once.
        distill: how the float student is trained before it is quantized.
        fold: features of trigger objects that the student sees without their sign, the bits of negative ones inverted:
            a reconstruction error depends on the size of an angle, and its sign costs neurons.
        link: ``log`` lets the student follow the exponential of the score, which ranks events alike and needs fewer
            neurons where the score is the logarithm of a sum; ``identity`` the score itself.
        tail: additional weight of an event in the loss for each standard deviation that its score lies above the mean.
            A trigger cuts far above the mean, where a mean squared error hardly looks.
    """

    score: str = "student"
    hidden: tuple[int, ...] = (32, 16)
    layers: tuple[blocks.Layer, ...] | None = None
    outliers: float = Field(0.5, ge=0, le=20)
    copies: int | None = Field(None, ge=1, le=36)
    distill: TrainSection = TrainSection(epochs=20)
    fold: tuple[Literal["eta", "phi"], ...] = ()
    link: Literal["identity", "log"] = "identity"
    tail: float = Field(0.0, ge=0)

    def unread(self, design: Design) -> Iterator[Unread]:
        """Settings that mean nothing with these."""
        yield from super().unread(design)
        yield from one_seed("compress.distill")
        if self.layers:
            yield Unread("compress.hidden", "compress.layers takes its place", "leave one of the two out")
        else:
            yield Unread("synth.pixels_per_clock", "a dense student takes all pixels at once",
                         "set synth.stages, or give the student convolutions (compress.layers)")


class Student(Score[StudentOptions]):
    """57 - 32 - 16 - 1 by default; its output is the score, on the scale of the float score.

    The student never sees a signal. Without synthetic outliers it would have to extrapolate exactly where a trigger
    cuts.
    """

    Options = StudentOptions
    kernel = kernels.IDENTITY

    def check(self, design: Design, data: DataSet) -> None:
        """Whether the layers can stand on the events, and whether these have symmetric copies.

        Raises:
            DesignError: they cannot, and says which layer; or they have none.
            UnsupportedLayerError: firmware cannot have one of the layers as it is.
        """
        options, shape = self.options, data.train.inputs.shape[1:]
        if (options.copies or 1) > 1 and shape[:2] != REGIONS:
            raise DesignError(None, "compress.copies", "only images of 18 x 14 regions have such copies", "write 1")
        if options.fold and shape != (OBJECTS, len(FEATURES)):
            raise DesignError(None, "compress.fold", "only trigger objects have angles", "leave it out")
        try:
            model = self.build(options, shape)
        except ValueError as e:
            raise DesignError(None, "compress.layers", str(e), "mend that layer or the one before it") from e
        lint.require_float(design.convert, model)
        keras_graph.require_names(options, model)

    @staticmethod
    def build(options: StudentOptions, shape: Sequence[int]) -> Any:
        """The float student as a Keras model.

        Args:
            options: its layers.
            shape: of an event; one with two axes is an image of one channel.

        Raises:
            ValueError: the layers do not fit each other or the events.
        """
        k = frameworks.keras()
        if options.layers:
            x = k.Input((*shape, 1) if len(shape) == 2 else tuple(shape), name="x")
            names: Counter[str] = Counter()
            h = blocks.flat(blocks.build(options.layers, x, names=names), names)
        else:
            x = k.Input((math.prod(shape),))
            h = dense.hidden_layers(x, options.hidden, "dense", batch_norm=False)
        return k.Model(x, k.layers.Dense(1, name="output")(h))

    def compress(
        self, data: DataSet, trained: TrainResult, which: int, work: Path, progress: Progress
    ) -> compressed.Compressed:
        """Distills, quantizes, prunes and fine-tunes the student of one training of the reference."""
        options = self.options
        seed = trained.trainings[which].seed
        events = base.with_outliers(data, options.outliers, seed, options.copies or 1)
        scaling = trained.scaling
        if options.fold:
            scaling = scaling.folded([f in options.fold for f in FEATURES] * OBJECTS)
        x = scaling.firmware(events)
        target = trained.float_score(events, which).astype(np.float32)
        inside = data.validation.inputs
        validation = scaling.firmware(inside), trained.float_score(inside, which).astype(np.float32)
        frameworks.seed_everything(seed)
        model = self.build(options, events.shape[1:])
        link = LogLink.of(target) if options.link == "log" else None
        lesson = Lesson(x, target, _loss(target, options.tail, link), seed, work, progress)
        training.teach(model, lesson.part("float", "float student, "), validation, options.distill)
        # The exporter of dense layers fits binary points layer by layer, that of any other model tensor by tensor.
        network = model if options.layers else dense.folded_dense(model, linear=("output",))
        lesson = replace(lesson.part("quantized"), target=target[:, None])
        made = base.quantized(network, scaling, lesson, options, examples=x[-len(x) // 3 :])
        return replace(made, link=link, scaling=made.scaling or scaling)


def _loss(score: NDArray[np.float32], tail: float, link: LogLink | None) -> Loss:
    """Of (score, output), per event: the squared difference, weighted by how far above the mean the score lies.

    Args:
        score: of training events.
        tail: weight for each standard deviation above the mean.
        link: between output and score.
    """
    tf = frameworks.tensorflow()
    mean, deviation = float(score.mean()), max(float(score.std()), 1e-6)

    def loss(target: Any, output: Any) -> Any:
        target = tf.reshape(tf.cast(target, output.dtype), tf.shape(output))
        difference = target - (output if link is None else link.tensor(output))
        weight = 1.0 + tail * tf.nn.relu((target - mean) / deviation)
        return tf.reduce_mean(weight * tf.square(difference), axis=-1)

    return loss
