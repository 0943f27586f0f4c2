"""Response, resolution and its fit on toys whose truth is known; purity on an example counted by hand."""

import numpy as np
import pytest
import toy_garnet as toy

from l1trigger.data.events import DataSet, Events
from l1trigger.figures import Estimate, FigureMaker
from l1trigger.physics import response
from l1trigger.physics.roc import Scored

ENERGIES = np.linspace(5, 95, 9)
MAKE = FigureMaker("csim", "csim", "toy")


def gaussian(n, scale, sigma, seed, low=10, high=100):
    rng = np.random.default_rng(seed)
    true = rng.uniform(low, high, n)
    return true * scale * (1 + sigma * rng.standard_normal(n)), true


@pytest.mark.parametrize(("scale", "sigma"), [(1.0, 0.1), (0.8, 0.05), (1.3, 0.2)])
def test_spread_of_a_gaussian(scale, sigma):
    """The median is the scale, half the central 68 % over it is sigma; four errors leave a chance of 1 in 16 000."""
    found = response.spread(*gaussian(4000, scale, sigma, 1))
    assert abs(found.response.value - scale) < 4 * found.response.error
    assert abs(found.resolution.value - sigma) < 4 * found.resolution.error
    # Of a Gaussian the median is known to 1.2533 sigma / sqrt(n).
    assert found.response.error == pytest.approx(1.2533 * scale * sigma / 4000**0.5, rel=0.3)
    assert found.events == 4000 and found.energy == pytest.approx(55, abs=2)


def test_tails_do_not_count():
    measured, true = gaussian(4000, 1.0, 0.1, 2)
    measured[::50] *= 20
    found = response.spread(measured, true)
    assert found.response.value == pytest.approx(1, abs=0.01) and found.resolution.value == pytest.approx(0.1, rel=0.06)


def test_few_events_have_no_resolution():
    few = response.MINIMUM_EVENTS - 1
    found = response.spread(*gaussian(few, 1.0, 0.1, 3))
    assert found.events == few and np.isnan(found.response.value) and np.isnan(found.resolution.value)
    nothing = response.spread(np.empty(0), np.empty(0))
    assert nothing.events == 0 and np.isnan(nothing.energy)
    assert np.isfinite(response.spread(*gaussian(few + 1, 1.0, 0.1, 3)).resolution.value)


def test_bins_hold_every_event():
    measured, true = gaussian(3000, 1.0, 0.1, 4)
    edge = response.edges(true)
    bins = response.in_bins(measured, true, edge)
    assert len(bins) == response.BINS == len(edge) - 1
    assert sum(b.events for b in bins) == 3000
    assert all(low <= b.energy <= high for b, low, high in zip(bins, edge[:-1], edge[1:], strict=True))


def bins_of(value, error):
    one = Estimate(1.0, 0.01, "toy")
    return [response.Spread(100, float(e), one, Estimate(float(v), float(d), "toy"))
            for e, v, d in zip(ENERGIES, value, error, strict=True)]


def made_bins(a, b, c, relative=0.02, seed=1):
    value = np.sqrt(a**2 / ENERGIES + b**2 / ENERGIES**2 + c**2)
    moved = value * (1 + relative * np.random.default_rng(seed).standard_normal(len(value)))
    return bins_of(moved, relative * value)


@pytest.mark.parametrize("truth", [(0.5, 1.0, 0.05), (0.2, 0.8, 0.03)])
def test_fit_recovers_the_terms(truth):
    """Pulls over 40 toys: mean near 0 and width near 1 (40 toys know them to 0.16 and 0.11), far from none at all."""
    pulls = []
    for seed in range(40):
        curve = response.fit(made_bins(*truth, seed=seed, relative=0.005))
        assert curve.degrees == 6
        pulls.append([(t.value - v) / t.error for t, v in zip((curve.a, curve.b, curve.c), truth, strict=True)])
        at_20 = np.sqrt(truth[0] ** 2 / 20 + (truth[1] / 20) ** 2 + truth[2] ** 2)
        np.testing.assert_allclose(curve(np.array([20.0])), at_20, rtol=0.02)
    pulls = np.array(pulls)
    assert (np.abs(pulls.mean(0)) < 0.7).all() and ((pulls.std(0) > 0.6) & (pulls.std(0) < 1.6)).all()


def pulled_below(a, b_squared, c, relative=1e-3):
    """Bins without fluctuations, whose term b^2/E^2 has the sign that none can have."""
    value = np.sqrt(a**2 / ENERGIES + b_squared / ENERGIES**2 + c**2)
    return bins_of(value, relative * value)


def test_a_term_of_zero_has_no_error():
    curve = response.fit(pulled_below(0.5, -0.01, 0.05))
    assert curve.b.value == 0 and np.isnan(curve.b.error) and curve.degrees == 7
    assert curve.a.value == pytest.approx(0.5, rel=1e-2) and np.isfinite(curve.a.error)
    figures = {f.name: f for f in response._fit_figures(curve, "egamma", MAKE)}
    assert figures["resolution_noise"].value == 0 and figures["resolution_noise"].interval is None
    assert figures["resolution_stochastic"].interval is not None
    assert figures["resolution_stochastic"].unit == "GeV^0.5" and figures["resolution_noise"].unit == "GeV"


def test_constant_resolution_is_the_constant_term():
    curve = response.fit(pulled_below(0.0, -0.001, 0.1))
    assert np.isnan([curve.a.error, curve.b.error]).all() and curve.degrees == 8
    assert (curve.a.value, curve.b.value) == (0, 0) and curve.c.value == pytest.approx(0.1, rel=1e-3)


def test_too_few_bins_have_no_curve():
    assert response.fit(made_bins(0.5, 1.0, 0.05)[:3]) is None
    assert response.fit(made_bins(0.5, 1.0, 0.05)[:4]) is not None
    figures = response._fit_figures(None, "egamma", MAKE)
    assert [f.value for f in figures] == [None] * 3
    assert {f.reason for f in figures} == {"fewer than four bins have a resolution"}


def truthful(name, n, seed):
    rng = np.random.default_rng(seed)
    return toy.with_truth(toy.clusters(n, seed), np.ones(n), rng.uniform(10, 100, n), name)


@pytest.fixture
def data():
    background = truthful("pion", 300, 1)
    signals = (truthful("egamma", 200, 2), Events.unweighted("untold", toy.clusters(30, 3)))
    return DataSet(background, background, background, signals, False, 2760)


def test_figures_of_every_sample_with_truth(data):
    energies = {e.name: e.truth["energy"] * 0.9 for e in data.evaluated if "energy" in e.truth}
    figures = response.response_figures(energies, data, MAKE)
    assert {f.conditions["sample"] for f in figures} == {"pion", "egamma"}
    whole = [f for f in figures if f.name == "response" and f.conditions["true_energy_gev"] == "all"]
    assert [f.value for f in whole] == pytest.approx([0.9, 0.9])
    assert sum(f.name == "resolution" for f in figures) == 2 * (response.BINS + 1)
    few = [f for f in figures if f.conditions.get("events", 99) < response.MINIMUM_EVENTS]
    assert few and all(f.value is None and "20 are needed" in f.reason for f in few)


def test_equal_levels_have_a_ratio_of_one(data):
    rng = np.random.default_rng(5)
    same = {e.name: e.truth["energy"] * rng.normal(1, 0.1, len(e)) for e in data.evaluated if "energy" in e.truth}
    figures = response.ratio_figures(same, same, data, MAKE)
    assert [(f.value, f.interval) for f in figures] == [(1.0, (1.0, 1.0))] * 2
    worse = {n: v * rng.normal(1, 0.1, len(v)) for n, v in same.items()}
    for f in response.ratio_figures(same, worse, data, MAKE):
        # Two such spreads in quadrature, measured with some 200 events.
        assert f.value == pytest.approx(2**0.5, rel=0.25) and f.interval[0] < f.value < f.interval[1]


def test_the_best_baseline_is_the_narrowest(data):
    rng = np.random.default_rng(6)

    def measured(width):
        return {e.name: e.truth["energy"] * rng.normal(1, width, len(e)) for e in data.evaluated if "energy" in e.truth}

    baselines = {"wide": measured(0.4), "hit_sum": measured(0.2)}
    figures = response.baseline_ratio_figures(baselines, measured(0.1), data, MAKE)
    assert [f.conditions["sample"] for f in figures] == ["pion", "egamma"]
    for f in figures:
        assert f.name == "resolution_ratio_to_best_baseline" and f.conditions["best_baseline"] == "hit_sum"
        # Spreads of some 200 events.
        assert f.value == pytest.approx(0.5, rel=0.25) and f.interval[0] < f.value < f.interval[1]
        assert f.conditions["best_baseline_value"] == pytest.approx(0.2, rel=0.2)
    same = response.baseline_ratio_figures(baselines, baselines["hit_sum"], data, MAKE)
    assert [(f.value, f.interval) for f in same] == [(1.0, (1.0, 1.0))] * 2


def scored(data, scores):
    return {e.name: Scored.of(np.asarray(scores[e.name], float), e) for e in data.evaluated}


def by_hand(signal, background):
    s, b = (Events.unweighted(n, toy.clusters(len(v))) for n, v in (("egamma", signal), ("pion", background)))
    data = DataSet(b, b, b, (s,), False, 2760)
    return data, scored(data, {"egamma": signal, "pion": background})


def test_efficiency_at_purity_counted_by_hand():
    """Two signal events at each of 1 to 10; a background that reaches up to 4."""
    signal, background = np.repeat(np.arange(1, 11), 2), np.repeat([0, 0, 0, 0, 0, 1, 1, 2, 2, 4], 2)
    data, samples = by_hand(signal, background)
    figures = {f.conditions["purity"]: f for f in response.purity_figures(samples, data, MAKE)}
    # Of 20 each: above 2 there are 16 against 2, purity 8/9; above 3 14 against 2; above 4 12 against none.
    assert {p: f.value for p, f in figures.items()} == pytest.approx({0.9: 0.6, 0.95: 0.6, 0.99: 0.6})
    assert figures[0.9].conditions["threshold"] == 4.0
    assert figures[0.9].interval[0] < 0.6 < figures[0.9].interval[1]


def test_no_threshold_is_pure_enough():
    data, samples = by_hand(np.arange(10), np.arange(10) + 5)
    for f in response.purity_figures(samples, data, MAKE):
        assert f.value is None and f.reason == "no threshold gives this purity"


def test_auc_ratio(data):
    rng = np.random.default_rng(6)
    plain = {e.name: rng.normal(e.name != "pion", 1, len(e)) for e in data.evaluated}
    one = scored(data, plain)
    assert [f.value for f in response.auc_ratio_figures(one, one, data, MAKE)] == [1.0, 1.0]
    worst = scored(data, {n: np.full(len(v), 0.0 if n == "pion" else -1.0) for n, v in plain.items()})
    figures = response.auc_ratio_figures(worst, one, data, MAKE)
    assert [(f.value, f.reason) for f in figures] == [(None, "the AUC is 0")] * 2
