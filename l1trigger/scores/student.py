"""A small network that regresses the reference's score: distillation on background and synthetic outliers."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from l1trigger import keras as door
from l1trigger.compress.quantize import DenseLayer
from l1trigger.data.events import DataSet
from l1trigger.design import CompressSection, Design, TrainSection
from l1trigger.models import dense
from l1trigger.scores import base
from l1trigger.train.result import TrainResult


class StudentOptions(CompressSection):
    """Options of the score ``student``.

    Attributes:
        hidden: sizes of the student's hidden layers; one output follows.
        outliers: synthetic outliers per background event.
        distill: how the float student is trained before it is quantized.
    """

    score: str = "student"
    hidden: tuple[int, ...] = (32, 16)
    outliers: float = Field(0.5, ge=0, le=5)
    distill: TrainSection = TrainSection(epochs=20)


class Student(base.KernelScore):
    """57 - 32 - 16 - 1 by default; its output is the score, on the scale of the float score.

    The student never sees a signal. Without synthetic outliers it would have to extrapolate exactly where a trigger
    cuts.
    """

    Options = StudentOptions
    kernel: ClassVar[str] = "identity"

    def compress(
        self, design: Design, data: DataSet, trained: TrainResult, which: int, work: Path, progress: base.Progress
    ) -> base.Compressed:
        """Distills, quantizes, prunes and fine-tunes the student of one training of the reference."""
        options = design.compress
        assert isinstance(options, StudentOptions)
        seed = trained.trainings[which].seed
        events = base.with_outliers(data, options.outliers, seed)
        x = trained.scaling.firmware(events)
        target = trained.float_score(events, which).astype(np.float32)
        validation = (
            trained.scaling.firmware(data.validation.inputs).astype(np.float32),
            trained.float_score(data.validation.inputs, which).astype(np.float32),
        )
        stack = self._distill(options, x, target, validation, seed, work / "float", progress)
        loss = door.keras().losses.MeanSquaredError()
        return base.quantized(
            stack, trained.scaling, options, x, target[:, None], loss, seed, work / "quantized", progress,
            examples=x[-len(x) // 3 :],
        )

    @staticmethod
    def _distill(
        options: StudentOptions, x: NDArray[np.float64], target: NDArray[np.float32],
        validation: tuple[NDArray[np.float32], NDArray[np.float32]], seed: int, work: Path, progress: base.Progress,
    ) -> list[DenseLayer]:
        k = door.keras()
        door.seed_everything(seed)
        inputs = k.Input((x.shape[1],))
        h = dense.hidden_layers(inputs, options.hidden, "dense", batch_norm=False)
        model = k.Model(inputs, k.layers.Dense(1, name="output")(h))
        model.compile(dense.cosine(options.distill, len(x)), loss="mse")
        dense.fit(
            model, (x.astype(np.float32), target), validation, options.distill, work,
            lambda m: progress(f"float student, {m}"),
        )
        return dense.folded_dense(model, linear=("output",))
