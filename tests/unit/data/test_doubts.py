"""What can be but is hardly meant in the data is told when they are read, by ``run`` as by ``check``."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np
import pytest

from l1trigger import design, pipeline, rehearsal
from l1trigger.data import splits
from l1trigger.data.doubts import doubts
from l1trigger.data.events import DataSet, Events
from l1trigger.stages import Display


class Notes(Display):
    """Keeps what is worth knowing."""

    def __init__(self) -> None:
        self.kept: list[str] = []

    def note(self, text: str) -> None:
        """Keeps it."""
        self.kept.append(text)


def in_mev(folder: Path) -> design.Design:
    """A design that takes MeV for GeV."""
    rng = np.random.default_rng(1)
    with h5py.File(folder / "a.h5", "w") as f:
        f["pt"], f["eta"], f["phi"] = rng.exponential(8e3, (900, 4)), rng.uniform(-2, 2, (900, 4)), rng.uniform(
            -3, 3, (900, 4))
    return design.from_mapping({
        "name": "mev", "data": {"source": "table", "background": str(folder / "a.h5"),
                                "columns": {"jet": {"pt": "pt", "eta": "eta", "phi": "phi"}}},
        "model": {"architecture": "autoencoder", "hidden": [2], "latent": 1},
        "compress": {"score": "reconstruction_error"},
    })


def test_doubts_are_noted_when_the_data_are_read(tmp_path: Path) -> None:
    notes = Notes()
    pipeline.run(in_mev(tmp_path), tmp_path / "runs", stop="data", display=notes)
    (note,) = notes.kept
    assert "of class jet have the largest pT there is" in note and "set data.units to {pt: MeV}" in note
    pipeline.run(in_mev(tmp_path), tmp_path / "runs", stop="data", display=(again := Notes()))
    assert again.kept == []  # nothing was read


def test_doubts_are_warnings_of_a_rehearsal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("l1trigger.quantize.lint.check", lambda *_: [])
    (found,) = [f for f in rehearsal.rehearse(in_mev(tmp_path)) if f.where == "data"]
    assert found.severity == "warning" and found.remedy == "where pT is in MeV, set data.units to {pt: MeV}"


def test_few_events_of_large_weight_are_told(tmp_path: Path) -> None:
    events = Events.unweighted("s", np.zeros((1000, 18, 14), np.int16))
    heavy = Events("s", events.inputs, np.where(np.arange(1000) < 9, 0.9 / 9, 0.1 / 991), events.block, events.row)
    data = DataSet(splits.unweighted(heavy, tmp_path), events, events, (), True, 2000)
    assert doubts(data) == []  # a tenth of all are events of small weight
    few = Events("s", events.inputs, np.where(np.arange(1000) < 9, 1 / 9, 0.0), events.block, events.row)
    (doubt,) = doubts(DataSet(splits.unweighted(few, tmp_path), events, events, (), True, 2000))
    assert "9 different events stand for all 1000 to train on" in doubt.message
