"""Events per second and core of zero-bias generation, from a pool that exists.

The reference in the same run is the statement in NumPy, which makes the same bits without a compiler.

    python tools/bench/zerobias_speed.py POOL [--events 5000] [--repeats 5]
"""

import argparse
import resource
import time
from pathlib import Path

import numpy as np
from rows import Row, add_json, publish

from l1trigger.data import crossings, crossings_kernel
from l1trigger.data.crossings import allocate, generate, natural
from l1trigger.data.pool_rows import TEST_BLOCKS, Pool
from l1trigger.errors import ToolNotFoundError

PILEUP = 50.0


def absent():
    raise ToolNotFoundError("for the reference")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("pool", type=Path)
    parser.add_argument("--events", type=int, default=5000)
    parser.add_argument("--repeats", type=int, default=5)
    add_json(parser)
    args = parser.parse_args()
    began = time.perf_counter()
    pool = Pool.load(args.pool, blocks=TEST_BLOCKS)
    load_s = time.perf_counter() - began
    rng, strata, block = np.random.default_rng(1), pool.strata(PILEUP), TEST_BLOCKS[0]
    compiled = crossings_kernel.load

    def sample(counts, **how):
        return lambda: generate(pool, PILEUP, counts, block, rng, **how)

    plain, weighted = natural(strata, args.events, rng), allocate(strata, args.events, least=1)
    jobs = {
        "NumPy, unweighted sample": (absent, sample(plain)),
        "unweighted sample": (compiled, sample(plain)), "weighted sample": (compiled, sample(weighted)),
        "unweighted stream": (compiled, sample(plain, stream=True)),
        "weighted stream": (compiled, sample(weighted, stream=True)),
    }
    wall, cpu = ({name: [] for name in jobs} for _ in range(2))
    for _ in range(args.repeats + 1):
        for name, (load, job) in jobs.items():  # in alternation, so that all see the same machine
            crossings.crossings_kernel.load = load
            t, c = time.perf_counter(), time.process_time()
            made = len(job().row)
            wall[name].append(made / (time.perf_counter() - t))
            cpu[name].append(made / (time.process_time() - c))
    rows, reference = [], None
    for name in jobs:
        seen = wall[name][1:]  # the first warms up
        median = float(np.median(seen))
        reference = reference or median
        note = f"{min(seen):,.0f} to {max(seen):,.0f}; {np.median(cpu[name][1:]):,.0f} per CPU s"
        rows.append(Row("zero bias", name, median, "crossings/s, median", median / reference, "NumPy", note))
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3
    conditions = f"pile-up {PILEUP:g}, {args.events} events, {args.repeats} repeats, numpy {np.__version__}"
    publish(rows, f"one process, {conditions}; pool read in {load_s:.1f} s; at most {memory:.0f} MB", args.json)


if __name__ == "__main__":
    main()
