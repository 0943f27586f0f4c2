"""Columns of HDF5, ROOT and Parquet files by chunks of events, so that files may be larger than memory.

``open_table`` gives a ``Table`` for any of the three; its chunks hold one ``Column`` per name, jagged ones padded.
"""

from __future__ import annotations

import difflib
import re
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

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

    def __contains__(self, name: str) -> bool:
        return name in self.names

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
        picked = {name: place for name in names if (place := self._pick(name)) is not None}
        wanted = list(dict.fromkeys(picked[n][0] if n in picked else n for n in names))
        for name in wanted:
            self.require(name)
        if len(self) == 0:
            raise DataError(self.path, "holds no events", "check how the file was written")
        left = len(self) if first is None else min(first, len(self))
        done = 0
        with damaged(self.path):
            for chunk in self._iterate(wanted, min(size, max(left, 1))):
                here = len(next(iter(chunk.values())).count)
                if here > left:
                    chunk = {k: Column(c.values[:left], c.count[:left]) for k, c in chunk.items()}  # noqa: PLW2901
                for name, column in chunk.items():
                    if column.values.dtype.kind not in "iufb":
                        raise DataError(
                            self.path, f"{self.where} '{name}' is not numeric (its type is {column.values.dtype})",
                            f"name another {self.where}",
                        )
                yield chunk | {n: self._entry(n, chunk[column], k, done) for n, (column, k) in picked.items()}
                left -= here
                done += here
                if left <= 0:
                    return

    def _pick(self, name: str) -> tuple[str, int] | None:
        """Column and place of a name such as ``weights[0]``, which stands for one entry of each event."""
        match = re.fullmatch(r"(.+)\[(\d+)\]", name)
        return None if match is None or name in self else (match[1], int(match[2]))

    def _entry(self, name: str, column: Column, place: int, first: int) -> Column:
        """One entry of each event."""
        short = column.count <= place
        if column.values.ndim != 2 or short.any():
            event = int(np.argmax(short))
            raise DataError(
                self.path, f"{self.where} '{name}' is not there: event {first + event} has {column.count[event]} "
                "entries", f"name a {self.where} and a place that every event has",
            )
        return Column(column.values[:, place], np.ones(len(column.count), np.int64))

    def require(self, name: str) -> None:
        """Checks that a column exists.

        Raises:
            DataError: it does not; lists those that do, the nearest first.
        """
        if name not in self:
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
    """Branches of a tree in a ROOT file, or of several trees with the same events in the same order.

    Args:
        path: of the file.
        tree: its name, or those of several, whose branches are all there; one that more than one tree has is
            ``TREE:BRANCH``. None takes the only tree. A branch inside another may be named without it.
    """

    where = "branch"

    def __init__(self, path: Path, tree: str | Sequence[str] | None = None) -> None:
        super().__init__(path)
        import uproot

        with damaged(path), uproot.open(path) as f:
            if f.file.fEND > path.stat().st_size:  # the tail is not read, and its loss would go unnoticed
                raise DataError(path, "cannot be read (its end is missing)", _DAMAGED)
            known = sorted({k.partition(";")[0] for k, v in f.classnames().items() if v in _TREES})
            trees = self._chosen((tree,) if isinstance(tree, str) else tuple(tree or ()), known)
            lengths = {t: int(f[t].num_entries) for t in trees}
            if len(set(lengths.values())) > 1:
                differ = ", ".join(f"{t}: {n}" for t, n in lengths.items())
                raise DataError(path, f"its trees differ in length ({differ})", "name trees of the same events")
            self._places = {f"{t}:{b}": (t, b) for t in trees for b in f[t].keys()}  # noqa: SIM118 (no mapping)
            self._places |= _in_one_tree(self._places.values())
            self.names = tuple(n for n, (t, b) in self._places.items() if n == b or b not in self._places)
            self._places = _without_parents(self._places) | self._places
            self._length = lengths[trees[0]]

    def _chosen(self, wanted: tuple[str, ...], known: Sequence[str]) -> tuple[str, ...]:
        """The trees to read."""
        if not wanted and len(known) == 1:
            return tuple(known)
        absent = [t for t in wanted if t not in known]
        if absent or not wanted:
            problem = f"has no tree '{absent[0]}'" if absent else f"holds {len(known)} trees"
            raise DataError(
                self.path, problem, f"set the key tree to one of: {', '.join(known) or '(there is none)'}"
            )
        return wanted

    def __contains__(self, name: str) -> bool:
        return name in self._places

    def require(self, name: str) -> None:
        """See ``Table``; says which trees have a branch that is not the only one of its name."""
        several = [f"{t}:{b}" for t, b in dict.fromkeys(self._places.values()) if b == name]
        if name not in self and several:
            raise DataError(self.path, f"has the branch '{name}' in {len(several)} trees", f"name {several[0]}")
        if name not in self:
            super().require(name)

    def _iterate(self, names: Sequence[str], size: int) -> Iterator[dict[str, Column]]:
        import uproot

        with uproot.open(self.path) as f:
            branches = {n: f[tree][branch] for n, (tree, branch) in ((n, self._places[n]) for n in names)}
            for name, branch in branches.items():
                self._require_numbers(name, branch)
            for start in range(0, self._length, size):
                stop = min(start + size, self._length)
                yield {n: self._column(n, b.array(entry_start=start, entry_stop=stop)) for n, b in branches.items()}

    def _require_numbers(self, name: str, branch: Any) -> None:
        """Refuses branches of C++ objects, which no array of numbers stands for."""
        from uproot.interpretation import jagged, numerical

        plain = (numerical.AsDtype, jagged.AsJagged)
        if hasattr(branch, "interpretation") and not isinstance(branch.interpretation, plain):
            inside = [k for k in self.names if k.startswith(f"{name}/")]
            raise DataError(
                self.path, f"branch '{name}' is not numeric (its C++ type is {branch.typename})",
                f"name one of its members: {', '.join(inside[:_LISTED])}" if inside else "name another branch",
            )

    def _column(self, name: str, array: Any) -> Column:
        """One branch of a chunk."""
        import awkward as ak

        if array.ndim > 2:
            raise DataError(self.path, f"branch '{name}' has {array.ndim} dimensions", "name a plain or jagged one")
        if any(ak.any(ak.is_none(array, axis=axis), axis=None) for axis in range(array.ndim)):
            raise DataError(self.path, f"branch '{name}' has missing values (null)", "fill or drop them")
        if array.ndim == 1:
            values = ak.to_numpy(ak.drop_none(array))
            return Column(values, np.ones(len(values), np.int64))
        count = np.asarray(ak.to_numpy(ak.num(array)), np.int64)
        return Column(padded(ak.to_numpy(ak.drop_none(ak.flatten(array))), count), count)


def _in_one_tree(places: Iterable[tuple[str, str]]) -> dict[str, tuple[str, str]]:
    """Branches that only one tree has, by their names alone."""
    times = Counter(branch for _, branch in places)
    return {branch: (tree, branch) for tree, branch in places if times[branch] == 1}


_TREES = ("TTree", "TNtuple", "TNtupleD", "ROOT::RNTuple", "ROOT::Experimental::RNTuple")


def _without_parents(places: Mapping[str, tuple[str, str]]) -> dict[str, tuple[str, str]]:
    """Branches whose last name no other has, by that name."""
    last = {place: place[1].rpartition("/")[2] for place in places.values()}
    times = Counter(last.values())
    return {name: place for place, name in last.items() if times[name] == 1}


class ParquetTable(Table):
    """Columns of a Parquet file; members of records, as awkward-array writes them, are ``column.member``."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        import pyarrow.parquet as pq

        with damaged(path), pq.ParquetFile(path) as f:
            self._places = {n: place for field in f.schema_arrow for n, place in _members(field).items()}
            self.names = tuple(self._places)
            self._length = int(f.metadata.num_rows)

    def _iterate(self, names: Sequence[str], size: int) -> Iterator[dict[str, Column]]:
        import pyarrow.parquet as pq

        whole = list(dict.fromkeys(self._places[n][0] for n in names))
        with pq.ParquetFile(self.path) as f:
            for batch in f.iter_batches(batch_size=size, columns=whole):
                yield {n: self._column(n, batch.column(self._places[n][0])) for n in names}

    def _column(self, name: str, array: Any) -> Column:
        """One column of a chunk."""
        import pyarrow as pa
        import pyarrow.compute as pc

        listed, member = _is_list(array.type), self._places[name][1]
        flat = array.flatten() if listed else array
        values = pc.struct_field(flat, member) if member else flat
        if array.null_count or flat.null_count or values.null_count:
            raise DataError(self.path, f"column '{name}' has missing values (null)", "fill or drop them")
        if pa.types.is_nested(values.type):
            raise DataError(self.path, f"column '{name}' is nested (its type is {array.type})", "name a plain one")
        numbers = values.to_numpy(zero_copy_only=False)
        if not listed:
            return Column(numbers, np.ones(len(numbers), np.int64))
        count = np.asarray(array.value_lengths().to_numpy(zero_copy_only=False), np.int64)
        return Column(padded(numbers, count), count)


def _is_list(kind: Any) -> bool:
    import pyarrow as pa

    return bool(pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind))


def _members(field: Any) -> dict[str, tuple[str, str | None]]:
    """Names of a field of a Parquet file, each with the field and the member of its records."""
    import pyarrow as pa

    inner = field.type.value_type if _is_list(field.type) else field.type
    if not pa.types.is_struct(inner):
        return {field.name: (field.name, None)}
    return {f"{field.name}.{member.name}".lstrip("."): (field.name, member.name) for member in inner}


def open_table(path: Path, tree: str | Sequence[str] | None = None) -> Table:
    """The table in a file; the suffix tells the format.

    Args:
        path: of the file.
        tree: name of the tree in a ROOT file, or of several; None takes the only one.

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


def check_values(
    path: Path, where: str, values: NDArray[Any], first: int = 0, *, negative: bool = True,
    remedy: str = "remove these events, and check what this column holds",
) -> None:
    """Checks one quantity before it is used.

    Args:
        path: of the file, for the message.
        where: column, and what it stands for.
        values: first axis events.
        first: number of the first event in the file.
        negative: whether values below zero are possible.
        remedy: what mends it.

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
                f"{len(bad)} events around it", remedy,
            )
