"""What became of each layer of a network: plain values that results save and reports show."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Units:
    """What became of the units of one layer.

    Attributes:
        before, removed: their number.
        left_alone: why some of them could not go; empty where all could.
    """

    before: int
    removed: int
    left_alone: str = ""


@dataclass(frozen=True)
class LayerSummary:
    """What became of one layer.

    Attributes:
        name: of the layer.
        weights: number of its weights.
        zeros: how many of them are zero.
        weight_type, bias_type, activation_type: fixed-point types, as strings.
        units: filters, channels or neurons of the float network; 0 where none were to be removed.
        units_removed: how many of them are not in this network any more.
        left_alone: why some could not be removed; empty where all could.
    """

    name: str
    weights: int
    zeros: int
    weight_type: str
    bias_type: str
    activation_type: str
    units: int = 0
    units_removed: int = 0
    left_alone: str = ""
