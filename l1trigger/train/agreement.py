"""Whether task, architecture, score and data agree with each other."""

from __future__ import annotations

from l1trigger.contracts.architecture import ARCHITECTURES, SupervisedArchitecture
from l1trigger.contracts.score import SCORES
from l1trigger.data.events import DataSet
from l1trigger.design import Design
from l1trigger.errors import DataError, DesignError
from l1trigger.models.classification import TASK, true_classes
from l1trigger.unread import Unread, require


def require_fit(design: Design, data: DataSet) -> None:
    """Checks that task, architecture, score and data agree on classes, on a rate that is wanted, and on streaming RTL.

    Raises:
        DesignError: they do not.
        DataError: a sample lacks true classes.
    """
    if not data.zero_bias:
        require(design, (
            Unread("compress.threshold.rate_khz", "this background is not a zero-bias sample and has no rate",
                   "give false_positive_rate instead"),
            Unread("data.colliding_bunches", "this background is not a zero-bias sample and has no rate",
                   "leave it out"),
        ))
    kernel = SCORES.get(design.compress.score).kernel
    if kernel.needs_inputs:
        require(design, (Unread(
            "synth.pixels_per_clock", f"the score {design.compress.score} compares outputs with inputs, which a "
            "streaming engine does not keep", "leave it out for fully parallel RTL, or take a score of outputs alone",
        ),))
    architecture = ARCHITECTURES.of(design.model)
    count = architecture.truth.class_count if isinstance(architecture, SupervisedArchitecture) else 0
    if design.task != TASK:
        if count:
            raise DesignError(None, "task", f"is {design.task}, but {design.model.architecture} gives {count} classes",
                              f"write task: {TASK}")
        if kernel.compares_classes:
            raise DesignError(None, "compress.score", f"{design.compress.score} compares classes, which only task: "
                              f"{TASK} has", "take classifier, or another score")
        return
    if not count:
        raise DesignError(None, "model.architecture", f"{design.model.architecture} gives no classes, which task: "
                          f"{TASK} needs", "take an architecture with one output per class, e.g. cnn")
    if not kernel.compares_classes:
        raise DesignError(None, "compress.score", f"{design.compress.score} does not compare the classes",
                          f"take class_margin for task: {TASK}")
    if not data.classes:
        raise DesignError(None, "data.source", f"{design.data.source} gives no classes, which task: {TASK} needs",
                          "take a data source that does")
    if len(data.classes) != count or count < 2:
        raise DesignError(None, "model.classes", f"is {count}, but the data have {len(data.classes)}: "
                          f"{', '.join(data.classes)}", "make them the same, at least 2")
    for events in (data.validation, *data.evaluated):
        true_classes(events, count)
    if absent := [data.classes[c] for c in range(count) if c not in true_classes(data.train, count)]:
        raise DataError(data.train.name, f"has no events of class {', '.join(absent)} to train on",
                        "take more events (data), or fewer classes")
