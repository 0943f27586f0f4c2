"""Stage ``train``: the full-precision reference, trained once per seed."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path

from l1trigger.contracts.architecture import ARCHITECTURES, Training
from l1trigger.contracts.score import SCORES
from l1trigger.data.events import Events
from l1trigger.design import Design
from l1trigger.errors import DesignError
from l1trigger.results import Results
from l1trigger.run_folder import checkpoints
from l1trigger.train import agreement
from l1trigger.train.result import TrainResult


def run(
    design: Design, results: Results, folder: Path, progress: Callable[[str], None] = lambda message: None
) -> TrainResult:
    """Trains the reference of a design.

    Args:
        design: what to train.
        results: give the background to train and validate on; signals are not looked at.
        folder: of the stage, in which an interrupted training finds its finished seeds and epochs again.
        progress: told what happens, one line at a time.

    Raises:
        DesignError: the design asks for what the architecture or the data do not give.
        DataError: a sample lacks what is to be learnt.
    """
    data, work = results.data, checkpoints(folder)
    architecture = ARCHITECTURES.of(design.model)
    architecture.check(design)
    agreement.require_fit(design, data)
    architecture.check_shape(data.train.inputs.shape[1:])
    require_fit(design.model.architecture, len(architecture.scaling), data.train)
    SCORES.of(design.compress).check(design, data)

    def named(name: str) -> Callable[[str], None]:
        return lambda message: progress(name + message)

    trainings: list[Training] = []
    for seed in range(design.train.seed, design.train.seed + design.train.seeds):
        trainings.append(architecture.fit(design.train, data, seed, work / f"seed{seed}", named(f"seed {seed}: ")))
    best = min(range(len(trainings)), key=lambda i: trainings[i].validation_loss)
    options = design.model.model_dump(mode="json")
    return TrainResult(design.model.architecture, options, architecture.scaling, tuple(trainings), best)


def require_fit(architecture: str, inputs: int, events: Events) -> None:
    """Checks that the events have as many numbers as the network has inputs.

    Raises:
        DesignError: they have not.
    """
    shape = events.inputs.shape[1:]
    if math.prod(shape) != inputs:
        raise DesignError(
            None, "model", f"{architecture} takes {inputs} numbers per event, but the data have "
            f"{' x '.join(map(str, shape))}", "change the model's size (model.hits) or what the data source gives "
            "(data.layout, data.max_hits)",
        )


__all__ = ["TrainResult", "Training", "run"]
