from __future__ import annotations

import pytest

from l1trigger.design import Limit
from l1trigger.report.budget import judge
from l1trigger.report.figures import Figure, Source


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
