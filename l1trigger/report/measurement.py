"""Scores of every level and baseline joined with their events: what figures and pictures are made from."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from importlib.metadata import PackageNotFoundError, version
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from l1trigger.data.classes import CLASS
from l1trigger.data.events import DataSet
from l1trigger.figures import FigureMaker, Level, Source
from l1trigger.physics import class_baselines, hit_baselines
from l1trigger.physics.baselines import LinearModel, baseline_scores
from l1trigger.physics.measure import scored
from l1trigger.physics.roc import Scored, aligned
from l1trigger.results import Results
from l1trigger.train.result import TrainResult

LEVEL_ORDER: tuple[Level, ...] = ("float", "quantized", "csim", "rtl")
SOURCES: Mapping[Level, Source] = {
    "float": Source.DATASET, "quantized": Source.DATASET, "csim": Source.CSIM, "rtl": Source.VERILATOR,
    "baseline": Source.DATASET,
}
_LINEAR_EVENTS = 50_000


@dataclass(frozen=True)
class Measurement:
    """Scores joined with their events, the same events at all levels.

    Attributes:
        results: of all stages.
        data: the events that have scores at every level.
        levels: level to sample name to scores, in the order of the levels.
        baselines: baseline to sample name to scores.
        thresholds: the design's threshold in units of each level's score.
        accepts: decision bits of the last level by sample name.
        tools: what computed each level.
        float_value: a firmware score in units of the float score.
        absent: why there is no level ``rtl``; empty when there is.
        predictions: what (``energy`` [GeV] or ``class``) to level or baseline to sample name to values (events,);
            empty where network outputs say nothing beside the score.
    """

    results: Results
    data: DataSet
    levels: Mapping[Level, Mapping[str, Scored]]
    baselines: Mapping[str, Mapping[str, Scored]]
    thresholds: Mapping[Level, float]
    accepts: Mapping[str, NDArray[np.bool_]]
    tools: Mapping[Level, str]
    float_value: Callable[[NDArray[np.float64]], NDArray[np.float64]]
    absent: str = ""
    predictions: Mapping[str, Mapping[str, Mapping[str, NDArray[Any]]]] = field(default_factory=dict)

    @property
    def energies(self) -> Mapping[str, Mapping[str, NDArray[np.float64]]]:
        """Level or baseline to sample name to energies [GeV]; empty where the network regresses none."""
        return self.predictions.get("energy", {})

    @property
    def classes(self) -> Mapping[str, Mapping[str, NDArray[np.int64]]]:
        """Level or baseline to sample name to predicted classes; empty where there are no classes."""
        return self.predictions.get(CLASS, {})

    def in_float_units(self, level: Level, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """Scores or thresholds of a level in units of the float score, so that levels share an axis."""
        return values if level == "float" else self.float_value(values)

    def maker(self, name: str) -> FigureMaker:
        """Makes figures of a level or, under its name, of a baseline."""
        if name in self.levels:
            level = cast("Level", name)
            return FigureMaker(level, SOURCES[level], self.tools[level])
        return FigureMaker("baseline", SOURCES["baseline"], self.tools["baseline"], {"baseline": name})

    @property
    def last(self) -> Level:
        """The level nearest to hardware."""
        return list(self.levels)[-1]

    def background(self, level: Level) -> Scored:
        """Scores of the test background."""
        return self.levels[level][self.data.test.name]


def measure(results: Results) -> Measurement:
    """Cuts all levels to the events that every level has, and adds the baselines.

    The RTL is a level only if it saw every event that csim saw: it never takes events away from the other levels.
    """
    data, trained, compressed = results.data, results.train, results.compress
    scores, accepts = {**results.csim.scores}, results.csim.accepts
    absent = rtl_is_absent(results)
    if not absent:
        scores["rtl"], accepts = results.synth.scores, results.synth.accepts
    present = [level for level in LEVEL_ORDER if level in scores]
    counts = {e.name: min(len(scores[lv][e.name]) for lv in present) for e in data.evaluated}
    common = replace(
        data, test=aligned(data.test, counts[data.test.name]),
        signals=tuple(aligned(s, counts[s.name]) for s in data.signals),
    )
    levels = {
        lv: scored({n: scores[lv][n][:k] for n, k in counts.items()}, common) for lv in present
    }
    predictions = _predictions(results, counts, with_rtl=not absent)
    trivial, trivial_predictions = _baselines(common, trained, CLASS in predictions)
    baselines = {name: scored(s, common) for name, s in trivial.items()}
    firmware = compressed.trigger.threshold * compressed.trigger.score_type.lsb
    thresholds = {lv: compressed.float_threshold if lv == "float" else firmware for lv in present}
    accepts = {n: accepts[n][:k] for n, k in counts.items()}

    def float_value(values: NDArray[np.float64]) -> NDArray[np.float64]:
        return compressed.float_value(values, trained)

    predictions = {what: levels | trivial_predictions.get(what, {}) for what, levels in predictions.items()}
    return Measurement(
        results, common, levels, baselines, thresholds, accepts, _tools(results), float_value, absent, predictions
    )


Named = dict[str, dict[str, NDArray[Any]]]
"""Level or baseline, then sample name, to values (events,)."""


def _predictions(results: Results, counts: Mapping[str, int], with_rtl: bool) -> dict[str, Named]:
    """Predictions of every level that has a score, cut to the same events."""
    predictions: dict[str, Named] = {}
    for what, by_level in results.csim.predictions.items():
        levels: Named = {level: {**samples} for level, samples in by_level.items()}
        if with_rtl and what in results.synth.predictions:
            levels["rtl"] = {**results.synth.predictions[what]}
        predictions[what] = {
            lv: {n: levels[lv][n][:k] for n, k in counts.items()} for lv in LEVEL_ORDER if lv in levels
        }
    return predictions


def _baselines(data: DataSet, trained: TrainResult, by_class: bool) -> tuple[Named, dict[str, Named]]:
    """Scores of all baselines that fit data and task, and what they predict."""
    if by_class:
        scores, classes = class_baselines.scores_and_classes(data)
        return scores, {CLASS: classes}
    if hit_baselines.are_hits(data.test.inputs) and data.train.truth:
        scores, energies = hit_baselines.scores_and_energies(data)
        return scores, {"energy": {hit_baselines.ENERGY: energies}}
    few = data.train.select(slice(0, _LINEAR_EVENTS))
    linear = LinearModel.fit(trained.scaling, few, trained.float_score(few.inputs))
    return baseline_scores(data, linear), {}


def rtl_is_absent(results: Results) -> str:
    """Why the RTL is no level of the physics; empty when it is one."""
    simulated, synthesized = results.csim, results.synth
    if not synthesized.scores:
        return synthesized.reason or "the result of synth does not hold the RTL's scores; run the stage again"
    short = [
        f"{len(synthesized.scores[n]):,} of {len(a):,} events of {n}" for n, a in simulated.accepts.items()
        if len(synthesized.scores.get(n, ())) < len(a)
    ]
    return f"the RTL saw fewer events than csim: {', '.join(short)} (synth.events)" if short else ""


def _tools(results: Results) -> dict[Level, str]:
    def named(package: str) -> str:
        return f"{package} {package_version(package)}"

    tools = {
        "float": named("tf-keras"), "quantized": named("qkeras"),
        "csim": f"{named('hls4ml')}, {results.csim.compiler}", "baseline": f"numpy {np.__version__}",
        "rtl": ", ".join(results.synth.tools[k] for k in ("estimate", "verilator") if k in results.synth.tools),
    }
    return cast("dict[Level, str]", tools)


def package_version(package: str) -> str:
    """Version of an installed package."""
    try:
        return version(package)
    except PackageNotFoundError:
        return "absent"
