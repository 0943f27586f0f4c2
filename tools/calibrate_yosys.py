"""Holds Yosys against Vivado on the same RTL, and writes the calibration that `synth.calibration` names.

    .venv/bin/python tools/calibrate_yosys.py FOLDER [FOLDER ...] [--report post_synth_util] [--out calibration.json]

Each folder holds one design: Verilog files (at any depth; simulation and wrapper files are left out) and a report of
`report_utilization`, which also says the part and the top module.
"""

from __future__ import annotations

import argparse
import re
import tempfile
from pathlib import Path

from l1trigger.catalogue import SYNTHESIZED
from l1trigger.errors import ReportError
from l1trigger.sections import SynthSection
from l1trigger.synth import calibration
from l1trigger.synth.synthesizer import Module
from l1trigger.synth.yosys import Yosys

_ROWS = {
    "logic": r"LUT as Logic", "srl": r"LUT as Shift Register", "ff": r"(?:CLB|Slice) Registers", "dsp": r"DSPs",
    "bram": r"Block RAM Tile", "carry8": r"CARRY8", "carry4": r"CARRY4",
}


def utilization(path: Path) -> tuple[str, str, dict[str, float]]:
    """Part, top module and resources of a utilization report; CARRY8 counts as two CARRY4."""
    text = path.read_text(encoding="utf-8", errors="replace")
    rows = {}
    for name, row in _ROWS.items():
        match = re.search(rf"^\|\s*{row}\*?\s*\|\s*([\d.]+)", text, re.MULTILINE)
        rows[name] = float(match[1]) if match else 0.0
        if match is None and name in ("logic", "ff", "dsp", "bram"):
            raise ReportError(f"{path}: has no row '{row}'. Remedy: give a report of report_utilization")
    part, top = (re.search(rf"^\|\s*{what}\s*:\s*(\S+)", text, re.MULTILINE) for what in ("Device", "Design"))
    if part is None or top is None:
        raise ReportError(f"{path}: does not say its device and design. Remedy: give a report of report_utilization")
    return part[1], top[1], {
        "lut": rows["logic"], "ff": rows["ff"], "srl": rows["srl"], "dsp": rows["dsp"],
        "bram18": 2 * rows["bram"], "carry": rows["carry4"] + 2 * rows["carry8"],
    }


def measure(folder: Path, report: str, yosys: Yosys):
    """Name of the report, resources by Yosys, resources by the vendor's tool."""
    reports = sorted(p for p in folder.rglob("*.rpt") if report in p.name)
    if len(reports) != 1:
        raise SystemExit(f"{folder}: {len(reports)} reports with '{report}' in their name; say which with --report")
    part, top, theirs = utilization(reports[0])
    sources = [p for p in sorted(folder.rglob("*.v")) if "wrapper" not in p.name and "sim" not in p.parts]
    if not sources:
        raise SystemExit(f"{folder}: there is no Verilog")
    with tempfile.TemporaryDirectory() as name:
        work = Path(name)
        copies = [_copied(p, work, k) for k, p in enumerate(sources)]
        for memory in folder.rglob("*.mem"):
            (work / memory.name).write_bytes(memory.read_bytes())
        made = yosys.synthesize(Module(tuple(copies), part, top), work / "yosys")
    return reports[0], made, theirs


def _copied(source: Path, work: Path, k: int) -> Path:
    """A copy without the attribute that Yosys takes for an order to use block memory."""
    text = re.sub(r"\(\*\s*rom_style\s*=.*?\*\)", "", source.read_text())
    target = work / f"{k}_{source.name}"
    # Contents of memories are looked for where Yosys runs, hence by their whole path.
    target.write_text(re.sub(r'"(?:[^"]*/)?([^"/]+\.mem)"', rf'"{work}/\1"', text))
    return target


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folders", nargs="+", type=Path)
    parser.add_argument("--report", default="post_synth_util", help="part of the report's file name")
    parser.add_argument("--time-limit-s", type=float, default=900)
    parser.add_argument("--out", type=Path, help="calibration file to write")
    arguments = parser.parse_args()
    yosys = Yosys(SynthSection(time_limit_s=arguments.time_limit_s))
    pairs = {r: [] for r in SYNTHESIZED}
    print(f"{yosys.tool()}; report: *{arguments.report}*")
    for folder in arguments.folders:
        report, ours, theirs = measure(folder, arguments.report, yosys)
        print(f"\n{folder.name}  ({report.name})\n{'':8}{'Yosys':>10}{'vendor':>10}{'vendor/Yosys':>14}")
        for resource in SYNTHESIZED:
            pairs[resource].append((ours[resource], theirs[resource]))
            ratio = f"{theirs[resource] / ours[resource]:14.3f}" if ours[resource] else f"{'-':>14}"
            print(f"{resource:8}{ours[resource]:10.0f}{theirs[resource]:10.0f}{ratio}")
    corrections = {r: c for r in pairs if (c := calibration.fit(pairs[r])) is not None}
    print("\nall designs")
    for resource, c in corrections.items():
        print(f"{resource:8}{c.method}; {c.interval(1)[0]:.3f} to {c.interval(1)[1]:.3f} of Yosys")
    if arguments.out:
        calibration.save(corrections, arguments.out, tool=yosys.tool(), report=arguments.report,
                         designs=[f.name for f in arguments.folders])


if __name__ == "__main__":
    main()
