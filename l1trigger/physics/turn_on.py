"""Turn-on curves: efficiency of the trigger decision against a quantity that an analysis would cut on.

The figure made of them is ``pt_at_95_percent`` [GeV] with the conditions ``signal`` and ``quantity``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from l1trigger.data.events import Events
from l1trigger.data.objects import EGAMMA, FEATURES, JET, OBJECTS, to_physical
from l1trigger.figures import Figure, FigureMaker
from l1trigger.physics.roc import INTERVAL_METHOD, aligned, binomial_interval

EDGES_GEV = {
    "leading_jet_pt": np.r_[0, 10:60:10, 60:120:15, 120:200:20, 200:321:40].astype(np.float64),
    "sum_pt": np.r_[0:200:20, 200:400:40, 400:801:80].astype(np.float64),
}
"""Bin edges [GeV] by quantity."""

TITLES = {"leading_jet_pt": "leading jet pT", "sum_pt": "sum of pT"}

PLATEAU = 0.95
MINIMUM_TRIALS = 10
"""Effective events that a bin needs to count for the plateau."""


@dataclass(frozen=True)
class TurnOn:
    """Efficiency in bins.

    Attributes:
        edges: bin edges [GeV], one more than bins.
        efficiency, low, high: accepted fraction and its interval per bin; NaN in empty bins.
        trials: effective events per bin.
        method: of the interval.
    """

    edges: NDArray[np.float64]
    efficiency: NDArray[np.float64]
    low: NDArray[np.float64]
    high: NDArray[np.float64]
    trials: NDArray[np.float64]
    method: str = INTERVAL_METHOD

    def pt_at_95_percent(self) -> float | None:
        """Where the efficiency reaches 95 % for good [GeV], interpolated between bin centres; None if nowhere."""
        centres = 0.5 * (self.edges[1:] + self.edges[:-1])
        used = self.trials >= MINIMUM_TRIALS
        x, y = centres[used], self.efficiency[used]
        if not len(x) or y[-1] < PLATEAU:
            return None
        below = np.flatnonzero(y < PLATEAU)
        if not len(below):
            return None
        i = int(below[-1])
        return float(x[i] + (PLATEAU - y[i]) / (y[i + 1] - y[i]) * (x[i + 1] - x[i]))


def quantities(events: Events) -> dict[str, NDArray[np.float64]]:
    """What stands in for an offline selection [GeV], from the trigger objects themselves; empty for other inputs."""
    if events.inputs.shape[1:] != (OBJECTS, len(FEATURES)):
        return {}
    pt = to_physical(events.inputs)[..., 0]
    return {"leading_jet_pt": pt[:, JET.first], "sum_pt": pt[:, EGAMMA.first :].sum(1)}


def turn_on_curve(
    accept: NDArray[Any], values: NDArray[np.float64], events: Events, edges: NDArray[np.float64]
) -> TurnOn:
    """Efficiency of a decision in bins of a quantity; what lies above the last edge counts into the last bin.

    Args:
        accept: decision (events,).
        values: the quantity (events,).
        events: the sample, for its weights.
        edges: bin edges.
    """
    weight = aligned(events, len(accept)).weight
    bins = len(edges) - 1
    where = np.clip(np.searchsorted(edges, values[: len(accept)], side="right") - 1, 0, bins - 1)
    total = np.bincount(where, weight, bins)
    passed = np.bincount(where, weight * accept, bins)
    squares = np.bincount(where, weight**2, bins)
    trials = np.divide(total**2, squares, out=np.zeros(bins), where=squares > 0)
    value = np.divide(passed, total, out=np.full(bins, np.nan), where=total > 0)
    low, high = binomial_interval(np.clip(np.nan_to_num(value), 0, 1) * trials, trials)
    empty = trials == 0
    low[empty], high[empty] = np.nan, np.nan
    return TurnOn(edges, value, low, high, trials)


def turn_on_figures(
    accepts: Mapping[str, NDArray[Any]], signals: Sequence[Events], make: FigureMaker
) -> list[Figure]:
    """Where each signal's efficiency reaches 95 %.

    Args:
        accepts: sample name to decisions (events,).
        signals: the samples.
        make: of the level of the decisions.
    """
    reason = "the efficiency does not cross 95 % in the range measured"
    figures = []
    for s in signals:
        for name, values in quantities(s).items():
            point = turn_on_curve(accepts[s.name], values, s, EDGES_GEV[name]).pt_at_95_percent()
            figures.append(make("pt_at_95_percent", point, reason, signal=s.name, quantity=name))
    return figures
