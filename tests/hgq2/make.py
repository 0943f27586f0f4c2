"""Makes the models of this folder, in HGQ2's own environment (hgq2 0.2.0, Keras 3.15.1, JAX 0.10.2, onnx 1.23.2):

    KERAS_BACKEND=jax python make.py      # model.keras, events.npy and outputs.npy of each, in folders of their names
    KERAS_BACKEND=jax python ../../tools/hgq2_to_onnx.py dense/model.keras dense.onnx --events dense/events.npy \
        --input-fraction 4

What is kept here is the file of each, and some events with the outputs that HGQ2 itself gave.
"""

from pathlib import Path

import keras  # noqa: TID251  (that of HGQ2)
import numpy as np
from hgq.config import LayerConfigScope, QuantizerConfigScope
from hgq.layers import QAdd, QBatchNormDense, QConv2D, QDense, QMaxPooling2D
from hgq.quantizer import QuantizerConfig
from hgq.utils import trace_minmax

KEPT = 200


def dense():
    floored = QuantizerConfig("kif", "datalane", round_mode="TRN", f0=4)
    return keras.Sequential([keras.Input((8,)), QDense(12, activation="relu", iq_conf=floored),
                             QBatchNormDense(6, activation="relu"), QDense(2)])


def merged():
    x = keras.Input((8,))
    both = QAdd()([QDense(6, activation="relu")(x), QDense(6)(x)])
    return keras.Model(x, QDense(2, enable_oq=True)(both))


def images():
    return keras.Sequential([keras.Input((5, 5, 2)), QConv2D(3, 3, activation="relu", padding="same"),
                             QMaxPooling2D(2), keras.layers.Flatten(), QDense(2)])


for name, build in {"dense": dense, "merged": merged, "images": images}.items():
    keras.utils.set_random_seed(1)
    with (QuantizerConfigScope(place="datalane", default_q_type="kif", f0=4),
          LayerConfigScope(enable_ebops=True, beta0=2e-4)):
        model = build()
    rng = np.random.default_rng(1)
    x = rng.integers(-64, 64, (4000, *model.input_shape[1:])) / 16
    flat = x.reshape(len(x), -1)
    y = np.stack([np.abs(flat[:, 0]) + flat[:, 1], flat[:, 2] * flat[:, 3] / 4], axis=1)
    model.compile(keras.optimizers.Adam(4e-3), loss="mse")
    model.fit(x, y, epochs=80, batch_size=250, verbose=0)
    trace_minmax(model, x)
    folder = Path(name)
    folder.mkdir(exist_ok=True)
    model.save(folder / "model.keras")
    np.save(folder / "events.npy", x)
    np.savez_compressed(f"{name}.npz", raw=np.rint(x[:KEPT] * 16).astype(np.int8),
                        outputs=np.asarray(model.predict(x[:KEPT], verbose=0), np.float64))
    for layer in model.layers:
        if hasattr(getattr(layer, "iq", None), "quantizer"):
            k, i, f = (np.asarray(v).ravel() for v in layer.iq.quantizer.kif)
            print(name, layer.name, f"{int((k + i + f <= 0).sum())} of {k.size} without bits, fractional bits", f)
