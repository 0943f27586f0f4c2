"""Dense autoencoder on trigger objects (arXiv:2108.03986): the full-precision anomaly score is its error."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from l1trigger import frameworks
from l1trigger.data.events import DataSet
from l1trigger.data.scaling import InputScaling
from l1trigger.design import TrainSection
from l1trigger.models import coders, dense
from l1trigger.models.architecture import Training
from l1trigger.quantize import training

_SMALLEST = 1e-6
"""Added to an error before its logarithm is taken."""


class AutoencoderOptions(dense.DenseAutoencoderOptions):
    """Options of the architecture ``autoencoder``, beside those of all dense ones.

    Attributes:
        clip_latent: clips the latent variables to [-1, 1]. An autoencoder that cannot extrapolate cannot reconstruct
            events far from the background, which is what its error is to tell.
        error: how differences are added up to the error: squared, where the largest decides, or absolute.
    """

    architecture: str = "autoencoder"
    clip_latent: bool = False
    error: Literal["squared", "absolute"] = "squared"


class Autoencoder:
    """57 - 32 - 16 - latent - 16 - 32 - 57 by default.

    The loss is the error of (pT, eta, phi) in network units, summed over the objects that are there; the
    angles are bounded to their physical range. The score is the logarithm of that error, standardized on the
    training background: monotonic in the error, and easier to regress.
    """

    Options: Any = AutoencoderOptions
    coder: ClassVar[Any] = coders.DenseCoder

    @classmethod
    def scaling(cls, options: Any) -> InputScaling:
        """Scaling of the network's inputs."""
        scaling: InputScaling = cls.coder(options).scaling
        return scaling

    @classmethod
    def build(cls, options: Any) -> Any:
        """The Keras model: inputs x and mask, output the masked error; layers up to ``decoded`` are the network."""
        k, coder = frameworks.keras(), cls.coder(options)
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

    @classmethod
    def fit(
        cls, options: Any, section: TrainSection, data: DataSet, seed: int, work: Path,
        progress: training.Progress,
    ) -> Training:
        """Trains on the background and standardizes the score."""
        frameworks.seed_everything(seed)
        coder: coders.Coder = cls.coder(options)
        train, validation = coder.batch(data.train.inputs), coder.batch(data.validation.inputs)
        model = cls.build(options)
        model.compile(training.cosine(section, len(train[0])), loss=lambda _, error: error)
        zeros = np.zeros(len(train[0]), np.float32), np.zeros(len(validation[0]), np.float32)
        history = training.fit(
            model, (list(train), zeros[0]), (list(validation), zeros[1]), section, work, progress
        )
        error = _errors(model, train)
        floor = _SMALLEST + getattr(options, "floor", 0.0) * float(np.median(error))
        log_error = np.log(error + floor)
        weights = training.weights_by_name(model)
        weights["score_floor"] = np.array(floor, np.float32)
        weights["score_mean"] = np.array(log_error.mean(), np.float32)
        weights["score_std"] = np.array(log_error.std(), np.float32)
        return Training(seed, weights, history, min(history["val_loss"]))

    @classmethod
    def firmware_layers(
        cls, options: Mapping[str, Any], weights: Mapping[str, NDArray[np.float32]], score: str
    ) -> Any:
        """Layers that a score brings to firmware: the whole autoencoder for its squared error; else None."""
        if score != "reconstruction_error" or options["error"] != "squared":
            return None
        model = cls.build(AutoencoderOptions.model_validate(options))
        training.set_weights(model, weights)
        clipped = ("latent",) if options["clip_latent"] else ()
        return dense.folded_dense(model, linear=("latent", "decoded"), clipped=clipped)

    @classmethod
    def float_score(
        cls, options: Mapping[str, Any], weights: Mapping[str, NDArray[np.float32]], scaling: InputScaling,
        inputs: NDArray[Any],
    ) -> NDArray[np.float64]:
        """Standardized logarithm of the masked reconstruction error."""
        own = cls.Options.model_validate(options)
        model = cls.build(own)
        training.set_weights(model, weights)
        return standardized(_errors(model, cls.coder(own).batch(inputs)), weights)


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
