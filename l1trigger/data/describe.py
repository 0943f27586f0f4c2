"""What is in an event file: a summary in plain values, and a picture of its distributions.

Any file that the package reads: its own samples, the layouts of ADC2021, CICADA, level-1 ntuples and SVHN, and tables
in HDF5, ROOT or Parquet (as trigger objects when the columns are named, otherwise column by column).
"""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from l1trigger.data import hits, readers, splits
from l1trigger.data.adc2021 import KEY
from l1trigger.data.description import REGION_LSB, Description
from l1trigger.data.events import FORMAT, Events, load_events
from l1trigger.data.image_summary import image_summary
from l1trigger.data.objects import CLASSES, OBJECTS, to_physical
from l1trigger.data.showers import packed
from l1trigger.data.showers.cluster_summary import cluster_summary
from l1trigger.data.sources import adc2021, cicada, digits, l1ntuple, svhn, table
from l1trigger.errors import DataError

FIRST = 200_000
"""Events that are read of a file that can be larger than memory."""
_IMAGE = 4
"""Axes of a sample of images: event, two in space, channel."""


def describe(
    path: Path, first: int | None = FIRST, columns: table.Columns | None = None, tree: str | None = None
) -> Description:
    """The description of a file.

    Args:
        path: of the file.
        first: how many events to read of public files and tables; samples of the package are read whole, since
            their events are ordered.
        columns: which column of a table holds what.
        tree: name of the tree in a ROOT file.

    Raises:
        DataError: the file is missing, damaged, of an unknown format or has no events.
    """
    readers.require_file(path)
    if columns is not None:
        events = table.read_events(path, columns, first, tree=(tree,) if tree else (), sort=True).events
        return _of_events(path, "table", len(readers.open_table(path, tree)), objects=events)
    kind, layouts = _kind(path)
    if kind == packed.FORMAT:
        packed_clusters = packed.load(path)
        if len(packed_clusters) == 0:
            raise DataError(path, "holds no events to describe", "make or copy it again")
        return _of_events(path, kind, len(packed_clusters), clusters=packed_clusters)
    if kind == FORMAT:
        parts = {name: _without_features(load_events(path, layout=name)) for name in layouts}
        images = next((e for e in parts.values() if e.inputs.ndim == _IMAGE), None)
        flat = [e for e in parts.values() if e.inputs.ndim == 3]
        objects = next((e for e in flat if e.inputs.shape[1:] == (OBJECTS, 3)), None)
        clusters = next((e for e in flat if e.inputs.shape[2] == len(hits.FEATURES)), None)
        regions = next((e for e in flat if e is not objects and e is not clusters), None)
        some = objects or regions or clusters or images
        if some is None or len(some) == 0:
            raise DataError(path, f"holds no events to describe (datasets {', '.join(layouts) or 'none'})")
        return _of_events(path, kind, len(some), objects, regions, clusters, images)
    if kind == "ADC2021":
        sample = adc2021.read_events(path, layouts[0], first, sort=True)
        with readers.damaged(path), h5py.File(path) as f:
            total = len(f[layouts[0]])
        return _of_events(path, kind, total, splits.with_ids(sample.events, sample.ids)[0])
    description = _foreign_images(path, kind, first, tree)
    return _of_columns(path, first, tree) if description is None else description


def _without_features(events: Events) -> Events:
    """Events whose pixels are an image again, where the card says that one vector holds image and features."""
    shape = events.card.get("images", {}).get("shape")
    if events.inputs.ndim != 2 or shape is None:
        return events
    return replace(events, inputs=events.inputs[:, : int(np.prod(shape))].reshape(-1, *shape))


def _foreign_images(path: Path, kind: str, first: int | None, tree: str | None) -> Description | None:
    """The description of images in a public layout."""
    if kind == "SVHN":
        images = svhn.load_images(path, first)
        return _of_events(path, kind, images.total, images=svhn.as_events([images], [path], digits.NAMES))
    if kind == "CICADA":
        events = cicada.read_events(path, first, flag=None).events
        return _of_events(path, kind, len(readers.Hdf5Table(path)), regions=events)
    if kind == "table" and l1ntuple.has_towers(path, tree):
        towers = tree or l1ntuple.EMULATED
        events = l1ntuple.read_events(path, first, towers).events
        return _of_events(path, "L1Ntuple", len(readers.RootTable(path, towers)), regions=events)
    return None


def _kind(path: Path) -> tuple[str, tuple[str, ...]]:
    """Format of a file, and which of its datasets hold events."""
    if path.suffix.lower() == svhn.SUFFIX or not h5py.is_hdf5(path):
        return ("SVHN" if path.suffix.lower() == svhn.SUFFIX else "table"), ()
    with readers.damaged(path), h5py.File(path) as f:
        if f.attrs.get("format") == FORMAT:
            return FORMAT, tuple(n for n, d in f.items() if getattr(d, "ndim", 0) >= 2)
        if f.attrs.get("format") == packed.FORMAT:
            return packed.FORMAT, ()
        for key in (KEY, adc2021.DERIVED_SIGNAL, *adc2021.DERIVED_SPLITS):
            if key in f and f[key].shape[1:] in ((OBJECTS, 4), (OBJECTS, 3), (OBJECTS * 3,)):
                return "ADC2021", (key,)
        return ("CICADA" if cicada.REGIONS in f else "table"), ()


def _of_events(
    path: Path, kind: str, total: int, objects: Events | None = None, regions: Events | None = None,
    clusters: Events | None = None, images: Events | None = None,
) -> Description:
    some = objects or regions or clusters or images
    assert some is not None
    summary: dict[str, Any] = {"file": path.name, "format": kind, "sample": some.name, "events": total}
    if len(some) != total:
        summary["events read"] = len(some)
    summary |= _weights(some)
    if objects is not None:
        summary["objects"] = _object_summary(objects)
    if regions is not None:
        summary["regions"] = _region_summary(regions)
    if clusters is not None:
        summary |= cluster_summary(clusters)
    if images is not None:
        summary |= image_summary(images)
    summary["card"] = dict(some.card)
    return Description(path, summary, objects, regions, clusters, images)


def _weights(e: Events) -> dict[str, Any]:
    """How much the events are worth statistically."""
    out: dict[str, Any] = {"weights": "equal"}
    if not e.equally_weighted:
        low, high = (float(f"{w:.3g}") for w in (e.weight.min(), e.weight.max()))
        out = {"weights": f"{low} to {high}", "effective events": round(1 / float((e.weight**2).sum()))}
    blocks = np.unique(e.block)
    out["blocks"] = "unknown" if blocks[0] < 0 else len(blocks)
    known = bool((e.row >= 0).all())
    out["distinct rows"] = splits.independent(e) if known else "unknown"  # pool rows or generator events
    return out


def _mean(values: NDArray[Any], weight: NDArray[np.float64]) -> float:
    total = float(weight.sum())
    return round(float((values * weight).sum() / total), 3) if total > 0 else 0.0


def _object_summary(e: Events) -> dict[str, dict[str, float]]:
    """Multiplicity and pT of each class, weighted."""
    pt = to_physical(e.inputs)[..., 0]
    out = {}
    for c in CLASSES:
        mine = pt[:, c.rows]
        used = mine > 0
        out[c.name] = {
            "mean multiplicity": _mean(used.sum(axis=1).astype(np.float64), e.weight),
            "share of events": _mean(np.asarray(used.any(axis=1)), e.weight),
            "mean pT [GeV]": _mean(mine[used], np.broadcast_to(e.weight[:, None], mine.shape)[used]),
            "mean leading pT [GeV]": _mean(mine[used.any(axis=1), 0], e.weight[used.any(axis=1)]),
            "largest pT [GeV]": float(mine.max()),
        }
    out["all"] = {"mean sum of pT [GeV]": _mean(pt[:, 1:].sum(axis=1), e.weight)}
    return out


def _region_summary(e: Events) -> dict[str, float]:
    et = e.inputs.reshape(len(e), -1) * REGION_LSB
    return {
        "mean sum of ET [GeV]": _mean(et.sum(axis=1), e.weight),
        "mean non-zero regions": _mean((et > 0).sum(axis=1).astype(np.float64), e.weight),
        "mean largest region [GeV]": _mean(et.max(axis=1), e.weight),
    }


def _of_columns(path: Path, first: int | None, tree: str | None) -> Description:
    """A table without meaning: what each numeric column holds."""
    reader = readers.open_table(path, tree)
    summaries: dict[str, Any] = {}
    columns: dict[str, NDArray[np.float64]] = {}
    for name in reader.names:
        try:
            parts = [_flat(chunk[name]) for chunk in reader.chunks([name], first)]
        except DataError as e:
            summaries[name] = e.problem
            continue
        values = np.concatenate(parts).astype(np.float64)
        finite = values[np.isfinite(values)]
        summaries[name] = {"entries": len(values), "not finite": len(values) - len(finite)}
        if len(finite):
            numbers = {"mean": finite.mean(), "smallest": finite.min(), "largest": finite.max()}
            summaries[name] |= {k: float(f"{v:.4g}") for k, v in numbers.items()}
            columns[name] = finite
    if len(reader) == 0:
        raise DataError(path, "holds no events", "check how the file was written")
    summary = {
        "file": path.name, "format": path.suffix.lstrip("."), "events": len(reader), "columns": summaries,
        "hint": "name its columns under data.columns in a design to use it with the source table",
    }
    return Description(path, summary, columns=columns)


def _flat(column: readers.Column) -> NDArray[Any]:
    """The entries that are really there."""
    if column.values.ndim == 2 and (column.count != column.values.shape[1]).any():
        flat: NDArray[Any] = column.values[np.arange(column.values.shape[1]) < column.count[:, None]]
        return flat
    return column.values.ravel()


def plot(description: Description, path: Path) -> Path:
    """A picture of the distributions in a file; the suffix (png, pdf, svg) tells the format.

    Raises:
        DataError: the picture cannot be written, or there is nothing to draw.
    """
    from l1trigger.data import distributions

    return distributions.plot(description, path)


def summary_json(description: Description) -> str:
    """The summary as JSON text."""
    return json.dumps(description.summary, indent=1, default=str)
