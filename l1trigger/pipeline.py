"""How a design is taken through the stages: start, stop, skip, resume."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cache, partial
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from l1trigger import artefacts
from l1trigger.data.doubts import doubts
from l1trigger.data.events import DataSet
from l1trigger.design import PLUGIN_SECTIONS, SYNTHESIZER_GROUP, Design, Section, load
from l1trigger.errors import ArgumentError, BudgetError, RunFolderError, argument, nearest, of_file
from l1trigger.plugins import package_of
from l1trigger.results import Results
from l1trigger.run_folder import RunFolder, StageInputs, StageRecord, disk_full_is_clear, write_atomically
from l1trigger.stages import STAGES, Display, Result, Stage
from l1trigger.unread import require_read

if TYPE_CHECKING:
    from l1trigger.figures import Judgement

_S = TypeVar("_S", bound=Section)
_LARGE_FILE = 64 << 20


@dataclass(frozen=True)
class Run:
    """What a run left behind.

    Attributes:
        folder: the run folder.
        results: of its stages.
        records: of the finished stages, by name.
    """

    folder: Path
    results: Results
    records: Mapping[str, StageRecord]


def run(  # noqa: PLR0913, PLR0917 (the public entry, with the options of the command)
    design: Design | Path | str,
    runs: Path | str = "runs",
    start: str | None = None,
    stop: str | None = None,
    quick: bool = False,
    committed: Path | None = None,
    display: Display | None = None,
    stages: Sequence[Stage] = STAGES,
) -> Run:
    """Takes a design through the stages; those whose inputs are unchanged are skipped.

    Args:
        design: what to do, or the path of a design file.
        runs: folder that holds the run folders.
        start: first stage that may be run; results before it come from the run folder or from ``committed``.
            The data are always at hand: they come from the data source.
        stop: last stage.
        quick: fewer events and epochs, in a run folder of its own.
        committed: the design's committed artefacts, which stand in for training; those beside its file if left out.
        display: is told what happens.
        stages: in order.

    Raises:
        L1TriggerError: for every reason that a user can act upon.
    """
    if not isinstance(design, Design):
        design = load(design)
    display = display or Display()
    names = [s.name for s in stages]
    first, last = _index(names, start or names[0], "start"), _index(names, stop or names[-1], "stop")
    if first > last:
        raise ArgumentError(
            "start", f"'{start}' comes after {argument('stop')} '{stop}'", f"the order is {' -> '.join(names)}"
        )
    require_read(design)
    asked, design = design, quick_design(design) if quick else design
    committed = committed or artefacts.beside(design)
    folder = RunFolder(Path(runs) / run_name(design, quick))
    inputs = all_inputs(stages, design)
    records: dict[str, StageRecord] = {}
    results = Results(folder.path, quick=quick)
    with of_file(design.file), folder.locked(), disk_full_is_clear(folder.path):
        display.start(folder.path)
        write_atomically(folder.path / "design.json", json.dumps(design.resolved(folder.path), indent=1))
        for index, stage in enumerate(stages[: last + 1]):
            folder.recover(stage.name)
            record = folder.record(stage.name)
            if record is not None and record.inputs == inputs[stage.name]:
                how = "unchanged" if record.origin == "run" else "unchanged, from the committed artefacts"
                display.skip(stage.name, how)
            elif 0 < index < first:
                record = _from_artefacts(stage, inputs[stage.name], asked, folder, records, committed)
                display.skip(stage.name, f"from the committed artefacts in {committed}")
            else:
                work = partial(stage.run, design, results, progress=display.progress)
                record = _run_stage(stage, work, inputs[stage.name], folder, record, display)
            records[stage.name] = record
        final = folder.record(names[-1])
        if final is not None and final.inputs != inputs[names[-1]]:
            display.note(f"{folder.path / 'report.html'} is of an earlier run; `l1trigger report` brings it up to date")
    return Run(folder.path, results, records)


def run_name(design: Design, quick: bool) -> str:
    """Name of the run folder; quick runs never mix with others."""
    return f"{design.name}-quick" if quick else design.name


QUICK = {"epochs": 3, "seeds": 1, "limit_events": 20_000, "events": 20_000, "signal_events": 5_000}
"""Most that a quick run takes of each setting of this name, in any section."""


def quick_design(design: Design) -> Design:
    """The design with few events and epochs, to see in a minute or two that everything works."""
    tune = design.compress.fine_tune
    tune = tune.model_copy(update={"epochs": min(tune.epochs, 2)})
    csim = design.csim.model_copy(update={"events": min(design.csim.events or 5000, 5000)})
    # Synthesis does not get faster with fewer events.
    route = {"both": "rtl", "hls": "none"}.get(design.synth.route, design.synth.route)
    synth = design.synth.model_copy(update={"yosys": False, "route": route})
    compress = design.compress.model_copy(update={"fine_tune": tune})
    return at_most(design.model_copy(update={"csim": csim, "synth": synth, "compress": compress}), QUICK)


def at_most(section: _S, limits: Mapping[str, int]) -> _S:
    """A section whose settings, and those of the sections inside, keep the limits; None means without limit."""
    changed: dict[str, Any] = {}
    for name in type(section).model_fields:
        value = getattr(section, name)
        if isinstance(value, Section):
            changed[name] = at_most(value, limits)
        elif name in limits and (value is None or value > limits[name]):
            changed[name] = limits[name]
    return section.model_copy(update=changed)


def all_inputs(stages: Sequence[Stage], design: Design) -> dict[str, StageInputs]:
    """Everything that the result of each stage depends on."""
    resolved = design.resolved()
    inputs: dict[str, StageInputs] = {}
    for stage in stages:
        inputs[stage.name] = StageInputs(
            {s: resolved[s] for s in stage.sections},
            {s: f for s in stage.sections if (f := _fingerprint(design, s))} | _source_digests(stage, design),
            {u: inputs[u].digest() for u in stage.upstream},
            {p: _version(p) for p in ("l1trigger", *stage.packages, *_plugin_packages(stage, design))}
            | ({"layout": str(stage.layout)} if stage.layout > 1 else {}),
        )
    return inputs


@cache
def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "absent"


def _plugin_packages(stage: Stage, design: Design) -> list[str]:
    """Packages that bring the plugins which the stage's sections name."""
    chosen = {
        **{section: (g.entry_points, str(getattr(getattr(design, section), g.key)))
           for section, g in PLUGIN_SECTIONS.items()},
        "synth": (SYNTHESIZER_GROUP, design.synth.synthesizer),
    }
    packages = {package_of(*chosen[section]) for section in stage.sections if section in chosen}
    return sorted(package for package in packages if package is not None)


def _source_digests(stage: Stage, design: Design) -> dict[str, str]:
    """Digests of the folders and files of sources that a stage copies from, by name."""
    return {
        source.name: " ".join(_file_digest(f) for f in (source, *sorted(source.rglob("*"))) if f.is_file())
        for source in stage.sources(design)
    }


def _fingerprint(design: Design, name: str) -> str:
    """Digest of the files that a section names."""
    section = getattr(design, name)
    return " ".join(_file_digest(f) for f in section.files()) if isinstance(section, Section) else ""


def _file_digest(path: Path) -> str:
    """Digest of a file's content, or of its size and time where reading it would take long."""
    if not path.is_file():
        return "absent"
    facts = path.stat()
    if facts.st_size > _LARGE_FILE:
        return f"{facts.st_size}-{facts.st_mtime_ns}"
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _index(names: Sequence[str], name: str, parameter: str) -> int:
    if name not in names:
        raise ArgumentError(parameter, f"there is no stage '{name}'", nearest(name, names))
    return names.index(name)


def _run_stage(
    stage: Stage, work: Callable[[Path], Result | None], inputs: StageInputs, folder: RunFolder,
    before: StageRecord | None, display: Display,
) -> StageRecord:
    into, resumed = folder.begin(stage.name, inputs.digest())
    display.begin(stage.name, "continues an interrupted run" if resumed else _reason(before, inputs))
    began = time.monotonic()
    try:
        with disk_full_is_clear(folder.path):
            result = work(into)
            if result is not None and not stage.at_root:
                result.save(into)
            record = StageRecord(inputs, round(time.monotonic() - began, 3), resumed=resumed)
            folder.commit(stage.name, record, stage.at_root)
    except RunFolderError:
        folder.abandon(stage.name)
        raise
    display.end(stage.name, record.seconds)
    for doubt in doubts(result) if isinstance(result, DataSet) else ():
        display.note(str(doubt))
    return record


def _reason(before: StageRecord | None, inputs: StageInputs) -> str:
    """Why a stage is run: empty the first time, else what changed since."""
    if before is None:
        return ""
    changed = artefacts.differences(asdict(before.inputs), asdict(inputs))
    # A changed stage upstream is named by its own line.
    own = [c.removeprefix("settings.") for c in changed if not c.startswith("upstream.")]
    return f"again, because {own[0]}" if own else "again, because a stage before it changed"


def _from_artefacts(
    stage: Stage, inputs: StageInputs, asked: Design, folder: RunFolder, records: Mapping[str, StageRecord],
    committed: Path | None,
) -> StageRecord:
    """Brings a committed result into the run folder in place of running the stage."""
    # A trigger compressed from other weights than those in the run folder would not be of this run.
    own = [name for name in stage.upstream if name in artefacts.STAGES and records[name].origin == "run"]
    if stage.name not in artefacts.STAGES or own or committed is None:
        raise RunFolderError(
            f"the stage {stage.name} has no result in {folder.path} that fits this design, and there is none that "
            f"could stand in for it. Remedy: give {argument('start')} {stage.name} or an earlier stage"
        )
    artefacts.check(committed, asked, stage.name)
    work, _ = folder.begin(stage.name, inputs.digest())
    artefacts.copy_stage(committed, stage.name, work)
    record = StageRecord(inputs, 0.0, origin="artefacts")
    folder.commit(stage.name, record)
    return record


def judge(done: Run, strict: bool = False) -> None:
    """What a finished run must hold: levels that are equal bit for bit, and the budget where that was asked for.

    Args:
        done: the run.
        strict: whether a limit of the budget that is not met is an error too.

    Raises:
        BitMismatchError: levels differ.
        BudgetError: a limit is not met.
    """
    stages = [s for s in ("csim", "synth") if s in done.records]
    for comparison in (c for s in stages for c in getattr(done.results, s).comparisons):
        comparison.require()
    if strict and "report" in done.records:
        missed = {_described(j): j.value for j in done.results.report.budget if j.met is False and j.value is not None}
        if missed:
            raise BudgetError(missed)


def _described(judgement: Judgement) -> str:
    """A figure of the budget with its conditions, e.g. ``auc (signal A4l)``."""
    conditions = ", ".join(f"{k} {v}" for k, v in judgement.conditions.items())
    return f"{judgement.figure} ({conditions})" if conditions else judgement.figure
