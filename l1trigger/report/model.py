"""The report as a value: what ``report.json`` holds, its JSON schema, and how it is read back.

The schema ``report.schema.json`` in this package is generated from these classes; a test holds them together.
"""

from __future__ import annotations

import json
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, ValidationError

from l1trigger.errors import ReportError
from l1trigger.figures import Figure, Judgement, Source, Value

SCHEMA_VERSION = "1.1"


class DesignRecord(Value):
    """The design that was run.

    Attributes:
        name: of the design.
        digest: of the resolved design.
        resolved: all sections, defaults included.
    """

    name: str
    digest: str
    resolved: dict[str, Any]


class Sample(Value):
    """One sample of events.

    Attributes:
        name: of the sample.
        title: its name in plain words.
        role: what it was used for.
        events: how many; ``evaluated`` of them have scores at every level.
        equally_weighted: whether all weights are the same.
        sub_pools: disjoint sub-pools that it is made from; 0 when unknown.
        rows: distinct pool rows or generator events in it; 0 when unknown.
        card: how it came about, as far as single values tell it.
    """

    name: str
    title: str
    role: Literal["train", "validation", "test", "signal"]
    events: int
    evaluated: int | None = None
    equally_weighted: bool
    sub_pools: int
    rows: int
    card: dict[str, str | float | int | bool] = Field(default_factory=dict)


class DataCard(Value):
    """The data that every figure was measured on.

    Attributes:
        zero_bias: whether the test background represents bunch crossings.
        colliding_bunches: that rates are quoted for.
        crossing_rate_khz: of bunch crossings with collisions.
        pileup: mean collisions per crossing, where the card says so.
        samples: training, validation and test background, and the signals.
        approximations: what the simulation leaves out.
    """

    zero_bias: bool
    colliding_bunches: int
    crossing_rate_khz: float
    pileup: float | None
    samples: list[Sample]
    approximations: list[str]


class FirstMismatch(Value):
    """Where two levels part first; see ``bit_exact.Mismatch``."""

    event: int
    output: int
    expected: int
    got: int
    layer: str | None = None
    type: str | None = None


class BitExact(Value):
    """A comparison of integers between two levels; see ``bit_exact.Comparison``."""

    between: tuple[str, str]
    what: str
    events: int
    outputs: int
    mismatches: int
    max_difference: int
    first_mismatch: FirstMismatch | None = None


class Layer(Value):
    """What became of one layer; see ``compress.result.LayerSummary``."""

    name: str
    weights: int
    zeros: int
    weight_type: str
    bias_type: str
    activation_type: str
    units: int = 0
    units_removed: int = 0
    left_alone: str = ""


class Spread(Value):
    """Scatter of one figure over the seeds of the training.

    Attributes:
        name: of the figure.
        level: of the figure.
        conditions: what else fixes its meaning, without the seed.
        seeds: of the trainings.
        values: one per seed.
        mean: of the values.
        standard_deviation: of the values, with n - 1.
    """

    name: str
    level: str | None
    conditions: dict[str, str | float | int] = Field(default_factory=dict)
    seeds: list[int]
    values: list[float]
    mean: float
    standard_deviation: float


class Confusion(Value):
    """How the events of each true class were classified.

    Attributes:
        level, baseline: of what classified them.
        source: of the level.
        classes: their names.
        events: weighted, one row per true class and one column per predicted class.
    """

    level: str
    baseline: str | None = None
    source: Source
    classes: list[str]
    events: list[list[float]]


class Picture(Value):
    """A picture of the report.

    Attributes:
        name: file name without ending; ``figures/NAME.png`` and ``.pdf``.
        section: of the HTML page that shows it.
        title: a few words.
        caption: what it shows, with sources and levels.
    """

    name: str
    section: str
    title: str
    caption: str


class Report(Value):
    """Everything that is known about a run.

    Attributes:
        schema_version: of this format.
        created: UTC time.
        quick: whether it is a quick run, whose figures mean little.
        design: that was run.
        versions: of the packages and tools.
        timings: seconds per stage.
        data: what was measured on; None where nothing was, as in reports of imported hardware figures.
        levels: of the computation that are present, in order.
        figures: all numbers.
        bit_exact: comparisons of integers between levels.
        budget: the design's limits and whether they are met.
        layers: of the network.
        seeds: spread of figures over the seeds; empty for one seed.
        confusion: of every level and baseline that tells classes apart.
        pictures: in the order of the page.
        remarks: sentences that a reader of the figures must know, e.g. which vendor's report could not be read.
    """

    schema_version: str = SCHEMA_VERSION
    created: str
    quick: bool
    design: DesignRecord
    versions: dict[str, str]
    timings: dict[str, float]
    data: DataCard | None
    levels: list[str]
    figures: list[Figure]
    bit_exact: list[BitExact]
    budget: list[Judgement]
    layers: list[Layer]
    seeds: list[Spread]
    confusion: list[Confusion] = Field(default_factory=list)
    pictures: list[Picture] = Field(default_factory=list)
    remarks: list[str] = Field(default_factory=list)

    @property
    def samples(self) -> list[Sample]:
        """The samples that were measured on; empty where nothing was."""
        return self.data.samples if self.data else []

    @property
    def zero_bias(self) -> bool:
        """Whether rates in kHz have a meaning."""
        return self.data is not None and self.data.zero_bias

    @property
    def exact(self) -> bool | None:
        """Whether all compared integers are equal; None when none were compared."""
        return all(b.mismatches == 0 for b in self.bit_exact) if self.bit_exact else None

    @property
    def within_budget(self) -> bool | None:
        """Whether every limit is met; None when a limit could not be judged, or there is none."""
        verdicts = [j.met for j in self.budget]
        if False in verdicts:
            return False
        return None if None in verdicts or not verdicts else True

    def find(self, name: str, level: str | None = None, **conditions: Any) -> list[Figure]:
        """All figures of a name, level and conditions."""
        return [f for f in self.figures if f.matches(name, level, **conditions)]

    def figure(self, name: str, level: str | None = None, **conditions: Any) -> Figure | None:
        """The first such figure, or None."""
        return next(iter(self.find(name, level, **conditions)), None)

    def to_json(self) -> str:
        """Text of ``report.json``; refuses numbers that JSON does not have."""
        return json.dumps(self.model_dump(mode="json"), indent=1, allow_nan=False) + "\n"


def json_schema() -> dict[str, Any]:
    """JSON schema of ``report.json``, made from the classes."""
    schema = Report.model_json_schema(mode="serialization")
    schema["$schema"] = "https://json-schema.org/draft/2020-12/schema"
    schema["title"] = f"l1trigger report {SCHEMA_VERSION}"
    return schema


@cache
def shipped_schema() -> dict[str, Any]:
    """The schema file in the package."""
    text = files("l1trigger.report").joinpath("report.schema.json").read_text(encoding="utf-8")
    schema: dict[str, Any] = json.loads(text)
    return schema


def load_report(path: Path) -> Report:
    """Reads and validates a ``report.json``.

    Raises:
        ReportError: the file cannot be read, is not JSON, is of another version, or does not follow the schema; names
            file and key.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except OSError as e:
        raise ReportError(f"{path}: cannot be read ({e.strerror}). Remedy: run the stage report") from e
    except ValueError as e:
        raise ReportError(f"{path}: is not JSON ({e}). Remedy: run the stage report again") from e
    version = content.get("schema_version") if isinstance(content, dict) else None
    if not isinstance(version, str) or version.partition(".")[0] != SCHEMA_VERSION.partition(".")[0]:
        raise ReportError(
            f"{path}: schema_version: is {version!r}, this package reads {SCHEMA_VERSION}. "
            "Remedy: run the stage report again with this package"
        )
    try:
        return Report.model_validate_json(json.dumps(content))
    except ValidationError as e:
        first = e.errors()[0]
        key = ".".join(map(str, first["loc"]))
        raise ReportError(f"{path}: {key}: {first['msg']} (got {first['input']!r:.80})") from None
