"""Regressions against a committed baseline."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from made_reports import data, hardware, physics, report

from l1trigger.compare.baseline import (
    RegressionError,
    Tolerance,
    hold_against,
    load_baseline,
    make_baseline,
    parse_tolerances,
    regressions,
)
from l1trigger.errors import ReportError
from l1trigger.figures import Figure, Source
from l1trigger.report.model import Report


def designed(shift: float = 0.0, lut: float = 1000.0, **more: float) -> Report:
    return report(figures=physics(shift, **more) + hardware(lut=lut, latency_cycles=6.0))


@pytest.fixture
def baseline() -> object:
    return make_baseline(designed())


def worse(now: Report, *tolerances: str) -> set[str]:
    changes = hold_against(now, make_baseline(designed()), parse_tolerances(tolerances))
    return {c.key.name for c in regressions(changes)}


def test_the_same_run_has_no_regression() -> None:
    assert worse(designed()) == set()
    assert {c.verdict for c in hold_against(designed(), make_baseline(designed()), {})} == {"same"}


@pytest.mark.parametrize(("lut", "tolerance", "found"), [
    (1001, (), {"lut"}), (1049, ("lut=5%",), set()), (1050, ("lut=5%",), set()), (1051, ("lut=5%",), {"lut"}),
    (1020, ("lut=20",), set()), (1021, ("lut=20",), {"lut"}), (900, (), set()), (1009, ("all=1%",), set()),
    (1011, ("all=1%",), {"lut"}), (1011, ("all=1%", "lut=2%"), set()), (1011, ("all=1%,lut=2%",), set()),
])
def test_lower_is_better_for_resources(lut: float, tolerance: tuple[str, ...], found: set[str]) -> None:
    assert worse(designed(lut=lut), *tolerance) == found


@pytest.mark.parametrize(("shift", "tolerance", "found"), [
    (-0.001, (), {"auc", "tpr", "rate_shift_khz"}),
    (-0.001, ("auc=0.002", "tpr=1%", "rate_shift_khz=0.1"), set()),
    (-0.003, ("auc=0.002", "tpr=1%", "rate_shift_khz=0.1"), {"auc"}),
    (-0.003, ("auc/A4l=0.01", "auc/LQ=0.01", "tpr=1%", "rate_shift_khz=0.1"), set()),
    (0.05, ("rate_shift_khz=0.5",), set()),
    (0.05, ("rate_shift_khz=0.4",), {"rate_shift_khz"}),
])
def test_higher_is_better_for_physics_and_shifts_count_both_ways(
    shift: float, tolerance: tuple[str, ...], found: set[str]
) -> None:
    assert worse(designed(shift), *tolerance) == found


@pytest.mark.parametrize("rate", [9.0, 11.0])
def test_a_rate_should_stay_where_it_is(rate: float) -> None:
    assert worse(designed(rate=rate)) == {"rate_khz"}
    assert worse(designed(rate=rate), "rate_khz=10%") == set()


def test_mismatches_are_forgiven_by_no_general_tolerance() -> None:
    bad = [f.model_copy(update={"value": 0.5}) if f.name == "bit_mismatches" else f for f in designed().figures]
    assert worse(report(figures=bad), "all=100%", "all=1") == {"bit_mismatches"}


def test_a_figure_that_is_no_longer_measured_is_a_regression() -> None:
    changes = regressions(hold_against(report(figures=physics() + hardware(lut=None, latency_cycles=6.0)),
                                       make_baseline(designed()), {}))
    assert [c.text for c in changes] == ["lut [rtl, yosys]: 1000 before, now not measured (not run)"]
    assert "2 regressions" in str(RegressionError(changes * 2))


def test_another_source_is_another_figure() -> None:
    now = report(figures=physics() + hardware(Source.CSYNTH, lut=1000.0, latency_cycles=6.0))
    with pytest.raises(ReportError, match=r"base.json: lacks lut of level rtl and source csynth.*--out base.json"):
        hold_against(now, make_baseline(designed()), {}, "base.json")


def test_another_part_is_said() -> None:
    now = [f.model_copy(update={"part": "xcvu13p"}) if f.name == "lut" else f for f in designed().figures]
    change = next(c for c in hold_against(report(figures=now), make_baseline(designed()), {}) if c.key.name == "lut")
    assert change.reason == "part xcvu9p, 5.0 ns before; now xcvu13p, 5.0 ns"


def test_other_data_and_levels_are_refused() -> None:
    with pytest.raises(ReportError, match="measured on other data"):
        hold_against(report(card=data(pileup=200.0)), make_baseline(report()), {})
    assert hold_against(report(card=data(pileup=200.0)), make_baseline(report()), {}, allow_different_data=True)
    with pytest.raises(ReportError, match="is of level csim, the run has float"):
        hold_against(report(levels=("float",)), make_baseline(report()), {})


def test_seeds_layers_and_other_scores_are_not_kept() -> None:
    extra = [
        Figure(name="auc", value=0.5, source=Source.CSIM, level="csim", conditions={"signal": "A4l", "seed": 3}),
        Figure(name="lut", value=5, source=Source.YOSYS, level="rtl", conditions={"layer": "dense"}),
        Figure(name="lut_percent", value=5, unit="%", source=Source.YOSYS, level="rtl"),
        Figure(name="compile_s", value=5, source=Source.CSIM, level="csim"),
    ]
    assert make_baseline(report(figures=physics() + extra)) == make_baseline(report())


def test_a_baseline_survives_its_file(tmp_path: Path) -> None:
    made = make_baseline(designed())
    path = tmp_path / "b.json"
    path.write_text(made.to_json())
    assert load_baseline(path) == made
    assert sum('"name"' in line for line in path.read_text().splitlines()) == len(made.figures)


@pytest.mark.parametrize(("text", "message"), [
    (None, "cannot be read"), ("", "is not JSON"), ("{", "is not JSON"), ("[]", "baseline_version: is None"),
    ('{"baseline_version": "0.9"}', "baseline_version: is '0.9', this package reads 1.0"),
    ('{"baseline_version": "1.0"}', "design: Field required"),
])
def test_bad_files(tmp_path: Path, text: str | None, message: str) -> None:
    path = tmp_path / "b.json"
    if text is not None:
        path.write_text(text)
    with pytest.raises(ReportError, match=f"b.json: .*{message}.*l1trigger baseline RUN"):
        load_baseline(path)


def test_a_figure_without_value_is_not_read(tmp_path: Path) -> None:
    content = json.loads(make_baseline(designed()).to_json())
    del content["figures"][0]["value"]
    path = tmp_path / "b.json"
    path.write_text(json.dumps(content))
    with pytest.raises(ReportError, match=r"figures\.0\.value: Field required"):
        load_baseline(path)


def test_tolerances() -> None:
    assert parse_tolerances(["lut=5%", "auc=.002 tpr/A4l=1e-3"]) == {
        "lut": Tolerance(0.05, True), "auc": Tolerance(0.002), "tpr/A4l": Tolerance(0.001)}


@pytest.mark.parametrize("word", ["lut", "lut=", "lut=five", "lut=-5%", "lut=5%%", "=5"])
def test_bad_tolerances(word: str) -> None:
    with pytest.raises(ReportError, match="NAME=NUMBER or NAME=PERCENT%"):
        parse_tolerances([word])


def test_a_tolerance_for_no_figure_is_an_error() -> None:
    with pytest.raises(ReportError, match="`tolerances=` lutt: the baseline lacks this figure; did you mean 'lut'"):
        worse(designed(), "lutt=5%")
