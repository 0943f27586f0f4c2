"""What in a data set is possible but hardly meant: units, sentinels and weights that no reader can refuse."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from l1trigger.data.events import DataSet, Events
from l1trigger.data.objects import CLASSES, FEATURES, OBJECTS, ObjectClass

_SHARE = 0.01
"""Share of the objects beyond which values at the end of a range, or outside a part of it, are no chance."""
_LARGEST = 2**15 - 1
_FEW = 0.1
"""Share of different events below which a sample taken by weight rests on few."""


@dataclass(frozen=True)
class Doubt:
    """Something that is hardly meant.

    Attributes:
        message: what is seen.
        remedy: what mends it.
    """

    message: str
    remedy: str

    def __str__(self) -> str:
        return f"{self.message}. Remedy: {self.remedy}"


def doubts(data: DataSet) -> list[Doubt]:
    """What is hardly meant in the background of a data set."""
    raised = list(_weights(data.train))
    if data.train.inputs.shape[1:] == (OBJECTS, len(FEATURES)):
        inputs = np.concatenate([data.train.inputs, data.test.inputs])
        raised += [d for kind in CLASSES for d in _objects(kind, inputs[:, kind.rows])]
        raised += _empty(inputs)
    elif (share := float((np.abs(data.train.inputs.astype(np.int32)) >= _LARGEST).mean())) > _SHARE:
        raised.append(Doubt(f"{share:.0%} of the numbers are the largest that 16 bits hold",
                           "give the unit of the numbers (data.units)"))
    return raised


def _weights(train: Events) -> Iterator[Doubt]:
    taken = train.card.get("taken by weight")
    if taken and taken["different"] < _FEW * taken["events"]:
        yield Doubt(
            f"by their weights, {taken['different']} different events stand for all {taken['events']} to train on",
            "give more events of those processes that have large weights",
        )


def _objects(kind: ObjectClass, rows: NDArray[np.int16]) -> Iterator[Doubt]:
    """What is hardly meant in one class of objects (events, rows, 3)."""
    objects = rows[rows[..., 0] > 0]
    if len(objects) == 0:
        return
    shares = (np.abs(objects) >= kind.maximum).mean(axis=0)
    if shares[0] > _SHARE:
        yield Doubt(
            f"{shares[0]:.1%} of the objects of class {kind.name} have the largest pT there is, "
            f"{kind.maximum[0] * kind.lsb[0]:g} GeV", "where pT is in MeV, set data.units to {pt: MeV}",
        )
    if kind.maximum[1] and shares[1] > _SHARE:
        yield Doubt(
            f"{shares[1]:.1%} of the objects of class {kind.name} lie at the largest |eta| there is, "
            f"{kind.maximum[1] * kind.lsb[1]:.3g}, or beyond", "leave out objects that the trigger does not see",
        )
    behind = (np.abs(objects[:, 2]) > kind.maximum[2] / 2).mean()
    if behind < _SHARE and len(objects) >= 1 / _SHARE:
        yield Doubt(
            f"{1 - behind:.1%} of the objects of class {kind.name} have |phi| below pi / 2",
            "check what the column of phi holds, and its unit (data.units)",
        )


def _empty(inputs: NDArray[np.int16]) -> Iterator[Doubt]:
    empty = (inputs[..., 0] == 0).all(axis=1).mean()
    if empty > 1 - _SHARE:
        yield Doubt(f"{empty:.1%} of the events hold no object above 0.5 GeV",
                    "check the columns of pT; where it is in TeV, set data.units to {pt: TeV}")
