"""Layers as a design writes them, and the Keras layers that they become.

Each item of a list ``layers`` has one key, the kind of the layer, with its options below it::

    layers:
      - conv: {filters: 16, kernel: 3}
      - max_pool: {size: 2}
      - add:                            # residual: the sum of what branches make of the same input
          - [{conv: {filters: 16, padding: same}}]
          - []                          # an empty branch is that input itself
      - dense: {units: 10, relu: false}

Layers are named after their kind and counted from 0 (``conv0``, ``conv1``, ``dense0`` ...) unless they have a name.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any, Literal, Self

from pydantic import Field, SerializerFunctionWrapHandler, model_serializer, model_validator

from l1trigger import frameworks
from l1trigger.sections import Section

Size = int | tuple[int, int]
Padding = Literal["valid", "same"]


class Named(Section):
    """A layer with weights.

    Attributes:
        relu: whether a ReLU follows.
        batch_norm: batch normalization in front of the ReLU, folded into the layer at export.
        name: of the layer, for ``compress.quantization.layers`` and ``compress.pruning.layers``.
    """

    relu: bool = True
    batch_norm: bool = False
    name: str | None = Field(None, pattern=r"^[A-Za-z][A-Za-z0-9_]*$")


class Depthwise(Named):
    """A convolution of each channel with a kernel of its own.

    Attributes:
        kernel: height and width, or one number for both.
        stride: likewise.
        padding: ``valid`` takes windows inside the image only, ``same`` adds zeros around it.
    """

    kernel: Size = 3
    stride: Size = 1
    padding: Padding = "valid"


class Conv(Depthwise):
    """A convolution over all channels.

    Attributes:
        filters: channels of the result.
    """

    filters: int = Field(ge=1)


class Dense(Named):
    """A dense layer; an image before it is flattened.

    Attributes:
        units: outputs.
    """

    units: int = Field(ge=1)


class Pool(Section):
    """Pooling over windows that do not overlap, unless ``stride`` says so.

    Attributes:
        size: of the window; height and width, or one number for both.
        stride: None takes the size.
        padding: as for a convolution.
    """

    size: Size = 2
    stride: Size | None = None
    padding: Padding = "valid"


class UpSample(Section):
    """Repeats pixels.

    Attributes:
        size: how often in height and width, or one number for both.
    """

    size: Size = 2


class Reshape(Section):
    """Makes an image of a flat vector, row by row.

    Attributes:
        shape: height, width, channels.
    """

    shape: tuple[int, int, int]


class Layer(Section):
    """One layer of a list: exactly one of the kinds below.

    Attributes:
        conv, depthwise_conv, dense: layers with weights.
        separable_conv: a depthwise convolution and one of 1 x 1 behind it, ``<name>_depthwise`` and ``<name>``.
        max_pool, average_pool, up_sample, reshape: layers without.
        add: the sum of branches.
        concatenate: the channels of branches, one behind the other: inception and dense blocks.
        features: joins the second input, flattened, to what is there, flattened.
    """

    conv: Conv | None = None
    depthwise_conv: Depthwise | None = None
    separable_conv: Conv | None = None
    dense: Dense | None = None
    max_pool: Pool | None = None
    average_pool: Pool | None = None
    up_sample: UpSample | None = None
    reshape: Reshape | None = None
    add: tuple[tuple[Layer, ...], ...] | None = None
    concatenate: tuple[tuple[Layer, ...], ...] | None = None
    features: Literal[True] | None = None

    @model_validator(mode="after")
    def _one(self) -> Self:
        given = [name for name in type(self).model_fields if getattr(self, name) is not None]
        if len(given) != 1:
            raise ValueError(
                f"each layer has exactly one of {', '.join(type(self).model_fields)}; got {', '.join(given) or 'none'}"
            )
        branches = self.add if self.add is not None else self.concatenate
        if branches is not None and len(branches) < 2:
            raise ValueError(f"{given[0]} needs at least two branches; write [] for the input itself")
        return self

    @model_serializer(mode="wrap")
    def _as_written(self, whole: SerializerFunctionWrapHandler) -> dict[str, Any]:
        return {k: v for k, v in whole(self).items() if v is not None}

    @property
    def kind(self) -> str:
        """Which of the kinds it is."""
        return next(name for name in type(self).model_fields if getattr(self, name) is not None)


def uses_features(layers: Sequence[Layer]) -> bool:
    """Whether a list of layers, or a branch inside it, joins the second input."""
    return any(
        layer.features or any(uses_features(branch) for branch in (*(layer.add or ()), *(layer.concatenate or ())))
        for layer in layers
    )


def build(layers: Sequence[Layer], x: Any, features: Any = None, names: Counter[str] | None = None) -> Any:
    """The Keras tensor that layers make of another.

    Args:
        layers: of the design.
        x: image (events, height, width, channels) or vector (events, n).
        features: the second input (events, n), for a layer ``features``.
        names: how many layers of each kind there are already; counts on.

    Raises:
        ValueError: the layers do not fit together; says which.
    """
    names = Counter() if names is None else names
    for layer in layers:
        try:
            x = _KINDS[layer.kind](getattr(layer, layer.kind), x, features, names)
        except ValueError as e:
            shape = " x ".join(str(n) for n in x.shape[1:])
            raise ValueError(f"a layer {layer.kind} cannot follow on {shape}: {str(e).splitlines()[0]}") from e
    return x


def _named(kind: str, given: str | None, names: Counter[str]) -> str:
    names[kind] += 1
    return given or f"{kind}{names[kind] - 1}"


def _finished(section: Named, name: str, x: Any) -> Any:
    """Normalization and ReLU behind a layer with weights."""
    k = frameworks.keras().layers
    if section.batch_norm:
        x = k.BatchNormalization(name=f"{name}_norm")(x)
    return k.ReLU(name=f"{name}_relu")(x) if section.relu else x


def _conv(section: Conv, x: Any, features: Any, names: Counter[str]) -> Any:
    name = _named("conv", section.name, names)
    return _finished(section, name, _convolution(section, name)(x))


def _convolution(section: Conv, name: str) -> Any:
    return frameworks.keras().layers.Conv2D(
        section.filters, section.kernel, strides=section.stride, padding=section.padding, name=name
    )


def _depthwise(section: Depthwise, x: Any, features: Any, names: Counter[str]) -> Any:
    name = _named("depthwise_conv", section.name, names)
    return _finished(section, name, _by_channel(section, name)(x))


def _by_channel(section: Depthwise, name: str) -> Any:
    return frameworks.keras().layers.DepthwiseConv2D(
        section.kernel, strides=section.stride, padding=section.padding, name=name
    )


def _separable(section: Conv, x: Any, features: Any, names: Counter[str]) -> Any:
    name = _named("separable_conv", section.name, names)
    point = section.model_copy(update={"kernel": 1, "stride": 1})
    return _finished(section, name, _convolution(point, name)(_by_channel(section, f"{name}_depthwise")(x)))


def _dense(section: Dense, x: Any, features: Any, names: Counter[str]) -> Any:
    name = _named("dense", section.name, names)
    return _finished(section, name, frameworks.keras().layers.Dense(section.units, name=name)(flat(x, names)))


def flat(x: Any, names: Counter[str]) -> Any:
    """A tensor as a vector (events, n)."""
    return x if len(x.shape) == 2 else frameworks.keras().layers.Flatten(name=_named("flatten", None, names))(x)


def _pool(kind: str) -> Any:
    def pooled(section: Pool, x: Any, features: Any, names: Counter[str]) -> Any:
        k = frameworks.keras().layers
        of = k.MaxPooling2D if kind == "max_pool" else k.AveragePooling2D
        return of(section.size, section.stride, section.padding, name=_named(kind, None, names))(x)

    return pooled


def _up_sample(section: UpSample, x: Any, features: Any, names: Counter[str]) -> Any:
    return frameworks.keras().layers.UpSampling2D(section.size, name=_named("up_sample", None, names))(x)


def _reshape(section: Reshape, x: Any, features: Any, names: Counter[str]) -> Any:
    return frameworks.keras().layers.Reshape(section.shape, name=_named("reshape", None, names))(x)


def _add(branches: Sequence[Sequence[Layer]], x: Any, features: Any, names: Counter[str]) -> Any:
    name = _named("add", None, names)
    made = [build(branch, x, features, names) for branch in branches]
    total = made[0]
    for i, other in enumerate(made[1:]):  # hls4ml adds two at a time
        total = frameworks.keras().layers.Add(name=name if i == len(made) - 2 else f"{name}_{i}")([total, other])
    return total


def _concatenate(branches: Sequence[Sequence[Layer]], x: Any, features: Any, names: Counter[str]) -> Any:
    return _joined([build(branch, x, features, names) for branch in branches], _named("concatenate", None, names))


def _joined(tensors: Sequence[Any], name: str) -> Any:
    """Two at a time, as hls4ml concatenates."""
    total = tensors[0]
    for i, other in enumerate(tensors[1:]):
        last = i == len(tensors) - 2
        total = frameworks.keras().layers.Concatenate(name=name if last else f"{name}_{i}")([total, other])
    return total


def _features(given: bool, x: Any, features: Any, names: Counter[str]) -> Any:
    if features is None:
        raise ValueError("the model has no second input; give model.features, the number of features")
    return _joined([flat(x, names), flat(features, names)], _named("features", None, names))


_KINDS: dict[str, Any] = {
    "conv": _conv, "depthwise_conv": _depthwise, "separable_conv": _separable, "dense": _dense,
    "max_pool": _pool("max_pool"), "average_pool": _pool("average_pool"), "up_sample": _up_sample,
    "reshape": _reshape, "add": _add, "concatenate": _concatenate, "features": _features,
}
