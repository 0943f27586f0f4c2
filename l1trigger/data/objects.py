"""The 19 trigger objects of one bunch crossing as hardware integers: layout, least significant bits, ranges.

An event is an integer array (19, 3): missing ET, 4 e/gamma, 4 muons, 10 jets, each with (pT, eta, phi), sorted by
falling pT and padded with zeros. The angles are signed. This is the layout of arXiv:2108.03986 (57 numbers), in
the integer units in which a global trigger receives it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

FEATURES = ("pt", "eta", "phi")
OBJECTS = 19
INPUTS = OBJECTS * len(FEATURES)


@dataclass(frozen=True)
class ObjectClass:
    """One kind of trigger object.

    Attributes:
        name: met, egamma, muon or jet.
        first, count: its rows in the event.
        lsb: physical size of one unit of (pT [GeV], eta, phi [rad]).
        maximum: largest integer of (pT, |eta|, |phi|).
        adc_class: class id in the public ADC2021 files.
    """

    name: str
    first: int
    count: int
    lsb: tuple[float, float, float]
    maximum: tuple[int, int, int]
    adc_class: int

    @property
    def rows(self) -> slice:
        """Rows of this class in an event (19, 3)."""
        return slice(self.first, self.first + self.count)

    @property
    def phi_steps(self) -> int:
        """Steps of phi in a full turn."""
        return round(2 * math.pi / self.lsb[2])


_CALO_LSB = (0.5, 0.0435, 2 * math.pi / 144)
MET = ObjectClass("met", 0, 1, _CALO_LSB, (4095, 0, 72), 1)
EGAMMA = ObjectClass("egamma", 1, 4, _CALO_LSB, (4095, 115, 72), 2)
MUON = ObjectClass("muon", 5, 4, (0.5, 0.010875, 2 * math.pi / 576), (511, 225, 288), 3)
JET = ObjectClass("jet", 9, 10, _CALO_LSB, (4095, 115, 72), 4)
CLASSES = (MET, EGAMMA, MUON, JET)

Objects = NDArray[np.int16]
"""Hardware integers, shape (events, 19, 3)."""


def class_of_row() -> list[ObjectClass]:
    """The class of each of the 19 rows."""
    return [c for c in CLASSES for _ in range(c.count)]


def lsb_table() -> NDArray[np.float64]:
    """Least significant bits of every input, shape (19, 3)."""
    return np.array([c.lsb for c in class_of_row()])


def maximum_table() -> NDArray[np.int64]:
    """Largest absolute integer of every input, shape (19, 3)."""
    return np.array([c.maximum for c in class_of_row()])


def signed_phi(phi: NDArray[Any], steps: int) -> NDArray[Any]:
    """Wraps an integer azimuth into [-steps/2, steps/2)."""
    return (phi + steps // 2) % steps - steps // 2


_BEYOND = 1e12
"""A value beyond all ranges, to which sums and steps of floats still apply."""


def to_hardware(physical: NDArray[np.floating]) -> Objects:
    """Hardware integers of objects in physical units.

    pT is floored to its least significant bit and clipped at the largest integer; angles are rounded. Empty rows
    (pT below one unit) become all zero, as a trigger would send them.

    Args:
        physical: (events, 19, 3) of pT [GeV], eta, phi [rad].
    """
    steps = np.clip(physical.astype(np.float64), -_BEYOND, _BEYOND) / lsb_table()
    steps[..., 0] = np.floor(steps[..., 0] + 1e-6)
    whole = np.rint(steps)  # integers only at the end: what exceeds their range has to saturate first
    for c in CLASSES:
        whole[:, c.rows, 2] = signed_phi(whole[:, c.rows, 2], c.phi_steps)
    limit = maximum_table()
    whole = np.clip(whole, np.stack([np.zeros(OBJECTS, int), -limit[:, 1], -limit[:, 2]], 1), limit)
    whole[whole[..., 0] == 0] = 0
    return whole.astype(np.int16)


def to_physical(objects: Objects) -> NDArray[np.float64]:
    """Physical units (pT [GeV], eta, phi [rad]) of hardware integers, shape (events, 19, 3)."""
    return objects * lsb_table()


def present(inputs: NDArray[Any]) -> NDArray[np.bool_]:
    """Which inputs belong to an object that is there: its pT (the first feature) is not 0; shape (events, inputs).

    A notion of objects: the score of an image must not ask (``squared_error`` in place of ``masked_squared_error``).
    """
    there = np.broadcast_to(inputs[..., :1] != 0, inputs.shape)
    return np.ascontiguousarray(there.reshape(len(inputs), -1))


def input_names() -> tuple[str, ...]:
    """Names of the numbers of an event, flat: ``met pt``, ``egamma 1 eta``, ``jet 10 phi`` ..."""
    rows = [c.name if c.count == 1 else f"{c.name} {i}" for c in CLASSES for i in range(1, c.count + 1)]
    return tuple(f"{row} {feature}" for row in rows for feature in FEATURES)
