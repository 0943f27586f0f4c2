"""What ``firmware/rtl/images.v.j2`` needs of an engine."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from l1trigger.synth.blocks import bits, wired
from l1trigger.synth.rtl import Field
from l1trigger.synth.streaming.rasters import Span, Tap

if TYPE_CHECKING:
    from l1trigger.synth.streaming.images_rtl import Engine, Unit

_FLAG = Field(1, False, 0)


def values(engine: Engine) -> dict[str, object]:
    """What the template needs."""
    image = engine.units[engine.last].image
    given = image.fields * (image.height * image.width) + engine.features
    return {
        "engine": engine, "pixel_bits": bits(engine.pixel), "port_bits": bits(engine.port),
        "outputs": bits(engine.outputs), "done_at": engine.cycles,
        "units": [_unit(engine, number) for number in range(len(engine.units))],
        "lines": [_line(engine, source, lane, delays) for (source, lane), delays in engine.lines.items()],
        "counters": _counters(engine),
        "image": {
            "source": engine.last, "groups": image.height * image.groups, "bits": bits(image.fields) * image.lanes,
            "lanes": image.lanes,
        },
        "to_head": _to_head(engine), "loaded": _token(engine.cycles - 1),
        "feature_bits": sum(f.bits for f in engine.features), "wait": engine.whole - 1,
        "head_bits": bits(given), "head_wired": wired("given_head", given, engine.head.inputs),
    }


def _unit(engine: Engine, number: int) -> dict[str, object]:
    unit = engine.units[number]
    lanes = []
    for lane, taps in enumerate(unit.taps):
        if number == 0:
            given, parts = list(engine.pixel), [f"beat[{lane * bits(engine.pixel)} +: {bits(engine.pixel)}]"]
        else:
            given, parts = _given(engine, unit, number, taps)
        lanes.append({
            "number": lane, "given_bits": bits(given), "parts": ", ".join(reversed(parts)) or "1'b0",
            "wired": wired(f"given{number}_{lane}", given, unit.block.inputs),
        })
    return {
        "number": number, "block": unit.block, "bits": bits(unit.block.outputs), "lanes": lanes,
        "made": "wide" if unit.narrowing else "image", "narrowing": _narrowing(unit) if unit.narrowing else None,
    }


def _narrowing(unit: Unit) -> dict[str, object]:
    """Lanes after narrowing, each with the wide lanes that it takes."""
    narrowing = unit.narrowing
    assert narrowing is not None
    lanes = range(narrowing.image.lanes)
    return {
        "depth": narrowing.depth, "lanes": [range(j, narrowing.wide.lanes, narrowing.image.lanes) for j in lanes],
        "delay_bits": [_width([delay for _, delay in narrowing.read(j)]) for j in lanes],
    }


def _width(values: Sequence[int]) -> int:
    return max(max(values).bit_length(), 1)


def _tables(number: int, unit: Unit) -> dict[str, tuple[int, str]]:
    """Registers that say which lane is taken and how late, with their bits, by the clock of the row."""
    narrowing = unit.narrowing
    assert narrowing is not None
    tables = {}
    for lane in range(narrowing.image.lanes):
        for kind, values in zip(("lane", "delay"), zip(*narrowing.read(lane), strict=True), strict=True):
            width = _width(values)
            content = sum(v << (clock * width) for clock, v in enumerate(values))
            tables[f"{kind}{number}_{lane}"] = (width, f"{len(values) * width}'h{content:x}")
    return tables


def _given(engine: Engine, unit: Unit, number: int, taps: Sequence[Tap | None]) -> tuple[list[Field], list[str]]:
    """Formats of all that a copy is given, and the wires of it, lowest first."""
    given: list[Field] = []
    parts: list[str] = []
    for place, tap in enumerate(taps):
        known = tap or next((t[place] for t in unit.taps if t[place]), None)
        if known is None:
            continue
        fields = engine.units[known.source].image.fields
        given += fields
        if any(f.bits for f in fields):
            parts.append(line(tap.source, tap.lane, tap.delay) if tap else f"{bits(fields)}'b0")
    for place in unit.flagged:
        given.append(_FLAG)
        tap = taps[place]
        parts.append("1'b0" if tap is None else "1'b1" if tap.always else flag(number, tap))
    return given, parts


def line(source: int, lane: int, delay: int) -> str:
    """Name of a lane of a unit's image, some clocks later."""
    return f"image{source}_{lane}" if delay == 0 else f"image{source}_{lane}_after{delay}"


def _line(engine: Engine, source: int, lane: int, delays: Sequence[int]) -> dict[str, Any]:
    ends = [d for d in delays if d]
    return {
        "bits": bits(engine.units[source].image.fields),
        "pieces": [
            {"from": line(source, lane, a), "to": line(source, lane, b), "clocks": b - a}
            for a, b in zip([0, *ends], ends, strict=False)
        ],
    }


def flag(number: int, tap: Tap) -> str:
    """Name of the register that tells whether a tap is inside."""
    words = [f"{kind}{span[0]}to{span[1]}" for kind, span in (("r", tap.rows), ("c", tap.clocks)) if span]
    return f"inside{number}_{'_'.join(words)}"


def _counters(engine: Engine) -> list[dict[str, object]]:
    """Counters of rows and clocks within a row, and the registers that are made of them, one clock behind."""
    counters = []
    for number, unit in enumerate(engine.units):
        flags = {flag(number, t): _condition(number, t.rows, t.clocks)
                 for taps in unit.taps for t in taps if t and not t.always}
        if flags:
            counters.append(_counter(str(number), unit.at, unit.made.row, unit.made.height, flags))
        if unit.narrowing:
            # One clock later than the pixels themselves, which wait for one at least.
            made = unit.made
            counters.append(_counter(f"{number}n", made.start + 1, made.row, made.height, {}, _tables(number, unit)))
    image = engine.units[engine.last].image
    clocks = [f"clock_head == {g * image.step}" for g in range(image.groups)]
    if image.step == 1:
        clocks = [f"clock_head <= {image.groups - 1}"]
    fill = f"row_head <= {image.height - 1} && ({' || '.join(clocks)})"
    counters.append(_counter("head", image.start, image.row, image.height, {"fill": fill}))
    return counters


def _counter(
    name: str, at: int, row: int, height: int, flags: dict[str, str], tables: dict[str, tuple[int, str]] | None = None
) -> dict[str, object]:
    return {
        "name": name, "start": _token(at - 2), "last": row - 1, "clock_bits": max((row - 1).bit_length(), 1),
        "row_bits": height.bit_length(), "flags": flags, "tables": tables or {},
    }


def _condition(number: int, rows: Span | None, clocks: Span | None) -> str:
    parts = []
    for kind, span in (("row", rows), ("clock", clocks)):
        if span:
            parts.append(f"{kind}_{number} >= {span[0]} && {kind}_{number} <= {span[1]}")
    return " && ".join(parts)


def _token(clock: int) -> str:
    """What is 1 at a clock after the first beat of an event."""
    return f"token[{clock - 1}]" if clock else "model_inp[0]"


def _to_head(engine: Engine) -> str:
    """Pixels of the whole image in order, without those that fill up its rows."""
    image = engine.units[engine.last].image
    pixel = bits(image.fields)
    places = [
        ((y * image.groups + x // image.lanes) * image.lanes + x % image.lanes) * pixel
        for y in range(image.height) for x in range(image.width)
    ]
    return "{" + ", ".join(f"whole[{p + pixel - 1}:{p}]" for p in reversed(places)) + "}"
