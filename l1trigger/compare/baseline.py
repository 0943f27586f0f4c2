"""The small file that a project commits, and what is worse than in it."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import Field, ValidationError

from l1trigger.catalogue import Better, entry
from l1trigger.compare.comparison import data_digest
from l1trigger.compare.meaning import Identity, deepest_level, heading, identified
from l1trigger.errors import L1TriggerError, ReportError, argument, nearest
from l1trigger.figures import Name, Source, Value
from l1trigger.report.model import Report

BASELINE_VERSION = "1.0"
ALL = "all"
"""The name among tolerances that holds for every figure without a tolerance of its own."""

_ROUNDING = 1e-9
"""Relative; sums of the same numbers may be taken in another order on another machine."""


_NAMED = 8
"""How many regressions one sentence names."""


class RegressionError(L1TriggerError):
    """Figures are worse than in the baseline."""

    exit_code = 1

    def __init__(self, changes: Sequence[Change]) -> None:
        self.changes = changes
        named = [c.text for c in changes[:_NAMED]]
        more = [f"and {len(changes) - _NAMED} more, see the table"] if len(changes) > _NAMED else []
        count = f"{len(changes)} regression{'s' if len(changes) > 1 else ''}"
        super().__init__(f"{count} against the baseline: {'; '.join([*named, *more])}")


class BaselineFigure(Value):
    """A figure that later runs are held against; attributes as in ``figures.Figure``."""

    name: Name
    value: float
    unit: str = ""
    source: Source
    level: str | None = None
    part: str | None = None
    clock_ns: float | None = None
    conditions: dict[str, str | float | int] = Field(default_factory=dict)

    @property
    def key(self) -> Identity:
        """What the figure is."""
        return Identity(name=self.name, level=self.level, source=self.source, unit=self.unit,
                        conditions=tuple(sorted(self.conditions.items())))


class Baseline(Value):
    """What is committed.

    Attributes:
        baseline_version: of this format.
        design, digest: that was run.
        data: digest of what the figures were measured on.
        level: of its physics.
        quick: whether it comes from a quick run.
        figures: the main ones, as a comparison shows them.
    """

    baseline_version: str = BASELINE_VERSION
    design: str
    digest: str
    data: str
    level: str
    quick: bool
    figures: list[BaselineFigure]

    def to_json(self) -> str:
        """Text of the file, one line per figure so that a change is seen in a diff."""
        content = self.model_dump(mode="json", exclude={"figures"})
        figures = [json.dumps({k: v for k, v in f.model_dump(mode="json").items() if v not in (None, "", {})},
                              allow_nan=False) for f in self.figures]
        head = json.dumps(content, indent=1)[:-2]
        return head + ',\n "figures": [\n  ' + ",\n  ".join(figures) + "\n ]\n}\n"


def make_baseline(report: Report) -> Baseline:
    """The main figures of a report that have a value."""
    level = deepest_level([report])
    kept = [
        BaselineFigure(name=key.name, value=figure.value, unit=key.unit, source=key.source, level=key.level,
                       part=figure.part, clock_ns=figure.clock_ns, conditions=dict(key.conditions))
        for key, figure in identified(report.figures).items()
        if figure.value is not None and heading(key, level) and key.number == 0
    ]
    return Baseline(design=report.design.name, digest=report.design.digest, data=data_digest(report.data),
                    level=level, quick=report.quick, figures=kept)


def load_baseline(path: Path) -> Baseline:
    """Reads a baseline.

    Raises:
        ReportError: the file cannot be read, is not a baseline, or is one of another version.
    """
    remedy = f"Remedy: l1trigger baseline RUN --out {path}"
    try:
        content: Any = json.loads(path.read_text(encoding="utf-8"))
    except OSError as e:
        raise ReportError(f"{path}: cannot be read ({e.strerror}). {remedy}") from e
    except ValueError as e:
        raise ReportError(f"{path}: is not JSON ({e}). {remedy}") from e
    version = content.get("baseline_version") if isinstance(content, dict) else None
    if version != BASELINE_VERSION:
        raise ReportError(
            f"{path}: baseline_version: is {version!r}, this package reads {BASELINE_VERSION}. {remedy}"
        )
    try:
        return Baseline.model_validate_json(json.dumps(content))
    except ValidationError as e:
        first = e.errors()[0]
        key = ".".join(map(str, first["loc"]))
        raise ReportError(f"{path}: {key}: {first['msg']} (got {first['input']!r:.80}). {remedy}") from None


@dataclass(frozen=True)
class Tolerance:
    """By how much a figure may get worse.

    Attributes:
        amount: in the figure's unit, or a fraction of the baseline's value when ``relative``.
        relative: whether it was given in percent.
    """

    amount: float
    relative: bool = False

    def __str__(self) -> str:
        return f"{100 * self.amount:g} %" if self.relative else f"{self.amount:g}"

    def allowed(self, value: float) -> float:
        """The tolerance in the figure's unit."""
        rounding = _ROUNDING * abs(value)
        return rounding + (self.amount * abs(value) if self.relative else self.amount)


def parse_tolerances(words: Sequence[str]) -> dict[str, Tolerance]:
    """Tolerances by figure name from words like ``lut=5%`` and ``auc=0.002``.

    Raises:
        ReportError: a word is not of this form.
    """
    tolerances = {}
    for word in (w for words_ in words for w in re.split(r"[,\s]+", words_) if w):
        match = re.fullmatch(r"([\w/]+)=(\d+\.?\d*(?:e-?\d+)?|\.\d+)(%?)", word)
        if match is None:
            raise ReportError(
                f"{argument('tolerances')} {word}: NAME=NUMBER or NAME=PERCENT% is expected. "
                "Remedy: e.g. lut=5% auc=0.002"
            )
        name, amount, percent = match.groups()
        tolerances[name] = Tolerance(float(amount) / 100 if percent else float(amount), bool(percent))
    return tolerances


class Change(Value):
    """A figure held against the baseline.

    Attributes:
        key: of the figure.
        baseline, value: the two numbers; a figure that is no longer measured has no value but a reason.
        tolerance: as it was given.
        worse: by how much, in the figure's unit; negative when better.
        verdict: ``regression``, ``better``, ``within tolerance`` or ``same``.
        reason: why there is no value, or why the two cannot be compared.
    """

    key: Identity
    baseline: float
    value: float | None
    tolerance: str
    worse: float | None
    verdict: str
    reason: str | None = None

    @property
    def text(self) -> str:
        """On one line."""
        where = ", ".join(x for x in (self.key.level, str(self.key.source)) if x)
        if self.value is None:
            return f"{self.key.text} [{where}]: {self.baseline:.6g} before, now not measured ({self.reason})"
        unit = f" {self.key.unit}" if self.key.unit else ""
        because = f", {self.reason}" if self.reason else ""
        return (f"{self.key.text} [{where}]: {self.baseline:.6g} -> {self.value:.6g}{unit} "
                f"(tolerance {self.tolerance}{because})")


def hold_against(
    report: Report, baseline: Baseline, tolerances: Mapping[str, Tolerance], name: str = "the baseline",
    allow_different_data: bool = False,
) -> list[Change]:
    """Every figure of a baseline beside the run's.

    Args:
        report: of the run.
        baseline: that was committed.
        tolerances: by figure name, ``NAME/SIGNAL`` or ``all``; the most specific one counts, without one any
            worsening is a regression.
        name: of the baseline's file, for messages.
        allow_different_data: whether the data may differ.

    Raises:
        ReportError: the data or the level differ, the baseline lacks a figure that the run measures, or a tolerance
            names no figure.
    """
    remedy = f"Remedy: l1trigger baseline RUN --out {name}"
    if data_digest(report.data) != baseline.data and not allow_different_data:
        raise ReportError(
            f"{name}: was measured on other data than the run {report.design.name}. {remedy}, or give "
            f"{argument('allow_different_data')}"
        )
    if baseline.level and baseline.level not in report.levels:
        raise ReportError(f"{name}: is of level {baseline.level}, the run has {', '.join(report.levels)}. {remedy}")
    figures, known = identified(report.figures), {f.key: f for f in baseline.figures}
    lacking = [k for k, f in figures.items()
               if heading(k, baseline.level) and k not in known and f.value is not None and k.number == 0]
    if lacking:
        first = lacking[0]
        raise ReportError(f"{name}: lacks {first.text} of level {first.level} and source {first.source}, which this "
                          f"run measures ({len(lacking)} such). {remedy}")
    _check_names(tolerances, known, name)
    return [_change(f, figures.get(k), _tolerance(k, tolerances)) for k, f in known.items()]


def _check_names(tolerances: Mapping[str, Tolerance], known: Mapping[Identity, BaselineFigure], name: str) -> None:
    names = {ALL, *(k.name for k in known), *(f"{k.name}/{_signal(k)}" for k in known if _signal(k))}
    for wanted in tolerances:
        if wanted not in names:
            raise ReportError(f"{argument('tolerances')} {wanted}: {name} lacks this figure; {nearest(wanted, names)}")


def _signal(key: Identity) -> str:
    return str(dict(key.conditions).get("signal", ""))


def _tolerance(key: Identity, tolerances: Mapping[str, Tolerance]) -> Tolerance:
    for name in (f"{key.name}/{_signal(key)}", key.name):
        if name in tolerances:
            return tolerances[name]
    # A general tolerance never forgives integers that differ between levels.
    return tolerances.get(ALL, Tolerance(0)) if key.name != "bit_mismatches" else Tolerance(0)


def _change(before: BaselineFigure, figure: Any, tolerance: Tolerance) -> Change:
    value = figure.value if figure is not None else None
    if value is None:
        reason = figure.reason if figure is not None else "the run does not have this figure"
        return Change(key=before.key, baseline=before.value, value=None, tolerance=str(tolerance), worse=None,
                      verdict="regression", reason=reason)
    worse = worsening(before.name, before.value, value)
    rounding = _ROUNDING * abs(before.value)
    if worse > tolerance.allowed(before.value):
        verdict = "regression"
    elif abs(worse) <= rounding:
        verdict = "same"
    else:
        verdict = "better" if worse < 0 else "within tolerance"
    elsewhere = before.part != figure.part or before.clock_ns != figure.clock_ns
    reason = (f"part {before.part}, {before.clock_ns} ns before; now {figure.part}, {figure.clock_ns} ns"
              if elsewhere else None)
    return Change(key=before.key, baseline=before.value, value=value, tolerance=str(tolerance), worse=worse,
                  verdict=verdict, reason=reason)


def worsening(name: str, before: float, now: float) -> float:
    """By how much a figure got worse, in its unit; negative when it got better."""
    match entry(name).better:
        case Better.HIGHER:
            return before - now
        case Better.LOWER:
            return now - before
        case Better.NEARER_ZERO:
            return abs(now) - abs(before)
        case Better.SAME:
            return abs(now - before)


def regressions(changes: Sequence[Change]) -> list[Change]:
    """Those that are worse than tolerated."""
    return [c for c in changes if c.verdict == "regression"]
