"""Committed results of ``train`` and ``compress``, from which a design can be converted without training.

A folder ``artefacts/<design>/`` beside the design file holds the two results as the run folder has them, and
``card.json``: digests of the files, the sections of the design that they were made from, versions and times.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from l1trigger import catalogue
from l1trigger.design import Design, from_mapping, with_paths
from l1trigger.errors import DataError, DesignError, RunFolderError, argument
from l1trigger.run_folder import RunFolder, remove, write_atomically

STAGES = ("train", "compress")
"""Stages whose results are committed."""

SECTIONS = ("data", "model", "train", "compress")
"""Sections of the design that these results depend on."""

LIMIT_BYTES = 1_000_000
"""Largest size of one design's artefacts."""


def beside(design: Design) -> Path | None:
    """Folder of a design's artefacts; None for a design that is in no file."""
    return None if design.file is None else design.file.parent / "artefacts" / design.name


def check(folder: Path, design: Design, stage: str) -> None:
    """Holds the artefacts against their card, and the card against what the result of a stage depends on.

    Args:
        folder: of the artefacts.
        design: that they are to serve.
        stage: ``train`` does not depend on how the network is compressed.

    Raises:
        DesignError: there are none, or they were made from another design; names the keys that differ.
        DataError: a file is not what the card says.
    """
    card_path = folder / "card.json"
    try:
        card: dict[str, Any] = json.loads(card_path.read_text())
        files, made_from = dict(card["files"]), dict(card["design"])
    except FileNotFoundError:
        raise DesignError(
            None, design.name, f"has no committed weights in {folder}",
            f"run without {argument('start')}, so that it is trained, or make them with tools/make_artefacts.py",
        ) from None
    except (OSError, ValueError, KeyError, TypeError) as e:
        raise DataError(card_path, f"is not a card of artefacts ({e})", "make them again") from e
    resolved = design.resolved()
    before = _with_defaults(made_from, design)
    sections = [s for s in SECTIONS if s != "compress" or stage == "compress"]
    different = differences({s: before[s] for s in sections}, {s: resolved[s] for s in sections})
    if different:
        raise DesignError(
            None, design.name,
            f"the committed weights in {folder} were made from another design: {'; '.join(different[:4])}"
            + (f" and {len(different) - 4} more" if len(different) > 4 else ""),
            f"give {argument('start')} {stage}, so that it is trained, or take back these settings",
        )
    for name, digest in files.items():
        path = folder / name
        if not path.is_file() or _sha256(path) != digest:
            raise DataError(path, "is missing or not the file that card.json describes", "restore it, or train anew")


def _with_defaults(made_from: Mapping[str, Any], design: Design) -> Mapping[str, Any]:
    """What the artefacts were made from, with defaults for keys that did not exist yet."""
    try:
        folder = design.file.parent if design.file else Path()
        before = with_paths({**made_from, "name": design.name, "task": design.task}, folder)
        return from_mapping(before, design.file).resolved()
    except DesignError:
        return made_from


def _card(folder: Path) -> dict[str, Any]:
    card: dict[str, Any] = json.loads((folder / "card.json").read_text())
    return card


def copy_stage(folder: Path, stage: str, target: Path) -> None:
    """Copies the committed result of a stage into an existing folder."""
    shutil.copytree(folder / stage, target, dirs_exist_ok=True)


def export(run_folder: Path, target: Path) -> Path:
    """Writes the artefacts of a finished run.

    Args:
        run_folder: of a run that finished the stages train and compress; its training may be the committed one.
        target: folder of this design's artefacts; replaced when the new ones are complete.

    Returns:
        The card's path.

    Raises:
        RunFolderError: a stage is not finished, or the results are too large to commit.
    """
    run = RunFolder(run_folder)
    records = {s: run.record(s) for s in ("data", *STAGES)}
    part = target.with_name(target.name + ".part")
    remove(part)
    settings: dict[str, Any] = {}
    stages: dict[str, Any] = {}
    for name, record in records.items():
        committed = name == "train" and (target / "card.json").is_file()
        if record is None or not (committed or record.origin == "run"):
            raise RunFolderError(f"{run_folder} holds no {name} of its own. Remedy: run the design up to compress")
        settings |= record.inputs.settings
        if name in STAGES:
            shutil.copytree(run.stage(name), part / name, ignore=shutil.ignore_patterns("stage.json"))
            stages[name] = _card(target)["stages"][name] if record.origin == "artefacts" else {
                "seconds": record.seconds, "finished_at": record.finished_at, "versions": record.inputs.versions
            }
    files = sorted(p for p in part.rglob("*") if p.is_file())
    size = sum(p.stat().st_size for p in files)
    if size > LIMIT_BYTES:
        remove(part)
        raise RunFolderError(f"the artefacts of {run_folder} have {size} bytes; {LIMIT_BYTES} may be committed")
    design = {s: settings[s] for s in SECTIONS}
    card = {
        "name": settings["name"],
        "design_digest": hashlib.sha256(json.dumps(design, sort_keys=True).encode()).hexdigest(),
        "files": {p.relative_to(part).as_posix(): _sha256(p) for p in files},
        "stages": stages,
        "figures": _figures(run_folder),
        "design": design,
    }
    write_atomically(part / "card.json", json.dumps(card, indent=1))
    remove(target)
    part.rename(target)
    return target / "card.json"


def _figures(run_folder: Path) -> list[dict[str, Any]]:
    """The run's figures that a card should remember, at level csim."""
    remembered = catalogue.names("card")
    try:
        figures = json.loads((run_folder / "report.json").read_text())["figures"]
    except (OSError, ValueError, KeyError):
        return []
    return [f for f in figures if f["name"] in remembered and f.get("level") == "csim"]


def differences(a: Any, b: Any, at: str = "") -> list[str]:
    """What differs between two trees of settings: each dotted key with both values."""
    if isinstance(a, Mapping) and isinstance(b, Mapping):
        return [d for k in sorted({*a, *b}) for d in differences(a.get(k), b.get(k), f"{at}.{k}" if at else str(k))]
    return [] if a == b else [f"{at} was {_short(a)} and is {_short(b)}"]


def _short(value: Any) -> str:
    """A value of a setting; absent ones read as such, and digests as their first letters."""
    text = "not set" if value is None else str(value)
    return text if len(text) < 40 else f"{text[:12]}..."


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
