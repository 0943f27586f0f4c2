"""Dense variational autoencoder on trigger objects; the score is the sum of squares of the latent means (AXOL1TL)."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from l1trigger import frameworks
from l1trigger.contracts.architecture import Architecture, Part, Progress, Training, Weights
from l1trigger.data.events import DataSet
from l1trigger.data.scaling import InputScaling
from l1trigger.design import Design, TrainSection
from l1trigger.models import coders, dense
from l1trigger.quantize import training
from l1trigger.unread import Unread, no_early_stop


class VariationalAutoencoderOptions(dense.DenseAutoencoderOptions, coders.DivergenceOptions):
    """Options of the architecture ``variational_autoencoder``: those of all dense ones, and of all variational ones."""

    architecture: str = "variational_autoencoder"
    latent: int = Field(8, ge=1)

    def unread(self, design: Design) -> Iterator[Unread]:
        """Settings that mean nothing with these."""
        yield from super().unread(design)
        yield no_early_stop()


OptionsT = TypeVar("OptionsT", bound=coders.DivergenceOptions)


class NormAutoencoder(Architecture[OptionsT]):
    """Base of variational autoencoders, whose score is the squared norm of the latent means.

    The encoder gives means and log variances; the decoder is that of ``ErrorAutoencoder``.

    Reconstruction error and Kullback-Leibler divergence are both sums, over inputs and over latent dimensions, so
    that beta weighs one nat against one unit of squared error; a divergence that is averaged less than the error
    is what makes the latent space collapse. The weight rises linearly from zero, and the encoder learns to
    reconstruct before it is pulled to the prior.
    """

    @abstractmethod
    def coder(self) -> coders.Coder:
        """Encoder and decoder of a new model."""

    @property
    def scaling(self) -> InputScaling:
        """Scaling of the network's inputs."""
        return self.coder().scaling

    def build(self) -> tuple[Any, Any]:
        """The training model (x, mask -> [error, divergence]) and the encoder (x -> latent means)."""
        tf = frameworks.tensorflow()

        k, coder, options = frameworks.keras(), self.coder(), self.options
        x = k.Input((len(coder.scaling),), name="x")
        mask = k.Input((len(coder.scaling),), name="mask")
        h = coder.encode(x)
        mean = k.layers.Dense(options.latent, name="mean")(h)
        log_var = k.layers.Dense(options.latent, name="log_var")(h)
        log_var = k.layers.Lambda(lambda t: tf.clip_by_value(t, -10.0, 10.0))(log_var)

        def sample(t: Any) -> Any:
            return t[0] + tf.exp(0.5 * t[1]) * tf.random.normal(tf.shape(t[0]))

        z = k.layers.Lambda(sample, name="sample")([mean, log_var])
        decoded = coder.decode(z)
        error = k.layers.Lambda(
            lambda t: dense.masked_error(t[0], dense.bounded(t[1], coder.limit), t[2])[:, None], name="error"
        )([x, decoded, mask])
        divergence = k.layers.Lambda(
            lambda t: 0.5 * tf.reduce_sum(tf.square(t[0]) + tf.exp(t[1]) - 1.0 - t[1], axis=-1, keepdims=True),
            name="divergence",
        )([mean, log_var])
        return k.Model([x, mask], [error, divergence]), k.Model(x, mean)

    def fit(self, section: TrainSection, data: DataSet, seed: int, work: Path, progress: Progress) -> Training:
        """Trains on the background."""
        frameworks.seed_everything(seed)
        k, coder, options = frameworks.keras(), self.coder(), self.options
        train, validation = coder.batch(data.train.inputs), coder.batch(data.validation.inputs)
        model, encoder = self.build()
        beta = k.backend.variable(0.0)

        def nats(_: Any, divergence: Any) -> Any:
            return k.backend.mean(divergence)

        model.compile(
            training.cosine(section, len(train[0])),
            loss={"error": lambda _, e: e, "divergence": lambda _, d: beta * d},
            metrics={"divergence": nats},
        )
        rising = max(1.0, options.warm_up * section.epochs)
        raise_beta = k.callbacks.LambdaCallback(
            on_epoch_begin=lambda epoch, _: k.backend.set_value(beta, options.beta * min(1.0, epoch / rising))
        )
        zeros = [np.zeros(len(a[0]), np.float32) for a in (train, validation)]
        # The loss means something else in each epoch of the warm-up: stop early only on the reconstruction.
        history = training.fit(
            model, (list(train), [zeros[0]] * 2), (list(validation), [zeros[1]] * 2),
            section.model_copy(update={"patience": section.epochs}), work, progress, [raise_beta],
        )
        score = np.square(encoder.predict(train[0], batch_size=8192, verbose=0)).sum(1)
        weights = training.weights_by_name(model)
        weights["score_std"] = np.array(score.std(), np.float32)
        return Training(seed, weights, history, history["val_loss"][-1])

    def float_score(self, weights: Weights, inputs: NDArray[Any]) -> NDArray[np.float64]:
        """Sum of squares of the latent means."""
        model, encoder = self.build()
        training.set_weights(model, weights)
        x, _ = self.coder().batch(inputs)
        means = encoder.predict(x, batch_size=8192, verbose=0).astype(np.float64)
        return np.asarray(np.square(means).sum(1))


class VariationalAutoencoder(NormAutoencoder[VariationalAutoencoderOptions]):
    """57 - 32 - 16 - latent - 16 - 32 - 57 by default."""

    Options = VariationalAutoencoderOptions

    def coder(self) -> coders.Coder:
        """Dense layers on trigger objects."""
        return coders.DenseCoder(self.options)

    def layers(self, weights: Weights, part: Part) -> Any:
        """Layers that a score brings to firmware: the encoder for the norm of its means; None for other scores."""
        if part != Part.LATENT:
            return None
        model, encoder = self.build()
        training.set_weights(model, weights)
        return dense.folded_dense(encoder, linear=("mean",))
