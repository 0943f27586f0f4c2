"""What all sources that read users' files share: their options, and how samples become a data set."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Annotated, NamedTuple, Self, TypeVar

import numpy as np
from numpy.typing import NDArray
from pydantic import Discriminator, Field, Tag, field_validator, model_validator

from l1trigger.contracts.source import Source
from l1trigger.data import splits
from l1trigger.data.events import DataSet, Events
from l1trigger.design import DataSection, Design, Section
from l1trigger.errors import DataError, DesignError, nearest
from l1trigger.unread import Unread


class Sample(NamedTuple):
    """What is read of one file, or of several.

    Attributes:
        events: their weights sum to 1, or to something else below 1 where negative ones prevail.
        ids: the generator event of each where the file says it.
        size: what the weight of an event is multiplied with to make it comparable with other files. In a file without
            weights every event counts as one; those that are read stand for the whole file.
    """

    events: Events
    ids: NDArray[np.int64] | None
    size: float

    @property
    def total(self) -> float:
        """Sum of the weights of the whole file."""
        return float(self.events.weight.sum()) * self.size

    @classmethod
    def part(cls, events: Events, ids: NDArray[np.int64] | None, read: int, of: int) -> Sample:
        """A sample without weights: what is left of the first ``read`` events of a file that has ``of``."""
        return cls(events, ids, len(events) * of / read)


Read = Callable[[Path, int | None], Sample]


def one_or_more(value: object) -> object:
    """A value that may stand for a tuple of one."""
    if isinstance(value, list):  # what comes out of a validator is no JSON any more, whose lists pass for tuples
        return tuple(value)
    return (value,) if isinstance(value, str | int | float | Path | Mapping) else value


class Process(Section):
    """Files of one process of the background, which together stand for its cross section or its luminosity.

    Attributes:
        file: file or files.
        cross_section_pb: cross section of the process [pb], over which the weights of all its events are spread.
        luminosity_inverse_pb: in its place, the integrated luminosity [1/pb] of all its events, recorded ones for
            example.
    """

    file: tuple[Path, ...] = Field(min_length=1)
    cross_section_pb: float | None = Field(None, gt=0)
    luminosity_inverse_pb: float | None = Field(None, gt=0)

    _wrapped = field_validator("file", mode="before")(one_or_more)

    @model_validator(mode="after")
    def _one(self) -> Process:
        if (self.cross_section_pb is None) == (self.luminosity_inverse_pb is None):
            raise ValueError("give exactly one of cross_section_pb and luminosity_inverse_pb")
        return self

    def files(self) -> tuple[Path, ...]:
        """Its files."""
        return (*super().files(), *self.file)

    def normalized(self, parts: Sequence[Sample]) -> list[Sample]:
        """The samples of its files, with sizes in pb."""
        if self.cross_section_pb is not None:
            scale = self.cross_section_pb / _positive(sum(s.total for s in parts), self.file[0])
        else:
            scale = 1 / (self.luminosity_inverse_pb or 1)
        return [s._replace(size=s.size * scale) for s in parts]


def _kind(entry: object) -> str:
    """Which member of ``Background`` an entry is."""
    return "process" if isinstance(entry, Mapping | Process) else "path"


Background = tuple[
    Annotated[Annotated[Path, Tag("path")] | Annotated[Process, Tag("process")], Discriminator(_kind)], ...
]
"""Files, or processes with theirs."""


def paths(background: Background) -> tuple[Path, ...]:
    """All files of a background."""
    return tuple(p for entry in background for p in (entry.file if isinstance(entry, Process) else (entry,)))


def _positive(total: float, file: Path) -> float:
    """The sum of the weights of a sample.

    Raises:
        DataError: it is not above 0.
    """
    if not total > 0:
        raise DataError(file, f"the weights of this sample sum to {total:g}, not to more than 0",
                        "give more events, so that those of negative weight do not prevail")
    return total


class FileOptions(DataSection):
    """Options of sources that read files.

    Attributes:
        background: file or files to train on, and to test on where no other is given. Weights keep their meaning
            across files: an event counts by its weight, or as one, in whichever file it stands. Files of several
            processes are given with what they stand for, ``{file: qcd.root, cross_section_pb: 1.8e9}``.
        test_background: file or files to test on, likewise.
        signal_files: signal samples by name.
        validation_fraction: share of the generator events in ``background`` for validation.
        test_fraction: share for testing; none with ``test_background``.
        events: only so many events from the start of each background file; they stand for all of it.
        signal_events: only so many events from the start of each signal file.
    """

    background: Background = ()
    test_background: Background = ()
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

    _wrapped = field_validator("background", "test_background", mode="before")(one_or_more)

    @field_validator("background", "test_background")
    @classmethod
    def _all_normalized(cls, background: Background) -> Background:
        if len({isinstance(entry, Process) for entry in background}) > 1:
            raise ValueError("give a cross section or a luminosity for all files, or for none")
        return background

    @model_validator(mode="after")
    def _some_left(self) -> FileOptions:
        if self.validation_fraction + (0 if self.test_background else self.test_fraction) >= 1:
            raise ValueError("validation_fraction and test_fraction leave no events to train on")
        return self

    @property
    def samples(self) -> tuple[Background, dict[str, Path]]:
        """Background to train on, and files of the signals that there are, by name."""
        return self.background, self.signal_files

    def files(self) -> tuple[Path, ...]:
        """Files of background and of those signals that are wanted."""
        background, known = self.samples
        signals = [path for name, path in known.items() if self.signals is None or name in self.signals]
        return (*super().files(), *paths(background), *paths(self.test_background), *signals)

    @property
    def fractions(self) -> splits.Fractions:
        """How ``background`` is divided."""
        return splits.Fractions(self.validation_fraction, 0.0 if self.test_background else self.test_fraction)


class OwnFileOptions(FileOptions):
    """Options of sources that read files of a user's own.

    Attributes:
        zero_bias: whether the background represents bunch crossings, so that rates in kHz have a meaning.
    """

    zero_bias: bool = False

    @model_validator(mode="after")
    def _some_file(self) -> Self:
        if not self.background:
            raise ValueError("name at least one file under background")
        return self


OptionsT = TypeVar("OptionsT", bound=OwnFileOptions)


class FileSource(Source[OptionsT]):
    """A data source that reads each file of a user's own alike."""

    @abstractmethod
    def read(self, path: Path, first: int | None) -> Sample:
        """Events of one file in hardware integers, or the first of them.

        Raises:
            DataError: the file is missing, damaged, or holds something else.
        """

    def load(self) -> DataSet:
        """The data set, in hardware integers.

        Raises:
            DataError: a file is missing, damaged, or holds something else; or samples overlap.
            DesignError: an unknown signal is asked for.
        """
        options = self.options
        return load_files(options, options.background, options.signal_files, self.read, options.zero_bias)


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
    """Samples of several files as one, weights in proportion to sizes; ids, and each value of the truth, are kept when
    every file has them.

    The same generator event is the same id in the same file.
    """
    events = [s.events for s in parts]
    ids = [splits.in_file(s.ids, k) for k, s in enumerate(parts) if s.ids is not None]
    weight = np.concatenate([s.events.weight * s.size for s in parts])
    total = float(weight.sum())
    whole = Events(
        name, np.concatenate([e.inputs for e in events]), weight / (total if total > 0 else 1),
        np.concatenate([e.block for e in events]), np.concatenate([e.row for e in events]),
        events[0].card if len(events) == 1 else {"files": [dict(e.card) for e in events]},
        {
            key: np.concatenate([e.truth[key] for e in events])
            for key in events[0].truth if all(key in e.truth for e in events)
        },
    )
    return Sample(whole, np.concatenate(ids) if len(ids) == len(parts) else None, total)


def read_background(background: Background, read: Callable[[Path], Sample], name: str = "background") -> Sample:
    """All events of a background; those of several files in mixed order, so that any first part is a fair sample."""
    parts: list[Sample] = []
    for entry in background:
        if isinstance(entry, Process):
            parts += entry.normalized([read(p) for p in entry.file])
        else:
            parts.append(read(entry))
    _positive(sum(s.total for s in parts), paths(background)[0])
    splits.require_no_copies([s.events for s in parts], paths(background))
    whole = joined(parts, name)
    if len(parts) == 1:
        return whole
    order = np.random.default_rng(len(whole.events)).permutation(len(whole.events))
    return Sample(whole.events.select(order), None if whole.ids is None else whole.ids[order], whole.size)


def load_files(
    options: FileOptions, background: Background, signals: Mapping[str, Path], read: Read, zero_bias: bool
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
    splits.require_disjoint_files(paths(background), paths(options.test_background))
    splits.require_disjoint_files([*paths(background), *paths(options.test_background)], wanted.values())
    splits.require_different_files([*paths(background), *paths(options.test_background), *wanted.values()])

    def first(path: Path) -> Sample:
        return read(path, options.events)

    sample = read_background(background, first)
    whole, keys = splits.with_ids(sample.events, sample.ids)
    train, validation, test = splits.split(whole, keys, options.fractions)
    if options.test_background:
        sample = read_background(options.test_background, first)
        test, _ = splits.with_ids(sample.events, sample.ids)
        splits.require_disjoint(whole, test, paths(options.test_background)[0])
    file = paths(background)[0]
    for part, what in ((train, "training"), (validation, "validation"), (test, "test")):
        _require_some(part, what, len(whole), file)
    return DataSet(
        splits.unweighted(train, file), splits.unweighted(validation, file), test,
        tuple(_signal(n, p, read(p, options.signal_events)) for n, p in wanted.items()), zero_bias,
        options.colliding_bunches,
    )


def _require_some(part: Events, what: str, of: int, file: Path) -> None:
    """Checks that a sample has events, and that their weights sum to more than 0."""
    if len(part) == 0:
        raise DataError(file, f"leaves no events for the {what} sample ({of} events in all)",
                        "give more events, or change validation_fraction and test_fraction")
    _positive(float(part.weight.sum()), file)


def _signal(name: str, file: Path, sample: Sample) -> Events:
    _positive(sample.total, file)
    events, _ = splits.with_ids(sample.events, sample.ids)
    return replace(events, name=name)
