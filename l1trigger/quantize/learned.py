"""Training of learned bit widths: a penalty on effective bit operations that rises, then holds.

With a target, the strength of the penalty follows how far the network is from it; networks for several targets come
from one training, each from the one before it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from l1trigger import frameworks
from l1trigger.compress_sections import CompressSection, LearnedSection
from l1trigger.data.scaling import InputScaling
from l1trigger.network import QuantizedNetwork
from l1trigger.quantize import dense_layers
from l1trigger.quantize.compressed import Compressed, FrontNetwork
from l1trigger.quantize.dense_layers import float_model
from l1trigger.quantize.learned_export import exported
from l1trigger.quantize.learned_network import Layout, LearnedNetwork
from l1trigger.quantize.training import Lesson, read_history

_RISE = math.log(200.0)
"""How much the strength of a penalty rises in all, as a logarithm."""
_GAIN, _FASTEST = 0.2, 0.15
"""How much the logarithm of the strength follows the distance of EBOPs from where they should be, and at most."""
OFF = -100.0
"""Logarithm of a strength that is none."""


@dataclass(frozen=True)
class Strength:
    """How the strength of the penalty goes on from epoch to epoch.

    A given strength is reached along a logarithmic ramp and then holds. With a target, EBOPs are led to it along a ramp
    of theirs, which flattens out: the first bits cost nothing, and a network that is pressed fast at the end loses
    weights that it does not get back.

    Attributes:
        section: of the design.
        lut: the target; None where the section gives a strength.
        epochs: of this training.
    """

    section: LearnedSection
    lut: float | None
    epochs: int

    def after(self, done: int, before: float, loss: float, ebops: float, first: float) -> float:
        """Logarithm of the strength in the next epoch.

        Args:
            done: epochs that are over.
            before: that of the last of them.
            loss, ebops: measured in it.
            first: EBOPs in the first epoch.
        """
        left = max(0.0, 1 - done / max(1.0, self.section.ramp * self.epochs))
        if self.lut is None:
            assert self.section.strength is not None
            return math.log(self.section.strength) - _RISE * left
        if before <= OFF:
            before = math.log(max(loss, 1e-9) / self.lut) - _RISE
        wanted = math.log(self.lut) + left**2 * max(0.0, math.log(max(first, 1.0) / self.lut))
        distance = math.log(max(ebops, 1.0)) - wanted
        return before + min(max(_GAIN * distance, -_FASTEST), _FASTEST)


def compressed(
    network: Any, scaling: InputScaling, lesson: Lesson, section: CompressSection, examples: NDArray[np.float64],
    learn_inputs: bool = True,
) -> Compressed:
    """A network whose bit widths are trained with its weights, and those for other targets beside it.

    Args:
        network: the float network to begin with, as a Keras model or as a list of dense layers.
        scaling: of its inputs.
        lesson: what it learns.
        section: targets, epochs and strength of the penalty; width of the score.
        examples: inputs on which the ranges of activations are seen.
        learn_inputs: whether inputs may lose bits.
    """
    layout = _layout(network)
    frameworks.seed_everything(lesson.seed)
    net = LearnedNetwork(layout, scaling, examples, learn_inputs)
    training = _Training(net, lesson, section.learned)
    wanted, front, histories = section.learned, [], []
    chosen: Compressed | None = None
    for lut in sorted({wanted.lut, *wanted.front}, key=lambda v: -(v or 0)):
        history = training.towards(lut)
        histories.append(history)
        made = exported(layout, net.widths(), scaling, section.quantization.score, examples)
        quantized = QuantizedNetwork.from_keras(
            made.model, made.scaling.network_type, dense_layers.output_type(made.model)
        )
        ebops = history["ebops"][-1]
        if lut == wanted.lut:
            if lut is not None and ebops > _CLOSE * lut:
                lesson.progress(
                    f"compress.learned.lut: {lut:g} was not reached, the network has {ebops:.0f} EBOPs. Remedy: "
                    "more epochs, a smaller network or a higher target"
                )
            chosen = Compressed(quantized, dense_layers.summarize(quantized), {}, scaling=made.scaling, ebops=ebops)
        else:
            front.append(FrontNetwork(ebops, quantized, made.scaling))
    assert chosen is not None  # the wanted target is one of them
    joined = {name: [v for h in histories for v in h[name]] for name in histories[0]}
    return replace(chosen, history=joined, front=tuple(front))


_CLOSE = 1.1
"""How far above its target a network may end without a word."""


def _layout(network: Any) -> Layout:
    if not isinstance(network, Sequence):
        return Layout(network)
    clipped = [layer.name for layer in network if layer.clipped]
    return Layout(float_model([replace(layer, clipped=False) for layer in network]), clipped)


@dataclass
class _Training:
    """The training of a network towards one target after the other.

    Attributes:
        net: trained in place.
        lesson: what it learns.
        section: of the design.
        done: targets that are reached.
        log_strength: logarithm of the penalty's strength at the end of the last one.
    """

    net: LearnedNetwork
    lesson: Lesson
    section: LearnedSection
    done: int = 0
    log_strength: float = OFF

    def towards(self, lut: float | None) -> dict[str, list[float]]:
        """Trains towards a target, and gives the history of losses, EBOPs and strengths; what is done is read back.

        Args:
            lut: EBOPs that the network may have; None takes the strength that the section gives.
        """
        folder = self.lesson.work / f"target{self.done}"
        finished = folder / "variables.npz"
        if not finished.is_file():
            self._train(folder, lut)
            values = {str(i): v.numpy() for i, v in enumerate(self.net.variables)}
            partial = folder / "partial.npz"
            np.savez(partial, log_strength=self.log_strength, **values)
            partial.replace(finished)
        with np.load(finished) as z:
            for i, variable in enumerate(self.net.variables):
                variable.assign(z[str(i)])
            self.log_strength = float(z["log_strength"])
        self.done += 1
        return read_history(folder / "history.csv")

    def _train(self, folder: Path, lut: float | None) -> None:
        k, lesson, section = frameworks.keras(), self.lesson, self.section
        epochs = section.epochs if self.done == 0 else max(2, section.epochs // 2)
        first_rate = section.learning_rate if self.done == 0 else section.learning_rate / 2
        model = _trained_model(self.net, self.log_strength)
        steps = -(-len(lesson.x) // section.batch_size)
        rate = k.optimizers.schedules.CosineDecay(first_rate, steps * epochs, alpha=0.01)
        model.compile(
            k.optimizers.Adam(rate, clipvalue=1.0), loss=lesson.loss, jit_compile=self.net.dense,
            steps_per_execution=min(steps, 16),
        )
        folder.mkdir(parents=True, exist_ok=True)
        strength = Strength(section, lut, epochs)
        name = "" if lut is None else f" for {lut:g} LUT"

        def after(epoch: int, logs: dict[str, float]) -> None:
            lesson.progress(
                f"learned widths{name}, epoch {epoch + 1}/{epochs}  loss {logs['loss']:.4g}  "
                f"EBOPs {logs['ebops']:.0f}"
            )
            if epoch == 0:
                model.first_ebops.assign(logs["ebops"])
            before, first = float(model.log_strength.numpy()), float(model.first_ebops.numpy())
            model.log_strength.assign(strength.after(epoch + 1, before, logs["loss"], logs["ebops"], first))

        model.fit(
            _batches(lesson.inputs(self.net.layout.model), lesson.target, section.batch_size, lesson.seed + self.done),
            steps_per_epoch=steps, epochs=epochs, verbose=0,
            callbacks=[
                k.callbacks.LambdaCallback(on_epoch_end=after),
                k.callbacks.CSVLogger(str(folder / "history.csv"), append=True),
                k.callbacks.BackupAndRestore(str(folder / "backup"), delete_checkpoint=False),
            ],
        )
        self.log_strength = float(model.log_strength.numpy())


def _batches(x: Any, y: NDArray[np.float32], size: int, seed: int) -> Any:
    """Batches of events drawn at random, without end; many times faster than Keras' own shuffling of arrays."""
    tf = frameworks.tensorflow()
    arrays = tf.nest.map_structure(tf.constant, (x, y))

    def drawn(i: Any) -> Any:
        events = tf.random.stateless_uniform([size], [seed, i], 0, len(y), tf.int32)
        return tf.nest.map_structure(lambda a: tf.gather(a, events), arrays)

    return tf.data.Dataset.counter(dtype=tf.int32).map(drawn).prefetch(4)


def _trained_model(net: LearnedNetwork, log_strength: float) -> Any:
    """The Keras model that trains it: its loss is that of the outputs and the penalty."""
    tf, metrics = frameworks.tensorflow(), frameworks.keras().metrics
    keras_model: Any = frameworks.keras().Model

    class Learned(keras_model):  # type: ignore[misc]
        """A network and the strength of its penalty."""

        def __init__(self) -> None:
            super().__init__()
            self.learned = net.variables
            self.log_strength = tf.Variable(log_strength, trainable=False, name="log_strength")
            self.first_ebops = tf.Variable(0.0, trainable=False, name="first_ebops")
            self.means = [metrics.Mean("loss"), metrics.Mean("ebops")]

        @property
        def metrics(self) -> list[Any]:
            """What begins anew with every epoch."""
            return self.means

        def call(self, x: Any) -> Any:
            """Outputs of a batch."""
            return net.forward(x)[0]

        def train_step(self, data: Any) -> dict[str, Any]:
            """One step of Adam; means over the epoch so far."""
            x, y = data
            with tf.GradientTape() as tape:
                output, ebops = net.forward(x)
                loss = self.compute_loss(x, y, output)
                total = loss + tf.exp(self.log_strength) * ebops
            self.optimizer.minimize(total, self.trainable_variables, tape=tape)
            for mean, value in zip(self.means, (loss, ebops), strict=True):
                mean.update_state(value)
            return {m.name: m.result() for m in self.means} | {"strength": tf.exp(self.log_strength)}

    return Learned()
