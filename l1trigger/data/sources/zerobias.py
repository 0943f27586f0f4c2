"""Zero-bias trigger events with overlaid signals: the shipped samples, or files made by ``l1trigger data make``."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from pydantic import Field

from l1trigger.data.crossings import TRAIN_BLOCKS
from l1trigger.data.events import DataSet, Events, load_events
from l1trigger.data.pythia import SIGNALS
from l1trigger.design import DataSection
from l1trigger.errors import DataError, DesignError, nearest
from l1trigger.package_files import samples_folder

VALIDATION_BLOCK = TRAIN_BLOCKS[-1]


class ZeroBiasOptions(DataSection):
    """Options of the source ``zerobias``.

    Attributes:
        folder: where the sample files lie; None takes those shipped with the package.
        layout: ``objects`` (19 x 3) or ``regions`` (18 x 14).
        limit_events: most events of each sample; None takes all.
    """

    source: str = "zerobias"
    folder: Path | None = None
    layout: str = Field("objects", pattern="^(objects|regions)$")
    limit_events: int | None = Field(None, ge=100)


class ZeroBias:
    """Data source of zero-bias crossings.

    Training and validation crossings are unweighted and from the first half of the pool; test crossings are
    weighted and, as the signals' pile-up, from the second half. The halves share no pool row.
    """

    Options = ZeroBiasOptions

    def fingerprint(self, options: ZeroBiasOptions) -> str:
        """Changes when a file does."""
        folder = options.folder or samples_folder()
        files = sorted(folder.glob("*.h5"))
        return repr([(f.name, f.stat().st_size) for f in files])

    def load(self, options: ZeroBiasOptions) -> DataSet:
        """Reads the samples.

        Raises:
            DataError: a file is missing or damaged, or train and test share pool rows.
            DesignError: a signal has no file.
        """
        folder = options.folder or samples_folder()
        stem = {"objects": ("zerobias", "signal"), "regions": ("regions", "regions")}[options.layout]
        background = load_events(folder / f"{stem[0]}_train.h5", options.layout, options.limit_events)
        test = _thin(load_events(folder / f"{stem[0]}_test.h5", options.layout), options.limit_events)
        shared = np.intersect1d(np.unique(background.block), np.unique(test.block))
        if len(shared):
            raise DataError(
                folder, f"training and test crossings share the pool blocks {shared.tolist()}",
                "make both with the same `l1trigger data make`, which keeps them apart",
            )
        held_out = background.block == VALIDATION_BLOCK
        if not held_out.any() or held_out.all():
            held_out = np.arange(len(background)) % 10 == 9  # files of a single block
        names = options.signals if options.signals is not None else self.signals(folder, stem[1])
        return DataSet(
            background.select(~held_out), background.select(held_out), test,
            tuple(self._signal(folder, stem[1], s, options) for s in names), True, options.colliding_bunches,
        )

    @staticmethod
    def signals(folder: Path, stem: str) -> tuple[str, ...]:
        """Signals that have a file, in the usual order."""
        found = {f.stem.removeprefix(f"{stem}_") for f in folder.glob(f"{stem}_*.h5")} - {"train", "test"}
        return tuple(s for s in SIGNALS if s in found) + tuple(sorted(found - set(SIGNALS)))

    def _signal(self, folder: Path, stem: str, name: str, options: ZeroBiasOptions) -> Events:
        path = folder / f"{stem}_{name}.h5"
        if not path.exists():
            raise DesignError(
                None, "data.signals", f"there is no signal '{name}' in {folder}",
                nearest(name, self.signals(folder, stem)),
            )
        return load_events(path, options.layout, options.limit_events)


def _thin(test: Events, limit: int | None) -> Events:
    """The first events of a weighted sample: files are in mixed order, so each stratum is thinned alike."""
    return test if limit is None else test.select(slice(0, limit))
