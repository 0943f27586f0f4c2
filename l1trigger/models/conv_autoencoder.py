"""Convolutional autoencoder on an image, or on trigger objects taken for one (arXiv:2108.03986)."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from l1trigger.contracts.architecture import Part, Weights
from l1trigger.design import Design
from l1trigger.models import coders, images
from l1trigger.models.autoencoder import ErrorAutoencoder


class ConvAutoencoderOptions(coders.ConvAutoencoderOptions, coders.ErrorOptions):
    """Options of the architecture ``conv_autoencoder``, beside those of all convolutional ones, and of the error.

    Attributes:
        floor: added to the error before its logarithm is taken, in units of its median on the training background. The
            order of events stays; but quiet ones, in which there is nothing to find, no longer stretch the score that a
            student has to follow.
    """

    architecture: str = "conv_autoencoder"
    floor: float = Field(0.0, ge=0)


class ConvAutoencoder(ErrorAutoencoder[ConvAutoencoderOptions]):
    """The autoencoder with encoder and decoder from lists of layers; loss and score are the same.

    The published one for 19 x 3 objects has 16 filters of 3 x 3, an average over 3 x 1, 32 filters of 3 x 1, another
    average, 8 latent variables, and a decoder that mirrors this with up-sampling and zero-padding. Height 19 is prime
    and no up-sampling ends there; write a decoder whose last convolution cuts the surplus off (``valid`` padding), and
    let its 3 filters stand for pT, eta and phi of a row, which are the same numbers in the same order.
    """

    Options = ConvAutoencoderOptions

    def coder(self) -> coders.Coder:
        """Layers on an image."""
        return coders.ConvCoder(self.options)

    @property
    def floor(self) -> float:
        """See the options."""
        return self.options.floor

    def check(self, design: Design) -> None:
        """Whether encoder, decoder and score fit together; see ``coders.check``."""
        coders.check(design, self.options)

    def check_shape(self, shape: tuple[int, ...]) -> None:
        """Checks the shape of an event of the data; see ``images.require_image``."""
        images.require_image(self.options.image, shape)

    def layers(self, weights: Weights, part: Part) -> Any:
        """Keras model that a score brings to firmware: the whole autoencoder for its squared error; else None."""
        own = self.options
        if part != Part.RECONSTRUCTION or own.error != "squared" or own.clip_latent:
            return None
        return coders.firmware_model(own, weights, self.build(), "latent", decoded=True)
