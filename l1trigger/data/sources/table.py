"""A user's own events from HDF5, ROOT or Parquet files, with the columns named in the design file.

For example::

    data:
      source: table
      background: [minbias_1.root, minbias_2.root]
      test_background: minbias_3.root
      signal_files: {VBF: vbf.root}
      tree: l1/objects
      columns:
        met: {pt: met, phi: met_phi}
        egamma: {pt: eg_pt, eta: eg_eta, phi: eg_phi}
        muon: {pt: mu_pt, eta: mu_eta, phi: mu_phi}
        jet: {pt: jet_pt, eta: jet_eta, phi: jet_phi}
        event_id: event
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import field_validator, model_validator

from l1trigger.data import object_values, readers, splits
from l1trigger.data.events import UNKNOWN, Events
from l1trigger.data.objects import (
    CLASSES,
    FEATURES,
    OBJECTS,
    ObjectClass,
    Objects,
    class_of_row,
    maximum_table,
    to_hardware,
)
from l1trigger.data.sources.files import FileSource, OwnFileOptions, Sample, one_or_more, paths
from l1trigger.data.sources.object_columns import ObjectColumns, ObjectReader, ObjectUnits, crossing_column
from l1trigger.design import Design, Section
from l1trigger.errors import DataError
from l1trigger.unread import Unread

Units = Literal["physical", "hardware"] | ObjectUnits

_SENTINELS = (-99.0, -999.0, -9999.0, float(np.finfo(np.float32).max))
"""What is written in place of a weight, or of the number of an event, that is not known."""


class Columns(Section):
    """Which column holds what; classes that are left out have no objects.

    Attributes:
        met, egamma, muon, jet: columns of each class of objects.
        objects: one column with whole events in their place: (n, 19, 3), (n, 19, 4) or (n, 57).
        weight: weight of each event, of either sign; its unit is that of all files.
        event_id: column or columns (run, luminosity section and event, say) with the number of the generator event.
            Events of one file that share it are one generator event: they never lie on both sides of a split, and
            errors take them together. The same number in another file is another generator event.
    """

    met: ObjectColumns | None = None
    egamma: ObjectColumns | None = None
    muon: ObjectColumns | None = None
    jet: ObjectColumns | None = None
    objects: str | None = None
    weight: str | None = None
    event_id: tuple[str, ...] = ()

    _wrapped = field_validator("event_id", mode="before")(one_or_more)

    @model_validator(mode="after")
    def _complete(self) -> Columns:
        given = self.classes()
        if bool(given) == (self.objects is not None):
            raise ValueError("name either columns of met, egamma, muon or jet, or one column objects with whole events")
        for kind, columns in given:
            longitudinal = "pz" if columns.cartesian else "eta"
            if getattr(columns, longitudinal) is None and kind.name != "met":
                raise ValueError(f"name the column {kind.name}.{longitudinal}")
        return self

    def classes(self) -> list[tuple[ObjectClass, ObjectColumns]]:
        """The classes that have columns."""
        named = ((c, getattr(self, c.name)) for c in CLASSES)
        return [(c, columns) for c, columns in named if columns is not None]

    def names(self) -> list[str]:
        """Every column to read, once."""
        wanted = [self.objects, self.weight, *self.event_id, *(n for _, c in self.classes() for n in c.names())]
        return list(dict.fromkeys(n for n in wanted if n is not None))


class TableOptions(OwnFileOptions):
    """Options of the source ``table``.

    Attributes:
        columns: which column holds what.
        tree: name of the tree in ROOT files, or of several that hold the same events in the same order; a branch that
            more than one of them has is ``TREE:BRANCH``. None takes the only tree.
        units: physical (GeV, radians), hardware (integers in the units of ``l1trigger.data.objects``), or what pT and
            phi are given in: ``{pt: MeV, phi: degrees}``.
        missing: values, such as -99, -999 and nan, that stand for no object where pT (or px) should be.
        unsorted: what to do with whole events (``columns.objects``) that are not sorted by falling pT within each
            class: ``sort`` sorts them, None refuses the file. Columns of one class are sorted anyhow.
    """

    source: str = "table"
    columns: Columns
    tree: tuple[str, ...] = ()
    units: Units = "physical"
    missing: tuple[float | Literal["nan"], ...] = ()
    unsorted: Literal["sort"] | None = None

    _listed = field_validator("tree", "missing", mode="before")(one_or_more)

    def unread(self, design: Design) -> Iterator[Unread]:
        """Settings that mean nothing with these."""
        yield from super().unread(design)
        if not self.columns.objects:
            yield Unread("data.unsorted", "objects of each class are sorted anyhow", "leave it out")
        files = (*paths(self.background), *paths(self.test_background), *self.signal_files.values())
        if not any(f.suffix.lower() == ".root" for f in files):
            yield Unread("data.tree", "no file is a ROOT file, and others have no trees", "leave it out")


class Table(FileSource[TableOptions]):
    """Data source: a user's own files."""

    Options = TableOptions

    def read(self, path: Path, first: int | None) -> Sample:
        """Events of one file; raises as ``read_events`` does."""
        options = self.options
        return read_events(
            path, options.columns, first, units=options.units, tree=options.tree, missing=options.missing,
            sort=options.unsorted is not None,
        )


def read_events(
    path: Path, columns: Columns, first: int | None = None, *, units: Units = "physical",
    tree: Sequence[str] = (), missing: Sequence[float | str] = (), sort: bool = False,
) -> Sample:
    """Events of one file in hardware integers, and their generator events where there is a column for them.

    Args:
        path: of the file.
        columns: which column holds what.
        first: only so many events from the start.
        units: of the columns.
        tree: name of the tree in a ROOT file, or of several.
        missing: values that stand for no object.
        sort: whether whole events may come in any order.

    Raises:
        DataError: the file is missing, damaged, has no events, or a column is missing or holds something else.
    """
    table = readers.open_table(path, tree)
    in_file = {"physical": ObjectUnits(), "hardware": None}[units] if isinstance(units, str) else units
    reader = ObjectReader(table, in_file, tuple(float(m) for m in missing))
    inputs, weights, ids = [], [], []
    done = 0
    wanted = [*columns.names(), *_crossings(table, columns)]
    for part in table.chunks(wanted, first, readers.CHUNK):
        objects = _objects(reader, columns, part, done, sort)
        inputs.append(_whole(path, objects, done) if in_file is None else to_hardware(objects))
        if columns.weight:
            weights.append(_weight(reader, columns.weight, part[columns.weight], done))
        if columns.event_id:
            ids.append(splits.one_id([_event_id(reader, name, part[name], done) for name in columns.event_id]))
        done += len(objects)
    weight = np.concatenate(weights) if weights else np.ones(done)
    if not weight.any():
        raise DataError(path, f"all weights in {table.where} '{columns.weight}' are zero", "name another column")
    # A file may hold nothing but negative weights, to be subtracted from those of another.
    total = float(weight.sum()) if weight.sum() > 0 else float(np.abs(weight).sum())
    card = {
        "file": path.name, "units": "hardware" if in_file is None else in_file.model_dump(),
        "columns": columns.model_dump(mode="json", exclude_defaults=True),
    }
    events = Events(
        path.stem, np.concatenate(inputs), weight / total, np.full(done, UNKNOWN, np.int16),
        np.full(done, UNKNOWN, np.int32), card,
    )
    return Sample(events, np.concatenate(ids) if ids else None, total * table.events(columns.names()) / done)


def _objects(
    reader: ObjectReader, columns: Columns, part: dict[str, readers.Column], first: int, sort: bool
) -> NDArray[np.float64]:
    """Objects (events, 19, 3) of a chunk, checked and sorted, in GeV and radians or in hardware integers."""
    if columns.objects:
        return _whole_events(reader, columns.objects, part, first, sort)
    events = len(next(iter(part.values())).count)
    objects = np.zeros((events, OBJECTS, len(FEATURES)))
    for kind, names in columns.classes():
        mine = reader.objects(kind, names, part, first)[:, : kind.count]
        objects[:, kind.first : kind.first + mine.shape[1]] = mine
    return objects


def _whole_events(
    reader: ObjectReader, name: str, part: dict[str, readers.Column], first: int, sort: bool
) -> NDArray[np.float64]:
    """Objects of one column with whole events."""
    path, where = reader.table.path, f"{reader.table.where} '{name}'"
    objects = object_values.as_objects(path, name, part[name].values)
    objects[reader.absent(objects[..., 0])] = 0
    readers.check_values(path, f"pT in {where}", objects[..., 0], first, negative=False)
    readers.check_values(path, f"eta or phi in {where}", objects[..., 1:], first)
    if reader.units is not None:
        objects *= reader.units.factors
        object_values.check_physical(path, [f"{f} in {where}" for f in FEATURES], objects, first)
    if not sort:
        object_values.check_sorted(path, where, objects, first)
    return object_values.sort_objects(objects)


def _crossings(table: readers.Table, columns: Columns) -> list[str]:
    """Columns with bunch crossings that no condition asks for."""
    return [name for _, c in columns.classes() if (name := crossing_column(c, table)) is not None]


def _weight(reader: ObjectReader, name: str, column: readers.Column, first: int) -> NDArray[np.float64]:
    """A column of weights."""
    weight = _scalar(reader.table, name, column)
    where = f"weight in {reader.table.where} '{name}'"
    _require_meaning(reader, where, weight, first)
    readers.check_values(reader.table.path, where, weight, first)
    return weight.astype(np.float64)


def _event_id(reader: ObjectReader, name: str, column: readers.Column, first: int) -> NDArray[np.int64]:
    """A column of numbers of events."""
    event_id = _scalar(reader.table, name, column)
    where = f"event id in {reader.table.where} '{name}'"
    if event_id.dtype.kind not in "iu":
        problem = f"{where} is not an integer (it is {event_id.dtype})"
        raise DataError(reader.table.path, problem, "name an integer column")
    _require_meaning(reader, where, event_id, first)
    return event_id.astype(np.int64)


def _require_meaning(reader: ObjectReader, where: str, values: NDArray[Any], first: int) -> None:
    """Refuses what stands for nothing where every event needs a value."""
    nothing = replace(reader, missing=(*reader.missing, *_SENTINELS)).absent(values)
    if nothing.any():
        event = int(np.argmax(nothing))
        raise DataError(
            reader.table.path, f"{where} is {values[event]:g} in event {first + event}, which stands for no value, and "
            f"so are {int(nothing.sum()) - 1} more of the {len(values)} around it", "drop these events, or fill them",
        )


def _whole(path: Path, objects: NDArray[np.float64], first: int) -> Objects:
    """Hardware integers that the file holds already."""
    objects = np.where(objects[..., :1] > 0, objects, 0.0)
    wrong = (objects != np.rint(objects)) | (np.abs(objects) > maximum_table())
    if wrong.any():
        event, row, feature = (int(i) for i in np.argwhere(wrong)[0])
        kind = class_of_row()[row]
        raise DataError(
            path, f"{FEATURES[feature]} of {kind.name} {row - kind.first} in event {first + event} is "
            f"{objects[event, row, feature]:g}; hardware units are whole numbers up to {kind.maximum[feature]}, "
            "angles signed", "set data.units to physical, or convert the file",
        )
    return objects.astype(np.int16)


def _scalar(table: readers.Table, name: str, column: readers.Column) -> NDArray[Any]:
    """A column with one number per event."""
    if column.values.ndim != 1:
        raise DataError(table.path, f"{table.where} '{name}' has more than one number per event", "name another one")
    return column.values
