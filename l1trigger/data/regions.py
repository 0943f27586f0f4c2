"""Region images from outside: checked, or summed from towers.

The layout is that of CICADA: 18 regions in phi, which is the first axis, times 14 in eta, each the sum of 4 x 4 towers
of the barrel and the end caps in steps of 0.5 GeV, saturating at 10 bits.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from l1trigger.data.electronics import REGIONS
from l1trigger.data.readers import Column
from l1trigger.errors import DataError

LARGEST = 1023
"""Largest transverse energy of a region, 10 bits."""
MAX_IETA, MAX_IPHI = 28, 72
"""Towers of barrel and end caps are numbered -28 to 28 without 0 in eta, 1 to 72 in phi."""
_FORWARD_IETA = 41
_TOWERS = 4
_PHI, _ETA = REGIONS


def check(values: NDArray[Any], path: Path, where: str, first: int = 0) -> NDArray[np.int16]:
    """The regions themselves (n, 18, 14), when they keep the contract of this module.

    Args:
        values: from a file; a last axis of length 1 is dropped.
        path: of the file, for messages.
        where: what it holds them in, for messages.
        first: number of the first event.

    Raises:
        DataError: the axes are others, or a value is not whole or outside the range.
    """
    if values.ndim == 4 and values.shape[3] == 1:
        values = values[..., 0]
    if values.shape[1:] != REGIONS:
        text = ", ".join(str(s) for s in ("n", *values.shape[1:]))
        remedy = f"regions have to be (n, {_PHI}, {_ETA}), phi before eta"
        if values.shape[1:] == REGIONS[::-1]:
            remedy += "; exchange the axes: np.swapaxes(x, 1, 2)"
        elif values.ndim > 1 and np.prod(values.shape[1:]) == _PHI * _ETA:
            remedy += f"; where phi counts slower than eta: x.reshape(-1, {_PHI}, {_ETA})"
        raise DataError(path, f"{where} has the shape ({text})", remedy)
    _refuse(~np.isfinite(values), values, path, where, first, "not finite", "remove such events")
    _refuse(
        values != np.rint(values), values, path, where, first, "not whole",
        "give hardware integers, steps of 0.5 GeV, before any scaling",
    )
    _refuse(
        (values < 0) | (values > LARGEST), values, path, where, first, f"outside the hardware range 0 to {LARGEST}",
        f"saturate at {LARGEST}, or check what it holds",
    )
    return values.astype(np.int16)


def _refuse(
    wrong: NDArray[np.bool_], values: NDArray[Any], path: Path, where: str, first: int, what: str, remedy: str
) -> None:
    if wrong.any():
        event, phi, eta = (int(i) for i in np.argwhere(wrong)[0])
        raise DataError(
            path, f"{where} is {what} ({values[event, phi, eta]:g}) in event {first + event} at phi {phi}, eta {eta}, "
            f"and {int(wrong.sum()) - 1} more", remedy,
        )


def from_towers(
    columns: Mapping[str, Column], path: Path, names: Mapping[str, str], first: int = 0
) -> NDArray[np.int16]:
    """Regions (n, 18, 14) of the towers of each event; those of the forward calorimeter are dropped.

    The first region in phi holds the towers 71, 72, 1 and 2, the first in eta -28 to -25.

    Args:
        columns: ``et``, ``ieta`` and ``iphi`` of the towers, padded.
        path: of the file, for messages.
        names: what the columns are called in the file.
        first: number of the first event.

    Raises:
        DataError: columns differ in length, a value cannot be, or a tower is given twice.
    """
    et, ieta, iphi = (_whole(columns[c], path, names[c], first) for c in ("et", "ieta", "iphi"))
    there = _there(columns, path, names, first)
    for c, wrong, expected in (
        ("et", et < 0, "0 or more, in steps of 0.5 GeV"),
        ("ieta", (ieta == 0) | (np.abs(ieta) > _FORWARD_IETA), f"within -{_FORWARD_IETA} to {_FORWARD_IETA}, not 0"),
        ("iphi", (iphi < 1) | (iphi > MAX_IPHI), f"within 1 to {MAX_IPHI}"),
    ):
        if (wrong & there).any():
            event, tower = (int(i) for i in np.argwhere(wrong & there)[0])
            raise DataError(
                path, f"branch '{names[c]}' is {columns[c].values[event, tower]} for tower {tower} of event "
                f"{first + event}", f"{c} has to be {expected}",
            )
    kept = there & (np.abs(ieta) <= MAX_IETA)
    of_event = np.broadcast_to(np.arange(len(et))[:, None], et.shape)[kept]
    eta = (ieta + MAX_IETA - (ieta > 0))[kept]
    phi = ((iphi + 1) % MAX_IPHI)[kept]
    _require_once(of_event, phi, eta, path, names["et"], first)
    region = np.ravel_multi_index((of_event, phi // _TOWERS, eta // _TOWERS), (len(et), *REGIONS))
    total = np.bincount(region, et[kept], minlength=len(et) * _PHI * _ETA)
    return np.minimum(total, LARGEST).astype(np.int16).reshape(-1, *REGIONS)


def _there(columns: Mapping[str, Column], path: Path, names: Mapping[str, str], first: int) -> NDArray[np.bool_]:
    """Which places of the padded columns hold a tower; the columns have as many."""
    count = columns["et"].count
    for c in ("ieta", "iphi"):
        differs = columns[c].count != count
        if differs.any():
            event = int(np.argmax(differs))
            raise DataError(
                path, f"branch '{names[c]}' has {columns[c].count[event]} entries in event {first + event}, but "
                f"'{names['et']}' has {count[event]}", "name branches of the same towers",
            )
    there: NDArray[np.bool_] = np.arange(columns["et"].values.shape[1]) < count[:, None]
    return there


def _whole(column: Column, path: Path, name: str, first: int) -> NDArray[np.int64]:
    """Whole numbers (events, longest) of a jagged branch."""
    values = column.values
    if values.ndim != 2:
        raise DataError(path, f"branch '{name}' has one number per event", "name branches with one number per tower")
    if values.dtype.kind not in "iu":
        wrong = values != np.rint(values)  # also where not a number
        if wrong.any():
            event, tower = (int(i) for i in np.argwhere(wrong)[0])
            raise DataError(
                path, f"branch '{name}' is {values[event, tower]:g} for tower {tower} of event {first + event}",
                "name the branch with hardware integers, such as L1CaloTower/iet",
            )
    return np.asarray(values, np.int64)


def _require_once(
    event: NDArray[np.int64], phi: NDArray[np.int64], eta: NDArray[np.int64], path: Path, name: str, first: int
) -> None:
    """Checks that no tower is given twice."""
    key = (event * MAX_IPHI + phi) * (2 * MAX_IETA) + eta
    unique, times = np.unique(key, return_counts=True)
    if (times > 1).any():
        at = int(unique[np.argmax(times > 1)]) // (MAX_IPHI * 2 * MAX_IETA)
        raise DataError(
            path, f"branch '{name}' gives a tower of event {first + at} twice",
            "keep one bunch crossing; towers do not say which one they are of",
        )
