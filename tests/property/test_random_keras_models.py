"""Random Keras graphs are read exactly, or refused in words; tools/random_models.py tries hundreds."""

from contextlib import nullcontext

import numpy as np
import pytest
import random_keras

from l1trigger.errors import L1TriggerError

REFUSED = {1000, 1002, 1005, 1007}
"""Networks with layers or options that firmware cannot have."""


@pytest.mark.parametrize("seed", range(6))
def test_what_firmware_can_have_is_exact(seed, tmp_path):
    assert random_keras.tried(seed, tmp_path).stage == "logic"


@pytest.mark.parametrize("seed", sorted({*REFUSED, 1001, 1003}))
def test_what_it_may_not_have_is_exact_or_refused(seed, tmp_path):
    refused = pytest.raises(L1TriggerError, match="Remedy: ") if seed in REFUSED else nullcontext()
    with refused:
        assert random_keras.tried(seed, tmp_path, odd=True).stage == "logic"


def test_random_models_are_of_all_kinds():
    made = [random_keras.random_model(seed)[0] for seed in range(16)]
    assert len({type(m).__module__.partition(".")[0] for m in made}) == 2
    assert max(len(m.inputs) for m in made) == max(len(m.outputs) for m in made) == 2
    assert {len(m.inputs[0].shape) for m in made} == {2, 3, 4}
    assert all(np.isfinite(w).all() for m in made for w in m.get_weights())
