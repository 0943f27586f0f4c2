"""The design file: what a physicist writes down, validated before anything runs.

One section per stage. Sections that a plugin fills (``data``, ``model``, ``compress``) take the options of the
plugin that they name, checked as strictly as the others.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from l1trigger import plugins
from l1trigger.errors import DesignError, nearest
from l1trigger.units import COLLIDING_BUNCHES


class Section(BaseModel):
    """Base of all sections: frozen, and unknown keys are errors."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=False, validate_default=True)


class DataSection(Section):
    """Base of the options of data sources; a source adds its own keys.

    Attributes:
        source: name of the data source.
        colliding_bunches: colliding bunches that rates are quoted for.
        signals: signal samples to measure; None takes all that the source has.
    """

    source: str
    colliding_bunches: int = Field(COLLIDING_BUNCHES, ge=1, le=3564)
    signals: tuple[str, ...] | None = None


class ModelSection(Section):
    """Base of the options of architectures; an architecture adds its own keys."""

    architecture: str


class TrainSection(Section):
    """How the full-precision reference is trained.

    Attributes:
        epochs, batch_size, learning_rate: of Adam with a cosine schedule.
        patience: epochs without a better validation loss before it stops.
        seed: random seed; further seeds count up from it.
        seeds: how many trainings; the report shows their spread, and the best validation loss goes on.
    """

    epochs: int = Field(25, ge=1)
    batch_size: int = Field(1024, ge=1)
    learning_rate: float = Field(2e-3, gt=0)
    patience: int = Field(8, ge=1)
    seed: int = Field(1, ge=0)
    seeds: int = Field(1, ge=1)


class PruningSection(Section):
    """Magnitude pruning by tfmot's polynomial schedule.

    Attributes:
        sparsity: fraction of weights that end as zero, 0 to below 1.
        end: fraction of the training steps after which the sparsity is reached.
        prune_output: whether the last layer is pruned too; narrow output layers suffer from it.
        layers: sparsity of single layers by name, in place of ``sparsity``.
    """

    sparsity: float = Field(0.0, ge=0, lt=1)
    end: float = Field(0.6, gt=0, le=1)
    prune_output: bool = False
    layers: dict[str, Annotated[float, Field(ge=0, lt=1)]] = {}


class LayerBits(Section):
    """Bit widths of one layer; what is left out comes from the section above.

    Attributes:
        weights, biases, activations: bits in all.
        weights_integer, biases_integer, activations_integer: bits left of the binary point without the sign, as
            QKeras counts them; None fits the binary point to the float reference.
    """

    weights: int | None = Field(None, ge=2, le=16)
    weights_integer: int | None = None
    biases: int | None = Field(None, ge=2, le=24)
    biases_integer: int | None = None
    activations: int | None = Field(None, ge=2, le=24)
    activations_integer: int | None = None


class QuantizationSection(LayerBits):
    """Bit widths of all layers, and of single ones by name.

    Attributes:
        score: bits of the network's outputs in firmware.
        layers: what differs in single layers, by name.
    """

    weights: int = Field(6, ge=2, le=16)
    biases: int = Field(8, ge=2, le=24)
    activations: int = Field(8, ge=2, le=24)
    score: int = Field(12, ge=2, le=24)
    layers: dict[str, LayerBits] = {}


class FineTuneSection(Section):
    """Quantization-aware training, starting from the float weights."""

    epochs: int = Field(15, ge=0)
    batch_size: int = Field(1024, ge=1)
    learning_rate: float = Field(1e-3, gt=0)


class ThresholdSection(Section):
    """Where the trigger cuts: a wanted rate (zero bias) or a false positive rate; exactly one of them."""

    rate_khz: float | None = Field(None, gt=0)
    false_positive_rate: float | None = Field(None, gt=0, lt=1)

    @model_validator(mode="after")
    def _one(self) -> ThresholdSection:
        if (self.rate_khz is None) == (self.false_positive_rate is None):
            raise ValueError("give exactly one of rate_khz and false_positive_rate")
        return self


class CompressSection(Section):
    """Base of the options of scores: what is brought to firmware and how small; a score adds its own keys."""

    score: str
    pruning: PruningSection = PruningSection()
    quantization: QuantizationSection = QuantizationSection()
    fine_tune: FineTuneSection = FineTuneSection()
    threshold: ThresholdSection = ThresholdSection(false_positive_rate=1e-3)


PARTS = {
    "xcvu9p-flga2104-2-e": "Virtex UltraScale+ VU9P", "xcvu13p-flga2577-2-e": "Virtex UltraScale+ VU13P",
    "xcku115-flvb2104-2-i": "Kintex UltraScale KU115", "xc7vx690tffg1927-2": "Virtex 7 VX690T",
    "xc7z020clg400-1": "Zynq 7020", "xcu250-figd2104-2L-e": "Alveo U250",
}


class ConvertSection(Section):
    """The HLS project.

    Attributes:
        backend: of hls4ml.
        part: FPGA part number.
        clock_ns: clock period [ns].
        strategy: Latency unrolls every multiplication, Resource shares them.
        reuse_factor: how many multiplications share one multiplier; must divide each layer's multiplications.
        io_type: whether data arrive all at once or as a stream.
    """

    backend: Literal["Vitis", "Vivado"] = "Vitis"
    part: str = "xcvu9p-flga2104-2-e"
    clock_ns: float = Field(5.0, gt=0)
    strategy: Literal["Latency", "Resource"] = "Latency"
    reuse_factor: int = Field(1, ge=1)
    io_type: Literal["io_parallel", "io_stream"] = "io_parallel"

    @field_validator("part")
    @classmethod
    def _known(cls, part: str) -> str:
        if not any(part == p or p.startswith(part) for p in PARTS):
            raise ValueError(f"unknown part '{part}'; {nearest(part, PARTS)}")
        return next(p for p in PARTS if p == part or p.startswith(part))


class CsimSection(Section):
    """The C-simulation.

    Attributes:
        compiler: C++ compiler to call.
        events: most events per sample; None takes all.
        processes: parallel processes; None takes one per core.
        time_limit_s: longest time for compiling and for one chunk of events [s].
    """

    compiler: str = "g++"
    events: int | None = Field(None, ge=1)
    processes: int | None = Field(None, ge=1)
    time_limit_s: float = Field(600, gt=0)


class Limit(Section):
    """Bounds of one figure, optionally under conditions such as ``{signal: A4l}``."""

    max: float | None = None
    min: float | None = None
    level: str | None = None
    conditions: dict[str, str | float] = {}

    @model_validator(mode="after")
    def _some(self) -> Limit:
        if self.max is None and self.min is None:
            raise ValueError("give max or min")
        return self


class Design(Section):
    """A whole design. ``data``, ``model`` and ``compress`` are the option classes of the plugins that they name."""

    name: str = Field(pattern=r"^[A-Za-z][A-Za-z0-9_]*$")
    task: Literal["anomaly"] = "anomaly"
    data: DataSection
    model: ModelSection
    train: TrainSection = TrainSection()
    compress: CompressSection
    convert: ConvertSection = ConvertSection()
    csim: CsimSection = CsimSection()
    budget: dict[str, Limit] = {}

    def section_digest(self, *names: str) -> str:
        """Digest of some sections, by which a stage knows whether its input changed."""
        dump = {n: getattr(self, n).model_dump(mode="json") if n != "budget" else None for n in names}
        return hashlib.sha256(json.dumps(dump, sort_keys=True).encode()).hexdigest()

    def resolved(self) -> dict[str, Any]:
        """Everything, defaults included, as plain values."""
        return self.model_dump(mode="json", serialize_as_any=True)

    def digest(self) -> str:
        """Digest of the resolved design."""
        return hashlib.sha256(json.dumps(self.resolved(), sort_keys=True).encode()).hexdigest()


PLUGIN_SECTIONS = {
    "data": ("l1trigger.sources", "source"),
    "model": ("l1trigger.models", "architecture"),
    "compress": ("l1trigger.scores", "score"),
}


def load(path: Path | str, overrides: Sequence[str] = ()) -> Design:
    """The design in a YAML file.

    Args:
        path: of the file.
        overrides: ``key.sub=value`` settings that replace what the file says; values are YAML.

    Raises:
        DesignError: the file cannot be read, or a key or value is wrong; names file, key and remedy.
    """
    path = Path(path)
    try:
        raw = yaml.safe_load(path.read_text())
    except OSError as e:
        raise DesignError(path, "", f"cannot be read ({e.strerror})", "give the path of a design file") from e
    except yaml.YAMLError as e:
        raise DesignError(path, "", f"is not YAML ({e})") from e
    if not isinstance(raw, dict):
        raise DesignError(path, "", "is not a mapping of sections", f"start with the keys {', '.join(Design.model_fields)}")
    for item in overrides:
        _override(raw, item)
    return parse(raw, path)


def parse(raw: Mapping[str, Any], file: Path | None = None) -> Design:
    """The design in a mapping; see ``load``."""
    values = dict(raw)
    for section, (group, key) in PLUGIN_SECTIONS.items():
        given = values.get(section)
        if not isinstance(given, Mapping) or key not in given:
            known = ", ".join(plugins.load(group))
            raise DesignError(file, f"{section}.{key}", "is missing", f"name one of: {known}")
        try:
            plugin = plugins.get(group, str(given[key]), f"{section}.{key}")
        except DesignError as e:
            raise DesignError(file, e.key, e.expectation, e.remedy) from None
        values[section] = _validated(plugin.Options, dict(given), file, section)
    design: Design = _validated(Design, values, file, "")
    return design


def _validated(model: type[BaseModel], values: dict[str, Any], file: Path | None, prefix: str) -> Any:
    try:
        return model.model_validate(values)
    except ValidationError as e:
        first = e.errors()[0]
        path = [p for p in (prefix, *map(str, first["loc"])) if p]
        key = ".".join(path)
        if first["type"] == "extra_forbidden":
            known = _fields_at(model, first["loc"][:-1])
            raise DesignError(file, key, "is not a known key", nearest(path[-1], known)) from None
        if first["type"] == "missing":
            raise DesignError(file, key, "is missing", "add this key") from None
        message = first["msg"].removeprefix("Value error, ")
        raise DesignError(file, key, f"{message} (got {first['input']!r})") from None


def _fields_at(model: type[BaseModel], loc: tuple[int | str, ...]) -> list[str]:
    for part in loc:
        annotation = model.model_fields[str(part)].annotation if str(part) in model.model_fields else None
        if not (isinstance(annotation, type) and issubclass(annotation, BaseModel)):
            # A mapping of sections by name, or an optional section: look for the one model inside.
            annotation = next((a for a in _models_in(annotation)), None)
            if annotation is None:
                continue
        model = annotation
    return list(model.model_fields)


def _models_in(annotation: Any) -> list[type[BaseModel]]:
    found = []
    for a in getattr(annotation, "__args__", ()):
        if isinstance(a, type) and issubclass(a, BaseModel):
            found.append(a)
        else:
            found.extend(_models_in(a))
    return found


def _override(raw: dict[str, Any], item: str) -> None:
    key, separator, value = item.partition("=")
    if not separator:
        raise DesignError(None, item, "is not of the form key=value", "write e.g. --set train.epochs=5")
    *parents, last = key.split(".")
    at = raw
    for p in parents:
        at = at.setdefault(p, {})
        if not isinstance(at, dict):
            raise DesignError(None, key, f"'{p}' is a value, not a section")
    at[last] = yaml.safe_load(value)


def json_schema() -> dict[str, Any]:
    """JSON schema of design files, with the options of all installed plugins."""
    schema = Design.model_json_schema()
    for section, (group, key) in PLUGIN_SECTIONS.items():
        options = []
        for name, plugin in plugins.load(group).items():
            one = plugin.Options.model_json_schema(ref_template="#/$defs/{model}")
            schema["$defs"] |= one.pop("$defs", {})
            one["properties"][key] = {"const": name}
            schema["$defs"][f"{section}_{name}"] = one
            options.append({"$ref": f"#/$defs/{section}_{name}"})
        schema["properties"][section] = {"oneOf": options}
    return schema
