"""How a convolutional network is divided: blocks that work on one pixel or window per lane, and a head behind them.

A block begins where pixels of more than one clock are needed (a window, a stride, two images that meet) or where an
image is used more than once; whatever works on single pixels (activations, scales, 1 x 1 convolutions) follows in the
same block. Zero padding belongs to the windows behind it. The head begins with the first layer that is not local.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from l1trigger.convert.geometry import CONVOLUTIONS, Windows, of
from l1trigger.convert.graph import GraphLayer, input_slices
from l1trigger.errors import UnsupportedLayerError
from l1trigger.synth.layers import ACTIVATED

_BY_VALUE = (*ACTIVATED, "BatchNormalization", "ApplyAlpha", "FixedPointQuantizer")
_WINDOWED = (*CONVOLUTIONS, "Pooling1D", "Pooling2D")
_MEET = ("Merge", "Concatenate")
_SAME = ("Clone",)
_SHAPED = ("Reshape", "Repack")
_PADDED = ("ZeroPadding1D", "ZeroPadding2D")
_REMEDY = "leave synth.pixels_per_clock out for fully parallel RTL, or leave this stage out with synth.route: none"
Shape = tuple[int, int, int]
"""Height, width and channels."""


@dataclass(frozen=True)
class Part:
    """What becomes one block.

    Attributes:
        layers: in order; the first may look through a window, the others work on single pixels.
        sources: numbers of the parts whose images it takes.
        where: windows of the first layer; None where it works on single pixels.
        zeros: whether pixels outside the image are 0, rather than what the layer's own padding puts there.
        shape: of the image that comes out.
    """

    layers: tuple[GraphLayer, ...]
    sources: tuple[int, ...]
    where: Windows | None
    zeros: bool
    shape: Shape

    @property
    def name(self) -> str:
        """Of the layer that gives the block its purpose."""
        return self.layers[0].name


@dataclass(frozen=True)
class Plan:
    """A network, divided.

    Attributes:
        parts: in order; the first takes the network's input pixel by pixel.
        head: layers behind the last image.
        names: under which the head finds its image.
        last: number of the part that gives it.
        image: which of an event's numbers are the image.
        features: which are those of other inputs, which the head takes.
    """

    parts: tuple[Part, ...]
    head: tuple[GraphLayer, ...]
    names: tuple[str, ...]
    last: int
    image: slice
    features: slice

    @property
    def channels(self) -> int:
        """Channels of the image that enters."""
        height, width, _ = self.parts[0].shape
        return int(self.image.stop - self.image.start) // (height * width)


def plan(layers: Sequence[GraphLayer]) -> Plan:
    """Divides a network.

    Args:
        layers: of hls4ml's graph, in order; all with logic (``synth.layers.require_supported``).

    Raises:
        UnsupportedLayerError: its first input is no image, or another one is, or something is done to images that has
            no streaming logic; names the layers.
    """
    first, *others = input_slices(layers).values()
    planner = _Planner(_image(layers), Counter(name for layer in layers for name in layer.inputs))
    for layer in layers:
        planner.add(layer)
    return planner.done(first, slice(first.stop, others[-1].stop if others else first.stop))


def _image(layers: Sequence[GraphLayer]) -> Shape:
    """Shape of the first input as an image: its own, or what it is made right behind."""
    first, *others = [layer for layer in layers if layer.kind == "Input"]
    if wrong := [layer.name for layer in others if len(layer.shape) > 1]:
        raise _unsupported([first.name, *wrong], "more than one image as input")
    shape: tuple[int, ...] = ()
    for layer in layers:
        if layer.name in {other.name for other in others}:
            continue
        if layer.kind not in (*_BY_VALUE, *_SAME, *_SHAPED, "Input"):
            break
        if len(layer.shape) in (2, 3):
            shape = layer.shape
    if not shape:
        raise _unsupported([layers[0].name], "an input that is no image")
    *rows, width, channels = shape
    return (rows[0] if rows else 1, width, channels)


@dataclass
class _Planner:
    """The parts so far, and what each tensor is: the part that gives it, and rows and columns of zeros before it."""

    image: Shape
    uses: Counter[str]
    parts: list[Part] = field(default_factory=list)
    images: dict[str, int] = field(default_factory=dict)
    padded: dict[str, tuple[int, int]] = field(default_factory=dict)
    head: list[GraphLayer] = field(default_factory=list)

    def add(self, layer: GraphLayer) -> None:
        """Takes the next layer."""
        if layer.kind == "Input" and not self.parts:
            self._new(layer, Part((layer,), (), None, True, self.image))
        elif layer.kind == "Input" or any(name not in self.images for name in layer.inputs):
            self.head.append(layer)
        elif layer.kind in _SAME or self._shaped(layer):
            self._same(layer)
        elif layer.kind in _PADDED:
            self._pad(layer)
        elif layer.kind in _WINDOWED:
            self._window(layer)
        elif layer.kind in _BY_VALUE:
            self._by_value(layer)
        elif layer.kind in _MEET and len(layer.shape) > 1:
            self._meet(layer)
        else:
            self.head.append(layer)

    def done(self, image: slice, features: slice) -> Plan:
        """The finished plan, given which of an event's numbers belong to the image and which to other inputs."""
        wanted = {name for layer in self.head for name in layer.inputs if name in self.images}
        image_parts = {self.images[name] for name in wanted} or {len(self.parts) - 1}
        if len(image_parts) > 1:
            names = [layer.name for layer in self.head if wanted & set(layer.inputs)]
            raise _unsupported(names, "more than one image that is needed as a whole")
        if wrong := [layer.name for layer in self.head if any(name in self.padded for name in layer.inputs)]:
            raise _unsupported(wrong, "a padded image that no window moves over")
        return Plan(tuple(self.parts), tuple(self.head), tuple(sorted(wanted)), image_parts.pop(), image, features)

    def _new(self, layer: GraphLayer, part: Part) -> None:
        self.parts.append(part)
        self.images |= dict.fromkeys(layer.outputs, len(self.parts) - 1)

    def _shaped(self, layer: GraphLayer) -> bool:
        """Whether a layer makes the image of the input."""
        made = (1, *layer.shape) if len(layer.shape) == 2 else layer.shape
        return layer.kind in _SHAPED and made == self.image and self.images[layer.inputs[0]] == 0

    def _same(self, layer: GraphLayer) -> None:
        source = layer.inputs[0]
        self.images |= dict.fromkeys(layer.outputs, self.images[source])
        if source in self.padded:
            self.padded |= dict.fromkeys(layer.outputs, self.padded[source])
        # Whoever reads a copy reads the image itself.
        self.uses[source] += sum(self.uses[name] for name in layer.outputs) - 1
        for name in layer.outputs:
            self.uses[name] = self.uses[source]

    def _pad(self, layer: GraphLayer) -> None:
        (source,) = layer.inputs
        rows = layer.number("pad_top") if layer.kind.endswith("2D") else 0
        top, left = self.padded.get(source, (0, 0))
        self.images |= dict.fromkeys(layer.outputs, self.images[source])
        self.padded |= dict.fromkeys(layer.outputs, (top + rows, left + layer.number("pad_left")))

    def _window(self, layer: GraphLayer) -> None:
        (source,) = layer.inputs
        where, pad = of(layer), self.padded.get(source)
        height, width, _ = self.parts[self.images[source]].shape
        own = _beyond(where)
        if pad is not None:
            if own:
                raise _unsupported([layer.name], "padding on top of a padded image")
            where = replace(where, before=pad, image=(height, width))
        if where.out[0] > -(-height // where.stride[0]) or where.out[1] > -(-width // where.stride[1]):
            raise _unsupported([layer.name], "more pixels behind the layer than before it")
        if where.size == where.stride == (1, 1) and pad is None:
            return self._by_value(layer)
        average = layer.word("pool_op") == "average"
        if average and own and not layer.attributes.get("count_pad"):
            raise _unsupported([layer.name], "averages over fewer pixels at the border (take padding: valid)")
        zeros = pad is not None or average or "Conv" in layer.kind
        shape = (where.out[0], where.out[1], layer.shape[-1])
        return self._new(layer, Part((layer,), (self.images[source],), where, zeros, shape))

    def _by_value(self, layer: GraphLayer) -> None:
        (source,) = layer.inputs
        if source in self.padded:
            raise _unsupported([layer.name], "a padded image that no window moves over")
        number = self.images[source]
        part = self.parts[number]
        shape = (*part.shape[:2], layer.shape[-1] if layer.kind in _WINDOWED else part.shape[2])
        if self.uses[source] == 1:
            self.parts[number] = replace(part, layers=(*part.layers, layer), shape=shape)
            self.images |= dict.fromkeys(layer.outputs, number)
        else:
            self._new(layer, Part((layer,), (number,), None, True, shape))

    def _meet(self, layer: GraphLayer) -> None:
        sources = tuple(self.images[name] for name in layer.inputs)
        shapes = [self.parts[number].shape for number in sources]
        axis = layer.number("axis", -1) if layer.kind == "Concatenate" else -1
        if len({s[:2] for s in shapes}) > 1 or axis not in (-1, len(layer.shape)):
            raise _unsupported([layer.name], "images of different size, or not joined by their channels")
        if layer.kind == "Merge" and len(set(shapes)) > 1:
            raise _unsupported([layer.name], "images with different channels")
        if any(name in self.padded for name in layer.inputs):
            raise _unsupported([layer.name], "a padded image that no window moves over")
        self._new(layer, Part((layer,), sources, None, True, (*shapes[0][:2], layer.shape[-1])))


def _beyond(where: Windows) -> bool:
    """Whether some windows reach beyond the image."""
    ends = [(out - 1) * stride - before + size
            for out, stride, before, size in zip(where.out, where.stride, where.before, where.size, strict=True)]
    return where.before != (0, 0) or ends[0] > where.image[0] or ends[1] > where.image[1]


def one_pixel(layer: GraphLayer, channels: int) -> GraphLayer:
    """A layer as it works on a single pixel, or on a single window that is complete.

    Args:
        layer: the layer.
        channels: that it is given.

    Raises:
        UnsupportedLayerError: it does something else to other pixels.
    """
    weights = dict(layer.weights)
    if layer.kind in _BY_VALUE:
        for role, values in layer.weights.items():
            if values.size > channels:
                whole = values if values.size == np.prod(layer.shape) else np.broadcast_to(values, layer.shape)
                rows = whole.reshape(-1, channels)
                if (rows != rows[0]).any():
                    raise _unsupported([layer.name], f"a {role} that differs from pixel to pixel")
                weights[role] = rows[0]
    attributes = dict(layer.attributes)
    if layer.kind in _WINDOWED:
        size = of(layer).size
        attributes |= {
            "in_height": size[0], "in_width": size[1], "n_in": size[1], "stride_height": 1, "stride_width": 1,
            **dict.fromkeys(("pad_top", "pad_bottom", "pad_left", "pad_right"), 0),
        }
    out = channels if layer.kind in (*_BY_VALUE, "Input") else layer.shape[-1]
    return replace(layer, weights=weights, attributes=attributes, shape=(*(1,) * (len(layer.shape) - 1), out))


def _unsupported(names: Sequence[str], what: str) -> UnsupportedLayerError:
    return UnsupportedLayerError(
        f"The stage synth has no streaming RTL for {what}: {', '.join(names)}. Remedy: {_REMEDY}"
    )
