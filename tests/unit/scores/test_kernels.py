"""The score kernels against Python's unbounded integers."""

from fractions import Fraction
from types import SimpleNamespace

import numpy as np
import pytest
import toy_trigger as toy

from l1trigger.data.scaling import InputScaling
from l1trigger.errors import DesignError
from l1trigger.fixed_point import FixedPoint
from l1trigger.package_files import firmware_folder
from l1trigger.scores import kernels

OUTPUT = FixedPoint.from_quantized_bits(12, 4)


def network(outputs, output_type=OUTPUT):
    model = SimpleNamespace(output_shape=(None, outputs))
    return SimpleNamespace(output_type=output_type, build=lambda exact: model)


def random_event_values(scaling, net, outputs, n=2000):
    """Inputs, presence and outputs that touch the ends of their ranges."""
    rng = np.random.default_rng(4)

    def values(t, shape):
        low, high = t.raw_range
        raw = rng.integers(low, high + 1, shape)
        return np.where(rng.random(shape) < 0.3, rng.choice([low, high, 0], shape), raw) * t.lsb

    x = np.stack([values(t, n) for t in scaling.types], 1)
    return x, rng.random(x.shape) < 0.7, values(net.output_type, (n, outputs))


def floor(value, score_type):
    low, high = score_type.raw_range
    return min(max(value * 2**score_type.fraction // 1, low), high)


def expected(name, x, present, y, score_type):
    x, y = (Fraction(float(v)) for v in x), [Fraction(float(v)) for v in y]
    if name == "identity":
        return floor(y[0], score_type)
    if name == "margin":
        return floor(y[0] - max(y[1:]), score_type)
    if name == "sum_of_squares":
        return floor(sum(v * v for v in y), score_type)
    if name == "squared_error":
        present = np.ones_like(present)
    return floor(sum((a - b) ** 2 for a, p, b in zip(x, present, y, strict=True) if p), score_type)


@pytest.mark.parametrize("narrow", [None, "ap_ufixed<9,6,TRN,SAT>", "ap_fixed<7,3,TRN,SAT>"])
@pytest.mark.parametrize("name", kernels.KERNELS)
def test_exact(name, narrow):
    scaling = toy.small_scaling()
    kernel, net = kernels.KERNELS[name], network(len(scaling))
    x, present, y = random_event_values(scaling, net, len(scaling))
    t = FixedPoint.parse(narrow) if narrow else kernel.score_type(scaling, net)
    raw = kernel.raw(x, present, y, t)
    assert raw.dtype == np.int64
    assert raw.tolist() == [expected(name, *event, t) for event in zip(x, present, y, strict=True)]


@pytest.mark.parametrize("name", ["sum_of_squares", "masked_squared_error", "squared_error"])
def test_full_type_holds_the_largest_score_and_no_more(name):
    scaling = toy.small_scaling()
    kernel, net = kernels.KERNELS[name], network(len(scaling))
    t = kernel.score_type(scaling, net)
    ends = [[s.range[k] for s in scaling.types] for k in (0, 1)]
    low, high = net.output_type.range
    x = np.array([np.where(np.abs(np.array(ends[0]) - high) > np.abs(np.array(ends[1]) - low), *ends)])
    y = np.where(x == ends[0], high, low) if name.endswith("squared_error") else np.full((1, len(scaling)), low)
    raw = int(kernel.raw(x, np.ones_like(x, bool), y, t)[0])
    assert t.raw_range[1] // 2 < raw <= t.raw_range[1]
    assert not t.signed


@pytest.mark.parametrize("output_type", [OUTPUT, FixedPoint.from_quantized_bits(6, 2, False)])
def test_the_margin_has_one_bit_more_than_the_outputs_and_needs_it(output_type):
    net = network(3, output_type)
    t = kernels.margin_type(toy.small_scaling(), net)
    assert (t.width, t.fraction, t.signed) == (output_type.width + 1, output_type.fraction, True)
    low, high = output_type.range
    y = np.array([[low, low, high], [high, low, low], [high, high, low]])
    assert kernels.margin(y, y > 0, y, t).tolist() == [
        output_type.raw_range[0] - output_type.raw_range[1], output_type.raw_range[1] - output_type.raw_range[0], 0
    ]


@pytest.mark.parametrize("name", kernels.KERNELS)
def test_a_kernel_says_whether_it_needs_the_inputs(name):
    """A streaming engine does not keep them, and would make wrong RTL of a kernel that does not say so."""
    scaling = toy.small_scaling()
    kernel, net = kernels.KERNELS[name], network(len(scaling))
    x, present, y = random_event_values(scaling, net, len(scaling), 100)
    t = kernel.score_type(scaling, net)
    other = kernel.raw(x[::-1], present[::-1], y, t)
    assert kernel.needs_inputs == (not np.array_equal(kernel.raw(x, present, y, t), other))
    if not kernel.needs_inputs:
        raw = kernel.raw(x, present, y, t)
        assert [t.raw(kernel.logic(None, None, v))[0] for v in y] == raw.tolist()


def test_absent_objects_do_not_count():
    scaling = toy.small_scaling()
    kernel, net = kernels.KERNELS["masked_squared_error"], network(len(scaling))
    x, present, y = random_event_values(scaling, net, len(scaling), 10)
    assert not kernel.raw(x, np.zeros_like(present), y, kernel.score_type(scaling, net)).any()


def test_chunks_do_not_show(monkeypatch):
    scaling = toy.small_scaling()
    kernel, net = kernels.KERNELS["masked_squared_error"], network(len(scaling))
    values = (*random_event_values(scaling, net, len(scaling), 100), kernel.score_type(scaling, net))
    whole = kernel.raw(*values)
    monkeypatch.setattr(kernels, "_CHUNK", 7)
    np.testing.assert_array_equal(kernel.raw(*values), whole)


def test_refusals():
    scaling = toy.small_scaling()
    with pytest.raises(DesignError, match="gives 3 numbers for 9 inputs"):
        kernels.squared_error_type(scaling, network(3))
    with pytest.raises(DesignError, match="gives one number, not one per class"):
        kernels.margin_type(scaling, network(1))
    wide = network(9, FixedPoint.from_quantized_bits(30, 4))
    with pytest.raises(DesignError, match="the exact score needs 62 bits; up to 53"):
        kernels.sum_of_squares_type(scaling, wide)


def test_every_kernel_has_its_cpp_twin():
    source = (firmware_folder() / "hls" / "scores.h").read_text()
    assert isinstance(toy.small_scaling(), InputScaling)
    for name in kernels.KERNELS:
        assert f"score_T {name}(" in source
