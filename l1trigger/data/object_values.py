"""Trigger objects as files hold them: their shape, their order, and values that objects can have."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from l1trigger.data.objects import CLASSES, OBJECTS
from l1trigger.errors import DataError

NOT_THERE = ("remove these events, check what this column holds, or declare values that stand for no object under "
             "data.missing")
"""What mends a value that is no number, where places without an object may hold one."""


def check_physical(path: Path, where: Sequence[str], objects: NDArray[np.float64], first: int = 0) -> None:
    """Checks that objects in GeV and radians can be real.

    Args:
        path: of the file, for the message.
        where: columns of pT, eta and phi, and what they stand for.
        objects: (events, objects, 3); those without pT do not count.
        first: number of the first event in the file.

    Raises:
        DataError: pT, |eta| or |phi| is above what any object has.
    """
    there = objects[..., 0] > 0
    for k, (largest, text, remedy) in enumerate(_PHYSICAL):
        bad = there & (np.abs(objects[..., k]) > largest)
        if bad.any():
            event, place = (int(i) for i in np.argwhere(bad)[0])
            raise DataError(
                path, f"{where[k]} is {objects[event, place, k]:g}{text} in event {first + event}, and so are "
                f"{int(bad.sum()) - 1} more of the {int(there.sum())} objects around it; no object has more than "
                f"{largest:.4g}", remedy,
            )


_PHYSICAL = (
    (1e5, " GeV", "set data.units to {pt: MeV}, or list the value under data.missing where it stands for no object"),
    (7.0, "", "check what this column holds, and leave out objects without a direction"),
    (2 * np.pi * (1 + 1e-6), " rad", "set data.units to {phi: degrees}, or check what this column holds"),
)
"""Largest pT [GeV], |eta| and |phi| [rad] of an object, the unit in words, and what mends most of those beyond."""


def sort_objects(objects: NDArray[Any]) -> NDArray[Any]:
    """Objects (events, 19, 3) with each class sorted by falling pT and padded at the end."""
    out = objects.copy()
    for c in CLASSES:
        part = objects[:, c.rows]
        order = np.argsort(-part[..., 0], axis=1, kind="stable")
        out[:, c.rows] = np.take_along_axis(part, order[..., None], axis=1)
    return out


def check_sorted(path: Path, where: str, objects: NDArray[Any], first: int = 0) -> None:
    """Checks that the objects of each class stand in the order of their pT; empty places may lie between them.

    Args:
        path: of the file, for the message.
        where: column that holds them.
        objects: (events, 19, 3).
        first: number of the first event in the file.

    Raises:
        DataError: an object is harder than one before it.
    """
    for c in CLASSES:
        pt = objects[:, c.rows, 0]
        softest = np.minimum.accumulate(np.where(pt > 0, pt, np.inf), axis=1)
        wrong = pt[:, 1:] > softest[:, :-1]
        if wrong.any():
            event, row = (int(i) for i in np.argwhere(wrong)[0])
            count = int(wrong.any(axis=1).sum())
            raise DataError(
                path, f"{where} is not sorted: {c.name} {row + 1} of event {first + event} has a pT of "
                f"{pt[event, row + 1]:g}, above one before it, and so have {count - 1} more of the {len(pt)} events "
                "around it", "check that rows and features are in their places, or set data.unsorted to sort",
            )


def as_objects(path: Path, name: str, values: NDArray[Any]) -> NDArray[np.float64]:
    """A column that holds whole events, as (events, 19, 3); a fourth feature (the class) is dropped.

    Raises:
        DataError: the shape is neither (n, 19, 3), (n, 19, 4) nor (n, 57).
    """
    shape = values.shape[1:]
    if shape in ((OBJECTS, 3), (OBJECTS, 4)):
        return np.asarray(values[..., :3], np.float64)
    if shape == (OBJECTS * 3,):
        return np.asarray(values.reshape(-1, OBJECTS, 3), np.float64)
    expected = f"(n, {OBJECTS}, 4), (n, {OBJECTS}, 3) or (n, {OBJECTS * 3})"
    text = ", ".join(str(s) for s in ("n", *shape))
    raise DataError(path, f"dataset '{name}' has the shape ({text})", f"{expected} is needed")
