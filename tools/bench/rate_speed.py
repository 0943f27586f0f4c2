"""Crossings per second that are made, scored and counted: threads and Dask workers, one and several.

The reference in the same run is one thread. The counts are held against those of the reference, bit for bit.

    python tools/bench/rate_speed.py RUN --pool POOL [--events 1e6] [--workers 2]
"""

import argparse
import resource
import sys
import time
from pathlib import Path

import numpy as np
from rows import Row, add_json, publish

from l1trigger.farm import Farm
from l1trigger.rate import menu
from l1trigger.rate.chunks import Task, chunks, loaded
from l1trigger.rate.counts import Counts
from l1trigger.rate.study import proven_engine
from l1trigger.results import Results
from l1trigger.run_folder import RunFolder

PILEUP = 50.0


def same(a, b):
    return all(np.array_equal(getattr(a, n), getattr(b, n)) for n in ("block", "stratum", "pattern", "score", "events"))


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("run", type=Path)
    parser.add_argument("--pool", type=Path, required=True)
    parser.add_argument("--events", type=float, default=1e6)
    parser.add_argument("--workers", type=int, default=2)
    add_json(parser)
    args = parser.parse_args()
    results = Results(args.run)
    engine = proven_engine(results, RunFolder(args.run))
    task = Task(args.pool.absolute(), "objects", engine, menu.at_rate(results.data, 10.0), 1)
    loaded(task.pool)
    jobs, few = chunks(PILEUP, int(args.events)), chunks(PILEUP, 10_000)
    n = args.workers
    farms = {"1 thread": (Farm(1), 1), f"{n} threads": (Farm(n), n),
             "1 Dask worker": (Farm(1, "local"), 1), f"{n} Dask workers": (Farm(n, "local"), n)}
    rows, reference, counts, equal, alone = [], None, None, True, {}
    for name, (farm, workers) in farms.items():
        began = time.perf_counter()
        list(farm.map(task.count, few))  # starts what has to be started, and reads the pool
        start = time.perf_counter() - began
        began = time.perf_counter()
        counted = Counts.join([c for _, c in farm.map(task.count, jobs)])
        seconds = time.perf_counter() - began - (start if farm.cluster else 0)
        reference, counts = reference or seconds, counts or counted
        alone[farm.cluster] = alone.get(farm.cluster, seconds)
        exact = same(counted, counts)
        equal &= exact
        note = f"efficiency {100 * alone[farm.cluster] / seconds / workers:.0f} %, {'equal' if exact else 'DIFFERENT'}"
        note += f", start {start:.1f} s not counted" if farm.cluster else ""
        speed = float(counted.events.sum() / seconds)
        rows.append(Row("rates", name, speed, "crossings/s", reference / seconds, "1 thread", note))
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3
    conditions = f"{args.run.name}, pile-up {PILEUP:g}, numpy {np.__version__}"
    publish(rows, f"{conditions}, at most {memory:.0f} MB in this process", args.json)
    return 0 if equal else 1


if __name__ == "__main__":
    sys.exit(main())
