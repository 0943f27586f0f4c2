#!/usr/bin/env bash
# qkeras 0.9.0: the quantizers `quantized_po2` and `quantized_bits(alpha="auto_po2")` cannot be built into a float64 model:
# a constant of float32 meets the float64 kernel and TensorFlow raises a TypeError. In float32 they work, but sums of more
# than 24 bits are rounded there, so that a bit-exact reference in float64 needs another way to these two.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q qkeras==0.9.0 tensorflow==2.21.0 tf-keras==2.21.0 'setuptools<81' 'pyparsing<3.3'
cd "$folder"
TF_USE_LEGACY_KERAS=1 TF_CPP_MIN_LOG_LEVEL=3 venv/bin/python - <<'PYTHON'
import numpy as np
import qkeras
import tf_keras

quantizers = {
    "quantized_bits": lambda: qkeras.quantized_bits(6, 0, alpha=1),
    "quantized_bits auto_po2": lambda: qkeras.quantized_bits(6, 0, alpha="auto_po2"),
    "quantized_po2": lambda: qkeras.quantized_po2(4, 1),
}
found = {}
for kind in ("float32", "float64"):
    tf_keras.backend.set_floatx(kind)
    for name, quantizer in quantizers.items():
        layer = qkeras.QDense(2, kernel_quantizer=quantizer(), bias_quantizer=qkeras.quantized_bits(8, 2, alpha=1))
        try:
            layer(np.ones((1, 3), kind))
            found[kind, name] = "works"
        except Exception as e:
            found[kind, name] = type(e).__name__
for key, outcome in found.items():
    print(*key, outcome)
expected = {
    **{("float32", name): "works" for name in quantizers}, ("float64", "quantized_bits"): "works",
    ("float64", "quantized_bits auto_po2"): "TypeError", ("float64", "quantized_po2"): "TypeError",
}
assert found == expected, found
PYTHON
