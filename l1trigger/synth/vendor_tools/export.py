"""The short reports that the HLS tools write after ``export_design -flow syn`` and ``-flow impl``.

``TOP_export.rpt`` lists ``LUT: 12`` under "Post-Synthesis" or "Post-Implementation Resource usage" (Vivado HLS, and
Vitis HLS beside newer ones); ``export_impl.rpt`` and ``export_syn.rpt`` have sections "Place & Route" and "RTL
Synthesis" (Vitis HLS).
"""

from __future__ import annotations

import re

from l1trigger.synth.vendor_tools.reading import Reading, Step, sane
from l1trigger.synth.vendor_tools.text import damaged, number, top_of

_RESOURCES = {"LUT": "lut", "FF": "ff", "SRL": "srl", "DSP": "dsp", "BRAM": "bram18", "URAM": "uram"}
_ACHIEVED = {
    "vsynth": r"(?:CP achieved post-synthesis:|\| Post-Synthesis\s*\|)\s*([\w.?-]+)",
    "route": r"(?:CP achieved post-implementation:|\| Post-Route\s*\|)\s*([\w.?-]+)",
}


def parse(text: str, file: str) -> Reading:
    """Reads either format.

    Raises:
        ReportError: it is no whole report, or holds nonsense.
    """
    step: Step = "route" if re.search(r"Post-Implementation Resource usage|Place & Route Resource", text) else "vsynth"
    usage = re.search(r"Resource (?:usage ===|Summary\n=+)\n(?P<lines>(?:[A-Z]+:\s+\S+\n)+)", text)
    target = re.search(r"(?:CP required:|\| Target\s*\|)\s*([\d.]+)", text)
    if usage is None or target is None:
        raise damaged(file, "ends before its resources or its clock period")
    pairs = dict(re.findall(r"([A-Z]+):\s+(\S+)", usage["lines"]))
    values = {n: number(pairs[k], file, k) for k, n in _RESOURCES.items() if k in pairs}
    clock = float(target[1])
    achieved = re.search(_ACHIEVED[step], text)
    period = number(achieved[1], file, "achieved clock period") if achieved else None
    values |= {"achieved_clock_ns": period, "slack_ns": None if period is None else round(clock - period, 6)}
    missing = {} if period is not None else dict.fromkeys(("achieved_clock_ns", "slack_ns"), "the report does not say")
    version = re.search(r"(?:Vivado v\.|Version:\s+)(\d[\w.]*)", text)
    part = re.search(r"(?:Device target|Target device):\s+(\S+)", text)
    return sane(Reading(step, "export", file, f"Vivado {version[1]}" if version else "Vivado",
                        top_of(file, "export"), part=part[1] if part else None, clock_ns=clock, values=values,
                        reasons=missing))
