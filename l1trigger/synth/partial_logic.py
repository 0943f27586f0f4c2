"""Logic of a part of a network by itself: of the network without the trigger around it, or of a single layer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from l1trigger.convert.graph import GraphLayer
from l1trigger.fixed_point import FixedPoint
from l1trigger.sections import SynthSection
from l1trigger.synth import layers as kinds
from l1trigger.synth.quantization import like
from l1trigger.synth.tracing import combinational

Ports = NDArray[np.int64]
"""Sign, integer and fractional bits of values, in the first axis: what alkaid knows about each of them."""


def network_logic(layers: Sequence[GraphLayer], section: SynthSection) -> Any:
    """The ``CombLogic`` of a whole network, from values of its input type to its outputs."""
    first, x = traced_inputs(ports(layers[0].types["result"], layers[0].shape), section)
    return combinational(first, kinds.network(layers, x)[0].ravel())


def layer_logic(layer: GraphLayer, inputs: Sequence[Ports], section: SynthSection) -> tuple[Any, Ports]:
    """The ``CombLogic`` of one layer, from its inputs, one after the other, to its outputs; and what is known of those.

    Args:
        layer: the layer.
        inputs: what is known of each of its inputs, shaped as they are.
        section: options of the solver.
    """
    first, x = traced_inputs(np.concatenate([p.reshape(3, -1) for p in inputs], axis=1), section)
    ends = np.cumsum([p[0].size for p in inputs])
    each = [x[end - p[0].size : end].reshape(p.shape[1:]) for p, end in zip(inputs, ends, strict=True)]
    output = kinds.logic(layer, each)
    return combinational(first, output.ravel()), known(output)


def ports(types: FixedPoint | Sequence[FixedPoint], shape: Sequence[int]) -> Ports:
    """What is known of values of a type, or of one type each."""
    each = (types,) * int(np.prod(shape)) if isinstance(types, FixedPoint) else types
    return np.array([(int(t.signed), t.integer - t.signed, t.fraction) for t in each]).T.reshape(3, *shape)


def known(values: Any) -> Ports:
    """What is known of traced values; nothing but zeros has no bits."""
    rows = np.array([v.kif for v in np.asarray(values).ravel()], np.int64).T
    return np.where(rows.sum(0) > 0, rows, 0).reshape(3, *values.shape)


def traced_inputs(given: Ports, section: SynthSection) -> tuple[Any, Any]:
    """Inputs for ``combinational``, and the values that come in through them, both in one row."""
    from alkaid.trace import FVArrayInput

    options: dict[str, Any] = {"hard_dc": section.hard_dc, "binary_lut": section.binary_lut}
    rows = given.reshape(3, -1)
    first = FVArrayInput((rows.shape[1],), solver_options=options)
    return first, like(first, np.asarray(first.quantize(*rows)))
