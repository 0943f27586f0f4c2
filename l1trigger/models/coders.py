"""What autoencoders of different kinds of layers differ in: their encoder, their decoder, and what an input means."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Literal, Protocol

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator

from l1trigger import frameworks
from l1trigger.contracts.architecture import Part
from l1trigger.contracts.score import SCORES
from l1trigger.data.objects import FEATURES, OBJECTS
from l1trigger.data.scaling import FeatureScaling, InputScaling, ObjectInputs, pixels
from l1trigger.design import Design, ModelSection
from l1trigger.errors import DesignError
from l1trigger.models import blocks, dense
from l1trigger.quantize import lint, training
from l1trigger.unread import Unread, no_pixels, no_vertices

Batch = tuple[NDArray[np.float32], NDArray[np.float32]]
"""Network inputs, and how much each counts in the error; both (events, inputs)."""


class ErrorOptions(ModelSection):
    """What all autoencoders have that are scored by their error.

    Attributes:
        latent: size of the narrowest layer.
        clip_latent: clips the latent variables to [-1, 1]. An autoencoder that cannot extrapolate cannot reconstruct
            events far from the background, which is what its error is to tell.
        error: how differences are added up to the error: squared, where the largest decides, or absolute.
    """

    latent: int = Field(8, ge=1)
    clip_latent: bool = False
    error: Literal["squared", "absolute"] = "squared"


class DivergenceOptions(ModelSection):
    """What all variational autoencoders have.

    Attributes:
        latent: size of the narrowest layer.
        beta: weight of the Kullback-Leibler term once it is fully on.
        warm_up: fraction of the epochs during which that weight rises from zero.
    """

    latent: int = Field(8, ge=1)
    beta: float = Field(0.02, ge=0)
    warm_up: float = Field(0.5, gt=0, le=1)


class Coder(Protocol):
    """Encoder and decoder of one model that is being built.

    Attributes:
        scaling: of the inputs.
        limit: largest magnitude of each input, infinite where there is none; see ``dense.bounded``.
    """

    scaling: InputScaling
    limit: NDArray[np.float32]

    def encode(self, x: Any) -> Any:
        """What the encoder's hidden layers make of inputs (events, inputs); shape (events, n)."""

    def decode(self, z: Any) -> Any:
        """Outputs (events, inputs) of latent variables (events, latent)."""

    def batch(self, inputs: NDArray[Any]) -> Batch:
        """Network inputs of hardware integers, first axis events, and their mask."""


class DenseCoder:
    """Dense layers on trigger objects, the decoder mirroring the encoder."""

    def __init__(self, options: dense.DenseAutoencoderOptions) -> None:
        self.options = options
        self.scaling = options.inputs.scaling()
        self.limit = dense.output_range(self.scaling)

    def encode(self, x: Any) -> Any:
        """See ``Coder``."""
        return dense.hidden_layers(x, self.options.hidden, "encoder", self.options.batch_norm)

    def decode(self, z: Any) -> Any:
        """See ``Coder``."""
        h = dense.hidden_layers(z, self.options.hidden[::-1], "decoder", self.options.batch_norm)
        return frameworks.keras().layers.Dense(len(self.scaling), name="decoded")(h)

    def batch(self, inputs: NDArray[Any]) -> Batch:
        """See ``Coder``; objects that are not there do not count."""
        return dense.network_inputs(self.scaling, inputs)


class ConvAutoencoderOptions(ModelSection):
    """What all convolutional autoencoders have.

    Without ``pixel`` the image holds trigger objects, one in each row, scaled by ``inputs``; those that are not there
    do not count in the error. With ``pixel`` it is an image whose pixels all count.

    Attributes:
        image: height, width, channels.
        encoder: layers in front of the latent variables; see ``models.blocks``.
        latent: how many latent variables, each a sum over all that the encoder gives.
        decoder: layers behind them; the last gives as many numbers as the image has, row by row.
        pixel: scaling of every pixel, unsigned.
        columns: scaling of single columns in place of ``pixel``, by index.
        inputs: scaling of trigger objects.
        zero_suppressed: whether the full-precision reference sees zero where ``pixel.offset`` makes a pixel negative,
            as firmware does.
    """

    image: tuple[int, int, int]
    encoder: tuple[blocks.Layer, ...]
    latent: int = Field(8, ge=1)
    decoder: tuple[blocks.Layer, ...]
    pixel: FeatureScaling | None = None
    columns: dict[int, FeatureScaling] = Field(default_factory=dict)
    inputs: ObjectInputs = ObjectInputs()
    zero_suppressed: bool = False

    def unread(self, design: Design) -> Iterator[Unread]:
        """Settings that mean nothing with these."""
        yield no_vertices(design)
        if self.pixel is None:
            yield no_pixels(design, "works on trigger objects, whose numbers are scaled differently")
            return
        if self.columns:
            yield no_pixels(design, "scales columns differently (model.columns)")
        for name in type(self.inputs).model_fields:
            yield Unread(f"model.inputs.{name}", "the image has pixels, and no trigger objects",
                         "leave model.inputs out; model.pixel scales pixels")

    @model_validator(mode="after")
    def _of_one_kind(self) -> ConvAutoencoderOptions:
        shape = " x ".join(map(str, self.image))
        if self.pixel is None and self.image != (OBJECTS, len(FEATURES), 1):
            raise ValueError(f"an image of {shape} holds no trigger objects; give pixel, the scaling of its pixels")
        if self.pixel is None and (self.columns or self.zero_suppressed):
            raise ValueError("columns and zero_suppressed are for images with pixel, not for trigger objects")
        if wrong := [c for c in self.columns if not 0 <= c < self.image[1]]:
            raise ValueError(f"columns: an image of {shape} has no column {wrong[0]}; they count from 0")
        return self


class ConvCoder:
    """Convolutions and whatever else a list of layers holds, on an image.

    The network is trained on flat events; firmware takes the same layers on the image itself (``image_model``).
    """

    def __init__(self, options: ConvAutoencoderOptions) -> None:
        self.options = options
        self.names: Counter[str] = Counter()  # the decoder's layers count on from the encoder's
        if options.pixel is None:
            self.scaling = options.inputs.scaling()
            self.limit = dense.output_range(self.scaling)
        else:
            self.scaling = pixels(options.pixel, options.image, options.columns)
            self.limit = np.full(len(self.scaling), np.inf, np.float32)

    def encode(self, x: Any) -> Any:
        """See ``Coder``."""
        image = frameworks.keras().layers.Reshape(self.options.image, name="image")(x)
        return self.encode_image(image)

    def encode_image(self, image: Any) -> Any:
        """What the encoder makes of an image (events, height, width, channels), flat."""
        return blocks.flat(blocks.build(self.options.encoder, image, names=self.names), self.names)

    def decode(self, z: Any) -> Any:
        """See ``Coder``."""
        return frameworks.keras().layers.Flatten(name="decoded")(self.decode_image(z))

    def decode_image(self, z: Any) -> Any:
        """What the decoder makes of latent variables, in the shape that its last layer gives."""
        return blocks.build(self.options.decoder, z, names=self.names)

    def batch(self, inputs: NDArray[Any]) -> Batch:
        """See ``Coder``."""
        if self.options.pixel is None:
            return dense.network_inputs(self.scaling, inputs)
        x = self.scaling.real(inputs).astype(np.float32)
        return np.maximum(x, 0) if self.options.zero_suppressed else x, np.ones_like(x)


def firmware_model(
    options: ConvAutoencoderOptions, weights: Mapping[str, NDArray[np.float32]], trained: Any, latent: str,
    decoded: bool,
) -> Any:
    """The trained layers on the image itself, as they go to firmware.

    Args:
        options: of the architecture.
        weights: of the training.
        trained: the model that was trained.
        latent: name of the layer that gives the latent variables.
        decoded: whether the decoder follows.
    """
    training.set_weights(trained, weights)
    k, coder = frameworks.keras(), ConvCoder(options)
    x = k.Input(options.image, name="x")
    y = k.layers.Dense(options.latent, name=latent)(coder.encode_image(x))
    model = k.Model(x, coder.decode_image(y) if decoded else y)
    for layer in model.layers:
        if layer.get_weights():
            layer.set_weights(trained.get_layer(layer.name).get_weights())
    return model


def check(design: Design, options: ConvAutoencoderOptions) -> None:
    """Whether encoder, decoder and score of a convolutional autoencoder fit together.

    Args:
        design: that the network is part of.
        options: of the network.

    Raises:
        DesignError: they do not; says what.
        UnsupportedLayerError: firmware cannot have one of the layers as it is.
    """
    k, coder = frameworks.keras(), ConvCoder(options)
    part = "encoder"
    try:
        first = k.Input(options.image)
        h = coder.encode_image(first)
        part = "decoder"
        decoded = coder.decode_image(k.layers.Dense(options.latent)(h))
    except ValueError as e:
        raise DesignError(None, f"model.{part}", str(e), "mend that layer or the one before it") from e
    lint.require_float(design.convert, k.Model(first, decoded))
    gives = tuple(decoded.shape[1:])
    if math.prod(gives) != math.prod(options.image):
        raise DesignError(
            None, "model.decoder", f"gives {_shape(gives)}, but the image is {_shape(options.image)}",
            "let its last layer give as many numbers as the image has",
        )
    of_objects, score = options.pixel is None, SCORES.get(design.compress.score)
    if score.part == Part.RECONSTRUCTION and score.kernel.of_objects != of_objects:
        others = [
            name for name in SCORES.names() if (s := SCORES.get(name)).part == Part.RECONSTRUCTION
            and s.kernel.of_objects == of_objects
        ]
        what = "trigger objects" if options.pixel is None else "an image without objects"
        raise DesignError(None, "compress.score", f"{design.compress.score} is not for {what}",
                          f"take {' or '.join(others) or 'student'}")


def _shape(shape: Sequence[int]) -> str:
    return " x ".join(map(str, shape))
