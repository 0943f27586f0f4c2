"""A figure of another package: one entry of the catalogue and what measures it, and it is everywhere."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest
import synthetic_run as synthetic

from l1trigger import catalogue
from l1trigger.catalogue import Better, Entry, Format, Group
from l1trigger.compare import compare
from l1trigger.compare.baseline import hold_against, make_baseline
from l1trigger.design import Limit
from l1trigger.errors import L1TriggerError
from l1trigger.report import html
from l1trigger.report.additions import Addition
from l1trigger.report.build import build
from l1trigger.report.measurement import Measurement, measure
from l1trigger.report.model import Report, load_report

ENTRY = Entry("muon_rate_khz", "rate of the muon trigger", "kHz", Better.LOWER, Group.THRESHOLD,
              printed=Format(digits=3), tile="muon rate")
SHIPPED = Path(__file__).parents[3] / "models" / "reports" / "anomaly.json"


@pytest.fixture
def install(monkeypatch):
    """Installs an addition as another package's entry points would."""
    def put(addition: Addition | Exception) -> None:
        def load() -> Addition:
            if isinstance(addition, Exception):
                raise addition
            return addition

        point = SimpleNamespace(name="muons", value="muons:FIGURES", load=load)
        monkeypatch.setattr(catalogue, "entry_points", lambda group: [point] if group == "l1trigger.figures" else [])
        catalogue.entries.cache_clear()

    yield put
    monkeypatch.undo()
    catalogue.entries.cache_clear()


def reported(khz: float, install) -> Report:
    def rate(measured: Measurement):
        return [measured.maker(level)(ENTRY.name, khz) for level in measured.levels]

    install(Addition((ENTRY,), rate))
    stages = synthetic.Stages(synthetic.data_set(4000, 300))
    return build(synthetic.design(muon_rate_khz=Limit(max=5)), measure(stages.results()))


def test_it_is_in_report_budget_page_comparison_and_baseline(install):
    r = reported(7.25, install)
    figure = r.figure(ENTRY.name, "csim")
    assert (figure.value, figure.unit, figure.source) == (7.25, "kHz", "csim")
    assert r.budget[0].met is False
    tile = next(t for t in html.tiles(html.Book(r)) if t[0] == "muon rate")
    assert tile[1].text == "7.25 kHz" and tile[2] == "level csim, source csim"
    assert "muon rate" in html.render(r, {})
    (row,) = [e for e in compare([r]).entries if e.key.name == ENTRY.name and e.heading]
    assert row.heading == Group.THRESHOLD
    worse = r.model_copy(update={"figures": [
        f.model_copy(update={"value": 8.0}) if f.name == ENTRY.name else f for f in r.figures
    ]})
    verdicts = {c.key.name: c.verdict for c in hold_against(worse, make_baseline(r), {})}
    assert verdicts[ENTRY.name] == "regression" and {*verdicts.values()} == {"regression", "same"}


@pytest.mark.parametrize("broken", [ImportError("no torch"), AttributeError("no FIGURES"), ValueError("no licence")])
def test_figures_that_cannot_be_imported_are_named(install, broken):
    """Not the report or the design file that is read meanwhile."""
    install(broken)
    said = rf"^the figures 'muons' \(muons:FIGURES\) cannot be imported: {broken}. Remedy: mend or uninstall"
    for use in (lambda: load_report(SHIPPED), lambda: synthetic.design(auc=Limit(min=0.9)),
                lambda: catalogue.entry("auc")):
        with pytest.raises(L1TriggerError, match=said):
            use()
