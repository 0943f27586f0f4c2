from __future__ import annotations

import pytest
import synthetic_run as synthetic

from l1trigger.train.result import TrainResult


@pytest.fixture(autouse=True)
def _float_scores(monkeypatch):
    monkeypatch.setattr(TrainResult, "float_score", lambda self, inputs, which=None: synthetic.float_score(inputs))


@pytest.fixture(scope="session")
def stages():
    return synthetic.Stages(synthetic.data_set())
