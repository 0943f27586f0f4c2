"""What compressing a network gives."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from l1trigger.data.scaling import InputScaling
from l1trigger.layer_summary import LayerSummary
from l1trigger.network import QuantizedNetwork
from l1trigger.quantize.score_link import LogLink


@dataclass(frozen=True)
class FrontNetwork:
    """A larger or smaller network from the same training.

    Attributes:
        ebops: its effective bit operations.
        network: itself.
        scaling: of its inputs.
    """

    ebops: float
    network: QuantizedNetwork
    scaling: InputScaling


@dataclass(frozen=True)
class Compressed:
    """A quantized network with what became of its layers and the history of its training.

    Attributes:
        network: that goes into firmware.
        layers: what became of them.
        history: losses per epoch, by name.
        post_training: the network before it was fine-tuned; None where it was not, or is not asked for.
        bias_corrected: whether its biases took back what rounding moves on average.
        scaling: of its inputs; None where it is the reference's.
        link: between its output and the score that it follows; None where they are the same.
        ebops: its effective bit operations, where they were trained; else None.
        front: other networks of the same training.
    """

    network: QuantizedNetwork
    layers: tuple[LayerSummary, ...]
    history: Mapping[str, list[float]]
    post_training: QuantizedNetwork | None = None
    bias_corrected: bool = False
    scaling: InputScaling | None = None
    link: LogLink | None = None
    ebops: float | None = None
    front: tuple[FrontNetwork, ...] = ()
