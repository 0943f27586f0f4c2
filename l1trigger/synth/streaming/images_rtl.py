"""The streaming engine of a convolutional network: P neighbouring pixels per clock, and a head once per event.

    beat ─► pixel ×P ─► line buffer ─► window ×P ─► line buffer ─► window ×P/2 ─► … ─► whole image ─► head ─► decision

Every block is pipelined logic of its own, with one copy for each lane of the image that it gives. All clocks are known
(``rasters``): a delayed token starts the counters that tell pixels inside an image from those outside, and says when
the head has its image. There is no other state, so that events may follow each other as fast as their pixels enter.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from l1trigger.convert.geometry import below_everything
from l1trigger.convert.graph import GraphLayer
from l1trigger.errors import DesignError
from l1trigger.fixed_point import FixedPoint
from l1trigger.synth import layers as logic
from l1trigger.synth.blocks import Block, bits, block, field
from l1trigger.synth.rtl import Field
from l1trigger.synth.streaming import template
from l1trigger.synth.streaming.plan import Part, Plan, one_pixel
from l1trigger.synth.streaming.rasters import Narrowing, Raster, Sweep, Tap, narrowing, sweep

Arrays = Callable[[Any], Any]
"""From alkaid's array of what a block is given to what it gives."""
FLAG = Field(1, False, 0)


@dataclass(frozen=True)
class Unit:
    """A block and its copies.

    Attributes:
        block: logic of one pixel of the output.
        at: clock at which it is given the first pixels.
        taps: for each copy, where it finds the pixels that it is given; None for places that are never inside.
        flagged: places for which it is told whether they are inside.
        image: that it gives.
        narrowing: how that gets fewer lanes than there are copies; None where it does not.
    """

    block: Block
    at: int
    taps: tuple[tuple[Tap | None, ...], ...]
    flagged: tuple[int, ...]
    image: Raster
    narrowing: Narrowing | None = None

    @property
    def made(self) -> Raster:
        """What the copies give."""
        return self.narrowing.wide if self.narrowing else self.image


@dataclass(frozen=True)
class Engine:
    """A streaming engine.

    Attributes:
        shape: height, width and channels of an event.
        parallel: columns of one row per clock, P; the last beat of a row is filled up.
        pixel: formats of one pixel's hardware integers.
        features: formats of hardware integers that enter beside the first beat, for the head.
        image, others: which of an event's hardware integers are pixels, and which features.
        units: in order; the first is given pixels of the port.
        last: number of the unit that gives the head its image.
        head: what follows once per event.
    """

    shape: tuple[int, int, int]
    parallel: int
    pixel: tuple[Field, ...]
    features: tuple[Field, ...]
    image: slice
    others: slice
    units: tuple[Unit, ...]
    last: int
    head: Block

    source: ClassVar[str] = "images.v.j2"
    around: ClassVar[str] = "line buffers and image"

    @property
    def beats(self) -> int:
        """Clocks that an event takes to enter: the initiation interval."""
        return self.shape[0] * -(-self.shape[1] // self.parallel)

    @property
    def port(self) -> tuple[Field, ...]:
        """Formats of the numbers of a beat."""
        return self.pixel * self.parallel + self.features

    @property
    def outputs(self) -> tuple[Field, ...]:
        """Formats of the outputs."""
        return self.head.outputs

    @property
    def whole(self) -> int:
        """Clock at which the head is given its image."""
        return self.units[self.last].image.end + 1

    @property
    def cycles(self) -> int:
        """Clock cycles from the first beat at the port to the outputs, input and output registers included."""
        return self.whole + self.head.cycles

    @property
    def blocks(self) -> list[tuple[Block, int]]:
        """Every block, and how many copies of it there are."""
        return [*((u.block, len(u.taps)) for u in self.units), (self.head, 1)]

    @property
    def path(self) -> list[Block]:
        """The blocks that an event goes through, one after the other."""
        blocks, number = [self.head], self.last
        while True:
            unit = self.units[number]
            blocks.append(unit.block)
            if number == 0:
                return blocks[::-1]
            tap = min((t for taps in unit.taps for t in taps if t), key=lambda t: t.delay)
            number = tap.source

    @cached_property
    def lines(self) -> dict[tuple[int, int], list[int]]:
        """Delays that are needed of each lane of each unit's image, in order."""
        delays: dict[tuple[int, int], set[int]] = {}
        for unit in self.units[1:]:
            for tap in (t for taps in unit.taps for t in taps if t):
                delays.setdefault((tap.source, tap.lane), set()).add(tap.delay)
        return {k: sorted(v) for k, v in sorted(delays.items())}

    @property
    def register_bits(self) -> int:
        """Bits of all registers: of blocks, line buffers, the head's image, the input and the token."""
        inner = sum(copies * b.register_bits for b, copies in self.blocks)
        buffers = sum(delays[-1] * bits(self.units[source].image.fields) for (source, _), delays in self.lines.items())
        image = self.units[self.last].image
        whole = image.height * image.groups * image.lanes * bits(image.fields)
        narrowed = [(u.narrowing, bits(u.image.fields)) for u in self.units if u.narrowing]
        buffers += sum(n * (buffer.depth * buffer.wide.lanes + buffer.image.lanes) for buffer, n in narrowed)
        waiting = sum(f.bits for f in self.features) * (self.whole - 1)
        return inner + buffers + whole + waiting + bits(self.port) + self.cycles

    @property
    def lut(self) -> float:
        """Look-up tables by alkaid's cost model, without line buffers."""
        return sum(b.lut * copies for b, copies in self.blocks)

    def rows(self, inputs: NDArray[Any]) -> NDArray[Any]:
        """Beats of events (events, beats, numbers), from hardware integers whose first axis is events."""
        height, width, channels = self.shape
        flat = inputs.reshape(len(inputs), -1)
        image = flat[:, self.image].reshape(len(inputs), height, width, channels)
        filled = np.pad(image, ((0, 0), (0, 0), (0, -width % self.parallel), (0, 0)))
        features = np.zeros((len(inputs), self.beats, len(self.features)), inputs.dtype)
        features[:, 0] = flat[:, self.others]
        return np.concatenate([filled.reshape(len(inputs), self.beats, -1), features], axis=2)

    def values(self) -> dict[str, object]:
        """What the template needs."""
        return template.values(self)


@dataclass(frozen=True)
class Ports:
    """What enters the engine.

    Attributes:
        pixel, features: types of the hardware integers of one pixel, and of what enters beside the image.
        scale_pixel, scale_features: from these to network inputs.
    """

    pixel: tuple[FixedPoint, ...]
    features: tuple[FixedPoint, ...]
    scale_pixel: Arrays
    scale_features: Arrays


def build(
    plan: Plan, ports: Ports, decide: Arrays, parallel: int, options: dict[str, Any], delay_ns: float
) -> Engine:
    """The engine of a divided network.

    Args:
        plan: the network.
        ports: hardware integers, and how they become network inputs.
        decide: from network outputs to the outputs of the engine.
        parallel: pixels per clock.
        options: of alkaid's solver.
        delay_ns: most estimated delay of one pipeline stage [ns].

    Raises:
        DesignError: so many pixels per clock do not go with the image or with a stride.
        UnsupportedLayerError: a layer does not treat all pixels alike.
    """
    height, width, channels = shape = (*plan.parts[0].shape[:2], len(ports.pixel))
    if parallel > width:
        raise DesignError(
            None, "synth.pixels_per_clock", f"{parallel} are more than the {width} columns of a row",
            "take at most as many; they belong to one row",
        )
    pixel, features = tuple(map(field, ports.pixel)), tuple(map(field, ports.features))
    groups = -(-width // parallel)
    first = block(_name(plan.parts[0]), pixel, _first(plan.parts[0], ports.scale_pixel, channels), options, delay_ns)
    units = [Unit(first, 1, ((),) * parallel, (), Raster(
        height, width, first.outputs, parallel, 1 + first.cycles, groups))]
    for number, part in enumerate(plan.parts[1:], 1):
        unit = _unit(part, units, options, delay_ns)
        units.append(unit if number == plan.last else _narrowed(unit, plan.parts[number + 1 :]))
    image = units[plan.last].image
    given = image.fields * (image.height * image.width) + features
    head = block("head", given, _head(plan, image, ports, decide), options, delay_ns)
    return Engine(shape, parallel, pixel, features, plan.image, plan.features, tuple(units), plan.last, head)


def _name(part: Part) -> str:
    """A Verilog name."""
    return "".join(c if c.isalnum() else "_" for c in part.name) + "_lane"


def _first(part: Part, scale: Arrays, channels: int) -> Arrays:
    return lambda given: _by_pixel(part.layers[1:], scale(given), channels)


def _by_pixel(layers: Sequence[GraphLayer], x: Any, channels: int) -> Any:
    """Outputs of layers that work on single pixels."""
    for layer in layers:
        one = one_pixel(layer, channels)
        x = logic.logic(one, [x.reshape(1, 1, channels)]).ravel()
        channels = len(x)
    return x


def _unit(part: Part, units: Sequence[Unit], options: dict[str, Any], delay_ns: float) -> Unit:
    """The block of a part with its copies, given those before it."""
    sources = [units[s].image for s in part.sources]
    motion = _meeting(sources, part.sources, part.name) if part.where is None else sweep(
        sources[0], part.sources[0], part.where, part.name)
    places = range(len(motion.taps[0]))
    never = [k for k in places if all(t[k] is None for t in motion.taps)]
    flagged = tuple(k for k in places if k not in never and not all(_always(t[k]) for t in motion.taps))
    given = [sources[0 if part.where else k].fields for k in places]
    inputs = tuple(f for k in places if k not in never for f in given[k])
    function = _windowed(part, [len(g) for g in given], never, flagged)
    made = block(_name(part), (*inputs, *(FLAG,) * len(flagged)), function, options, delay_ns)
    image = Raster(
        part.shape[0], part.shape[1], made.outputs, motion.lanes, motion.at + made.cycles, motion.row, motion.step
    )
    return Unit(made, motion.at, motion.taps, flagged, image)


def _narrowed(unit: Unit, following: Sequence[Part]) -> Unit:
    """A unit whose image comes in no more lanes than it needs."""
    fewer_lanes = narrowing(unit.image, [p.where.stride[1] for p in following if p.where])
    return replace(unit, image=fewer_lanes.image, narrowing=fewer_lanes) if fewer_lanes else unit


def _always(tap: Tap | None) -> bool:
    return tap is not None and tap.always


def _meeting(images: Sequence[Raster], numbers: Sequence[int], name: str) -> Sweep:
    """How pixels of several images meet: the earlier ones wait."""
    first = images[0]
    if any((i.lanes, i.row, i.step) != (first.lanes, first.row, first.step) for i in images):
        raise DesignError(
            None, "synth.pixels_per_clock", f"the images that meet in {name} come at different rates",
            "take 1, or leave it out for fully parallel RTL",
        )
    at = max(i.start for i in images)
    taps = tuple(
        tuple(Tap(number, lane, at - i.start) for i, number in zip(images, numbers, strict=True))
        for lane in range(first.lanes)
    )
    return Sweep(at, taps, first.lanes, first.row, first.step)


def _windowed(part: Part, channels: Sequence[int], never: Sequence[int], flagged: Sequence[int]) -> Arrays:
    """Logic of a part, from the pixels that it is given and the flags behind them."""
    first = one_pixel(part.layers[0], channels[0])
    outside = 0.0 if part.zeros else below_everything(first)

    def function(given: Any) -> Any:
        pixels, at = [], 0
        for place, n in enumerate(channels):
            if place in never:
                pixels.append(np.repeat(given[:1] * 0.0 + outside, n))
                continue
            pixel, at = given[at : at + n], at + n
            if place in flagged:
                number = len(given) - len(flagged) + flagged.index(place)
                inside = given[number : number + 1].to_bool("any")
                pixel = np.where(np.repeat(inside, n), pixel, outside)
            pixels.append(pixel)
        if part.where is not None:
            x = logic.logic(first, [np.concatenate(pixels).reshape(*part.where.size, channels[0])])
        else:
            x = logic.logic(first, [p.reshape(*first.shape[:-1], len(p)) for p in pixels])
        return _by_pixel(part.layers[1:], x.ravel(), x.size)

    return function


def _head(plan: Plan, image: Raster, ports: Ports, decide: Arrays) -> Arrays:
    """Logic behind the last image."""

    def function(given: Any) -> Any:
        end = len(given) - len(ports.features)
        x = given[:end].reshape(image.height, image.width, len(image.fields))
        features = ports.scale_features(given[end:]) if ports.features else None
        output = logic.network(plan.head, features, dict.fromkeys(plan.names, x))[0] if plan.head else x
        return decide(output.ravel())

    return function
