#!/usr/bin/env bash
# onnx 1.23.2: ONNX's own reference evaluator does not compute BatchNormalization of opsets 9 to 13 as in inference. Such a
# node with one output stands for inference by the standard: the stored mean and variance normalize. The evaluator mixes
# those of the batch into them, as training does, so that what it gives for an event depends on the other events. The same
# node of opset 14 and later, where an attribute tells the two apart, is right.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q onnx==1.23.2 numpy==2.4.6
cd "$folder"
venv/bin/python - <<'PYTHON'
import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from onnx.reference import ReferenceEvaluator

stored = {"scale": np.ones(3), "offset": np.zeros(3), "mean": np.array([1.0, 2, 3]), "variance": np.full(3, 4.0)}
x = (3 + 2 * np.random.default_rng(1).normal(size=(4, 3))).astype(np.float32)
expected = (x - stored["mean"]) / np.sqrt(stored["variance"] + 1e-5)
print("onnx", onnx.__version__)
for opset, wrong in ((9, True), (13, True), (14, False), (15, False)):
    node = helper.make_node("BatchNormalization", ["x", *stored], ["y"])
    ports = [helper.make_tensor_value_info(n, TensorProto.FLOAT, [None, 3]) for n in "xy"]
    weights = [numpy_helper.from_array(v.astype(np.float32), n) for n, v in stored.items()]
    graph = helper.make_graph([node], "normalized", ports[:1], ports[1:], weights)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)])
    onnx.checker.check_model(model)
    evaluator = ReferenceEvaluator(model)
    together = evaluator.run(None, {"x": x})[0]
    alone = evaluator.run(None, {"x": x[:1]})[0]
    print(f"opset {opset}: off by {np.abs(together - expected).max():.3g}; an event alone and among others differ by "
          f"{np.abs(together[:1] - alone).max():.3g}")
    assert (np.abs(together - expected).max() > 0.01) == wrong
    assert (np.abs(together[:1] - alone).max() > 0.01) == wrong
PYTHON
