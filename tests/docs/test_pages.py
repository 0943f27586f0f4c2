"""The pages of the project: their links lead somewhere, and every file and name that they mention exists."""

from __future__ import annotations

import pkgutil
import re
import subprocess
import tomllib
from pathlib import Path

import pytest
from readmes import PAGES, ROOT, anchors, links, words

from l1trigger.cli import app
from l1trigger.stages import NAMES

PLACEHOLDERS = re.compile(r"NAME|FIGURE|\*")
"""Stand for any name in a path."""
SOURCES = (".py", ".h", ".v", ".j2", ".yaml", ".toml", ".md")
"""Endings of files that no run writes, so that their bare name means one beside the page, or at the root."""


def tracked() -> set[str]:
    command = ["git", "ls-files", "-co", "--exclude-standard"]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if listed.returncode:
        pytest.skip("no checkout: git does not know these files")
    return {f for f in listed.stdout.splitlines() if (ROOT / f).exists()}


def plugins() -> dict[str, dict[str, str]]:
    """Names and classes of the plugins that ship, by group of entry points."""
    with (ROOT / "pyproject.toml").open("rb") as file:
        groups: dict[str, dict[str, str]] = tomllib.load(file)["project"]["entry-points"]
    return groups


def is_there(path: str, page: str) -> bool:
    """Whether a path, in which placeholders stand for any name, exists at the root, or beside the page or below it."""
    pattern = PLACEHOLDERS.sub("*", path.rstrip("/"))
    folder = (ROOT / page).parent
    return any(ROOT.glob(pattern)) or (folder != ROOT and any(folder.rglob(pattern)))


@pytest.mark.parametrize("page", PAGES)
def test_links_lead_somewhere(page: str) -> None:
    for target in links(page):
        if re.match(r"[a-z]+:", target):
            continue
        path, _, anchor = target.partition("#")
        file = (ROOT / page).parent / path if path else ROOT / page
        assert file.exists(), f"{page}: {target} does not exist"
        assert not path.startswith("/"), f"{page}: {target} is not relative"
        if anchor:
            to = file.resolve().relative_to(ROOT).as_posix()
            assert anchor in anchors(to), f"{page}: {to} has no heading for #{anchor}"


@pytest.mark.parametrize("page", [p for p in PAGES if p != "CHANGELOG.md"])
def test_files_that_are_named_exist(page: str) -> None:
    folders = {f.split("/")[0] for f in tracked() if "/" in f}
    named = {w for w in words(page) if re.fullmatch(r"[\w./*-]+", w) and w not in SOURCES
             and (w.split("/")[0] in folders if "/" in w else w.endswith(SOURCES))}
    assert not {w for w in named if not is_there(w, page)}


@pytest.mark.parametrize("page", [p for p in PAGES if p != "CHANGELOG.md"])
def test_names_in_the_package_exist(page: str) -> None:
    names = {w for w in words(page) if re.fullmatch(r"l1trigger(\.\w+)+", w)}
    assert not {n for n in names - plugins().keys() if not exists(n)}


def exists(name: str) -> bool:
    """Whether a dotted name is a module, or something in one."""
    try:
        pkgutil.resolve_name(name)
    except (ImportError, AttributeError):
        return False
    return True


def test_the_map_names_every_folder_and_every_module_beside_them() -> None:
    package = ROOT / "l1trigger"
    parts = {f.split("/")[1] for f in tracked() if f.startswith("l1trigger/")}
    folders = {p for p in parts if (package / p).is_dir()}
    modules = {p for p in parts if p.endswith(".py")} - {"__init__.py"}
    mapped = set(words("l1trigger/README.md"))
    assert not {f for f in folders if f"{f}/" not in mapped}
    assert not modules - mapped


def test_every_firmware_source_is_explained() -> None:
    explained = set(words("firmware/README.md"))
    assert not {f for f in tracked() if f.startswith("firmware/") and Path(f).suffix != ".md"
                and Path(f).name not in explained}


def test_every_design_and_plugin_is_explained() -> None:
    explained = set(words("models/README.md"))
    shipped = {n for group in ("l1trigger.sources", "l1trigger.models", "l1trigger.scores") for n in plugins()[group]}
    designs = {path.stem for path in (ROOT / "models").glob("*.yaml")}
    assert not (shipped | designs) - explained


def test_every_tool_and_command_is_explained() -> None:
    text = "\n".join((ROOT / p).read_text(encoding="utf-8") for p in PAGES)
    tools = {f for f in tracked() if re.fullmatch(r"tools/\w+\.py", f)}
    commands = {c.name or c.callback.__name__ for c in app.registered_commands if c.callback is not None}
    assert not {t for t in tools if t not in text}
    assert not {c for c in commands - set(NAMES) if not re.search(rf"l1trigger {c}\b", text)}
    assert set(NAMES) <= set(words("l1trigger/README.md"))
