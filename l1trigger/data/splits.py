"""Training, validation and test samples that share no generator event.

The same generator event is the same id in the same file: files may count their events from anywhere. Where an event
goes is a fixed function of its id and of the place of its file in the list, so that files can be read by chunks. Events
without an id take a hash of their contents as id: identical events then never lie on both sides.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from l1trigger.data.events import UNKNOWN, Events
from l1trigger.errors import DataError

BLOCKS = 32
_LEAST_OBJECTS = 3
_BY_CHANCE = 0.1
"""Share of the events of a file that may be in another one as well."""
_AT_ONCE = 65_536
_GOLDEN = np.uint64(0x9E3779B97F4A7C15)


def _mix(x: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """The finalizer of splitmix64: every input bit changes half of the output bits."""
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return x ^ (x >> np.uint64(31))


def content_id(inputs: NDArray[np.int16]) -> NDArray[np.uint64]:
    """A 64-bit hash of each event (n, 19, 3)."""
    flat = inputs.reshape(len(inputs), math.prod(inputs.shape[1:]))
    odd = _mix(_GOLDEN * np.arange(1, flat.shape[1] + 1, dtype=np.uint64)) | np.uint64(1)
    out = np.empty(len(flat), np.uint64)
    for start in range(0, len(flat), _AT_ONCE):  # four times wider than the inputs, which may fill half the memory
        part = flat[start : start + _AT_ONCE].astype(np.int64).view(np.uint64)
        out[start : start + _AT_ONCE] = _mix((part * odd).sum(axis=1, dtype=np.uint64))
    return out


def one_id(columns: Sequence[NDArray[np.int64]]) -> NDArray[np.int64]:
    """One number for each combination of those in some columns; a single column is taken as it is."""
    ids = columns[0]
    for more in columns[1:]:
        ids = (_mix(_mix(ids.view(np.uint64)) + _GOLDEN) ^ _mix(more.view(np.uint64))).view(np.int64)
    return ids


def in_file(ids: NDArray[np.int64], file: int) -> NDArray[np.int64]:
    """Generator events of one of several files, so that no other file has the same; those of file 0 as they are."""
    return ids if file == 0 else _mix(ids.view(np.uint64) + _mix(np.full(1, file, np.uint64))).view(np.int64)


@dataclass(frozen=True)
class Fractions:
    """How a background is divided; what is left is for training.

    Attributes:
        validation, test: fractions of the generator events.
    """

    validation: float
    test: float


def with_ids(events: Events, ids: NDArray[np.int64] | None) -> tuple[Events, NDArray[np.uint64]]:
    """Events that carry block and row by their ids, and the ids.

    Args:
        events: of one sample.
        ids: generator event of each, or None when nothing is known.
    """
    if ids is None:
        return events, content_id(events.inputs)
    key = ids.astype(np.int64).view(np.uint64)
    _, row = np.unique(key, return_inverse=True)
    block = _mix(key + np.uint64(1)) % np.uint64(BLOCKS)
    return replace(events, row=row.astype(np.int32), block=block.astype(np.int16)), key


def split(events: Events, ids: NDArray[np.uint64], fractions: Fractions) -> tuple[Events, Events, Events]:
    """Training, validation and test events; those that share an id stay together."""
    place = _mix(_mix(ids) + _GOLDEN).astype(np.float64) / 2.0**64
    test = place < fractions.test
    validation = ~test & (place < fractions.test + fractions.validation)
    parts = (~test & ~validation, validation, test)
    train, valid, tested = (events.select(p) for p in parts)
    return train, valid, tested


def unweighted(events: Events, file: Path) -> Events:
    """Events of equal weight for samples that are learned from: each is taken as often as its weight says.

    As many events as before, by systematic resampling: an event whose weight is m times the mean is taken floor(m) or
    ceil(m) times. Events of equal weight stay as they are.

    Args:
        events: to take.
        file: that they are from, for the message.

    Raises:
        DataError: a weight is negative, which no number of copies stands for.
    """
    if events.equally_weighted:
        return events
    if events.weight.min() < 0:
        raise DataError(
            file, f"{np.count_nonzero(events.weight < 0)} of the {len(events)} events to train on have negative "
            "weights, from which a network cannot learn",
            "train on a sample without them (data.background) and test on this one (data.test_background), whose rates "
            "and efficiencies take every sign; or resample the file to positive weights, as arXiv:2109.07851 does. "
            "Dropping these events, or their signs, would bias what is learned",
        )
    n = len(events)
    taken = np.searchsorted(np.cumsum(events.weight), (np.arange(n) + 0.5) / n * events.weight.sum())
    chosen = events.select(np.minimum(taken, n - 1))
    card = {**events.card, "taken by weight": {"events": n, "different": len(np.unique(taken))}}
    return replace(chosen, weight=np.full(n, 1 / n), card=card)


def require_different_files(files: Iterable[Path]) -> None:
    """Checks that no two files are one, by their place or by their content.

    Raises:
        DataError: two are.
    """
    seen: dict[object, Path] = {}
    of_size: dict[int, list[Path]] = {}
    for path in files:
        if (place := path.resolve()) in seen:
            raise DataError(path, "is named twice", "name it once; its events would count twice")
        seen[place] = path
        if path.is_file():
            of_size.setdefault(path.stat().st_size, []).append(path)
    for alike in of_size.values():
        for path in alike if len(alike) > 1 else ():
            if (same := seen.setdefault(_file_digest(path), path)) != path:
                raise DataError(path, f"has the content of {same}", "name one of the two; its events would count twice")


def _file_digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def require_disjoint_files(train: Iterable[Path], test: Iterable[Path]) -> None:
    """Checks that no file is used for training and for testing.

    Raises:
        DataError: one is.
    """
    seen = {p.resolve() for p in train}
    for p in test:
        if p.resolve() in seen:
            raise DataError(p, "is named both for training and for testing", "give different files, or set fractions")


def require_no_copies(parts: Sequence[Events], files: Sequence[Path]) -> None:
    """Checks that files of one sample do not hold the same events, whatever they are called.

    As in ``require_disjoint``, events count that have at least three objects; some agree by chance.

    Raises:
        DataError: a file holds many events of one before it.
    """
    seen: list[NDArray[np.uint64]] = []
    for events, file in zip(parts, files, strict=True):
        mine = _crowded(events.inputs)
        for before, other in zip(seen, files, strict=False):
            same = int(np.isin(mine, before).sum())
            if same > _BY_CHANCE * min(len(mine), len(before)):
                raise DataError(
                    file, f"{same} of its {len(mine)} events with {_LEAST_OBJECTS} objects or more are also in {other}",
                    "name files of different events; these would count twice",
                )
        seen.append(mine)


def require_disjoint(train: Events, test: Events, file: Path) -> None:
    """Checks that no event is in both samples.

    Only events with at least three objects count: emptier ones agree by chance, since inputs are few-bit integers.

    Args:
        train: training sample.
        test: test sample.
        file: of the test sample, for the message.

    Raises:
        DataError: some events are the same.
    """
    same = np.isin(_crowded(test.inputs), _crowded(train.inputs))
    if same.any():
        raise DataError(
            file, f"{int(same.sum())} of its events are also in the training sample",
            "test on other events; figures from events that were trained on mean nothing",
        )


def _crowded(inputs: NDArray[np.int16]) -> NDArray[np.uint64]:
    there = inputs[..., 0] > 0 if inputs.ndim > 2 else inputs != 0  # of numbers without objects each counts as one
    return content_id(inputs[there.sum(axis=1) >= _LEAST_OBJECTS])


def independent(events: Events) -> int:
    """Distinct generator events in a sample, as far as known."""
    known = events.row != UNKNOWN
    return int(np.count_nonzero(~known) + len(np.unique(events.row[known])))
