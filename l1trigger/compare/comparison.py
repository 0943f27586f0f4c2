"""Reports side by side, as a value."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from itertools import count
from typing import Any

from l1trigger.compare.meaning import Identity, deepest_level, heading, identified
from l1trigger.errors import ReportError, argument
from l1trigger.figures import Figure, Value
from l1trigger.report.model import DataCard, Report

SCHEMA_VERSION = "1.0"


class RunSummary(Value):
    """One of the runs.

    Attributes:
        label: its column head.
        design, digest, created, quick: of its report.
        integers, mismatches: compared bit by bit between its levels; None when none were compared.
        limits_met, limits: of its budget.
    """

    label: str
    design: str
    digest: str
    created: str
    quick: bool
    integers: int | None
    mismatches: int | None
    limits_met: int
    limits: int


class Measured(Value):
    """A figure of one run.

    Attributes:
        value, reason, tool, part, clock_ns, interval: as in its report.
        difference: to the first run's value, in the figure's unit.
        ratio: to the first run's value; None where that is 0.
    """

    value: float | None
    reason: str | None = None
    tool: str | None = None
    part: str | None = None
    clock_ns: float | None = None
    interval: tuple[float, float] | None = None
    difference: float | None = None
    ratio: float | None = None


class Entry(Value):
    """One row: the same figure, of the same source, of every run.

    Attributes:
        key: what the figure is.
        heading: under which it is shown; None for a detail.
        runs: one each, None for a run that does not have the figure.
    """

    key: Identity
    heading: str | None
    runs: list[Measured | None]


class Difference(Value):
    """Something that is not the same everywhere.

    Attributes:
        key: dotted, e.g. ``compress.quantization.weights``.
        values: one per run, as text; None where it is absent.
    """

    key: str
    values: list[str | None]


class Comparison(Value):
    """Reports side by side.

    Attributes:
        schema_version: of this format.
        level: whose physics is shown.
        runs: the columns; differences and ratios refer to the first.
        entries: the rows.
        design: settings that differ.
        versions: of packages and tools that differ.
        data: what differs in the data; empty unless that was allowed.
    """

    schema_version: str = SCHEMA_VERSION
    level: str
    runs: list[RunSummary]
    entries: list[Entry]
    design: list[Difference]
    versions: list[Difference]
    data: list[Difference]

    def to_json(self) -> str:
        """All of it; refuses numbers that JSON does not have."""
        return json.dumps(self.model_dump(mode="json"), indent=1, allow_nan=False) + "\n"


def compare(
    reports: Sequence[Report], labels: Sequence[str] | None = None, allow_different_data: bool = False
) -> Comparison:
    """Reports side by side.

    Args:
        reports: at least one; the others are compared with the first.
        labels: column heads; the names of the designs by default.
        allow_different_data: whether figures of different data may stand side by side; what differs is then said.

    Raises:
        ReportError: there is no report, or the data differ and that is not allowed; names what differs.
    """
    if not reports:
        raise ReportError("there is nothing to compare. Remedy: name at least one run")
    labels = unique_labels(labels or [r.design.name for r in reports])
    # Hardware that was imported is measured on no data, and contradicts none.
    known = [i for i, r in enumerate(reports) if r.data is not None]
    data = differences([measured_on(reports[i].data) for i in known])
    if data and not allow_different_data:
        refuse_different_data([labels[i] for i in known], data[0])
    level = deepest_level(reports)
    return Comparison(
        level=level,
        runs=[_summary(r, label) for r, label in zip(reports, labels, strict=True)],
        entries=_entries(reports, level),
        design=differences([flat(r.design.resolved) for r in reports], skip=("name",)),
        versions=differences([dict(r.versions) for r in reports]),
        data=[
            Difference(key=d.key, values=[dict(zip(known, d.values, strict=True)).get(i) for i in range(len(reports))])
            for d in data
        ],
    )


def refuse_different_data(labels: Sequence[str], first: Difference) -> None:
    """Says that figures of different data say nothing side by side.

    Raises:
        ReportError: always.
    """
    seen = dict.fromkeys(f"{value or 'absent'} in {label}" for label, value in zip(labels, first.values, strict=True))
    raise ReportError(
        f"these runs were measured on different data: {first.key}: {', '.join(seen)}. "
        f"Remedy: run the designs on the same data, or give {argument('allow_different_data')}"
    )


def unique_labels(labels: Sequence[str]) -> list[str]:
    """Labels of which no two are equal; later ones get a number."""
    unique: list[str] = []
    for label in labels:
        candidates = (label if n == 1 else f"{label} #{n}" for n in count(1))
        unique.append(next(c for c in candidates if c not in unique))
    return unique


def measured_on(data: DataCard | None) -> dict[str, Any]:
    """What must agree between data cards before their figures may be compared; training samples need not."""
    if data is None:
        return {}
    kept = data.model_dump(mode="json", include={"zero_bias", "colliding_bunches", "crossing_rate_khz", "pileup"})
    for sample in data.samples:
        if sample.role in {"test", "signal"}:
            content = sample.model_dump(mode="json", exclude={"name", "role", "title"})
            kept |= flat({f"{sample.role}.{sample.name}": content})
    return kept


def data_digest(data: DataCard | None) -> str:
    """A digest of :func:`measured_on`."""
    return hashlib.sha256(json.dumps(measured_on(data), sort_keys=True).encode()).hexdigest()


def flat(tree: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """A nested dictionary as one with dotted keys; lists are single values."""
    return dict(_leaves(tree, prefix))


def _leaves(tree: Mapping[str, Any], prefix: str) -> Iterator[tuple[str, Any]]:
    for key, value in tree.items():
        if isinstance(value, Mapping) and value:
            yield from _leaves(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


def differences(sides: Sequence[Mapping[str, Any]], skip: Sequence[str] = ()) -> list[Difference]:
    """The keys whose values are not the same on all sides, in the order in which they are met."""
    keys = dict.fromkeys(k for side in sides for k in side if k not in skip)
    rows = [Difference(key=k, values=[_text(side[k]) if k in side else None for side in sides]) for k in keys]
    return [row for row in rows if len(set(row.values)) > 1]


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _summary(report: Report, label: str) -> RunSummary:
    compared = report.bit_exact
    return RunSummary(
        label=label, design=report.design.name, digest=report.design.digest, created=report.created,
        quick=report.quick, integers=sum(b.outputs for b in compared) if compared else None,
        mismatches=sum(b.mismatches for b in compared) if compared else None,
        limits_met=sum(j.met is True for j in report.budget), limits=len(report.budget),
    )


def _entries(reports: Sequence[Report], level: str) -> list[Entry]:
    sides = [identified(r.figures) for r in reports]
    keys = dict.fromkeys(key for side in sides for key in side)
    return [
        Entry(key=key, heading=heading(key, level),
              runs=[_measured(side.get(key), sides[0].get(key) if i else None) for i, side in enumerate(sides)])
        for key in keys
    ]


def _measured(figure: Figure | None, first: Figure | None) -> Measured | None:
    """One cell; ``first`` is None for the first run itself."""
    if figure is None:
        return None
    difference = ratio = None
    if first is not None and first.value is not None and figure.value is not None:
        difference = figure.value - first.value
        ratio = figure.value / first.value if first.value else None
    return Measured(
        value=figure.value, reason=figure.reason, tool=figure.tool, part=figure.part, clock_ns=figure.clock_ns,
        interval=figure.interval, difference=difference, ratio=ratio,
    )
