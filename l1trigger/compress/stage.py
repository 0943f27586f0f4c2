"""The work of the stage ``compress``: every seed's network, the threshold, and the spread between seeds."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np

from l1trigger.catalogue import FRONT, POST_TRAINING, names
from l1trigger.compress.measured import quantized_figures
from l1trigger.compress.result import CompressResult, in_float_units
from l1trigger.contracts.score import SCORES
from l1trigger.data.classes import CLASS
from l1trigger.data.events import DataSet
from l1trigger.data.scaling import InputScaling
from l1trigger.design import CompressSection, Design, ThresholdSection
from l1trigger.figures import Figure, FigureMaker, Source
from l1trigger.network import QuantizedNetwork
from l1trigger.physics import classification, measure, rates
from l1trigger.physics.roc import Scored
from l1trigger.quantize.compressed import Compressed
from l1trigger.quantize.dense_layers import summarize
from l1trigger.train.agreement import require_fit
from l1trigger.train.result import TrainResult
from l1trigger.trigger import TriggerFunction, TriggerOutputs
from l1trigger.unread import Unread, require


def compress(
    design: Design, data: DataSet, trained: TrainResult, work: Path, progress: Callable[[str], None]
) -> CompressResult:
    """See ``l1trigger.compress.run``."""
    require_fit(design, data)
    score = SCORES.of(design.compress)

    def named(name: str) -> Callable[[str], None]:
        return lambda message: progress(name + message)

    results = {}
    for which, training in enumerate(trained.trainings):
        name = f"seed {training.seed}: " if len(trained.trainings) > 1 else ""
        made = _ready_made(trained, which)
        if made is not None:
            require(design, QUANTIZED_ALREADY)
        else:
            made = score.compress(data, trained, which, work / f"seed{training.seed}", named(name))
        results[which] = (trigger_function(design, trained, made.network, made.scaling), made)
    trigger, made = results[trained.best]
    progress("threshold")
    trigger = replace(trigger, threshold=find_threshold(design.compress.threshold, trigger, data))
    value = np.array([trigger.threshold * trigger.score_type.lsb])
    float_threshold = float(in_float_units(value, trigger, made.link, trained)[0])
    figures: tuple[Figure, ...] = ()
    if len(results) > 1:
        figures = tuple(
            f for which, (t, _) in results.items() for f in seed_figures(t, data, trained, which)
        )
    before = post_training_figures(design.compress, trigger, made, data, trained, progress)
    front = front_figures(design, made, data, trained, progress)
    return CompressResult(
        trigger, made.layers, made.history, float_threshold, figures, before, made.link, made.ebops, front
    )


def trigger_function(
    design: Design, trained: TrainResult, network: QuantizedNetwork, scaling: InputScaling | None
) -> TriggerFunction:
    """The trigger function around a network, with a threshold that is still to be found.

    Args:
        design: gives its name and score.
        trained: the reference.
        network: quantized.
        scaling: of its inputs; None takes the reference's.
    """
    score, scaling = design.compress.score, scaling or trained.scaling
    score_type = SCORES.get(score).kernel.score_type(scaling, network)
    return TriggerFunction(design.name, scaling, network, score, score_type, 0)


QUANTIZED_ALREADY = tuple(
    Unread(f"compress.{key}", "the model is quantized already, and goes to firmware as it is",
           "leave it out, or give the model without quantizers")
    for key in ("method", "pruning.*", "quantization.*", "distillation", "student", "internal", "fold",
                "link", "tail")
)
"""What means nothing where the reference is quantized, which only its file tells."""


def _ready_made(trained: TrainResult, which: int) -> Compressed | None:
    """The network of a reference that is quantized already, such as a user's QKeras model."""
    network = trained.network.quantized_network(trained.trainings[which].weights)
    return None if network is None else Compressed(network, summarize(network), {})


def find_threshold(section: ThresholdSection, trigger: TriggerFunction, data: DataSet) -> int:
    """The lowest threshold, as an integer, whose rate or false positive rate on the test background is not above
    what the design wants.

    A rate is of zero bias alone; ``require_fit`` has seen to that.
    """
    scores = trigger.evaluate(data.test.inputs).score.astype(np.float64)
    sample = Scored.of(scores, data.test)
    if section.rate_khz is None:
        assert section.false_positive_rate is not None
        return int(np.floor(sample.spectrum.threshold(section.false_positive_rate)))
    return int(np.floor(rates.threshold_for_rate(sample, section.rate_khz, data.colliding_bunches).threshold))


def post_training_figures(
    section: CompressSection, trigger: TriggerFunction, made: Compressed, data: DataSet, trained: TrainResult,
    progress: Callable[[str], None],
) -> tuple[Figure, ...]:
    """Headline figures of the network before fine tuning, named ``post_training_...``; what they lack is said.

    Args:
        section: how it was compressed.
        trigger: the trigger function with the fine-tuned network.
        made: what became of the network; empty-handed where it was not fine-tuned.
        data, trained: events, and the reference that knows what outputs mean.
        progress: told what happens.
    """
    if made.post_training is None:
        return ()
    progress("figures of post-training quantization")
    conditions = {
        "quantization": "post_training",
        "bias_correction": "on" if made.bias_corrected else "off",
        "pruning": "removed units, no magnitude pruning" if section.pruning.structured else "none",
    }
    figures = quantized_figures(replace(trigger, network=made.post_training), data, trained)
    return tuple(
        f.model_copy(update={"name": POST_TRAINING + f.name, "conditions": {**f.conditions, **conditions}})
        for f in figures
    )


def front_figures(
    design: Design, made: Compressed, data: DataSet, trained: TrainResult, progress: Callable[[str], None]
) -> tuple[Figure, ...]:
    """Figures of the other networks of the same training, named ``front_...``, with their EBOPs as a condition."""
    figures: list[Figure] = []
    for other in made.front:
        progress(f"figures of the network with {other.ebops:.0f} EBOPs")
        trigger = trigger_function(design, trained, other.network, other.scaling)
        figures += [
            f.model_copy(update={"name": FRONT + f.name, "conditions": {"ebops": round(other.ebops, 1)}})
            for f in seed_figures(trigger, data, trained, trained.best)
            if f.level == "quantized" and f.name in names("front")
        ]
    return tuple(figures)


_FLOAT = FigureMaker("float", Source.DATASET, None)
_QUANTIZED = FigureMaker("quantized", Source.DATASET, None)


def seed_figures(trigger: TriggerFunction, data: DataSet, trained: TrainResult, which: int) -> list[Figure]:
    """Physics figures of one seed at levels float and quantized, with the seed among their conditions."""
    seed = trained.trainings[which].seed

    outputs = {e.name: trigger.evaluate(e.inputs) for e in data.evaluated}
    reference = {e.name: trained.float_score(e.inputs, which) for e in data.evaluated}
    quantized = {name: trigger.value(o.score) for name, o in outputs.items()}
    figures = measure.level_figures(reference, data, _FLOAT)
    figures += measure.level_figures(quantized, data, _QUANTIZED)
    figures += measure.comparison_figures(reference, quantized, data, _QUANTIZED)
    if data.classes:
        figures += _accuracies(outputs, trigger, data, trained, which)
    return [f.model_copy(update={"conditions": {**f.conditions, "seed": seed}}) for f in figures]


def _accuracies(
    outputs: Mapping[str, TriggerOutputs], trigger: TriggerFunction, data: DataSet, trained: TrainResult, which: int
) -> list[Figure]:
    """Accuracy of one seed at levels float and quantized, and what is lost between them."""
    labelled, value = classification.Labelled.of(data), trigger.network.output_type.value
    reference = {e.name: trained.float_predictions(e.inputs, which)[CLASS] for e in data.evaluated}
    quantized = {name: trained.predictions(value(o.network))[CLASS] for name, o in outputs.items()}
    return [
        *classification.class_figures(labelled, reference, _FLOAT),
        *classification.class_figures(labelled, quantized, _QUANTIZED),
        classification.loss_figure(labelled, reference, quantized, _QUANTIZED),
    ]
