"""Whatever needs TensorFlow first in a process still gets Keras 2."""

import subprocess
import sys

import pytest

FIRST = {
    "classes": "from l1trigger.models.classification import Classes; Classes(3).loss()",
    "energies": "from l1trigger.models.supervised import LabelAndEnergy; LabelAndEnergy(16.0, 0.1).loss()",
    "error": "import numpy as np; from l1trigger.models import dense; dense.masked_error(*(np.ones((1, 3)),) * 3)",
}


@pytest.mark.parametrize("first", FIRST)
def test_keras_2_is_there_whatever_comes_first(first):
    code = f"{FIRST[first]}; from l1trigger import frameworks; assert frameworks.keras().__version__.startswith('2.')"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
