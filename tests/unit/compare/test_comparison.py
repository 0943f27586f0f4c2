"""Reports side by side."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from made_reports import data, hardware, physics, report, sample

from l1trigger.compare import compare, published_rows
from l1trigger.compare import html as page
from l1trigger.compare import markdown as md
from l1trigger.compare.comparison import Comparison, Entry, unique_labels
from l1trigger.compare.plots import bars
from l1trigger.compare.published import all_published
from l1trigger.compare.tables import difference_table, figure_table, published_physics_table, published_table, run_table
from l1trigger.errors import ReportError
from l1trigger.figures import Figure, Source

GOLDEN = Path(__file__).parent / "golden"
TWO = [sample("zerobias", "test"), sample("A4l", "signal")]


def entry(c: Comparison, name: str, source: str, **conditions: object) -> Entry:
    found = [e for e in c.entries if e.key.name == name and e.key.source == source
             and all(dict(e.key.conditions).get(k) == v for k, v in conditions.items())]
    assert len(found) == 1
    return found[0]


@pytest.fixture
def three() -> Comparison:
    first = report(figures=physics() + hardware(lut=9000.0, dsp=0.0)
                   + hardware(Source.VERILATOR, latency_cycles=6.0, latency_ns=30.0, initiation_interval=1.0))
    second = report("encoder", physics(-0.01, 11, 4.5) + hardware(lut=12000.0, dsp=3.0)
                    + hardware(Source.VERILATOR, latency_cycles=8.0, latency_ns=40.0, initiation_interval=1.0),
                    settings={"compress": {"score": "latent_norm", "quantization": {"weights": 8}}},
                    versions={"hls4ml": "1.2.0"})
    third = report("autoencoder", physics(0.02) + hardware(Source.CSYNTH, lut=80000.0) + hardware(dsp=None), 2)
    return compare([first, second, third])


def test_differences_and_ratios_refer_to_the_first(three: Comparison) -> None:
    first, second, third = entry(three, "lut", "yosys").runs
    assert first is not None and first.difference is None
    assert second is not None and (second.value, second.difference) == (12000, 3000)
    assert second.ratio == pytest.approx(4 / 3)
    assert third is None


def test_ratio_to_zero_is_none(three: Comparison) -> None:
    second = entry(three, "dsp", "yosys").runs[1]
    assert second is not None and second.difference == 3 and second.ratio is None


def test_sources_never_share_a_row(three: Comparison) -> None:
    assert [m is None for m in entry(three, "lut", "csynth").runs] == [True, True, False]
    table = figure_table(three)
    luts = [r for r in table.rows if r.cells[0].text == "lut"]
    assert [r.cells[2].text for r in luts] == ["yosys", "csynth"]


def test_measured_conditions_do_not_tell_figures_apart(three: Comparison) -> None:
    runs = [e for e in three.entries if e.key.name == "tpr" and e.key.level == "csim"
            and dict(e.key.conditions)["signal"] == "A4l"]
    assert len(runs) == 1 and all(m is not None for m in runs[0].runs)


def test_equal_figures_are_all_kept() -> None:
    twice = [Figure(name="auc", value=v, source=Source.CSIM, level="csim") for v in (0.5, 0.6)]
    values = [e.runs[0].value for e in compare([report(figures=twice)]).entries if e.runs[0]]
    assert values == [0.5, 0.6]


def test_only_what_differs_in_design_and_versions(three: Comparison) -> None:
    assert {d.key: d.values for d in three.design} == {
        "compress.score": ["student", "latent_norm", "student"],
        "compress.quantization.weights": ["6", "8", "6"],
    }
    assert {d.key: d.values for d in three.versions} == {"hls4ml": ["1.3.0", "1.2.0", "1.3.0"]}


def test_bit_exactness_of_each(three: Comparison) -> None:
    assert [r.mismatches for r in three.runs] == [0, 0, 2]
    assert [r.cells[4].text for r in run_table(three).rows] == ["bit-exact", "bit-exact", "differs"]


@pytest.mark.parametrize(("change", "key"), [
    ({"zero_bias": False}, "zero_bias"),
    ({"colliding_bunches": 2400}, "colliding_bunches"),
    ({"samples": [*TWO, sample("LQ", "signal", 10)]}, "signal.LQ.events"),
    ({"samples": TWO}, "signal.LQ.events: 1000 in student, absent"),
])
def test_different_data_are_refused(change: dict[str, object], key: str) -> None:
    reports = [report(), report("other", card=data(**change))]
    with pytest.raises(ReportError, match=f"different data: {key}.*`allow_different_data=`"):
        compare(reports)
    assert compare(reports, allow_different_data=True).data


def test_training_data_may_differ() -> None:
    larger = [sample("zerobias", "train", 9), *TWO, sample("LQ", "signal")]
    assert not compare([report(), report(card=data(samples=larger))]).data


def test_the_level_shown_is_the_deepest_with_physics_everywhere() -> None:
    with_rtl = report(levels=("float", "quantized", "csim", "rtl"))
    assert compare([with_rtl]).level == "csim"
    assert compare([report(levels=("float",)), with_rtl]).level == "float"
    assert compare([report(figures=hardware(lut=1.0))]).level == ""


def test_nothing_to_compare() -> None:
    with pytest.raises(ReportError, match="nothing to compare"):
        compare([])


def test_labels_are_unique() -> None:
    assert unique_labels(["a", "a", "b", "a #2", "a"]) == ["a", "a #2", "b", "a #2 #2", "a #3"]


def test_json_holds_everything(three: Comparison) -> None:
    assert Comparison.model_validate_json(three.to_json()) == three
    assert len(json.loads(three.to_json())["entries"]) == len(three.entries)


def test_markdown_is_as_it_was(three: Comparison) -> None:
    labels = [r.label for r in three.runs]
    text = md.render("Comparison", [
        ("Runs", run_table(three)), ("Figures", figure_table(three)),
        ("Design", difference_table(three.design, labels, "setting")),
        ("Published", published_table(published_rows("anomaly"), three)),
    ])
    golden = GOLDEN / "compare.md"
    if os.environ.get("REWRITE_GOLDEN"):
        golden.parent.mkdir(exist_ok=True)
        golden.write_text(text)
    assert text == golden.read_text()


def test_markdown_takes_text_literally() -> None:
    assert md.escape("a|b_c*<d>") == r"a\|b\_c\*\<d\>"


def test_page_is_self_contained_and_shows_all(three: Comparison) -> None:
    rows = published_rows("anomaly")
    text = page.render(three, [("Runs", run_table(three)), ("Figures", figure_table(three)), (
        "Published designs", published_table(rows, three)), ("Physics", published_physics_table(rows))], 1)
    assert "http" not in text.replace("http://www.w3.org", "")
    assert text.count("data:image/svg+xml;base64,") == len(bars(three))
    for word in ("Not bit-exact", "1 regressions", "80 (as little as)", "&lt;3% of logic", "×1.33"):
        assert word in text


def test_pictures_are_of_one_source(three: Comparison) -> None:
    pictures = {b.name: b for b in bars(three)}
    assert set(pictures) == {"auc", "tpr_0.001", "resources_yosys", "resources_csynth", "latency_verilator"}
    for picture in pictures.values():
        assert len({e.key.source for _, e in picture.groups}) == 1


def test_published_rows_were_all_read() -> None:
    rows = all_published()
    assert {r.confidence for r in rows} == {"READ-primary", "READ-secondary"}
    assert {r.stage for r in rows} <= {"csynth", "vsynth", "route", "estimate", "not stated"}
    assert all(r.paper and r.system and r.model for r in rows)
    assert not any("memory" in r.notes or "recall" in r.notes for r in rows)
    anomaly = published_rows("anomaly")
    assert {r.family for r in anomaly} == {"anomaly"} and any(r.latency_ns.startswith("80") for r in anomaly)


def test_no_published_rows_for_an_unknown_task() -> None:
    with pytest.raises(ReportError, match="no published designs fit the task 'cooking'"):
        published_rows("cooking")


def test_own_rows_beside_published_ones_say_their_source(three: Comparison) -> None:
    rows = [r.cells for r in published_table(published_rows("anomaly"), three).rows if r.cells[1].text == "this work"]
    assert [(r[0].text, r[2].text) for r in rows] == [
        ("student", "yosys"), ("student", "verilator"), ("encoder", "yosys"), ("encoder", "verilator"),
        ("autoencoder", "csynth"),
    ]
