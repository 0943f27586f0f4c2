"""The score functions that exist in firmware, each with its C++ name and the exact type of its result.

Every kernel is exact in full width and cast to the score type once, at the end. The sums here are float64: each
term is a multiple of one power of two, and full widths are held below 54 bits, so no sum is ever rounded. The C++
twins lie in ``firmware/hls/scores.h``; the twins in RTL, named ``..._logic``, take variables of one event.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from l1trigger.contracts.score import ScoreKernel
from l1trigger.data.scaling import InputScaling
from l1trigger.errors import DesignError
from l1trigger.fixed_point import FixedPoint, Overflow, Rounding
from l1trigger.network import QuantizedNetwork

_CHUNK = 65_536
_EXACT_BITS = 53


def identity(
    x: NDArray[np.float64], present: NDArray[np.bool_], output: NDArray[np.float64], score_type: FixedPoint
) -> NDArray[np.int64]:
    """The first network output, as integers of the score type (events,)."""
    return score_type.raw(output[:, 0])


def identity_type(scaling: InputScaling, network: QuantizedNetwork) -> FixedPoint:
    """The type of the network's outputs; what does not fit a narrower one saturates."""
    t = network.output_type
    return FixedPoint(t.width, t.integer, t.signed, Rounding.TRN, Overflow.SAT)


def margin(
    x: NDArray[np.float64], present: NDArray[np.bool_], output: NDArray[np.float64], score_type: FixedPoint
) -> NDArray[np.int64]:
    """The first network output minus the largest of the others, as integers of the score type (events,)."""
    return score_type.raw(output[:, 0] - output[:, 1:].max(axis=1))


def margin_type(scaling: InputScaling, network: QuantizedNetwork) -> FixedPoint:
    """The signed type with one bit more than the network's outputs.

    Raises:
        DesignError: the network has one output only.
    """
    if outputs(network) < 2:
        raise DesignError(None, "compress.score", "the network gives one number, not one per class",
                          "take the score classifier, or a network with one output per class")
    t = network.output_type
    return FixedPoint(t.width + 1, t.integer + 1, True, Rounding.TRN, Overflow.SAT)


def sum_of_squares(
    x: NDArray[np.float64], present: NDArray[np.bool_], output: NDArray[np.float64], score_type: FixedPoint
) -> NDArray[np.int64]:
    """The sum of the squares of all network outputs, as integers of the score type (events,)."""
    return score_type.raw(np.einsum("ij,ij->i", output, output))


def sum_of_squares_type(scaling: InputScaling, network: QuantizedNetwork) -> FixedPoint:
    """The unsigned type that holds the largest possible sum of squares.

    Raises:
        DesignError: it needs more than 53 bits.
    """
    t = network.output_type
    largest = outputs(network) * max(abs(v) for v in t.raw_range) ** 2
    return _unsigned(largest, 2 * t.fraction)


def masked_squared_error(
    x: NDArray[np.float64], present: NDArray[np.bool_], output: NDArray[np.float64], score_type: FixedPoint
) -> NDArray[np.int64]:
    """The squared differences of inputs and outputs, summed over present objects, as integers (events,)."""
    raw = np.empty(len(x), np.int64)
    for start in range(0, len(x), _CHUNK):
        s = slice(start, start + _CHUNK)
        difference = np.where(present[s], x[s] - output[s], 0.0)
        raw[s] = score_type.raw(np.einsum("ij,ij->i", difference, difference))
    return raw


def squared_error(
    x: NDArray[np.float64], present: NDArray[np.bool_], output: NDArray[np.float64], score_type: FixedPoint
) -> NDArray[np.int64]:
    """The squared differences of inputs and outputs, summed over all inputs, as integers (events,)."""
    return masked_squared_error(x, np.ones_like(x, bool), output, score_type)


def squared_error_type(scaling: InputScaling, network: QuantizedNetwork) -> FixedPoint:
    """The unsigned type that holds the largest possible squared error.

    Raises:
        DesignError: it needs more than 53 bits, or inputs and outputs differ in number.
    """
    t = network.output_type
    if outputs(network) != len(scaling):
        raise DesignError(
            None, "compress.score", f"the network gives {outputs(network)} numbers for {len(scaling)} inputs",
            "take a score that does not compare outputs with inputs, or a network that gives one output per input",
        )
    fraction = max(t.fraction, *(i.fraction for i in scaling.types))
    low, high = (v << (fraction - t.fraction) for v in t.raw_range)
    largest = 0
    for i in scaling.types:
        a, b = (v << (fraction - i.fraction) for v in i.raw_range)
        largest += max(b - low, high - a) ** 2
    return _unsigned(largest, 2 * fraction)


def outputs(network: QuantizedNetwork) -> int:
    """Number of outputs of a network."""
    return math.prod(network.build(exact=False).output_shape[1:])


def _unsigned(largest: int, fraction: int) -> FixedPoint:
    width = max(largest.bit_length(), fraction, 1)
    if width > _EXACT_BITS:
        raise DesignError(
            None, "compress.quantization", f"the exact score needs {width} bits; up to {_EXACT_BITS} are possible",
            "take fewer bits for the outputs (quantization.score) or for the inputs (data)",
        )
    return FixedPoint(width, width - fraction, False, Rounding.TRN, Overflow.SAT)


def _identity_logic(hardware: Any, x: Any, output: Any) -> Any:
    return output[:1]


def _margin_logic(hardware: Any, x: Any, output: Any) -> Any:
    return output[:1] - np.max(output[1:], keepdims=True)


def _sum_of_squares_logic(hardware: Any, x: Any, output: Any) -> Any:
    return np.sum(output**2, keepdims=True)


def _masked_squared_error_logic(hardware: Any, x: Any, output: Any) -> Any:
    there = np.repeat(hardware[::3].to_bool("any"), 3)
    return np.sum(np.where(there, x - output, 0.0) ** 2, keepdims=True)


def _squared_error_logic(hardware: Any, x: Any, output: Any) -> Any:
    return np.sum((x - output) ** 2, keepdims=True)


def _identity_engine(hardware: Any, x: Any, output: Any) -> Any:
    return output[:1]


def _margin_engine(hardware: Any, x: Any, output: Any) -> Any:
    return output[:1] - output.program.extremes([output[1:]])


def _sum_of_squares_engine(hardware: Any, x: Any, output: Any) -> Any:
    return output.program.products(np.array([0, output.size]), output, output)


def _masked_squared_error_engine(hardware: Any, x: Any, output: Any) -> Any:
    there = x.program.presence(hardware[::3]).view(lambda a: np.repeat(a, 3))
    return _sum_of_squares_engine(hardware, x, (x - output) * there)


def _squared_error_engine(hardware: Any, x: Any, output: Any) -> Any:
    return _sum_of_squares_engine(hardware, x, x - output)


IDENTITY = ScoreKernel("identity", identity, identity_type, _identity_logic, engine=_identity_engine)
"""The first network output."""
MARGIN = ScoreKernel(
    "margin", margin, margin_type, _margin_logic, compares_classes=True, engine=_margin_engine
)
"""The first network output minus the largest of the others."""
SUM_OF_SQUARES = ScoreKernel(
    "sum_of_squares", sum_of_squares, sum_of_squares_type, _sum_of_squares_logic, engine=_sum_of_squares_engine
)
"""The sum of the squared network outputs."""
MASKED_SQUARED_ERROR = ScoreKernel(
    "masked_squared_error", masked_squared_error, squared_error_type, _masked_squared_error_logic, needs_inputs=True,
    of_objects=True, engine=_masked_squared_error_engine,
)
"""The squared error of the objects that are there."""
SQUARED_ERROR = ScoreKernel(
    "squared_error", squared_error, squared_error_type, _squared_error_logic, needs_inputs=True,
    engine=_squared_error_engine,
)
"""The squared error of all inputs."""

KERNELS = {k.cpp: k for k in (IDENTITY, MARGIN, SUM_OF_SQUARES, MASKED_SQUARED_ERROR, SQUARED_ERROR)}
"""All kernels by their C++ name."""
