"""A design tried out on a few events before anything is trained in earnest.

The stages data, train and compress run for one epoch on a thousand events; the weights mean nothing, but the network
has the layers, quantizers and sizes that the real one will have, and it is these that the conversion may refuse.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from l1trigger.design import Design
from l1trigger.errors import of_file
from l1trigger.pipeline import at_most
from l1trigger.results import Results
from l1trigger.unread import require_read

if TYPE_CHECKING:
    from l1trigger.data.events import DataSet, Events
    from l1trigger.quantize.lint import Finding

EVENTS = 1000
LIMITS = {"epochs": 1, "seeds": 1, "limit_events": 20 * EVENTS}


def rehearse(design: Design, progress: Callable[[str], None] = lambda text: None) -> list[Finding]:
    """What would prevent or endanger an exact conversion of the design, errors first.

    Args:
        design: to try out.
        progress: told what happens.

    Raises:
        L1TriggerError: a stage refuses the design or its data.
    """
    require_read(design)
    small = at_most(design, LIMITS)
    progress("data")
    from l1trigger import compress, data, train
    from l1trigger.data.doubts import doubts
    from l1trigger.quantize import lint

    with of_file(design.file), tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        whole = data.run(small, Results(), folder)
        events = _few(whole)
        trained = train.run(small, Results(data=events), folder / "train", lambda text: progress(f"train {text}"))
        before = Results(data=events, train=trained)
        compressed = compress.run(small, before, folder / "compress", lambda text: progress(f"compress {text}"))
    progress("rules")
    seen = [lint.Finding("warning", "data", d.message, d.remedy, "data") for d in doubts(whole)]
    return lint.check(design, compressed.trigger.network.build(exact=False)) + seen


def _few(data: DataSet) -> DataSet:
    def some(events: Events) -> Events:
        # Not the first ones: they may all be of one class.
        return events.select(np.sort(np.random.default_rng(0).permutation(len(events))[:EVENTS]))

    return replace(
        data, train=some(data.train), validation=some(data.validation), test=some(data.test),
        signals=tuple(some(s) for s in data.signals),
    )
