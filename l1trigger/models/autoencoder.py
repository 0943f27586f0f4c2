"""Dense autoencoder on trigger objects (arXiv:2108.03986): the full-precision anomaly score is its error."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from l1trigger import keras as door
from l1trigger.compress.quantize import DenseLayer
from l1trigger.data.events import DataSet
from l1trigger.data.scaling import InputScaling
from l1trigger.design import TrainSection
from l1trigger.models import dense
from l1trigger.train.result import Training


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

    Options = AutoencoderOptions

    @staticmethod
    def scaling(options: AutoencoderOptions) -> InputScaling:
        """Scaling of the network's inputs."""
        return options.inputs.scaling()

    @staticmethod
    def build(options: AutoencoderOptions) -> Any:
        """The Keras model: inputs x and mask, output the masked error; layers up to ``decoded`` are the network."""
        k = door.keras()
        scaling = options.inputs.scaling()
        x = k.Input((len(scaling),), name="x")
        mask = k.Input((len(scaling),), name="mask")
        h = dense.hidden_layers(x, options.hidden, "encoder", options.batch_norm)
        z = k.layers.Dense(options.latent, name="latent")(h)
        if options.clip_latent:
            z = k.layers.Lambda(lambda t: k.backend.clip(t, -1.0, 1.0), name="clip")(z)
        h = dense.hidden_layers(z, options.hidden[::-1], "decoder", options.batch_norm)
        decoded = k.layers.Dense(len(scaling), name="decoded")(h)
        limit = dense.output_range(scaling)
        error = k.layers.Lambda(
            lambda t: dense.masked_error(t[0], dense.bounded(t[1], limit), t[2], options.error)[:, None],
            name="error",
        )([x, decoded, mask])
        return k.Model([x, mask], error)

    @classmethod
    def fit(
        cls, options: AutoencoderOptions, section: TrainSection, data: DataSet, seed: int, work: Path,
        progress: dense.Progress,
    ) -> Training:
        """Trains on the background and standardizes the score."""
        door.seed_everything(seed)
        scaling = options.inputs.scaling()
        train = dense.network_inputs(scaling, data.train.inputs)
        validation = dense.network_inputs(scaling, data.validation.inputs)
        model = cls.build(options)
        model.compile(dense.cosine(section, len(train[0])), loss=lambda _, error: error)
        zeros = np.zeros(len(train[0]), np.float32), np.zeros(len(validation[0]), np.float32)
        history = dense.fit(
            model, (list(train), zeros[0]), (list(validation), zeros[1]), section, work, progress
        )
        log_error = _log_error(model, train)
        weights = dense.weights_by_name(model)
        weights["score_mean"] = np.array(log_error.mean(), np.float32)
        weights["score_std"] = np.array(log_error.std(), np.float32)
        return Training(seed, weights, history, min(history["val_loss"]))

    @classmethod
    def firmware_layers(
        cls, options: Mapping[str, Any], weights: Mapping[str, NDArray[np.float32]], score: str
    ) -> list[DenseLayer] | None:
        """Layers that a score brings to firmware: the whole autoencoder for its squared error; else None."""
        if score != "reconstruction_error" or options["error"] != "squared":
            return None
        model = cls.build(AutoencoderOptions.model_validate(options))
        dense.set_weights(model, weights)
        clipped = ("latent",) if options["clip_latent"] else ()
        return dense.folded_dense(model, linear=("latent", "decoded"), clipped=clipped)

    @classmethod
    def float_score(
        cls, options: Mapping[str, Any], weights: Mapping[str, NDArray[np.float32]], scaling: InputScaling,
        inputs: NDArray[Any],
    ) -> NDArray[np.float64]:
        """Standardized logarithm of the masked reconstruction error."""
        model = cls.build(AutoencoderOptions.model_validate(options))
        dense.set_weights(model, weights)
        log_error = _log_error(model, dense.network_inputs(scaling, inputs))
        return np.asarray((log_error - float(weights["score_mean"])) / float(weights["score_std"]))


def _log_error(model: Any, x_and_mask: tuple[NDArray[np.float32], NDArray[np.float32]]) -> NDArray[np.float64]:
    error = model.predict(list(x_and_mask), batch_size=8192, verbose=0)[:, 0].astype(np.float64)
    return np.asarray(np.log(error + 1e-6))
