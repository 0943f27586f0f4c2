"""The one door to Keras 2 (tf-keras), QKeras and tfmot: sets what must be set before TensorFlow is first imported."""

from __future__ import annotations

import contextlib
import os
import random
import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager
from functools import cache
from typing import Any, Literal

import numpy as np

from l1trigger.errors import L1TriggerError

_ENVIRONMENT = {
    "TF_USE_LEGACY_KERAS": "1", "TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": "-1", "TF_ENABLE_ONEDNN_OPTS": "0",
}


def prepare() -> None:
    """Sets what TensorFlow reads from the environment when it is imported.

    Raises:
        L1TriggerError: it was imported before, with Keras 3 inside, which QKeras cannot use.
    """
    if "tensorflow" in sys.modules and os.environ.get("TF_USE_LEGACY_KERAS") not in ("1", "True", "true"):
        raise L1TriggerError(
            "TensorFlow was imported before l1trigger and took Keras 3. Remedy: set TF_USE_LEGACY_KERAS=1, or call "
            "l1trigger.frameworks.prepare() before the first import of tensorflow"
        )
    for name, value in _ENVIRONMENT.items():
        os.environ.setdefault(name, value)


def keras() -> Any:
    """The tf_keras module, with TensorFlow quiet, on the CPU, and deterministic."""
    prepare()
    return _keras()


@cache
def _keras() -> Any:
    import tensorflow as tf
    import tf_keras

    tf.get_logger().setLevel("ERROR")  # at exit it tells of what a restored checkpoint held besides
    tf.config.experimental.enable_op_determinism()
    tf.random.set_seed(0)  # deterministic random layers cannot even be built without one; trainings set their own
    return tf_keras


def keras3() -> Any:
    """The Keras 3 module, which reads files that it wrote; nothing else is done with it."""
    keras()
    import keras as module

    return module


def tensorflow() -> Any:
    """The tensorflow module, imported only after Keras 2 has been chosen."""
    keras()
    import tensorflow as tf

    return tf


def qkeras() -> Any:
    """The qkeras module."""
    keras()
    import qkeras as module

    return module


def seed_everything(seed: int) -> None:
    """Seeds Python, NumPy and TensorFlow."""
    k = keras()
    random.seed(seed)
    np.random.seed(seed)  # noqa: NPY002 (Keras and QKeras draw from it)
    k.utils.set_random_seed(seed)


def float64() -> AbstractContextManager[None]:
    """Keras layers made inside compute in float64, in which quantized arithmetic up to 53 bits is exact."""
    return floats("float64")


@contextlib.contextmanager
def floats(kind: Literal["float32", "float64"]) -> Iterator[None]:
    """Keras layers made inside compute in this type."""
    backend = keras().backend
    before = backend.floatx()
    backend.set_floatx(kind)
    try:
        yield
    finally:
        backend.set_floatx(before)
