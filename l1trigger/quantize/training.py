"""How Keras models are trained: early stopping, resuming, learning rate, weights by name."""

from __future__ import annotations

import csv
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from l1trigger import frameworks
from l1trigger.design import TrainSection

Progress = Callable[[str], None]


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
    monitor: str = "val_loss",
) -> dict[str, list[float]]:
    """Trains a compiled model with early stopping; an interrupted training goes on from its last epoch.

    Args:
        model: compiled; its best weights are in it afterwards.
        train, validation: (inputs, targets).
        section: epochs, batch size, patience.
        work: folder for checkpoints.
        progress: told the losses after each epoch.
        callbacks: further Keras callbacks.
        monitor: which loss decides.

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
    stop = k.EarlyStopping(monitor, patience=section.patience, restore_best_weights=True)
    model.fit(
        *train, validation_data=validation, epochs=section.epochs, batch_size=section.batch_size, verbose=0,
        callbacks=[
            *callbacks, k.CSVLogger(str(log), append=True),
            k.BackupAndRestore(str(work / "backup"), delete_checkpoint=False), stop, tell,
        ],
    )
    return read_history(log)


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
