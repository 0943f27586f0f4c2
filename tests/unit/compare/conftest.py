"""Reports as files."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from l1trigger.report.model import Report


@pytest.fixture
def saved(tmp_path: Path) -> Callable[[Report], Path]:
    """Writes a report into a run folder of its design's name."""

    def save(report: Report) -> Path:
        folder = tmp_path / "runs" / report.design.name
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "report.json").write_text(report.to_json())
        return folder

    return save
