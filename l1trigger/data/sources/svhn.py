"""House numbers of street views (SVHN), format 2: 32 x 32 coloured images of one digit each, as MATLAB files.

The public files ``train_32x32.mat``, ``test_32x32.mat`` and ``extra_32x32.mat`` hold ``X`` (32, 32, 3, n) and ``y``
(n, 1), in which 10 stands for the digit 0. MATLAB writes HDF5 since version 7.3, with all axes turned round.

For example::

    data:
      source: svhn
      train: train_32x32.mat
      test: test_32x32.mat
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from l1trigger.contracts.source import Source
from l1trigger.data import classes, readers, splits
from l1trigger.data.events import DataSet, Events
from l1trigger.data.sources.digits import NAMES
from l1trigger.errors import DataError

IMAGES, LABELS = "X", "y"
SHAPE = (32, 32, 3)
SUFFIX = ".mat"
LARGEST = 255
_ZERO = 10
"""Label of the digit 0."""


class SvhnOptions(classes.LabelledOptions):
    """Options of the source ``svhn``.

    Attributes:
        train: file to train on; ``validation_fraction`` of it is for validation.
        test: file to test on.
        extra: file with more images to train on.
        limit_events: only so many images from the start of each file.
    """

    source: str = "svhn"
    train: Path
    test: Path
    extra: Path | None = None
    limit_events: int | None = Field(None, ge=100)

    def files(self) -> tuple[Path, ...]:
        """Files of images."""
        return (*super().files(), *(p for p in (self.train, self.test, self.extra) if p is not None))


class Svhn(Source[SvhnOptions]):
    """Data source: images (32, 32, 3) of the digits 0 to 9, as whole numbers from 0 to 255."""

    Options = SvhnOptions

    def load(self) -> DataSet:
        """The images of the files.

        Raises:
            DataError: a file is missing, damaged, or holds something else; or it is named twice.
            DesignError: there is no such class or signal.
        """
        options = self.options
        learned = [options.train, *([options.extra] if options.extra else [])]
        splits.require_disjoint_files(learned, [options.test])
        names = classes.order(NAMES, options.wanted)

        def events(paths: list[Path]) -> Events:
            return as_events([load_images(p, options.limit_events) for p in paths], paths, names)

        train, validation = classes.halves(events(learned), options.validation_fraction, options.seed)
        return classes.as_dataset(options.train, train, validation, events([options.test]), names, options)


@dataclass(frozen=True)
class Images:
    """What is in a file.

    Attributes:
        images: (n, 32, 32, 3), row, column and colour.
        digit: 0 to 9 (n,).
        total: images in the file, of which these may be the first.
    """

    images: NDArray[np.int16]
    digit: NDArray[np.int64]
    total: int


def as_events(read: Sequence[Images], paths: Sequence[Path], names: Sequence[str]) -> Events:
    """The images of some files, labelled.

    Args:
        read: what is in each file.
        paths: of the files.
        names: of the classes, in the order of the network's outputs.
    """
    card = {
        "title": "house numbers (SVHN format 2)", "simulated": False, "layout": "images", "shape": list(SHAPE),
        "files": [p.name for p in paths], "pixels": f"0 to {LARGEST}, red, green and blue",
    }
    made = Events.unweighted("svhn", np.concatenate([r.images for r in read]), card)
    return classes.labelled(made, NAMES, np.concatenate([r.digit for r in read]), names)


def load_images(path: Path, first: int | None = None) -> Images:
    """The images of one file and their digits.

    Args:
        path: of the file.
        first: only so many images from the start.

    Raises:
        DataError: the file is missing, damaged, no MATLAB file, lacks a key, or a key holds something else.
    """
    readers.require_file(path)
    arrays = _of_hdf5(path) if h5py.is_hdf5(path) else _of_matlab(path)
    images, labels = arrays[IMAGES], arrays[LABELS]
    _require_images(path, images)
    n = images.shape[3]
    if labels.size != n or labels.ndim > 2 or (labels.ndim == 2 and 1 not in labels.shape):
        raise DataError(
            path, f"key '{LABELS}' has the shape {labels.shape} for the {n} images in '{IMAGES}'",
            f"give one label per image, as ({n}, 1)",
        )
    labels = labels.ravel()
    wrong = ~np.isin(labels, np.arange(1, _ZERO + 1))
    if wrong.any():
        image = int(np.argmax(wrong))
        raise DataError(
            path, f"key '{LABELS}' gives image {image} the label {labels[image]:g}, and {int(wrong.sum()) - 1} more "
            f"are not among 1 to {_ZERO}", f"labels are the digits 1 to 9, and {_ZERO} for the digit 0",
        )
    s = slice(0, first)
    return Images(
        np.moveaxis(images[..., s], 3, 0).astype(np.int16, order="C"), labels[s].astype(np.int64) % _ZERO, n,
    )


def _require_images(path: Path, images: NDArray[Any]) -> None:
    """Checks shape and range of the pixels."""
    if images.ndim != 4 or images.shape[:3] != SHAPE or images.shape[3] == 0:
        remedy = "images have to be (32, 32, 3, n): row, column, colour, number"
        if images.ndim == 4 and images.shape[1:] == SHAPE:
            remedy += f"; move the first axis to the end: np.moveaxis({IMAGES}, 0, 3)"
        elif images.ndim == 4 and images.shape[1:] == SHAPE[::-1]:
            remedy += f"; turn all axes round: np.transpose({IMAGES})"
        raise DataError(path, f"key '{IMAGES}' has the shape {images.shape}", remedy)
    if images.dtype != np.uint8:
        raise DataError(
            path, f"key '{IMAGES}' has the type {images.dtype}", f"pixels have to be uint8, 0 to {LARGEST}",
        )


def _require_keys(path: Path, there: set[str]) -> None:
    for key in (IMAGES, LABELS):
        if key not in there:
            known = ", ".join(sorted(there)) or "nothing"
            raise DataError(
                path, f"has no key '{key}'; it holds {known}", "take a file of SVHN's format 2 (cropped digits)"
            )


def _of_matlab(path: Path) -> dict[str, NDArray[Any]]:
    """Both keys of a file of version 5."""
    from scipy.io import loadmat, whosmat

    with path.open("rb") as f:
        if f.read(6) != b"MATLAB":
            raise DataError(path, "is no MATLAB file", "take train_32x32.mat, test_32x32.mat or extra_32x32.mat")
    with readers.damaged(path):
        content = loadmat(str(path), variable_names=[IMAGES, LABELS])  # first, since whosmat skips what is cut off
        _require_keys(path, {name for name, _, _ in whosmat(str(path))})
        return {key: np.asarray(content[key]) for key in (IMAGES, LABELS)}


def _of_hdf5(path: Path) -> dict[str, NDArray[Any]]:
    """Both keys of a file of version 7.3, the axes turned back."""
    with readers.damaged(path), h5py.File(path) as f:
        _require_keys(path, {k for k, v in f.items() if isinstance(v, h5py.Dataset)})
        return {key: np.asarray(f[key][()]).T for key in (IMAGES, LABELS)}
