"""Wiring of numbers between formats, and pipelined blocks."""

import re
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from l1trigger.fixed_point import FixedPoint
from l1trigger.synth import verilator
from l1trigger.synth.blocks import bits, block, field, wired
from l1trigger.synth.rtl import TOP, Field, Rtl

PART = re.compile(r"\{(\d+)\{([^{}]+)\}\}|(\d+)'b0|v\[(\d+)(?::(\d+))?\]")
fields = st.builds(Field, st.integers(0, 7), st.booleans(), st.integers(-4, 6))


def evaluated(expression: str, vector: int) -> tuple[int, int]:
    """Value and width of a concatenation in Verilog, of bits and slices of the vector ``v``."""
    inner = expression.removeprefix("{").removesuffix("}") if expression.startswith("{") else expression
    value = width = at = 0
    while at < len(inner):
        m = PART.match(inner, at)
        assert m, inner[at:]
        copies, repeated, zeros, high, low = m.groups()
        if copies:
            one, wide = evaluated(repeated, vector)
            assert wide == 1
            part, n = one * (2 ** int(copies) - 1), int(copies)
        elif zeros:
            part, n = 0, int(zeros)
        else:
            low = high if low is None else low
            n = int(high) - int(low) + 1
            assert n > 0
            part = vector >> int(low) & (2**n - 1)
        value, width, at = value << n | part, width + n, m.end() + 2
    return value, width


@given(st.lists(st.tuples(fields, fields, st.integers(0, 127)), min_size=1, max_size=5))
def test_wiring_is_arithmetic(numbers):
    """Every number is shifted, rounded down, and cut to the bits that are wanted, whatever its neighbours are."""
    given_, wanted, raw = zip(*numbers, strict=True)
    vector = expected = at = to = 0
    for have, want, value in zip(given_, wanted, raw, strict=True):
        code = value % 2**have.bits
        vector |= code << at
        number = code - 2**have.bits if have.signed and have.bits and code >> (have.bits - 1) else code
        shift = want.fraction - have.fraction
        moved = number << shift if shift >= 0 else number >> -shift
        expected |= (moved % 2**want.bits) << to
        at, to = at + have.bits, to + want.bits
    value, width = evaluated(wired("v", given_, wanted), vector)
    assert (value, width) == (expected, max(to, 1))


def test_as_many_as_there_are():
    with pytest.raises(ValueError, match="shorter|longer"):
        wired("v", [Field(3, True, 0)], [Field(3, True, 0)] * 2)


def test_a_port_has_at_least_one_bit():
    assert bits([]) == bits([Field(0, False, 0)]) == 1
    assert bits([Field(3, True, 1), Field(4, False, 0)]) == 7
    assert field(FixedPoint.parse("ap_ufixed<6,2>")) == Field(6, False, 4)


def test_a_block_in_verilog(tmp_path):
    """Stages and registers: one result per clock, after as many clocks as there are stages."""
    inputs = (Field(5, True, 2), Field(4, False, 1), Field(5, True, 0))

    def function(x):
        return np.concatenate([x[:1] * x[1:2] + x[2:], x[2:] - x[:1]])

    made = block("part", inputs, function, {"hard_dc": -1}, 0.7)
    assert made.cycles > 1 and len(made.stage_delays_ns) == made.cycles and made.lut > 0
    assert max(made.stage_delays_ns) <= made.comb.latency[1]
    rtl_inputs = (Field(1, False, 0), *inputs)
    source = tmp_path / "top.v"
    n, out = bits(inputs), bits(made.outputs)
    source.write_text(
        made.verilog() + f"module {TOP} (input clk, input [{n}:0] model_inp, output [{out - 1}:0] model_out);\n"
        f"part one (.clk(clk), .enable(model_inp[0]), .inp({wired('whole', inputs, made.inputs)}), .out(model_out));\n"
        f"wire [{n - 1}:0] whole = model_inp[{n}:1];\nendmodule\n"
    )
    import alkaid.codegen.rtl as codegen

    static = sorted((Path(codegen.__file__).parent / "verilog" / "source").glob("*.v"))
    rtl = Rtl((source, *static), rtl_inputs, made.outputs, made.stage_delays_ns, made.register_bits)
    simulator = verilator.build(rtl, tmp_path / "sim", "g++", 300)
    rng = np.random.default_rng(1)
    rows = np.stack([np.ones(60, int), rng.integers(-4, 4, 60), rng.integers(0, 8, 60), rng.integers(-16, 16, 60)], 1)
    rows[:, 0] = np.arange(60) != 40
    stream = simulator.run(rows, (3, 2))
    a, b, c = rows[:, 1:].T
    expected = np.concatenate([np.zeros((made.cycles, 2), int), np.stack([8 * (a * b + c), 4 * (c - a)], 1)])
    expected[41] = expected[40]  # without enable the last register holds what it had
    assert (expected[40] != expected[42]).any()
    np.testing.assert_array_equal(stream[made.cycles : 60], expected[made.cycles : 60])
