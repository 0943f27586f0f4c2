"""Handwritten digits, 8 x 8 pixels of 17 shades: the images that come with scikit-learn."""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from l1trigger.contracts.source import Source
from l1trigger.data import classes
from l1trigger.data.events import DataSet, Events

NAMES = tuple(f"digit_{d}" for d in range(10))
SHADES = 16
"""Largest value of a pixel."""
_PIXELS = 8


class DigitsOptions(classes.LabelledOptions):
    """Options of the source ``digits``.

    Attributes:
        test_fraction: share of the images for testing.
        size: pixels along each side; every pixel of the 8 x 8 is repeated.
        channels: 3 repeats the shade in each, so that images have the shape of coloured ones.
    """

    source: str = "digits"
    test_fraction: float = Field(0.3, gt=0, lt=1)
    size: Literal[8, 16, 32] = 8
    channels: Literal[1, 3] = 1


class Digits(Source[DigitsOptions]):
    """Data source: 1797 images (size, size, channels) of the digits 0 to 9, as whole numbers from 0 to 16."""

    Options = DigitsOptions

    def load(self) -> DataSet:
        """The images, divided alike in each class.

        Raises:
            DataError: a sample would lack a class.
            DesignError: there is no such class or signal.
        """
        from sklearn.datasets import load_digits

        bunch, options = load_digits(), self.options
        names = classes.order(NAMES, options.wanted)
        events = Events.unweighted("digits", enlarged(bunch.images, options.size, options.channels), _card(options))
        events = classes.labelled(events, NAMES, bunch.target, names)
        rest, test = classes.halves(events, options.test_fraction, options.seed)
        train, validation = classes.halves(rest, options.validation_fraction, options.seed)
        return classes.as_dataset("scikit-learn's digits", train, validation, test, names, options)


def enlarged(images: NDArray[np.floating], size: int, channels: int) -> NDArray[np.int16]:
    """Images (n, 8, 8) with every pixel repeated, (n, size, size, channels)."""
    k = size // _PIXELS
    pixels = np.rint(images).astype(np.int16).repeat(k, axis=1).repeat(k, axis=2)
    return np.repeat(pixels[..., None], channels, axis=3)


def _version() -> str:
    import sklearn

    return str(sklearn.__version__)


def _card(options: DigitsOptions) -> dict[str, object]:
    """How the sample came about."""
    return {
        "title": "handwritten digits", "simulated": False, "layout": "images",
        "shape": [options.size, options.size, options.channels],
        "origin": "test part of E. Alpaydin and C. Kaynak, Optical Recognition of Handwritten Digits, UCI Machine "
        "Learning Repository (doi:10.24432/C50P49), by sklearn.datasets.load_digits",
        "scikit-learn": _version(), "numpy": np.__version__, "pixels": f"shades 0 to {SHADES}",
        "division": {
            "validation_fraction": options.validation_fraction, "test_fraction": options.test_fraction,
            "seed": options.seed, "how": "at random, alike in each class; writers may be on both sides",
        },
    }
