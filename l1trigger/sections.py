"""The sections of a design file: which keys there are, what they may be, and what they are when left out.

A plugin's options derive from the section that names it (``DataSection``, ``ModelSection``; ``CompressSection``, which
is in ``compress_sections`` with all that it holds).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    field_validator,
    model_validator,
)

from l1trigger import catalogue
from l1trigger.errors import DesignError, nearest
from l1trigger.units import COLLIDING_BUNCHES
from l1trigger.unread import Unread

if TYPE_CHECKING:
    from l1trigger.design import Design


class Section(BaseModel):
    """Base of all sections: frozen, unknown keys are errors, and numbers are finite."""

    model_config = ConfigDict(frozen=True, extra="forbid", validate_default=True, allow_inf_nan=False)

    def files(self) -> tuple[Path, ...]:
        """Every file whose content is read, also by sections inside; a stage is run again when one has changed.

        A section that names files adds them to those that its base gives.
        """
        inside = (_sections_in(getattr(self, name)) for name in type(self).model_fields)
        return tuple(file for sections in inside for section in sections for file in section.files())

    def unread(self, design: Design) -> Iterable[Unread]:
        """The settings, of this section and of others, that mean nothing beside these; asked of plugins' options.

        Args:
            design: that the section is of.
        """
        return ()


def _sections_in(value: Any) -> tuple[Section, ...]:
    """The sections among a value and, where it holds several, its items."""
    if isinstance(value, Section):
        return (value,)
    if isinstance(value, Mapping):
        value = tuple(value.values())
    return tuple(s for item in value for s in _sections_in(item)) if isinstance(value, tuple) else ()


class DataSection(Section):
    """Base of the options of data sources; a source adds its own keys.

    Attributes:
        source: name of the data source.
        colliding_bunches: colliding bunches that rates are quoted for.
        signals: signal samples to measure; None takes all that the source has.
    """

    source: str
    colliding_bunches: int = Field(COLLIDING_BUNCHES, ge=1, le=3564)
    signals: tuple[str, ...] | None = None


class ModelSection(Section):
    """Base of the options of architectures; an architecture adds its own keys.

    Attributes:
        architecture: name of the architecture.
    """

    architecture: str


class TrainSection(Section):
    """How the full-precision reference is trained.

    Attributes:
        epochs, batch_size, learning_rate: of Adam with a cosine schedule.
        patience: epochs without a better validation loss before it stops.
        seed: random seed; further seeds count up from it.
        seeds: how many trainings; the report shows their spread, and the best validation loss goes on.
    """

    epochs: int = Field(25, ge=1)
    batch_size: int = Field(1024, ge=1)
    learning_rate: float = Field(2e-3, gt=0)
    patience: int = Field(8, ge=1)
    seed: int = Field(1, ge=0)
    seeds: int = Field(1, ge=1)


PARTS = {
    "xcvu9p-flga2104-2-e": "Virtex UltraScale+ VU9P", "xcvu13p-flga2577-2-e": "Virtex UltraScale+ VU13P",
    "xcku115-flvb2104-2-i": "Kintex UltraScale KU115", "xc7vx690tffg1927-2": "Virtex 7 VX690T",
    "xc7z020clg400-1": "Zynq 7020", "xcu250-figd2104-2L-e": "Alveo U250",
}
BOARDS = {"alveo-u250": "xcu250-figd2104-2L-e", "pynq-z2": "xc7z020clg400-1"}
"""Boards whose names stand for their part."""


class ConvertSection(Section):
    """The HLS project.

    Attributes:
        backend: of hls4ml.
        part: FPGA part number, its beginning, or the name of a board.
        clock_ns: clock period [ns].
        strategy: Latency unrolls every multiplication, Resource shares them.
        reuse_factor: how many multiplications share one multiplier; must divide each layer's multiplications.
        io_type: whether data arrive all at once or as a stream.
    """

    backend: Literal["Vitis", "Vivado"] = "Vitis"
    part: str = "xcvu9p-flga2104-2-e"
    clock_ns: float = Field(5.0, gt=0)
    strategy: Literal["Latency", "Resource"] = "Latency"
    reuse_factor: int = Field(1, ge=1)
    io_type: Literal["io_parallel", "io_stream"] = "io_parallel"

    @field_validator("part")
    @classmethod
    def _known(cls, part: str) -> str:
        part = BOARDS.get(part, part)
        if not any(part == p or p.startswith(part) for p in PARTS):
            raise ValueError(f"unknown part '{part}'; {nearest(part, [*PARTS, *BOARDS])}")
        return next(p for p in PARTS if p == part or p.startswith(part))


class CsimSection(Section):
    """The C-simulation.

    Attributes:
        compiler: C++ compiler to call.
        events: most events per sample; None takes all.
        processes: parallel processes; None takes one per core.
        time_limit_s: longest time for compiling and for one chunk of events [s].
    """

    compiler: str = "g++"
    events: int | None = Field(None, ge=1)
    processes: int | None = Field(None, ge=1)
    time_limit_s: float = Field(600, gt=0)


class VendorSection(Section):
    """The HLS route: what a vendor's tool does with the HLS project.

    Attributes:
        tool: ``vitis-run``, ``vitis_hls`` or ``vivado_hls`` with its path, or the folder that holds it; None looks on
            PATH.
        steps: C synthesis (csynth), C/RTL co-simulation (cosim), synthesis by Vivado (vsynth), place-and-route (route).
        time_limit_s: longest time for all steps [s].
    """

    tool: str | None = None
    steps: tuple[Literal["csynth", "cosim", "vsynth", "route"], ...] = ("csynth",)
    time_limit_s: float = Field(7200, gt=0)

    @field_validator("steps")
    @classmethod
    def _from_csynth(cls, steps: tuple[str, ...]) -> tuple[str, ...]:
        if "csynth" not in steps:
            raise ValueError("csynth is missing; all other steps need it")
        return tuple(s for s in ("csynth", "cosim", "vsynth", "route") if s in steps)


class SynthSection(Section):
    """The RTL and what is measured on it, and what vendors' tools make of the HLS project.

    Attributes:
        route: ``rtl`` makes and measures RTL, ``hls`` builds the HLS project with a vendor's tool, ``both`` does both,
            ``none`` leaves latency and resources unmeasured.
        stages: pipeline stages; the latency is one clock cycle more. One clock period of estimated delay per stage when
            left out.
        latency_cutoff_ns: most delay of one stage, by the delay model [ns]; takes the place of ``stages``.
        hard_dc: logic levels by which sharing of adders may lengthen a matrix product; -1 leaves it free.
        binary_lut: whether products with one-bit inputs become look-up tables.
        events: most events per sample that are simulated; None takes all.
        vertices_per_clock: how many vertices of a graph network enter at each clock; divides their number.
        pixels_per_clock: how many neighbouring pixels of an image enter at each clock; None makes the whole network
            fully parallel instead, with a new image at every clock.
        dsp: whether products of two variables may take DSPs; look-up tables otherwise.
        yosys: whether to synthesize; without, resources are estimates.
        synthesizer: name of the synthesizer.
        per_layer: whether to synthesize each layer alone, too.
        calibration: file of ``tools/calibrate_yosys.py``; gives Yosys' resources an interval for the vendor's count.
        time_limit_s: longest time for one call of a tool [s].
        vendor: the HLS route.
    """

    route: Literal["rtl", "hls", "both", "none"] = "rtl"
    stages: int | None = Field(None, ge=1, le=100)
    latency_cutoff_ns: float | None = Field(None, gt=0)
    hard_dc: int = Field(-1, ge=-1, le=16)
    binary_lut: bool = False
    events: int | None = Field(None, ge=1)
    vertices_per_clock: int = Field(16, ge=1, le=1024)
    pixels_per_clock: int | None = Field(None, ge=1, le=1024)
    dsp: bool = True
    yosys: bool = True
    synthesizer: str = "yosys"
    per_layer: bool = True
    calibration: Path | None = None
    time_limit_s: float = Field(900, gt=0)
    vendor: VendorSection = VendorSection()

    @model_validator(mode="after")
    def _one_depth(self) -> SynthSection:
        if self.stages is not None and self.latency_cutoff_ns is not None:
            raise ValueError("give stages or latency_cutoff_ns, not both")
        return self

    def files(self) -> tuple[Path, ...]:
        """The calibration."""
        return (*super().files(), *([self.calibration] if self.calibration else []))

    @model_validator(mode="after")
    def _calibrated(self) -> SynthSection:
        if self.calibration and self.synthesizer != "yosys":
            raise ValueError("a calibration is of Yosys' counts; leave it out with another synthesizer")
        return self


class Limit(Section):
    """Bounds of one figure.

    Attributes:
        max, min: the bounds, in the figure's unit; at least one of them.
        level: of the computation; None stands for all of them, and the worst decides.
        conditions: which of the figures of that name, e.g. ``{signal: A4l}``.
    """

    max: float | None = None
    min: float | None = None
    level: str | None = None
    conditions: dict[str, str | float] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _some(self) -> Limit:
        if self.max is None and self.min is None:
            raise ValueError("give max or min")
        return self


def _of_figures(budget: dict[str, Limit]) -> dict[str, Limit]:
    """The budget itself; a limit on a figure that does not exist is an error."""
    for key in budget:
        if catalogue.of_key(key) not in catalogue.entries():
            raise DesignError(None, f"budget.{key}", f"there is no figure '{catalogue.of_key(key)}'",
                              nearest(catalogue.of_key(key), catalogue.entries()))
    return budget


Budget = Annotated[dict[str, Limit], AfterValidator(_of_figures)]
"""Limits by figure; what stands behind a ``/`` in a key only tells several limits on one figure apart."""
