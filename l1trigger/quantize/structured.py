"""Structured pruning: filters, channels and neurons leave a float network, which gets smaller for every strategy.

The units of a layer with the smallest L1 norm of their weights go (arXiv:1608.08710), batch normalization folded in.
Whatever takes a unit loses the same one: layers behind it, depthwise kernels, and the other summands where branches
are added, so that such layers are ranked and pruned together. Outputs of the network stay.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from l1trigger import frameworks
from l1trigger.compress_sections import StructuredSection
from l1trigger.errors import DesignError, nearest
from l1trigger.layer_summary import Units
from l1trigger.quantize.dense_layers import DenseLayer
from l1trigger.quantize.keras_graph import Point, points, sources

_MERGES = ("Add", "Subtract", "Multiply", "Average", "Maximum", "Minimum")
_RULE = "compress.pruning.structured"
Mask = NDArray[np.bool_]


def shrink(network: Any, section: StructuredSection) -> tuple[Any, dict[str, Units]]:
    """A smaller network of the same kind, and what became of each of its layers.

    Args:
        network: a float Keras model, or a list of dense layers; left as it is.
        section: which fraction of the units goes.

    Raises:
        UnsupportedLayerError: the model has layers that cannot be brought to firmware.
        DesignError: the section names a layer that does not exist, or contradicts itself.
    """
    model = _model(network) if isinstance(network, Sequence) else network
    typed_layers = points(model)
    plan = _Plan(model, typed_layers)
    plan.remove(section)
    units = {name: plan.summary(name) for name in plan.outputs}
    small = _stack(network, plan) if isinstance(network, Sequence) else _rebuilt(model, plan)
    return small, units


class _Plan:
    """Which channels of which tensors are one and the same, and which of them stay.

    Every channel of a tensor carries a number; channels that can only stay or go together share a root.

    Attributes:
        channels: numbers of the channels of each layer's result (channels,), by layer.
        outputs: likewise of the layers with weights alone.
        kept: whether a number stays (numbers,).
    """

    def __init__(self, model: Any, typed_layers: Mapping[str, Point]) -> None:
        self._parent: list[int] = []
        self._pinned: dict[int, str] = {}
        self._typed_layers = typed_layers
        self.channels: dict[str, NDArray[np.int64]] = {}
        self.outputs: dict[str, NDArray[np.int64]] = {}
        for layer in model.layers:
            before = [self.channels[s.name] for s in sources(layer)] if type(layer).__name__ != "InputLayer" else []
            self.channels[layer.name] = self._through(layer, before)
        for name in model.output_names:
            self._pin(self.channels[name], "the network's outputs")
        self.kept = np.ones(len(self._parent), bool)

    def mask(self, layer: Any) -> Mask:
        """Which channels of a layer's result stay."""
        kept: Mask = self.kept[self._roots(self.channels[layer.name])]
        return kept

    def summary(self, name: str) -> Units:
        """What became of a layer with weights."""
        roots = self._roots(self.outputs[name])
        why = dict.fromkeys(self._pinned[r] for r in roots if r in self._pinned)
        return Units(len(roots), int((~self.kept[roots]).sum()), ", ".join(why))

    def remove(self, section: StructuredSection) -> None:
        """Lets the units go that a section asks for."""
        for name in section.layers:
            if name not in self.outputs:
                raise DesignError(
                    None, f"{_RULE}.layers.{name}", "there is no such layer", nearest(name, self.outputs)
                )
        norms = {name: _norms(self._typed_layers[name]) for name in self.outputs}
        for tied in self._tied():
            roots = np.unique(np.concatenate([self._roots(self.outputs[n]) for n in tied]))
            rank = {r: float(np.mean([norms[n][self._roots(self.outputs[n]) == r].mean() for n in tied
                                      if (self._roots(self.outputs[n]) == r).any()])) for r in roots}
            left = int(_fraction(section, tied) * len(roots) + 1e-9)
            for r in sorted((r for r in roots if r not in self._pinned), key=lambda r: rank[r]):
                if left == 0:
                    break
                self.kept[r] = False
                if all(self.kept[self._roots(self.outputs[n])].any() for n in tied):
                    left -= 1
                else:  # the last unit of a layer
                    self.kept[r] = True

    def _tied(self) -> list[list[str]]:
        """Layers with weights in groups that share channels, each in the network's order."""
        groups: list[tuple[set[int], list[str]]] = []
        for name, ids in self.outputs.items():
            roots, names = set(self._roots(ids).tolist()), [name]
            for group in [g for g in groups if g[0] & roots]:
                groups.remove(group)
                roots, names = roots | group[0], group[1] + names
            groups.append((roots, names))
        return [names for _, names in groups]

    def _through(self, layer: Any, before: list[NDArray[np.int64]]) -> NDArray[np.int64]:
        """Channels of a layer's result."""
        kind, shape = type(layer).__name__, layer.output.shape[1:]
        match kind:
            case "InputLayer":
                return self._pin(self._new(shape[-1]), "a sum with the network's input")
            case "Dense" | "Conv1D" | "Conv2D":
                channels = self.outputs[layer.name] = self._new(shape[-1])
            case "DepthwiseConv2D":
                channels = self.outputs[layer.name] = np.repeat(before[0], layer.depth_multiplier)
            case "Concatenate" if layer.axis in (-1, len(shape)):
                channels = np.concatenate(before)
            case "Flatten" | "Reshape" if len(shape) == 1:
                channels = np.tile(before[0], math.prod(layer.input.shape[1:-1]))
            case "Reshape" | "Permute" if not _keeps_channels(layer):
                self._pin(before[0], f"rearranged by {layer.name}")
                channels = self._pin(self._new(shape[-1]), f"rearranged by {layer.name}")
            case _:
                channels = self._merged(layer.name, before) if kind in _MERGES or kind == "Concatenate" else before[0]
        return channels

    def _merged(self, name: str, before: list[NDArray[np.int64]]) -> NDArray[np.int64]:
        if len({len(b) for b in before}) > 1:
            for b in before:
                self._pin(b, f"{name} takes one channel for many")
            return max(before, key=len)
        for b in before[1:]:
            for one, other in zip(before[0], b, strict=True):
                self._join(int(one), int(other))
        return before[0]

    def _new(self, n: int) -> NDArray[np.int64]:
        first = len(self._parent)
        self._parent += range(first, first + n)
        return np.arange(first, first + n)

    def _pin(self, ids: NDArray[np.int64], why: str) -> NDArray[np.int64]:
        for r in self._roots(ids):
            self._pinned.setdefault(int(r), why)
        return ids

    def _join(self, a: int, b: int) -> None:
        a, b = self._root(a), self._root(b)
        if a != b:
            self._parent[b] = a
            if b in self._pinned:
                self._pinned.setdefault(a, self._pinned[b])

    def _root(self, i: int) -> int:
        while self._parent[i] != i:
            i = self._parent[i]
        return i

    def _roots(self, ids: NDArray[np.int64]) -> NDArray[np.int64]:
        return np.array([self._root(int(i)) for i in ids], np.int64)


def _keeps_channels(layer: Any) -> bool:
    """Whether a Reshape or Permute leaves the last axis as it is."""
    if type(layer).__name__ == "Permute":
        return bool(layer.dims[-1] == len(layer.dims))
    return bool(layer.output.shape[-1] == layer.input.shape[-1])


def _norms(point: Point) -> NDArray[np.float64]:
    """L1 norm of the weights of each unit over their mean, so that layers of different sizes compare (units,)."""
    assert point.weights is not None
    kernel = np.abs(point.weights[0].astype(np.float64))
    depthwise = type(point.layer).__name__ == "DepthwiseConv2D"
    norms = kernel.sum((0, 1)).ravel() if depthwise else kernel.reshape(-1, kernel.shape[-1]).sum(0)
    return np.asarray(norms / max(float(norms.mean()), 1e-30))


def _fraction(section: StructuredSection, tied: Sequence[str]) -> float:
    """The fraction that goes of layers that share channels.

    Raises:
        DesignError: two of them are given different ones.
    """
    given = {n: section.layers[n] for n in tied if n in section.layers}
    if len(set(given.values())) > 1:
        raise DesignError(
            None, f"{_RULE}.layers", f"{' and '.join(given)} share their channels, but are given different fractions",
            "give one of them, or the same for all",
        )
    return next(iter(given.values()), section.fraction)


def _rebuilt(model: Any, plan: _Plan) -> Any:
    """The same graph with the channels that stay, and their weights."""
    k = frameworks.keras()
    tensors: dict[str, Any] = {}
    weights: dict[str, list[NDArray[np.float32]]] = {}
    for layer in model.layers:
        if type(layer).__name__ == "InputLayer":
            tensors[layer.name] = k.Input(layer.output.shape[1:], name=layer.name)
            continue
        before, out = sources(layer), plan.mask(layer)
        config = layer.get_config() | _sizes(layer, out)
        given = [tensors[s.name] for s in before]
        tensors[layer.name] = type(layer).from_config(config)(given[0] if len(given) == 1 else given)
        if layer.weights:
            weights[layer.name] = _kept(layer, plan.mask(before[0]), out)
    inputs = [tensors[n] for n in model.input_names]
    outputs = [tensors[n] for n in model.output_names]
    small = k.Model(inputs if len(inputs) > 1 else inputs[0], outputs if len(outputs) > 1 else outputs[0])
    for name, values in weights.items():
        small.get_layer(name).set_weights(values)
    return small


def _sizes(layer: Any, out: Mask) -> dict[str, Any]:
    """What of a layer's configuration says how many channels there are."""
    match type(layer).__name__:
        case "Dense":
            return {"units": int(out.sum())}
        case "Conv1D" | "Conv2D":
            return {"filters": int(out.sum())}
        case "Reshape":
            return {"target_shape": (*layer.output.shape[1:-1], int(out.sum()))}
    return {}


def _kept(layer: Any, given: Mask, out: Mask) -> list[NDArray[np.float32]]:
    """Weights of a layer for the channels that stay of its input and of its result."""
    kind, values = type(layer).__name__, layer.get_weights()
    if kind == "DepthwiseConv2D":
        return [values[0][:, :, given], *(v[out] for v in values[1:])]
    if kind in ("Dense", "Conv1D", "Conv2D"):
        return [values[0][..., given, :][..., out], *(v[out] for v in values[1:])]
    return [v[out] for v in values]


def _model(stack: Sequence[DenseLayer]) -> Any:
    """A Keras model of the sizes and weights of dense layers."""
    k = frameworks.keras()
    model = k.Sequential([k.Input((stack[0].kernel.shape[0],))])
    for layer in stack:
        model.add(k.layers.Dense(len(layer.bias), name=layer.name))
        model.layers[-1].set_weights([layer.kernel, layer.bias])
    return k.Model(model.inputs, model.outputs)


def _stack(stack: Sequence[DenseLayer], plan: _Plan) -> list[DenseLayer]:
    out, given = [], np.ones(stack[0].kernel.shape[0], bool)
    for layer in stack:
        kept = plan.kept[plan.outputs[layer.name]]
        out.append(replace(layer, kernel=layer.kernel[given][:, kept], bias=layer.bias[kept]))
        given = kept
    return out
