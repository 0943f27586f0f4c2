"""Synthetic outliers from images: background images made stranger, without any signal."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from l1trigger.data.electronics import REGIONS
from l1trigger.data.regions import LARGEST

_MOST_DEPOSITS = 6
_DEPOSIT = (8.0, 256.0)
"""Range of the energy of one deposit in hardware integers: 4 to 128 GeV for regions."""


def make_image_outliers(
    images: NDArray[np.int16], n: int, seed: int, merged: float = 0.3, scaled: float = 0.3, hot: float = 0.7
) -> NDArray[np.int16]:
    """Images in which two are added, all pixels are scaled, or local deposits are put on top; one or more of these.

    Sums saturate as in hardware, at 10 bits or where the background ends. Regions are turned in phi and mirrored in
    eta at random as well, which are exact symmetries.

    Args:
        images: background (events, height, width) or (events, height, width, channels), hardware integers.
        n: how many outliers.
        seed: random seed.
        merged: fraction of outliers that are the sum of two images.
        scaled: fraction whose pixels are all scaled by exp(N(0, 0.3)).
        hot: fraction with 1 to 6 deposits, each of an energy that is uniform in its logarithm and shared with one of
            the pixels beside it.
    """
    rng = np.random.default_rng(seed)
    largest = max(LARGEST, int(images.max()))
    out = symmetric_copies(images[rng.integers(0, len(images), n)], rng).astype(np.float64)
    both = rng.random(n) < merged
    out[both] += symmetric_copies(images[rng.integers(0, len(images), int(both.sum()))], rng)
    stretch = rng.random(n) < scaled
    out[stretch] *= np.exp(rng.normal(0, 0.3, int(stretch.sum()))).reshape(-1, *[1] * (images.ndim - 1))
    deposits = rng.integers(1, _MOST_DEPOSITS + 1, n) * (rng.random(n) < hot)
    for k in range(_MOST_DEPOSITS):
        _deposit(out, np.flatnonzero(deposits > k), rng)
    return np.clip(np.rint(out), images.min(), largest).astype(np.int16)


def _deposit(images: NDArray[np.float64], which: NDArray[np.intp], rng: np.random.Generator) -> None:
    """Adds one deposit to each of some images, in place; rows are a circle, columns and channels end."""
    m = len(which)
    energy = np.exp(rng.uniform(np.log(_DEPOSIT[0]), np.log(_DEPOSIT[1]), m))
    at = [rng.integers(0, size, m) for size in images.shape[1:]]
    kept = rng.uniform(0.5, 1, m)
    images[(which, *at)] += energy * kept
    along = rng.integers(0, 2, m)  # the rest goes to the next row, or to the next column
    beside = [(at[0] + along) % images.shape[1], np.minimum(at[1] + 1 - along, images.shape[2] - 1), *at[2:]]
    images[(which, *beside)] += energy * (1 - kept)


def symmetric_copies(images: NDArray[np.int16], rng: np.random.Generator) -> NDArray[np.int16]:
    """Each image of regions turned in phi and mirrored in eta at random; images of other shapes as they are."""
    if images.shape[1:3] != REGIONS:
        return images
    n, rows = len(images), images.shape[1]
    turn = (np.arange(rows) + rng.integers(0, rows, (n, 1))) % rows
    turned: NDArray[np.int16] = images[np.arange(n)[:, None], turn]
    mirror = rng.random(n) < 0.5
    turned[mirror] = turned[mirror, :, ::-1]
    return turned
