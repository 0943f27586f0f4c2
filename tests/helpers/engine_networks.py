"""Networks alone as programs of the engine, and what they give."""

import numpy as np

from l1trigger.engine import layers as engine_layers
from l1trigger.engine import library
from l1trigger.engine.program import Program


def typed_inputs(program, t):
    """Hardware integers as numbers of one type."""
    low, high = t.raw_range
    n = program.hardware.size
    return program.scaling(program.hardware, np.tile([0, 0, 0, low, high], (n, 1)), np.full(n, t.fraction))


def outputs(layers, t, raw, output_type):
    """Integers (events, outputs) of a network's last layer.

    Args:
        layers: in hls4ml's graph.
        t: type of its inputs.
        raw: integers of that type, first axis events.
        output_type: of its outputs.
    """
    events = np.ascontiguousarray(raw.reshape(len(raw), -1), np.int16)
    program = Program(events.shape[1])
    *_, last = engine_layers.network(program, layers, {}, typed_inputs(program, t)).values()
    return library.load().run(program.finished(program.exactly(last.ravel(), output_type)), events)
