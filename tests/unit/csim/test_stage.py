"""The stage as a whole: a mismatch is found, named, recorded and saved; the test bench sees it too."""

import re
import shutil
import subprocess
from types import SimpleNamespace

import numpy as np
import pytest
import toy_trigger as toy

from l1trigger import csim
from l1trigger.csim.result import CsimResult
from l1trigger.engine import library
from l1trigger.errors import BitMismatchError


def stage(function, converted, folder, inputs, **values):
    data = toy.data_set(inputs, inputs[:50])
    return csim.run(toy.design(csim=values), toy.results(data, function, converted), folder)


def spoil(path, pattern, replacement):
    text = path.read_text()
    spoiled = re.sub(pattern, replacement, text, count=1)
    assert spoiled != text
    path.write_text(spoiled)


def test_altered_weight_is_found_and_its_layer_named(function, copied, tmp_path):
    weights = (copied.project / "firmware" / "weights").glob("w*.h")
    header = next(p for p in weights if "dense_2_weight_t" in p.read_text())
    spoil(header, r"_values_ \{[^,]*,", "_values_ {0.53125,")
    result = stage(function, copied, tmp_path, toy.events(500))
    found = {c.what: c for c in result.comparisons}
    outputs, score = found["network outputs of background"], found["score of background"]
    assert outputs.mismatches == score.mismatches > 0
    assert outputs.first_mismatch.layer == "dense_2"
    assert outputs.first_mismatch.type == copied.layer_types["dense_2"]["result"]
    with pytest.raises(BitMismatchError, match=r"first at event \d+, output 0 in layer dense_2 of type ap_fixed<"):
        outputs.require()
    result.save(tmp_path)
    assert CsimResult.load(tmp_path).comparisons == result.comparisons


@pytest.mark.parametrize(
    ("file", "pattern", "replacement", "layer"),
    [
        ("toy_trigger.cpp", r"scaled_t, 17, 0, false, 1,", "scaled_t, 17, 1, false, 1,", "input scaling"),
        ("scores.h", r"return score_T\(exact_T\(y\[0\]\)\);", "return score_T(-exact_T(y[0]));", "score student"),
    ],
)
def test_altered_sources_around_the_network_are_named(function, copied, tmp_path, file, pattern, replacement, layer):
    spoil(copied.project / "firmware" / file, pattern, replacement)
    result = stage(function, copied, tmp_path, toy.events(500))
    first = next(c.first_mismatch for c in result.comparisons if not c.exact)
    assert first.layer == layer


def test_levels_events_and_resume(function, project, executable, tmp_path):
    inputs = toy.events(400)
    folder = executable.path.parents[3]  # its checkpoints hold the compiled program
    result = stage(function, project, folder, inputs, events=300)
    assert {level: len(s["background"]) for level, s in result.scores.items()} == {
        "float": 300, "quantized": 300, "csim": 300
    }
    assert all(c.exact for c in result.comparisons)
    assert {c.between for c in result.comparisons} == {("quantized", "csim"), ("csim", "engine")}
    np.testing.assert_array_equal(result.accepts["signal"], function.evaluate(inputs[:50]).accept)
    assert result.events_per_s.keys() == {"quantized", "csim", "engine"}
    assert result.compile_s == executable.compile_s
    assert not list((folder / "checkpoints").glob("chunks"))


def test_predictions_at_every_level(tmp_path):
    function = toy.trigger((5, 3), "margin", seed=2)
    reference = SimpleNamespace(
        float_score=toy.reference().float_score, predicts=True,
        float_predictions=lambda inputs: {"class": inputs[:, 0, 0] % 3},
        predictions=lambda outputs: {"class": outputs.argmax(1), "energy": 2 * outputs[:, 1]},
    )
    inputs = toy.events(300)
    data, converted = toy.data_set(inputs, inputs[:50]), toy.convert(function, tmp_path, inputs[:5])
    result = csim.run(toy.design(), toy.results(data, function, converted, trained=reference), tmp_path)
    network = function.evaluate(inputs).network
    assert {what: set(levels) for what, levels in result.predictions.items()} == {
        "class": {"float", "quantized", "csim"}, "energy": {"quantized", "csim"}
    }
    np.testing.assert_array_equal(result.predictions["class"]["float"]["background"], inputs[:, 0, 0] % 3)
    for level in ("quantized", "csim"):
        np.testing.assert_array_equal(result.predictions["class"][level]["background"], network.argmax(1))
        energy = 2 * function.network.output_type.value(network[:50, 1])
        np.testing.assert_array_equal(result.predictions["energy"][level]["signal"], energy)
    np.testing.assert_array_equal(result.outputs["background"], network)
    result.save(tmp_path)
    again = CsimResult.load(tmp_path)
    np.testing.assert_equal(again.predictions, result.predictions)
    np.testing.assert_equal(again.outputs, result.outputs)


@pytest.fixture(scope="module")
def test_bench(project, tmp_path_factory):
    program = tmp_path_factory.mktemp("tb") / "tb"
    units = [project.project / "toy_trigger_tb.cpp", *(project.project / "firmware").glob("*.cpp")]
    command = ["g++", "-O1", "-std=c++14", "-w", "-Ifirmware/ap_types", *units, "-o", program]
    subprocess.run(command, cwd=project.project, check=True)
    return program


def call(*command, cwd=None):
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False)


def test_test_bench_passes_and_fails(test_bench, project, tmp_path):
    done = call(test_bench, cwd=project.project)
    assert done.returncode == 0 and "200 events, 0 mismatches" in done.stdout
    vectors = project.project / "tb_data"
    lines = (vectors / "tb_expected.dat").read_text().splitlines()
    score, accept = lines[7].split()
    wrong = tmp_path / "wrong.dat"
    for change in (f"{int(score) + 1} {accept}", f"{score} {1 - int(accept)}"):
        wrong.write_text("\n".join([*lines[:7], change, *lines[8:]]))
        done = call(test_bench, vectors / "tb_inputs.dat", wrong)
        assert done.returncode == 1 and done.stderr.startswith("event 7: score ")
    wrong.write_text("\n".join(lines[:7]))
    done = call(test_bench, vectors / "tb_inputs.dat", wrong)
    assert done.returncode == 2 and "nothing is expected of event 7" in done.stderr
    assert call(test_bench, "nowhere", wrong).returncode == 2


def test_without_an_engine_the_reason_is_kept(function, project, executable, tmp_path, monkeypatch):
    """A compiler for the C++ alone is enough; what the engine lacks is said, and nothing is compared with it."""
    monkeypatch.setenv("CXX", "no-such-compiler")
    library.load.cache_clear()
    result = stage(function, project, executable.path.parents[3], toy.events(100), compiler=shutil.which("g++"))
    library.load.cache_clear()
    assert {c.between for c in result.comparisons} == {("quantized", "csim")}
    assert "no-such-compiler" in result.no_engine and result.engine is None and "engine" not in result.events_per_s
    result.save(tmp_path)
    assert CsimResult.load(tmp_path).no_engine == result.no_engine
