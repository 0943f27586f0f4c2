"""A user's own numbers of any shape, for networks that are neither of trigger objects nor of images.

For example::

    data:
      source: arrays
      background: [qcd_1.h5, qcd_2.h5]
      signal_files: {top: top.h5}
      columns: [constituents, jet_mass]   # (n, 100, 7) and (n,): one behind the other where there are several
      units: [0.25, 0.5]                  # one hardware unit of each column

HDF5, ROOT and Parquet files are read. What the hardware has are whole numbers: value / unit, rounded and saturated at
16 bits.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, field_validator, model_validator

from l1trigger.data import readers
from l1trigger.data.events import UNKNOWN, Events
from l1trigger.data.sources.files import FileSource, OwnFileOptions, Sample, one_or_more
from l1trigger.errors import DataError

_LARGEST = 2**15 - 1


class ArrayOptions(OwnFileOptions):
    """Options of the source ``arrays``.

    Attributes:
        columns: column or columns with the numbers of each event, of any but one shape; several are flattened and
            stand one behind the other.
        units: what one hardware unit is in each column, or in all of them.
        weight: column with the weight of each event.
        event_id: column with the number of each event; events of one file that share it never lie on both sides of a
            split. None takes the same numbers as the same event.
        tree: name of the tree in ROOT files; None takes the only one.
    """

    source: str = "arrays"
    columns: tuple[str, ...] = Field(min_length=1)
    units: tuple[float, ...] = (1.0,)
    weight: str | None = None
    event_id: str | None = None
    tree: str | None = None

    _wrapped_too = field_validator("columns", "units", mode="before")(one_or_more)

    @model_validator(mode="after")
    def _complete(self) -> ArrayOptions:
        if len(self.units) not in (1, len(self.columns)):
            raise ValueError(f"units: {len(self.units)} for {len(self.columns)} columns; give one for each, or for all")
        if min(self.units) <= 0:
            raise ValueError("units: every unit is above 0")
        return self

    def unit(self, column: str) -> float:
        """What one hardware unit is in a column."""
        return self.units[self.columns.index(column) if len(self.units) > 1 else 0]


class Arrays(FileSource[ArrayOptions]):
    """Data source: a user's own numbers of any shape."""

    Options = ArrayOptions

    def read(self, path: Path, first: int | None) -> Sample:
        """Events of one file; raises as ``read_events`` does."""
        return read_events(path, self.options, first)


def read_events(path: Path, options: ArrayOptions, first: int | None = None) -> Sample:
    """Events of one file in hardware integers.

    Args:
        path: of the file.
        options: columns and units.
        first: only so many events from the start.

    Raises:
        DataError: the file is missing, damaged, has no events, or a column is missing or holds something else.
    """
    table = readers.open_table(path, options.tree)
    extra = [n for n in (options.weight, options.event_id) if n is not None]
    names = [*dict.fromkeys([*options.columns, *extra])]
    parts: dict[str, list[NDArray[Any]]] = {name: [] for name in names}
    done = 0
    for chunk in table.chunks(names, first):
        for name, column in chunk.items():
            readers.check_values(path, f"{table.where} '{name}'", column.values, done)
            if name not in extra:
                _require_one_shape(table, name, column, parts[name])
            parts[name].append(column.values if name in extra else _hardware(column.values, options.unit(name)))
        done += len(chunk[names[0]].count)
    columns = {name: np.concatenate(values) for name, values in parts.items()}
    weight = np.ones(done) if options.weight is None else _one_number(table, options.weight, columns).astype(np.float64)
    ids = None if options.event_id is None else _one_number(table, options.event_id, columns)
    if ids is not None and ids.dtype.kind not in "iu":
        raise DataError(path, f"{table.where} '{options.event_id}' holds no whole numbers", "set data.event_id")
    card = {"file": path.name, "columns": list(options.columns), "units": list(options.units)}
    unknown = np.full(done, UNKNOWN)
    total = weight.sum()
    events = Events(path.stem, _joined([columns[n] for n in options.columns]), weight / (total if total > 0 else 1),
                    unknown.astype(np.int16), unknown.astype(np.int32), card)
    if options.weight is None:
        return Sample.part(events, None if ids is None else ids.astype(np.int64), done, table.events(names))
    return Sample(events, None if ids is None else ids.astype(np.int64), float(total) * table.events(names) / done)


def _hardware(values: NDArray[Any], unit: float) -> NDArray[np.int16]:
    return np.clip(np.rint(values / unit), -_LARGEST - 1, _LARGEST).astype(np.int16)


def _joined(columns: Sequence[NDArray[np.int16]]) -> NDArray[np.int16]:
    if len(columns) == 1:
        return columns[0] if columns[0].ndim > 1 else columns[0][:, None]
    return np.concatenate([c.reshape(len(c), -1) for c in columns], axis=1)


def _require_one_shape(
    table: readers.Table, name: str, column: readers.Column, before: Sequence[NDArray[Any]]
) -> None:
    """Every event has as many numbers.

    Raises:
        DataError: they have not.
    """
    shapes = {column.values.shape[1:], *(b.shape[1:] for b in before)}
    if len(shapes) > 1 or len(np.unique(column.count)) > 1:
        raise DataError(
            table.path, f"{table.where} '{name}' has {column.count.min()} numbers in some events and "
            f"{column.count.max()} in others", "fill them up to one length, or name another column",
        )


def _one_number(table: readers.Table, name: str, columns: dict[str, NDArray[Any]]) -> NDArray[Any]:
    if columns[name].ndim != 1:
        raise DataError(table.path, f"{table.where} '{name}' has more than one number per event", "name another one")
    return columns[name]
