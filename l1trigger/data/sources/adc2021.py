"""The public ADC2021 files (arXiv:2107.02157) and files derived from them, and the shipped sample in that layout.

Events come from a lepton-filtered cocktail, not from zero bias, so that rates in kHz have no meaning with them.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import h5py
import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from l1trigger.contracts.source import Source
from l1trigger.data import object_values, readers, splits
from l1trigger.data.adc2021 import CARD, ID_KEY, KEY
from l1trigger.data.events import DataSet, Events
from l1trigger.data.objects import EGAMMA, FEATURES, JET, MUON, class_of_row, to_hardware
from l1trigger.data.sources.files import (
    Background,
    FileOptions,
    Read,
    Sample,
    chosen_signals,
    load_files,
    paths,
)
from l1trigger.errors import DataError, DesignError
from l1trigger.package_files import samples_folder
from l1trigger.unread import made

DERIVED_SPLITS = ("X_train", "X_val", "X_test")
DERIVED_SIGNAL = "Data"


class Adc2021Options(FileOptions):
    """Options of the source ``adc2021``. Without ``background`` the shipped sample is taken.

    Attributes:
        jet_eta: jets beyond this |eta| are dropped, as in the authors' files named ``_filtered``; None keeps all.
        lepton_pt: only events with an electron or muon above this pT [GeV]; None keeps all.
        unsorted: what to do with a file whose objects are not sorted by falling pT within each class: ``sort`` sorts
            them, None refuses the file.
    """

    source: str = "adc2021"
    jet_eta: float | None = Field(4.0, gt=0)
    lepton_pt: float | None = Field(23.0, ge=0)
    unsorted: Literal["sort"] | None = None

    @property
    def samples(self) -> tuple[Background, dict[str, Path]]:
        """Files of background and signals; those shipped with the package where none are named."""
        if self.background:
            return super().samples
        folder = samples_folder()
        shipped = {p.stem.removeprefix("adc2021_"): p for p in sorted(folder.glob("adc2021_*.h5"))}
        background = shipped.pop("cocktail", folder / "adc2021_cocktail.h5")
        return (background,), shipped | self.signal_files


class Adc2021(Source[Adc2021Options]):
    """Data source: events in the layout of the ADC2021 challenge."""

    Options = Adc2021Options

    def load(self) -> DataSet:
        """The data set, in hardware integers.

        Raises:
            DataError: a file is missing, damaged, or holds something else; or samples overlap.
            DesignError: an unknown signal is asked for.
        """
        options, (background, signals) = self.options, self.options.samples
        if _is_derived(paths(background)[0]):
            return self._load_derived(paths(background))
        return load_files(options, background, signals, _reader(options, None), zero_bias=False)

    def _load_derived(self, background: Sequence[Path]) -> DataSet:
        """The authors' ``BKG_dataset.h5``, which is divided already."""
        options = self.options
        if len(background) > 1 or options.test_background:
            raise DesignError(
                None, "data.background", f"{background[0].name} is divided into {', '.join(DERIVED_SPLITS)} already",
                "name this file alone",
            )
        for fraction in ("validation_fraction", "test_fraction"):
            for key in made(options, fraction, "data"):
                raise DesignError(None, key, f"{background[0].name} is divided already", "leave it out")
        train, validation, test = (
            replace(_reader(options, key)(background[0], options.events).events, name="background")
            for key in DERIVED_SPLITS
        )
        splits.require_disjoint(train, test, background[0])
        wanted = chosen_signals(options, options.signal_files)
        splits.require_disjoint_files(background, wanted.values())
        read = _reader(options, None)
        signals = tuple(replace(read(p, options.signal_events).events, name=n) for n, p in wanted.items())
        return DataSet(train, validation, test, signals, False, options.colliding_bunches)


def _is_derived(path: Path) -> bool:
    readers.require_file(path)
    with readers.damaged(path), h5py.File(path) as f:
        return KEY not in f and all(key in f for key in DERIVED_SPLITS)


def _reader(options: Adc2021Options, key: str | None) -> Read:
    """A function that reads a file, or its first events, with the options' filters."""

    def read(path: Path, first: int | None) -> Sample:
        return read_events(
            path, key, first, jet_eta=options.jet_eta, lepton_pt=options.lepton_pt, sort=options.unsorted is not None
        )

    return read


def read_events(
    path: Path, key: str | None = None, first: int | None = None, *, jet_eta: float | None = None,
    lepton_pt: float | None = None, sort: bool = False,
) -> Sample:
    """Events of one file in hardware integers, and their generator events where the file has them.

    Args:
        path: of the file.
        key: dataset to read; None takes ``Particles``, or ``Data`` of derived signal files.
        first: only so many events from the start of the file, before filters.
        jet_eta: jets beyond this |eta| are dropped.
        lepton_pt: only events with an electron or muon above this pT [GeV].
        sort: whether objects may come in any order within their class.

    Raises:
        DataError: the file is missing, damaged, or holds something else, or no event is left.
    """
    readers.require_file(path)
    table = readers.Hdf5Table(path)
    if key is None:
        key = DERIVED_SIGNAL if KEY not in table.names and DERIVED_SIGNAL in table.names else KEY
    names = [key] + ([ID_KEY] if ID_KEY in table.names and key == KEY else [])
    inputs, ids = [], []
    done = 0
    for chunk in table.chunks(names, first):
        objects = _checked(path, key, chunk[key].values, done, sort)
        done += len(objects)
        keep = _filter(objects, jet_eta, lepton_pt)
        inputs.append(to_hardware(object_values.sort_objects(objects[keep])))
        if ID_KEY in chunk:
            ids.append(np.asarray(chunk[ID_KEY].values, np.int64)[keep])
    whole = np.concatenate(inputs)
    if len(whole) == 0:
        raise DataError(
            path, f"has no event with an electron or muon above {lepton_pt} GeV ({done} were read)",
            "set data.lepton_pt lower, or to null",
        )
    card = _card(path) | {"read": {"jet_eta": jet_eta, "lepton_pt": lepton_pt, "kept": len(whole), "of": done}}
    events = Events.unweighted(path.stem, whole, card)
    return Sample.part(events, np.concatenate(ids) if ids else None, done, table.events(names))


def _checked(path: Path, key: str, values: NDArray[Any], first: int, sort: bool) -> NDArray[np.float64]:
    """Objects (events, 19, 3) in physical units, as the layout promises them."""
    objects = object_values.as_objects(path, key, values)
    readers.check_values(path, f"pT in dataset '{key}'", objects[..., 0], first, negative=False)
    readers.check_values(path, f"eta or phi in dataset '{key}'", objects[..., 1:], first)
    if values.shape[1:] == (19, 4):
        expected = np.array([c.adc_class for c in class_of_row()])
        wrong = (values[..., 3] != 0) & (values[..., 3] != expected)
        if wrong.any():
            event, row = (int(i) for i in np.argwhere(wrong)[0])
            raise DataError(
                path, f"row {row} of event {first + event} in dataset '{key}' has the class {values[event, row, 3]}, "
                f"not {expected[row]}", "rows must be missing ET, 4 electrons, 4 muons and 10 jets",
            )
    object_values.check_physical(path, [f"{f} in dataset '{key}'" for f in FEATURES], objects, first)
    if not sort:
        object_values.check_sorted(path, f"dataset '{key}'", objects, first)
    return objects


def _filter(objects: NDArray[np.float64], jet_eta: float | None, lepton_pt: float | None) -> NDArray[np.bool_]:
    """Drops far jets in place; flags the events with a hard lepton."""
    if jet_eta is not None:
        jets = objects[:, JET.rows]
        jets[np.abs(jets[..., 1]) > jet_eta] = 0
    if lepton_pt is None:
        return np.ones(len(objects), bool)
    leptons = np.concatenate([objects[:, EGAMMA.rows, 0], objects[:, MUON.rows, 0]], axis=1)
    return np.asarray(leptons.max(axis=1) > lepton_pt)


def _card(path: Path) -> dict[str, Any]:
    with readers.damaged(path), h5py.File(path) as f:
        if CARD in f.attrs:
            card: dict[str, Any] = json.loads(str(f.attrs[CARD]))
            return card
    return {"layout": "ADC2021", "file": path.name}
