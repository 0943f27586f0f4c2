"""Zero-bias trigger events with overlaid signals: the shipped samples, or files made by ``l1trigger data make``."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from pydantic import Field

from l1trigger.contracts.source import Source
from l1trigger.data.events import DataSet, Events, load_events
from l1trigger.data.pool_rows import TRAIN_BLOCKS
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

    @property
    def where(self) -> Path:
        """Folder of the sample files."""
        return self.folder or samples_folder()

    @property
    def background(self) -> tuple[Path, Path]:
        """Files of the crossings to train and to test on."""
        stem = {"objects": "zerobias", "regions": "regions"}[self.layout]
        return self.where / f"{stem}_train.h5", self.where / f"{stem}_test.h5"

    def signal_file(self, name: str) -> Path:
        """File of a signal."""
        return self.where / f"{self._signal_stem}_{name}.h5"

    def known_signals(self) -> tuple[str, ...]:
        """Signals that have a file, in the usual order."""
        stem = self._signal_stem
        signals = {f.stem.removeprefix(f"{stem}_") for f in self.where.glob(f"{stem}_*.h5")} - {"train", "test"}
        return tuple(s for s in SIGNALS if s in signals) + tuple(sorted(signals - set(SIGNALS)))

    def wanted_signals(self) -> tuple[str, ...]:
        """Signals to measure."""
        return self.known_signals() if self.signals is None else self.signals

    def files(self) -> tuple[Path, ...]:
        """Files of crossings and of wanted signals."""
        return (*super().files(), *self.background, *map(self.signal_file, self.wanted_signals()))

    @property
    def _signal_stem(self) -> str:
        return {"objects": "signal", "regions": "regions"}[self.layout]


class ZeroBias(Source[ZeroBiasOptions]):
    """Data source of zero-bias crossings.

    Training and validation crossings are unweighted and from the first half of the pool; test crossings are
    weighted and, as the signals' pile-up, from the second half. The halves share no pool row.
    """

    Options = ZeroBiasOptions

    def load(self) -> DataSet:
        """Reads the samples.

        Raises:
            DataError: a file is missing or damaged, or train and test share pool rows.
            DesignError: a signal has no file.
        """
        options, folder = self.options, self.options.where
        train_file, test_file = options.background
        background = load_events(train_file, options.layout, options.limit_events)
        test = _thin(load_events(test_file, options.layout), options.limit_events)
        shared = np.intersect1d(np.unique(background.block), np.unique(test.block))
        if len(shared):
            raise DataError(
                folder, f"training and test crossings share the pool blocks {shared.tolist()}",
                "make both with the same `l1trigger data make`, which keeps them apart",
            )
        held_out = background.block == VALIDATION_BLOCK
        if not held_out.any() or held_out.all():
            held_out = np.arange(len(background)) % 10 == 9  # files of a single block
        return DataSet(
            background.select(~held_out), background.select(held_out), test,
            tuple(self._signal(name) for name in options.wanted_signals()), True, options.colliding_bunches,
        )

    def _signal(self, name: str) -> Events:
        options, path = self.options, self.options.signal_file(name)
        if not path.exists():
            raise DesignError(
                None, "data.signals", f"there is no signal '{name}' in {options.where}",
                nearest(name, options.known_signals()),
            )
        return load_events(path, options.layout, options.limit_events)


def _thin(test: Events, limit: int | None) -> Events:
    """The first events of a weighted sample: files are in mixed order, so each stratum is thinned alike."""
    return test if limit is None else test.select(slice(0, limit))
