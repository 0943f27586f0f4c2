"""Each layer by itself: its logic, its resources, and which layers work in the longest stage."""

from __future__ import annotations

import numpy as np
import pytest
import toy_trigger as toy

from l1trigger.convert import hls4ml
from l1trigger.convert.graph import GraphLayer
from l1trigger.design import ConvertSection, SynthSection
from l1trigger.errors import UnsupportedLayerError
from l1trigger.fixed_point import FixedPoint
from l1trigger.synth import layers, lower, partial_logic, per_layer, rtl
from l1trigger.synth.synthesizer import Module
from l1trigger.synth.yosys import Yosys

SECTION, PART = SynthSection(), "xcvu9p-flga2104-2-e"


@pytest.fixture(scope="module")
def made():
    function = toy.trigger((6, 2), "sum_of_squares", seed=4)
    graph = hls4ml.graph_layers(function.network, ConvertSection())
    return function, graph, lower.ports(function.scaling)


def test_parts_in_a_row_are_the_whole(made):
    function, graph, types = made
    events = toy.events(500)
    inputs = np.ascontiguousarray(events.reshape(len(events), -1), np.float64)
    (_, _, scaling), *network, (_, _, score) = per_layer.trigger_parts(function, graph, SECTION, types)
    x = values = np.asarray(scaling.predict(inputs), np.float64)
    for _, _, comb in network:
        values = np.asarray(comb.predict(np.ascontiguousarray(values, np.float64)), np.float64)
    decided = np.asarray(score.predict(np.ascontiguousarray(np.concatenate([inputs, x, values], axis=1))), np.float64)
    truth = function.evaluate(events)
    assert np.array_equal(function.score_type.raw(decided[:, 0]), truth.score)
    assert np.array_equal(decided[:, 1], truth.accept)


def test_resources(made, tmp_path):
    function, graph, types = made
    parts = per_layer.trigger_parts(function, graph, SECTION, types)
    found = {r.name: r for r in per_layer.resources(parts, SECTION, PART, tmp_path)}
    assert {"input_scaling", "dense_1", "relu_1", "dense_2", "score"} <= set(found) and "x" not in found
    assert found["dense_1"].kind == "Dense" and found["score"].kind == "trigger"
    assert found["score"].cells["dsp"] == 2  # its two squares
    for name in ("dense_1", "dense_2"):
        assert 0.5 < found[name].cells["lut"] / found[name].estimated_lut < 1.6
    assert all(r.cells["ff"] == 0 for r in found.values())
    estimated = per_layer.resources(parts, SynthSection(yosys=False), PART, tmp_path)
    assert all(r.cells is None and r.estimated_lut == found[r.name].estimated_lut for r in estimated)


def test_the_proof_of_the_mapping_changes_no_count(made, tmp_path):
    function, graph, types = made
    _, _, comb = next(p for p in per_layer.trigger_parts(function, graph, SECTION, types) if p[0] == "dense_1")
    sources = rtl.write_combinational(comb, tmp_path / "rtl")
    counts = {proof: Yosys(SECTION).synthesize(Module(sources, PART, prove=proof), tmp_path / str(proof))
              for proof in (True, False)}
    assert counts[True] == counts[False]
    assert "&verify" in (tmp_path / "True" / "yosys.log").read_text()
    assert "&verify" not in (tmp_path / "False" / "yosys.log").read_text()


def test_layers_that_work_in_a_stage(made, tmp_path):
    function, graph, types = made
    logic = lower.lower(function, SECTION, types, graph)
    last = max(end for _, end in logic.times.values())
    # alkaid's last passes rearrange the logic once all of it is known, so times of single layers are near, not equal.
    assert last == pytest.approx(logic.delay_ns, rel=0.05)
    assert logic.working(0, 1e-3)[0] == "input_scaling" and logic.working(last - 1e-3, last) == ("score",)
    written = rtl.write(logic, SynthSection(stages=3), PART, 5.0, tmp_path)
    start, end = written.longest_stage_ns
    assert end - start == pytest.approx(max(written.stage_delays_ns)) and 0 <= start < end <= logic.delay_ns + 0.01
    assert logic.working(start, end)


def layer(name: str, kind: str, **more) -> GraphLayer:
    given = {
        "inputs": (), "outputs": (name,), "shape": (4,), "types": {"result": FixedPoint(8, 4)}, "unknown": {},
        "weights": {}, "attributes": {}, **more,
    }
    return GraphLayer(name, kind, **given)


def test_unsupported_layers_are_all_named():
    wrong = [
        layer("norm", "LayerNormalization"), layer("fine", "Reshape"),
        layer("wide", "Dense", unknown={"accum": "fixed<90,9>"}),
        layer("odd", "Activation", attributes={"activation": "swish"}),
        layer("power", "Merge", attributes={"op": "pow"}),
        layer("old", "Softmax", attributes={"implementation": "legacy"}),
    ]
    names = r"norm \(a LayerNormalization\), wide \(its type accum is fixed<90,9>\), odd \(activation swish\), "
    with pytest.raises(UnsupportedLayerError, match=names + r"power \(a merge by pow\), old \(the legacy softmax\)\."):
        layers.require_supported(wrong)


def test_quantizer_with_a_type_per_element():
    masks = {"signed": np.array([1, 1, 0, 0]), "width": np.array([8, 4, 3, 0]), "integer": np.array([4, 2, 1, 0])}
    quantizer = layer("q", "FixedPointQuantizer", weights=masks, attributes={"RND": "RND", "SAT": "SAT"},
                      types={"result": FixedPoint(10, 5)})
    source = FixedPoint(9, 5)
    comb, known = partial_logic.layer_logic(quantizer, [partial_logic.ports(source, (4,))], SECTION)
    x = np.repeat(np.arange(*source.raw_range)[:, None] * source.lsb, 4, axis=1)
    got = np.asarray(comb.predict(np.ascontiguousarray(x)), np.float64)
    for j, text in enumerate(("ap_fixed<8,4,RND,SAT>", "ap_fixed<4,2,RND,SAT>", "ap_ufixed<3,1,RND,SAT>")):
        assert np.array_equal(got[:, j], FixedPoint.parse(text).quantize(x[:, j]))
    assert not got[:, 3].any() and known[:, 3].tolist() == [0, 0, 0]
