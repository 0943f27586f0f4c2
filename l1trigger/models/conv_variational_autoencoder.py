"""Convolutional variational autoencoder (arXiv:2108.03986); the score is the sum of squares of the latent means."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from l1trigger.contracts.architecture import Part, Weights
from l1trigger.design import Design
from l1trigger.models import coders, images
from l1trigger.models.variational_autoencoder import NormAutoencoder
from l1trigger.unread import Unread, no_early_stop


class ConvVariationalAutoencoderOptions(coders.ConvAutoencoderOptions, coders.DivergenceOptions):
    """Options of the architecture ``conv_variational_autoencoder``, of all convolutional and all variational ones."""

    architecture: str = "conv_variational_autoencoder"

    def unread(self, design: Design) -> Iterator[Unread]:
        """Settings that mean nothing with these."""
        yield from super().unread(design)
        yield no_early_stop()


class ConvVariationalAutoencoder(NormAutoencoder[ConvVariationalAutoencoderOptions]):
    """The variational autoencoder with encoder and decoder from lists of layers; loss and score are the same."""

    Options = ConvVariationalAutoencoderOptions

    def coder(self) -> coders.Coder:
        """Layers on an image."""
        return coders.ConvCoder(self.options)

    def check(self, design: Design) -> None:
        """Whether encoder, decoder and score fit together; see ``coders.check``."""
        coders.check(design, self.options)

    def check_shape(self, shape: tuple[int, ...]) -> None:
        """Checks the shape of an event of the data; see ``images.require_image``."""
        images.require_image(self.options.image, shape)

    def layers(self, weights: Weights, part: Part) -> Any:
        """Keras model that a score brings to firmware: the encoder for the norm of its means; None for others."""
        if part != Part.LATENT:
            return None
        return coders.firmware_model(self.options, weights, self.build()[0], "mean", decoded=False)
