"""The stage synth with a streaming convolutional network: exact, measured, every copy of a block counted."""

from types import SimpleNamespace

import numpy as np
import pytest
import toy_raster as toy
import toy_trigger

from l1trigger import synth
from l1trigger.csim.result import CsimResult
from l1trigger.sections import ConvertSection, SynthSection


def network(m, x):
    return m.dense(m.max_pool(m.conv(x, 2), 2), 1)


@pytest.fixture(scope="module")
def measured(tmp_path_factory):
    function, folder = toy.trigger(network), tmp_path_factory.mktemp("synth")
    data = toy_trigger.data_set(toy.images(100, seed=41), toy.images(30, seed=42))
    truth = {e.name: function.evaluate(e.inputs) for e in data.evaluated}
    scores = {k: function.value(v.score) for k, v in truth.items()}
    simulated = CsimResult(
        {"quantized": scores, "csim": scores}, {k: v.accept for k, v in truth.items()}, (), 1.0, {}, 1, "g++",
        outputs={k: v.network for k, v in truth.items()},
    )
    design = SimpleNamespace(
        convert=ConvertSection(), synth=SynthSection(pixels_per_clock=4), csim=SimpleNamespace(compiler="g++")
    )
    converted = SimpleNamespace(part="xcvu9p-flga2104-2-e", clock_ns=5.0, backend="Vitis")
    return function, data, synth.run(design, toy_trigger.results(data, function, converted, csim=simulated), folder)


def test_exact_and_measured(measured):
    function, data, result = measured
    assert result.comparisons and all(c.exact for c in result.comparisons)
    what = {(c.between, c.what) for c in result.comparisons}
    assert (("csim", "rtl"), "network outputs of signal") in what
    assert (("quantized", "rtl"), "score of background, 3 idle clocks between events") in what
    assert (result.initiation_interval, result.events) == (12, 130)
    assert result.latency_cycles > 12 and result.stages < result.latency_cycles
    for e in data.evaluated:
        np.testing.assert_array_equal(result.scores[e.name], function.value(function.evaluate(e.inputs).score))
    assert set(result.seconds) == {"logic", "compile", "simulate", "yosys"}


def test_every_copy_is_counted(measured):
    _, _, result = measured
    cells = {r.name: r.cells for r in result.layers}
    copies = {r.name: int(r.kind.split()[0]) if r.kind.endswith("copies") else 1 for r in result.layers}
    assert list(copies.values()) == [4, 4, 2, 1, 1]
    assert list(cells)[-2:] == ["head", "line buffers and image"]
    assert cells["line buffers and image"]["ff"] + cells["line buffers and image"]["srl"] > 0
    for kind in ("lut", "ff", "srl"):
        assert result.cells[kind] == sum(n * cells[name][kind] for name, n in copies.items())
