"""The sum of squares of the latent means: the score of AXOL1TL, of which only the encoder goes into firmware."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field

from l1trigger import frameworks
from l1trigger.contracts.architecture import Part
from l1trigger.contracts.score import Progress, Score
from l1trigger.data.events import DataSet
from l1trigger.design import CompressSection
from l1trigger.quantize import compressed
from l1trigger.quantize.training import Lesson
from l1trigger.scores import base, kernels
from l1trigger.train.result import TrainResult


class LatentNormOptions(CompressSection):
    """Options of the score ``latent_norm``.

    Attributes:
        outliers: synthetic outliers per background event, on which the quantized encoder follows the float one.
    """

    score: str = "latent_norm"
    outliers: float = Field(0.5, ge=0, le=5)


class LatentNorm(Score[LatentNormOptions]):
    """Quantized encoder; the firmware squares and adds its outputs."""

    Options = LatentNormOptions
    kernel = kernels.SUM_OF_SQUARES
    part = Part.LATENT

    def compress(
        self, data: DataSet, trained: TrainResult, which: int, work: Path, progress: Progress
    ) -> compressed.Compressed:
        """Quantizes, prunes and fine-tunes the encoder to reproduce the float latent means.

        Raises:
            DesignError: the reference has no latent means.
        """
        options = self.options
        training = trained.trainings[which]
        stack = base.firmware_layers(trained, which, self)
        events = base.with_outliers(data, options.outliers, training.seed)
        x = trained.scaling.firmware(events)
        target, loss = base.forward(stack, trained.scaling.real(events)), frameworks.keras().losses.MeanSquaredError()
        lesson = Lesson(x, target, loss, training.seed, work, progress)
        return base.quantized(stack, trained.scaling, lesson, options, examples=x[-len(x) // 3 :])
