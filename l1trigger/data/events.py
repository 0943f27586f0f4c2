"""Events as the pipeline carries them, the file that holds them, and the data set that a design trains and tests on."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from l1trigger.errors import DataError

FORMAT = "l1trigger-sample/1"
UNKNOWN = -1
TRUTH = "truth"
"""Group of a sample file that holds what the generator knows; files without truth lack it."""


@dataclass(frozen=True)
class Events:
    """A sample of events.

    Attributes:
        name: e.g. ``zerobias`` or the name of a signal.
        inputs: hardware integers, first axis events: trigger objects (n, 19, 3), regions (n, 18, 14) or calorimeter
            hits (n, 128, 4).
        weight: weight of each event, sum 1; some may be negative, but none that is trained on. In a zero-bias sample
            it is the probability of that kind of crossing.
        block: disjoint sub-pool that the event was made from, or -1. Events of different blocks are independent.
        row: hardest pool row (or generator event) in the event, or -1. Events that share it are not independent.
        card: settings, seeds, versions and approximations: how the sample came about.
        truth: what the generator knows of each event, by name, each (n,): e.g. ``energy`` [GeV] and ``label``.
    """

    name: str
    inputs: NDArray[np.int16]
    weight: NDArray[np.float64]
    block: NDArray[np.int16]
    row: NDArray[np.int32]
    card: Mapping[str, Any] = field(default_factory=dict)
    truth: Mapping[str, NDArray[np.float64]] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.inputs)

    @classmethod
    def unweighted(cls, name: str, inputs: NDArray[np.int16], card: Mapping[str, Any] | None = None) -> Events:
        """Events of equal weight, about whose independence nothing is known."""
        n = len(inputs)
        return cls(
            name, inputs, np.full(n, 1 / max(n, 1)), np.full(n, UNKNOWN, np.int16), np.full(n, UNKNOWN, np.int32),
            card or {},
        )

    def select(self, which: NDArray[Any] | slice) -> Events:
        """Some of the events, weights normalized to 1 again."""
        w = self.weight[which]
        total = w.sum()
        return replace(
            self, inputs=self.inputs[which], weight=w / total if total > 0 else w, block=self.block[which],
            row=self.row[which], truth={name: values[which] for name, values in self.truth.items()},
        )

    @property
    def equally_weighted(self) -> bool:
        """Whether all weights are the same."""
        return len(self) == 0 or bool(np.ptp(self.weight) <= 1e-9 * self.weight[0])


def save_events(events: Events, path: Path, layout: str = "objects", compression: int = 9) -> None:
    """Writes a sample file; it appears whole or not at all.

    Args:
        events: to write.
        path: of the file.
        layout: name of the dataset that takes the inputs.
        compression: gzip level; 1 is twenty times faster than 9 and a fifth larger.

    Raises:
        DataError: the file could not be written.
    """
    part = path.with_name(path.name + ".part")
    try:
        with h5py.File(part, "w") as f:
            f.attrs["format"] = FORMAT
            f.attrs["name"] = events.name
            f.attrs["card"] = json.dumps(dict(events.card))
            packed: dict[str, Any] = {"compression": "gzip", "compression_opts": compression, "shuffle": True}
            chunks = (min(len(events), 4096), *events.inputs.shape[1:])
            f.create_dataset(layout, data=events.inputs, chunks=chunks, **packed)
            f.create_dataset("weight", data=events.weight, **packed)
            f.create_dataset("block", data=events.block, **packed)
            f.create_dataset("row", data=events.row, **packed)
            for name, values in events.truth.items():
                f.create_dataset(f"{TRUTH}/{name}", data=values, **packed)
        part.replace(path)
    except OSError as e:
        part.unlink(missing_ok=True)
        raise DataError(path, f"could not be written ({e})", "free some disk space or choose another folder") from e


def load_events(path: Path, layout: str = "objects", first: int | None = None) -> Events:
    """Reads a sample file.

    Args:
        path: of the file.
        layout: which dataset to take as inputs.
        first: only so many events from the start.

    Raises:
        DataError: the file is missing, damaged, or lacks the dataset.
    """
    if not path.exists():
        remedy = "give the path of a sample file, or make one with `l1trigger data make`"
        raise DataError(path, "does not exist", remedy)
    try:
        with h5py.File(path) as f:
            if f.attrs.get("format") != FORMAT:
                raise DataError(path, f"is not a sample of format {FORMAT}", "read it with the source adc2021 or table")
            if layout not in f:
                raise DataError(path, f"has no dataset '{layout}'; it has {', '.join(f)}")
            s = slice(0, first)
            weight = f["weight"][s]
            total = float(weight.sum())
            return Events(
                str(f.attrs["name"]), f[layout][s], weight / total if total > 0 else weight, f["block"][s],
                f["row"][s], json.loads(str(f.attrs["card"])),
                {name: values[s] for name, values in f.get(TRUTH, {}).items()},
            )
    except (OSError, KeyError) as e:
        raise DataError(path, f"cannot be read ({e})", "the file is damaged; make or copy it again") from e


def digest(*arrays: NDArray[Any]) -> str:
    """SHA-256 of arrays, shape and type included."""
    h = hashlib.sha256()
    for a in arrays:
        h.update(f"{a.dtype.str}{a.shape}".encode())
        h.update(np.ascontiguousarray(a).tobytes())
    return h.hexdigest()


@dataclass(frozen=True)
class DataSet:
    """What a design trains and is judged on: the result of the stage ``data``.

    Attributes:
        train: background to train on.
        validation: background for early stopping and choices; independent of ``train`` and ``test``.
        test: background that every figure is measured on.
        signals: signal samples; never used in training.
        zero_bias: whether ``test`` represents bunch crossings, so that rates in kHz have a meaning.
        colliding_bunches: bunch crossings with collisions per turn, which fixes the rate.
        classes: names of the classes whose index is ``truth["class"]``; empty where the task has none. The trigger
            looks for class 0: its events are the first signal, and ``test`` has those of all others.
    """

    train: Events
    validation: Events
    test: Events
    signals: tuple[Events, ...]
    zero_bias: bool
    colliding_bunches: int
    classes: tuple[str, ...] = ()

    @property
    def evaluated(self) -> tuple[Events, ...]:
        """The test background followed by the signals."""
        return (self.test, *self.signals)

    def save(self, folder: Path) -> None:
        """Writes the data set into an existing folder."""
        samples = {"train": self.train, "validation": self.validation, "test": self.test}
        samples |= {f"signal_{s.name}": s for s in self.signals}
        for name, events in samples.items():
            save_events(events, folder / f"{name}.h5", layout="inputs", compression=1)
        meta = {
            "signals": [s.name for s in self.signals], "zero_bias": self.zero_bias,
            "colliding_bunches": self.colliding_bunches, "classes": list(self.classes), "digest": self.digest(),
        }
        (folder / "data.json").write_text(json.dumps(meta, indent=1))

    @classmethod
    def load(cls, folder: Path) -> DataSet:
        """Reads what ``save`` wrote."""
        meta = json.loads((folder / "data.json").read_text())

        def sample(name: str) -> Events:
            return load_events(folder / f"{name}.h5", layout="inputs")

        return cls(
            sample("train"), sample("validation"), sample("test"),
            tuple(sample(f"signal_{s}") for s in meta["signals"]), meta["zero_bias"], meta["colliding_bunches"],
            tuple(meta.get("classes", ())),
        )

    def digest(self) -> str:
        """Digest of all inputs, weights and truths, and of the names of the classes where there are any."""
        arrays: list[NDArray[Any]] = []
        for e in (self.train, self.validation, *self.evaluated):
            arrays += [e.inputs, e.weight, *(e.truth[name] for name in sorted(e.truth))]
        if self.classes:
            arrays.append(np.array(self.classes))
        return digest(*arrays)
