"""Dense variational autoencoder on trigger objects; the score is the sum of squares of the latent means (AXOL1TL)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from l1trigger import frameworks
from l1trigger.data.events import DataSet
from l1trigger.data.scaling import InputScaling
from l1trigger.design import Design, TrainSection
from l1trigger.models import coders, dense
from l1trigger.models.architecture import Training
from l1trigger.quantize import training
from l1trigger.unread import Unread, no_early_stop


class VariationalAutoencoderOptions(dense.DenseAutoencoderOptions):
    """Options of the architecture ``variational_autoencoder``, beside those of all dense ones.

    Attributes:
        beta: weight of the Kullback-Leibler term once it is fully on.
        warm_up: fraction of the epochs during which that weight rises from zero.
    """

    architecture: str = "variational_autoencoder"
    latent: int = Field(8, ge=1)
    beta: float = Field(0.02, ge=0)
    warm_up: float = Field(0.5, gt=0, le=1)

    def unread(self, design: Design) -> Iterator[Unread]:
        """Settings that mean nothing with these."""
        yield from super().unread(design)
        yield no_early_stop()


class VariationalAutoencoder:
    """Encoder to means and log variances, decoder as in ``Autoencoder``.

    Reconstruction error and Kullback-Leibler divergence are both sums, over inputs and over latent dimensions, so
    that beta weighs one nat against one unit of squared error; a divergence that is averaged less than the error
    is what makes the latent space collapse. The weight rises linearly from zero, and the encoder learns to
    reconstruct before it is pulled to the prior.
    """

    Options: Any = VariationalAutoencoderOptions
    coder: ClassVar[Any] = coders.DenseCoder

    @classmethod
    def scaling(cls, options: Any) -> InputScaling:
        """Scaling of the network's inputs."""
        scaling: InputScaling = cls.coder(options).scaling
        return scaling

    @classmethod
    def build(cls, options: Any) -> tuple[Any, Any]:
        """The training model (x, mask -> [error, divergence]) and the encoder (x -> latent means)."""
        tf = frameworks.tensorflow()

        k, coder = frameworks.keras(), cls.coder(options)
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

    @classmethod
    def fit(
        cls, options: Any, section: TrainSection, data: DataSet, seed: int, work: Path,
        progress: training.Progress,
    ) -> Training:
        """Trains on the background."""
        frameworks.seed_everything(seed)
        k = frameworks.keras()
        coder: coders.Coder = cls.coder(options)
        train, validation = coder.batch(data.train.inputs), coder.batch(data.validation.inputs)
        model, encoder = cls.build(options)
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

    @classmethod
    def firmware_layers(
        cls, options: Mapping[str, Any], weights: Mapping[str, NDArray[np.float32]], score: str
    ) -> Any:
        """Layers that a score brings to firmware: the encoder for the norm of its means; None for other scores."""
        if score != "latent_norm":
            return None
        model, encoder = cls.build(VariationalAutoencoderOptions.model_validate(options))
        training.set_weights(model, weights)
        return dense.folded_dense(encoder, linear=("mean",))

    @classmethod
    def float_score(
        cls, options: Mapping[str, Any], weights: Mapping[str, NDArray[np.float32]], scaling: InputScaling,
        inputs: NDArray[Any],
    ) -> NDArray[np.float64]:
        """Sum of squares of the latent means."""
        own = cls.Options.model_validate(options)
        model, encoder = cls.build(own)
        training.set_weights(model, weights)
        x, _ = cls.coder(own).batch(inputs)
        means = encoder.predict(x, batch_size=8192, verbose=0).astype(np.float64)
        return np.asarray(np.square(means).sum(1))
