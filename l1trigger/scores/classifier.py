"""The first output of a network that was trained on labels; its further outputs, e.g. an energy, come with it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

from pydantic import Field

from l1trigger.contracts.architecture import ARCHITECTURES, Architecture, Part, SupervisedArchitecture
from l1trigger.contracts.score import Progress, Score
from l1trigger.data.events import DataSet
from l1trigger.design import CompressSection, Design, DistillationSection
from l1trigger.errors import DesignError, nearest
from l1trigger.quantize import compressed, keras_graph
from l1trigger.quantize.training import Lesson
from l1trigger.scores import base, distillation, kernels
from l1trigger.scores.distillation import SmallNetwork, Teacher
from l1trigger.train.result import TrainResult
from l1trigger.unread import Unread, one_seed


class ClassifierOptions(CompressSection):
    """Options of the score ``classifier``.

    Attributes:
        internal: widths in bits of what is computed inside an architecture's own layers; see the architecture.
        student: a smaller network to quantize in place of the reference, of which it learns; see
            ``compress.distillation``.
    """

    score: str = "classifier"
    student: SmallNetwork | None = None
    internal: dict[str, int] = Field(default_factory=dict)

    def unread(self, design: Design) -> Iterator[Unread]:
        """Settings that mean nothing with these."""
        yield from one_seed("compress.student.train")
        pruning = self.pruning
        learns = self.method == "qat" or pruning.sparsity or any(pruning.layers.values()) or pruning.structured
        if self.student is None and self.method != "learned" and not (learns and self.fine_tune.epochs):
            yield Unread("compress.distillation", "nothing is trained that could learn from the reference",
                         "write method qat and give compress.fine_tune epochs, or leave it out")


class Classifier(Score[ClassifierOptions]):
    """The network itself, quantized and fine-tuned on the labels that it was trained on."""

    Options = ClassifierOptions
    kernel = kernels.IDENTITY
    part = Part.OUTPUTS
    keeps_outputs: ClassVar[bool] = True

    def check(self, design: Design, data: DataSet) -> None:
        """Whether the network has what the section names.

        Raises:
            DesignError: the architecture does not learn from labels, a layer or a width inside one is not known, or
                something is not possible for layers that are the architecture's own.
        """
        name = design.model.architecture
        architecture = supervised(ARCHITECTURES.of(design.model), name, self.options)
        internal_bits(self.options, architecture)
        model = architecture.untrained()
        if model is None:
            require_keras_layers(self.options, name)
        elif self.options.student is None:
            keras_graph.require_names(self.options, model)

    def compress(
        self, data: DataSet, trained: TrainResult, which: int, work: Path, progress: Progress
    ) -> compressed.Compressed:
        """Quantizes, prunes and fine-tunes the network.

        Raises:
            DesignError: the architecture does not learn from labels, or a width is not known or not possible.
        """
        options = self.options
        architecture = supervised(trained.network, trained.architecture, options)
        training = trained.trainings[which]
        truth = architecture.truth
        inputs, targets = architecture.examples(data.train, training.seed)
        x = trained.scaling.firmware(inputs)
        loss, teacher = truth.loss(), _teacher(options, trained, which, bool(truth.class_count))
        if teacher is not None:
            loss, targets = teacher.loss(loss), teacher.targets(inputs, targets)
        lesson = Lesson(x, targets, loss, training.seed, work, progress)
        internal = internal_bits(options, architecture)
        network = architecture.layers(training.weights, Part.OUTPUTS)
        if network is None:
            require_keras_layers(options, trained.architecture)
            model = architecture.quantized_model(training.weights, options.quantization, internal, x)
            if model is None:
                raise DesignError(
                    None, "compress.score", f"{options.score} finds nothing in {trained.architecture} to quantize",
                    "take the score student, which follows any reference",
                )
            return base.fine_tuned(model, trained.scaling, lesson, options)
        if options.student is not None and teacher is not None:
            inside = data.validation.inputs
            validation = teacher.targets(inside, truth.targets(data.validation))
            network, _ = distillation.small_network(
                network, lesson, (trained.scaling.firmware(inside), validation), options.student
            )
        return base.quantized(network, trained.scaling, lesson.part("quantized"), options)


def _teacher(options: ClassifierOptions, trained: TrainResult, which: int, classes: bool) -> Teacher | None:
    """Whose outputs the network learns beside the truth; None where it learns the truth alone."""
    section = options.distillation or (DistillationSection() if options.student is not None else None)
    if section is None:
        return None
    return Teacher.of(section, trained, which, classes)


def supervised(
    architecture: Architecture[Any], name: str, options: ClassifierOptions
) -> SupervisedArchitecture[Any]:
    """The architecture as one that learns from labels.

    Raises:
        DesignError: it does not.
    """
    if not isinstance(architecture, SupervisedArchitecture):
        raise DesignError(
            None, "compress.score", f"{options.score} needs an architecture that learns labels, not {name}",
            "take model.architecture garnet, or a score for anomalies",
        )
    return architecture


def require_keras_layers(options: ClassifierOptions, architecture: str) -> None:
    """Checks that nothing is asked for that needs a network of Keras' own layers.

    Raises:
        DesignError: something is.
    """
    for key, asked in {
        "pruning.structured": options.pruning.structured is not None, "method": options.method != "qat",
        "student": options.student is not None,
    }.items():
        if asked:
            raise DesignError(
                None, f"compress.{key}", f"is not possible for {architecture}, whose layers are its own",
                "leave it out (model has the sizes), or take an architecture of dense and convolution layers",
            )


def internal_bits(options: ClassifierOptions, architecture: SupervisedArchitecture[Any]) -> dict[str, int]:
    """Widths inside an architecture's layers, with its defaults for what the design leaves out.

    Raises:
        DesignError: a name is not known, or a width is not possible.
    """
    known = dict(architecture.internal_bits)
    for name, width in options.internal.items():
        key = f"compress.internal.{name}"
        if name not in known:
            raise DesignError(None, key, "there is nothing of this name inside the network", nearest(name, known))
        if not 2 <= width <= 24:
            raise DesignError(None, key, f"{width} bits are not possible", "take 2 to 24")
    return known | options.internal
