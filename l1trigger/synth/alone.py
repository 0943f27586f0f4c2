"""Logic of a part of a network by itself: of the network without the trigger around it, or of a single layer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from l1trigger.convert.graph import GraphLayer
from l1trigger.fixed_point import FixedPoint
from l1trigger.sections import SynthSection
from l1trigger.synth import layers as kinds
from l1trigger.synth.quantization import like


def network_alone(layers: Sequence[GraphLayer], section: SynthSection) -> Any:
    """The ``CombLogic`` of a whole network, from values of its input type to its outputs."""
    from alkaid.trace import trace

    first, x = ports((layers[0].types["result"],) * int(np.prod(layers[0].shape)), section)
    return trace(first, kinds.network(layers, x).ravel())


def layer_alone(layer: GraphLayer, layers: Sequence[GraphLayer], section: SynthSection) -> Any:
    """The ``CombLogic`` of one layer of a network: its inputs, one after the other, to its outputs.

    Args:
        layer: the layer.
        layers: of the network; those that the layer takes its inputs from give their types and shapes.
        section: options of the solver.
    """
    from alkaid.trace import trace

    made_by = {output: source for source in layers for output in source.outputs}
    sources = [made_by[name] for name in layer.inputs]
    sizes = [int(np.prod(s.shape)) for s in sources]
    types = [s.types["result"] for s, n in zip(sources, sizes, strict=True) for _ in range(n)]
    first, x = ports(types, section)
    ends = np.cumsum(sizes)
    inputs = [x[end - n : end].reshape(s.shape) for s, n, end in zip(sources, sizes, ends, strict=True)]
    return trace(first, kinds.logic(layer, inputs).ravel())


def ports(types: Sequence[FixedPoint], section: SynthSection) -> tuple[Any, Any]:
    """Traced inputs for ``trace``, and the values of some types that come in through it."""
    from alkaid.trace import FVArrayInput

    options: dict[str, Any] = {"hard_dc": section.hard_dc, "binary_lut": section.binary_lut}
    first = FVArrayInput((len(types),), solver_options=options)
    k, integer, fraction = np.array([(int(t.signed), t.integer - t.signed, t.fraction) for t in types]).T
    return first, like(first, np.asarray(first.quantize(k, integer, fraction)))
