"""Whatever lint lets through is exact: random layers and quantizers in QKeras, in C++, as logic and in the engine.

``RANDOM_NETWORKS=20 pytest tests/unit/synth/test_random_networks.py`` tries more of them.
"""

from __future__ import annotations

import os
import shutil

import engine_networks
import numpy as np
import pytest
from random_layers import RandomLayers

from l1trigger import frameworks
from l1trigger.convert import hls4ml
from l1trigger.errors import UnsupportedLayerError
from l1trigger.fixed_point import FixedPoint
from l1trigger.network import QuantizedNetwork
from l1trigger.quantize import lint
from l1trigger.sections import ConvertSection, SynthSection
from l1trigger.synth import layers, partial_logic

INPUT, OUTPUT = FixedPoint.from_quantized_bits(7, 2), FixedPoint.from_quantized_bits(12, 4)
SHAPE, EVENTS, BRANCHES = (3, 4, 2), 200, 12
NETWORKS = int(os.environ.get("RANDOM_NETWORKS", "2"))


def network(seeds):
    """A model of one branch for each seed, side by side."""
    k, q = frameworks.keras(), frameworks.qkeras()
    first = k.Input(SHAPE, name="x")
    x = q.QActivation(q.quantized_bits(INPUT.width, INPUT.integer - 1, alpha=1), name="input_type")(first)
    end = q.quantized_bits(OUTPUT.width, OUTPUT.integer - 1, alpha=1)
    y, *others = [q.QActivation(end)(RandomLayers(seed).branch(x)) for seed in seeds]
    for other in others:
        y = k.layers.Concatenate()([y, other])
    return k.Model(first, q.QActivation(end, name="output_type")(y) if others else y)


def is_let_through(seed):
    """Whether lint takes a branch by itself; if not, it says in words why."""
    findings = lint.check_section(ConvertSection(), network([seed]))
    errors = [f for f in findings if f.severity == "error"]
    if errors:
        with pytest.raises(UnsupportedLayerError, match="Remedy"):
            lint.require(findings)
    return not errors


@pytest.mark.skipif(shutil.which("g++") is None, reason="there is no g++")
@pytest.mark.parametrize("number", range(NETWORKS))
def test_what_lint_lets_through_is_exact(number, tmp_path):
    frameworks.seed_everything(number)
    seeds = [s for s in range(number * BRANCHES, (number + 1) * BRANCHES) if is_let_through(s)]
    assert 4 < len(seeds) < BRANCHES
    quantized = QuantizedNetwork.from_keras(network(seeds), INPUT, OUTPUT)
    with hls4ml.printing_into(tmp_path / "log"):
        graph = hls4ml.graph(quantized, ConvertSection(), "toy", tmp_path / "project")
        graph.compile()
    raw = np.random.default_rng(number).integers(*INPUT.raw_range, (EVENTS, *SHAPE), endpoint=True)
    x = INPUT.value(raw)
    expected = quantized.raw(x.reshape(EVENTS, -1))
    compiled = OUTPUT.raw(graph.predict(x.astype(np.float32))).reshape(EVENTS, -1)
    assert np.array_equal(compiled, expected), wrong(seeds, compiled, expected)
    plain = hls4ml.layers(graph)
    layers.require_supported(plain)
    comb = partial_logic.network_logic(plain, SynthSection())
    assert np.array_equal(OUTPUT.raw(comb.predict(x.reshape(EVENTS, -1))), expected)
    assert np.array_equal(engine_networks.outputs(plain, INPUT, raw, OUTPUT), expected)


def wrong(seeds, found, expected):
    """Names the branches that differ."""
    ends = np.cumsum([network([s]).output_shape[-1] for s in seeds])
    columns = np.flatnonzero((found != expected).any(0))
    return f"branches {sorted({seeds[int(np.searchsorted(ends, c, side='right'))] for c in columns})} differ"
