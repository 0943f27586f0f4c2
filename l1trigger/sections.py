"""The sections of a design file: which keys there are, what they may be, and what they are when left out.

A plugin's options derive from the section that names it (``DataSection``, ``ModelSection``, ``CompressSection``).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    GetJsonSchemaHandler,
    field_validator,
    model_validator,
)

from l1trigger import catalogue
from l1trigger.errors import DesignError, nearest
from l1trigger.fixed_point import FixedPoint, Overflow, Rounding
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


class StructuredSection(Section):
    """Structured pruning: filters, channels and neurons are removed before the network is quantized.

    A number alone stands for ``fraction``.

    Attributes:
        fraction: of the units of every layer but the outputs, rounded down; those with the smallest L1 norm go.
        layers: fraction of single layers by name, in place of ``fraction``.
    """

    fraction: float = Field(0.0, ge=0, lt=1)
    layers: dict[str, Annotated[float, Field(ge=0, lt=1)]] = Field(default_factory=dict)

    @model_validator(mode="before")
    @classmethod
    def _number(cls, given: Any) -> Any:
        return {"fraction": given} if isinstance(given, int | float) else given

    @classmethod
    def __get_pydantic_json_schema__(cls, core: Any, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        """A mapping of keys, or a number."""
        return {"anyOf": [{"type": "number", "minimum": 0, "exclusiveMaximum": 1}, handler(core)]}


class PruningSection(Section):
    """Magnitude pruning by tfmot's polynomial schedule, and structured pruning before it.

    Attributes:
        structured: what is removed from the float network; None removes nothing.
        sparsity: fraction of weights that end as zero, 0 to below 1.
        end: fraction of the training steps after which the sparsity is reached.
        prune_output: whether the last layer is pruned too; narrow output layers suffer from it.
        layers: sparsity of single layers by name, in place of ``sparsity``.
    """

    sparsity: float = Field(0.0, ge=0, lt=1)
    end: float = Field(0.6, gt=0, le=1)
    prune_output: bool = False
    layers: dict[str, Annotated[float, Field(ge=0, lt=1)]] = Field(default_factory=dict)
    structured: StructuredSection | None = None


class LayerBits(Section):
    """Bit widths of one layer; what is left out comes from the section above.

    A width may also be written as a type, which fixes the binary point too: ``weights: ap_fixed<6,1>``, or
    ``activations: ap_ufixed<8,3>`` behind a ReLU. ``I`` counts the sign there. The weights of a single layer may have a
    list, one width or type for each of its output channels.

    Attributes:
        weights, biases, activations: bits in all.
        weights_by_channel, weights_integer_by_channel: what a list for ``weights`` stands for.
        per_channel: whether each output channel gets a binary point of its own for its weights, fitted to them.
        weights_integer, biases_integer, activations_integer: bits left of the binary point without the sign, as
            QKeras counts them; None fits the binary point to the float reference.
    """

    weights: int | None = Field(None, ge=2, le=16)
    weights_integer: int | None = None
    biases: int | None = Field(None, ge=2, le=24)
    biases_integer: int | None = None
    activations: int | None = Field(None, ge=2, le=24)
    activations_integer: int | None = None
    weights_by_channel: tuple[Annotated[int, Field(ge=2, le=16)], ...] | None = None
    weights_integer_by_channel: tuple[int | None, ...] | None = None
    per_channel: bool | None = None

    @model_validator(mode="before")
    @classmethod
    def _types(cls, values: Any) -> Any:
        """Takes types apart into width and binary point."""
        if not isinstance(values, Mapping):
            return values
        out = dict(values)
        if isinstance(out.get("weights"), list):
            out |= _by_channel(out.pop("weights"))
        for key in ("weights_by_channel", "weights_integer_by_channel"):
            if isinstance(out.get(key), list):  # what a validator has touched is read as Python, not as JSON
                out[key] = tuple(out[key])
        for key in ("weights", "biases", "activations"):
            if isinstance(out.get(key), str):
                out[key], integer = _bits(key, out[key])
                if f"{key}_integer" in values:
                    raise ValueError(f"{key}: a type says where the binary point is; leave {key}_integer out")
                out[f"{key}_integer"] = integer
        return out


def _by_channel(given: list[Any]) -> dict[str, Any]:
    """Widths and binary points of a list with one width or type per channel."""
    if not given or not all(isinstance(g, int | str) for g in given):
        raise ValueError("weights: a list has one width or type for each output channel")
    parts = [_bits("weights", g) if isinstance(g, str) else (g, None) for g in given]
    return {"weights_by_channel": [b for b, _ in parts], "weights_integer_by_channel": [i for _, i in parts]}


def _bits(key: str, text: str) -> tuple[int, int]:
    """Width, and bits left of the binary point without the sign, of a type in a design file."""
    try:
        fixed_type = FixedPoint.parse(text)
    except ValueError as e:
        raise ValueError(f"{key}: {e}, or the number of bits alone") from None
    if not fixed_type.signed and key != "activations":
        raise ValueError(f"{key}: '{text}' has no sign, but {key} can be negative; write ap_fixed")
    written_out = text.count(",") > 1
    if written_out and (fixed_type.rounding, fixed_type.overflow) != (Rounding.RND_CONV, Overflow.SAT):
        raise ValueError(f"{key}: '{text}': quantizers round to even and saturate; write RND_CONV,SAT or nothing")
    return fixed_type.width, fixed_type.integer - int(fixed_type.signed)


class QuantizationSection(LayerBits):
    """Bit widths of all layers, and of single ones by name.

    Attributes:
        score: bits of the network's outputs in firmware.
        layers: what differs in single layers, by name.
    """

    weights: int = Field(6, ge=2, le=16)
    biases: int = Field(8, ge=2, le=24)
    activations: int = Field(8, ge=2, le=24)
    score: int = Field(12, ge=2, le=24)
    layers: dict[str, LayerBits] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _one_width(self) -> Self:
        if self.weights_by_channel or self.weights_integer_by_channel:
            raise ValueError("weights: a list belongs to a single layer; write it below layers.<name>")
        return self

    @model_validator(mode="after")
    def _binary_points(self) -> Self:
        """Whether every binary point lies inside of its bits; those of channels may lie left of them."""
        for where, own in {"": self, **{f"layers.{name}.": bits for name, bits in self.layers.items()}}.items():
            by_channel = self.per_channel if own.per_channel is None else own.per_channel
            for key, sign in (("weights", 1), ("biases", 1), ("activations", 0)):
                given, point = (getattr(own, k) for k in (key, f"{key}_integer"))
                bits, integer = given or getattr(self, key), getattr(self, f"{key}_integer") if point is None else point
                least = -bits if key == "weights" and (by_channel or own.weights_by_channel) else 0
                if integer is not None and not least <= integer <= bits - sign:
                    most = bits - sign
                    raise ValueError(f"{where}{key}_integer: {integer} of {bits} bits; {least} to {most} make sense")
        return self


class PostTrainingSection(Section):
    """Post-training quantization: the float weights rounded, with what can be done without training.

    Attributes:
        events: training events on which the mean outputs of layers are compared.
        bias_correction: whether biases absorb the mean shift of every layer's outputs (arXiv:1906.04721).
        figures: whether its figures are measured beside those of quantization-aware training.
    """

    events: int = Field(2000, ge=1)
    bias_correction: bool = True
    figures: bool = True


class DistillationSection(Section):
    """Fine tuning on the outputs of a float reference, mixed with the truth.

    Classes are learned from the reference's probabilities at a temperature (arXiv:1503.02531), other outputs from the
    squared difference to the reference's.

    Attributes:
        teacher: run folder whose reference teaches, relative to the design file as all paths are; None takes the
            design's own.
        weight: of the reference's outputs, 0 to 1; the rest is the truth.
        temperature: by which logits of classes are divided, on both sides.
    """

    teacher: Path | None = None
    weight: float = Field(0.5, gt=0, le=1)
    temperature: float = Field(2.0, gt=0)

    def files(self) -> tuple[Path, ...]:
        """The teacher's training."""
        folder = self.teacher / "train" if self.teacher else None
        own = (folder / "train.json", *sorted(folder.glob("weights_seed*.npz"))) if folder else ()
        return (*super().files(), *own)


class FineTuneSection(Section):
    """Quantization-aware training, starting from the float weights.

    Attributes:
        epochs: of training; 0 rounds the float weights and leaves it at that.
        batch_size, learning_rate: of Adam with a cosine schedule.
    """

    epochs: int = Field(15, ge=0)
    batch_size: int = Field(1024, ge=1)
    learning_rate: float = Field(1e-3, gt=0)


class ThresholdSection(Section):
    """Where the trigger cuts: a wanted rate (zero bias) or a false positive rate; exactly one of them.

    Attributes:
        rate_khz: wanted rate of accepted crossings [kHz].
        false_positive_rate: wanted fraction of the background that is accepted.
    """

    rate_khz: float | None = Field(None, gt=0)
    false_positive_rate: float | None = Field(None, gt=0, lt=1)

    @model_validator(mode="after")
    def _one(self) -> ThresholdSection:
        if (self.rate_khz is None) == (self.false_positive_rate is None):
            raise ValueError("give exactly one of rate_khz and false_positive_rate")
        return self


class CompressSection(Section):
    """Base of the options of scores: what is brought to firmware and how small; a score adds its own keys.

    Attributes:
        score: its name.
        method: ``qat`` fine-tunes the quantized network; ``ptq`` quantizes after training, and spends ``fine_tune`` on
            the float network where that is pruned.
        pruning, quantization, post_training, fine_tune, distillation, threshold: sections.
    """

    score: str
    method: Literal["qat", "ptq"] = "qat"
    pruning: PruningSection = PruningSection()
    quantization: QuantizationSection = QuantizationSection()
    post_training: PostTrainingSection = PostTrainingSection()
    fine_tune: FineTuneSection = FineTuneSection()
    distillation: DistillationSection | None = None
    threshold: ThresholdSection = ThresholdSection(false_positive_rate=1e-3)

    def unread(self, design: Design) -> Iterable[Unread]:
        """Settings that mean nothing with a score whose network does not learn from the truth."""
        yield Unread("compress.distillation", f"{self.score} learns nothing but the reference's score or outputs "
                     "already", "leave it out")


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
        stages: pipeline stages; the latency is one clock edge more. One clock period of estimated delay per stage when
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
