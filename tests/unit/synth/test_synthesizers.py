"""Synthesizers that are installed do what is asked of them, and a second one is one file."""

from types import SimpleNamespace

import pytest
import stand_ins
import toy_trigger as toy
from toy_synthesizer import WordCounter

from l1trigger import design as designs
from l1trigger import synth
from l1trigger.compare.meaning import HARDWARE
from l1trigger.csim.result import CsimResult
from l1trigger.errors import DesignError
from l1trigger.figures import Source
from l1trigger.report.build import hardware_figures
from l1trigger.sections import ConvertSection, SynthSection
from l1trigger.synth.result import SynthResult
from l1trigger.synth.synthesizer import SYNTHESIZERS
from l1trigger.testing import check_synthesizer


@pytest.mark.parametrize("name", SYNTHESIZERS.names())
def test_every_installed_synthesizer(name, tmp_path):
    check_synthesizer(SYNTHESIZERS.get(name), tmp_path)


@pytest.mark.parametrize(("wrong", "said"), [
    ({"lut": 1}, "not count lut, ff, srl"), ({"dsp": 1}, "takes DSPs"),
    ({"ff": 1}, "black boxes"), ({"ff": 0.5}, "whole"),
])
def test_the_check_notices_a_synthesizer_that_is_wrong(wrong, said, tmp_path):
    class Wrong(WordCounter):
        def synthesize(self, module, folder):
            return wrong if "lut" in wrong else {**super().synthesize(module, folder), **wrong}

    with pytest.raises(AssertionError, match=said):
        check_synthesizer(Wrong, tmp_path)


def test_the_check_notices_counts_that_depend_on_others(tmp_path):
    class Wrong(WordCounter):
        def synthesize_each(self, modules, folder):
            counts = super().synthesize_each(modules, folder)
            return counts | {"inner": {**counts["inner"], "lut": 99}}

    with pytest.raises(AssertionError, match="several modules otherwise"):
        check_synthesizer(Wrong, tmp_path)


@pytest.fixture
def word_counter(monkeypatch):
    """Puts the word counter among the plugins, as its package's entry point would."""
    stand_ins.install(monkeypatch, SYNTHESIZERS, words=WordCounter)


def test_a_second_synthesizer_is_one_file(word_counter, tmp_path):
    check_synthesizer(WordCounter, tmp_path)
    function = toy.trigger((4, 1), seed=2)
    data = toy.data_set(toy.events(300, seed=1), toy.events(100, seed=2))
    truth = {e.name: function.evaluate(e.inputs) for e in data.evaluated}
    scores = {k: function.value(v.score) for k, v in truth.items()}
    accepts = {k: v.accept for k, v in truth.items()}
    csim = CsimResult({"quantized": scores, "csim": scores}, accepts, (), 1.0, {}, 1, "g++")
    design = SimpleNamespace(
        convert=ConvertSection(), synth=SynthSection(synthesizer="words"), csim=SimpleNamespace(compiler="g++")
    )
    converted = SimpleNamespace(part="xcvu9p-flga2104-2-e", clock_ns=5.0)
    said = []
    result = synth.run(design, toy.results(data, function, converted, csim=csim), tmp_path, said.append)
    assert "synthesis with the word counter" in said and not any("Yosys" in text for text in said)
    assert result.cells["ff"] > 0 and all(c.exact for c in result.comparisons)
    assert result.layers and all(layer.cells["lut"] > 0 for layer in result.layers)
    assert list(result.seconds) == ["logic", "compile", "simulate", "words", "layers"]
    result.save(tmp_path)
    again = SynthResult.load(tmp_path)
    assert again == result and again.synthesis_source is Source.SYNTHESIS
    figures = [f for f in hardware_figures(again) if f.name in ("lut", "ff", "lut_percent")]
    assert {(f.source, f.tool) for f in figures} == {(Source.SYNTHESIS, "word counter 1.0")}
    assert Source.SYNTHESIS in HARDWARE


def test_a_synthesizer_that_is_not_there(word_counter):
    raw = {"name": "x", "data": {"source": "digits"}, "model": {"architecture": "autoencoder"},
           "compress": {"score": "latent_norm"}, "synth": {"synthesizer": "yosis"}}
    with pytest.raises(DesignError, match=r"synth.synthesizer: there is no synthesizer 'yosis'.*did you mean 'yosys'.*"
                                          "Known: words, yosys"):
        designs.from_mapping(raw)
    assert designs.from_mapping({**raw, "synth": {"synthesizer": "words"}}).synth.synthesizer == "words"
    with pytest.raises(DesignError, match="there is no synthesizer 'none'"):
        SYNTHESIZERS.of(SynthSection(synthesizer="none"))
    with pytest.raises(DesignError, match="calibration is of Yosys' counts"):
        designs.from_mapping({**raw, "synth": {"synthesizer": "words", "calibration": "c.json"}})


def test_a_result_from_before_names_its_source(tmp_path):
    result = SynthResult("xcvu9p-flga2104-2-e", 5.0)
    result.save(tmp_path)
    text = (tmp_path / "synth.json").read_text()
    (tmp_path / "synth.json").write_text(text.replace('"synthesis_source": "yosys"', '"reason": ""'))
    assert SynthResult.load(tmp_path) == result
