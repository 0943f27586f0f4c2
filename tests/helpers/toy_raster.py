"""Small convolutional triggers with random weights, and random images."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np

from l1trigger import frameworks
from l1trigger.data.scaling import InputScaling
from l1trigger.fixed_point import FixedPoint
from l1trigger.network import QuantizedNetwork
from l1trigger.scores.kernels import KERNELS
from l1trigger.trigger import TriggerFunction

OUTPUT = FixedPoint.from_quantized_bits(12, 5)


class Maker:
    """Layers of random QKeras networks."""

    def __init__(self, seed: int) -> None:
        frameworks.seed_everything(seed)
        self.keras, self.q = frameworks.keras(), frameworks.qkeras()
        self.layers = self.keras.layers

    def bits(self, bits: int = 5, integer: int = 0) -> Any:
        return self.q.quantized_bits(bits, integer, alpha=1)

    def weights(self, role: str = "kernel") -> dict[str, Any]:
        return {
            f"{role}_quantizer": self.bits(), "bias_quantizer": self.bits(6, 1), "bias_initializer": "random_normal",
        }

    def quantize(self, x: Any, bits: int = 7, integer: int = 2) -> Any:
        return self.q.QActivation(self.bits(bits, integer))(x)

    def relu(self, x: Any, bits: int = 5, integer: int = 2) -> Any:
        return self.q.QActivation(f"quantized_relu({bits},{integer})")(x)

    def conv(self, x: Any, filters: int = 3, kernel: Any = 3, **options: Any) -> Any:
        return self.relu(self.q.QConv2D(filters, kernel, **options, **self.weights())(x))

    def depthwise(self, x: Any, kernel: Any = 3, **options: Any) -> Any:
        return self.quantize(self.q.QDepthwiseConv2D(kernel, **options, **self.weights("depthwise"))(x))

    def max_pool(self, x: Any, size: Any = 2, **options: Any) -> Any:
        return self.layers.MaxPooling2D(size, **options)(x)

    def average_pool(self, x: Any, size: Any = 2, **options: Any) -> Any:
        return self.quantize(self.layers.AveragePooling2D(size, **options)(x), 8, 3)

    def pad(self, x: Any, padding: Any = 1) -> Any:
        return self.layers.ZeroPadding2D(padding)(x)

    def dense(self, x: Any, units: int = 2) -> Any:
        return self.q.QDense(units, **self.weights())(self.layers.Flatten()(x) if len(x.shape) > 2 else x)


Network = Callable[[Maker, Any], Any]


def scaling(shape: tuple[int, ...], channels: int) -> InputScaling:
    """Two bits are dropped of the first channel, the second has an offset; all pixels alike."""
    pixels = int(np.prod(shape)) // channels
    each = {"offset": (0, -3, 0), "shift": (4, 3, 4), "drop": (2, 0, 0), "magnitude_bits": (5, 4, 5),
            "signed": (False, True, False)}
    return InputScaling(**{k: v[:channels] * pixels for k, v in each.items()})


@cache
def trigger(
    function: Network, shape: tuple[int, ...] = (6, 8, 2), flat: bool = False, seed: int = 1, kernel: str = "identity",
) -> TriggerFunction:
    """A trigger function on images, or on a flat input that the network makes an image of.

    Args:
        function: from the quantized image to the network outputs.
        shape: of the image.
        flat: whether the network's input is flat.
        seed: of the weights.
        kernel: of the score.
    """
    m, scale = Maker(seed), scaling(shape, shape[-1])
    inside = scale.network_type
    first = m.keras.Input((int(np.prod(shape)),) if flat else shape, name="x")
    x = m.q.QActivation(m.bits(inside.width, inside.integer - 1), name="input_type")(first)
    x = m.layers.Reshape(shape)(x) if flat else x
    x = m.q.QActivation(m.bits(OUTPUT.width, OUTPUT.integer - 1), name="output_type")(function(m, x))
    network = QuantizedNetwork.from_keras(m.keras.Model(first, x), inside, OUTPUT)
    names = {"identity": "student", "sum_of_squares": "latent_norm", "masked_squared_error": "reconstruction_error",
             "squared_error": "image_error"}
    made = TriggerFunction("toy", scale, network, names[kernel], KERNELS[kernel].score_type(scale, network), 0)
    score = made.evaluate(images(300, shape)).score
    return TriggerFunction("toy", scale, network, made.score, made.score_type, int(np.quantile(score, 0.67)))


def images(n: int, shape: tuple[int, ...] = (6, 8, 2), seed: int = 0) -> np.ndarray:
    """Hardware integers (n, ...): ordinary ones, empty images, and ends of the range."""
    rng = np.random.default_rng(seed)
    e = np.abs(rng.normal(0, 40, (n, *shape))).astype(np.int16)
    ends = rng.choice(np.array([-32768, -17, -1, 0, 15, 127, 32767], np.int16), e.shape)
    e = np.where(rng.random((n, *(1,) * len(shape))) < 0.2, ends, e)
    return np.where(rng.random((n, *(1,) * len(shape))) < 0.1, 0, e).astype(np.int16)
