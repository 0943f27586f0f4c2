"""Latency and resources of hls4ml's C++ behind a vendor's HLS tool, estimated without that tool.

An analytic model, layer by layer and weight by weight:

- Strategy Latency without reuse: a weight is a constant. Zero is dropped, a power of two is a shift, other narrow
  constants become additions, one fewer than the non-zero digits of their canonical signed form (Reitwiesner, 1960);
  equal constants at one input are shared. Constants of ``WIDE_CONSTANT`` bits and more take a DSP where the data have
  ``WIDE_DATA`` bits: thresholds that fit the published rows, not the vendor's word.
- Strategy Resource, or reuse: multipliers of two variables, as many as products divided by the reuse factor. Latency
  takes off the zeros; Resource keeps them, and its weights lie in block memory.
- Sums are balanced trees; delays of products and additions add up along the layers, and a register is set whenever a
  clock period, less the tool's uncertainty, is full.

The thresholds, the delays below and the rule for registers were chosen with the published rows in view, so that the
error bars say what is left after that choice. Correction and error of every quantity come from published and imported
numbers (``hls_estimate.json``, written by ``tools/fit_hls_estimate.py``). The network alone is estimated: not input
scaling, score and threshold around it.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from l1trigger.catalogue import RESOURCES
from l1trigger.synth.hls_operations import Logic, Operation, Products, Tables, Unknown

if TYPE_CHECKING:
    from l1trigger.network import QuantizedNetwork
    from l1trigger.sections import ConvertSection

TOOL = "l1trigger analytic HLS model"
WIDE_CONSTANT, WIDE_DATA = 6, 10
ADD_NS, LUT_PRODUCT_NS, DSP_PRODUCT_NS, TABLE_NS = 1.0, 1.2, 3.5, 2.5
BRAM_BITS, BRAM_WIDTH = 18_432, 36
UNCERTAINTY = {"Vitis": 0.27, "Vivado": 0.125}
"""Part of the clock period that each tool keeps back, as hls4ml sets it."""


@dataclass(frozen=True)
class LayerEstimate:
    """One layer.

    Attributes:
        name: of the layer.
        products: multiplications that are built or shared, zeros not counted where they are dropped.
        lut, ff, dsp, bram18: resources after RTL synthesis.
        delay_ns: of its logic, before correction [ns].
        clocks: that its loop over positions and reuse takes beside that.
    """

    name: str
    products: int
    lut: float
    ff: float
    dsp: float
    bram18: int
    delay_ns: float
    clocks: int


ESTIMATED = tuple(r for r in RESOURCES if r in LayerEstimate.__annotations__)
"""Resources that the model estimates, of each layer and of the whole."""
QUANTITIES = (*ESTIMATED, "csynth_lut", "latency_cycles", "initiation_interval")


@dataclass(frozen=True)
class Quantity:
    """A number with its error bar.

    Attributes:
        value: corrected; None where a layer is not known to the model.
        low, high: interval of 68 %.
        uncorrected: what the model itself says; of a latency its pipelined part, in clock periods and one more.
        fitted_on: what correction and interval come from.
    """

    value: float | None
    low: float = 0.0
    high: float = 0.0
    uncorrected: float = 0.0
    fitted_on: str = ""


@dataclass(frozen=True)
class HlsEstimate:
    """Estimate of a network.

    Attributes:
        layers: those that cost something.
        totals: by name of ``QUANTITIES``.
        unknown: layers that the model does not know.
        loop_clocks: part of the latency that loops over positions and reuse take, which is not corrected.
    """

    layers: tuple[LayerEstimate, ...]
    totals: Mapping[str, Quantity]
    unknown: tuple[str, ...] = ()
    loop_clocks: int = 0

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return asdict(self)

    @classmethod
    def from_dict(cls, content: Mapping[str, Any]) -> HlsEstimate:
        """Reads what ``as_dict`` gave."""
        return cls(
            tuple(LayerEstimate(**x) for x in content["layers"]),
            {k: Quantity(**v) for k, v in content["totals"].items()}, tuple(content["unknown"]),
            content["loop_clocks"],
        )


def of_network(network: QuantizedNetwork, section: ConvertSection) -> HlsEstimate:
    """The estimate for a quantized network as it is converted.

    Args:
        network: the quantized network.
        section: backend, clock, strategy, reuse factor, io type.
    """
    from pathlib import Path
    from tempfile import TemporaryDirectory

    from l1trigger.convert import hls4ml
    from l1trigger.synth.hls_operations import operations

    stream = section.io_type == "io_stream"
    with TemporaryDirectory() as folder, hls4ml.printing_into(Path(folder) / "log"):
        graph = hls4ml.graph(network, section, "estimate", Path(folder))
        network_operations = operations(graph, stream)
    return estimate(
        network_operations, section.clock_ns, UNCERTAINTY[section.backend], stream, wide_dsp="xc7" not in section.part
    )


def estimate(
    operations: Sequence[Operation], clock_ns: float, uncertainty: float, stream: bool = False, wide_dsp: bool = True,
    fit: Mapping[str, Any] | None = None,
) -> HlsEstimate:
    """The estimate for operations.

    Args:
        operations: of the network, in order.
        clock_ns: clock period [ns].
        uncertainty: part of it that the tool keeps back.
        stream: whether layers work at the same time, handing on streams.
        wide_dsp: whether a DSP multiplies 27 by 18 bits, else 25 by 18.
        fit: corrections and errors; the shipped ones when left out.
    """
    period = clock_ns * (1 - uncertainty)
    layers, at = [], 0.0
    for o in operations:
        if not isinstance(o, Unknown):
            layers.append(_layer(o, at, period, 27 if wide_dsp else 25))
            at = 0.0 if stream else at + layers[-1].delay_ns
    unknown = tuple(f"{o.name} ({o.kind})" for o in operations if isinstance(o, Unknown))
    raw = _totals(operations, layers, period, stream)
    quantities = (shipped_fit() if fit is None else fit)["quantities"]
    products = sum(x.products for x in layers)
    corrected = {k: _corrected(k, raw, quantities.get(k), products) for k in QUANTITIES}
    factors = {k: float(quantities.get(k, {}).get("factor", 1)) for k in ("lut", "ff", "dsp")}
    shown = [replace(x, **{k: getattr(x, k) * factor for k, factor in factors.items()}) for x in layers]
    totals = {k: Quantity(None) for k in corrected} if unknown else corrected
    return HlsEstimate(tuple(shown), totals, unknown, raw["loops"])


@cache
def shipped_fit() -> dict[str, Any]:
    """Corrections and errors in the package."""
    content: dict[str, Any] = json.loads(files("l1trigger.synth").joinpath("hls_estimate.json").read_text("utf-8"))
    return content


def raw_totals(
    operations: Sequence[Operation], clock_ns: float, uncertainty: float, stream: bool = False
) -> dict[str, int]:
    """Totals before correction; ``pipeline`` and ``loops`` are the two parts of the latency in cycles."""
    made = estimate(operations, clock_ns, uncertainty, stream, fit={"quantities": {}})
    return _totals(operations, made.layers, clock_ns * (1 - uncertainty), stream) | {
        "products": sum(x.products for x in made.layers)
    }


def _totals(
    operations: Sequence[Operation], layers: Sequence[LayerEstimate], period: float, stream: bool
) -> dict[str, int]:
    loops = [x.clocks for x in layers]
    if stream:
        depth = sum(1 + int(x.delay_ns / period) for x in layers)
        waits = max(loops, default=0)
    else:
        depth = int(sum(x.delay_ns for x in layers) / period)
        waits = sum(loops)
    intervals = [_interval(o) for o in operations if not isinstance(o, Unknown)]
    sums = {k: round(sum(getattr(x, k) for x in layers)) for k in ESTIMATED}
    return sums | {"pipeline": depth, "loops": waits, "initiation_interval": max(intervals, default=1)}


def _interval(o: Operation) -> int:
    return o.positions * (o.reuse if isinstance(o, Products) else 1) if not isinstance(o, Unknown) else 1


def _layer(o: Products | Tables | Logic, at: float, period: float, dsp_width: int) -> LayerEstimate:
    if isinstance(o, Products):
        return _products(o, at, period, dsp_width)
    clocks = o.positions - 1
    if isinstance(o, Tables):
        # Two values are looked up in one copy of a table, through its two ports.
        memories = -(-o.lookups // 2) * -(-o.entries * o.bits // BRAM_BITS)
        delay = TABLE_NS * (2 if o.products else 1) + o.levels * ADD_NS + DSP_PRODUCT_NS * (o.products > 0)
        ff = float(_registers(at, delay, period) * o.lookups * o.bits)
        return LayerEstimate(o.name, o.products, 8.0 * o.lookups, ff, o.products, memories, delay, clocks)
    dsps, luts = _variable_product(o.input_bits, o.input_bits, dsp_width) if o.products else (0, 0)
    delay = o.levels * ADD_NS + (DSP_PRODUCT_NS if dsps else LUT_PRODUCT_NS * (o.products > 0))
    lut = float(o.bits + o.products * luts)
    ff = _registers(at, delay, period) * lut / 2
    return LayerEstimate(o.name, o.products, lut, ff, o.products * dsps, 0, delay, clocks)


def _products(o: Products, at: float, period: float, dsp_width: int) -> LayerEstimate:
    terms = np.count_nonzero(o.weights, axis=0) if not o.resource else np.full(o.weights.shape[1], len(o.weights))
    built = _shared(o, dsp_width) if o.resource or o.reuse > 1 else _constant(o)
    product_ns = DSP_PRODUCT_NS if built.dsp else LUT_PRODUCT_NS * (built.lut > 0)
    per_cycle = -(-terms // o.reuse)
    levels = _levels(int(per_cycle.max(initial=0)) + (o.biased > 0))
    delay = product_ns + levels * ADD_NS
    adders = float(np.maximum(per_cycle - 1, 0).sum() + o.biased + (len(terms) if o.reuse > 1 else 0)) * o.sum_bits
    # Tools set registers where few bits pass: behind the sums, and where two parts of each are left.
    ff = float((2 * _registers(at, delay, period) + (o.reuse > 1)) * len(terms) * o.sum_bits)
    copies = o.copies
    return LayerEstimate(
        o.name, built.products * copies, (built.lut + adders) * copies, ff * copies, built.dsp * copies, built.bram18,
        delay, o.positions * o.reuse - 1,
    )


@dataclass(frozen=True)
class _Multipliers:
    products: int
    lut: float
    dsp: int
    bram18: int = 0


def _constant(o: Products) -> _Multipliers:
    """Products by constants; equal ones at one input are built once."""
    rows = [o.weights] if o.own_inputs else list(o.weights)
    lut, dsp = 0.0, 0
    for row in rows:
        values = row.ravel() if o.own_inputs else np.unique(row)
        odd = odd_part(values[values != 0])
        width = bit_length(odd)
        in_dsp = (width >= WIDE_CONSTANT) & (o.input_bits >= WIDE_DATA)
        lut += float((((signed_digits(odd) - 1) * (o.input_bits + width))[~in_dsp]).sum())
        dsp += int(in_dsp.sum())
    return _Multipliers(int(np.count_nonzero(o.weights)), lut, dsp)


def _shared(o: Products, dsp_width: int) -> _Multipliers:
    """Multipliers of two variables that weights take turns in."""
    count = -(-o.weights.size // o.reuse)
    if not o.resource:
        count -= int((o.weights == 0).sum()) // o.reuse  # as hls4ml sets the limit of multipliers
    dsps, luts = _variable_product(o.input_bits, o.weight_bits, dsp_width)
    memory = 0
    if o.resource and o.reuse > 1:
        memory = -(-count * o.weight_bits // BRAM_WIDTH) * -(-o.reuse // (BRAM_BITS // BRAM_WIDTH))
    # Without block memory, each multiplier chooses its weight with a multiplexer.
    choices = 0.0 if o.resource else count * o.weight_bits * (o.reuse - 1) / 4
    return _Multipliers(count, count * luts + choices, count * dsps, memory)


def _variable_product(a: int, b: int, dsp_width: int) -> tuple[int, int]:
    """DSPs and LUTs of one product of variables."""
    if min(a, b) < WIDE_DATA:
        return 0, a * b
    small, large = sorted((a, b))
    return -(-small // 17) * -(-large // (dsp_width - 1)), 0


def _registers(at: float, delay: float, period: float) -> int:
    """Register stages that fall inside logic from ``at`` on."""
    return int((at + delay) / period) - int(at / period)


def _levels(terms: int) -> int:
    return math.ceil(math.log2(terms)) if terms > 1 else 0


def odd_part(values: NDArray[np.int64]) -> NDArray[np.int64]:
    """Magnitudes without their factors of two."""
    size = np.abs(values)
    return np.asarray(size // np.maximum(size & -size, 1), np.int64)


def bit_length(values: NDArray[np.int64]) -> NDArray[np.int64]:
    """Bits of magnitudes."""
    return np.asarray(np.ceil(np.log2(np.abs(values) + 1.0)), np.int64)


def signed_digits(values: NDArray[np.int64]) -> NDArray[np.int64]:
    """Non-zero digits of magnitudes in canonical signed form."""
    size = np.abs(values)
    different = (size ^ (3 * size)) >> 1
    return np.array([int(v).bit_count() for v in different.ravel()], np.int64).reshape(size.shape)


def _corrected(name: str, raw: Mapping[str, int], fit: Mapping[str, Any] | None, products: int) -> Quantity:
    """A raw total with correction and error bar."""
    if name == "initiation_interval":
        return Quantity(raw[name], raw[name], raw[name], raw[name], "set by hls4ml's pragmas, not fitted")
    fit = fit or {"factor": 1.0, "sigma": math.log(2), "note": "not fitted, a factor 2 is assumed"}
    factor, spread, note = float(fit["factor"]), math.exp(float(fit["sigma"])), str(fit["note"])
    if name == "latency_cycles":
        value, low, high = ((raw["pipeline"] + 1) * factor * f + raw["loops"] - 1 for f in (1, 1 / spread, spread))
        return Quantity(float(round(max(value, 0))), max(low, 0.0), high, raw["pipeline"] + 1, note)
    uncorrected = raw["lut" if name == "csynth_lut" else name]
    base = uncorrected * factor
    # What the model calls none may be some: that part of the error scales with the products.
    extra = float(fit.get("missed", 0.0)) * products
    return Quantity(float(round(base)), max(base / spread - extra, 0.0), base * spread + extra, uncorrected, note)
