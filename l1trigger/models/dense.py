"""Pieces that the dense networks share: stacks of layers, the masked reconstruction error, weights by name."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from l1trigger import frameworks
from l1trigger.data.objects import CLASSES, OBJECTS, present
from l1trigger.data.scaling import InputScaling, ObjectInputs
from l1trigger.design import Design, ModelSection
from l1trigger.quantize.dense_layers import DenseLayer
from l1trigger.unread import Unread, no_pixels, no_vertices


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

    def unread(self, design: Design) -> Iterator[Unread]:
        """Settings that mean nothing with these."""
        yield no_vertices(design)
        yield no_pixels(design)


def hidden_layers(x: Any, sizes: Sequence[int], prefix: str, batch_norm: bool) -> Any:
    """Dense layers with ReLU; the normalization stands between the two, where it folds into the dense layer."""
    k = frameworks.keras().layers
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
    tf = frameworks.tensorflow()

    angle = np.isfinite(limit)
    safe = np.where(angle, limit, 1.0).astype(np.float32)
    return tf.where(angle, safe * tf.tanh(x / safe), x)


def masked_error(x: Any, y: Any, mask: Any, kind: Literal["squared", "absolute"] = "squared") -> Any:
    """Sum over the inputs that are there of the squared or absolute difference, shape (events,)."""
    tf = frameworks.tensorflow()

    return tf.reduce_sum(mask * (tf.square(x - y) if kind == "squared" else tf.abs(x - y)), axis=-1)


def network_inputs(scaling: InputScaling, inputs: NDArray[Any]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Scaled inputs and the mask of objects that are there, both (events, inputs)."""
    return scaling.real(inputs).astype(np.float32), present(inputs).astype(np.float32)
