"""Accuracy against bits: one design compressed at many widths, pruned and not, with and without training.

Every point is measured at level quantized, which C-simulation and RTL equal bit for bit. Points lie in one file in the
run folder and are taken from it as long as nothing that they depend on has changed.
"""

from __future__ import annotations

import csv
import hashlib
import io
import itertools
import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any, Literal

from l1trigger import catalogue
from l1trigger.compress.measured import float_figures, quantized_figures
from l1trigger.compress.stage import trigger_function
from l1trigger.compress_sections import PruningSection, QuantizationSection, StructuredSection
from l1trigger.contracts.score import SCORES
from l1trigger.design import CompressSection, Design
from l1trigger.errors import ArgumentError, nearest
from l1trigger.figures import Figure
from l1trigger.results import Results
from l1trigger.run_folder import remove, write_atomically
from l1trigger.trigger import TriggerFunction

_PACKAGES = ("l1trigger", "numpy", "tensorflow", "tf-keras", "qkeras", "tensorflow-model-optimization")


@dataclass(frozen=True, order=True)
class Point:
    """How a network is compressed.

    Attributes:
        pruned: fraction of weights, or of units, that goes.
        method: quantization-aware training, or post-training quantization.
        bits: of weights and activations; biases and outputs keep what the design gives them where that is more.
        structured: whether units go, not single weights.
    """

    pruned: float
    method: Literal["qat", "ptq"]
    bits: int
    structured: bool = False

    @property
    def name(self) -> str:
        """What it is, in words."""
        kind = "units" if self.structured else "weights"
        without = f", {100 * self.pruned:g} % of {kind} pruned" if self.pruned else ""
        return f"{self.method} {self.bits} bits{without}"

    def section(self, given: CompressSection, epochs: int | None) -> CompressSection:
        """The section ``compress`` of this point.

        Args:
            given: of the design.
            epochs: of fine tuning; None takes the design's.
        """
        q, tune = given.quantization, given.fine_tune
        bits = QuantizationSection(
            weights=self.bits, activations=self.bits, biases=max(self.bits, q.biases), score=max(self.bits, q.score),
            per_channel=q.per_channel,
        )
        pruning = PruningSection(
            sparsity=0.0 if self.structured else self.pruned, end=given.pruning.end,
            structured=StructuredSection(fraction=self.pruned) if self.structured and self.pruned else None,
        )
        return given.model_copy(update={
            "method": self.method, "quantization": bits, "pruning": pruning,
            "fine_tune": tune if epochs is None else tune.model_copy(update={"epochs": epochs}),
            "post_training": given.post_training.model_copy(update={"figures": False}),
        })


@dataclass(frozen=True)
class Plan:
    """What a study measures.

    Attributes:
        points: in order.
        figure: that is drawn and tabled, one with the role ``scan`` in the catalogue; None takes accuracy where there
            are classes, else the mean area under the ROC.
        epochs: of fine tuning; None takes the design's.
        lut: whether look-up tables are estimated.
    """

    points: Sequence[Point]
    figure: str | None = None
    epochs: int | None = None
    lut: bool = False


@dataclass(frozen=True)
class Measured:
    """What one point is worth.

    Attributes:
        point: how it was compressed.
        figures: at level quantized.
        weights, nonzero: number of weights, and of those that are not zero.
        estimated_lut: of the whole trigger function, fully parallel, by alkaid's cost model; None where not asked for.
        seconds: that it took.
        digest: of everything that it depends on.
    """

    point: Point
    figures: tuple[Figure, ...]
    weights: int
    nonzero: int
    estimated_lut: float | None
    seconds: float
    digest: str


@dataclass(frozen=True)
class Study:
    """All points, and the float reference that they are held against.

    Attributes:
        design: its name.
        figure: that is drawn and tabled, one with the role ``scan`` in the catalogue.
        reference: figures of the float reference.
        points: in the order pruning, method, bits.
        versions: of the packages.
    """

    design: str
    figure: str
    reference: tuple[Figure, ...]
    points: tuple[Measured, ...]
    versions: Mapping[str, str]

    def value(self, figures: Sequence[Figure]) -> Figure:
        """The study's figure among those of a point, or of the reference."""
        return next(f for f in figures if f.name == self.figure)

    def relative(self, measured: Measured) -> float | None:
        """The figure of a point over that of the float reference."""
        a, b = self.value(measured.figures).value, self.value(self.reference).value
        return None if a is None or not b else a / b

    def save(self, folder: Path) -> None:
        """Writes ``bits.json`` and ``bits.csv`` into an existing folder."""
        meta = {
            "design": self.design, "figure": self.figure, "level": "quantized", "versions": dict(self.versions),
            "reference": [f.model_dump(mode="json") for f in self.reference],
            "points": [_plain(m) for m in self.points],
        }
        write_atomically(folder / "bits.json", json.dumps(meta, indent=1))
        text = io.StringIO()
        rows = csv.writer(text, lineterminator="\n")
        rows.writerow(["pruned", "structured", "method", "bits", self.figure, "low", "high", f"relative_{self.figure}",
                       "weights", "nonzero_weights", "estimated_lut", "seconds"])
        for m in self.points:
            p, f = m.point, self.value(m.figures)
            rows.writerow([p.pruned, p.structured, p.method, p.bits, f.value, *(f.interval or ("", "")),
                           self.relative(m), m.weights, m.nonzero, m.estimated_lut, m.seconds])
        write_atomically(folder / "bits.csv", text.getvalue())


def points(
    widths: Sequence[int], methods: Sequence[str], pruned: Sequence[float], structured: bool = False
) -> list[Point]:
    """Every combination, in order.

    Raises:
        ArgumentError: a method is not known, or a width or fraction is not possible.
    """
    for method in methods:
        if method not in ("qat", "ptq"):
            raise ArgumentError("methods", f"there is no method '{method}'", nearest(method, ("qat", "ptq")))
    for value in widths:
        if not 2 <= value <= 16:
            raise ArgumentError("widths", f"{value} bits are not possible", "take 2 to 16")
    for fraction in pruned:
        if not 0 <= fraction < 1:
            raise ArgumentError("pruned", f"{fraction:g} is no fraction of weights", "take 0 to below 1")
    every = itertools.product(sorted({*pruned}), dict.fromkeys(methods), sorted({*widths}))
    return [Point(p, "qat" if m == "qat" else "ptq", b, structured and p > 0) for p, m, b in every]


def study(
    design: Design, results: Results, upstream: str, plan: Plan, folder: Path, progress: Callable[[str], None]
) -> Study:
    """Compresses and measures every point that is not there yet.

    Args:
        design: of which sections ``compress`` and, for resources, ``convert`` and ``synth`` count.
        results: give the data and the reference, whose best training is compressed.
        upstream: digest of what these two were made from.
        plan: what is measured.
        folder: takes state, tables and checkpoints.
        progress: told what happens.

    Raises:
        ArgumentError: the figure is not measured for this task.
    """
    folder.mkdir(parents=True, exist_ok=True)
    progress("float reference")
    reference = tuple(float_figures(results.data, results.train))
    figure = plan.figure or ("accuracy" if any(f.name == "accuracy" for f in reference) else "mean_auc")
    scanned = catalogue.names("scan")
    known = [f.name for f in reference if f.name in scanned and f.value is not None]
    if figure not in known:
        raise ArgumentError("figure", f"{figure} is not measured for this task", nearest(figure, known))
    versions = {p: version(p) for p in _PACKAGES}
    before = _read(folder / "bits.json")
    done: list[Measured] = []
    for i, point in enumerate(plan.points):
        section = point.section(design.compress, plan.epochs)
        digest = _digest([upstream, section.model_dump(mode="json"), versions, plan.lut])
        measured = before.get(digest)
        if measured is None:
            own = design.model_copy(update={"compress": section})
            # Of points quantized after training, all widths share the pruned float network.
            free = section.model_dump(mode="json", exclude={"quantization"} if point.method == "ptq" else set())
            work = folder / "checkpoints" / _digest([upstream, free, versions])[:16]
            tell = partial(_tell, progress, f"{i + 1}/{len(plan.points)}  {point.name}")
            measured = _measure(own, results, point, digest, work, plan.lut, tell)
        done.append(measured)
        rest = [m for d, m in before.items() if d not in {x.digest for x in done}]
        # Points of other calls stay in the file, so that they are not lost to a narrower one.
        Study(design.name, figure, reference, (*done, *rest), versions).save(folder)
    remove(folder / "checkpoints")
    return Study(design.name, figure, reference, tuple(done), versions)


def _tell(progress: Callable[[str], None], name: str, text: str) -> None:
    progress(f"{name}  {text}")


def _measure(
    design: Design, results: Results, point: Point, digest: str, work: Path, lut: bool, progress: Callable[[str], None]
) -> Measured:
    began, data, trained = time.monotonic(), results.data, results.train
    score = SCORES.of(design.compress)
    if point.method == "ptq" and not score.keeps_outputs:
        work = work / digest[:16]  # what else such a score trains stops early, and would go on when it starts again
    made = score.compress(data, trained, trained.best, work, progress)
    trigger = trigger_function(design, trained, made.network, made.scaling)
    progress("measuring")
    figures = tuple(quantized_figures(trigger, data, trained))
    estimate = _estimated_lut(design, trigger, results) if lut else None
    weights = sum(layer.weights for layer in made.layers)
    zeros = sum(layer.zeros for layer in made.layers)
    seconds = round(time.monotonic() - began, 1)
    return Measured(point, figures, weights, weights - zeros, estimate, seconds, digest)


def _estimated_lut(design: Design, trigger: TriggerFunction, results: Results) -> float:
    """Look-up tables of the fully parallel trigger function, by alkaid's cost model."""
    from l1trigger.convert import hls4ml
    from l1trigger.synth import lower

    types = lower.ports(trigger.scaling, [e.inputs for e in results.data.evaluated])
    layers = hls4ml.graph_layers(trigger.network, design.convert)
    return lower.lower(trigger, design.synth, types, layers).lut


def _digest(values: Any) -> str:
    return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()


def _plain(measured: Measured) -> dict[str, Any]:
    return asdict(replace(measured, figures=())) | {"figures": [f.model_dump(mode="json") for f in measured.figures]}


def _read(file: Path) -> dict[str, Measured]:
    """Points of an earlier call by their digest; none where the file is missing or damaged."""
    try:
        rows = json.loads(file.read_text())["points"]
        earlier = [
            Measured(**(r | {"point": Point(**r["point"]), "figures": tuple(Figure(**f) for f in r["figures"])}))
            for r in rows
        ]
    except (OSError, ValueError, KeyError, TypeError):
        return {}
    return {m.digest: m for m in earlier}
