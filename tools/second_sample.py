"""Measures designs on a second sample that nobody looked at while settings were chosen, beside their own.

    l1trigger data make zerobias --out second --scale 0.25 --part 4 --natural 30000 --signal 4000 --seed 2
    python tools/second_sample.py second models/anomaly.yaml

The second sample holds other collisions: `--part 4` of pools of a quarter shares none with the shipped one. Networks
are those of the committed weights, or those of finished runs (`--runs DIR`, with the run's own `--set`). Scores are
those of the quantized network, which C-simulation and RTL equal bit for bit.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table

from l1trigger import data, pipeline
from l1trigger.data.events import DataSet
from l1trigger.design import Design, load
from l1trigger.figures import Figure, FigureMaker, Level, Source
from l1trigger.physics import baselines, best_baseline, measure
from l1trigger.results import Results

WANTED: tuple[tuple[str, dict[str, float]], ...] = (
    ("mean_auc", {}), ("auc", {}), ("tpr", {"false_positive_rate": 1e-3}), ("tpr_at_rate", {"rate_khz": 10.0}),
    ("spearman_rho", {}), ("rate_khz", {}), ("tpr_above_best_baseline", {}),
)
"""Figures of the table, and which of each name."""


def figures(done: Results, seen: DataSet) -> dict[tuple[str, str, str], Figure]:
    """Figures on some data: by name, signal and level."""
    trigger, trained = done.compress.trigger, done.train
    levels = {
        "float": {e.name: trained.float_score(e.inputs) for e in seen.evaluated},
        "quantized": {e.name: trigger.value(trigger.evaluate(e.inputs).score) for e in seen.evaluated},
    }
    samples = {level: measure.scored(scores, seen) for level, scores in levels.items()}
    threshold = float(trigger.value(np.array(trigger.threshold)))

    def maker(name: str) -> FigureMaker:
        level: Level = "float" if name == "float" else "quantized" if name == "quantized" else "baseline"
        return FigureMaker(level, Source.DATASET, None, {"baseline": name} if level == "baseline" else {})

    figures = []
    for level, scores in samples.items():
        at = threshold if level == "quantized" else None
        figures += measure.level_figures(scores, seen, maker(level), at)
    figures += measure.comparison_figures(samples["float"], samples["quantized"], seen, maker("quantized"))
    linear = baselines.LinearModel.fit(trained.scaling, done.data.train, trained.float_score(done.data.train.inputs))
    others = {n: measure.scored(s, seen) for n, s in baselines.baseline_scores(seen, linear).items()}
    figures += best_baseline.tpr_figures(samples["quantized"], others, seen, threshold, maker, "quantized")
    return {(f.name, str(f.conditions.get("signal", "")), str(f.level)): f for f in figures if _wanted(f)}


def _wanted(f: Figure) -> bool:
    return any(f.matches(name, **at) for name, at in WANTED)


def _text(f: Figure) -> str:
    if f.value is None:
        return "–"
    low, high = f.interval or (f.value, f.value)
    return f"{f.value:.4f}" + (f" ± {(high - low) / 2:.4f}" if f.interval else "")


def table(design: Design, done: Results, second: DataSet) -> Table:
    """Figures on both samples, and their difference."""
    own, other = figures(done, done.data), figures(done, second)
    made = Table("figure", "signal", "level", "own sample", "second sample", "difference", title=design.name)
    for name, _ in WANTED:
        for key, f in own.items():
            if key[0] == name and key in other:
                g = other[key]
                change = "–" if f.value is None or g.value is None else f"{g.value - f.value:+.4f}"
                made.add_row(*key, _text(f), _text(g), change)
    return made


def main() -> int:
    """Prints a table for each design; returns the exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("second", type=Path, help="folder of the second sample")
    parser.add_argument("designs", type=Path, nargs="+", help="design files whose data are zero bias")
    parser.add_argument("--runs", type=Path, help="finished runs, in place of the committed weights")
    parser.add_argument("--set", action="append", default=[], help="settings of these runs")
    given = parser.parse_args()
    for path in given.designs:
        design = load(path, given.set)
        changed = design.model_copy(update={"data": design.data.model_copy(update={"folder": given.second.resolve()})})
        with tempfile.TemporaryDirectory() as name:
            work = Path(name)
            start, folder = (None, given.runs) if given.runs else ("convert", work)
            done = pipeline.run(design, folder, start=start, stop="compress" if given.runs else "convert").results
            second = data.run(changed, Results(), work / "second")
            Console().print(table(design, done, second))
    return 0


if __name__ == "__main__":
    sys.exit(main())
