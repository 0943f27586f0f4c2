"""What layers of an engine do with single numbers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

import numpy as np

from l1trigger.convert.graph import GraphLayer
from l1trigger.engine.numbers import Floats, Numbers, joined
from l1trigger.engine.program import Program

K = TypeVar("K")


def tabulated(program: Program, layer: GraphLayer, x: Numbers, function: Callable[[Floats], Floats]) -> Numbers:
    """A function of every number, in the layer's result type already."""
    result = layer.types["result"]
    return program.table(x, lambda v: result.quantize(function(v)), result)


def by_group(x: Numbers, keys: Sequence[K], function: Callable[[Numbers, K], Numbers]) -> Numbers:
    """A function of numbers and a key that they have in common, in the order of the numbers (size,).

    Args:
        x: numbers.
        keys: of each.
        function: of some of them and their key.
    """
    groups: dict[K, list[int]] = {}
    for i, key in enumerate(keys):
        groups.setdefault(key, []).append(i)
    flat = x.ravel()
    results = joined([function(flat[at], key) for key, at in groups.items()])
    return results[np.argsort(np.concatenate([np.array(at) for at in groups.values()]))]
