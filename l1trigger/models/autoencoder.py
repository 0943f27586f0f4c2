"""Dense autoencoder on trigger objects (arXiv:2108.03986): the full-precision anomaly score is its error."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from l1trigger import frameworks
from l1trigger.contracts.architecture import Architecture, Part, Progress, Training, Weights
from l1trigger.data.events import DataSet
from l1trigger.data.scaling import InputScaling
from l1trigger.design import TrainSection
from l1trigger.models import coders, dense
from l1trigger.quantize import training

_SMALLEST = 1e-6
"""Added to an error before its logarithm is taken."""


class AutoencoderOptions(dense.DenseAutoencoderOptions, coders.ErrorOptions):
    """Options of the architecture ``autoencoder``: those of all dense ones, and of the error."""

    architecture: str = "autoencoder"


OptionsT = TypeVar("OptionsT", bound=coders.ErrorOptions)


class ErrorAutoencoder(Architecture[OptionsT]):
    """Base of autoencoders whose score is their error.

    The loss is the error of (pT, eta, phi) in network units, summed over the objects that are there; the
    angles are bounded to their physical range. The score is the logarithm of that error, standardized on the
    training background: monotonic in the error, and easier to regress.
    """

    @abstractmethod
    def coder(self) -> coders.Coder:
        """Encoder and decoder of a new model."""

    @property
    def floor(self) -> float:
        """Added to the error before its logarithm is taken, in units of its median on the training background."""
        return 0.0

    @property
    def scaling(self) -> InputScaling:
        """Scaling of the network's inputs."""
        return self.coder().scaling

    def build(self) -> Any:
        """The Keras model: inputs x and mask, output the masked error; layers up to ``decoded`` are the network."""
        k, coder, options = frameworks.keras(), self.coder(), self.options
        x = k.Input((len(coder.scaling),), name="x")
        mask = k.Input((len(coder.scaling),), name="mask")
        z = k.layers.Dense(options.latent, name="latent")(coder.encode(x))
        if options.clip_latent:
            z = k.layers.Lambda(lambda t: k.backend.clip(t, -1.0, 1.0), name="clip")(z)
        decoded = coder.decode(z)
        error = k.layers.Lambda(
            lambda t: dense.masked_error(t[0], dense.bounded(t[1], coder.limit), t[2], options.error)[:, None],
            name="error",
        )([x, decoded, mask])
        return k.Model([x, mask], error)

    def fit(self, section: TrainSection, data: DataSet, seed: int, work: Path, progress: Progress) -> Training:
        """Trains on the background and standardizes the score."""
        frameworks.seed_everything(seed)
        coder = self.coder()
        train, validation = coder.batch(data.train.inputs), coder.batch(data.validation.inputs)
        model = self.build()
        model.compile(training.cosine(section, len(train[0])), loss=lambda _, error: error)
        zeros = np.zeros(len(train[0]), np.float32), np.zeros(len(validation[0]), np.float32)
        history = training.fit(
            model, (list(train), zeros[0]), (list(validation), zeros[1]), section, work, progress
        )
        error = _errors(model, train)
        floor = _SMALLEST + self.floor * float(np.median(error))
        log_error = np.log(error + floor)
        weights = training.weights_by_name(model)
        weights["score_floor"] = np.array(floor, np.float32)
        weights["score_mean"] = np.array(log_error.mean(), np.float32)
        weights["score_std"] = np.array(log_error.std(), np.float32)
        return Training(seed, weights, history, min(history["val_loss"]))

    def float_score(self, weights: Weights, inputs: NDArray[Any]) -> NDArray[np.float64]:
        """Standardized logarithm of the masked reconstruction error."""
        model = self.build()
        training.set_weights(model, weights)
        return standardized(_errors(model, self.coder().batch(inputs)), weights)


class Autoencoder(ErrorAutoencoder[AutoencoderOptions]):
    """57 - 32 - 16 - latent - 16 - 32 - 57 by default."""

    Options = AutoencoderOptions

    def coder(self) -> coders.Coder:
        """Dense layers on trigger objects."""
        return coders.DenseCoder(self.options)

    def layers(self, weights: Weights, part: Part) -> Any:
        """Layers that a score brings to firmware: the whole autoencoder for its squared error; else None."""
        if part != Part.RECONSTRUCTION or self.options.error != "squared":
            return None
        model = self.build()
        training.set_weights(model, weights)
        clipped = ("latent",) if self.options.clip_latent else ()
        return dense.folded_dense(model, linear=("latent", "decoded"), clipped=clipped)


def standardized(error: NDArray[np.float64], weights: Mapping[str, NDArray[np.float32]]) -> NDArray[np.float64]:
    """Scores of reconstruction errors (events,): their logarithm, standardized on the training background.

    Args:
        error: to convert.
        weights: of the training, among them what standardizes.
    """
    log_error = np.log(error + float(weights.get("score_floor", _SMALLEST)))
    return np.asarray((log_error - float(weights["score_mean"])) / float(weights["score_std"]))


def _errors(model: Any, batch: coders.Batch) -> NDArray[np.float64]:
    return np.asarray(model.predict(list(batch), batch_size=8192, verbose=0)[:, 0], np.float64)
