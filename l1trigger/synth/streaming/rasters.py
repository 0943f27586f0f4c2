"""At which clock each pixel of an image comes, and where a window finds its pixels: the timing of the engine.

Nothing waits for anything: pixel (y, x) of a raster is in lane x % lanes at clock

    start + y * row + (x // lanes) * step

after its event's first beat, so that every pixel of a window is found a constant number of clocks behind the newest
one. A line buffer is a chain of registers that never stops. Where strides thin an image out its rows stay as far apart
as they were, and the buffer holds what passes in between as well; in an FPGA shift registers up to 32 clocks long cost
the same, so that this is free at the sizes of trigger images and saves all control.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from l1trigger.convert.geometry import Windows
from l1trigger.errors import DesignError
from l1trigger.synth.rtl import Field

Span = tuple[int, int]
"""First and last, both included."""


@dataclass(frozen=True)
class Raster:
    """An image as it passes.

    Attributes:
        height, width: of the image.
        fields: formats of a pixel's channels.
        lanes: neighbouring columns that come at the same clock.
        start: clock of the first pixels, counted from the event's first beat at the port.
        row: clocks from a row to the next.
        step: clocks from a group of columns to the next.
    """

    height: int
    width: int
    fields: tuple[Field, ...]
    lanes: int
    start: int
    row: int
    step: int = 1

    @property
    def groups(self) -> int:
        """Groups of columns in a row; the last may be filled up with columns that do not count."""
        return -(-self.width // self.lanes)

    @property
    def end(self) -> int:
        """Clock of the last pixels."""
        return self.start + (self.height - 1) * self.row + (self.groups - 1) * self.step


@dataclass(frozen=True)
class Tap:
    """Where one place of a window is found.

    Attributes:
        source: number of the block that gives the image.
        lane: of that image.
        delay: clocks that its pixel has to wait.
        rows, clocks: rows of the output, and clocks within a row, in which the place lies inside the image; None where
            it always does.
    """

    source: int
    lane: int
    delay: int
    rows: Span | None = None
    clocks: Span | None = None

    @property
    def always(self) -> bool:
        """Whether the place lies inside the image for all outputs."""
        return self.rows is None and self.clocks is None


@dataclass(frozen=True)
class Narrowing:
    """How an image with idle clocks in its rows is brought to fewer lanes, which saves copies of what follows.

    Attributes:
        wide: the image as it is.
        image: the same in fewer lanes, a divisor of those before, two clocks later.
    """

    wide: Raster
    image: Raster

    def read(self, lane: int) -> list[tuple[int, int]]:
        """Which of its wide lanes a lane takes at each clock of a row, counted among its own; and how late (clock)."""
        reads = []
        for clock in range(self.image.row):
            x = min(clock, self.image.groups - 1) * self.image.lanes + lane
            group, source = divmod(x, self.wide.lanes)
            reads.append((source // self.image.lanes, min(clock, self.image.groups - 1) - group))
        return reads

    @property
    def depth(self) -> int:
        """Clocks that a pixel waits at most."""
        return 1 + max(delay for lane in range(self.image.lanes) for _, delay in self.read(lane))


def narrowing(wide: Raster, strides: Sequence[int]) -> Narrowing | None:
    """The fewest lanes that an image fits into, None where it has the fewest already.

    Args:
        wide: the image.
        strides: horizontal ones of all that follows, in order, which have to go with the lanes.
    """
    for lanes in range(1, wide.lanes):
        if wide.lanes % lanes == 0 and -(-wide.width // lanes) <= wide.row and _go(lanes, strides):
            return Narrowing(wide, replace(wide, lanes=lanes, start=wide.start + 2))
    return None


def _go(lanes: int, strides: Sequence[int]) -> bool:
    """Whether strides, one after the other, go with lanes."""
    for stride in strides:
        if lanes % stride and stride % lanes:
            return False
        lanes = max(lanes // stride, 1)
    return True


@dataclass(frozen=True)
class Sweep:
    """How windows move over an image.

    Attributes:
        at: clock at which the first windows are complete.
        taps: for each lane of the output, each place of a window; None for places that never lie inside.
        lanes, row, step: of the output.
    """

    at: int
    taps: tuple[tuple[Tap | None, ...], ...]
    lanes: int
    row: int
    step: int


def sweep(image: Raster, source: int, where: Windows, name: str) -> Sweep:
    """How the windows of a layer move over an image.

    Args:
        image: what the layer is given.
        source: number of the block that gives it.
        where: the layer's windows.
        name: of the layer, for the message.

    Raises:
        DesignError: lanes and stride do not fit together.
    """
    lanes, step = _rate(image, where, name)
    row = image.row * where.stride[0]
    places = [[_place(image, where, (lanes, step), j, k) for k in range(where.size[0] * where.size[1])]
              for j in range(lanes)]
    newest = max([0, *(place[1] for each in places for place in each if place)])
    taps = tuple(
        tuple(Tap(source, p[0], newest - p[1], p[2], p[3]) if p else None for p in each) for each in places
    )
    return Sweep(image.start + newest, taps, lanes, row, step)


def _rate(image: Raster, where: Windows, name: str) -> tuple[int, int]:
    """Lanes of the output, and clocks between its groups."""
    stride, columns = where.stride[1], where.out[1]
    if image.groups == 1:
        return columns, 1
    if image.lanes % stride == 0:
        return min(image.lanes // stride, columns), image.step
    if stride % image.lanes == 0:
        return 1, image.step * stride // image.lanes
    raise DesignError(
        None, "synth.pixels_per_clock", f"{image.lanes} columns come at once at the layer {name}, which do not go with "
        f"its stride of {stride}", "take 1, or as many pixels as make the columns a multiple of the stride there",
    )


def _place(
    image: Raster, where: Windows, rate: tuple[int, int], lane: int, place: int
) -> tuple[int, int, Span | None, Span | None] | None:
    """Lane and clock of one place of a window, the clock counted from the window's origin; and where it is inside."""
    lanes, step = rate
    down, right = place // where.size[1] - where.before[0], place % where.size[1] - where.before[1]
    columns = range(lane, where.out[1], lanes)
    rows = [y for y in range(where.out[0]) if 0 <= y * where.stride[0] + down < image.height]
    groups = [g for g, x in enumerate(columns) if 0 <= x * where.stride[1] + right < image.width]
    if not rows or not groups:
        return None
    group, source_lane = divmod(lane * where.stride[1] + right, image.lanes)
    inside_rows = None if len(rows) == where.out[0] else (rows[0], rows[-1])
    inside_clocks = None if len(groups) == len(columns) else (groups[0] * step, groups[-1] * step)
    return source_lane, down * image.row + group * image.step, inside_rows, inside_clocks
