"""Distillation: a quantized network, or a smaller float one before it, learns from a float reference and the truth.

Soft targets at a temperature for classes (arXiv:1503.02531), squared differences to the reference for other outputs.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from l1trigger import frameworks
from l1trigger.contracts.architecture import Loss, SupervisedArchitecture
from l1trigger.design import DistillationSection, TrainSection
from l1trigger.errors import DesignError
from l1trigger.models import blocks
from l1trigger.quantize import training
from l1trigger.quantize.training import Lesson
from l1trigger.sections import Section
from l1trigger.train.result import TrainResult


class SmallNetwork(Section):
    """A smaller network in place of the reference's, trained before it is quantized.

    Attributes:
        layers: in order; see ``models.blocks``. A dense layer ``output`` with the reference's outputs is added.
        train: how it is trained.
    """

    layers: tuple[blocks.Layer, ...]
    train: TrainSection = TrainSection()


@dataclass(frozen=True)
class Teacher:
    """A float reference whose outputs are learned.

    Attributes:
        section: how much they count.
        reference: that gives them.
        which: of its trainings.
        classes: whether they are logits of classes.
    """

    section: DistillationSection
    reference: TrainResult
    which: int
    classes: bool

    @classmethod
    def of(cls, section: DistillationSection, trained: TrainResult, which: int, classes: bool) -> Teacher:
        """The teacher that a section names.

        Raises:
            DesignError: it takes other inputs than the reference of the design, or gives no outputs to learn.
            DataError: its folder holds no training.
        """
        if section.teacher is None:
            return cls(section, trained, which, classes)
        teacher = TrainResult.load(section.teacher / "train")
        supervised = isinstance(teacher.network, SupervisedArchitecture)
        if len(teacher.scaling) != len(trained.scaling) or not supervised:
            raise DesignError(
                None, "compress.distillation.teacher", f"{section.teacher} takes {len(teacher.scaling)} inputs where "
                f"{len(trained.scaling)} are there, or gives a score alone", "name a run of the same task and data",
            )
        return cls(section, teacher, teacher.best, classes)

    def targets(self, inputs: NDArray[Any], truth: NDArray[np.float32]) -> NDArray[np.float32]:
        """The truth followed by the teacher's outputs (events, 2 * outputs).

        Args:
            inputs: hardware integers, first axis events.
            truth: targets (events, outputs).

        Raises:
            DesignError: the teacher has another number of outputs.
        """
        outputs = self.reference.float_outputs(inputs, self.which)
        if outputs.shape != truth.shape:
            raise DesignError(
                None, "compress.distillation.teacher", f"has {outputs.shape[1]} outputs, the network {truth.shape[1]}",
                "name a run of the same task and classes",
            )
        return np.concatenate([truth, outputs.astype(np.float32)], 1)

    def loss(self, truth_loss: Loss) -> Loss:
        """Of (targets, output), per event: the loss against the truth mixed with that against the teacher."""
        tf = frameworks.tensorflow()

        weight, temperature = self.section.weight, self.section.temperature

        def mixed(targets: Any, output: Any) -> Any:
            truth, taught = tf.split(targets, 2, axis=-1)
            if self.classes:
                soft = tf.nn.softmax(taught / temperature)
                # Times the square of the temperature, so that gradients keep their size.
                follow = temperature**2 * tf.nn.softmax_cross_entropy_with_logits(soft, output / temperature)
            else:
                follow = tf.reduce_mean(tf.square(output - taught), axis=-1)
            return (1 - weight) * truth_loss(truth, output) + weight * follow

        return mixed


def small_network(
    model: Any, lesson: Lesson, validation: tuple[NDArray[Any], NDArray[Any]], section: SmallNetwork
) -> tuple[Any, Mapping[str, list[float]]]:
    """A trained network of other layers with the inputs and outputs of a model, and its history.

    Args:
        model: whose place it takes.
        lesson: what it learns.
        validation: network inputs, flat, and targets.
        section: its layers, and how it is trained.

    Raises:
        DesignError: the layers do not fit together.
    """
    k = frameworks.keras()
    frameworks.seed_everything(lesson.seed)
    inputs = [k.Input(t.shape[1:], name=f"x{i}" if len(model.inputs) > 1 else "x") for i, t in enumerate(model.inputs)]
    last = blocks.Layer(dense=blocks.Dense(units=model.output_shape[-1], relu=False, name="output"))
    try:
        output = blocks.build((*section.layers, last), inputs[0], inputs[1] if len(inputs) > 1 else None)
    except ValueError as e:
        raise DesignError(None, "compress.student.layers", str(e), "change that layer or what is before it") from e
    small = k.Model(inputs if len(inputs) > 1 else inputs[0], output)
    return small, training.teach(small, lesson.part("float", "float student, "), validation, section.train)
