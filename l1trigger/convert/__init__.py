"""Stage ``convert``: from the trigger function to an HLS project with test bench, vectors and build script."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

from l1trigger.convert.result import ConvertResult
from l1trigger.design import Design
from l1trigger.results import Results

VECTORS = 1000
"""Events that the test bench gets."""


def run(
    design: Design, results: Results, folder: Path, progress: Callable[[str], None] = lambda message: None
) -> ConvertResult:
    """The HLS project of a trigger function, written into ``folder/project``.

    Args:
        design: its section ``convert`` says for which backend, part and clock, and how parallel.
        results: give the trigger function, and the events of the test bench: the first thousand of the test background.
        folder: of the stage; also takes ``hls4ml.log``.
        progress: told what is being done.

    Raises:
        UnsupportedLayerError: the network holds layers that cannot be brought to firmware exactly.
        DesignError: a reuse factor does not fit a layer, or too much would be unrolled.
    """
    from l1trigger.convert import hls4ml, project

    section, trigger, vectors = design.convert, results.compress.trigger, results.data.test.inputs
    final, part = folder / "project", folder / "project.part"
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir(parents=True)
    progress("conversion by hls4ml")
    network = hls4ml.convert(trigger.network, section, project.network_name(trigger), part, folder / "hls4ml.log")
    features = None if vectors.ndim < 3 else int(vectors.shape[-1])
    project.write(trigger, network, section, part, features)
    project.write_vectors(trigger, vectors[:VECTORS], part)
    shutil.rmtree(final, ignore_errors=True)
    part.replace(final)
    return ConvertResult(
        project=final, top=project.top_name(trigger), backend=section.backend, part=section.part,
        clock_ns=section.clock_ns, layer_types={layer.name: dict(layer.types) for layer in network.layers},
        reuse_factors=dict(network.reuse_factors),
    )
