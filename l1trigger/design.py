"""The design file: what a physicist writes down, validated before anything runs.

One section per stage. Sections that a plugin fills (``data``, ``model``, ``compress``) take the options of the
plugin that they name, checked as strictly as the others: a number in quotes is not a number, a misspelled key is an
error that names the nearest key there is.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Hashable, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, get_args, get_origin

import yaml
from pydantic import BaseModel, Field, PrivateAttr, TypeAdapter, ValidationError
from pydantic_core import ErrorDetails, to_jsonable_python

from l1trigger.compress_sections import (
    CompressSection,
    DistillationSection,
    FineTuneSection,
    LayerBits,
    PostTrainingSection,
    PruningSection,
    QuantizationSection,
    ThresholdSection,
)
from l1trigger.contracts.architecture import ARCHITECTURES
from l1trigger.contracts.score import SCORES
from l1trigger.contracts.source import SOURCES
from l1trigger.design_paths import anchored, relative
from l1trigger.errors import ArgumentError, DesignError, L1TriggerError, nearest, of_file
from l1trigger.plugins import Group, names
from l1trigger.sections import (
    PARTS,
    Budget,
    ConvertSection,
    CsimSection,
    DataSection,
    Limit,
    ModelSection,
    Section,
    SynthSection,
    TrainSection,
)
from l1trigger.unread import require_read

__all__ = [
    "PARTS", "PLUGIN_SECTIONS", "CompressSection", "ConvertSection", "CsimSection", "DataSection", "Design",
    "DistillationSection", "FineTuneSection", "LayerBits", "Limit", "ModelSection", "PostTrainingSection",
    "PruningSection", "QuantizationSection", "Section", "SynthSection", "ThresholdSection", "TrainSection",
    "from_mapping", "json_schema", "load", "with_paths",
]


class Design(Section):
    """A whole design.

    Attributes:
        name: of the design and its run folder: letters, digits and underscores, a letter first.
        task: what the network is judged by: signals against background, particle type and energy, or classes.
        data, model, compress: options of the plugins that they name.
        train, convert, csim, synth: sections of the stages.
        budget: limits of figures, by the figure's name.
    """

    name: str = Field(pattern=r"^[A-Za-z][A-Za-z0-9_]*$")
    task: Literal["anomaly", "calorimeter", "classification"] = "anomaly"
    data: DataSection
    model: ModelSection
    train: TrainSection = TrainSection()
    compress: CompressSection
    convert: ConvertSection = ConvertSection()
    csim: CsimSection = CsimSection()
    synth: SynthSection = SynthSection()
    budget: Budget = Field(default_factory=dict)

    _file: Path | None = PrivateAttr(default=None)

    @property
    def file(self) -> Path | None:
        """Where it was read; None for a design made in Python."""
        return self._file

    def __eq__(self, other: object) -> bool:
        """Whether another design asks for the same, wherever the two were read."""
        return isinstance(other, Design) and self.__dict__ == other.__dict__

    __hash__ = None  # type: ignore[assignment]  # sections with mappings have none either

    def section_digest(self, *names: str) -> str:
        """Digest of some sections, resolved."""
        resolved = self.resolved()
        return _digest({n: resolved[n] for n in names})

    def resolved(self, folder: Path | None = None) -> dict[str, Any]:
        """Everything, defaults included, as plain values.

        Args:
            folder: where relative paths start; None takes the folder of the design file, and the current one for a
                design made in Python.
        """
        values = self.model_dump(serialize_as_any=True)
        start = folder or (self._file.parent if self._file else None)
        plain: dict[str, Any] = to_jsonable_python(values if start is None else relative(values, start))
        return plain

    def digest(self) -> str:
        """Digest of the resolved design."""
        return _digest(self.resolved())


PLUGIN_SECTIONS: Mapping[str, Group[Any]] = {g.section: g for g in (SOURCES, ARCHITECTURES, SCORES)}
"""Section to the group of the plugins that fill it."""

SYNTHESIZER_GROUP = "l1trigger.synthesizers"
"""Group of the plugins of which ``synth.synthesizer`` names one."""


def _digest(values: Any) -> str:
    return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()


def load(path: Path | str, overrides: Sequence[str] = ()) -> Design:
    """The design in a YAML file, in which relative paths start at the file.

    Args:
        path: of the file.
        overrides: ``key.sub=value`` settings that replace what the file says; values are YAML, and relative paths in
            them start at the current folder.

    Raises:
        DesignError: the file cannot be read, or a key or value is wrong; names file, key and remedy.
        ArgumentError: an override cannot be read, or names no key of a section.
    """
    path = Path(path)
    try:
        raw = yaml.load(path.read_text(encoding="utf-8"), _Loader)
    except OSError as e:
        raise DesignError(path, "", f"cannot be read ({e.strerror})", "give the path of a design file") from e
    except UnicodeDecodeError as e:
        raise DesignError(path, "", "is not a text file", "give the path of a design file") from e
    except yaml.YAMLError as e:
        raise DesignError(path, "", f"is not YAML ({_one_line(e)})", "mend that line") from e
    if not isinstance(raw, dict):
        raise DesignError(
            path, "", "is not a mapping of sections", f"start with the keys {', '.join(Design.model_fields)}"
        )
    raw = with_paths(raw, path.parent)
    for item in overrides:
        _override(raw, item)
    return from_mapping(raw, path)


def with_paths(raw: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    """Sections whose relative paths start at a folder, with paths that start at the current one."""
    out = dict(raw)
    for name, field in Design.model_fields.items():
        if name not in raw:
            continue
        kind: Any = field.annotation
        if name in PLUGIN_SECTIONS:
            try:
                kind = _options_class(name, raw[name], None)
            except L1TriggerError:  # told when the section itself is read, which may have another plugin by then
                continue
        out[name] = anchored(kind, raw[name], folder)
    return out


def from_mapping(raw: Mapping[str, Any], file: Path | None = None) -> Design:
    """The design that plain values describe, e.g. what ``resolved`` gave.

    Args:
        raw: sections by name; relative paths start at the current folder.
        file: where they come from.

    Raises:
        DesignError: a key or value is wrong, or a setting means nothing where it stands.
    """
    for key in raw:
        if key not in Design.model_fields:
            raise DesignError(file, str(key), "is not a known section", nearest(str(key), Design.model_fields))
    values: dict[str, Any] = {}
    for name, field in Design.model_fields.items():
        kind: Any = Annotated[field.annotation, field] if field.metadata else field.annotation
        given = raw.get(name)
        if name in PLUGIN_SECTIONS:
            kind = _options_class(name, given, file)
        elif given is None:
            if field.is_required():
                raise DesignError(file, name, "is missing", "add this key")
            continue
        values[name] = _validated(kind, given, file, name)
    design = Design(**values)
    design._file = file
    known, named = names(SYNTHESIZER_GROUP), design.synth.synthesizer
    if named not in known:
        raise DesignError(file, "synth.synthesizer", f"there is no synthesizer '{named}'", nearest(named, known))
    require_read(design)
    return design


def _options_class(section: str, given: Any, file: Path | None) -> type[Section]:
    """The options of the plugin that a section names."""
    group = PLUGIN_SECTIONS[section]
    if not isinstance(given, Mapping) or group.key not in given:
        raise DesignError(file, f"{section}.{group.key}", "is missing", f"name one of: {', '.join(group.names())}")
    with of_file(file):
        options: type[Section] = group.get(str(given[group.key])).Options
    return options


def _validated(kind: Any, given: Any, file: Path | None, section: str) -> Any:
    """A value of a section. It goes through JSON, whose strict mode takes lists for tuples and no text for numbers."""
    try:
        return TypeAdapter(kind).validate_json(json.dumps(given, default=str), strict=True)
    except DesignError as e:
        raise DesignError(file, e.key, e.expectation, e.remedy) from None
    except ValidationError as e:
        # A misspelled key is often the reason why another one is missing.
        first = min(e.errors(), key=lambda error: error["type"] != "extra_forbidden")
        raise _design_error(first, kind, file, section) from None


def _design_error(error: ErrorDetails, kind: Any, file: Path | None, section: str) -> DesignError:
    path = [section, *map(str, error["loc"])]
    key = ".".join(path)
    got = f"(got {_short(error['input'])})"
    match error["type"]:
        case "extra_forbidden":
            return DesignError(file, key, "is not a known key", nearest(path[-1], _fields_at(kind, error["loc"][:-1])))
        case "missing":
            return DesignError(file, key, "is missing", "add this key")
        case "literal_error" | "enum":
            known = re.findall(r"'([^']*)'", str(error["ctx"]["expected"]))
            return DesignError(file, key, f"is not a possible value {got}", nearest(str(error["input"]), known))
        case "model_type" | "dict_type":
            return DesignError(file, key, f"must be a mapping of keys {got}", "indent its keys below it")
        case _:
            message = error["msg"].removeprefix("Value error, ").removeprefix("Input should be ")
            must = "must be " if error["msg"].startswith("Input should be ") else ""
            # What a check of a whole section refuses, it names itself.
            return DesignError(file, key, message if isinstance(error["input"], dict) else f"{must}{message} {got}")


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def _fields_at(kind: Any, loc: Sequence[int | str]) -> list[str]:
    """Keys that a section knows at a place inside it."""
    for part in loc:
        model = _model_in(kind)
        if get_origin(kind) is dict:
            kind = get_args(kind)[1]
        elif model is not None and part in model.model_fields:
            kind = model.model_fields[str(part)].annotation
    section = _model_in(kind)
    return list(section.model_fields) if section else []


def _model_in(kind: Any) -> type[BaseModel] | None:
    """The one model inside a type such as ``dict[str, Model]`` or ``Model | None``."""
    if isinstance(kind, type) and issubclass(kind, BaseModel):
        return kind
    return next((m for a in get_args(kind) if (m := _model_in(a)) is not None), None)


class _Loader(yaml.SafeLoader):
    """YAML in which 2e-3 is a number, as in YAML 1.2, and a key that is given twice is an error."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        """A mapping with distinct keys."""
        seen: set[Any] = set()
        for key_node, _ in node.value:
            key = key_node.value
            if key in seen:
                raise yaml.MarkedYAMLError(problem=f"the key '{key}' is given twice", problem_mark=key_node.start_mark)
            seen.add(key)
        return super().construct_mapping(node, deep)


_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float", re.compile(r"[-+]?(?:\d+(?:\.\d*)?|\.\d+)[eE][-+]?\d+$"), list("-+.0123456789")
)


def _one_line(error: yaml.YAMLError) -> str:
    mark, problem = getattr(error, "problem_mark", None), getattr(error, "problem", None)
    return f"line {mark.line + 1}: {problem}" if mark is not None and problem else str(error).splitlines()[0]


def _override(raw: dict[str, Any], item: str) -> None:
    key, separator, value = item.partition("=")
    if not separator or not key:
        raise ArgumentError("overrides", f"'{item}' is not of the form key=value", "write e.g. train.epochs=5")
    *parents, last = key.split(".")
    at = raw
    for p in parents:
        if at.get(p) is None:
            at[p] = {}
        at = at[p]
        if not isinstance(at, dict):
            raise ArgumentError("overrides", f"'{item}': {p} is a value, not a section", "name a key of a section")
    try:
        at[last] = yaml.load(value, _Loader)
    except yaml.YAMLError as e:
        raise ArgumentError("overrides", f"'{item}' has a value that is not YAML ({_one_line(e)})") from e


def json_schema() -> dict[str, Any]:
    """JSON schema of design files, with the options of all installed plugins that work."""
    schema = Design.model_json_schema()
    for section, group in PLUGIN_SECTIONS.items():
        options = []
        for name, plugin in group.working().items():
            one = plugin.Options.model_json_schema(ref_template="#/$defs/{model}")
            schema["$defs"] |= one.pop("$defs", {})
            one["properties"][group.key] = {"const": name}
            schema["$defs"][f"{section}_{name}"] = one
            options.append({"$ref": f"#/$defs/{section}_{name}"})
        schema["properties"][section] = {"oneOf": options}
    return schema
