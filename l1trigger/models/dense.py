"""Pieces that the dense networks share: stacks of layers, the masked reconstruction error, weights by name."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pydantic import Field

from l1trigger import keras as door
from l1trigger.compress.quantize import DenseLayer
from l1trigger.data.objects import CLASSES, OBJECTS
from l1trigger.data.scaling import InputScaling, ObjectInputs
from l1trigger.design import ModelSection, TrainSection
from l1trigger.trigger import present

Progress = Callable[[str], None]


class DenseAutoencoderOptions(ModelSection):
    """What all dense autoencoders have.

    Attributes:
        hidden: sizes of the encoder's hidden layers; the decoder mirrors them.
        latent: size of the narrowest layer.
        batch_norm: batch normalization behind each hidden layer, folded into it at export.
        inputs: scaling of the trigger objects.
    """

    hidden: tuple[int, ...] = (32, 16)
    latent: int = Field(3, ge=1)
    batch_norm: bool = False
    inputs: ObjectInputs = ObjectInputs()


def hidden_layers(x: Any, sizes: Sequence[int], prefix: str, batch_norm: bool) -> Any:
    """Dense layers with ReLU; the normalization stands between the two, where it folds into the dense layer."""
    k = door.keras().layers
    for i, size in enumerate(sizes):
        x = k.Dense(size, name=f"{prefix}{i}")(x)
        if batch_norm:
            x = k.BatchNormalization(name=f"{prefix}{i}_norm")(x)
        x = k.ReLU(name=f"{prefix}{i}_relu")(x)
    return x


def folded_dense(model: Any, linear: Sequence[str], clipped: Sequence[str] = ()) -> list[DenseLayer]:
    """Every dense layer in order, batch normalization folded in.

    gamma (W x + b - mean) / sqrt(var + eps) + beta is again a dense layer.

    Args:
        model: of dense layers, batch normalization and ReLU.
        linear: names of the layers that no ReLU follows.
        clipped: names of the layers whose outputs are clipped to [-1, 1].
    """
    out: list[DenseLayer] = []
    for layer in model.layers:
        kind = type(layer).__name__
        if kind == "Dense":
            kernel, bias = layer.get_weights()
            out.append(DenseLayer(layer.name, kernel, bias, layer.name not in linear, layer.name in clipped))
        elif kind == "BatchNormalization":
            out[-1] = fold(out[-1], layer)
    return out


def fold(layer: DenseLayer, normalization: Any) -> DenseLayer:
    """A dense layer with the batch normalization that follows it folded in."""
    gamma, beta, mean, variance = normalization.get_weights()
    factor = gamma / np.sqrt(variance + normalization.epsilon)
    kernel = (layer.kernel * factor).astype(np.float32)
    return replace(layer, kernel=kernel, bias=((layer.bias - mean) * factor + beta).astype(np.float32))


def output_range(scaling: InputScaling) -> NDArray[np.float32]:
    """Largest physical magnitude of each input in network units, shape (57,); infinite for pT.

    The angles of a trigger object are bounded by the detector, so the outputs that stand for them are too
    (arXiv:2108.03986 bounds them by a scaled tanh).
    """
    limit = np.full((OBJECTS, 3), np.inf, np.float32)
    for c in CLASSES:
        limit[c.rows, 1:] = [max(c.maximum[1], 1), c.maximum[2]]
    return np.asarray(limit.ravel() * 2.0 ** -np.array(scaling.shift), np.float32)


def bounded(x: Any, limit: NDArray[np.float32]) -> Any:
    """Outputs with the angles bounded to ``limit`` by a scaled tanh; pT stays linear."""
    tf = door.tensorflow()

    angle = np.isfinite(limit)
    safe = np.where(angle, limit, 1.0).astype(np.float32)
    return tf.where(angle, safe * tf.tanh(x / safe), x)


def masked_error(x: Any, y: Any, mask: Any, kind: Literal["squared", "absolute"] = "squared") -> Any:
    """Sum over the inputs that are there of the squared or absolute difference, shape (events,)."""
    tf = door.tensorflow()

    return tf.reduce_sum(mask * (tf.square(x - y) if kind == "squared" else tf.abs(x - y)), axis=-1)


def network_inputs(scaling: InputScaling, inputs: NDArray[Any]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Scaled inputs and the mask of objects that are there, both (events, inputs)."""
    return scaling.real(inputs).astype(np.float32), present(inputs).astype(np.float32)


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
    k = door.keras().callbacks
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
    """Losses per epoch from a Keras log; an epoch that was interrupted and repeated counts once."""
    rows = pd.read_csv(log).drop_duplicates("epoch", keep="last").drop(columns="epoch")
    return {str(n): [float(v) for v in rows[n]] for n in rows}


def cosine(section: Any, events: int) -> Any:
    """Adam with a learning rate that falls to nearly zero along a cosine."""
    k = door.keras()
    steps = max(1, section.epochs * -(-events // section.batch_size))
    return k.optimizers.Adam(k.optimizers.schedules.CosineDecay(section.learning_rate, steps, alpha=0.01))
