"""Averages over any number of values, against exact integer arithmetic."""

from fractions import Fraction

import numpy as np
import pytest
from engine_networks import typed_inputs

from l1trigger.convert.graph import GraphLayer
from l1trigger.engine import library
from l1trigger.engine.program import Program
from l1trigger.engine.windows import KINDS
from l1trigger.fixed_point import FixedPoint
from l1trigger.sections import SynthSection
from l1trigger.synth import partial_logic

INPUT = FixedPoint.parse("ap_fixed<3,1>")
EVENTS = 50


def average(count: int, result: FixedPoint) -> GraphLayer:
    """The average of some values as hls4ml has it: an accumulator with 32 more fractional bits."""
    whole = INPUT.integer + (count - 1).bit_length()
    accumulator = FixedPoint(whole + INPUT.fraction + 32, whole)
    types = {"input": INPUT, "accum": accumulator, "result": result}
    return GraphLayer("pool", "GlobalPooling1D", ("x",), ("pool",), (1,), types, {}, {}, {"pool_op": "Average"})


def expected(layer: GraphLayer, x: np.ndarray) -> list[float]:
    """What the C++ computes: the quotient cut towards zero at the accumulator's last bit, then the layer's type."""
    lsb = Fraction(layer.types["accum"].lsb)
    quotients = [Fraction(int(total)) * Fraction(INPUT.lsb) / x.shape[1] for total in x.sum(1)]
    cut = [float(int(q / lsb) * lsb) for q in quotients]  # int cuts towards zero
    return layer.types["result"].quantize(cut).tolist()


@pytest.mark.parametrize("result", [FixedPoint.from_quantized_bits(5, 1), FixedPoint(38, 2)], ids=str)
@pytest.mark.parametrize("count", range(2, 65))
def test_average_of_any_count(count, result):
    layer = average(count, result)
    raw = np.random.default_rng(count).integers(*INPUT.raw_range, (EVENTS, count), endpoint=True)
    comb, _ = partial_logic.layer_logic(layer, [partial_logic.ports(INPUT, (count, 1))], SynthSection())
    made = comb.predict(INPUT.value(raw))
    assert made.ravel().tolist() == expected(layer, raw)
    program = Program(count)
    averages = KINDS[layer.kind](program, layer, [typed_inputs(program, INPUT).reshape(count, 1)])
    code = program.finished(program.exactly(program.cast(averages, result), result))
    fast = library.load().run(code, raw.astype(np.int16))
    assert result.value(fast).ravel().tolist() == expected(layer, raw)
