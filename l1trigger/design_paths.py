"""Paths in a design file: relative to the file, wherever a command runs and wherever the design is written again."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import UnionType
from typing import Annotated, Any, Union, get_args, get_origin

from pydantic import BaseModel


def anchored(kind: Any, value: Any, folder: Path) -> Any:
    """A plain value of a design file with its paths taken from where they start.

    Args:
        kind: type that the value is to become; each ``Path`` in it counts.
        value: as YAML or JSON gives it; what does not fit its type stays for the checks to come.
        folder: where relative paths start.
    """
    for one in _alternatives(kind):
        if one is Path and isinstance(value, str):
            return str(folder / value)
        inside = get_args(one)
        if get_origin(one) is tuple and inside:
            if isinstance(value, list):
                return [anchored(inside[0], item, folder) for item in value]
            if isinstance(value, str | Mapping):  # one for a tuple of one
                return anchored(inside[0], value, folder)
        if isinstance(value, Mapping) and isinstance(one, type) and issubclass(one, BaseModel):
            kinds = {name: field.annotation for name, field in one.model_fields.items()}
            return {key: anchored(kinds.get(key), item, folder) for key, item in value.items()}
        if isinstance(value, Mapping) and get_origin(one) is dict:
            return {key: anchored(inside[1], item, folder) for key, item in value.items()}
    return value


def _alternatives(kind: Any) -> Iterator[Any]:
    """The members of a union, themselves without annotations."""
    if get_origin(kind) is Annotated:
        yield from _alternatives(get_args(kind)[0])
    elif get_origin(kind) in (Union, UnionType):
        for member in get_args(kind):
            yield from _alternatives(member)
    else:
        yield kind


def relative(value: Any, folder: Path) -> Any:
    """Values of a section with their paths as text, from a folder on; paths that share nothing with it are absolute."""
    if isinstance(value, Path):
        here, there = (os.path.normpath(p.absolute()) for p in (folder, value))
        apart = os.path.commonpath([here, there]) == os.path.sep
        return Path(there if apart else os.path.relpath(there, here)).as_posix()
    if isinstance(value, Mapping):
        return {key: relative(item, folder) for key, item in value.items()}
    return [relative(item, folder) for item in value] if isinstance(value, list | tuple) else value
