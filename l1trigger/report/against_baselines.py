"""The network beside the best baseline, signal by signal, at the working point of the design itself."""

from __future__ import annotations

from collections.abc import Sequence

from l1trigger.design import ThresholdSection
from l1trigger.figures import Figure, FigureMaker

NAME = "tpr_over_baseline"


def over_baselines(
    figures: Sequence[Figure], levels: Sequence[str], threshold: ThresholdSection, make: FigureMaker
) -> list[Figure]:
    """Signal efficiency of the last level minus that of the best baseline at the same rate, for each signal.

    Args:
        figures: physics of all levels and baselines.
        levels: in order.
        threshold: where the design cuts, by rate or by false positive rate.
        make: makes figures of the last level.
    """
    if threshold.rate_khz is not None:
        name, at = "tpr_at_rate", {"rate_khz": threshold.rate_khz}
    else:
        name, at = "tpr", {"false_positive_rate": float(threshold.false_positive_rate or 0)}
    found = [f for f in figures if f.matches(name, None, **at) and f.value is not None]
    compared = []
    for own in (f for f in found if levels and f.level == levels[-1]):
        signal = str(own.conditions["signal"])
        others = [f for f in found if "baseline" in f.conditions and f.conditions["signal"] == signal]
        if not others:
            continue
        best = max(others, key=lambda f: f.value or 0.0)
        difference, error = (own.value or 0.0) - (best.value or 0.0), (_half(own) ** 2 + _half(best) ** 2) ** 0.5
        compared.append(make(
            NAME, difference, interval=(difference - error, difference + error),
            method="errors of both efficiencies in quadrature, thresholds held fixed", signal=signal,
            baseline=best.conditions["baseline"], conditions=at,
        ))
    return compared


def _half(figure: Figure) -> float:
    """Half of a figure's interval."""
    return (figure.interval[1] - figure.interval[0]) / 2 if figure.interval else 0.0
