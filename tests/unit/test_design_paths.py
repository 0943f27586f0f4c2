"""Paths in a design start at its file, those of overrides at the current folder, and both are found again."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml

from l1trigger import design, pipeline
from l1trigger.data.sources.files import Process, paths
from l1trigger.stages import STAGES

TABLE = {
    "source": "table", "background": "a.root", "test_background": "c.root",
    "signal_files": {"S": "signals/s.root", "T": "/elsewhere/t.root"}, "columns": {"objects": "a.root"},
}
RAW = {
    "name": "own", "data": {**TABLE, "background": [{"file": ["a.root", "b.root"], "cross_section_pb": 2.0}]},
    "model": {"architecture": "autoencoder"},
    "compress": {"score": "student"}, "synth": {"calibration": "calibration.json"},
}


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A design file in the folder designs; the current folder is beside it."""
    for name in ("designs", "here"):
        (tmp_path / name).mkdir()
    (tmp_path / "designs" / "own.yaml").write_text(yaml.safe_dump(RAW))
    monkeypatch.chdir(tmp_path / "here")
    return tmp_path / "designs" / "own.yaml"


def names(asked: design.Design) -> list[Path]:
    """Where the files of a design are, resolved."""
    return [p.resolve() for section in (asked.data, asked.synth) for p in section.files()]


def expected(folder: Path) -> list[Path]:
    own = [folder / n for n in ("a.root", "b.root", "c.root", "signals/s.root")]
    return sorted([*own, folder / "calibration.json", Path("/elsewhere/t.root")])


@pytest.mark.parametrize("given", ["../designs/own.yaml", "{}/own.yaml"])
def test_paths_start_at_the_design_file(file: Path, given: str) -> None:
    asked = design.load(given.format(file.parent))
    assert sorted(set(names(asked))) == expected(file.parent)
    assert asked.data.columns.objects == "a.root"  # the name of a column is no path


def test_every_kind_of_entry_is_found(tmp_path: Path) -> None:
    for given, wanted in (
        ("a.root", [tmp_path / "a.root"]), (["a.root", "b.root"], [tmp_path / "a.root", tmp_path / "b.root"]),
        ({"file": "a.root", "luminosity_inverse_pb": 1.0}, [tmp_path / "a.root"]),
        ([{"file": ["a.root"], "cross_section_pb": 1.0}], [tmp_path / "a.root"]),
    ):
        raw = design.with_paths({**RAW, "data": {**TABLE, "background": given}}, tmp_path)
        found = design.from_mapping(raw).data.background
        assert list(paths(found)) == wanted
        assert isinstance(found[0], Process) == isinstance(given if isinstance(given, dict) else given[0], dict)


def test_paths_of_overrides_start_at_the_current_folder(file: Path, tmp_path: Path) -> None:
    asked = design.load("../designs/own.yaml", ["data.test_background=new.root", "data.signal_files.S=own/s.root"])
    here = tmp_path / "here"
    assert paths(asked.data.test_background)[0].resolve() == here / "new.root"
    assert asked.data.signal_files["S"].resolve() == here / "own" / "s.root"
    assert names(asked)[0] == file.parent / "a.root"
    assert asked.resolved()["data"]["test_background"] == ["../here/new.root"]


def test_what_a_design_asks_for_is_the_same_from_everywhere(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Digests, by which stages are known again, and the plain values that go into reports and committed weights."""
    one, two = design.load("../designs/own.yaml"), design.load(file)
    monkeypatch.chdir(file.parent)
    three = design.load("own.yaml")
    assert one.resolved() == two.resolved() == three.resolved()
    assert one.digest() == two.digest() == three.digest()
    data = one.resolved()["data"]
    assert data["background"][0]["file"] == ["a.root", "b.root"]
    assert data["signal_files"] == {"S": "signals/s.root", "T": "/elsewhere/t.root"}
    assert one.resolved()["synth"]["calibration"] == "calibration.json"


def test_a_stored_design_finds_the_same_files(file: Path, tmp_path: Path) -> None:
    asked = design.load("../designs/own.yaml")
    run = tmp_path / "runs" / "own"
    run.mkdir(parents=True)
    (run / "design.json").write_text(json.dumps(asked.resolved(run)))
    again = design.load(run / "design.json")
    assert names(again) == names(asked)
    assert again.resolved(file.parent) == asked.resolved()


def test_files_that_change_run_their_stage_again(file: Path, tmp_path: Path) -> None:
    before = pipeline.all_inputs(STAGES, design.load(file))["data"].files
    (file.parent / "a.root").write_text("x")
    assert pipeline.all_inputs(STAGES, design.load(file))["data"].files != before


def test_a_design_of_python_takes_paths_as_they_stand(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    asked = design.from_mapping(RAW)
    assert paths(asked.data.background) == (Path("a.root"), Path("b.root"))
    assert design.from_mapping(asked.resolved()) == asked
    assert asked.resolved()["data"]["test_background"] == ["c.root"]
