"""All benchmarks with one command: one table, and JSON with machine and versions.

Each part is a process of its own, whose largest memory is told beside it. Parts that need a pool of collisions are left
out without one. Nothing else should run on the machine meanwhile.

    python tools/bench/suite.py [--pool POOL] [--run RUN] [--only job,engine,data,rate] [-o bench.json]
"""

import argparse
import json
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import time
from importlib.metadata import version
from pathlib import Path

from rows import Row, publish

from l1trigger import kernels
from l1trigger.cores import cores

HERE, ROOT = Path(__file__).parent, Path(__file__).parents[2]
EVENTS = {
    "anomaly": 50_000, "anomaly_vae": 20_000, "cicada_student": 5000, "cicada_conv": 5000, "conv_ae": 5000,
    "digits_cnn": 5000, "garnet_small": 5000, "garnet": 600, "gravnet": 600, "calo_cnn": 600, "svhn_like": 600,
}
"""Events on which each shipped design is measured."""


def parts(arguments, folder):
    """Scripts with their arguments, by part."""
    job = [str(Path(sys.executable).with_name("l1trigger")), "run", str(ROOT / "models" / "anomaly.yaml"), "--runs",
           str(folder / "runs")]
    yield "job", job
    for name, events in EVENTS.items():
        more = ["--alkaid"] if name == "anomaly" else []
        yield "engine", ["engine_speed.py", str(ROOT / "models" / f"{name}.yaml"), "--events", str(events), *more]
    if arguments.pool:
        yield "data", ["zerobias_speed.py", str(arguments.pool)]
        done = arguments.run or folder / "runs" / "anomaly"
        yield "rate", ["rate_speed.py", str(done), "--pool", str(arguments.pool)]


def run(command, path):
    """Rows of a part, its seconds, and the largest memory of its process [MB]."""
    script = command[0].endswith(".py")
    words = [sys.executable, str(HERE / command[0]), *command[1:], "--json", str(path)] if script else command
    began = time.monotonic()
    with tempfile.TemporaryFile() as log:
        process = subprocess.Popen(words, stdout=log, stderr=log)
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.monotonic() - began
        if os.waitstatus_to_exitcode(status):
            log.seek(0)
            sys.exit(f"{' '.join(command)} failed:\n{log.read().decode(errors='replace')[-2000:]}")
    rows = [Row(**r) for r in json.loads(path.read_text())["rows"]] if script else []
    return rows, seconds, usage.ru_maxrss / 1e3


def job_rows(folder, seconds):
    """Seconds of the main job by stage."""
    report = json.loads((folder / "runs" / "anomaly" / "report.json").read_text())
    stages = [Row("main job", stage, s, "s") for stage, s in report["timings"].items()]
    return [*stages, Row("main job", "all of it, with start and report", seconds, "s")]


def machine():
    """Processor, cores, versions."""
    names = [line.split(":")[1].strip() for line in Path("/proc/cpuinfo").read_text().splitlines()
             if line.startswith("model name")] if Path("/proc/cpuinfo").exists() else []
    compiler = shutil.which("g++") and subprocess.run(["g++", "--version"], capture_output=True, text=True, check=True)
    return {
        "processor": names[0] if names else platform.machine(), "cores": cores(), "kernels": kernels.levels()[0],
        "python": platform.python_version(), "compiler": compiler.stdout.splitlines()[0] if compiler else "none",
        **{p: version(p) for p in ("l1trigger", "numpy", "tensorflow", "qkeras", "hls4ml", "alkaid", "distributed")},
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pool", type=Path, help="of collisions; see `l1trigger data make pool`")
    parser.add_argument("--run", type=Path, help="run folder for rates, where the part job is left out")
    parser.add_argument("--only", default="job,engine,data,rate")
    parser.add_argument("-o", "--out", type=Path, default=Path("bench.json"))
    arguments = parser.parse_args()
    rows, about, wanted = [], machine(), arguments.only.split(",")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for part, command in parts(arguments, folder):
            if part not in wanted:
                continue
            found, seconds, memory = run(command, folder / "rows.json")
            found = found or job_rows(folder, seconds)
            rows += [*found, Row(found[0].what, f"largest memory, {part}", memory, "MB")]
            print(f"{part}  {found[0].what}  {seconds:.0f} s", file=sys.stderr)
    publish(rows, ", ".join(f"{k} {v}" for k, v in about.items()))
    arguments.out.write_text(json.dumps({"machine": about, "rows": [vars(r) for r in rows]}, indent=1))


if __name__ == "__main__":
    main()
