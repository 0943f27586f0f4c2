"""Settings that nothing reads where they stand: refused before anything is done, with what works in their place.

Here are the rules for what all designs share. The options of a plugin tell in their member ``unread`` which settings,
of their own section or of others, mean nothing with them.

A setting is refused where another one or the network overrides it, or where what it belongs to was never asked for. How
to do something that the design switches off by name (``synth.route: none``, ``compress.method: ptq``) may stay: it
waits for being switched on again. What has its default value, or is switched off itself, asks for nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel

from l1trigger.errors import DesignError

if TYPE_CHECKING:
    from l1trigger.compress_sections import LayerBits
    from l1trigger.design import Design


@dataclass(frozen=True)
class Unread:
    """Settings that mean nothing.

    Attributes:
        key: dotted, e.g. ``synth.stages``; ``*`` stands for every name of a mapping or a section.
        why: nothing reads them, as the rest of a sentence that begins with the key.
        remedy: what works.
    """

    key: str
    why: str
    remedy: str


def require_read(design: Design) -> None:
    """Checks that every setting of a design means something.

    Raises:
        DesignError: one does not; names it, why, and what works.
    """
    require(design, rules(design))


def require(design: Design, some: Iterable[Unread]) -> None:
    """Checks that settings that nothing reads are not made.

    Raises:
        DesignError: one is.
    """
    for rule in some:
        for key in made(design, rule.key):
            raise DesignError(design.file, key, rule.why, rule.remedy)


def rules(design: Design) -> Iterator[Unread]:
    """The settings that mean nothing in a design, made or not."""
    for section in (design.data, design.model, design.compress):
        yield from section.unread(design)
    yield from _quantization(design)
    yield from _pruning(design)
    yield from _distillation(design)
    yield from _learned(design)
    yield from _synth(design)


def made(section: Any, key: str, at: str = "", default: Any = None) -> Iterator[str]:
    """The settings that a dotted key stands for and that ask for something.

    Args:
        section: of a design, or a mapping inside.
        key: see ``Unread``.
        at: where the section is.
        default: what stands there when nothing is said; None takes what its class says.
    """
    name, _, rest = key.partition(".")
    values: Mapping[str, Any] = section if isinstance(section, Mapping) else {}
    defaults: dict[str, Any] = {}
    if isinstance(section, BaseModel):
        fields = type(section).model_fields
        values = {n: getattr(section, n) for n in fields}
        defaults = {n: f.get_default(call_default_factory=True) for n, f in fields.items()}
    if isinstance(default, BaseModel):
        defaults = {n: getattr(default, n) for n in type(default).model_fields}
    for n in values if name == "*" else {name} & {*values}:
        here = f"{at}.{n}" if at else str(n)
        if rest:
            yield from made(values[n], rest, here, defaults.get(n))
        elif values[n] is not None and values[n] is not False and not (n in defaults and values[n] == defaults[n]):
            yield here


def _quantization(design: Design) -> Iterator[Unread]:
    everywhere = design.compress.quantization
    places: dict[str, LayerBits] = {"": everywhere, **{f"layers.{n}.": b for n, b in everywhere.layers.items()}}
    for where, bits in places.items():
        if bits.weights_integer is not None:
            yield Unread(f"compress.quantization.{where}per_channel", "a binary point is given for all channels "
                         "(weights_integer, or a type for weights)", "leave one of the two out")


def _pruning(design: Design) -> Iterator[Unread]:
    pruning, tune = design.compress.pruning, design.compress.fine_tune
    asked = pruning.sparsity or any(pruning.layers.values())
    if asked and not tune.epochs:
        for key in ("sparsity", "layers.*"):
            yield Unread(f"compress.pruning.{key}", "weights are pruned while the network is fine-tuned, and "
                         "compress.fine_tune.epochs is 0", "give it epochs, or leave out compress.pruning")
    if not asked and "sparsity" not in pruning.model_fields_set:
        for key in ("end", "prune_output"):
            yield Unread(f"compress.pruning.{key}", "no weights are pruned", "set compress.pruning.sparsity, too")


def _distillation(design: Design) -> Iterator[Unread]:
    if design.task != "classification":
        yield Unread("compress.distillation.temperature", "only logits of classes are divided by it, which task "
                     f"{design.task} has not", "leave it out; compress.distillation.weight counts for all outputs")


def _learned(design: Design) -> Iterator[Unread]:
    if design.compress.method != "learned":
        if "method" not in design.compress.model_fields_set:
            yield Unread("compress.learned.*", "no bit widths are learned", "set compress.method: learned")
        return
    why = "bit widths are learned (compress.method: learned)"
    for key in ("weights", "biases", "activations", "per_channel", "layers.*"):
        yield Unread(f"compress.quantization.{key}", why, "leave it out; compress.learned.lut says how small")
    for key in ("sparsity", "end", "prune_output", "layers.*"):
        yield Unread(f"compress.pruning.{key}", f"{why}; a weight that ends with no bits is pruned",
                     "leave it out; pruning.structured may stay")
    for key in ("epochs", "batch_size", "learning_rate"):
        yield Unread(f"compress.fine_tune.{key}", why, f"set compress.learned.{key}")


def _synth(design: Design) -> Iterator[Unread]:
    if design.synth.pixels_per_clock is not None:
        yield Unread("synth.stages", "where pixels enter one after the other (synth.pixels_per_clock), each block has "
                     "stages of its own", "set synth.latency_cutoff_ns, the most delay of one stage")
    if "route" not in design.synth.model_fields_set:
        yield Unread("synth.vendor.*", "no vendor's tool is asked, since synth.route is rtl",
                     "set synth.route to hls or both")


def no_vertices(design: Design) -> Unread:
    """For networks whose inputs are no vertices."""
    return Unread("synth.vertices_per_clock", f"{design.model.architecture} has no vertices that could enter one after "
                  "the other", "leave it out; images enter by synth.pixels_per_clock")


def no_pixels(design: Design, why: str = "has no pixels that could enter one after the other") -> Unread:
    """For networks whose inputs are no pixels that are all alike."""
    return Unread("synth.pixels_per_clock", f"{design.model.architecture} {why}",
                  "leave it out; synth.stages or synth.latency_cutoff_ns say how deep the RTL is")


def no_early_stop() -> Unread:
    """For networks whose loss means something else in each epoch."""
    return Unread("train.patience", "while the weight of the divergence rises, no epoch's loss compares with another's "
                  "and a variational autoencoder does not stop early", "set train.epochs")


def untrained(file: object) -> Iterator[Unread]:
    """For models that are read from a file."""
    for key in ("epochs", "batch_size", "learning_rate", "patience"):
        yield Unread(f"train.{key}", f"{file} is trained already",
                     "leave it out; compress.fine_tune says how its quantized twin is trained")


def one_seed(section: str) -> Iterator[Unread]:
    """For networks that are trained with the seeds of the reference.

    Args:
        section: how they are trained.
    """
    for key in ("seed", "seeds"):
        yield Unread(f"{section}.{key}", "the seeds are those of the reference", f"set train.{key}")
