"""Figures of the HLS route: each under the source that made it, whole design first, then its functions."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from l1trigger.catalogue import PERCENT
from l1trigger.figures import Figure, FigureMaker, Source
from l1trigger.synth.vendor_tools.reading import RESOURCES, STEPS, LeftOut, Reading, Step, VendorResult
from l1trigger.synth.vendor_tools.vivado import distance

EXPECTED: Mapping[Step, tuple[str, ...]] = {
    "csynth": ("latency_cycles", "latency_ns", "initiation_interval", "estimated_clock_ns",
               *(r for r in RESOURCES if r != "srl")),
    "cosim": ("cosim_pass", "latency_cycles", "latency_ns", "initiation_interval"),
    "vsynth": (*RESOURCES, "slack_ns", "achieved_clock_ns"),
    "route": (*RESOURCES, "slack_ns", "achieved_clock_ns", "hold_slack_ns", "power_w", "dynamic_power_w",
              "static_power_w"),
}
"""What a step is asked for; what its reports do not say is a figure without value."""

_OPTIONAL = ("power_w", "dynamic_power_w", "static_power_w")
"""What a step may tell though nobody asks it."""

_MODULES = 40
"""Most functions per step that figures are made of, the largest first; a large design has thousands of instances."""

_TIMING, _POWER = ("slack_ns", "achieved_clock_ns", "hold_slack_ns"), ("power_w", "dynamic_power_w", "static_power_w")
_FROM = {**dict.fromkeys(_TIMING, "report_timing_summary"), **dict.fromkeys(_POWER, "report_power")}
_TOLD_BY: Mapping[str, tuple[str, ...]] = {
    "utilization": RESOURCES, "hierarchy": RESOURCES, "timing": _TIMING, "power": _POWER,
    "export": (*RESOURCES, "slack_ns", "achieved_clock_ns"),
}
"""What reports of a kind tell, where it is not all that their step is asked for."""


def vendor_figures(result: VendorResult, part: str | None = None, clock_ns: float | None = None) -> list[Figure]:
    """All figures of the HLS route.

    Args:
        result: what the reports say.
        part: FPGA, where no report names one.
        clock_ns: clock period, where no report names one [ns].
    """
    part, clock_ns = result.part or part, result.clock_ns or clock_ns
    # All reports are of one part; those that do not say what it holds go by those that do.
    available = {name: holds for r in reversed(result.readings) for name, holds in r.available.items()}
    unread = [x for x in result.left_out if x.kind]
    return [
        f.model_copy(update={"part": part, "clock_ns": clock_ns})
        for step in STEPS if result.of(step) or any(x.step == step for x in unread)
        for f in _of_step(step, result.of(step), unread, clock_ns, available)
    ]


def _of_step(
    step: Step, readings: Sequence[Reading], unread: Sequence[LeftOut], clock_ns: float | None,
    available: Mapping[str, float],
) -> Iterator[Figure]:
    telling: dict[str, Reading] = {}
    for r in readings:
        for name, value in r.values.items():
            if value is not None:
                telling.setdefault(name, r)
    for name in (*EXPECTED[step], *(n for n in _OPTIONAL if n in telling and n not in EXPECTED[step])):
        source = telling.get(name)
        if source is None and step == "cosim" and name == "latency_ns" and "latency_cycles" in telling and clock_ns:
            source = telling["latency_cycles"]
            value = source.values["latency_cycles"]
            assert value is not None
            yield _figure(name, value * clock_ns, source)
        elif source is None:
            yield from _missing(name, step, readings, unread)
        else:
            yield _figure(name, source.values[name], source)
            holds = available.get(name)
            value = source.values[name]
            if holds and value is not None:
                yield _figure(name + PERCENT, 100 * value / holds, source, device_total=holds)
    yield from _modules(readings)


def _figure(name: str, value: float | None, reading: Reading, **conditions: str | float) -> Figure:
    more: dict[str, str | float | int] = {"report": reading.file, **conditions}
    if reading.state and distance(reading.state) > 0:
        more["design_state"] = reading.state
    if name == "latency_cycles":
        more["counted"] = "cycles from start to result, worst case"
    if name == "latency_ns":
        more["computed_as"] = "cycles times the clock period that was asked for" + (
            ", or the estimated one where that is longer" if reading.step == "csynth" else "")
    if name == "cosim_pass" and not value:
        more["because"] = "the RTL did not give what the C++ gives; the tool's log says where"
    return _maker(reading)(name, value, conditions=more)


def _missing(name: str, step: Step, readings: Sequence[Reading], unread: Sequence[LeftOut]) -> Iterator[Figure]:
    """A figure without value, and why; where a report that cannot be read may tell it, the figure names that report."""
    make = _maker(readings[0]) if readings else FigureMaker(None, Source(step), None)
    lost = next((x for x in unread if x.step in {step, None} and name in _TOLD_BY.get(x.kind, EXPECTED[step])), None)
    if lost:
        for each in (name, name + PERCENT) if name in RESOURCES else (name,):
            yield make(each, None, f"{lost.file} cannot be read", report=lost.file)
        return
    reason = next((r.reasons[name] for r in readings if name in r.reasons), None)
    absent = f"there is no {_FROM[name]} of this step" if name in _FROM else f"the reports of {step} do not say"
    yield make(name, None, reason or absent)


def _maker(reading: Reading) -> FigureMaker:
    return FigureMaker(None, Source(reading.step), reading.tool)


def _modules(readings: Sequence[Reading]) -> Iterator[Figure]:
    """Figures of the functions inside, those that take most first."""
    reading = max(readings, key=lambda r: len(r.modules), default=None)
    if reading is None:
        return
    size = {name: sum(counts.get(r) or 0 for r in RESOURCES) for name, counts in reading.modules.items()}
    for module in sorted(size, key=lambda name: -size[name])[:_MODULES]:
        for name, value in reading.modules[module].items():
            if value is not None and (name in RESOURCES or name in {"latency_cycles", "initiation_interval"}):
                yield _maker(reading)(name, value, module=module, report=reading.file)
