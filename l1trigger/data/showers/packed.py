"""A file of clusters that is small enough to ship: hits without padding, each feature by itself.

Hits lie in the order of layer, x and y, where differences of neighbours are small and compress best; reading sorts
them by energy again, an order that is fixed also between equal energies (``hits.hardest_first``).
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from l1trigger.data import hits
from l1trigger.data.events import TRUTH, Events
from l1trigger.errors import DataError

FORMAT = "l1trigger-showers/1"
_TRUTH_TYPES = {"energy": np.float32, "label": np.uint8, "pdg": np.int16}


def save(events: Events, path: Path) -> None:
    """Writes clusters; the file appears whole or not at all.

    Args:
        events: with inputs (n, up to 128, 4) that keep the contract of ``hits``.
        path: of the file.

    Raises:
        DataError: the inputs are no hits, or the file could not be written.
    """
    ragged = hits.unpad(hits.check(events.inputs, path))
    event = np.repeat(np.arange(len(events)), ragged.count)
    x, y, layer, energy = ragged.hits[np.lexsort((*ragged.hits[:, 1::-1].T[::-1], ragged.hits[:, 2], event))].T
    columns: dict[str, NDArray[Any]] = {
        "count": ragged.count.astype(np.uint8), "x": x.astype(np.int8), "y": y.astype(np.int8),
        "layer": _step(layer, ragged.start).astype(np.uint8), "energy": energy.astype(np.uint16),
        "block": events.block, "row": events.row,
    }
    for name, values in events.truth.items():
        columns[f"{TRUTH}/{name}"] = values.astype(_TRUTH_TYPES.get(name, np.float64))
    part = path.with_name(path.name + ".part")
    try:
        with h5py.File(part, "w") as f:
            f.attrs["format"] = FORMAT
            f.attrs["name"] = events.name
            f.attrs["card"] = json.dumps(dict(events.card))
            for name, values in columns.items():
                f.create_dataset(
                    name, data=values, chunks=(max(len(values), 1),), compression="gzip", compression_opts=9,
                    shuffle=True,
                )
        part.replace(path)
    except OSError as e:
        part.unlink(missing_ok=True)
        raise DataError(path, f"could not be written ({e})", "free some disk space or choose another folder") from e


def _step(layer: NDArray[np.int16], start: NDArray[np.int64]) -> NDArray[np.int16]:
    """Layers as steps from the hit before; the first hit of a cluster keeps its own."""
    before = np.concatenate([[0], layer[:-1]]) if len(layer) else layer
    before[start[:-1][np.diff(start) > 0]] = 0
    return np.asarray(layer - before)


def _unstep(step: NDArray[np.uint8], start: NDArray[np.int64]) -> NDArray[np.int64]:
    total = np.concatenate([[0], np.cumsum(step, dtype=np.int64)])
    return np.asarray(total[1:] - np.repeat(total[start[:-1]], np.diff(start)))


def load(path: Path, first: int | None = None, slots: int = hits.SLOTS) -> Events:
    """Reads clusters, padded to ``slots`` hits each.

    Args:
        path: of the file.
        first: only so many clusters from the start.
        slots: places of a cluster; the softest hits of larger ones are dropped.

    Raises:
        DataError: the file is missing, of another format, damaged, or its counts disagree with its hits.
    """
    if not path.exists():
        raise DataError(path, "does not exist", "give a file made by `l1trigger data make showers`")
    try:
        with h5py.File(path) as f:
            if f.attrs.get("format") != FORMAT:
                raise DataError(path, f"is no file of clusters of format {FORMAT}", "read it with the source clusters")
            return _read(f, path, first, slots)
    except (OSError, KeyError, ValueError) as e:
        raise DataError(path, f"cannot be read ({e})", "the file is damaged; make or copy it again") from e


def _read(f: h5py.File, path: Path, first: int | None, slots: int) -> Events:
    count = f["count"][:].astype(np.int64)
    stored = {name: len(f[name]) for name in ("x", "y", "layer", "energy")}
    for name, n in stored.items():
        if n != count.sum():
            raise DataError(
                path, f"its counts add up to {count.sum()} hits, but it holds {n} values of {name}",
                "the file is damaged; make or copy it again",
            )
    count = count[:first]
    start = np.concatenate([[0], np.cumsum(count)])
    s = slice(0, int(start[-1]))
    columns = [f["x"][s], f["y"][s], _unstep(f["layer"][s], start), f["energy"][s]]
    inputs = hits.pad(hits.Ragged(count, np.stack(columns, axis=1).astype(np.int16)), slots)
    n = len(count)
    if len(f["block"]) < n or len(f["row"]) < n:
        raise DataError(path, f"holds {n} clusters, but fewer blocks or rows", "make or copy it again")
    truth = {name: values[:n].astype(np.float64) for name, values in f.get(TRUTH, {}).items()}
    return Events(
        str(f.attrs["name"]), hits.check(inputs, path), np.full(n, 1 / max(n, 1)), f["block"][:n], f["row"][:n],
        json.loads(str(f.attrs["card"])), truth,
    )
