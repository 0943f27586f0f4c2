"""Where the windows of convolutions and pooling lie in an image, from hls4ml's graph.

Images are (height, width, channels); a row of a time series is an image of height 1.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from l1trigger.convert.graph import GraphLayer

CONVOLUTIONS = (
    "Conv1D", "Conv2D", "PointwiseConv1D", "PointwiseConv2D", "DepthwiseConv1D", "DepthwiseConv2D",
)
"""hls4ml's class names; the last two are depthwise."""


@dataclass(frozen=True)
class Windows:
    """Where the windows of a layer lie; height first, then width."""

    size: tuple[int, int]
    stride: tuple[int, int]
    before: tuple[int, int]
    image: tuple[int, int]
    out: tuple[int, int]

    def __iter__(self) -> Iterator[tuple[list[int], list[tuple[int, int]]]]:
        """For each window in turn: which of its places lie inside the image, and where in the image those are."""
        for row in range(self.out[0]):
            for column in range(self.out[1]):
                top, left = row * self.stride[0] - self.before[0], column * self.stride[1] - self.before[1]
                places, pixels = [], []
                for k in range(self.size[0] * self.size[1]):
                    y, x = top + k // self.size[1], left + k % self.size[1]
                    if 0 <= y < self.image[0] and 0 <= x < self.image[1]:
                        places.append(k)
                        pixels.append((y, x))
                yield places, pixels


def of(layer: GraphLayer) -> Windows:
    """Windows of a convolution or a pooling layer."""
    kind = "pool" if "Pooling" in layer.kind else "filt"
    if layer.kind.endswith("1D"):
        image, out = layer.number("in_width") or layer.number("n_in"), layer.shape[0]
        return Windows(
            (1, layer.number(f"{kind}_width")), (1, layer.number("stride_width")), (0, layer.number("pad_left")),
            (1, image), (1, out),
        )
    return Windows(
        (layer.number(f"{kind}_height"), layer.number(f"{kind}_width")),
        (layer.number("stride_height"), layer.number("stride_width")),
        (layer.number("pad_top"), layer.number("pad_left")), (layer.number("in_height"), layer.number("in_width")),
        (layer.shape[0], layer.shape[1]),
    )


def below_everything(layer: GraphLayer) -> float:
    """What the C++ pads with before it takes the largest: only the top bit, which in an unsigned type is no minimum."""
    t = layer.types["input"]
    return float(-(2.0 ** (t.integer - 1)) if t.signed else 2.0 ** (t.integer - 1))


def nearest(old: int, new: int) -> list[int]:
    """Which pixel of a row of ``old`` stands at each of ``new`` in an enlarged one, by arithmetic of 16 bits."""
    ratio = (old << 16) // new + 1
    return [(i * ratio) >> 16 for i in range(new)]
