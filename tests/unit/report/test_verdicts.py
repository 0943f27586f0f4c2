"""The first screen: what is measured stands there, whichever way it goes."""

import pytest
import synthetic_run as synthetic

from l1trigger.design import ThresholdSection
from l1trigger.figures import Figure, FigureMaker, Source
from l1trigger.report.against_baselines import over_baselines
from l1trigger.report.build import build
from l1trigger.report.measurement import measure
from l1trigger.report.verdicts import verdicts


@pytest.fixture(scope="module")
def made():
    with pytest.MonkeyPatch.context() as patch:
        synthetic.stand_in(patch.setattr)
        return build(synthetic.design(), measure(synthetic.Stages(synthetic.data_set(4000, 300)).results()))


def styles(report):
    return {v.headline: v for v in verdicts(report)}


def test_the_best_baseline_at_the_designs_own_rate(made):
    wanted = made.design.resolved["compress"]["threshold"]["rate_khz"]
    level = made.levels[-1]
    for signal in {f.conditions["signal"] for f in made.find("tpr_over_baseline")}:
        figure = made.figure("tpr_over_baseline", level, signal=signal)
        own = made.figure("tpr_at_rate", level, signal=signal, rate_khz=wanted)
        others = [f.value for f in made.find("tpr_at_rate", signal=signal, rate_khz=wanted)
                  if "baseline" in f.conditions and f.value is not None]
        assert figure.value == pytest.approx(own.value - max(others))
        assert figure.interval[0] < figure.value < figure.interval[1]


NETWORK = FigureMaker("rtl", Source.DATASET, None)


def efficiency(value, signal="A4l", baseline=None):
    make = FigureMaker("baseline", Source.DATASET, None) if baseline else NETWORK
    more = {"baseline": baseline} if baseline else {}
    return make("tpr_at_rate", value, interval=(value - 0.01, value + 0.01), method="m", signal=signal, rate_khz=10,
                conditions=more)


@pytest.mark.parametrize(("value", "headline", "style"), [
    (0.5, "Above all baselines", "good"), (0.301, "Level with baselines", "unknown"), (0.2, "Below a baseline", "bad"),
])
def test_the_network_beside_the_best_baseline(made, value, headline, style):
    physics = [efficiency(value), efficiency(0.3, baseline="leading_muon_pt"), efficiency(0.1, baseline="met")]
    figures = over_baselines(physics, ["float", "rtl"], ThresholdSection(rate_khz=10), NETWORK)
    (figure,) = figures
    assert figure.value == pytest.approx(value - 0.3)
    assert figure.conditions["baseline"] == "leading_muon_pt"
    verdict = styles(made.model_copy(update={"figures": figures}))[headline]
    assert verdict.style == style
    assert "At 10 kHz" in verdict.sentence
    assert ("leading muon pT" in verdict.sentence) == (style == "bad")


def test_no_baseline_no_verdict(made):
    assert over_baselines([efficiency(0.5)], ["rtl"], ThresholdSection(rate_khz=10), NETWORK) == []
    assert not any("aseline" in headline for headline in styles(made.model_copy(update={"figures": []})))


@pytest.mark.parametrize(("delay", "headline"), [(4.9, "Fits the clock"), (7.8, "Slower than the clock")])
def test_the_longest_stage_beside_the_clock(made, delay, headline):
    figure = Figure(name="estimated_stage_delay_ns", value=delay, unit="ns", source=Source.ESTIMATE,
                    tool="alkaid 0.8.2", level="rtl", part="xcvu9p", clock_ns=5.0)
    verdict = styles(made.model_copy(update={"figures": [figure]}))[headline]
    assert f"longest stage {delay:.2f} ns at a 5 ns clock" in verdict.sentence
    assert "not placed and routed" in verdict.sentence
