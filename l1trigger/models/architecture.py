"""What an architecture gives and is given."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Training:
    """One training of the reference.

    Attributes:
        seed: random seed.
        weights: arrays by name, as the architecture understands them.
        history: loss per epoch by name (``loss``, ``val_loss`` ...).
        validation_loss: the smallest.
    """

    seed: int
    weights: Mapping[str, NDArray[np.float32]]
    history: Mapping[str, list[float]]
    validation_loss: float
