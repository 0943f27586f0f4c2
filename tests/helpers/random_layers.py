"""Branches of random QKeras layers and quantizers, with options of every kind, good and bad."""

from __future__ import annotations

from typing import Any

import numpy as np

from l1trigger import frameworks

WEIGHTS = (
    "quantized_bits(5,0,alpha=1)", "quantized_bits(4,0)", "quantized_bits(4,1,alpha='auto_po2')", "quantized_po2(3)",
    "quantized_bits(6,2,keep_negative=False,alpha=1)", "binary()", "ternary()", "ternary(alpha=1)",
    "quantized_bits(1,0,alpha=1)", "quantized_bits(12,1,alpha=0.5)",
)
BAD_WEIGHTS = ("quantized_bits(4,0,alpha='auto')", "quantized_bits(5,0,alpha=0.3)", "quantized_ulaw(5)")
ACTIVATIONS = (
    "quantized_relu(6,2)", "quantized_bits(7,2,alpha=1)", "quantized_bits(5,1)", "quantized_tanh(6)",
    "quantized_tanh(5,symmetric=1)", "quantized_sigmoid(6)", "binary()", "quantized_relu(4,4)",
    "quantized_bits(6,2,0,0,alpha=1)", "quantized_bits(6,2,1,alpha=1)",
)
BAD_ACTIVATIONS = (
    "quantized_sigmoid(4,symmetric=1)", "binary(use_01=1)", "ternary()", "quantized_relu(5,1,use_sigmoid=1)",
    "quantized_relu(8,2,negative_slope=0.125)", "quantized_bits(6,2,alpha=2.0)", "quantized_po2(4)",
    "quantized_bits(4,6,alpha=1)", "quantized_bits(6,2,alpha=1,qnoise_factor=0.5)", "elu", "tanh",
    "quantized_tanh(6,use_real_tanh=1)",
)


class RandomLayers:
    """Draws layers; the same seed draws the same ones."""

    def __init__(self, seed: int) -> None:
        self.random = np.random.default_rng(seed)
        self.k, self.q = frameworks.keras().layers, frameworks.qkeras()

    def branch(self, x: Any) -> Any:
        """One to three random layers behind an image (height, width, channels), and a dense one."""
        for _ in range(self.random.integers(1, 4)):
            x = self._layer(x)
        x = self._flat(x) if len(x.shape) > 2 else x
        return self.q.QDense(2, **{**self._weights(), "activation": None})(x)

    def _layer(self, x: Any) -> Any:
        of_images = (self._convolution, self._depthwise, self._pooling, self._global, self._permuted, self._padded)
        anywhere = (self._dense, self._dense, self._activation, self._activation, self._merge, self._flat)
        return self._one((*of_images, *anywhere) if len(x.shape) == 4 else anywhere)(x)

    def _one(self, choices: Any, bad: Any = ()) -> Any:
        choices = bad if bad and self.random.random() < 0.05 else choices
        return choices[int(self.random.integers(len(choices)))]

    def _weights(self, role: str = "kernel") -> dict[str, Any]:
        activation = self._one((None, None, "relu", self._one(ACTIVATIONS, BAD_ACTIVATIONS)))
        return {
            f"{role}_quantizer": self._one(WEIGHTS, BAD_WEIGHTS), "bias_quantizer": "quantized_bits(6,1)",
            "bias_initializer": "random_normal", "activation": activation,
        }

    def _window(self) -> dict[str, Any]:
        return {"strides": self._one((1, 2, (2, 1))), "padding": self._one(("same", "valid"))}

    def _dense(self, x: Any) -> Any:
        return self.q.QDense(self._one((2, 3)), **self._weights())(x)

    def _convolution(self, x: Any) -> Any:
        return self.q.QConv2D(2, self._one((1, (2, 1), 2)), **self._window(), **self._weights())(x)

    def _depthwise(self, x: Any) -> Any:
        window = {"strides": self._one((1, 2)), "padding": self._one(("same", "valid"))}
        return self.q.QDepthwiseConv2D(self._one((1, 2)), **window, **self._weights("depthwise"))(x)

    def _pooling(self, x: Any) -> Any:
        kind = self._one((self.k.MaxPooling2D, self.k.AveragePooling2D))
        size = self._one((1, (2, 1), 2)) if min(x.shape[1:3]) > 1 else 1
        return kind(size, **self._window())(x)

    def _global(self, x: Any) -> Any:
        return self._one((self.k.GlobalMaxPooling2D, self.k.GlobalAveragePooling2D))()(x)

    def _permuted(self, x: Any) -> Any:
        return self.k.Permute(tuple(int(i) + 1 for i in self.random.permutation(3)))(x)

    def _padded(self, x: Any) -> Any:
        return self._one((self.k.ZeroPadding2D(((1, 0), (0, 1))), self.k.UpSampling2D((1, 2))))(x)

    def _flat(self, x: Any) -> Any:
        return self.k.Flatten()(x) if len(x.shape) > 2 else self.k.Dropout(0.1)(x)

    def _activation(self, x: Any) -> Any:
        return self.q.QActivation(self._one(ACTIVATIONS, BAD_ACTIVATIONS[:-3]))(x)

    def _merge(self, x: Any) -> Any:
        kinds = (self.k.Add, self.k.Subtract, self.k.Multiply, self.k.Maximum, self.k.Average, self.k.Concatenate)
        other = self.q.QDense(self._one((1, *(x.shape[-1],) * 3)), kernel_quantizer="quantized_bits(5,0,alpha=1)",
                              bias_quantizer="quantized_bits(6,1,alpha=1)")(x)
        return self._one(kinds)()([x, self.q.QActivation(self._one(ACTIVATIONS[:2]))(other)])
