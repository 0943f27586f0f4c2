"""The section ``compress`` of a design file and those inside it: how small, how it learns, where it cuts.

A score's options derive from ``CompressSection``.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, Self

from pydantic import (
    Field,
    GetJsonSchemaHandler,
    model_validator,
)

from l1trigger.fixed_point import FixedPoint, Overflow, Rounding
from l1trigger.sections import Section
from l1trigger.unread import Unread

if TYPE_CHECKING:
    from l1trigger.design import Design


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
        places: dict[str, LayerBits] = {"": self, **{f"layers.{name}.": bits for name, bits in self.layers.items()}}
        for where, own in places.items():
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


class LearnedSection(Section):
    """Learned bit widths (High Granularity Quantization, arXiv:2405.00645): of every weight, channel and input.

    A penalty on effective bit operations (EBOPs) takes bits away; its strength rises first, then the network learns at
    that strength. In logic by distributed arithmetic, one EBOP is about one look-up table.

    Attributes:
        lut: EBOPs that the network may have, a target for its look-up tables; the strength is found on the way.
        strength: of the penalty, per EBOP, in units of the loss; in place of ``lut``.
        front: other targets, from each of which a network is kept beside the one that goes to firmware; networks with
            more are passed on the way, smaller ones are trained on from it.
        epochs: of training towards one target; half of them for each further one.
        ramp: fraction of the epochs in which the strength rises, or EBOPs are led to their target; then it holds.
        batch_size, learning_rate: of Adam with a cosine schedule.
    """

    lut: float | None = Field(None, gt=0)
    strength: float | None = Field(None, gt=0)
    front: tuple[Annotated[float, Field(gt=0)], ...] = ()
    epochs: int = Field(200, ge=2)
    ramp: float = Field(0.6, ge=0, le=0.9)
    batch_size: int = Field(2048, ge=1)
    learning_rate: float = Field(4e-3, gt=0)

    @model_validator(mode="after")
    def _one(self) -> Self:
        if self.lut is not None and self.strength is not None:
            raise ValueError("give one of lut and strength: a target finds its strength")
        if self.front and self.lut is None:
            raise ValueError("front: has targets beside lut; give lut, too")
        return self


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
            the float network where that is pruned; ``learned`` trains the bit widths with the weights.
        pruning, quantization, post_training, fine_tune, learned, distillation, threshold: sections.
    """

    score: str
    method: Literal["qat", "ptq", "learned"] = "qat"
    pruning: PruningSection = PruningSection()
    quantization: QuantizationSection = QuantizationSection()
    post_training: PostTrainingSection = PostTrainingSection()
    fine_tune: FineTuneSection = FineTuneSection()
    learned: LearnedSection = LearnedSection()
    distillation: DistillationSection | None = None
    threshold: ThresholdSection = ThresholdSection(false_positive_rate=1e-3)

    @model_validator(mode="after")
    def _target(self) -> Self:
        if self.method == "learned" and self.learned.lut is None and self.learned.strength is None:
            raise ValueError("learned: method learned needs a target; write learned: {lut: 2000}")
        return self

    def unread(self, design: Design) -> Iterable[Unread]:
        """Settings that mean nothing with a score whose network does not learn from the truth."""
        yield Unread("compress.distillation", f"{self.score} learns nothing but the reference's score or outputs "
                     "already", "leave it out")
