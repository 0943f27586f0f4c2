"""Columns of HDF5, ROOT and Parquet files by chunks of events, so that files may be larger than memory.

``open_table`` gives a ``Table`` for any of the three; its chunks hold one ``Column`` per name, jagged ones padded.
"""

from __future__ import annotations

import difflib
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from l1trigger.data.objects import CLASSES, OBJECTS
from l1trigger.errors import DataError, L1TriggerError, nearest

CHUNK = 65_536
"""Events read at once."""
_LISTED = 20
_DAMAGED = "the file is damaged or truncated; copy it again"
_HDF5, _ROOT, _PARQUET = (".h5", ".hdf5", ".hdf"), (".root",), (".parquet", ".pq")


@dataclass(frozen=True)
class Column:
    """One column of a chunk.

    Attributes:
        values: (events,) or (events, ...); a jagged column is padded with zeros to its longest event.
        count: entries that each event really has.
    """

    values: NDArray[Any]
    count: NDArray[np.int64]


def padded(flat: NDArray[Any], count: NDArray[np.int64]) -> NDArray[Any]:
    """A jagged column as (events, longest), padded with zeros."""
    out = np.zeros((len(count), int(count.max(initial=0))), flat.dtype)
    out[np.arange(out.shape[1]) < count[:, None]] = flat
    return out


class Table(ABC):
    """Events of one file as named columns.

    Attributes:
        path: of the file.
        names: of all columns.
        where: what the file's columns are called in messages: dataset, branch or column.
    """

    where = "column"

    def __init__(self, path: Path) -> None:
        self.path = path
        self.names: tuple[str, ...] = ()
        self._length = 0

    def __len__(self) -> int:
        return self._length

    def events(self, names: Sequence[str]) -> int:
        """How many events some columns hold."""
        return len(self)

    @abstractmethod
    def _iterate(self, names: Sequence[str], size: int) -> Iterator[dict[str, Column]]: ...

    def chunks(self, names: Sequence[str], first: int | None = None, size: int = CHUNK) -> Iterator[dict[str, Column]]:
        """Chunks of the columns ``names``, from the start of the file.

        Args:
            names: columns to read.
            first: only so many events; None reads all.
            size: events at once.

        Raises:
            DataError: a column is missing or is not numeric, the file has no events, or is damaged.
        """
        for name in names:
            self.require(name)
        if len(self) == 0:
            raise DataError(self.path, "holds no events", "check how the file was written")
        left = len(self) if first is None else min(first, len(self))
        with damaged(self.path):
            for chunk in self._iterate(names, min(size, max(left, 1))):
                here = len(next(iter(chunk.values())).count)
                if here > left:
                    chunk = {k: Column(c.values[:left], c.count[:left]) for k, c in chunk.items()}  # noqa: PLW2901
                for name, column in chunk.items():
                    if column.values.dtype.kind not in "iufb":
                        raise DataError(
                            self.path, f"{self.where} '{name}' is not numeric (its type is {column.values.dtype})",
                            f"name another {self.where}",
                        )
                yield chunk
                left -= here
                if left <= 0:
                    return

    def require(self, name: str) -> None:
        """Checks that a column exists.

        Raises:
            DataError: it does not; lists those that do, the nearest first.
        """
        if name not in self.names:
            raise DataError(self.path, f"has no {self.where} '{name}'; {listing(name, self.names)}")


def listing(name: str, known: Sequence[str]) -> str:
    """A sentence with the known names, at most 20 of them, the nearest match first."""
    if not known:
        return "it has none."
    if len(known) <= _LISTED:
        return nearest(name, known)
    close = difflib.get_close_matches(name, known, n=_LISTED, cutoff=0.0)
    return f"{nearest(name, close)} (The nearest {_LISTED} of {len(known)}.)"


@contextmanager
def damaged(path: Path) -> Iterator[None]:
    """Turns what the libraries raise on damaged files into a ``DataError``."""
    try:
        yield
    except (L1TriggerError, MemoryError):
        raise
    except Exception as e:  # a damaged file surfaces in each library as a dozen unrelated exception types
        text = " ".join(str(e).split())[:200] or type(e).__name__
        raise DataError(path, f"cannot be read ({text})", _DAMAGED) from e


def require_file(path: Path) -> None:
    """Checks that a file is there.

    Raises:
        DataError: it is not, or is empty.
    """
    if not path.is_file():
        close = difflib.get_close_matches(path.name, [p.name for p in _siblings(path)], n=1, cutoff=0.6)
        hint = f"did you mean '{close[0]}'?" if close else "check the path"
        raise DataError(path, "is a folder, not a file" if path.is_dir() else "does not exist", hint)
    if path.stat().st_size == 0:
        raise DataError(path, "is an empty file", "copy it again")


def _siblings(path: Path) -> list[Path]:
    return list(path.parent.iterdir()) if path.parent.is_dir() else []


class Hdf5Table(Table):
    """Datasets of an HDF5 file; fields of compound datasets are ``dataset/field``."""

    where = "dataset"

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self._lengths: dict[str, int] = {}
        with damaged(path), h5py.File(path) as f:
            f.visititems(self._collect)
        self.names = tuple(self._lengths)
        self._length = max(self._lengths.values(), default=0)

    def _collect(self, name: str, item: h5py.Group | h5py.Dataset) -> None:
        if isinstance(item, h5py.Dataset) and item.shape:
            fields = [f"{name}/{field}" for field in item.dtype.names] if item.dtype.names else [name]
            self._lengths |= dict.fromkeys(fields, len(item))

    def events(self, names: Sequence[str]) -> int:
        """How many events some datasets hold; others in the file may be longer."""
        return self._lengths[names[0]]

    def empty(self, name: str) -> bool:
        """Whether a dataset has no entries."""
        return self._lengths[name] == 0

    def _iterate(self, names: Sequence[str], size: int) -> Iterator[dict[str, Column]]:
        lengths = {n: self._lengths[n] for n in names}
        if len(set(lengths.values())) > 1:
            differ = ", ".join(f"{n}: {k}" for n, k in lengths.items())
            raise DataError(self.path, f"its datasets differ in length ({differ})", "name datasets of the same events")
        total = lengths[names[0]]
        if total == 0:
            raise DataError(self.path, f"dataset '{names[0]}' holds no events", "check how the file was written")
        with h5py.File(self.path) as f:
            for start in range(0, total, size):
                yield {n: _hdf5_column(f, n, slice(start, min(start + size, total))) for n in names}


def _hdf5_column(f: h5py.File, name: str, events: slice) -> Column:
    parent, _, field = name.rpartition("/")
    values = f[name][events] if name in f else f[parent].fields(field)[events]
    if values.dtype == object and len(values) and isinstance(values[0], np.ndarray):  # variable length
        count = np.array([len(v) for v in values], np.int64)
        return Column(padded(np.concatenate([*values, np.zeros(0)]), count), count)
    return Column(values, np.full(len(values), values.shape[1] if values.ndim > 1 else 1, np.int64))


class RootTable(Table):
    """Branches of a tree in a ROOT file.

    Args:
        path: of the file.
        tree: its name; None takes the only one.
    """

    where = "branch"

    def __init__(self, path: Path, tree: str | None = None) -> None:
        super().__init__(path)
        import uproot

        with damaged(path), uproot.open(path) as f:
            if f.file.fEND > path.stat().st_size:  # the tail is not read, and its loss would go unnoticed
                raise DataError(path, "cannot be read (its end is missing)", _DAMAGED)
            trees = sorted({k.partition(";")[0] for k, v in f.classnames().items() if v in _TREES})
            if tree is None and len(trees) == 1:
                tree = trees[0]
            if tree is None or tree not in trees:
                problem = f"has no tree '{tree}'" if tree else f"holds {len(trees)} trees"
                raise DataError(path, problem, f"set the key tree to one of: {', '.join(trees) or '(there is none)'}")
            self._tree = tree
            self.names = tuple(f[tree].keys())
            self._length = int(f[tree].num_entries)

    def _iterate(self, names: Sequence[str], size: int) -> Iterator[dict[str, Column]]:
        import awkward as ak
        import uproot

        def column(name: str, array: Any) -> Column:
            if array.ndim == 1:
                values = ak.to_numpy(array)
                return Column(values, np.ones(len(values), np.int64))
            if array.ndim > 2:
                raise DataError(self.path, f"branch '{name}' has {array.ndim} dimensions", "name a plain or jagged one")
            count = np.asarray(ak.to_numpy(ak.num(array)), np.int64)
            return Column(padded(ak.to_numpy(ak.flatten(array)), count), count)

        with uproot.open(self.path) as f:
            tree = f[self._tree]
            for start in range(0, self._length, size):
                stop = min(start + size, self._length)
                yield {n: column(n, tree[n].array(entry_start=start, entry_stop=stop)) for n in names}


_TREES = ("TTree", "TNtuple", "TNtupleD", "ROOT::RNTuple", "ROOT::Experimental::RNTuple")


class ParquetTable(Table):
    """Columns of a Parquet file."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        import pyarrow.parquet as pq

        with damaged(path), pq.ParquetFile(path) as f:
            self.names = tuple(f.schema_arrow.names)
            self._length = int(f.metadata.num_rows)

    def _iterate(self, names: Sequence[str], size: int) -> Iterator[dict[str, Column]]:
        import pyarrow as pa
        import pyarrow.parquet as pq

        def column(name: str, array: Any) -> Column:
            flat = array.flatten() if pa.types.is_nested(array.type) else array
            if array.null_count or flat.null_count:
                raise DataError(self.path, f"column '{name}' has missing values (null)", "fill or drop them")
            if flat is array:
                values = array.to_numpy(zero_copy_only=False)
                return Column(values, np.ones(len(values), np.int64))
            count = np.asarray(array.value_lengths().to_numpy(zero_copy_only=False), np.int64)
            return Column(padded(flat.to_numpy(zero_copy_only=False), count), count)

        with pq.ParquetFile(self.path) as f:
            for batch in f.iter_batches(batch_size=size, columns=list(dict.fromkeys(names))):
                yield {n: column(n, batch.column(n)) for n in names}


def open_table(path: Path, tree: str | None = None) -> Table:
    """The table in a file; the suffix tells the format.

    Args:
        path: of the file.
        tree: name of the tree in a ROOT file; None takes the only one.

    Raises:
        DataError: the file is missing, damaged, or of an unknown format.
    """
    require_file(path)
    suffix = path.suffix.lower()
    openers: dict[tuple[str, ...], Callable[[], Table]] = {
        _HDF5: lambda: Hdf5Table(path), _ROOT: lambda: RootTable(path, tree), _PARQUET: lambda: ParquetTable(path),
    }
    for suffixes, opener in openers.items():
        if suffix in suffixes:
            return opener()
    known = ", ".join(s for group in openers for s in group)
    raise DataError(path, f"has the unknown suffix '{suffix}'", f"name the file by its format: {known}")


def check_values(path: Path, where: str, values: NDArray[Any], first: int = 0, *, negative: bool = True) -> None:
    """Checks one quantity before it is used.

    Args:
        path: of the file, for the message.
        where: column, and what it stands for.
        values: first axis events.
        first: number of the first event in the file.
        negative: whether values below zero are possible.

    Raises:
        DataError: a value is not finite, or is negative where it cannot be; names column and event.
    """
    checks = [(~np.isfinite(values), "not finite")] + ([] if negative else [(values < 0, "negative")])
    for bad, what in checks:
        if bad.any():
            index = tuple(int(i) for i in np.argwhere(bad)[0])
            count = int(bad.reshape(len(bad), -1).any(axis=1).sum())
            raise DataError(
                path, f"{where} is {what} ({values[index]}) in event {first + index[0]} and {count - 1} more of the "
                f"{len(bad)} events around it", "remove these events, and check what this column holds",
            )


def sort_objects(objects: NDArray[Any]) -> NDArray[Any]:
    """Objects (events, 19, 3) with each class sorted by falling pT and padded at the end."""
    out = objects.copy()
    for c in CLASSES:
        part = objects[:, c.rows]
        order = np.argsort(-part[..., 0], axis=1, kind="stable")
        out[:, c.rows] = np.take_along_axis(part, order[..., None], axis=1)
    return out


def check_sorted(path: Path, where: str, objects: NDArray[Any], first: int = 0) -> None:
    """Checks that the objects of each class stand in the order of their pT; empty places may lie between them.

    Args:
        path: of the file, for the message.
        where: column that holds them.
        objects: (events, 19, 3).
        first: number of the first event in the file.

    Raises:
        DataError: an object is harder than one before it.
    """
    for c in CLASSES:
        pt = objects[:, c.rows, 0]
        softest = np.minimum.accumulate(np.where(pt > 0, pt, np.inf), axis=1)
        wrong = pt[:, 1:] > softest[:, :-1]
        if wrong.any():
            event, row = (int(i) for i in np.argwhere(wrong)[0])
            count = int(wrong.any(axis=1).sum())
            raise DataError(
                path, f"{where} is not sorted: {c.name} {row + 1} of event {first + event} has a pT of "
                f"{pt[event, row + 1]:g}, above one before it, and so have {count - 1} more of the {len(pt)} events "
                "around it", "check that rows and features are in their places, or set data.unsorted to sort",
            )


def as_objects(path: Path, name: str, values: NDArray[Any]) -> NDArray[np.float64]:
    """A column that holds whole events, as (events, 19, 3); a fourth feature (the class) is dropped.

    Raises:
        DataError: the shape is neither (n, 19, 3), (n, 19, 4) nor (n, 57).
    """
    shape = values.shape[1:]
    if shape in ((OBJECTS, 3), (OBJECTS, 4)):
        return np.asarray(values[..., :3], np.float64)
    if shape == (OBJECTS * 3,):
        return np.asarray(values.reshape(-1, OBJECTS, 3), np.float64)
    expected = f"(n, {OBJECTS}, 4), (n, {OBJECTS}, 3) or (n, {OBJECTS * 3})"
    text = ", ".join(str(s) for s in ("n", *shape))
    raise DataError(path, f"dataset '{name}' has the shape ({text})", f"{expected} is needed")
