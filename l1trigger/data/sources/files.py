"""What all sources that read users' files share: their options, and how samples become a data set."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, field_validator, model_validator

from l1trigger.data import splits
from l1trigger.data.events import DataSet, Events
from l1trigger.design import DataSection, Design
from l1trigger.errors import DataError, DesignError, nearest
from l1trigger.unread import Unread

Sample = tuple[Events, NDArray[np.int64] | None]
"""Events, and the generator event of each where the file says it."""
Read = Callable[[Path, int | None], Sample]


class FileOptions(DataSection):
    """Options of sources that read files.

    Attributes:
        background: file or files to train on, and to test on where no other is given.
        test_background: file or files to test on.
        signal_files: signal samples by name.
        validation_fraction: share of the generator events in ``background`` for validation.
        test_fraction: share for testing; none with ``test_background``.
        events: only so many events from the start of each background file.
        signal_events: only so many events from the start of each signal file.
    """

    background: tuple[Path, ...] = ()
    test_background: tuple[Path, ...] = ()
    signal_files: dict[str, Path] = Field(default_factory=dict)
    validation_fraction: float = Field(0.1, gt=0, lt=1)
    test_fraction: float = Field(0.3, gt=0, lt=1)
    events: int | None = Field(None, ge=1)
    signal_events: int | None = Field(None, ge=1)

    def unread(self, design: Design) -> Iterator[Unread]:
        """Settings that mean nothing with these."""
        if self.test_background:
            yield Unread("data.test_fraction", "data.test_background names what is tested on", "leave one of them out")
        if self.background and not self.signal_files:
            yield Unread("data.signal_events", "there are no signals (data.signal_files)",
                         "name their files, or leave it out; data.events limits the background")

    @field_validator("background", "test_background", mode="before")
    @classmethod
    def _one_or_more(cls, value: object) -> object:
        if isinstance(value, list):  # what comes out of a validator is no JSON any more, whose lists pass for tuples
            return tuple(value)
        return (value,) if isinstance(value, str | Path) else value

    @model_validator(mode="after")
    def _some_left(self) -> FileOptions:
        if self.validation_fraction + (0 if self.test_background else self.test_fraction) >= 1:
            raise ValueError("validation_fraction and test_fraction leave no events to train on")
        return self

    @property
    def samples(self) -> tuple[tuple[Path, ...], dict[str, Path]]:
        """Files of the background to train on, and of the signals that there are, by name."""
        return self.background, self.signal_files

    def files(self) -> tuple[Path, ...]:
        """Files of background and of those signals that are wanted."""
        background, known = self.samples
        signals = [path for name, path in known.items() if self.signals is None or name in self.signals]
        return (*super().files(), *background, *self.test_background, *signals)

    @property
    def fractions(self) -> splits.Fractions:
        """How ``background`` is divided."""
        return splits.Fractions(self.validation_fraction, 0.0 if self.test_background else self.test_fraction)


def chosen_signals(options: FileOptions, known: Mapping[str, Path]) -> dict[str, Path]:
    """The signals that a design asks for.

    Raises:
        DesignError: one of them is not known.
    """
    if options.signals is None:
        return dict(known)
    for name in options.signals:
        if name not in known:
            there = nearest(name, known) if known else "There is none; name files under data.signal_files."
            raise DesignError(None, "data.signals", f"there is no signal '{name}'", there)
    return {name: known[name] for name in options.signals}


def joined(parts: Sequence[Sample], name: str) -> Sample:
    """Samples of several files as one; ids, and each value of the truth, are kept when every file has them."""
    events = [e for e, _ in parts]
    ids = [i for _, i in parts if i is not None]
    whole = Events(
        name, np.concatenate([e.inputs for e in events]), np.concatenate([e.weight * len(e) for e in events]),
        np.concatenate([e.block for e in events]), np.concatenate([e.row for e in events]),
        events[0].card if len(events) == 1 else {"files": [dict(e.card) for e in events]},
        {
            key: np.concatenate([e.truth[key] for e in events])
            for key in events[0].truth if all(key in e.truth for e in events)
        },
    )
    return whole.select(slice(None)), np.concatenate(ids) if len(ids) == len(parts) else None


def load_files(
    options: FileOptions, background: Sequence[Path], signals: Mapping[str, Path], read: Read, zero_bias: bool
) -> DataSet:
    """The data set in some files: the background divided by generator event, and the signals.

    Args:
        options: of the source.
        background: files of the background.
        signals: files of the signals.
        read: reads one file, or its first events.
        zero_bias: whether the background represents bunch crossings.

    Raises:
        DataError: training and test samples overlap, or one has no events.
        DesignError: an unknown signal is asked for.
    """
    wanted = chosen_signals(options, signals)
    splits.require_disjoint_files(background, options.test_background)
    splits.require_disjoint_files([*background, *options.test_background], wanted.values())
    whole, keys = splits.with_ids(*joined([read(p, options.events) for p in background], "background"))
    train, validation, test = splits.split(whole, keys, options.fractions)
    if options.test_background:
        parts = [read(p, options.events) for p in options.test_background]
        test, _ = splits.with_ids(*joined(parts, "background"))
        splits.require_disjoint(whole, test, options.test_background[0])
    for part, what in ((train, "training"), (validation, "validation"), (test, "test")):
        if len(part) == 0:
            raise DataError(
                background[0], f"leaves no events for the {what} sample ({len(whole)} events in all)",
                "give more events, or change validation_fraction and test_fraction",
            )
    return DataSet(
        train, validation, test, tuple(_signal(n, read(p, options.signal_events)) for n, p in wanted.items()),
        zero_bias, options.colliding_bunches,
    )


def _signal(name: str, sample: Sample) -> Events:
    events, _ = splits.with_ids(*sample)
    return replace(events, name=name)
