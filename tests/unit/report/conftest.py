from __future__ import annotations

import pytest
import synthetic_run as synthetic


@pytest.fixture(autouse=True)
def _stand_in(monkeypatch):
    synthetic.stand_in(monkeypatch.setattr)


@pytest.fixture(scope="session")
def stages():
    return synthetic.Stages(synthetic.data_set())
