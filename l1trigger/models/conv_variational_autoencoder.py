"""Convolutional variational autoencoder (arXiv:2108.03986); the score is the sum of squares of the latent means."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from l1trigger.design import Design
from l1trigger.models import coders
from l1trigger.models.variational_autoencoder import VariationalAutoencoder
from l1trigger.unread import Unread, no_early_stop


class ConvVariationalAutoencoderOptions(coders.ConvAutoencoderOptions):
    """Options of the architecture ``conv_variational_autoencoder``, beside those of all convolutional ones.

    Attributes:
        beta, warm_up: as of the architecture ``variational_autoencoder``.
    """

    architecture: str = "conv_variational_autoencoder"
    beta: float = Field(0.02, ge=0)
    warm_up: float = Field(0.5, gt=0, le=1)

    def unread(self, design: Design) -> Iterator[Unread]:
        """Settings that mean nothing with these."""
        yield from super().unread(design)
        yield no_early_stop()


class ConvVariationalAutoencoder(VariationalAutoencoder):
    """The variational autoencoder with encoder and decoder from lists of layers; loss and score are the same."""

    Options = ConvVariationalAutoencoderOptions
    coder: ClassVar[Any] = coders.ConvCoder
    check = staticmethod(coders.check)
    check_shape = staticmethod(coders.check_shape)

    @classmethod
    def firmware_layers(
        cls, options: Mapping[str, Any], weights: Mapping[str, NDArray[np.float32]], score: str
    ) -> Any:
        """Keras model that a score brings to firmware: the encoder for the norm of its means; None for others."""
        if score != "latent_norm":
            return None
        own = ConvVariationalAutoencoderOptions.model_validate(options)
        return coders.firmware_model(own, weights, cls.build(own)[0], "mean", decoded=False)
