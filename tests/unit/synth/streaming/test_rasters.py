"""Every place of every window is found at its clock, in its lane, and known to be inside the image or not."""

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from l1trigger.convert.geometry import Windows
from l1trigger.errors import DesignError
from l1trigger.synth.streaming.rasters import Raster, narrowing, sweep


def clock(image, y, x):
    """Clock and lane of a pixel, as the module states it."""
    return image.start + y * image.row + (x // image.lanes) * image.step, x % image.lanes


@st.composite
def cases(draw):
    height, width = draw(st.integers(1, 7)), draw(st.integers(1, 12))
    size = (draw(st.integers(1, min(4, height))), draw(st.integers(1, min(4, width))))
    stride = (draw(st.integers(1, 3)), draw(st.integers(1, 4)))
    same = draw(st.booleans())
    if same:
        out = (-(-height // stride[0]), -(-width // stride[1]))
        needed = [max((o - 1) * s + k - n, 0) for o, s, k, n in zip(out, stride, size, (height, width), strict=True)]
        before = (needed[0] // 2, needed[1] // 2)
    else:
        out = ((height - size[0]) // stride[0] + 1, (width - size[1]) // stride[1] + 1)
        before = (0, 0)
    lanes, step = draw(st.integers(1, width)), draw(st.integers(1, 3))
    row = -(-width // lanes) * step + draw(st.integers(0, 2))
    image = Raster(height, width, (), lanes, draw(st.integers(1, 5)), row, step)
    return image, Windows(size, stride, before, (height, width), out)


@given(cases())
def test_places_of_windows(case):
    image, where = case
    fits = image.groups == 1 or image.lanes % where.stride[1] == 0 or where.stride[1] % image.lanes == 0
    assume(fits)
    found = sweep(image, 0, where, "layer")
    out = Raster(*where.out, (), found.lanes, found.at, found.row, found.step)
    for y in range(where.out[0]):
        for x in range(where.out[1]):
            at, lane = clock(out, y, x)
            for place, tap in enumerate(found.taps[lane]):
                row = y * where.stride[0] + place // where.size[1] - where.before[0]
                column = x * where.stride[1] + place % where.size[1] - where.before[1]
                inside = 0 <= row < image.height and 0 <= column < image.width
                known = tap is not None and all(
                    span is None or span[0] <= n <= span[1]
                    for span, n in ((tap.rows, y), (tap.clocks, at - out.start - y * out.row))
                )
                assert known == inside
                if inside:
                    assert tap.delay >= 0
                    assert (at - tap.delay, tap.lane) == clock(image, row, column)


@given(cases())
def test_rows_do_not_run_into_each_other(case):
    """Nor events, whatever follows: an output is there no later after its newest pixel than a row takes."""
    image, where = case
    assume(image.groups == 1 or image.lanes % where.stride[1] == 0 or where.stride[1] % image.lanes == 0)
    found = sweep(image, 0, where, "layer")
    out = Raster(*where.out, (), found.lanes, found.at, found.row, found.step)
    assert (out.groups - 1) * out.step < out.row
    assert out.end - out.start <= image.end - image.start


@given(st.integers(1, 30), st.integers(1, 8), st.integers(0, 20))
def test_narrowing(width, lanes, idle):
    """Every pixel is found where it waits, and lanes are as few as fit into a row."""
    lanes = min(lanes, width)
    wide = Raster(3, width, (), lanes, 5, -(-width // lanes) + idle)
    found = narrowing(wide, ())
    fit = [n for n in range(1, lanes + 1) if lanes % n == 0 and -(-width // n) <= wide.row]
    assert (found.image.lanes if found else lanes) == min(fit)
    if found:
        for x in range(width):
            at, lane = clock(found.image, 1, x)
            source, late = found.read(lane)[at - found.image.start - found.image.row]
            assert 0 <= late < found.depth
            # One clock in the first register of the chain, one in the register behind.
            assert (at - 2 - late, lane + source * found.image.lanes) == clock(wide, 1, x)


def test_strides_that_follow_go_with_fewer_lanes():
    wide = Raster(3, 12, (), 6, 1, 9)
    assert narrowing(wide, ()).image.lanes == narrowing(wide, (2, 3)).image.lanes == 2
    assert narrowing(wide, (3,)).image.lanes == 3
    assert narrowing(Raster(3, 12, (), 6, 1, 2), ()) is None


def test_lanes_that_do_not_go_with_a_stride():
    image = Raster(4, 12, (), 3, 1, 4)
    with pytest.raises(DesignError, match=r"synth.pixels_per_clock: 3 columns come at once at the layer pool.*take 1"):
        sweep(image, 0, Windows((2, 2), (2, 2), (0, 0), (4, 12), (2, 6)), "pool")
