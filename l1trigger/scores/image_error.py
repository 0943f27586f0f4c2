"""The whole autoencoder of an image on chip, scored by its squared error, in which every pixel counts."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from l1trigger.scores import kernels
from l1trigger.scores.reconstruction_error import ReconstructionError, ReconstructionErrorOptions


class ImageErrorOptions(ReconstructionErrorOptions):
    """Options of the score ``image_error``; they are those of ``reconstruction_error``."""

    score: str = "image_error"


class ImageError(ReconstructionError):
    """Quantized encoder and decoder; the firmware adds the squared differences of all pixels, empty ones too."""

    Options = ImageErrorOptions
    kernel = kernels.SQUARED_ERROR

    @staticmethod
    def counted(inputs: NDArray[Any]) -> NDArray[np.bool_]:
        """All inputs (events, inputs)."""
        return np.ones((len(inputs), inputs[0].size), bool)
