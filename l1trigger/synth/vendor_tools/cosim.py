"""Reports of C/RTL co-simulation."""

from __future__ import annotations

import re
from collections.abc import Mapping

from l1trigger.synth.vendor_tools.reading import Reading, sane
from l1trigger.synth.vendor_tools.text import cells, damaged, number, top_of

_COLUMNS = ("latency_min", "latency_mean", "latency_cycles", "interval_min", "interval_mean", "initiation_interval")
_NUMBERS_FROM = 2
_NOT_RUN = frozenset({"", "-", "NA", "N/A", "NA/NA", "NOT RUN"})


def parse(text: str, file: str) -> Reading:
    """Reads ``TOP_cosim.rpt``: whether RTL and C agreed, latency and interval that were measured.

    ``latency_cycles`` and ``initiation_interval`` are the largest ones; a simulation of one transaction has no
    interval. A simulation that failed before it measured anything tells nothing of whether RTL and C agree.

    Raises:
        ReportError: it is no whole report of a co-simulation, or holds nonsense.
    """
    rows = [row for line in text.splitlines() if (row := cells(line)) and row[0].strip() in {"Verilog", "VHDL"}]
    # Both languages have a row, whichever was simulated; Verilog's is the last.
    if not rows or rows[-1][0].strip() != "Verilog" or any(len(row) < _NUMBERS_FROM + len(_COLUMNS) for row in rows):
        raise damaged(file, "has no row of a simulated language, so it is no whole report of a co-simulation")
    ran = [row for row in rows if row[1].strip().upper() not in _NOT_RUN]
    # Where both languages were simulated, the one that disagrees counts.
    row = next((r for r in ran if r[1].strip().lower() != "pass"), ran[0] if ran else None)
    tool = re.search(r"Simulation tool\s*:\s*([\w ]+)", text)
    simulator, top = tool[1].strip() if tool else "", top_of(file, "cosim")
    status = row[1].strip() if row else ""
    if row and status.lower() not in {"pass", "fail"}:
        raise damaged(file, f"has the status {status!r}, neither Pass nor Fail")
    cycles = {n: number(c, file, n) for n, c in zip(_COLUMNS, row[_NUMBERS_FROM:] if row else (), strict=False)}
    if status.lower() != "pass" and all(v is None for v in cycles.values()):
        why = f"the co-simulation did not run{f' to its end ({status})' if status else ''}; the tool's log says why"
        nothing = dict.fromkeys(("cosim_pass", *_COLUMNS))
        return Reading("cosim", "cosim", file, simulator, top, values=nothing, reasons=dict.fromkeys(nothing, why),
                       remarks=(why,))
    values: Mapping[str, float | None] = {"cosim_pass": float(status.lower() == "pass"), **cycles}
    missing = "a single transaction was simulated" if cycles["latency_cycles"] is not None else "it ended early"
    return sane(Reading("cosim", "cosim", file, simulator, top, values=values,
                        reasons={k: missing for k, v in values.items() if v is None}))
