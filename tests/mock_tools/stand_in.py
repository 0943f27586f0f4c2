"""Stands in for a vendor's HLS tool: reads the build script and writes reports in the vendor's format, or misbehaves.

Called as ``stand_in.py BEHAVIOUR PROGRAM ARGUMENT...``. The folders beside this file each hold programs of one
behaviour: works; crashes (says an error, exits with 0 and leaves a report of what it had done); silent (exits with 0,
leaves nothing); hangs; stale (leaves reports that are older than the run); disagrees (co-simulation fails); truncated
(leaves half a report).
"""

import os
import re
import shutil
import sys
import time
from pathlib import Path

REPORTS = Path(__file__).resolve().parents[1] / "reports" / "vitis_hls_2024.2" / "solution1"
OF_STEP = {"csynth": ("syn/",), "cosim": ("sim/",), "vsynth": ("impl/verilog/report/*_synth.rpt",),
           "route": ("impl/verilog/report/", "impl/report/")}


def main() -> int:
    behaviour, program, *arguments = sys.argv[1:]
    expected = {"vitis-run": ["--mode", "hls", "--tcl"], "vitis_hls": ["-f"], "vivado_hls": ["-f"]}[Path(program).name]
    if arguments[:-1] != expected:
        print(f"ERROR: unknown arguments {arguments}")
        return 1
    script = Path(arguments[-1]).read_text()
    top = re.search(r"set_top (\w+)", script)[1]
    project = re.search(r"open_project -reset (\w+)", script)[1]
    print(f"INFO: [HLS 200-10] stand-in for {Path(program).name}, {behaviour}")
    if behaviour == "hangs":
        time.sleep(600)
    if behaviour == "silent":
        return 0
    written = [p for step in OF_STEP if os.environ.get(f"L1TRIGGER_{step.upper()}") == "1"
               for p in write(step, Path(project) / "solution1", top)]
    if behaviour == "crashes":
        print("ERROR: [HLS 200-478] out of luck\nAbnormal program termination (11)")
    if behaviour == "stale":
        for path in written:
            os.utime(path, (1e9, 1e9))
    if behaviour == "disagrees":
        print("ERROR: [COSIM 212-4] *** C/RTL co-simulation finished: FAIL ***")
        for path in written:
            if path.name.endswith("_cosim.rpt"):
                path.write_text(path.read_text().replace("Pass", "Fail"))
    if behaviour == "truncated":
        for path in written:
            path.write_text(path.read_text()[: path.stat().st_size // 2])
    return 0


def write(step: str, solution: Path, top: str) -> list[Path]:
    """Copies the reports of a step, with the name of the design's top function."""
    written = []
    for source in sorted(REPORTS.rglob("*.*")):
        name = source.relative_to(REPORTS)
        if not any(name.match(x) if "*" in x else name.as_posix().startswith(x) for x in OF_STEP[step]):
            continue
        target = solution / name.as_posix().replace("veto_trigger", top)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, target)
        target.write_text(target.read_text().replace("veto_trigger", top))
        written.append(target)
    return written


if __name__ == "__main__":
    sys.exit(main())
