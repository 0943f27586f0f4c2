"""Images of showers: cells in x and y as pixels, depth as colour.

A pixel is the sum of the hits in one tower (all cells at one x and y) within one slice of layers, in the units of a
hit, as an adder tree behind the calorimeter would give it.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from l1trigger.data import hits
from l1trigger.data.showers import geometry

SIZE = 32
MOST = 2 * hits.MAX_XY + 1
"""Largest size: further cells are in no cluster."""
_ELECTROMAGNETIC = geometry.SECTIONS[0].layers
SLICES = (0, _ELECTROMAGNETIC // 2, _ELECTROMAGNETIC)
"""First layer of each slice: both halves of the electromagnetic section, and the hadronic one."""
_AT_ONCE = 2048


def to_images(
    clusters: hits.Hits, size: int = SIZE, slices: Sequence[int] = SLICES, bits: int = 12, drop: int = 0
) -> tuple[NDArray[np.int16], int]:
    """Images (n, size, size, slices), the centre of the cluster at pixel ``size // 2``, and how many pixels saturated.

    Args:
        clusters: hits (n, slots, 4); those outside the image are dropped.
        size: pixels along x, and along y.
        slices: first layer of each slice, rising; layers before the first are dropped.
        bits: of a pixel, which saturates.
        drop: low bits of the sum that are dropped first.
    """
    out = np.empty((len(clusters), size, size, len(slices)), np.int16)
    largest, saturated = 2**bits - 1, 0
    for start in range(0, len(clusters), _AT_ONCE):
        part = clusters[start : start + _AT_ONCE].astype(np.int64)
        x, y, layer, energy = np.moveaxis(part, 2, 0)
        x, y = x + size // 2, y + size // 2
        depth = np.searchsorted(slices, layer, side="right") - 1
        there = (x >= 0) & (x < size) & (y >= 0) & (y < size) & (depth >= 0) & (energy > 0)
        event = np.broadcast_to(np.arange(len(part))[:, None], x.shape)
        shape = (len(part), *out.shape[1:])
        pixel = np.ravel_multi_index((event[there], x[there], y[there], depth[there]), shape)
        # Exact: sums of whole numbers far below 2^53.
        total = np.bincount(pixel, energy[there], minlength=int(np.prod(shape))).astype(np.int64) >> drop
        saturated += int((total > largest).sum())
        out[start : start + _AT_ONCE] = np.minimum(total, largest).reshape(shape)
    return out, saturated


FEATURES = ("sum of pixels / 16", "pixels above zero", "largest pixel / 8")
"""What ``features`` gives of each slice."""
FEATURE_BITS = 12


def features(images: NDArray[np.int16]) -> NDArray[np.int16]:
    """Features of each slice of an image (n, 3 * slices), slice by slice, see ``FEATURES``; saturating at 12 bits.

    The divisions, rounded down, bring them to a like size, so that one scaling serves all.

    Args:
        images: (n, size, size, slices).
    """
    flat = images.reshape(len(images), -1, images.shape[3])
    quantities = (flat.sum(axis=1, dtype=np.int64) >> 4, (flat > 0).sum(axis=1), flat.max(axis=1).astype(np.int64) >> 3)
    together = np.stack(quantities, axis=2).reshape(len(images), -1)
    return np.asarray(np.minimum(together, 2**FEATURE_BITS - 1), np.int16)
