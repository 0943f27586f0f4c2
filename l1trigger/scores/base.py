"""What scores share: how a network is quantized, fine-tuned and pruned for them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from l1trigger.contracts.architecture import Part
from l1trigger.contracts.score import Score
from l1trigger.data.events import DataSet
from l1trigger.data.objects import FEATURES, OBJECTS
from l1trigger.data.scaling import InputScaling
from l1trigger.design import CompressSection
from l1trigger.errors import DesignError
from l1trigger.layer_summary import Units
from l1trigger.network import QuantizedNetwork, as_inputs, batch_size
from l1trigger.quantize import dense_layers, fine_tune, keras_graph, learned, post_training, structured
from l1trigger.quantize.compressed import Compressed
from l1trigger.quantize.image_outliers import make_image_outliers, symmetric_copies
from l1trigger.quantize.outliers import make_outliers
from l1trigger.quantize.training import Lesson
from l1trigger.train.result import TrainResult


def quantized(
    network: Any, scaling: InputScaling, lesson: Lesson, section: CompressSection,
    examples: NDArray[np.float64] | None = None, keep_inputs: bool = False,
) -> Compressed:
    """Quantizes a network, then trains and prunes it to reproduce the targets of a lesson.

    Args:
        network: the float network, as a Keras model or as a list of dense layers.
        scaling: of its inputs.
        lesson: what it learns, on firmware inputs.
        section: bit widths, pruning, fine tuning.
        examples: inputs on which the ranges of activations are seen; None takes those of the lesson.
        keep_inputs: whether inputs keep all their bits where widths are learned: more than the network reads them.
    """
    seen = lesson.x if examples is None else examples
    network, units = shrunk(network, section)
    if section.method == "learned":
        small = learned.compressed(network, scaling, lesson, section, seen, learn_inputs=not keep_inputs)
        return replace(small, layers=dense_layers.summarize(small.network, units))
    if section.method == "ptq":
        network, history = post_training.pruned_float(network, lesson, section)
    if isinstance(network, Sequence):
        model = dense_layers.build(network, dense_layers.fit_types(network, section.quantization, seen), scaling)
    else:
        model = keras_graph.quantized(network, section.quantization, scaling.network_type, seen)
    wanted = section.post_training.bias_correction and (section.method == "ptq" or section.post_training.figures)
    means = post_training.means(network, section.post_training, lesson.x) if wanted else {}
    if section.method == "ptq":
        with post_training.corrected(model, means, section, lesson.x):
            made = _taken(model, scaling)
        return Compressed(made, dense_layers.summarize(made, units), history)
    return fine_tuned(model, scaling, lesson, section, units, means)


def fine_tuned(
    model: Any, scaling: InputScaling, lesson: Lesson, section: CompressSection,
    units: Mapping[str, Units] | None = None, means: Mapping[str, NDArray[np.float64]] | None = None,
) -> Compressed:
    """Trains and prunes a QKeras model with float weights in it; what it is without that comes along.

    Args:
        model: to train.
        scaling, lesson, section: see ``quantized``.
        units: what structured pruning did, by layer.
        means: of the float network's outputs by layer, which biases are corrected for before training.
    """
    before = None
    if section.post_training.figures and section.fine_tune.epochs:
        with post_training.corrected(model, means or {}, section, lesson.x):
            before = _taken(model, scaling)
    model, history = fine_tune.fine_tune(model, lesson, section)
    made = _taken(model, scaling)
    return Compressed(made, dense_layers.summarize(made, units), history, before, bool(means))


def _taken(model: Any, scaling: InputScaling) -> QuantizedNetwork:
    return QuantizedNetwork.from_keras(model, scaling.network_type, dense_layers.output_type(model))


def shrunk(network: Any, section: CompressSection) -> tuple[Any, dict[str, Units]]:
    """The float network without the units that the section removes, and what was removed of each layer."""
    if section.pruning.structured is None:
        return network, {}
    return structured.shrink(network, section.pruning.structured)


def with_outliers(data: DataSet, fraction: float, seed: int, copies: int = 1) -> NDArray[np.int16]:
    """Training background followed by synthetic outliers, ``fraction`` times as many; hardware integers.

    Args:
        data: its training background is taken.
        fraction: outliers per background event.
        seed: random seed.
        copies: how often each background event is taken, all but the first time turned and mirrored at random.
    """
    inputs = data.train.inputs
    n = int(fraction * len(inputs))
    objects = inputs.shape[1:] == (OBJECTS, len(FEATURES))
    outliers = (make_outliers if objects else make_image_outliers)(inputs, n, seed) if n else inputs[:0]
    rng = np.random.default_rng(seed)
    return np.concatenate([inputs, *(symmetric_copies(inputs, rng) for _ in range(copies - 1)), outliers])


_GIVEN_BY = {
    Part.OUTPUTS: "outputs that are learned from labels (e.g. cnn)",
    Part.RECONSTRUCTION: "a squared reconstruction error (e.g. autoencoder)",
    Part.LATENT: "latent means (e.g. variational_autoencoder)",
}


def firmware_layers(trained: TrainResult, which: int, score: Score[Any]) -> Any:
    """The float layers that a score brings to firmware, as a Keras model or a list of dense layers.

    Raises:
        DesignError: the architecture has no such layers.
    """
    assert score.part is not None
    layers = trained.network.layers(trained.trainings[which].weights, score.part)
    if layers is None:
        raise DesignError(
            None, "compress.score", f"{score.options.score} needs an architecture that gives {_GIVEN_BY[score.part]}, "
            f"not {trained.architecture}",
            "change model.architecture, or take the score student, which follows any reference",
        )
    return layers


def forward(network: Any, x: NDArray[np.float64]) -> NDArray[np.float32]:
    """Outputs (events, outputs) of a float network, a Keras model or a list of dense layers, for flat inputs."""
    if isinstance(network, Sequence):
        for layer in network:
            x = layer(x)
        return x.astype(np.float32)
    y = network.predict(as_inputs(network, x.astype(np.float32)), batch_size=batch_size(network), verbose=0)
    return np.asarray(y.reshape(len(x), -1), np.float32)
