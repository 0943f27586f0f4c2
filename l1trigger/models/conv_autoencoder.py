"""Convolutional autoencoder on an image, or on trigger objects taken for one (arXiv:2108.03986)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from l1trigger.models import coders
from l1trigger.models.autoencoder import Autoencoder


class ConvAutoencoderOptions(coders.ConvAutoencoderOptions):
    """Options of the architecture ``conv_autoencoder``, beside those of all convolutional ones.

    Attributes:
        clip_latent, error: as of the architecture ``autoencoder``.
        floor: added to the error before its logarithm is taken, in units of its median on the training background. The
            order of events stays; but quiet ones, in which there is nothing to find, no longer stretch the score that a
            student has to follow.
    """

    architecture: str = "conv_autoencoder"
    clip_latent: bool = False
    error: Literal["squared", "absolute"] = "squared"
    floor: float = Field(0.0, ge=0)


class ConvAutoencoder(Autoencoder):
    """The autoencoder with encoder and decoder from lists of layers; loss and score are the same.

    The published one for 19 x 3 objects has 16 filters of 3 x 3, an average over 3 x 1, 32 filters of 3 x 1, another
    average, 8 latent variables, and a decoder that mirrors this with up-sampling and zero-padding. Height 19 is prime
    and no up-sampling ends there; write a decoder whose last convolution cuts the surplus off (``valid`` padding), and
    let its 3 filters stand for pT, eta and phi of a row, which are the same numbers in the same order.
    """

    Options = ConvAutoencoderOptions
    coder: ClassVar[Any] = coders.ConvCoder
    check = staticmethod(coders.check)
    check_shape = staticmethod(coders.check_shape)

    @classmethod
    def firmware_layers(
        cls, options: Mapping[str, Any], weights: Mapping[str, NDArray[np.float32]], score: str
    ) -> Any:
        """Keras model that a score brings to firmware: the whole autoencoder for its squared error; else None."""
        own = ConvAutoencoderOptions.model_validate(options)
        if score not in ("reconstruction_error", "image_error") or own.error != "squared" or own.clip_latent:
            return None
        return coders.firmware_model(own, weights, cls.build(own), "latent", decoded=True)
