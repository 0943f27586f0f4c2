"""Pictures of a comparison: signal by signal, and resources."""

from __future__ import annotations

import io
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from l1trigger.catalogue import Group, entry
from l1trigger.compare.comparison import Comparison, Entry, Measured
from l1trigger.compare.meaning import HARDWARE_GROUPS
from l1trigger.report.style import SIGNAL_COLORS, style
from l1trigger.report.text import number, power_of_ten

if TYPE_CHECKING:
    from matplotlib.axes import Axes

COLORS = ("#5790fc", "#f89c20", "#964a8b", "#9c9ca1", *SIGNAL_COLORS)


@dataclass(frozen=True)
class Bars:
    """A picture of bars, one group per entry, one bar per run.

    Attributes:
        name, title, caption: of the picture.
        groups: label and entry of each group.
        axis: label of the axis.
        log: whether it is logarithmic.
        numbers: whether values are written above the bars.
    """

    name: str
    title: str
    caption: str
    groups: Sequence[tuple[str, Entry]]
    axis: str
    log: bool = False
    numbers: bool = False


def bars(comparison: Comparison) -> list[Bars]:
    """The pictures for which there is something to draw."""
    level = comparison.level
    drawn = [_physics("auc", comparison, "area under the ROC", f"Area under the ROC at level {level}",
                      "The axis does not start at 0. Errors: one standard deviation.")]
    rates = sorted({float(dict(e.key.conditions)["false_positive_rate"]) for e in _of(comparison, "tpr")}, reverse=True)
    for rate in rates:
        at = f"a false positive rate of {power_of_ten(rate)}"
        caption = f"Level {level}. Errors: Clopper-Pearson, 68 %. No bar: not measured."
        drawn.append(_physics("tpr", comparison, "signal efficiency", f"Signal efficiency at {at}", caption,
                              false_positive_rate=rate))
    sources = dict.fromkeys(e.key.source for e in comparison.entries if e.heading in HARDWARE_GROUPS)
    for source in sources:
        for heading, log in ((Group.RESOURCES, True), (Group.LATENCY, False)):
            rows = [e for e in comparison.entries
                    if e.heading == heading and e.key.source == source and any(_values(e))]
            axis = "count" if heading is Group.RESOURCES else "cycles or ns"
            drawn.append(Bars(f"{heading.lower()}_{source}", f"{heading} by {source}",
                              f"Source {source}. No bar: none used, or not measured.",
                              [(_hardware_label(e), e) for e in rows], axis, log, numbers=True))
    return [b for b in drawn if b.groups]


def _hardware_label(row: Entry) -> str:
    known = entry(row.key.name)
    unit = known.counted_in or known.unit
    return known.head.replace("initiation interval", "II") + (f"\n[{unit}]" if unit else "")


def _of(comparison: Comparison, name: str, **conditions: float) -> list[Entry]:
    return [
        e for e in comparison.entries
        if e.key.name == name and e.heading and "signal" in dict(e.key.conditions) and any(_values(e))
        and all(dict(e.key.conditions).get(k) == v for k, v in conditions.items())
    ]


def _values(entry: Entry) -> list[float]:
    return [m.value for m in entry.runs if m is not None and m.value]


def _physics(name: str, comparison: Comparison, axis: str, title: str, caption: str, **conditions: float) -> Bars:
    groups = [(str(dict(e.key.conditions)["signal"]), e) for e in _of(comparison, name, **conditions)]
    suffix = "".join(f"_{v:g}" for v in conditions.values())
    return Bars(f"{name}{suffix}", title, caption, groups, axis)


def draw(picture: Bars, labels: Sequence[str]) -> bytes:
    """A picture as SVG."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure as Canvas

    with style():
        canvas = Canvas(figsize=(10, 6.4), layout="constrained")
        FigureCanvasAgg(canvas)
        axes = canvas.subplots()
        width = 0.8 / len(labels)
        for i, label in enumerate(labels):
            _draw_run(axes, picture, i, width, label, len(labels))
        axes.set_xticks(range(len(picture.groups)), [label for label, _ in picture.groups])
        axes.set_xlim(-0.55, len(picture.groups) - 0.45)
        axes.tick_params(axis="x", which="both", length=0)
        axes.minorticks_off()
        axes.set_ylabel(picture.axis)
        axes.grid(axis="y", color="#dfe4ea", linewidth=1)
        axes.set_axisbelow(True)
        _limit(axes, picture)
        columns = len(labels) if sum(map(len, labels)) < 42 else 2
        canvas.legend(loc="outside upper left", ncols=columns, frameon=False, fontsize=17)
        buffer = io.BytesIO()
        canvas.savefig(buffer, format="svg", metadata={"Date": None, "Creator": "l1trigger"})
    return buffer.getvalue()


def _draw_run(axes: Axes, picture: Bars, i: int, width: float, label: str, runs: int) -> None:
    shift = (i - (runs - 1) / 2) * width
    placed = [(x + shift, m) for x, (_, e) in enumerate(picture.groups) if (m := e.runs[i]) is not None and m.value]
    places, values = [x for x, _ in placed], [m.value or 0.0 for _, m in placed]
    axes.bar(places, values, width * 0.92, color=COLORS[i % len(COLORS)])
    axes.bar([0], [float("nan")], color=COLORS[i % len(COLORS)], label=label)  # in the legend also without a bar
    errors = [_error(m) for _, m in placed]
    if not picture.numbers and any(any(e) for e in errors):
        axes.errorbar(places, values, [[e[0] for e in errors], [e[1] for e in errors]], fmt="none", ecolor="#1b2430",
                      elinewidth=1.6)
    if picture.numbers:
        for x, value in zip(places, values, strict=True):
            axes.annotate(number(value, 3), (x, value), (0, 3), textcoords="offset points", ha="center", fontsize=13)


def _error(measured: Measured) -> tuple[float, float]:
    if measured.interval is None or measured.value is None:
        return (0.0, 0.0)
    return (max(measured.value - measured.interval[0], 0.0), max(measured.interval[1] - measured.value, 0.0))


def _limit(axes: Axes, picture: Bars) -> None:
    values = [v for _, e in picture.groups for v in _values(e)]
    if picture.log:
        axes.set_yscale("log")
        axes.set_ylim(min(0.5, min(values) / 2), max(values) * 2.5)
    elif picture.name == "auc":
        axes.set_ylim(max(0.0, min(0.5, min(values) - 0.02) if min(values) < 0.6 else min(values) - 0.06), 1.0)
    else:
        axes.set_ylim(0, max(values) * 1.12)


def images(comparison: Comparison) -> Iterable[tuple[Bars, bytes]]:
    """All pictures with their SVG."""
    labels = [r.label for r in comparison.runs]
    return [(b, draw(b, labels)) for b in bars(comparison)]
