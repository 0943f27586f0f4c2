"""Training of learned bit widths: a penalty on effective bit operations that rises, then holds.

With a target, the strength of the penalty follows how far the network is from it; networks for several targets come from
one training, each from the one before it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from l1trigger import frameworks
from l1trigger.compress_sections import CompressSection, LearnedSection
from l1trigger.data.scaling import InputScaling
from l1trigger.network import QuantizedNetwork, as_inputs
from l1trigger.quantize import dense_layers
from l1trigger.quantize.compressed import Compressed
from l1trigger.quantize.dense_layers import float_model
from l1trigger.quantize.learned_export import exported
from l1trigger.quantize.learned_network import LearnedNetwork, Layout
from l1trigger.quantize.training import read_history

_RISE = math.log(200.0)
"""How much the strength of a penalty rises in all, as a logarithm."""


def compressed(
    network: Any, scaling: InputScaling, section: CompressSection, x: NDArray[np.float64],
    target: NDArray[np.float32], loss: Callable[[Any, Any], Any], seed: int, work: Path, progress: Callable[[str], None],
    examples: NDArray[np.float64] | None = None, learn_inputs: bool = True,
) -> Compressed:
    """A network whose bit widths are trained with its weights.

    Args:
        network: the float network to begin with, as a Keras model or as a list of dense layers.
        scaling, section, x, target, loss, seed, work, progress, examples: see ``scores.base.quantized``.
        learn_inputs: whether inputs may lose bits.
    """
    seen = x if examples is None else examples
    layout = _layout(network)
    frameworks.seed_everything(seed)
    net = LearnedNetwork(layout, scaling, seen, learn_inputs)
    history = _train(net, section.learned, x.astype(np.float32), target, loss, seed, work, progress)
    made = exported(layout, net.widths(), scaling, section.quantization.score, seen)
    quantized = QuantizedNetwork.from_keras(
        made.model, made.scaling.network_type, dense_layers.output_type(made.model)
    )
    return Compressed(quantized, dense_layers.summarize(quantized), history, scaling=made.scaling)


def _layout(network: Any) -> Layout:
    if not isinstance(network, Sequence):
        return Layout(network)
    clipped = [layer.name for layer in network if layer.clipped]
    return Layout(float_model([replace(layer, clipped=False) for layer in network]), clipped)


def _train(
    net: LearnedNetwork, section: LearnedSection, x: NDArray[np.float32], target: NDArray[np.float32],
    loss: Callable[[Any, Any], Any], seed: int, work: Path, progress: Callable[[str], None],
) -> dict[str, list[float]]:
    """Trains a network in place, and gives the history of its losses, EBOPs and strengths."""
    k = frameworks.keras()
    model = _trained_model(net)
    steps = -(-len(x) // section.batch_size)
    rate = k.optimizers.schedules.CosineDecay(section.learning_rate, steps * section.epochs, alpha=0.01)
    model.compile(
        k.optimizers.Adam(rate, clipvalue=1.0), loss=loss, jit_compile=net.dense, steps_per_execution=min(steps, 16)
    )
    work.mkdir(parents=True, exist_ok=True)
    log = work / "history.csv"

    def after(epoch: int, logs: dict[str, float]) -> None:
        progress(
            f"learned widths, epoch {epoch + 1}/{section.epochs}  loss {logs['loss']:.4g}  EBOPs {logs['ebops']:.0f}"
        )
        model.log_strength.assign(
            _Strength.of(section, epoch + 1).next(float(model.log_strength.numpy()), logs["loss"], logs["ebops"])
        )

    model.fit(
        _batches(as_inputs(net.layout.model, x), target, section.batch_size, seed), steps_per_epoch=steps,
        epochs=section.epochs, verbose=0,
        callbacks=[
            k.callbacks.LambdaCallback(on_epoch_end=after), k.callbacks.CSVLogger(str(log), append=True),
            k.callbacks.BackupAndRestore(str(work / "backup"), delete_checkpoint=False),
        ],
    )
    return read_history(log)


def _batches(x: Any, y: NDArray[np.float32], size: int, seed: int) -> Any:
    """Batches of events drawn at random, without end; many times faster than Keras' own shuffling of arrays."""
    tf = frameworks.tensorflow()
    arrays = tf.nest.map_structure(tf.constant, (x, y))

    def drawn(i: Any) -> Any:
        events = tf.random.stateless_uniform([size], [seed, i], 0, len(y), tf.int32)
        return tf.nest.map_structure(lambda a: tf.gather(a, events), arrays)

    return tf.data.Dataset.counter(dtype=tf.int32).map(drawn).prefetch(4)


_OFF = -100.0
"""Logarithm of a strength that is none."""


@dataclass(frozen=True)
class _Strength:
    """How the strength of the penalty goes on after an epoch.

    Attributes:
        section: of the design.
        done: epochs that are over.
    """

    section: LearnedSection
    done: int

    @classmethod
    def of(cls, section: LearnedSection, done: int) -> _Strength:
        return cls(section, done)

    def next(self, before: float, loss: float, ebops: float) -> float:
        """Logarithm of the strength in the next epoch.

        Args:
            before: that of the epoch that is over.
            loss, ebops: measured in it.
        """
        rise = max(1.0, self.section.ramp * self.section.epochs)
        if self.section.strength is not None:
            return math.log(self.section.strength) - _RISE * max(0.0, 1 - self.done / rise)
        assert self.section.lut is not None
        if before <= _OFF:
            return math.log(loss / self.section.lut) - _RISE / 2
        # Integral control; the network follows the strength within about ten epochs.
        distance = math.log(max(ebops, 1.0) / self.section.lut)
        return before + _RISE / rise * min(max(distance, -1.0), 1.0)


def _trained_model(net: LearnedNetwork) -> Any:
    """The Keras model that trains it: its loss is that of the outputs and the penalty."""
    k, tf = frameworks.keras(), frameworks.tensorflow()

    class Learned(k.Model):  # type: ignore[misc]
        """A network and the strength of its penalty."""

        def __init__(self) -> None:
            super().__init__()
            self.learned = net.variables
            self.log_strength = tf.Variable(_OFF, trainable=False, name="log_strength")

        def call(self, x: Any) -> Any:
            """Outputs of a batch."""
            return net.forward(x)[0]

        def train_step(self, data: Any) -> dict[str, Any]:
            """One step of Adam."""
            x, y = data
            with tf.GradientTape() as tape:
                output, ebops = net.forward(x)
                loss = self.compute_loss(x, y, output)
                total = loss + tf.exp(self.log_strength) * ebops
            self.optimizer.minimize(total, self.trainable_variables, tape=tape)
            return {"loss": loss, "ebops": ebops, "strength": tf.exp(self.log_strength)}

    return Learned()
