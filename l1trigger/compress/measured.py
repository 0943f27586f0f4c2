"""What a trigger function is worth on its own, before any C++ of it exists: the headline figures of each task."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from l1trigger import catalogue
from l1trigger.data.events import DataSet, Events
from l1trigger.figures import Figure, FigureMaker, Level, Source
from l1trigger.physics import measure
from l1trigger.physics.classification import Labelled, class_figures
from l1trigger.physics.response import spread
from l1trigger.train.result import TrainResult
from l1trigger.trigger import TriggerFunction

Scores = dict[str, NDArray[Any]]
Predictions = dict[str, Scores]
"""What (``class``, ``energy``) to sample name to values (events,)."""


def float_figures(data: DataSet, trained: TrainResult, which: int | None = None) -> list[Figure]:
    """Headline figures of the float reference."""
    def of(events: Events) -> tuple[NDArray[Any], dict[str, NDArray[Any]]]:
        predicted = trained.float_predictions(events.inputs, which) if trained.predicts else {}
        return trained.float_score(events.inputs, which), predicted

    return _figures(data, of, "float", None)


def quantized_figures(
    trigger: TriggerFunction, data: DataSet, trained: TrainResult, tool: str | None = None
) -> list[Figure]:
    """Headline figures of a trigger function at level quantized, which C-simulation and RTL equal bit for bit."""
    def of(events: Events) -> tuple[NDArray[Any], dict[str, NDArray[Any]]]:
        out = trigger.evaluate(events.inputs)
        known = trained.predicts and trigger.keeps_outputs
        predicted = trained.predictions(trigger.network.output_type.value(out.network)) if known else {}
        return trigger.value(out.score), predicted

    return _figures(data, of, "quantized", tool)


def _figures(
    data: DataSet, of: Callable[[Events], tuple[NDArray[Any], dict[str, NDArray[Any]]]], level: Level,
    tool: str | None,
) -> list[Figure]:
    scores: Scores = {}
    predictions: Predictions = {}
    for events in data.evaluated:
        scores[events.name], predicted = of(events)
        for what, values in predicted.items():
            predictions.setdefault(what, {})[events.name] = values
    make, headlines = FigureMaker(level, Source.DATASET, tool), catalogue.names("headline")
    figures = [f for f in measure.level_figures(scores, data, make) if f.name in headlines]
    if "class" in predictions and data.classes:
        of_classes = class_figures(Labelled.of(data), predictions["class"], make)
        figures += [f for f in of_classes if f.name in headlines]
    if "energy" in predictions:
        for events in data.evaluated:
            energy = spread(np.asarray(predictions["energy"][events.name], np.float64), events.truth["energy"])
            figures.append(make("resolution", energy.resolution, sample=events.name, true_energy_gev="all"))
    return figures
