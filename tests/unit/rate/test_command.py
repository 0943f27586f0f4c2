"""The command: options to a request, errors in its own words."""

import shutil

import pytest
from typer.testing import CliRunner

from l1trigger.cli import app
from l1trigger.rate import chunks
from l1trigger.rate.result import RateResult


def call(*words):
    done = CliRunner().invoke(app, ["rate", *(str(w) for w in words)])
    assert "Traceback" not in done.output
    return done.exit_code, done.stdout, " ".join(done.stderr.split())


@pytest.fixture
def run(template, tmp_path, monkeypatch):
    """A run folder; that its report is made again is tested elsewhere."""
    shutil.copytree(template.path, tmp_path / "tiny")
    (tmp_path / "tiny" / "design.json").write_text("{}")
    monkeypatch.setattr(chunks, "SIZE", 50)
    monkeypatch.setattr(chunks, "LEAST", 2)
    return tmp_path / "tiny"


@pytest.fixture
def reported(run, monkeypatch):
    """The same with a report, which holds nothing."""
    from l1trigger.report import again

    class Empty:
        figures = samples = ()

        def find(self, name):
            return []

    monkeypatch.setattr(again, "require_report", lambda folder: None)
    monkeypatch.setattr(again, "make_again", lambda folder: Empty())
    return run


def test_options_make_a_request(reported, pool):
    code, out, err = call(
        reported, "--pool", pool, "--events", "5e2", "--pileup", "4,6", "--khz", "200", "--cut", "missing_et=60",
        "--cut", "sum_pt=300", "--float-events", "0", "--workers", "2", "--seed", "7",
    )
    assert code == 0, err
    assert "report" in out
    result = RateResult.load(reported / "rate")
    assert list(result.pileups) == [4.0, 6.0] and result.rates_khz == (200.0,) and result.seed == 7
    assert [(c.baseline, c.threshold) for c in result.menu.cuts] == [("missing_et", 60.0), ("sum_pt", 300.0)]
    assert all(at.counts.events.sum() >= 500 for at in result.pileups.values())


@pytest.mark.parametrize(("words", "problem"), [
    (("--pileup", "30;50"), "--pileup: '30;50' is no list of numbers. Remedy: write e.g. 30,50,70"),
    (("--khz", "0"), "--khz: a rate of 0 kHz is not possible"),
    (("--cut", "missing_et"), "--cut: 'missing_et' is no cut. Remedy: write e.g. missing_et=200"),
    (("--cut", "met=3"), "--cut: there is no score 'met' to cut on"),
    (("--cluster", "nowhere.yaml"), "nowhere.yaml: cannot be read"),
    (("--pool", "empty"), "empty: is no pool of collisions"),
])
def test_wrong_values_are_named_by_their_option(reported, pool, words, problem):
    code, _, err = call(reported, "--pool", pool, "--events", "500", "--float-events", "0", *words)
    assert code == 2 and problem in err


def test_run_without_a_report(run, pool, tmp_path):
    code, _, err = call(run, "--pool", pool)
    assert code == 2 and "has no report of its results. Remedy: run `l1trigger report`" in err
    code, _, err = call(tmp_path / "nowhere", "--pool", pool)
    assert code == 2 and "is no run folder" in err
