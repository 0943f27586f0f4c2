"""Synthetic outliers: background events made stranger, without any signal, so that a student learns the tail."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from l1trigger.data.objects import CLASSES, MET, maximum_table


def make_outliers(
    objects: NDArray[np.int16], n: int, seed: int, merged: float = 0.6, scaled: float = 0.7
) -> NDArray[np.int16]:
    """Events in which two background events are merged, pT is scaled, or both.

    Args:
        objects: background events (events, 19, 3), hardware integers.
        n: how many outliers.
        seed: random seed.
        merged: fraction of outliers that are the union of two events, hardest objects kept.
        scaled: fraction whose pT is scaled by exp(N(0, 0.5)) per event and exp(N(0, 0.3)) per object.

    Returns:
        Outliers (n, 19, 3), hardware integers.
    """
    rng = np.random.default_rng(seed)
    out = objects[rng.integers(0, len(objects), n)].astype(np.int64)
    both = rng.random(n) < merged
    other = objects[rng.integers(0, len(objects), int(both.sum()))].astype(np.int64)
    out[both] = _merge(out[both], other)
    stretch = rng.random(n) < scaled
    factor = np.exp(rng.normal(0, 0.5, (n, 1)) + rng.normal(0, 0.3, (n, out.shape[1])))
    out[..., 0] = np.where(stretch[:, None], np.rint(out[..., 0] * factor), out[..., 0])
    return _tidy(out)


def _merge(a: NDArray[np.int64], b: NDArray[np.int64]) -> NDArray[np.int64]:
    """Union of the objects of two events; their missing ET add as vectors."""
    merged = a.copy()
    angle = [e[:, 0, 2] * MET.lsb[2] for e in (a, b)]
    x = a[:, 0, 0] * np.cos(angle[0]) + b[:, 0, 0] * np.cos(angle[1])
    y = a[:, 0, 0] * np.sin(angle[0]) + b[:, 0, 0] * np.sin(angle[1])
    merged[:, 0, 0] = np.rint(np.hypot(x, y))
    merged[:, 0, 2] = np.rint(np.arctan2(y, x) / MET.lsb[2])
    for c in CLASSES[1:]:
        union = np.concatenate([a[:, c.rows], b[:, c.rows]], 1)
        merged[:, c.rows] = _sorted(union)[:, : c.count]
    return merged


def _sorted(objects: NDArray[np.int64]) -> NDArray[np.int64]:
    order = np.argsort(-objects[..., 0], axis=1, kind="stable")
    return np.take_along_axis(objects, order[..., None], 1)


def _tidy(objects: NDArray[np.int64]) -> NDArray[np.int16]:
    """Sorted by falling pT within each class, inside the hardware's range, empty rows all zero."""
    for c in CLASSES[1:]:
        objects[:, c.rows] = _sorted(objects[:, c.rows])
    limit = maximum_table()
    objects = np.clip(objects, -limit, limit)
    objects[..., 0] = np.maximum(objects[..., 0], 0)
    objects[objects[..., 0] == 0] = 0
    return objects.astype(np.int16)
