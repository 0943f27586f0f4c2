"""The catalogue of figures: every number that a report may hold, under its name.

One entry says what a figure is called, its unit, which way is better, how it is printed and where it is shown; tables,
tiles, pictures, comparisons, baselines and budgets read it here. Three families follow by rule: ``NAME_percent`` is the
share of the device that a resource takes, ``hls_NAME`` the estimate for the HLS route, ``post_training_NAME`` the
headline figure of the network quantized after training.

Another package adds figures by an entry point of the group ``l1trigger.figures``; see ``report.additions``.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from functools import cache
from importlib.metadata import entry_points
from types import MappingProxyType
from typing import Any, Literal

from l1trigger.errors import L1TriggerError, UnknownFigureError, nearest


class Better(StrEnum):
    """Which way a figure improves."""

    HIGHER = "higher"
    LOWER = "lower"
    NEARER_ZERO = "nearer zero"
    SAME = "the same"


class Group(StrEnum):
    """Headings of the figures that a comparison shows first, in order."""

    LATENCY = "Latency"
    RESOURCES = "Resources"
    AREA = "Area under the ROC"
    EFFICIENCY = "Signal efficiency at a false positive rate"
    THRESHOLD = "At the design's threshold"
    CLASSES = "Classes"
    ENERGY = "Energy"
    FIDELITY = "Fidelity to the float level"
    NETWORK = "Network"


@dataclass(frozen=True)
class Format:
    """How a value is printed.

    Attributes:
        decimals: how many; None counts significant digits instead.
        small: decimals of values below 0.01, where ``decimals`` would say little.
        digits: significant digits.
    """

    decimals: int | None = None
    small: int | None = None
    digits: int = 4


Role = Literal["headline", "scan", "seeds", "card", "front"]
"""Where else a figure is wanted: ``headline`` figures are measured without any C++, ``scan`` ones are drawn against bit
widths, the page shows the spread of ``seeds`` ones, ``card`` ones are remembered with committed weights, and ``front``
ones are measured for every network of a training that gives several."""


@dataclass(frozen=True)
class Entry:
    """What is known about a figure.

    Attributes:
        name: stable, as ``report.json`` and budgets have it.
        title: in plain words.
        unit: of the value, e.g. ``kHz``; empty for pure numbers.
        better: which way it improves.
        group: heading of a comparison that it stands under; None leaves it to the details.
        short: title in the heads and rows of tables; the whole title by default.
        counted_in: what a pure number counts, in words.
        printed: how the page prints it.
        compared: how a comparison prints it.
        tile: its label in the summary strip of the page; empty leaves it out.
        hardware: whether it has a row in the table of latency and resources.
        roles: where else it is wanted.
        marks_best: whether a comparison marks the best of several runs.
        equal_at: of a figure that holds a level against the best baseline, its value where both are the same.
    """

    name: str
    title: str
    unit: str = ""
    better: Better = Better.SAME
    group: Group | None = None
    short: str = ""
    counted_in: str = ""
    printed: Format = Format()
    compared: Format = Format()
    tile: str = ""
    hardware: bool = False
    roles: tuple[Role, ...] = ()
    marks_best: bool = True
    equal_at: float | None = None

    @property
    def head(self) -> str:
        """The title as tables have it."""
        return self.short or self.title

    @property
    def heading(self) -> str:
        """The title as it stands above a table or a picture."""
        return self.title[:1].upper() + self.title[1:]


MEASURED_ALONG = frozenset({
    "threshold", "float_threshold", "float_rate_khz", "n_eff", "background_events", "integers", "processes", "ranks",
    "events", "stages", "stage", "works", "computed_as", "device_total", "report", "because", "uncorrected",
    "loop_clocks", "crossings", "cut_threshold", "achieved_error_khz", "best_baseline", "best_baseline_value",
})
"""Conditions that were measured with a figure and so differ from run to run; all others are part of what it is."""

PARTS = ("layer", "module")
"""Conditions of figures that are of a part of the design, not of the whole."""

KEY_SEPARATOR = "/"
"""``auc/A4l`` in a budget is a limit on the figure ``auc``; the part behind only tells several limits apart."""

_HIGHER, _LOWER = Better.HIGHER, Better.LOWER
_THREE, _FOUR, _EFFICIENCY = Format(decimals=3), Format(decimals=4), Format(decimals=3, small=4)
_THREE_DIGITS, _FIVE_DIGITS = Format(digits=3), Format(digits=5)

SHIPPED: tuple[Entry, ...] = (
    # Physics.
    Entry("accuracy", "accuracy", "", _HIGHER, Group.CLASSES, printed=_FOUR, compared=_FOUR, tile="accuracy",
          roles=("headline", "scan", "seeds", "front")),
    Entry("accuracy_loss", "loss of accuracy against float", "", _LOWER, Group.FIDELITY, printed=_FOUR, compared=_FOUR,
          tile="accuracy loss against float", roles=("seeds",)),
    Entry("accuracy_above_best_baseline", "accuracy above the best baseline", "", _HIGHER, Group.CLASSES, printed=_FOUR,
          compared=_FOUR, equal_at=0.0),
    Entry("efficiency", "efficiency by class", "", _HIGHER, printed=_THREE, compared=_FOUR),
    Entry("purity", "purity by class", "", _HIGHER, printed=_THREE),
    Entry("mean_auc", "mean area under the ROC", "", _HIGHER, Group.AREA, printed=_FOUR, compared=_FOUR,
          tile="mean AUC", roles=("headline", "scan", "seeds", "front")),
    Entry("auc", "area under the ROC", "", _HIGHER, Group.AREA, printed=_THREE, compared=_FOUR,
          roles=("headline", "seeds", "card")),
    Entry("auc_ratio", "AUC over that of float", "", _HIGHER, Group.FIDELITY, compared=_FOUR),
    Entry("resolution_ratio", "resolution over that of float", "", _LOWER, Group.FIDELITY, printed=_THREE),
    Entry("resolution_ratio_to_best_baseline", "resolution over that of the best baseline", "", _LOWER, Group.ENERGY,
          printed=_THREE, equal_at=1.0),
    Entry("auc_loss", "loss of AUC against float", "", _LOWER, printed=_FOUR, compared=_FOUR),
    Entry("mean_auc_loss", "mean loss of AUC against float", "", _LOWER, Group.FIDELITY, printed=_FOUR, compared=_FOUR,
          tile="mean AUC loss against float", roles=("seeds",)),
    Entry("worst_auc_loss", "worst loss of AUC against float", "", _LOWER, Group.FIDELITY, printed=_FOUR,
          compared=_FOUR, roles=("seeds",)),
    Entry("spearman_rho", "rank correlation with the float score", "", _HIGHER, Group.FIDELITY, printed=_FOUR,
          compared=_FOUR, tile="rank correlation ρ with float", roles=("seeds", "card", "front")),
    Entry("tpr", "signal efficiency at a false positive rate", "", _HIGHER, Group.EFFICIENCY, printed=_EFFICIENCY,
          compared=_FOUR, roles=("seeds", "card")),
    Entry("tpr_interpolated", "signal efficiency at exactly a false positive rate", "", _HIGHER, printed=_EFFICIENCY,
          compared=_FOUR),
    Entry("tpr_at_rate", "signal efficiency at a trigger rate", "", _HIGHER, printed=_EFFICIENCY, compared=_FOUR),
    Entry("threshold_for_rate", "threshold for a trigger rate", printed=_FIVE_DIGITS),
    Entry("pt_at_95_percent", "where the efficiency reaches 95 %", "GeV", _LOWER, printed=_THREE_DIGITS),
    Entry("resolution", "energy resolution", "", _LOWER, Group.ENERGY, printed=_FOUR, roles=("headline", "scan")),
    Entry("response", "energy response", group=Group.ENERGY, printed=_FOUR),
    Entry("efficiency_at_purity", "efficiency at fixed purity", "", _HIGHER, Group.ENERGY, printed=_THREE,
          compared=_FOUR),
    Entry("resolution_stochastic", "stochastic term of the resolution", "GeV^0.5", _LOWER, printed=_THREE),
    Entry("resolution_noise", "noise term of the resolution", "GeV", _LOWER, printed=_THREE),
    Entry("resolution_constant", "constant term of the resolution", "", _LOWER, printed=_THREE),
    Entry("physics_events", "events that the physics rests on"),
    Entry("rate_khz", "rate at the design's threshold", "kHz", group=Group.THRESHOLD, printed=_THREE_DIGITS,
          tile="rate at threshold", roles=("card",)),
    Entry("false_positive_rate", "false positive rate at the design's threshold", group=Group.THRESHOLD,
          printed=_THREE_DIGITS, tile="false positive rate at threshold"),
    Entry("tpr_at_threshold", "signal efficiency at the design's threshold", "", _HIGHER, Group.THRESHOLD,
          printed=_THREE, compared=_FOUR),
    Entry("tpr_above_best_baseline", "signal efficiency above that of the best baseline at the same rate", "", _HIGHER,
          Group.THRESHOLD, printed=_EFFICIENCY, compared=_FOUR, equal_at=0.0),
    Entry("tpr_at_same_rate", "signal efficiency of the best baseline at the rate of the design's threshold", "",
          _HIGHER, printed=_EFFICIENCY, compared=_FOUR),
    Entry("rate_shift_khz", "rate shift against float", "kHz", Better.NEARER_ZERO, Group.FIDELITY,
          printed=Format(decimals=2)),
    # From the crossings of `l1trigger rate`.
    Entry("rate_at_pileup_khz", "rate at the design's threshold, by pile-up", "kHz", printed=_THREE_DIGITS),
    Entry("pure_rate_khz", "rate that no cut of the menu takes", "kHz", printed=_THREE_DIGITS),
    Entry("menu_rate_khz", "rate of the menu of cuts", "kHz", printed=_THREE_DIGITS),
    Entry("cut_rate_khz", "rate of a cut", "kHz", printed=_THREE_DIGITS),
    Entry("overlap_khz", "rate that the network and a cut have in common", "kHz", printed=_THREE_DIGITS),
    Entry("rate_shift_at_pileup_khz", "rate shift against float, by pile-up", "kHz", Better.NEARER_ZERO,
          printed=Format(decimals=2)),
    Entry("threshold_at_pileup", "threshold for a trigger rate, by pile-up", printed=_FIVE_DIGITS),
    Entry("bit_mismatches", "integers that differ between levels", "", _LOWER, Group.FIDELITY),
    # Latency and resources.
    Entry("latency_cycles", "latency", "", _LOWER, Group.LATENCY, counted_in="cycles", tile="latency", hardware=True),
    Entry("latency_ns", "latency", "ns", _LOWER, Group.LATENCY, tile="latency", hardware=True),
    Entry("initiation_interval", "initiation interval", "", _LOWER, Group.LATENCY, counted_in="cycles", hardware=True),
    Entry("input_bits", "input port", counted_in="bits", hardware=True),
    Entry("unread_inputs", "inputs that nothing reads", hardware=True),
    Entry("output_bits", "output port", counted_in="bits", hardware=True),
    Entry("lut", "look-up tables", "", _LOWER, Group.RESOURCES, "LUT", tile="look-up tables", hardware=True),
    Entry("hls_csynth_lut", "LUT that the HLS tool itself reports", "", _LOWER),
    Entry("ff", "flip-flops", "", _LOWER, Group.RESOURCES, "FF", hardware=True),
    Entry("srl", "shift registers", "", _LOWER, Group.RESOURCES, "SRL", hardware=True),
    Entry("dsp", "DSP slices", "", _LOWER, Group.RESOURCES, "DSP", hardware=True),
    Entry("bram18", "block RAM of 18 kbit", "", _LOWER, Group.RESOURCES, "BRAM 18k", hardware=True),
    Entry("uram", "UltraRAM", "", _LOWER, Group.RESOURCES, "URAM", hardware=True),
    Entry("carry", "carry chains", "", _LOWER, Group.RESOURCES, "CARRY4", hardware=True),
    Entry("estimated_lut", "look-up tables, estimated", "", _LOWER, short="LUT", hardware=True),
    Entry("estimated_stage_delay_ns", "longest stage", "ns", _LOWER, tile="longest stage, estimated", hardware=True),
    Entry("estimated_slack_ns", "clock period minus longest stage", "ns", _HIGHER, hardware=True),
    Entry("estimated_delay_ns", "delay", "ns", _LOWER, printed=_THREE_DIGITS),
    Entry("register_bits", "register bits", "", _LOWER, hardware=True),
    Entry("estimated_clock_ns", "clock period, estimated", "ns", _LOWER, hardware=True),
    Entry("achieved_clock_ns", "clock period, achieved", "ns", _LOWER, hardware=True),
    Entry("slack_ns", "worst slack", "ns", _HIGHER, hardware=True),
    Entry("hold_slack_ns", "worst slack of hold", "ns", _HIGHER, hardware=True),
    Entry("cosim_pass", "RTL equals C++", "", _HIGHER, hardware=True),
    Entry("power_w", "power on the chip", "W", _LOWER, hardware=True),
    Entry("dynamic_power_w", "dynamic power", "W", _LOWER, hardware=True),
    Entry("static_power_w", "static power", "W", _LOWER, hardware=True),
    # The network, and how fast it is simulated.
    Entry("weights", "weights", "", _LOWER, Group.NETWORK, marks_best=False),
    Entry("nonzero_weights", "weights that are not zero", "", _LOWER, Group.NETWORK, tile="weights left"),
    Entry("sparsity", "sparsity", "", _HIGHER, Group.NETWORK, compared=_FOUR),
    Entry("ebops", "effective bit operations", "", _LOWER, Group.NETWORK, "EBOPs", printed=Format(digits=5)),
    Entry("events_per_s", "events per second", "1/s", _HIGHER, printed=_THREE_DIGITS, tile="C-simulation [events/s]"),
    Entry("compile_s", "time to compile the C-simulation", "s", _LOWER, printed=_THREE_DIGITS),
)
"""In the order in which tables and tiles show them."""

RESOURCES = tuple(e.name for e in SHIPPED if e.group is Group.RESOURCES)
"""What a design takes of a device; every list of what one tool counts is chosen from it."""
SYNTHESIZED = tuple(r for r in RESOURCES if r != "uram")
"""Those that synthesizers count; UltraRAM is counted by vendors' tools alone."""

ENTRY_POINTS = "l1trigger.figures"
"""Group of the entry points with figures of other packages."""

HLS, POST_TRAINING, FRONT, PERCENT = "hls_", "post_training_", "front_", "_percent"


def _with_family(e: Entry) -> Iterable[Entry]:
    """An entry, and those that follow from it by rule."""
    yield e
    plain = replace(e, group=None, tile="", hardware=False, roles=(), equal_at=None)
    if e.group is Group.RESOURCES:
        yield replace(plain, name=e.name + PERCENT, title=f"{e.title}, share of the device", short="", unit="%",
                      printed=_THREE_DIGITS)
    if e.group in {Group.LATENCY, Group.RESOURCES}:
        yield replace(plain, name=HLS + e.name)
    if "headline" in e.roles:
        yield replace(plain, name=POST_TRAINING + e.name, printed=_FOUR)
    if "front" in e.roles:
        yield replace(plain, name=FRONT + e.name, printed=_FOUR)


def additions() -> list[Any]:
    """What other packages add; see ``report.additions``.

    Raises:
        L1TriggerError: an addition cannot be imported; names it.
    """
    loaded = []
    for point in entry_points(group=ENTRY_POINTS):
        try:
            loaded.append(point.load())
        except Exception as e:  # whatever a module of another package does when it is imported
            raise L1TriggerError(
                f"the figures '{point.name}' ({point.value}) cannot be imported: {e}. Remedy: mend or uninstall the "
                "package that adds them"
            ) from e
    return loaded


@cache
def entries() -> Mapping[str, Entry]:
    """All entries by name: those of this package and those that other packages add, each followed by its family.

    Raises:
        UnknownFigureError: an added figure has a name that is taken.
        L1TriggerError: an addition cannot be imported.
    """
    known: dict[str, Entry] = {}
    for e in (*SHIPPED, *(e for addition in additions() for e in addition.entries)):
        for relative in _with_family(e):
            if relative.name in known:
                raise UnknownFigureError(f"there are two figures '{relative.name}'; give one of them another name")
            known[relative.name] = relative
    return MappingProxyType(known)


def entry(name: str) -> Entry:
    """What is known about the figure of a name.

    Raises:
        UnknownFigureError: there is none; says which name is nearest.
    """
    try:
        return entries()[name]
    except KeyError:
        raise UnknownFigureError(f"there is no figure '{name}'; {nearest(name, entries())}") from None


def ordered(figures: Iterable[str]) -> list[str]:
    """Names in the order of the catalogue, each once."""
    wanted = {*figures}
    return [name for name in entries() if name in wanted]


def names(role: Role) -> tuple[str, ...]:
    """Names of the figures with a role, in order."""
    return tuple(e.name for e in entries().values() if role in e.roles)


def of_key(key: str) -> str:
    """Name of the figure that a key of a budget limits, e.g. ``auc`` of ``auc/A4l``."""
    return key.partition(KEY_SEPARATOR)[0]
