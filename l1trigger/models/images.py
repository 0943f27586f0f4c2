"""What networks on images share: the shape of an image, the scaling of its pixels, and early checks."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any

from l1trigger import frameworks
from l1trigger.data.scaling import FeatureScaling, InputScaling, uniform
from l1trigger.design import Design, ModelSection
from l1trigger.errors import DesignError
from l1trigger.models import blocks
from l1trigger.unread import Unread, no_vertices


class ImageOptions(ModelSection):
    """Options of networks on images.

    Attributes:
        image: height, width and channels.
        pixel: scaling of every pixel, which has no sign.
        features: how many further numbers follow the pixels of an event; a layer ``features`` takes them.
        feature: scaling of every one of these, which has no sign.
    """

    image: tuple[int, int, int]
    pixel: FeatureScaling = FeatureScaling(shift=4, bits=10)
    features: int = 0
    feature: FeatureScaling = FeatureScaling(shift=4, bits=10)

    def unread(self, design: Design) -> Iterator[Unread]:
        """Settings that mean nothing with these."""
        yield no_vertices(design)
        if not self.features:
            for name in FeatureScaling.model_fields:
                yield Unread(f"model.feature.{name}", "nothing follows the pixels of an event (model.features is 0)",
                             "leave it out; model.pixel scales pixels")


def scaling(options: ImageOptions) -> InputScaling:
    """Scaling of the pixels, row by row with the channels of each together, and of the features behind them."""
    return uniform(options.pixel, math.prod(options.image)) + uniform(options.feature, options.features)


def model(options: ImageOptions, layers: Sequence[blocks.Layer], key: str = "model.layers") -> tuple[Any, Any]:
    """Inputs of a Keras model, an image and the features where there are any, and what layers make of them.

    Raises:
        DesignError: the layers do not fit together, or the features are not used.
    """
    k = frameworks.keras()
    x = k.Input(options.image, name="image")
    features = k.Input((options.features,), name="features") if options.features else None
    if features is not None and not blocks.uses_features(layers):
        raise DesignError(None, key, f"no layer takes the {options.features} features", "add {features: true}")
    try:
        y = blocks.build(layers, x, features)
    except ValueError as e:
        raise DesignError(None, key, str(e), "change that layer, or the shape of the image (model.image)") from e
    return (x if features is None else [x, features]), y


def require_image(image: tuple[int, ...], shape: Sequence[int], features: int = 0) -> None:
    """Checks that events are images as the network takes them.

    Args:
        image: height, width and channels that the network takes.
        shape: of one event of the data.
        features: how many numbers the network takes beside the image.

    Raises:
        DesignError: they have another shape.
    """
    event_shape = tuple(shape) if len(shape) != 2 else (*shape, 1)
    # Image and features come as one vector.
    wanted = (math.prod(image) + features,) if features else image
    if event_shape != wanted:
        turned = sorted(event_shape) == sorted(wanted) and len(event_shape) == len(wanted) == 3
        raise DesignError(
            None, "model.image", f"the network takes {_written(wanted)}, but an event of the data is {_written(shape)}",
            "the axes are height, width, channels: exchange them in the data or here" if turned
            else f"write image: [{', '.join(map(str, event_shape))}], or change what the data source gives",
        )


def _written(shape: Sequence[int]) -> str:
    return " x ".join(map(str, shape)) + (" numbers" if len(shape) == 1 else "")
