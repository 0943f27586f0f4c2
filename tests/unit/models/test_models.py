import numpy as np
import pytest
import tiny

from l1trigger import compress, design, frameworks, train
from l1trigger.data.scaling import ObjectInputs
from l1trigger.errors import DataError, DesignError, UnsupportedLayerError
from l1trigger.models import dense
from l1trigger.models.autoencoder import Autoencoder, AutoencoderOptions
from l1trigger.results import Results


@pytest.fixture(scope="module")
def data():
    return tiny.dataset(1000)


def test_padding_does_not_count_in_the_error():
    """An event's error must not depend on what the network answers for objects that are not there."""
    import tensorflow as tf

    x = np.zeros((1, 57), np.float32)
    mask = np.zeros((1, 57), np.float32)
    mask[0, :3] = 1
    for answer in (0.0, 100.0):
        y = np.full((1, 57), answer, np.float32)
        y[0, :3] = 2.0
        assert float(dense.masked_error(x, tf.constant(y), mask)[0]) == 12.0


def test_angles_are_bounded_and_pt_is_not():
    limit = dense.output_range(ObjectInputs().scaling())
    y = dense.bounded(np.full((1, 57), 1e4, np.float32), limit).numpy()[0]
    np.testing.assert_allclose(y[np.isfinite(limit)], limit[np.isfinite(limit)], rtol=1e-6)  # float32 tanh
    assert (y[~np.isfinite(limit)] == np.float32(1e4)).all()


def test_batch_normalization_folds_exactly(data):
    """The folded layers answer what the trained network answers, to float32 rounding."""
    options = AutoencoderOptions(hidden=(8,), latent=2, batch_norm=True)
    model = Autoencoder(options).build()
    rng = np.random.default_rng(0)
    model.set_weights([np.abs(rng.normal(0.5, 0.2, w.shape)) for w in model.get_weights()])
    decoded = frameworks.keras().Model(model.inputs[0], model.get_layer("decoded").output)
    x = options.inputs.scaling().real(data.test.inputs)
    y = x
    for layer in dense.folded_dense(model, linear=("latent", "decoded")):
        y = layer(y)
    expected = decoded.predict(x.astype(np.float32), verbose=0)
    np.testing.assert_allclose(y, expected, rtol=1e-4, atol=1e-4 * np.abs(expected).max())


def save_qkeras(path, last=True, alpha=1):
    k, q = frameworks.keras(), frameworks.qkeras()
    frameworks.seed_everything(1)
    x = k.Input((57,))
    h = q.QActivation(q.quantized_bits(12, 5, alpha=1), name="qin")(x)
    bias = q.quantized_bits(8, 2, alpha=1)
    h = q.QDense(8, kernel_quantizer=q.quantized_bits(6, 0, alpha=alpha), bias_quantizer=bias, name="fc")(h)
    h = q.QActivation(q.quantized_relu(8, 3), name="relu")(h)
    h = q.QDense(1, kernel_quantizer=q.quantized_bits(6, 0, alpha=1), bias_quantizer=bias, name="out")(h)
    if last:
        h = q.QActivation(q.quantized_bits(12, 4, alpha=1), name="qout")(h)
    model = k.Model(x, h)
    model.save(path)
    return model


def keras_design(path, **model):
    raw = tiny.raw_design(fine_tune={"epochs": 1})
    raw["model"] = {"architecture": "keras_model", "file": str(path), **model}
    del raw["train"]
    return raw


@pytest.mark.parametrize("suffix", [".h5", ".keras"])
def test_qkeras_file_goes_to_firmware_as_it_is(data, tmp_path, suffix):
    path = tmp_path / f"mine{suffix}"
    model = save_qkeras(path)
    d = design.from_mapping(keras_design(path))
    trained = train.run(d, Results(data=data), tmp_path / "t")
    compressed = compress.run(d, Results(data=data, train=trained), tmp_path / "c")
    x = trained.scaling.firmware(data.test.inputs)
    expected = model.predict(x.astype(np.float32), verbose=0)  # accumulators are below 24 bits: float32 is exact
    got = compressed.trigger.evaluate(data.test.inputs).network * compressed.trigger.network.output_type.lsb
    np.testing.assert_array_equal(got, expected)
    assert [layer.name for layer in compressed.layers] == ["fc", "out"]


def test_keras_file_is_distilled_like_a_trained_model(data, tmp_path):
    k = frameworks.keras()
    path = tmp_path / "float.keras"
    k.Sequential([k.layers.Input((57,)), k.layers.Dense(8, "relu"), k.layers.Dense(57)]).save(path)
    d = design.from_mapping(keras_design(path, output="reconstruction"))
    trained = train.run(d, Results(data=data), tmp_path / "t")
    score = trained.float_score(data.train.inputs)
    assert abs(score.mean()) < 1e-9
    assert score.std() == pytest.approx(1)
    compressed = compress.run(d, Results(data=data, train=trained), tmp_path / "c")
    assert compressed.trigger.evaluate(data.test.inputs).score.std() > 0


def test_layers_that_cannot_go_to_firmware_are_named(data, tmp_path):
    k = frameworks.keras()
    path = tmp_path / "bad.keras"
    layers = [k.layers.Dense(8, "tanh"), k.layers.Reshape((8, 1)), k.layers.LSTM(4, name="memory"), k.layers.Dense(1)]
    k.Sequential([k.layers.Input((57,)), *layers]).save(path)
    said = r"memory \(LSTM\): cannot be brought to firmware. Remedy: use Dense"
    with pytest.raises(UnsupportedLayerError, match=said):
        train.run(design.from_mapping(keras_design(path)), Results(data=data), tmp_path / "t")


def test_qkeras_without_output_quantizer_gets_one_that_changes_nothing(data, tmp_path):
    path = tmp_path / "open.h5"
    model = save_qkeras(path, last=False)
    d = design.from_mapping(keras_design(path))
    trained = train.run(d, Results(data=data), tmp_path / "t")
    compressed = compress.run(d, Results(data=data, train=trained), tmp_path / "c")
    expected = model.predict(trained.scaling.firmware(data.test.inputs).astype(np.float32), verbose=0)
    got = compressed.trigger.evaluate(data.test.inputs).network * compressed.trigger.network.output_type.lsb
    np.testing.assert_array_equal(got, expected)


def test_missing_or_damaged_model_file(data, tmp_path):
    with pytest.raises(DesignError, match=r"model\.file.*there is no file"):
        design.from_mapping(keras_design(tmp_path / "absent.keras"))
    broken = tmp_path / "broken.h5"
    broken.write_bytes(b"not a model")
    with pytest.raises(DataError, match=r"broken\.h5.*cannot be read as a Keras model"):
        train.run(design.from_mapping(keras_design(broken)), Results(data=data), tmp_path / "t")


def test_interrupted_training_goes_on(data, tmp_path):
    """A training that stopped after an epoch continues with the next one instead of starting again."""
    raw = tiny.raw_design()
    raw["train"]["epochs"] = 3
    d = design.from_mapping(raw)
    seen = []

    def stop_after_first(message):
        seen.append(message)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train.run(d, Results(data=data), tmp_path, stop_after_first)
    assert len(seen) == 1
    train.run(d, Results(data=data), tmp_path, seen.append)
    assert [m.split("epoch ")[1].split()[0] for m in seen] == ["1/3", "2/3", "3/3"]


def test_tensorflow_with_keras_3_is_noticed():
    import subprocess
    import sys

    code = (
        "import tensorflow, l1trigger.frameworks as k\ntry: k.keras()\n"
        "except Exception as e: print(type(e).__name__, e)"
    )
    env = {"PATH": "/usr/bin:/bin", "TF_CPP_MIN_LOG_LEVEL": "3"}
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=120, check=True)
    assert "L1TriggerError TensorFlow was imported before l1trigger" in done.stdout


def test_random_layers_can_be_built_before_anything_is_seeded():
    """A run from committed weights never trains, so nothing else sets a seed."""
    import subprocess
    import sys

    code = (
        "from l1trigger.models.variational_autoencoder import *\n"
        "VariationalAutoencoder(VariationalAutoencoderOptions()).build()"
    )
    subprocess.run([sys.executable, "-c", code], capture_output=True, timeout=120, check=True)
