"""The whole autoencoder on chip, scored by its masked reconstruction error."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from l1trigger import frameworks
from l1trigger.contracts.architecture import Part
from l1trigger.contracts.score import Progress, Score
from l1trigger.data.events import DataSet
from l1trigger.data.objects import present
from l1trigger.design import CompressSection
from l1trigger.models.autoencoder import standardized
from l1trigger.quantize import compressed
from l1trigger.quantize.training import Lesson
from l1trigger.scores import base, kernels
from l1trigger.train.result import TrainResult


class ReconstructionErrorOptions(CompressSection):
    """Options of the score ``reconstruction_error``.

    Attributes:
        outliers: synthetic outliers per background event, on which the quantized network follows the float one.
    """

    score: str = "reconstruction_error"
    outliers: float = Field(0.5, ge=0, le=5)


class ReconstructionError(Score[ReconstructionErrorOptions]):
    """Quantized encoder and decoder; the firmware adds the squared differences of the objects that are there."""

    Options = ReconstructionErrorOptions
    kernel = kernels.MASKED_SQUARED_ERROR
    part = Part.RECONSTRUCTION

    @staticmethod
    def counted(inputs: NDArray[Any]) -> NDArray[np.bool_]:
        """Which inputs (events, inputs) count in the error."""
        return present(inputs)

    def compress(
        self, data: DataSet, trained: TrainResult, which: int, work: Path, progress: Progress
    ) -> compressed.Compressed:
        """Quantizes, prunes and fine-tunes the autoencoder to reproduce the float one's outputs.

        Raises:
            DesignError: the reference is not an autoencoder.
        """
        options = self.options
        training = trained.trainings[which]
        stack = base.firmware_layers(trained, which, self)
        events = base.with_outliers(data, options.outliers, training.seed)
        x = trained.scaling.firmware(events)
        target = base.forward(stack, trained.scaling.real(events))
        there = self.counted(events)
        error = (there * np.square(trained.scaling.real(events) - target)).sum(1, keepdims=True)
        # Relative to the error itself: the score is judged on its rank, among ordinary events as among outliers.
        weight = (there / (error + np.median(error))).astype(np.float32)
        lesson = Lesson(
            x, np.concatenate([target, weight], 1), _weighted_difference, training.seed, work, progress
        )
        return base.quantized(
            stack, trained.scaling, lesson, options, examples=x[-len(x) // 3 :], keep_inputs=True
        )

    @classmethod
    def float_value(cls, value: NDArray[np.float64], trained: TrainResult, which: int) -> NDArray[np.float64]:
        """The standardized logarithm of the error, as the float score is."""
        return standardized(np.asarray(value, np.float64), trained.trainings[which].weights)


def _weighted_difference(target_and_weight: Any, output: Any) -> Any:
    tf = frameworks.tensorflow()

    target, weight = tf.split(target_and_weight, 2, axis=-1)
    return tf.reduce_mean(weight * tf.square(target - tf.reshape(output, tf.shape(target))), axis=-1)
