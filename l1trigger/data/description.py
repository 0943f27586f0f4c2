"""What is in an event file, as plain values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from l1trigger.data.events import Events

REGION_LSB = 0.5
"""Transverse energy of one unit of a region [GeV]."""


@dataclass(frozen=True)
class Description:
    """What is in an event file.

    Attributes:
        path: of the file.
        summary: plain values to print, nested at most once besides the card.
        objects: trigger objects, where the file holds them.
        regions: region images, where the file holds them.
        clusters: hits of calorimeter clusters, where the file holds them.
        images: images with channels, where the file holds them.
        columns: numeric columns of a table whose meaning is not known, flattened.
    """

    path: Path
    summary: Mapping[str, Any]
    objects: Events | None = None
    regions: Events | None = None
    clusters: Events | None = None
    images: Events | None = None
    columns: Mapping[str, NDArray[np.float64]] = field(default_factory=dict)
