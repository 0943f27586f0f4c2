"""Pictures of classes: who is taken for whom, and how well each class is found at every level."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from l1trigger.catalogue import entry
from l1trigger.physics.baselines import TITLES as BASELINE_TITLES
from l1trigger.report.model import Confusion, Picture, Report
from l1trigger.report.style import BASELINE_COLORS, LEVEL_STYLE

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Drawn = Iterator[tuple[Picture, Callable[["Axes"], None]]]
_MANY = 12
"""Classes from which on the cells hold no numbers."""


def class_plots(report: Report) -> Drawn:
    """Confusion matrices of float and of the level nearest to hardware, and the efficiency of each class."""
    levels = [c for c in report.confusion if c.baseline is None]
    for level in dict.fromkeys(c.level for c in (levels[:1] + levels[-1:])):
        matrix = next(c for c in levels if c.level == level)
        yield Picture(
            name=f"confusion_{level}", section="classes", title=f"Confusion matrix, level {level}",
            caption="Percent of the events of each true class, by the class that they are taken for; rows add up to "
            f"100. Source {matrix.source}.",
        ), partial(_matrix, matrix)
    if levels:
        yield Picture(
            name="class_efficiency", section="classes", title=entry("efficiency").heading,
            caption="Fraction of the events of each class that are found, with its interval of 68 %.",
        ), partial(_efficiencies, report, levels[0].classes)


def _matrix(matrix: Confusion, ax: Axes) -> None:
    events = np.array(matrix.events)
    share = 100 * events / np.maximum(events.sum(axis=1, keepdims=True), 1e-12)
    n = len(matrix.classes)
    size = float(np.clip(150 / n, 7, 24))
    ax.imshow(share, cmap="Blues", vmin=0, vmax=100)
    if n < _MANY:
        for (row, column), value in np.ndenumerate(share):
            ax.text(column, row, f"{value:.1f}" if value else "0", ha="center", va="center", fontsize=size,
                    color="white" if value > 50 else "black")
    ax.set_xticks(range(n), matrix.classes, rotation=45 if _long(matrix.classes) else 0)
    ax.set_yticks(range(n), matrix.classes)
    ax.tick_params(which="both", length=0)
    ax.minorticks_off()
    ax.set(xlabel="taken for", ylabel="true class")


def _long(names: Sequence[str]) -> bool:
    return sum(map(len, names)) > 40


def _efficiencies(report: Report, classes: Sequence[str], ax: Axes) -> None:
    rows: list[tuple[str, str, dict[str, Any], Any]] = [
        (level, level, {}, LEVEL_STYLE[level]["color"]) for level in report.levels if level in LEVEL_STYLE
    ]
    baselines = dict.fromkeys(str(f.conditions["baseline"]) for f in report.find("accuracy", "baseline"))
    rows += [
        (BASELINE_TITLES.get(b, b), "baseline", {"baseline": b}, BASELINE_COLORS[k % len(BASELINE_COLORS)])
        for k, b in enumerate(baselines)
    ]
    least = 1.0
    for k, (label, level, more, color) in enumerate(rows):
        figures = [report.figure("efficiency", level, **{"class": c}, **more) for c in classes]
        known = [(i, f.value, f.interval) for i, f in enumerate(figures) if f and f.value is not None and f.interval]
        if not known:
            continue
        x = np.array([i for i, _, _ in known]) + (k - (len(rows) - 1) / 2) * 0.8 / len(rows)
        y = np.array([v for _, v, _ in known])
        low, high = np.array([interval for _, _, interval in known]).T
        least = min(least, float(low.min()))
        ax.errorbar(x, y, [np.maximum(y - low, 0), np.maximum(high - y, 0)], fmt="s" if level != "baseline" else "o",
                    color=color, markersize=7, capsize=3, label=label)
    ax.set_xticks(range(len(classes)), classes, rotation=45 if _long(classes) else 0)
    ax.tick_params(axis="x", which="minor", length=0)
    bottom = max(0.0, np.floor(20 * least) / 20 - 0.05)
    ax.set(ylabel="efficiency", xlim=(-0.5, len(classes) - 0.5), ylim=(bottom, 1 + 0.35 * (1 - bottom)))
    ax.legend(loc="upper right", ncols=2, fontsize=13)
