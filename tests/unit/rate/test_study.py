"""Crossings are counted once, whoever counts them and whatever interrupts it."""

import json
import shutil
from dataclasses import replace

import numpy as np
import pytest
from made_run import finished

from l1trigger.data.crossings import allocate, generate
from l1trigger.data.pool_rows import TEST_BLOCKS, Pool
from l1trigger.errors import ArgumentError, DataError, RunFolderError
from l1trigger.farm import Farm
from l1trigger.physics.baselines import missing_et
from l1trigger.rate import chunks, study
from l1trigger.rate.counts import Counts
from l1trigger.rate.figures import figures
from l1trigger.rate.result import RateResult
from l1trigger.rate.study import Request
from l1trigger.results import Results
from l1trigger.run_folder import RunFolder

EVENTS = 2000
PILEUP = 5.0


@pytest.fixture(autouse=True)
def small_chunks(monkeypatch):
    monkeypatch.setattr(chunks, "SIZE", 200)
    monkeypatch.setattr(chunks, "LEAST", 3)


@pytest.fixture
def folder(template, tmp_path):
    shutil.copytree(template.path, tmp_path / "tiny")
    return RunFolder(tmp_path / "tiny")


@pytest.fixture
def asked(pool):
    return Request(pool, EVENTS, (PILEUP, 8.0), (100.0, 1000.0), 500.0, float_events=400)


def same(a, b):
    assert a.pileups.keys() == b.pileups.keys()
    for pileup, at in a.pileups.items():
        other = b.pileups[pileup]
        np.testing.assert_array_equal(at.strata, other.strata)
        for x, y in ((at.counts, other.counts), (at.levels, other.levels)):
            for name in ("block", "stratum", "pattern", "score", "events"):
                np.testing.assert_array_equal(getattr(x, name), getattr(y, name))
    assert {k: v for k, v in vars(a).items() if k != "pileups"} == {k: v for k, v in vars(b).items() if k != "pileups"}


def test_any_number_of_workers_gives_the_same_bits_and_files_keep_them(folder, asked, tmp_path):
    told = []
    one = study.study(folder, asked, Farm(1), lambda done, total: told.append((done, total)))
    assert told == sorted(told) and told[-1][0] == told[-1][1] == 2 * (EVENTS + 400)
    same(RateResult.load(folder.path / "rate"), one)
    shutil.rmtree(folder.path / "rate")
    same(study.study(folder, asked, Farm(3)), one)
    assert Results(folder.path).rate is not None


def test_counts_are_those_of_the_crossings(folder, asked, pool, function):
    """Made again by hand: scores of QKeras, the menu's cuts, and both decisions."""
    result = study.study(folder, replace(asked, pileups=(PILEUP,), cuts={"missing_et": 60.0}), Farm(2))
    loaded = Pool.load(pool)
    (at,), chunk = result.pileups.values(), chunks.chunks(PILEUP, EVENTS)[1]
    rng = np.random.default_rng(np.random.SeedSequence([1, chunk.block, chunk.number, *b"5"]))
    crossings = generate(
        loaded, PILEUP, allocate(loaded.strata(PILEUP), 200, least=3), chunk.block, rng, stream=True
    )
    score = function.evaluate(crossings.objects).score
    pattern = (missing_et(crossings.objects) > 60).astype(np.int64)
    expected = Counts.of(np.full(len(score), chunk.block), crossings.stratum, pattern, score)
    task = chunks.Task(pool, "objects", Results(folder.path).csim.program, result.menu, 1)
    found = task.count(chunk)
    for name in ("block", "stratum", "pattern", "score", "events"):
        np.testing.assert_array_equal(getattr(found, name), getattr(expected, name))
    assert set(at.counts.block) == set(TEST_BLOCKS)
    trained, threshold = Results(folder.path).train, result.float_threshold
    levels = task.compare(chunk, lambda x: trained.float_score(x) > threshold)
    by_float = trained.float_score(crossings.objects) > threshold
    both = by_float + 2 * (score > function.threshold)
    for value in range(4):
        assert levels.events[levels.pattern == value].sum() == (both == value).sum()


def test_what_is_counted_is_not_counted_again(folder, asked, monkeypatch):
    class StopError(Exception):
        pass

    def interrupted(done, total):
        if done >= total // 3:
            raise StopError

    whole = study.study(folder, asked, Farm(1))
    shutil.rmtree(folder.path / "rate")
    with pytest.raises(StopError):
        study.study(folder, asked, Farm(1), interrupted)
    kept = {p: p.stat().st_mtime_ns for p in (folder.path / "rate").rglob("*_pileup*.npz")}
    assert kept and not (folder.path / "rate" / "rate.json").exists()
    damaged = next(iter(kept))
    damaged.write_bytes(damaged.read_bytes()[:50])
    del kept[damaged]
    same(study.study(folder, asked, Farm(1)), whole)
    assert all(p.stat().st_mtime_ns == at for p, at in kept.items())

    def never(*_):
        raise AssertionError("counted again")

    monkeypatch.setattr(chunks.Task, "count", never)
    monkeypatch.setattr(chunks.Task, "compare", never)
    same(study.study(folder, asked, Farm(1)), whole)


def test_another_menu_starts_anew(folder, asked):
    asked = replace(asked, float_events=0)
    study.study(folder, asked, Farm(1))
    (before,) = (folder.path / "rate" / "chunks").iterdir()
    study.study(folder, replace(asked, cuts={"missing_et": 60.0}), Farm(1))
    (after,) = (folder.path / "rate" / "chunks").iterdir()
    assert before != after


def test_figures_have_conditions_errors_and_reasons(folder, asked):
    counted = study.study(folder, asked, Farm(2)).pileups
    usual = int(np.median(counted[PILEUP].counts.score))  # a threshold that many crossings are above
    result = replace(RateResult.load(folder.path / "rate"), threshold=usual)
    found = figures(result)
    for pileup in (PILEUP, 8.0):
        def one(name, pileup=pileup, **more):
            (figure,) = (f for f in found if f.matches(name, "csim", pileup=pileup, **more))
            return figure

        rate, pure, menu = one("rate_at_pileup_khz"), one("pure_rate_khz"), one("menu_rate_khz")
        assert rate.source == "engine" and rate.interval[0] < rate.value < rate.interval[1]
        assert rate.conditions["crossings"] >= EVENTS
        overlaps = [f for f in found if f.matches("overlap_khz", pileup=pileup)]
        assert len(overlaps) == len(result.menu.cuts)
        binned = result.binned(pileup)
        accepted = binned.scored.scores > result.threshold * result.lsb
        weight = binned.scored.groups.weight
        scale = rate.value / weight[accepted].sum()
        if pure.value is not None and menu.value is not None:
            common = scale * weight[accepted & (binned.pattern > 0)].sum()
            assert pure.value + common == pytest.approx(rate.value)
        assert one("threshold_at_pileup", rate_khz=1000.0).conditions["achieved_rate_khz"] <= 1000.0
        shift = one("rate_shift_at_pileup_khz")
        assert shift.value is None or shift.interval[0] <= shift.value <= shift.interval[1]
    rare = figures(replace(result, threshold=int(result.pileups[8.0].counts.score.max()) - 1))
    (withheld,) = (f for f in rare if f.matches("rate_at_pileup_khz", pileup=PILEUP))
    assert withheld.value is None and "30 are needed" in withheld.reason


def test_without_the_float_level_there_is_no_shift(folder, asked):
    result = study.study(folder, replace(asked, float_events=0), Farm(1))
    assert not any(f.name == "rate_shift_at_pileup_khz" for f in figures(result))


@pytest.mark.parametrize(("change", "problem"), [
    ({"rates_khz": (0.0,)}, "`khz=`: a rate of 0 kHz is not possible"),
    ({"rates_khz": (1e6,)}, "`khz=`: a rate of 1e\\+06 kHz is not possible.*crossing rate"),
    ({"pileups": (-3.0,)}, "`pileup=`: -3 collisions per crossing are not possible"),
    ({"events": 0}, "`events=`: there must be at least one crossing"),
])
def test_values_that_are_not_possible(folder, asked, change, problem):
    with pytest.raises(ArgumentError, match=problem):
        study.study(folder, replace(asked, **change), Farm(1))
    assert not (folder.path / "rate").exists()


def test_pool_that_is_none(folder, asked, tmp_path):
    with pytest.raises(DataError, match="is no pool of collisions.*l1trigger data make pool"):
        study.study(folder, replace(asked, pool=tmp_path), Farm(1))


def test_run_without_proof(data, function, asked, tmp_path, template):
    with pytest.raises(RunFolderError, match="holds no C-simulation.*l1trigger csim"):
        study.study(RunFolder(tmp_path / "empty"), asked, Farm(1))
    for name, how, problem in (
        ("a", {"proven": False}, "does not prove the engine"),
        ("b", {"engine": False}, "no engine of its trigger function: it has a layer"),
        ("c", {"zero_bias": False}, "no zero-bias sample"),
    ):
        folder = finished(tmp_path / name, data, function, **how)
        with pytest.raises(ArgumentError, match=problem):
            study.study(folder, asked, Farm(1))


def test_rates_of_another_trigger_function_are_not_taken(folder, asked):
    study.study(folder, replace(asked, float_events=0), Farm(1))
    path = folder.path / "rate" / "rate.json"
    meta = json.loads(path.read_text())
    path.write_text(json.dumps(meta | {"upstream": "another"}))
    assert Results(folder.path).rate is None
    path.write_text("{}")
    with pytest.raises(DataError, match="holds no rates.*l1trigger rate"):
        RateResult.load(folder.path / "rate")
