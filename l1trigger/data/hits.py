"""Calorimeter hits as the hardware carries them: whole numbers (x, y, layer, energy), hardest first.

A hit of energy zero is a missing one and zero throughout: this is the mask that kernels and RTL use, so that a
cluster needs no count beside its hits. x and y are counted in cells from the centre of the cluster. A cluster whose
128 places are all empty is a valid input, and the network gives it some output.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from l1trigger.errors import DataError

Hits = NDArray[np.int16]
"""(events, slots, 4), see ``FEATURES``."""

Feature = Literal["x", "y", "layer", "energy"]
FEATURES: tuple[Feature, ...] = get_args(Feature)
SLOTS = 128
"""Most hits of a cluster; further ones, the softest, are dropped."""
MAX_XY = 17
"""Largest |x| and |y| [cells]."""
LAYERS = 50
ENERGY_BITS = 10
MAX_ENERGY = 2**ENERGY_BITS - 1
"""Largest energy of a hit; harder ones saturate."""
LSB = {"x": "one cell (2 cm)", "y": "one cell (2 cm)", "layer": "one layer", "energy": "0.02 GeV"}
CELL_CM = 2.0
ENERGY_GEV = 0.02
"""Energy of one unit [GeV]."""

_LOW = np.array([-MAX_XY, -MAX_XY, 0, 0])
_HIGH = np.array([MAX_XY, MAX_XY, LAYERS - 1, MAX_ENERGY])


@dataclass(frozen=True)
class Ragged:
    """Hits of many clusters one after the other.

    Attributes:
        count: hits of each cluster (n,).
        hits: (sum of counts, 4).
    """

    count: NDArray[np.int64]
    hits: NDArray[np.int16]

    @property
    def start(self) -> NDArray[np.int64]:
        """First hit of each cluster, and the end (n + 1,)."""
        return np.concatenate([[0], np.cumsum(self.count)]).astype(np.int64)


def hardest_first(event: NDArray[np.int64], hits: NDArray[np.int16]) -> NDArray[np.int64]:
    """The order of hits: cluster by cluster, by falling energy; equal ones by layer, x and y, as a sorter would.

    Args:
        event: cluster of each hit (m,).
        hits: (m, 4).
    """
    return np.lexsort((hits[:, 1], hits[:, 0], hits[:, 2], -hits[:, 3].astype(np.int32), event))


def pad(ragged: Ragged, slots: int = SLOTS) -> Hits:
    """Sorted clusters with a fixed number of places, zeros behind the last hit; the softest hits may fall out.

    Args:
        ragged: clusters, their hits in any order.
        slots: places of a cluster.
    """
    n = len(ragged.count)
    event = np.repeat(np.arange(n), ragged.count)
    hits = ragged.hits[hardest_first(event, ragged.hits)]
    place = np.arange(len(hits)) - np.repeat(ragged.start[:-1], ragged.count)
    out = np.zeros((n, slots, len(FEATURES)), np.int16)
    kept = place < slots
    out[event[kept], place[kept]] = hits[kept]
    return out


def unpad(inputs: Hits) -> Ragged:
    """Clusters without the missing hits."""
    there = inputs[..., 3] > 0
    return Ragged(there.sum(axis=1), inputs[there])


def check(inputs: NDArray[Any], file: Path | str, first: int = 0, slots: int | None = None) -> Hits:
    """The hits themselves, when they keep the contract of this module.

    Args:
        inputs: hardware integers.
        file: where they come from, for the message.
        first: number of the first event.
        slots: places that a cluster must have; None leaves them open.

    Raises:
        DataError: wrong shape, not whole, outside the range, hits behind a missing one, or not sorted by energy.
    """
    shape = ("n", slots or f"up to {SLOTS}", len(FEATURES))
    wrong_slots = inputs.ndim == 3 and (inputs.shape[1] != slots if slots else inputs.shape[1] > SLOTS)
    if inputs.ndim != 3 or inputs.shape[2] != len(FEATURES) or wrong_slots:
        text = f"hits have the shape {inputs.shape}, and not ({', '.join(map(str, shape))})"
        raise DataError(file, text, f"give the features {', '.join(FEATURES)} of each hit")
    values = inputs.astype(np.float64)
    whole = np.isfinite(values) & (values == np.rint(values))
    _refuse(file, ~whole, first, inputs, "no whole number", "convert the hits to hardware integers")
    outside = (values < _LOW) | (values > _HIGH)
    _refuse(file, outside, first, inputs, "outside the hardware range", f"keep {_range_text()}")
    energy = values[..., 3]
    ghost = (energy == 0)[..., None] & (values != 0)
    _refuse(file, ghost, first, inputs, "given for a hit of energy zero", "make missing hits zero throughout")
    rising = np.zeros(values.shape, bool)
    rising[:, 1:, 3] = np.diff(energy, axis=1) > 0
    _refuse(file, rising, first, inputs, "above that of the hit before", "sort hits by falling energy")
    return inputs.astype(np.int16)


def _refuse(
    file: Path | str, wrong: NDArray[np.bool_], first: int, values: NDArray[Any], why: str, remedy: str
) -> None:
    if wrong.any():
        event, hit, feature = (int(i) for i in np.argwhere(wrong)[0])
        what = f"{FEATURES[feature]} of hit {hit} in event {first + event}"
        raise DataError(file, f"{what} is {values[event, hit, feature]:g}, {why}", remedy)


def _range_text() -> str:
    pairs = zip(FEATURES, _LOW, _HIGH, strict=True)
    return ", ".join(f"{f} within {low} to {high}" for f, low, high in pairs)


def total_gev(inputs: Hits) -> NDArray[np.float64]:
    """Sum of the hits of each cluster [GeV]."""
    return np.asarray(inputs[..., 3].sum(axis=1, dtype=np.int64) * ENERGY_GEV)


def mean_layer(inputs: Hits) -> NDArray[np.float64]:
    """Energy-weighted layer of each cluster; -1 for an empty one."""
    energy = inputs[..., 3].astype(np.float64)
    total = energy.sum(axis=1)
    return np.where(total > 0, (energy * inputs[..., 2]).sum(axis=1) / np.maximum(total, 1), -1.0)
