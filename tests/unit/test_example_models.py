"""The tool that tries hls4ml's example models: which files belong together, what is compared, and what is refused."""

from __future__ import annotations

import re
import runpy

import numpy as np
import pytest
from onnx_files import Network
from readmes import ROOT

from l1trigger import frameworks

TOOL = runpy.run_path(str(ROOT / "tools" / "example_models.py"))


def dense(folder, name, end="softmax", weights=("",)):
    k = frameworks.keras()
    frameworks.seed_everything(1)
    model = k.Sequential([k.Input((5,)), k.layers.Dense(4, "relu"), k.layers.Dense(3, end)])
    (folder / f"{name}.json").write_text(model.to_json())
    for more in weights:
        model.save_weights(folder / f"{name}{more}_weights.h5")


@pytest.fixture
def clone(tmp_path):
    folder = tmp_path / "keras"
    folder.mkdir()
    dense(folder, "small", weights=("", "_pruned"))
    dense(folder, "small_bent", "tanh")
    (folder / "broken.h5").write_text("no HDF5")
    (folder / "other.onnx").write_text("")
    (tmp_path / "models.json").write_text("{}")
    return tmp_path


def test_files_that_belong_together(clone):
    found = [(a.name, None if b is None else b.name) for a, b in TOOL["files"](clone)]
    assert sorted(found, key=str) == [
        ("broken.h5", None), ("other.onnx", None), ("small.json", "small_pruned_weights.h5"),
        ("small.json", "small_weights.h5"), ("small_bent.json", "small_bent_weights.h5"),
    ]


def test_what_is_taken_is_compared_at_every_level(clone, monkeypatch):
    row = TOOL["tried"](clone, clone / "keras/small.json", clone / "keras/small_weights.h5")
    assert (row.model, row.layers, row.weights) == ("keras/small_weights.h5", "5: Dense 4, 3", 39)
    assert (row.refused, row.logits, row.differences, row.not_compared) == ("", True, 0, {})
    assert row.compared == {"file": 2000, "logic": 500, "C-simulation": 500}
    inside, logic = TOOL["tried"].__globals__, TOOL["_logic"]
    monkeypatch.setitem(inside, "_logic", lambda *given: logic(*given) + np.array([1, 0, 0]))
    monkeypatch.setitem(inside, "MOST_SIMULATED", 31)
    row = TOOL["tried"](clone, clone / "keras/small.json", clone / "keras/small_weights.h5")
    assert (row.differences, row.not_compared) == (500, {"C-simulation": "32 multiplications"})


def test_a_quantized_onnx_model_is_compared_at_every_level(tmp_path):
    n = Network((5,))
    x = n.node("Gemm", n.quant("x1", 2.0**-3, 7), n.quant(n.random(4, 5), 2.0**-3, 5), transB=1)
    x = n.quant(n.node("Relu", x), 2.0**-2, 6, signed=0)
    y = n.node("Gemm", x, n.quant(n.random(4, 3), 2.0**-3, 5), n.quant(n.random(3), 2.0**-4, 6))
    (tmp_path / "small.onnx").write_bytes(n.content(y))
    row = TOOL["tried"](tmp_path, tmp_path / "small.onnx", None)
    assert (row.layers, row.weights, row.refused) == ("5: QDense 4, 3", 35, "")
    assert (row.compared, row.differences) == ({"file": 2000, "logic": 500, "C-simulation": 500}, 0)


@pytest.mark.parametrize(("file", "weights", "reason"), [
    ("small_bent.json", "small_bent_weights.h5", r"_activation \(activation tanh\)"),
    ("broken.h5", None, "cannot be read as a Keras model"), ("other.onnx", None, "holds no network"),
])
def test_what_is_refused_says_why(clone, file, weights, reason):
    row = TOOL["tried"](clone, clone / "keras" / file, weights and clone / "keras" / weights)
    assert re.search(reason, row.refused)
    assert str(clone) not in row.refused


def test_a_fault_is_no_reason(clone, monkeypatch):
    monkeypatch.setitem(TOOL["tried"].__globals__, "_keras", lambda *given: 1 / 0)
    row = TOOL["tried"](clone, clone / "keras/small.json", clone / "keras/small_weights.h5")
    assert row.refused == "traceback: ZeroDivisionError: division by zero"
