"""A user's own calorimeter clusters, among them the public files of GarNet (arXiv:2008.03601), by the names they have.

For example::

    data:
      source: clusters
      background: [clusters_1.h5, clusters_2.npz]
      columns: {hits: x, count: n, label: y_class, energy: y_energy}
      units: {x: 2.0, y: 2.0, layer: 1.0, energy: 0.02}

Each file holds, per cluster, hits (n, V, 4) and the true class and energy, and a count where files have one. Features
are in any order and any unit. HDF5 files are read by chunks; archives of NumPy are read array by array.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, field_validator, model_validator

from l1trigger.contracts.source import Source
from l1trigger.data import hits, readers, splits
from l1trigger.data.events import UNKNOWN, DataSet, Events
from l1trigger.data.sources.files import Background, FileOptions, Sample, paths, read_background
from l1trigger.data.sources.showers import as_dataset, power_of_two
from l1trigger.design import Design, Section
from l1trigger.errors import DataError
from l1trigger.unread import Unread

CHUNK = 4096
"""Clusters read at once."""


class ClusterColumns(Section):
    """Names of the datasets.

    Attributes:
        hits: features of each hit (n, V, 4), or (n, 4 V).
        count: hits of each cluster; left out, hits of zero energy are missing ones.
        label: class, as ``classes`` names them.
        energy: true energy.
        event_id: generator event; clusters of one file that share it never lie on both sides of a split.
    """

    hits: str = "x"
    count: str | None = None
    label: str = "label"
    energy: str = "energy"
    event_id: str | None = None

    def names(self) -> list[str]:
        """Every dataset to read."""
        return [n for n in (self.hits, self.count, self.label, self.energy, self.event_id) if n is not None]


class HitUnits(Section):
    """What the numbers of a file mean: value = number of hardware units x unit + offset.

    Attributes:
        x, y: width of a cell.
        layer: distance of two layers, in the file's unit; ignored with ``layers``.
        energy: 0.02 GeV, in the file's unit.
        x_offset, y_offset: centre of the cell in the middle of a cluster.
        layer_offset: place of the first layer.
        true_energy: 1 GeV, in the unit of the true energy.
        layers: places of all layers, where they are not equally far apart; each hit takes the nearest.
    """

    x: float = Field(1.0, gt=0)
    y: float = Field(1.0, gt=0)
    layer: float = Field(1.0, gt=0)
    energy: float = Field(1.0, gt=0)
    x_offset: float = 0.0
    y_offset: float = 0.0
    layer_offset: float = 0.0
    true_energy: float = Field(1.0, gt=0)
    layers: tuple[float, ...] | None = None

    @field_validator("layers")
    @classmethod
    def _rising(cls, value: tuple[float, ...] | None) -> tuple[float, ...] | None:
        if value is not None and not (1 <= len(value) <= hits.LAYERS and all(np.diff(value) > 0)):
            raise ValueError(f"name 1 to {hits.LAYERS} layers with rising places")
        return value


class ClusterOptions(FileOptions):
    """Options of the source ``clusters``; ``background`` and ``test_background`` hold clusters of both classes.

    Attributes:
        columns: which dataset holds what.
        features: order of the features of a hit.
        units: of the features and of the true energy.
        classes: value of the label for pions (background) and for e/gamma (signal).
        max_hits: places of a cluster, a power of two.
        too_many: what happens to a cluster with more hits: ``drop_softest``, or ``error``.
        outside: what happens to hits outside the hardware range in x, y or layer: ``error``, or ``drop``.
    """

    source: str = "clusters"
    columns: ClusterColumns = Field(default_factory=ClusterColumns)
    features: tuple[hits.Feature, ...] = hits.FEATURES
    units: HitUnits = Field(default_factory=HitUnits)
    classes: tuple[float, float] = (0.0, 1.0)
    max_hits: int = Field(hits.SLOTS, ge=1, le=hits.SLOTS)
    too_many: Literal["drop_softest", "error"] = "drop_softest"
    outside: Literal["error", "drop"] = "error"

    _power = field_validator("max_hits")(power_of_two)

    def unread(self, design: Design) -> Iterator[Unread]:
        """Settings that mean nothing with these."""
        yield from super().unread(design)
        if self.units.layers is not None:
            yield Unread("data.units.layer", "data.units.layers has the places of all layers", "leave one of them out")

    @model_validator(mode="after")
    def _complete(self) -> ClusterOptions:
        if not self.background:
            raise ValueError("name at least one file under background")
        if self.signal_files:
            raise ValueError("clusters of both classes are in the files under background; leave out signal_files")
        if sorted(self.features) != sorted(hits.FEATURES):
            raise ValueError(f"name each of the features {', '.join(hits.FEATURES)} once")
        if self.classes[0] == self.classes[1]:
            raise ValueError("the two classes need different values")
        return self


class ClusterFiles(Source[ClusterOptions]):
    """Data source: a user's own calorimeter clusters."""

    Options = ClusterOptions

    def load(self) -> DataSet:
        """The clusters, in hardware integers.

        Raises:
            DataError: a file is missing, damaged, or holds something else; or samples overlap.
            DesignError: an unknown signal is asked for.
        """
        options = self.options
        splits.require_disjoint_files(paths(options.background), paths(options.test_background))
        splits.require_different_files([*paths(options.background), *paths(options.test_background)])
        whole, ids = self._all(options.background)
        train, validation, test = splits.split(whole, ids, options.fractions)
        if options.test_background:
            test, _ = self._all(options.test_background)
            splits.require_disjoint(whole, test, paths(options.test_background)[0])
        file = paths(options.background)[0]
        train, validation = (splits.unweighted(part, file) for part in (train, validation))
        return as_dataset(file, train, validation, test, options)

    def _all(self, background: Background) -> tuple[Events, NDArray[np.uint64]]:
        """The clusters of all files, and what they are divided by."""
        options = self.options
        sample = read_background(background, lambda p: read_clusters(p, options, options.events), "clusters")
        return splits.with_ids(sample.events, sample.ids)


def read_clusters(path: Path, options: ClusterOptions, first: int | None = None, chunk: int = CHUNK) -> Sample:
    """Clusters of one file in hardware integers, and their generator events where there is a column for them.

    Args:
        path: HDF5 or NumPy (``.npz``) file.
        options: names, units, and what happens to hits that do not fit.
        first: only so many clusters from the start.
        chunk: clusters read at once.

    Raises:
        DataError: the file is missing, damaged, has no clusters, or a value cannot be; names file, event and remedy.
    """
    columns = options.columns
    inputs, labels, energies, ids = [], [], [], []
    done = 0
    for part in _chunks(path, columns.names(), first, chunk):
        inputs.append(_to_hardware(path, part, options, done))
        energies.append(_energy(path, part, options, done))
        labels.append(_label(path, part, options, done))
        if columns.event_id:
            event_id = _one_each(path, columns.event_id, part[columns.event_id])
            if event_id.dtype.kind not in "iu":
                problem = f"event id in '{columns.event_id}' is not an integer (it is {event_id.dtype})"
                raise DataError(path, problem, "name an integer column")
            ids.append(event_id.astype(np.int64))
        done += len(inputs[-1])
    card = {"file": path.name, **options.model_dump(mode="json", include={"columns", "features", "units", "classes"})}
    unknown = np.full(done, UNKNOWN)
    events = Events(
        path.stem, np.concatenate(inputs), np.full(done, 1 / done), unknown.astype(np.int16),
        unknown.astype(np.int32), card, {"energy": np.concatenate(energies), "label": np.concatenate(labels)},
    )
    return Sample.part(events, np.concatenate(ids) if ids else None, done, _length(path, columns.names()))


def _length(path: Path, names: list[str]) -> int:
    """Clusters in a whole file."""
    if path.suffix.lower() != ".npz":
        return readers.open_table(path).events(names)
    with path.open("rb") as file, np.load(file) as z:
        return len(z[names[0]])


def _chunks(path: Path, names: list[str], first: int | None, size: int) -> Iterator[dict[str, NDArray[Any]]]:
    """Chunks of some arrays of an HDF5 or NumPy file."""
    if path.suffix.lower() != ".npz":
        for chunk in readers.open_table(path).chunks(names, first, size):
            yield {name: column.values for name, column in chunk.items()}
        return
    readers.require_file(path)
    with readers.damaged(path), path.open("rb") as file, np.load(file) as z:
        for name in names:
            if name not in z.files:
                raise DataError(path, f"has no array '{name}'; {readers.listing(name, z.files)}")
        arrays = {name: z[name] for name in names}
    lengths = {name: len(a) if a.ndim else 0 for name, a in arrays.items()}
    if len(set(lengths.values())) > 1:
        differ = ", ".join(f"{n}: {k}" for n, k in lengths.items())
        raise DataError(path, f"its arrays differ in length ({differ})", "name arrays of the same clusters")
    total = min(lengths[names[0]], first or lengths[names[0]])
    if total == 0:
        raise DataError(path, "holds no events", "check how the file was written")
    for start in range(0, total, size):
        yield {name: a[start : min(start + size, total)] for name, a in arrays.items()}


def _to_hardware(path: Path, part: dict[str, NDArray[Any]], options: ClusterOptions, first: int) -> hits.Hits:
    """Hits of a chunk, checked, in hardware integers and sorted."""
    name = options.columns.hits
    values = _hits(path, name, part[name])
    ordered = [values[..., options.features.index(f)] for f in hits.FEATURES]
    for feature, column in zip(hits.FEATURES, ordered, strict=True):
        readers.check_values(path, f"{feature} of hits in '{name}'", column, first, negative=feature != "energy")
    x, y, layer, energy = ordered
    if options.columns.count:
        _check_count(path, options.columns.count, part[options.columns.count], energy, first)
    u = options.units
    whole = np.stack([
        np.rint((x - u.x_offset) / u.x), np.rint((y - u.y_offset) / u.y), _layers(layer, u),
        np.minimum(np.rint(energy / u.energy), hits.MAX_ENERGY),
    ], axis=2)
    there = whole[..., 3] > 0
    outside = there & ((np.abs(whole[..., :2]) > hits.MAX_XY).any(axis=2) | _no_layer(whole[..., 2]))
    if options.outside == "error":
        _refuse_outside(path, name, outside, whole, first)
    there &= ~outside
    count = there.sum(axis=1)
    if options.too_many == "error" and (count > options.max_hits).any():
        event = int(np.argmax(count > options.max_hits))
        raise DataError(
            path, f"event {first + event} has {count[event]} hits, more than max_hits = {options.max_hits}",
            "set data.too_many to drop_softest, or leave out such events",
        )
    return hits.pad(hits.Ragged(count, whole[there].astype(np.int16)), options.max_hits)


def _hits(path: Path, name: str, values: NDArray[Any]) -> NDArray[np.float64]:
    features = len(hits.FEATURES)
    if values.ndim == 2 and values.shape[1] and values.shape[1] % features == 0:
        values = values.reshape(len(values), -1, features)
    if values.ndim != 3 or values.shape[2] != features:
        shape = ", ".join(str(s) for s in ("n", *values.shape[1:]))
        raise DataError(path, f"dataset '{name}' has the shape ({shape})", "(n, hits, 4) or (n, 4 x hits) is needed")
    return values.astype(np.float64)


def _check_count(path: Path, name: str, column: NDArray[Any], energy: NDArray[np.float64], first: int) -> None:
    """Refuses counts that are not the number of hits with energy, all of them at the front."""
    count = _one_each(path, name, column)
    readers.check_values(path, f"count of hits in '{name}'", count, first, negative=False)
    there = energy > 0
    wrong = (there != (np.arange(energy.shape[1]) < count[:, None])).any(axis=1) | (count > energy.shape[1])
    if wrong.any():
        event = int(np.argmax(wrong))
        raise DataError(
            path, f"count of hits in '{name}' is {count[event]:g} in event {first + event}, but hits with energy are "
            f"{_positions(there[event])}", "check which dataset holds the counts, or leave out data.columns.count: "
            "hits of zero energy are then the missing ones",
        )


def _positions(there: NDArray[np.bool_]) -> str:
    """How many hits there are, and where the last one is."""
    total = int(there.sum())
    if total == 0:
        return "none"
    last = int(np.flatnonzero(there)[-1])
    return f"{total} of the first {last + 1}" if last + 1 != total else f"the first {total}"


def _layers(place: NDArray[np.float64], units: HitUnits) -> NDArray[np.float64]:
    if units.layers is None:
        return np.asarray(np.rint((place - units.layer_offset) / units.layer))
    at = np.array(units.layers) + units.layer_offset
    middle = (at[1:] + at[:-1]) / 2
    return np.asarray(np.searchsorted(middle, place), np.float64)


def _no_layer(layer: NDArray[np.float64]) -> NDArray[np.bool_]:
    return np.asarray((layer < 0) | (layer >= hits.LAYERS))


def _refuse_outside(
    path: Path, name: str, outside: NDArray[np.bool_], whole: NDArray[np.float64], first: int
) -> None:
    if outside.any():
        event, hit = (int(i) for i in np.argwhere(outside)[0])
        x, y, layer = (int(v) for v in whole[event, hit, :3])
        raise DataError(
            path, f"hit {hit} of event {first + event} in '{name}' is at x = {x}, y = {y}, layer {layer} in hardware "
            f"units; x and y go to {hits.MAX_XY} on both sides, layers from 0 to {hits.LAYERS - 1}",
            "check data.units and data.features, or set data.outside to drop",
        )


def _energy(path: Path, part: dict[str, NDArray[Any]], options: ClusterOptions, first: int) -> NDArray[np.float64]:
    """True energies [GeV]."""
    name = options.columns.energy
    energy = _one_each(path, name, part[name]).astype(np.float64)
    readers.check_values(path, f"true energy in '{name}'", energy, first, negative=False)
    if (energy == 0).any():
        event = int(np.argmin(energy != 0))
        raise DataError(
            path, f"true energy in '{name}' is zero in event {first + event}, and a response to it has no meaning",
            "remove such events, or name another dataset under data.columns.energy",
        )
    return np.asarray(energy / options.units.true_energy)


def _label(path: Path, part: dict[str, NDArray[Any]], options: ClusterOptions, first: int) -> NDArray[np.float64]:
    """1 for e/gamma, 0 for pions."""
    name = options.columns.label
    label = _one_each(path, name, part[name]).astype(np.float64)
    background, signal = options.classes
    wrong = (label != background) & (label != signal)
    if wrong.any():
        event = int(np.argmax(wrong))
        raise DataError(
            path, f"class in '{name}' is {label[event]:g} in event {first + event}, neither {background:g} (pion) nor "
            f"{signal:g} (e/gamma)", "set data.classes, or name another dataset under data.columns.label",
        )
    return np.asarray(label == signal, np.float64)


def _one_each(path: Path, name: str, values: NDArray[Any]) -> NDArray[Any]:
    """A dataset with one number per cluster; (n, 1) is taken too."""
    flat = values[:, 0] if values.ndim == 2 and values.shape[1] == 1 else values
    if flat.ndim != 1:
        raise DataError(path, f"dataset '{name}' has more than one number per event", "name another one")
    return flat
