"""A type for the weights of each output channel: finer while training, one covering type for everything after it."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any

import numpy as np

from l1trigger import frameworks
from l1trigger.fixed_point import FixedPoint

LEAST_INTEGER = -6
"""Least bits left of the binary point; far smaller weights do not matter beside others."""


def covering(types: Sequence[FixedPoint]) -> FixedPoint:
    """The narrowest signed type that holds every value of all of some signed types."""
    integer, fraction = max(1, *(t.integer for t in types)), max(t.fraction for t in types)
    return FixedPoint.from_quantized_bits(integer + fraction, integer - 1)


def quantizer(types: Sequence[FixedPoint], shape: Sequence[int]) -> Any:
    """A QKeras quantizer of kernels, one type for each output channel.

    To hls4ml, and wherever a model is saved, it is the ``quantized_bits`` of the covering type, on whose grid the
    weights lie that it has put on the finer ones.

    Args:
        types: of the channels.
        shape: in which they stand at the end of a kernel's shape: (channels,), or (channels, multiplier).
    """
    covering_type = covering(types)
    made = _class()(covering_type.width, covering_type.integer - 1, alpha=1)
    made.scales = np.exp2([t.fraction for t in types]).reshape(shape).astype(np.float32)
    made.limits = np.exp2([t.width - 1 for t in types]).reshape(shape).astype(np.float32)
    return made


@cache
def _class() -> Any:
    tf = frameworks.tensorflow()

    base: Any = frameworks.qkeras().quantized_bits

    class ByChannel(base):  # type: ignore[misc]
        """Rounds to even and saturates as its base does, by channel; gradients pass through."""

        scales: Any
        limits: Any

        def __call__(self, x: Any) -> Any:
            x = tf.convert_to_tensor(x)
            scales, limits = tf.cast(self.scales, x.dtype), tf.cast(self.limits, x.dtype)
            on_grid = tf.clip_by_value(tf.round(x * scales), -limits, limits - 1) / scales
            return x + tf.stop_gradient(on_grid - x)

    # What is written into a configuration is the base, with the covering type.
    ByChannel.__name__, ByChannel.__qualname__, ByChannel.__module__ = base.__name__, base.__qualname__, base.__module__
    return ByChannel
