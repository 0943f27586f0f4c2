"""Files that were written by another Keras than the one that reads them, or with layers from elsewhere."""

import io
import json
import zipfile

import h5py
import numpy as np
import pytest

from l1trigger import frameworks, keras_import
from l1trigger.errors import DataError

BITS = {"bits": 6, "integer": 1, "symmetric": 0, "alpha": 1, "keep_negative": True, "qnoise_factor": 1.0}
FLOAT32 = {"module": "keras", "class_name": "DTypePolicy", "config": {"name": "float32"}, "registered_name": None}
SHAPES = {"first": (3, 4), "second": (4, 2)}
X = np.random.default_rng(2).normal(size=(50, 3))


def quantizer(**options):
    return {"module": "qkeras.quantizers", "class_name": "quantized_bits", "registered_name": "qkeras>quantized_bits",
            "config": {**BITS, "post_training_scale": None, **options}, "shared_object_id": 1}


def called_with(*names):
    tensors = [{"class_name": "__keras_tensor__", "config": {"shape": [None, 4], "keras_history": [n, 0, 0]}}
               for n in names]
    return [{"args": tensors if len(names) == 1 else [tensors], "kwargs": {}}]


def layer(kind, name, taken, **config):
    return {"module": "qkeras.qlayers", "class_name": kind, "registered_name": f"qkeras>{kind}", "name": name,
            "config": {"name": name, "trainable": True, "dtype": FLOAT32, **config}, "build_config": {},
            "inbound_nodes": called_with(taken)}


def config_of_keras3(**options):
    """A functional model of QKeras as Keras 3 writes it: 3 numbers, QDense, QActivation, QDense, and both joined."""
    dense = {"kernel_quantizer": quantizer(**options), "bias_quantizer": quantizer(), "use_bias": True,
             "activation": "linear", "quantization_config": None}
    start = {"module": "keras.layers", "class_name": "InputLayer", "registered_name": None, "name": "x",
             "config": {"batch_shape": [None, 3], "dtype": "float32", "name": "x", "optional": False},
             "inbound_nodes": []}
    relu = {"module": "qkeras.quantizers", "class_name": "quantized_relu", "registered_name": "qkeras>quantized_relu",
            "config": {"bits": 6, "integer": 2}}
    layers = [start, layer("QDense", "first", "x", units=4, **dense),
              layer("QActivation", "relu", "first", activation=relu),
              layer("QDense", "second", "relu", units=2, **dense),
              {**layer("Concatenate", "both", "x", axis=-1), "module": "keras.layers", "registered_name": None,
               "inbound_nodes": called_with("second", "relu")}]
    return {"module": "keras.src.models.functional", "class_name": "Functional", "registered_name": "Functional",
            "config": {"name": "made", "layers": layers, "input_layers": [["x", 0, 0]],
                       "output_layers": [["both", 0, 0]]}}


def weights():
    rng = np.random.default_rng(1)
    return [a for shape in SHAPES.values() for a in (rng.normal(size=shape), rng.normal(size=shape[1]))]


def weights_of_keras3():
    """The layout of Keras 3: groups named after the classes of the layers, in order."""
    content = io.BytesIO()
    with h5py.File(content, "w") as f:
        for group, (kernel, bias) in zip(("q_dense", "q_dense_1"), zip(*[iter(weights())] * 2, strict=True),
                                         strict=True):
            f[f"layers/{group}/vars/0"], f[f"layers/{group}/vars/1"] = kernel, bias
        for group in ("vars", "layers/input_layer/vars", "layers/q_activation/vars", "layers/concatenate/vars"):
            f.create_group(group)
    return content.getvalue()


def keras_file(**options):
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as z:
        z.writestr("config.json", json.dumps(config_of_keras3(**options)))
        z.writestr("metadata.json", json.dumps({"keras_version": "3.14.1"}))
        z.writestr("model.weights.h5", weights_of_keras3())
    return content.getvalue()


def expected():
    """The same model of QKeras on Keras 2."""
    k, q = frameworks.keras(), frameworks.qkeras()
    bits = {"kernel_quantizer": q.quantized_bits(6, 1, alpha=1), "bias_quantizer": q.quantized_bits(6, 1, alpha=1)}
    with frameworks.float64():
        x = k.Input((3,))
        relu = q.QActivation(q.quantized_relu(6, 2))(q.QDense(4, **bits)(x))
        model = k.Model(x, k.layers.Concatenate()([q.QDense(2, **bits)(relu), relu]))
        model.set_weights(weights())
        return model.predict(X, verbose=0)


def test_qkeras_on_keras_3():
    found = keras_import.imported(keras_file(), "mine.keras")
    np.testing.assert_array_equal(found.own_outputs(X), expected())
    assert found.is_quantized
    assert len(np.unique(expected())) > 20
    text = json.dumps({**config_of_keras3(), "module": "keras"}).encode()
    np.testing.assert_array_equal(
        keras_import.imported(text, "mine.json", weights_of_keras3()).own_outputs(X), expected())


def test_an_option_that_only_qkeras_on_keras_3_has_is_not_passed_over():
    with pytest.raises(DataError, match=r"mine\.keras: .*the option post_training_scale: \[2\.0\]"):
        keras_import.imported(keras_file(post_training_scale=[2.0]), "mine.keras")


def test_weights_of_an_architecture_are_read_in_either_layout(tmp_path):
    k = frameworks.keras()
    model = k.Sequential([k.Input((3,)), k.layers.Dense(4, "relu"), k.layers.Dense(2)])
    model.set_weights(weights())
    for name in ("mine.h5", "mine.weights.h5"):
        model.save_weights(tmp_path / name)
        found = keras_import.imported(model.to_json().encode(), "mine.json", (tmp_path / name).read_bytes())
        np.testing.assert_array_equal(found.float_outputs(X), found.own_outputs(X))
        np.testing.assert_allclose(found.own_outputs(X), model.predict(X, verbose=0), rtol=1e-5, atol=1e-6)  # float32


@pytest.mark.parametrize(("kind", "remedy"), [
    ("BinaryDense", r"binary\(alpha=1\)"), ("TernaryDense", r"ternary\(alpha=1\)"), ("GarNetStack", "contrib_file"),
    ("FixedPointQuantizer", "train it with QKeras"),
])
def test_layers_from_elsewhere_are_named(kind, remedy):
    config = {"class_name": "Sequential", "keras_version": "2.2.4",
              "config": [{"class_name": kind, "config": {"name": "mine", "batch_input_shape": [None, 3]}}]}
    with pytest.raises(DataError, match=rf"the layers mine are of the class {kind}, whose code .*{remedy}"):
        keras_import.imported(json.dumps(config).encode(), "mine.json", b"")
