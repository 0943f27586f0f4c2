"""The stage as a whole: what is in the project, what it says of itself, and what it refuses."""

import io
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import toy_trigger as toy
from toy_trigger import Bits

from l1trigger import frameworks
from l1trigger.convert import hls4ml, project
from l1trigger.convert.result import ConvertResult
from l1trigger.errors import DesignError, UnsupportedLayerError
from l1trigger.fixed_point import FixedPoint
from l1trigger.quantize import quantizers


@pytest.fixture(scope="module")
def function():
    return toy.trigger()


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("convert")


@pytest.fixture(scope="module")
def result(function, folder):
    here = Path.cwd()
    before = sys.stdout
    converted = toy.convert(function, folder, toy.events(1200))
    assert Path.cwd() == here and sys.stdout is before
    return converted


def test_result(result, folder):
    assert result.top == "toy_trigger"
    assert (result.backend, result.part, result.clock_ns) == ("Vitis", "xcvu9p-flga2104-2-e", 5.0)
    assert result.reuse_factors == {"dense_1": (1, 1), "dense_2": (1, 1), "dense_3": (1, 1)}
    assert result.layer_types["relu_1"]["result"] == "ap_ufixed<8,3,RND_CONV,SAT>"
    result.save(folder)
    assert ConvertResult.load(folder) == result


def test_files(result):
    root = result.project
    assert sorted(p.name for p in root.iterdir()) == [
        "build.tcl", "csim_main.cpp", "firmware", "tb_data", "toy_trigger_tb.cpp"
    ]
    assert {"toy_trigger.cpp", "toy_trigger.h", "toy_network.cpp", "scores.h", "bits.h"} <= {
        p.name for p in (root / "firmware").iterdir()
    }
    assert not (root.parent / "project.part").exists()
    for path in root.rglob("*"):
        if path.suffix in (".cpp", ".h", ".tcl") and "toy" in path.name:
            assert str(root.parent) not in path.read_text(), "the project can be moved"


def test_top_function(result):
    source = (result.project / "firmware" / "toy_trigger.cpp").read_text()
    assert "#pragma HLS PIPELINE II=1" in source
    assert "ARRAY_PARTITION variable=inputs complete" in source
    assert source.count("l1trigger::scale<") == 9
    assert "l1trigger::identity<" in source
    script = (result.project / "build.tcl").read_text()
    assert "set_top toy_trigger" in script and "set_part xcvu9p-flga2104-2-e" in script
    assert "create_clock -period 5.0" in script


def test_vectors(result, function):
    inputs = np.loadtxt(result.project / "tb_data" / "tb_inputs.dat", dtype=np.int64)
    expected = np.loadtxt(result.project / "tb_data" / "tb_expected.dat", dtype=np.int64)
    events = toy.events(1200)[:1000]
    np.testing.assert_array_equal(inputs, events.reshape(1000, -1))
    outputs = function.evaluate(events)
    np.testing.assert_array_equal(expected, np.stack([outputs.score, outputs.accept], 1))


def test_weights_are_written_once_for_synthesis_and_simulation(result):
    headers = list((result.project / "firmware" / "weights").glob("*.h"))
    assert len(headers) == 6
    for header in headers:
        text = header.read_text()
        assert text.count("_values_ {") == 1 and text.count("#ifdef __SYNTHESIS__") == 1 and "l1trigger::fill" in text


def test_every_layer_can_be_traced(result):
    source = (result.project / "firmware" / "toy_network.cpp").read_text()
    assert source.count("nnet::save_layer_output<") == 6 == source.count("#ifndef __SYNTHESIS__")


def test_hls4ml_prints_into_a_log(function, tmp_path, capsys, monkeypatch):
    real = hls4ml.graph

    def talkative(*args):
        print("WARNING: something")
        return real(*args)

    monkeypatch.setattr(hls4ml, "graph", talkative)
    toy.convert(function, tmp_path)
    assert capsys.readouterr().out == ""
    assert "WARNING: something" in (tmp_path / "hls4ml.log").read_text()


def test_quantizers_without_fractional_bits_keep_rounding_and_saturation(tmp_path):
    """hls4ml would make them ``int<4>``, which truncates and wraps."""
    function = toy.trigger(sizes=(4, 3, 1), bits=Bits(activations=(4, 4), output=(5, 4)))
    result = toy.convert(function, tmp_path)
    assert result.layer_types["relu_1"]["result"] == "ap_ufixed<4,4,RND_CONV,SAT>"
    assert "ap_ufixed<4,4,AP_RND_CONV,AP_SAT,0>" in (result.project / "firmware" / "defines.h").read_text()


def test_activation_given_to_a_layer():
    keras, q = frameworks.keras(), frameworks.qkeras()
    x = first = keras.Input((3,))
    x = q.QDense(2, kernel_quantizer=q.quantized_bits(4, 0, alpha=1), bias_quantizer=q.quantized_bits(4, 0, alpha=1),
                 activation=q.quantized_relu(4, 4), name="d")(x)
    types = quantizers.activation_types(keras.Model(first, x))
    assert types == {"d_quantized_relu": FixedPoint.parse("ap_ufixed<4,4,RND_CONV,SAT>")}


def test_vivado_and_stream(function, tmp_path):
    result = toy.convert(function, tmp_path, None, backend="Vivado", io_type="io_stream", part="xcvu13p")
    script = (result.project / "build.tcl").read_text()
    assert "vivado_hls" in script and "flow_target" not in script and "xcvu13p-flga2577-2-e" in script
    source = (result.project / "firmware" / "toy_trigger.cpp").read_text()
    assert "hls::stream<" in source and "PIPELINE" not in source


def test_reuse_factor_that_does_not_divide(function, tmp_path):
    with pytest.raises(DesignError, match="layer dense_1: a reuse factor of 7 does not divide its 9 x 8"):
        toy.convert(function, tmp_path, reuse_factor=7)
    assert not (tmp_path / "project").exists()


def test_reuse_factor_that_hls4ml_would_change(function, tmp_path, monkeypatch):
    """Should hls4ml's rules become stricter than those of the lint, it does not go unnoticed."""
    monkeypatch.setattr(hls4ml.lint, "check_section", lambda section, model: [])
    with pytest.raises(DesignError, match="layer dense_1 cannot have 2; hls4ml would take 1"):
        toy.convert(function, tmp_path, strategy="Resource", reuse_factor=2)


def test_other_port_types_are_noticed(function, tmp_path):
    network = replace(function.network, output_type=FixedPoint.from_quantized_bits(12, 5))
    with pytest.raises(UnsupportedLayerError, match="output the type ap_fixed<12,5,RND_CONV,SAT> where"):
        toy.convert(replace(function, network=network), tmp_path)


def test_unsupported_layer(function, tmp_path):
    keras, q = frameworks.keras(), frameworks.qkeras()
    x = first = keras.Input((9,), name="x")
    x = q.QActivation("quantized_bits(12,6,alpha=1)", name="i")(x)
    x = keras.layers.GaussianNoise(0.1, name="noise")(x)
    x = q.QActivation("quantized_bits(12,4,alpha=1)", name="o")(x)
    model = keras.Model(first, x)
    network = replace(function.network, config=model.to_json(), weights=())
    network = type(network).from_keras(model, network.input_type, network.output_type)
    with pytest.raises(UnsupportedLayerError, match="noise: hls4ml has no converter for GaussianNoise"):
        toy.convert(replace(function, network=network), tmp_path)


def test_whatever_hls4ml_raises_becomes_one_error(function, tmp_path, monkeypatch):
    module = hls4ml.hls4ml_module()

    def fail(*args, **kwargs):
        raise AssertionError("no idea")

    monkeypatch.setattr(module.converters, "convert_from_keras_model", fail)
    with pytest.raises(UnsupportedLayerError, match="does not convert this network: AssertionError: no idea"):
        toy.convert(function, tmp_path)


def test_keras_mask_is_taken_off_again():
    import keras  # noqa: TID251 (Keras 3, which the mask is for)

    version = keras.__version__
    with pytest.raises(RuntimeError), hls4ml.keras_mask():  # noqa: PT012 (the mask is seen inside)
        assert keras.__version__ == "2.15.0"
        raise RuntimeError
    assert keras.__version__ == version


def test_log_is_written_also_on_failure(tmp_path):
    with pytest.raises(RuntimeError), hls4ml.printing_into(tmp_path / "log"):  # noqa: PT012 (printed before)
        print("almost")
        raise RuntimeError
    assert (tmp_path / "log").read_text() == "almost\n"
    assert not isinstance(sys.stdout, io.StringIO)


def test_scaling_constants(function):
    """The C++ adds before it drops bits; the sum must fit."""
    for scale, t in zip(project._scales(function), function.scaling.types, strict=True):
        assert -(2 ** (scale["wide"] - 1)) <= -32768 + scale["offset"]
        assert 2 ** (scale["wide"] - 1) - 1 >= max(32767 + scale["offset"], scale["high"])
        assert scale["up"] == function.scaling.network_type.fraction - t.fraction >= 0
