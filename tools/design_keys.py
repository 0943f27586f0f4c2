"""Writes ``models/KEYS.md``, every key of a design file, from the classes that read it.

    python tools/design_keys.py
"""

from __future__ import annotations

import inspect
import json
import re
import sys
from collections.abc import Collection, Iterator, Sequence
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any, get_args

from l1trigger.design import Design, Section

PLUGINS = {
    "data": ("l1trigger.sources", "source"), "model": ("l1trigger.models", "architecture"),
    "compress": ("l1trigger.scores", "score"),
}
"""Sections that plugins fill: their group of entry points, and the key that names one."""

PAGE = Path(__file__).parent.parent / "models" / "KEYS.md"

HEAD = """# Keys of a design file

Written by `tools/design_keys.py` from the classes that read design files; [README.md](README.md) says how the keys are
used, and `l1trigger schema` prints the same as a JSON schema, options of installed plugins included. A default of –
means that nothing is set: the key is optional, and its meaning says what happens without it.
"""
ABSENT = "–"


def page() -> str:
    """All keys: of the file, of each of its sections, of every plugin that ships, and of the values inside them."""
    inner: dict[type[Section], str] = {}
    parts = [HEAD, f"{options_table(Design, _section_names())}\n"]
    for name, field in Design.model_fields.items():
        for section in _sections_in(field.annotation):
            parts.append(_part(f"## `{name}`", section))
            inner |= _nested(section, name)
            parts += list(_plugins_of(name, section, inner))
    parts += [_part(f"### {kind.__name__}\n\n`{where}`", kind) for kind, where in inner.items()]
    return "\n".join(parts)


def _section_names() -> list[str]:
    return [name for name, field in Design.model_fields.items() if _sections_in(field.annotation)]


def _plugins_of(name: str, common: type[Section], inner: dict[type[Section], str]) -> Iterator[str]:
    """The parts of a section's plugins; what their options hold inside is added to ``inner``."""
    group, key = PLUGINS.get(name, ("", ""))
    for entry in sorted(entry_points(group=group), key=lambda e: e.name):
        if not entry.module.startswith("l1trigger."):
            continue
        options = entry.load().Options
        what = (sys.modules[entry.module].__doc__ or "").partition("\n")[0].replace("``", "`")
        yield _part(f"### `{key}: {entry.name}`\n\n{what}", options, common.model_fields)
        inner |= {k: v for k, v in _nested(options, name).items() if k not in inner}


def _part(heading: str, section: type[Section], without: Collection[str] = ()) -> str:
    return f"{heading}\n\n{options_table(section, without)}\n"


def options_table(section: type[Section], without: Collection[str] = ()) -> str:
    """Keys of a section, their defaults and meanings, as Markdown; keys that are documented together share a row."""
    meanings = _meanings(section)
    rows: dict[tuple[str, str], list[str]] = {}
    for key in section.model_fields:
        if key not in without:
            rows.setdefault((meanings.get(key, ""), _kind(section, key)), []).append(key)
    return _markdown(["key", "default", "meaning"], [
        [", ".join(f"`{k}`" for k in keys), _defaults(section, keys), meaning + kind]
        for (meaning, kind), keys in rows.items()
    ])


def _meanings(section: type[Section]) -> dict[str, str]:
    """What the docstrings of a section and its bases say about each key; the most derived one counts."""
    meanings: dict[str, str] = {}
    for kind in reversed(section.__mro__):
        attributes = inspect.cleandoc(kind.__dict__.get("__doc__") or "").partition("Attributes:\n")[2]
        for names, meaning in re.findall(r"^    (\w+(?:, \w+)*): (.*(?:\n {8}.*)*)", attributes, re.MULTILINE):
            text = " ".join(meaning.split()).replace("``", "`").replace("|", r"\|")
            meanings |= dict.fromkeys(names.split(", "), text)
    return meanings


def _kind(section: type[Section], key: str) -> str:
    """A link to the section that a key takes, or takes a list or mapping of."""
    inside = _sections_in(section.model_fields[key].annotation)
    links = [f"[{kind.__name__}](#{kind.__name__.lower()})" for kind in inside if kind is not section]
    return f" ({', '.join(links)})" if links else ""


def _defaults(section: type[Section], keys: Sequence[str]) -> str:
    """The defaults of some keys; one for all where they agree."""
    each = [_default(section, k) for k in keys]
    return each[0] if len(set(each)) == 1 else ", ".join(each)


def _default(section: type[Section], key: str) -> str:
    field = section.model_fields[key]
    if field.is_required():
        return "required"
    value: Any = field.get_default(call_default_factory=True)
    if isinstance(value, Section):
        value = value.model_dump(mode="json", exclude_defaults=True)
    if value is None or value in ((), {}):
        return ABSENT
    return f"`{value if isinstance(value, str) else json.dumps(value, default=str)}`"


def _sections_in(annotation: Any) -> list[type[Section]]:
    """The sections in a type such as ``dict[str, Limit]`` or ``FeatureScaling | None``."""
    if isinstance(annotation, type) and issubclass(annotation, Section):
        return [annotation]
    return [s for a in get_args(annotation) for s in _sections_in(a)]


def _nested(section: type[Section], at: str) -> dict[type[Section], str]:
    """The sections inside a section, and theirs, each with the first place where it stands."""
    places: dict[type[Section], str] = {}
    for key, field in section.model_fields.items():
        for inner in _sections_in(field.annotation):
            if inner not in places and inner is not section:
                inside = {inner: f"{at}.{key}"} | _nested(inner, f"{at}.{key}")
                places |= {k: v for k, v in inside.items() if k not in places}
    return places


def _markdown(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    return "\n".join("| " + " | ".join(row) + " |" for row in [head, ["---"] * len(head), *rows])


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
