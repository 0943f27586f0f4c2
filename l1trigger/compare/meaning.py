"""What a figure means in a comparison: which of its conditions name it, and which way is better."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum

from l1trigger.figures import Figure, Source, Value
from l1trigger.report.model import Report

_OUTCOMES = frozenset({
    "threshold", "float_threshold", "float_rate_khz", "n_eff", "background_events", "integers", "processes", "ranks",
    "events", "stages", "stage", "works", "computed_as", "device_total", "report", "because", "uncorrected",
    "loop_clocks",
})
"""Conditions that were measured with a figure and so differ from run to run; all others are part of its name."""


class Better(StrEnum):
    """Which way a figure improves."""

    HIGHER = "higher"
    LOWER = "lower"
    NEARER_ZERO = "nearer zero"
    SAME = "the same"


_BETTER = {
    **dict.fromkeys(
        ("auc", "mean_auc", "tpr", "tpr_interpolated", "tpr_at_rate", "tpr_at_threshold", "spearman_rho", "accuracy",
         "sparsity", "purity", "efficiency", "slack_ns", "events_per_s", "clock_mhz", "cosim_pass",
         "efficiency_at_purity", "auc_ratio"),
        Better.HIGHER),
    **dict.fromkeys(("rate_shift_khz", "bias"), Better.NEARER_ZERO),
    **dict.fromkeys(
        ("lut", "ff", "srl", "dsp", "bram", "bram18", "bram36", "uram", "carry", "carry8", "latency_cycles",
         "latency_ns", "latency_bx", "initiation_interval", "auc_loss", "mean_auc_loss", "worst_auc_loss",
         "accuracy_loss", "bit_mismatches", "weights", "nonzero_weights", "register_bits", "resolution", "power_w",
         "pt_at_95_percent", "compile_s", "estimated_clock_ns",
         "achieved_clock_ns"),
        Better.LOWER),
}
_LOWER_PARTS = ("lut", "ff", "srl", "dsp", "bram", "uram", "latency", "delay", "carry", "resolution", "mismatches",
                "power")

HARDWARE = frozenset({
    Source.ESTIMATE, Source.VERILATOR, Source.YOSYS, Source.SYNTHESIS, Source.CSYNTH, Source.COSIM, Source.VSYNTH,
    Source.ROUTE,
})

_MEASURES_PHYSICS = frozenset({Source.VERILATOR})
"""Sources of hardware figures that also give those of physics: only the former are named in ``GROUPS``."""

GROUPS: Sequence[tuple[str, Sequence[str]]] = (
    ("Latency", ("latency_cycles", "latency_ns", "latency_bx", "initiation_interval")),
    ("Resources", ("lut", "ff", "srl", "dsp", "bram", "bram18", "bram36", "uram", "carry", "carry8")),
    ("Area under the ROC", ("mean_auc", "auc")),
    ("Signal efficiency at a false positive rate", ("tpr",)),
    ("At the design's threshold", ("rate_khz", "false_positive_rate", "tpr_at_threshold")),
    ("Classes", ("accuracy",)),
    ("Energy", ("resolution", "response", "efficiency_at_purity")),
    ("Fidelity to the float level", (
        "accuracy_loss", "auc_ratio", "resolution_ratio", "mean_auc_loss", "worst_auc_loss", "spearman_rho",
        "rate_shift_khz", "bit_mismatches",
    )),
    ("Network", ("weights", "nonzero_weights", "sparsity")),
)
"""The figures that a comparison shows first, by heading. Further ones of hardware come under a heading of their own."""

OTHER_HARDWARE = "Further figures of the hardware"
_PHYSICS = frozenset({
    "Area under the ROC", "Signal efficiency at a false positive rate", "At the design's threshold", "Classes",
    "Energy",
})
_PER_PART = frozenset({"layer", "module", "function"})


class Identity(Value):
    """What must agree before two figures may stand in one row.

    Attributes:
        name, level, unit: of the figure.
        source: that measured it; figures of different sources never share a row.
        conditions: that fix its meaning.
        number: tells figures apart that agree in all of this.
    """

    name: str
    level: str | None
    source: Source
    unit: str
    conditions: tuple[tuple[str, str | float | int], ...]
    number: int = 0

    @property
    def text(self) -> str:
        """On one line, without level and source."""
        which = ", ".join(f"{k} {v if isinstance(v, str) else format(v, 'g')}" for k, v in self.conditions
                          if k not in {"signals", "colliding_bunches", "counted"})
        return f"{self.name} ({which})" if which else self.name


def identity(figure: Figure, number: int = 0) -> Identity:
    """The identity of a figure."""
    conditions = tuple(sorted(
        (k, v) for k, v in figure.conditions.items() if k not in _OUTCOMES and not k.startswith("achieved_")
    ))
    return Identity(name=figure.name, level=figure.level, source=figure.source, unit=figure.unit,
                    conditions=conditions, number=number)


def identified(figures: Sequence[Figure]) -> dict[Identity, Figure]:
    """Figures by identity; none is lost when several agree."""
    found: dict[Identity, Figure] = {}
    for figure in figures:
        number = 0
        while (key := identity(figure, number)) in found:
            number += 1
        found[key] = figure
    return found


def better(name: str) -> Better:
    """Which way a figure improves; a name that is not known should stay the same."""
    if name in _BETTER:
        return _BETTER[name]
    return Better.LOWER if any(part in name.split("_") for part in _LOWER_PARTS) else Better.SAME


def group(key: Identity, level: str) -> str | None:
    """Under which heading a comparison shows a figure, or None when it is a detail.

    Args:
        key: of the figure.
        level: whose physics is shown.
    """
    conditions = {k for k, _ in key.conditions}
    if conditions & (_PER_PART | {"seed", "baseline"}):
        return None
    if dict(key.conditions).get("true_energy_gev", "all") != "all":
        return None  # a bin of many
    heading = next((title for title, names in GROUPS if key.name in names), None)
    if heading in {"Latency", "Resources", "Network"}:
        return heading
    if heading is not None:
        return heading if key.level == level or key.name == "bit_mismatches" else None
    # A percentage of the part says nothing that the count does not say.
    further = key.source in HARDWARE - _MEASURES_PHYSICS and not key.name.endswith("_percent")
    return OTHER_HARDWARE if further else None


def deepest_level(reports: Sequence[Report]) -> str:
    """The level nearest to hardware at which all reports have figures of physics; empty when there is none.

    Reports of nothing but hardware do not count.
    """
    measured = [r for r in reports if r.levels]
    levels = measured[0].levels if measured else []
    common = [level for level in levels if all(_has_physics(r, level) for r in measured)]
    return common[-1] if common else ""


def _has_physics(report: Report, level: str) -> bool:
    return level in report.levels and any(
        f.level == level and f.value is not None and group(identity(f), level) in _PHYSICS for f in report.figures
    )
