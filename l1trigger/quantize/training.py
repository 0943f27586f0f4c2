"""How Keras models are trained: early stopping, resuming, learning rate, weights by name."""

from __future__ import annotations

import csv
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from l1trigger import frameworks
from l1trigger.contracts.architecture import Loss
from l1trigger.design import TrainSection
from l1trigger.network import as_inputs

Progress = Callable[[str], None]


@dataclass(frozen=True)
class Lesson:
    """What a network has to learn, and where its training leaves checkpoints and word of how far it is.

    Attributes:
        x: network inputs, flat (events, inputs).
        target: what the network should answer (events, ...), in whatever form ``loss`` takes.
        loss: of (target, output), per event.
        seed: random seed, also for the order of events.
        work: folder for checkpoints, from which an interrupted training goes on.
        progress: told the losses after each epoch, and whatever else happens.
    """

    x: NDArray[np.float64]
    target: NDArray[np.float32]
    loss: Loss
    seed: int
    work: Path
    progress: Progress

    def part(self, folder: str, prefix: str = "") -> Lesson:
        """The same for one of several trainings: in a folder inside, and with a prefix to all that is told."""
        return replace(self, work=self.work / folder, progress=lambda message: self.progress(prefix + message))

    def inputs(self, model: Any) -> Any:
        """The inputs in the shapes that a Keras model takes."""
        return as_inputs(model, self.x.astype(np.float32))


def weights_by_name(model: Any) -> dict[str, NDArray[np.float32]]:
    """All weights of a Keras model; the names keep their order."""
    return {f"{i:03d}_{w.name}".replace("/", "."): w.numpy() for i, w in enumerate(model.weights)}


def set_weights(model: Any, weights: Mapping[str, NDArray[np.float32]]) -> None:
    """Sets what ``weights_by_name`` gave."""
    model.set_weights([weights[k] for k in sorted(weights) if k[:3].isdigit()])


def fit(
    model: Any,
    train: tuple[Any, Any],
    validation: tuple[Any, Any],
    section: TrainSection,
    work: Path,
    progress: Progress,
    callbacks: Sequence[Any] = (),
) -> dict[str, list[float]]:
    """Trains a compiled model with early stopping; an interrupted training goes on from its last epoch.

    Args:
        model: compiled; its best weights are in it afterwards.
        train, validation: (inputs, targets).
        section: epochs, batch size, patience.
        work: folder for checkpoints.
        progress: told the losses after each epoch.
        callbacks: further Keras callbacks.

    Returns:
        History of the losses.
    """
    k = frameworks.keras().callbacks
    work.mkdir(parents=True, exist_ok=True)
    log = work / "history.csv"
    tell = k.LambdaCallback(
        on_epoch_end=lambda epoch, logs: progress(
            f"epoch {epoch + 1}/{section.epochs}  " + "  ".join(f"{n} {v:.4g}" for n, v in logs.items() if n != "lr")
        )
    )
    stop = k.EarlyStopping("val_loss", patience=section.patience, restore_best_weights=True)
    model.fit(
        *train, validation_data=validation, epochs=section.epochs, batch_size=section.batch_size, verbose=0,
        callbacks=[
            *callbacks, k.CSVLogger(str(log), append=True),
            k.BackupAndRestore(str(work / "backup"), delete_checkpoint=False), stop, tell,
        ],
    )
    return read_history(log)


def teach(
    model: Any, lesson: Lesson, validation: tuple[NDArray[Any], NDArray[Any]], section: TrainSection
) -> dict[str, list[float]]:
    """Trains a float model on a lesson, as ``fit`` does, and gives the history of the losses.

    Args:
        model: its best weights are in it afterwards.
        lesson: what it learns.
        validation: network inputs, flat, and targets that decide when to stop.
        section: epochs, batch size, learning rate, patience.
    """
    model.compile(cosine(section, len(lesson.x)), loss=lesson.loss)
    inside, answers = validation
    return fit(
        model, (lesson.inputs(model), lesson.target), (as_inputs(model, inside.astype(np.float32)), answers), section,
        lesson.work, lesson.progress,
    )


def read_history(log: Path) -> dict[str, list[float]]:
    """Losses per epoch from a Keras log; an epoch that was interrupted and repeated counts once.

    What Keras did not measure in an epoch, which it writes as ``NA``, is not a number.
    """
    with log.open(newline="") as f:
        epochs = {row.pop("epoch"): row for row in csv.DictReader(f)}
    names = next(iter(epochs.values()))
    return {name: [float(row[name].replace("NA", "nan")) for row in epochs.values()] for name in names}


def cosine(section: Any, events: int) -> Any:
    """Adam with a learning rate that falls to nearly zero along a cosine."""
    k = frameworks.keras()
    steps = max(1, section.epochs * -(-events // section.batch_size))
    return k.optimizers.Adam(k.optimizers.schedules.CosineDecay(section.learning_rate, steps, alpha=0.01))
