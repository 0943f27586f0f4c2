"""The analytic HLS model: what each weight costs, what pruning and sharing save, and what the report says of it."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import toy_trigger as toy

from l1trigger import frameworks
from l1trigger.compare.meaning import OTHER_HARDWARE, heading, identity
from l1trigger.design import ConvertSection
from l1trigger.fixed_point import FixedPoint
from l1trigger.network import QuantizedNetwork
from l1trigger.report.hls import hls_figures
from l1trigger.synth import hls_estimate
from l1trigger.synth.hls_estimate import HlsEstimate, estimate, odd_part, raw_totals, signed_digits
from l1trigger.synth.hls_operations import Logic, Products, Tables, Unknown, operations

PLAIN = {"quantities": {}}


def dense(weights, **more) -> Products:
    w = np.array(weights, np.int64)
    return Products("dense", w, **{"biased": 0, "input_bits": 8, "weight_bits": 6, "sum_bits": 16, **more})


def one(operation, clock_ns=5.0, **more):
    return estimate([operation], clock_ns, 0.0, fit=PLAIN, **more).layers[0]


@pytest.mark.parametrize(("value", "odd", "digits"), [
    (0, 0, 0), (1, 1, 1), (-8, 1, 1), (6, 3, 2), (7, 7, 2), (11, 11, 3), (-44, 11, 3), (85, 85, 4),
])
def test_constants_by_their_signed_digits(value, odd, digits):
    assert odd_part(np.array([value]))[0] == odd
    assert signed_digits(np.array([value]))[0] == digits


def test_signed_digits_are_as_few_as_any_sum_of_powers_of_two():
    powers = [s << k for k in range(9) for s in (1, -1)]
    reach, fewest = {0}, {0: 0}
    for n in (1, 2, 3):
        reach = {r + p for r in reach for p in powers}
        for r in reach:
            fewest.setdefault(r, n)
    values = np.arange(1, 100)
    assert [fewest[int(v)] for v in values if v in fewest] == [
        int(d) for v, d in zip(values, signed_digits(values), strict=True) if v in fewest
    ]


def test_zeros_and_powers_of_two_cost_no_product():
    # Three terms: two adders of 16 bits; 5 = 4 + 1 costs one adder of 8 + 3 bits.
    assert one(dense([[1], [4], [-2]])).lut == 2 * 16
    assert one(dense([[1], [0], [-2]])).lut == 16
    assert one(dense([[1], [5], [-2]])).lut == 2 * 16 + 11
    assert one(dense([[1], [5], [-2]], biased=1)).lut == 3 * 16 + 11


def test_equal_constants_at_one_input_are_built_once_unless_inputs_differ():
    assert one(dense([[5, 5, 5]])).lut == 11
    assert one(dense([[5, 5, 5]], own_inputs=True)).lut == 33


def test_wide_constants_with_wide_data_take_dsps():
    wide = [[77], [77], [3]]
    assert (one(dense(wide, input_bits=16)).dsp, one(dense(wide, input_bits=8)).dsp) == (2, 0)
    assert one(dense([[64], [32], [3]], input_bits=16)).dsp == 0


def test_pruning_pays_in_latency_strategy_alone():
    rng = np.random.default_rng(0)
    w = rng.integers(1, 32, (32, 16))
    pruned = np.where(rng.random(w.shape) < 0.7, 0, w)
    assert one(dense(pruned)).lut < 0.5 * one(dense(w)).lut
    shared = {"reuse": 4, "resource": True}
    assert one(dense(pruned, **shared)).lut == one(dense(w, **shared)).lut
    latency = {"reuse": 4}
    assert one(dense(pruned, **latency)).products < one(dense(w, **latency)).products == 128


def test_resource_shares_multipliers_and_keeps_weights_in_memory():
    w = np.ones((64, 32), np.int64)
    made = {r: one(dense(w, reuse=r, resource=True, input_bits=16, weight_bits=16)) for r in (1, 4, 64)}
    assert [m.dsp for m in made.values()] == [2048, 512, 32]
    # 512 weights of 16 bits in words of 36 bits; none without reuse.
    assert [m.bram18 for m in made.values()] == [0, math.ceil(512 * 16 / 36), math.ceil(32 * 16 / 36)]
    assert [m.clocks for m in made.values()] == [0, 3, 63]
    assert one(dense(w, reuse=4, resource=True, input_bits=16, weight_bits=6)).dsp == 0


def test_wide_products_need_several_dsps():
    w = np.ones((4, 1), np.int64)
    shared = {"reuse": 2, "resource": True, "input_bits": 26}
    assert one(dense(w, **shared, weight_bits=17)).dsp == 2
    assert one(dense(w, **shared, weight_bits=18)).dsp == 4
    assert one(dense(w, **shared, weight_bits=17), wide_dsp=False).dsp == 4


def test_latency_grows_with_the_tree_and_shrinks_with_the_clock():
    trees = [dense(np.ones((n, 4), np.int64)) for n in (2, 16, 256)]
    assert [one(x).delay_ns for x in trees] == [1, 4, 8]
    raw = [raw_totals(trees, c, 0.0) for c in (25.0, 5.0, 2.5)]
    assert [r["pipeline"] for r in raw] == [0, 2, 5] and {r["loops"] for r in raw} == {0}
    assert raw[0]["ff"] == 0 < raw[1]["ff"] < raw[2]["ff"]
    assert raw_totals(trees, 5.0, 0.27)["pipeline"] == 3


def test_convolutions_take_positions_in_parallel_and_in_streams():
    conv = dense(np.ones((9, 4), np.int64), positions=36, reuse=1)
    raw = raw_totals([conv, Logic("relu", 64, 1, positions=36)], 5.0, 0.0, stream=True)
    assert raw["initiation_interval"] == 36 and raw["loops"] == 35 and raw["pipeline"] == 2
    assert one(replace(conv, copies=36, positions=1)).lut == 36 * one(conv).lut


def test_tables_have_two_ports():
    assert [one(Tables("t", n, 1024, 18)).bram18 for n in (1, 2, 3)] == [1, 1, 2]
    softmax = one(Tables("softmax", 6, 1024, 18, 5, 3))
    assert (softmax.dsp, softmax.bram18) == (5, 3)


def test_unknown_layers_leave_no_totals():
    made = estimate([dense([[3]]), Unknown("cell", "GarNet")], 5.0, 0.0)
    assert made.unknown == ("cell (GarNet)",) and all(q.value is None for q in made.totals.values())
    figures = hls_figures(made)
    assert {f.reason for f in figures if not f.conditions.get("layer")} == {"the model does not know cell (GarNet)"}


def test_corrections_and_error_bars():
    fit = {"quantities": {
        "lut": {"factor": 0.5, "sigma": math.log(2), "note": "of two rows"},
        "dsp": {"factor": 1.0, "sigma": 0.1, "missed": 0.25, "note": "of three rows"},
        "latency_cycles": {"factor": 2.0, "sigma": 0.0, "note": "of four rows"},
    }}
    made = estimate([dense(np.full((16, 4), 5), reuse=1)], 2.0, 0.0, fit=fit)
    raw = raw_totals([dense(np.full((16, 4), 5))], 2.0, 0.0)
    lut, dsp, cycles = (made.totals[k] for k in ("lut", "dsp", "latency_cycles"))
    assert (lut.value, lut.uncorrected, lut.fitted_on) == (raw["lut"] / 2, raw["lut"], "of two rows")
    assert (lut.low, lut.high) == pytest.approx((lut.value / 2, lut.value * 2))
    assert sum(x.lut for x in made.layers) == lut.value
    # Nothing in DSPs by the model, but up to a quarter of the 64 products by experience.
    assert (dsp.value, dsp.low, dsp.high) == (0, 0, 16)
    assert cycles.value == 2 * (raw["pipeline"] + 1) - 1
    assert "not fitted" in made.totals["bram18"].fitted_on


def test_shipped_fit_says_which_rows():
    quantities = hls_estimate.shipped_fit()["quantities"]
    assert set(quantities) >= {"lut", "csynth_lut", "ff", "dsp", "latency_cycles"}
    for fit in quantities.values():
        rows = [r for r in fit["rows"] if r["used"] == "fit"]
        assert len(rows) == fit["rows_used"] and (len(rows) >= 3 or fit["sigma"] >= round(math.log(3), 4))
        logs = [math.log(r["measured"] / r["model"]) for r in rows]
        assert math.log(fit["factor"]) == pytest.approx(np.mean(logs), abs=0.05)  # rows are rounded in the file


@pytest.fixture(scope="module")
def toy_network():
    return toy.trigger((8, 4, 1)).network


def test_it_sees_the_weights_of_a_network(toy_network):
    section = ConvertSection()
    whole = hls_estimate.of_network(toy_network, section)
    assert [x.name for x in whole.layers if x.products] == ["dense_1", "dense_2", "dense_3"]
    first, *rest = toy_network.weights
    pruned = first.copy()
    pruned[: len(pruned) // 2] = 0
    less = hls_estimate.of_network(replace(toy_network, weights=(pruned, *rest)), section)
    assert less.layers[0].lut < 0.7 * whole.layers[0].lut
    assert less.totals["lut"].value < whole.totals["lut"].value
    assert [x.lut for x in less.layers if x.name == "dense_3"] == [x.lut for x in whole.layers if x.name == "dense_3"]
    assert HlsEstimate.from_dict(json.loads(json.dumps(whole.as_dict()))) == whole


def test_strategy_and_reuse_of_the_design_are_seen():
    network = toy.trigger((9, 3, 1)).network
    shared = hls_estimate.of_network(network, ConvertSection(strategy="Resource", reuse_factor=3)).totals
    unrolled = hls_estimate.of_network(network, ConvertSection()).totals
    assert shared["initiation_interval"].value == 3 and shared["bram18"].value > 0 == unrolled["bram18"].value
    assert shared["latency_cycles"].value > unrolled["latency_cycles"].value


def test_convolution_and_pooling_of_a_graph():
    from l1trigger.convert import hls4ml

    keras, q = frameworks.keras(), frameworks.qkeras()
    frameworks.seed_everything(1)
    x = first = keras.Input((36,), name="x")
    x = q.QActivation("quantized_bits(8,3,alpha=1)", name="input_type")(x)
    x = keras.layers.Reshape((6, 6, 1), name="image")(x)
    x = q.QConv2D(2, (3, 3), kernel_quantizer=q.quantized_bits(6, 0, alpha=1),
                  bias_quantizer=q.quantized_bits(8, 2, alpha=1), name="conv")(x)
    x = q.QActivation("quantized_relu(8,3)", name="relu")(x)
    x = keras.layers.MaxPooling2D((2, 2), name="pool")(x)
    x = keras.layers.Flatten(name="flat")(x)
    x = q.QDense(1, kernel_quantizer=q.quantized_bits(6, 0, alpha=1),
                 bias_quantizer=q.quantized_bits(8, 2, alpha=1), name="dense")(x)
    x = q.QActivation("quantized_bits(12,4,alpha=1)", name="output_type")(x)
    network = QuantizedNetwork.from_keras(keras.Model(first, x), FixedPoint.from_quantized_bits(8, 3),
                                          FixedPoint.from_quantized_bits(12, 4))
    graph = hls4ml.graph(network, ConvertSection(), "toy", SimpleNamespace())
    found = {o.name: o for o in operations(graph, stream=False)}
    assert {"conv", "relu", "pool", "dense"} <= set(found) and not any(isinstance(o, Unknown) for o in found.values())
    conv = found["conv"]
    assert conv.weights.shape == (9, 2) and conv.positions * conv.copies == 16
    # 2 x 2 channels of 2 x 2 values each: three comparisons of 8 bits.
    assert found["pool"].bits == 8 * 3 * 8 and found["pool"].levels == 2
    assert found["dense"].weights.shape == (8, 1)


def test_figures_cannot_be_taken_for_measured_ones(toy_network):
    figures = hls_figures(hls_estimate.of_network(toy_network, ConvertSection()))
    assert all(f.name.startswith("hls_") and f.source == "estimate" and f.level is None for f in figures)
    assert {f.tool for f in figures} == {"l1trigger analytic HLS model"}
    totals = [f for f in figures if "layer" not in f.conditions]
    assert all(f.interval and f.interval_method for f in totals)
    assert {heading(identity(f), "csim") for f in totals} == {OTHER_HARDWARE}
    layers = [f for f in figures if "layer" in f.conditions]
    assert layers and {heading(identity(f), "csim") for f in layers} == {None}
