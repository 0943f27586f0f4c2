"""How clearly class 0 wins: the first output of a network with one logit per class minus the largest of the others."""

from __future__ import annotations

from l1trigger.scores import kernels
from l1trigger.scores.classifier import Classifier, ClassifierOptions


class ClassMarginOptions(ClassifierOptions):
    """Options of the score ``class_margin``; they are those of ``classifier``."""

    score: str = "class_margin"


class ClassMargin(Classifier):
    """The network itself, as for ``classifier``; firmware compares its outputs.

    Logits mean nothing one by one: adding a number to all of them leaves the probabilities as they are. Their
    differences do, and an event is accepted when class 0 leads by more than the threshold.
    """

    Options = ClassMarginOptions
    kernel = kernels.MARGIN
