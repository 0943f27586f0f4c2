"""The streaming engine of graph layers that aggregate: P vertices per clock, then what runs once per event.

    beat ─► lane0 ×P ─► tree0 ─► sums ─► gather0 ─┐
              └─ edge weights, delayed ─► lane1 ×P ─► tree1 ─► sums ─► gather1 ─┐ … ─► final ─► score, outputs, decision

A lane returns the features that its layer before sent back, and prepares the layer of its own: both passes over the
vertices are one. All latencies are fixed, so that a delayed token says when an event's sums start and are complete;
there is no other state. Events may follow each other every V / P clocks.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from l1trigger.data.scaling import InputScaling
from l1trigger.fixed_point import FixedPoint
from l1trigger.graph.algebra import AggregatingLayer
from l1trigger.graph.stack import Stack
from l1trigger.synth.blocks import Block, bits, block, wired
from l1trigger.synth.lower import scaled
from l1trigger.synth.quantization import like, quantized
from l1trigger.synth.rtl import Field
from l1trigger.synth.streaming.graph_logic import Logic

Head = Callable[[Any], Any]
"""From the collapsed outputs of the stack to the outputs of the engine, as alkaid's arrays."""


@dataclass(frozen=True)
class Sum:
    """Registers that add up, or keep the largest of, what comes out of a tree beat by beat."""

    fields: tuple[Field, ...]
    maximum: tuple[bool, ...]


@dataclass(frozen=True)
class Pass:
    """One sweep over the vertices.

    Attributes:
        lane: logic of one vertex.
        carried: how many of its outputs, the first ones, go on to the next pass.
        tree: adds up, or takes the largest of, the other outputs of P lanes.
        sum: over the beats.
        gather: what follows once per event.
    """

    lane: Block
    carried: int
    tree: Block
    sum: Sum
    gather: Block


@dataclass(frozen=True)
class Engine:
    """A streaming engine.

    Attributes:
        vertices: per event, V.
        parallel: vertices per clock, P.
        hit: formats of one vertex's hardware integers.
        passes: in order; the last one's ``gather`` gives the outputs.
    """

    vertices: int
    parallel: int
    hit: tuple[Field, ...]
    passes: tuple[Pass, ...]

    source: ClassVar[str] = "graph.v.j2"
    around: ClassVar[str] = "sums and delays"

    @property
    def port(self) -> tuple[Field, ...]:
        """Formats of the numbers of a beat."""
        return self.hit * self.parallel

    @property
    def beats(self) -> int:
        """Clocks that an event takes to enter: the initiation interval."""
        return self.vertices // self.parallel

    @property
    def outputs(self) -> tuple[Field, ...]:
        """Formats of the outputs."""
        return self.passes[-1].gather.outputs

    @property
    def cycles(self) -> int:
        """Clock cycles from the first beat at the port to the outputs, input and output registers included."""
        inner = sum(p.lane.cycles + p.tree.cycles + 1 + p.gather.cycles for p in self.passes)
        return 1 + inner + len(self.passes) * (self.beats - 1)

    @property
    def blocks(self) -> list[tuple[Block, int]]:
        """Every block, and how many copies of it there are."""
        blocks = []
        for p in self.passes:
            blocks += [(p.lane, self.parallel), (p.tree, 1), (p.gather, 1)]
        return blocks

    @property
    def path(self) -> list[Block]:
        """The blocks that an event goes through, one after the other."""
        return [b for p in self.passes for b in (p.lane, p.tree, p.gather)]

    @property
    def register_bits(self) -> int:
        """Bits of all registers: of blocks, sums, delays and the input."""
        inner = sum(copies * b.register_bits for b, copies in self.blocks)
        sums = sum(bits(p.sum.fields) for p in self.passes)
        waiting = sum(
            sum(f.bits for f in p.lane.outputs[: p.carried]) * self.parallel
            * (p.tree.cycles + self.beats + p.gather.cycles) for p in self.passes[:-1]
        )
        return inner + sums + waiting + bits(self.hit) * self.parallel + self.cycles

    @property
    def lut(self) -> float:
        """Look-up tables by alkaid's cost model, without sums and delays."""
        return sum(b.lut * copies for b, copies in self.blocks)

    def rows(self, inputs: NDArray[Any]) -> NDArray[Any]:
        """Beats of events (events, beats, numbers), from hardware integers whose first axis is events."""
        return inputs.reshape(len(inputs), self.beats, -1)

    def values(self) -> dict[str, object]:
        """What the template needs."""
        return _template(self)


def build(
    stack: Stack, scaling: InputScaling, ports: Sequence[FixedPoint], head: Head, parallel: int,
    options: dict[str, Any], delay_ns: float,
) -> Engine:
    """The engine of a stack.

    Args:
        stack: as plain values, of layers that aggregate.
        scaling: of all inputs, the same for each vertex.
        ports: types of all hardware integers.
        head: what follows the stack, decision included.
        parallel: vertices per clock; divides the number of vertices.
        options: of alkaid's solver.
        delay_ns: most estimated delay of one pipeline stage [ns].
    """
    n = stack.inputs
    hit = tuple(Field(p.width, p.signed, p.fraction) for p in _widest(ports, n))
    one = _first(scaling, n)
    passes: list[Pass] = []
    inputs, decode = hit, _hardware(stack, one)
    for index in range(len(stack.layers)):
        closes = index == len(stack.layers) - 1 and stack.collapse != "max"
        logic = _Layer(stack, index, closes)
        lane = block(f"lane{index}", inputs, logic.lane(decode), options, delay_ns)
        rest = lane.outputs[logic.carried :]
        tree, total = _tree(index, rest, parallel, stack, logic.maxima(len(rest)), options, delay_ns)
        name = "finish" if closes else f"gather{index}"
        function = logic.finish(head) if closes else logic.gather
        gather = block(name, total.fields, function, options, delay_ns)
        passes.append(Pass(lane, logic.carried, tree, total, gather))
        inputs, decode = lane.outputs[: logic.carried] + gather.outputs, logic.returned
    if stack.collapse == "max":
        passes.append(_maximum_pass(stack, inputs, decode, head, parallel, options, delay_ns))
    return Engine(stack.vertices, parallel, hit, tuple(passes))


def _widest(ports: Sequence[FixedPoint], features: int) -> list[FixedPoint]:
    """Types that hold the hardware integers of any vertex."""
    each = [ports[f::features] for f in range(features)]
    return [max(types, key=lambda t: t.width) for types in each]


def _first(scaling: InputScaling, features: int) -> InputScaling:
    """The scaling of one vertex."""
    return replace(scaling, **{k: v[:features] for k, v in vars(scaling).items()})


def _hardware(stack: Stack, scaling: InputScaling) -> Callable[[Any], tuple[Any, Any]]:
    """From hardware integers to the inputs of a vertex and its mask."""
    def decode(hardware: Any) -> tuple[Any, Any]:
        x = scaled(hardware, scaling)
        return x, x[stack.mask_feature : stack.mask_feature + 1].to_bool("any")

    return decode


class _Layer:
    """Logic of one layer, cut where it sums over the vertices.

    A lane gives what is carried on to the next one (mask, edge weights, and for direct terms the inputs), then what is
    added up, then what is maximized. Added up are the products w * p, and where the collapse follows also what was
    carried, but for what is among the products. Where that is turns out when the lane is traced, before ``finish`` is.

    Args:
        stack: that it belongs to.
        index: of the layer.
        closes: whether the collapse follows.
    """

    def __init__(self, stack: Stack, index: int, closes: bool) -> None:
        assert isinstance(stack.algebra, AggregatingLayer)
        layer = stack.layers[index]
        self._stack, self._algebra, self._cell, self._closes = stack, stack.algebra, layer.weights, closes
        self._r = Logic(stack.vertices, layer.types)
        self._direct, self._maximum = (f(layer.weights) for f in (stack.algebra.direct, stack.algebra.maximum))
        axes = stack.axes(index)
        self._aggregators, self._features = axes["aggregators"], axes["features"]
        self._inputs = axes["in"] if self._direct else 0
        self._closing: tuple[int, ...] = ()

    @property
    def carried(self) -> int:
        """Numbers that go on to the next lane."""
        return 1 + self._aggregators + self._inputs

    @property
    def _products(self) -> int:
        return self._aggregators * self._features

    def lane(self, decode: Callable[[Any], tuple[Any, Any]]) -> Head:
        """Logic of a vertex.

        Args:
            decode: from what the block is given to x and the mask.
        """

        def function(given: Any) -> Any:
            r = self._r
            x, mask = decode(given)
            w, p = self._algebra.encode(r, self._cell, x, mask)
            products = r.products(w, p)
            kept = [mask, w, *([x] if self._direct else [])]
            added = [*np.asarray(products)]
            if self._closes:
                ends = [mask, w, *([r.masked(mask, x)] if self._direct else [])]
                self._closing = _placed(added, [v for end in ends for v in np.asarray(end)])
            return np.concatenate([*kept, like(w, added), *([products] if self._maximum else [])])

        return function

    def maxima(self, rest: int) -> list[bool]:
        """Which of the values that come out of a lane behind those that are carried are maximized, not added up."""
        maximized = self._products if self._maximum else 0
        return [False] * (rest - maximized) + [True] * maximized

    def _sent(self, sums: Any) -> Any:
        """G (S, O) of sums and maxima."""
        shape = (self._aggregators, self._features)
        mean = self._r.averaged(sums[: self._products]).reshape(shape)
        maximum = sums[-self._products :].reshape(shape) if self._maximum else None
        return self._algebra.sent(self._r, self._cell, mean, maximum)

    def gather(self, sums: Any) -> Any:
        """What is sent back to the vertices."""
        return self._sent(sums).ravel()

    def finish(self, head: Head) -> Head:
        """From sums to the outputs, without a second pass over the vertices."""

        def function(sums: Any) -> Any:
            mean = self._r.averaged(sums)
            ends = like(sums, [np.asarray(mean)[i] for i in self._closing])
            s = self._aggregators
            means = (ends[:1], ends[1 + s :] if self._direct else None, ends[1 : 1 + s])
            collapsed = self._algebra.closed(self._r, self._cell, means, self._sent(sums), self._stack.collapse)
            return head(quantized(collapsed, self._stack.collapsed))

        return function

    def returned(self, given: Any) -> tuple[Any, Any]:
        """From what was carried, and what the aggregators send back, to the next layer's inputs and the mask."""
        s = self._aggregators
        mask, w = given[:1], given[1 : 1 + s]
        x, g = given[1 + s : self.carried], given[self.carried :]
        y = self._algebra.combine(self._r, self._cell, mask, x if self._direct else None, w, g.reshape(s, -1))
        return self._r.masked(mask, self._r.q("output", y)), mask.to_bool("any")


def _placed(values: list[Any], more: Sequence[Any]) -> tuple[int, ...]:
    """Places of further values in a list, to which those are added that are not in it."""
    places = []
    for value in more:
        at = next((i for i, v in enumerate(values) if v is value), len(values))
        if at == len(values):
            values.append(value)
        places.append(at)
    return tuple(places)


def _tree(
    index: int, each: Sequence[Field], parallel: int, stack: Stack, maxima: Sequence[bool], options: dict[str, Any],
    delay_ns: float,
) -> tuple[Block, Sum]:
    """What combines P lanes, and the registers that combine the beats."""

    def function(given: Any) -> Any:
        lanes = given.reshape(parallel, len(each))
        combined = [np.max(lanes[:, i], keepdims=True) if m else np.sum(lanes[:, i], keepdims=True)
                    for i, m in enumerate(maxima)]
        return np.concatenate(combined)

    tree = block(f"tree{index}", tuple(each) * parallel, function, options, delay_ns)
    beats = stack.vertices // parallel
    growth = (beats - 1).bit_length()
    fields = tuple(
        f if m or not f.bits else Field(f.bits + growth, f.signed, f.fraction)
        for f, m in zip(tree.outputs, maxima, strict=True)
    )
    return tree, Sum(fields, tuple(maxima))


def _maximum_pass(
    stack: Stack, inputs: tuple[Field, ...], decode: Callable[[Any], tuple[Any, Any]], head: Head, parallel: int,
    options: dict[str, Any], delay_ns: float,
) -> Pass:
    """The additional sweep that a maximum over the vertices takes."""
    filters, index = stack.outputs, len(stack.layers)
    lane = block(f"lane{index}", inputs, lambda given: decode(given)[0], options, delay_ns)
    tree, total = _tree(index, lane.outputs, parallel, stack, [True] * filters, options, delay_ns)
    final = block("finish", total.fields, lambda c: head(quantized(c, stack.collapsed)), options, delay_ns)
    return Pass(lane, 0, tree, total, final)


def _template(engine: Engine) -> dict[str, object]:
    """What the template needs: every pass with the clock at which its first beat enters its lanes."""
    at, passes, before = 1, [], None
    for index, p in enumerate(engine.passes):
        sums_at = at + p.lane.cycles + p.tree.cycles
        ready = sums_at + engine.beats + p.gather.cycles
        carried, rest = p.lane.outputs[: p.carried], p.lane.outputs[p.carried :]
        passes.append({
            "index": index, "lane": p.lane, "tree": p.tree, "gather": p.gather, "at": at, "sums_at": sums_at,
            "loaded_at": ready - 1, "carried_bits": sum(f.bits for f in carried),
            "lane_bits": bits(p.lane.outputs), "rest_low": sum(f.bits for f in carried),
            "lane_inputs": bits(p.lane.inputs), "tree_bits": bits(p.tree.outputs), "sum_bits": bits(p.sum.fields),
            "gather_bits": bits(p.gather.outputs), "delay": ready - at - p.lane.cycles,
            "to_lane": _to_lane(engine, p, before),
            "to_tree": wired(f"rest{index}", tuple(rest) * engine.parallel, p.tree.inputs),
            "to_gather": wired(f"sum{index}", p.sum.fields, p.gather.inputs),
            "numbers": _numbers(p),
        })
        at, before = ready, p
    return {"engine": engine, "passes": passes, "hit_bits": sum(f.bits for f in engine.hit),
            "beats": engine.beats, "parallel": engine.parallel, "outputs": bits(engine.outputs), "done_at": at}


def _to_lane(engine: Engine, p: Pass, before: Pass | None) -> str:
    if before is None:
        return wired("hit", engine.hit, p.lane.inputs)
    given = before.lane.outputs[: before.carried] + before.gather.outputs
    return wired("given", given, p.lane.inputs)


def _numbers(p: Pass) -> list[dict[str, object]]:
    """Places and formats of each number in the tree's outputs and in the sums."""
    out: list[dict[str, object]] = []
    low = sum_low = 0
    for t, s, m in zip(p.tree.outputs, p.sum.fields, p.sum.maximum, strict=True):
        if t.bits:
            out.append({"low": low, "high": low + t.bits - 1, "sum_low": sum_low, "sum_high": sum_low + s.bits - 1,
                        "signed": t.signed, "maximum": m, "bits": t.bits, "sum_bits": s.bits})
        low, sum_low = low + t.bits, sum_low + s.bits
    return out
