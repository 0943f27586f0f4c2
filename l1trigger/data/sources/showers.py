"""Calorimeter clusters of electrons, photons and charged pions: the shipped sample, or one made by ``l1trigger``."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
from pydantic import Field, field_validator

from l1trigger.contracts.source import Source
from l1trigger.data import hits
from l1trigger.data.events import DataSet, Events
from l1trigger.data.showers import packed
from l1trigger.design import DataSection
from l1trigger.errors import DataError, DesignError, nearest
from l1trigger.package_files import samples_folder

FILE = "showers.h5"
SIGNAL, BACKGROUND = "egamma", "pion"
VALIDATION_BLOCKS = (7,)
TEST_BLOCKS = (8, 9)


def power_of_two(value: int) -> int:
    """The number of hits itself.

    Raises:
        ValueError: a mean over it would be no shift.
    """
    if value & (value - 1):
        raise ValueError(f"must be a power of two, since means over hits are shifts; {value} is none")
    return value


class ShowersOptions(DataSection):
    """Options of the source ``showers``.

    Attributes:
        folder: where ``showers.h5`` lies; None takes the shipped one.
        limit_events: most clusters of the file; None takes all.
        max_hits: places of a cluster, a power of two; the softest hits of larger clusters are dropped.
    """

    source: str = "showers"
    folder: Path | None = None
    limit_events: int | None = Field(None, ge=100)
    max_hits: int = Field(hits.SLOTS, ge=1, le=hits.SLOTS)

    _power = field_validator("max_hits")(power_of_two)

    @property
    def file(self) -> Path:
        """File of clusters."""
        return (self.folder or samples_folder()) / FILE

    def files(self) -> tuple[Path, ...]:
        """File of clusters."""
        return (*super().files(), self.file)


class Showers(Source[ShowersOptions]):
    """Data source: clusters with true class and energy.

    Training and validation samples hold both classes; for testing pions are the background, e/gamma the signal. Each
    is made of blocks of its own, which share neither showers nor soft showers.
    """

    Options = ShowersOptions

    def load(self) -> DataSet:
        """The clusters of the file.

        Raises:
            DataError: the file is missing or damaged, or a sample would be empty.
            DesignError: a signal is asked for that is not there.
        """
        options, path = self.options, self.options.file
        events = packed.load(path, options.limit_events, options.max_hits)
        test = np.isin(events.block, TEST_BLOCKS)
        validation = np.isin(events.block, VALIDATION_BLOCKS)
        return as_dataset(
            path, events.select(~test & ~validation), events.select(validation), events.select(test), options
        )


def as_dataset(path: Path, train: Events, validation: Events, test: Events, options: DataSection) -> DataSet:
    """Clusters for two classes: the test sample divided into pions and e/gamma.

    Args:
        path: of the file, for messages.
        train, validation, test: with true ``label`` and ``energy``.
        options: of the source.

    Raises:
        DataError: one of the samples lacks a class.
        DesignError: a signal is asked for that is not there.
    """
    for name in options.signals or ():
        if name != SIGNAL:
            raise DesignError(None, "data.signals", f"there is no signal '{name}'", nearest(name, [SIGNAL]))
    for part, what in ((train, "training"), (validation, "validation"), (test, "test")):
        for label, kind in ((1, SIGNAL), (0, BACKGROUND)):
            if not (part.truth["label"] == label).any():
                raise DataError(
                    path, f"gives no cluster of class {label} ({kind}) for the {what} sample",
                    "give more events, or change how they are divided",
                )
    is_signal = test.truth["label"] == 1
    egamma = replace(test.select(is_signal), name=SIGNAL)
    return DataSet(
        replace(train, name="train"), replace(validation, name="validation"),
        replace(test.select(~is_signal), name=BACKGROUND), () if options.signals == () else (egamma,), False,
        options.colliding_bunches,
    )
