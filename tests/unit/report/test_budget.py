from __future__ import annotations

import pytest

from l1trigger.design import Limit
from l1trigger.figures import Figure, Source
from l1trigger.report.budget import judge


def figure(name, value, level="csim", reason=None, **conditions) -> Figure:
    return Figure(name=name, value=value, reason=reason, source=Source.CSIM, level=level, conditions=conditions)


FIGURES = [
    figure("auc", 0.9, signal="A4l"), figure("auc", 0.8, signal="LQ"), figure("auc", 0.95, "float", signal="A4l"),
    figure("auc", 0.5, "baseline", signal="A4l", baseline="sum_pt"),
    figure("rate_khz", None, reason="rests on 2 effective independent events"),
    figure("tpr", 0.3, signal="A4l"), figure("tpr", None, reason="few events", signal="LQ"),
]


@pytest.mark.parametrize(("key", "limit", "met", "value"), [
    ("auc", Limit(min=0.79), True, 0.8),
    ("auc", Limit(min=0.85), False, 0.8),
    ("auc", Limit(min=0.85, conditions={"signal": "A4l"}), True, 0.9),
    ("auc/of A4l", Limit(min=0.92, level="float"), True, 0.95),
    ("auc", Limit(max=0.6, level="baseline"), True, 0.5),
    ("auc", Limit(min=0.7, max=0.85), False, 0.95),
    ("rate_khz", Limit(max=10), None, None),
    ("latency_ns", Limit(max=25), None, None),
    # One signal is not measured: the limit is not met by the others, but can be missed by them.
    ("tpr", Limit(min=0.2), None, 0.3),
    ("tpr", Limit(min=0.4), False, 0.3),
])
def test_judgements(key, limit, met, value):
    (j,) = judge({key: limit}, FIGURES)
    assert (j.met, j.value) == (met, value)
    assert (j.reason is None) == (met is not None)


def test_reasons():
    rate, latency = judge({"rate_khz": Limit(max=10), "latency_ns": Limit(max=25, level="rtl")}, FIGURES)
    assert rate.reason == "rests on 2 effective independent events"
    assert latency.reason == "no stage of this run measures latency_ns at level rtl"


def test_the_deciding_signal_and_level_are_named():
    (j,) = judge({"auc": Limit(min=0.85)}, FIGURES)
    assert j.level == "csim" and j.conditions == {"signal": "LQ"}


@pytest.mark.parametrize("conditions", [{}, {"class": "down"}])
def test_the_deciding_class_is_named(conditions):
    found = [figure("efficiency", v, **{"class": c}) for c, v in (("across", 0.9), ("down", 0.7), ("block", 0.8))]
    (j,) = judge({"efficiency": Limit(min=0.75, conditions=conditions)}, found)
    assert (j.met, j.value, j.conditions) == (False, 0.7, {"class": "down"})


def hls(source, value, **conditions) -> Figure:
    reason = None if value is not None else "not run"
    return Figure(name="lut", value=value, reason=reason, source=source, conditions=conditions)


@pytest.mark.parametrize(("figures", "limit", "value", "met"), [
    ([hls(Source.CSYNTH, 40.0), hls(Source.ROUTE, 9.0)], Limit(max=10), 9, True),
    ([hls(Source.CSYNTH, 40.0), hls(Source.ROUTE, None)], Limit(max=10), 40, False),
    ([hls(Source.CSYNTH, 9.0), hls(Source.CSYNTH, 40.0, module="dense")], Limit(max=10), 9, True),
    ([hls(Source.CSYNTH, 9.0), hls(Source.CSYNTH, 40.0, module="dense")],
     Limit(max=10, conditions={"module": "dense"}), 40, False),
    # RTL and HLS project are two firmwares: both must keep the limit.
    ([figure("lut", 20, "rtl"), hls(Source.CSYNTH, 40.0), hls(Source.ROUTE, 9.0)], Limit(max=10), 20, False),
    ([figure("lut", 8, "rtl"), hls(Source.CSYNTH, 40.0), hls(Source.ROUTE, 9.0)], Limit(max=10), 9, True),
    ([hls(Source.CSYNTH, None)], Limit(max=10), None, None),
])
def test_the_last_step_of_the_hls_route_counts(figures, limit, value, met):
    (verdict,) = judge({"lut": limit}, figures)
    assert (verdict.value, verdict.met) == (value, met)
