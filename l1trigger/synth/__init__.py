"""Stage ``synth``: RTL of the whole trigger function, its latency in clock edges and its resources, measured.

What is measured is alkaid's distributed-arithmetic RTL of the same bit-exact function. What a vendor's tool makes from
the HLS project is something else: it is estimated beside it, and ``synth.vendor`` asks the tool, where there is one.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from l1trigger.design import Design
from l1trigger.run_folder import checkpoints
from l1trigger.synth.result import SynthResult

if TYPE_CHECKING:
    from l1trigger.results import Results


def run(
    design: Design, results: Results, folder: Path, progress: Callable[[str], None] = lambda message: None
) -> SynthResult:
    """Writes the RTL, simulates it with one new event per clock, and synthesizes it; asks a vendor's tool if wanted.

    A mismatch is recorded, not raised.

    Args:
        design: its section ``synth`` says how; ``convert`` is how the network was converted, and what is estimated;
            ``csim`` names the C++ compiler.
        results: of all stages before. Test background and signals are simulated, as far as csim did, and must equal it;
            where network outputs mean something to the reference, e.g. an energy, they leave the RTL.
        folder: of the stage; takes the RTL in ``rtl`` and the tools' logs. What is compiled lies among its checkpoints.
        progress: told what is being done.

    Raises:
        UnsupportedLayerError: the network has layers without logic; names all of them.
        ToolNotFoundError: a tool is missing.
        ToolFailedError: a tool failed or ran past its time limit.
        ReportError: a vendor's report is damaged.
    """
    from l1trigger.synth import calibration, flow, hls_estimate, vendor_tools
    from l1trigger.synth.devices import device

    section, converted = design.synth, results.convert
    asks_vendor = section.route in {"hls", "both"}
    if asks_vendor:
        vendor_tools.find(converted.backend, section.vendor)  # a tool that is not there is told before work starts
    corrections = calibration.load(Path(section.calibration)) if section.calibration else {}
    progress("estimate of the HLS route")
    estimate = hls_estimate.of_network(results.compress.trigger.network, design.convert)
    if section.route in {"rtl", "both"}:
        device(converted.part)  # so is a part that is not in the table
        result = flow.measure(design, results, folder, progress)
    else:
        reason = f"synth.route is {section.route}"
        result = SynthResult(converted.part, converted.clock_ns, route=section.route, reason=reason)
    vendor = None
    if asks_vendor:
        vendor = vendor_tools.run(
            converted, section.vendor, folder / "vendor", checkpoints(folder) / "vendor", progress
        )
    return replace(result, hls=estimate, corrections=corrections, vendor=vendor)
