"""The designs in ``models/``: each loads, and its committed artefacts are what their card says."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from l1trigger import artefacts, design

MODELS = Path(__file__).parents[2] / "models"
DESIGNS = sorted(MODELS.glob("*.yaml"))


@pytest.mark.parametrize("path", DESIGNS, ids=lambda p: p.stem)
def test_design_loads(path: Path) -> None:
    found = design.load(path)
    assert found.name == path.stem
    assert found.budget, "a shipped design states its budgets"


@pytest.mark.parametrize("path", DESIGNS, ids=lambda p: p.stem)
def test_artefacts_fit_their_card_and_design(path: Path) -> None:
    folder = MODELS / "artefacts" / path.stem
    artefacts.check(folder, design.load(path), "compress")
    files = [f for f in folder.rglob("*") if f.is_file()]
    assert sum(f.stat().st_size for f in files) <= artefacts.LIMIT_BYTES
    card = json.loads((folder / "card.json").read_text())
    assert {str(f.relative_to(folder)) for f in files} == {"card.json", *card["files"]}


def test_there_are_no_artefacts_without_design() -> None:
    assert {p.name for p in MODELS.glob("artefacts/*")} <= {p.stem for p in DESIGNS}
