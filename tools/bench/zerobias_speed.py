"""Events per second and core of zero-bias generation, from a pool that exists.

The reference in the same run is the sum alone (drawing rows and adding towers), so that the ratio says what
electronics and object finding cost on top of it.

    python tools/bench/zerobias_speed.py POOL [--events 5000] [--repeats 5]
"""

import argparse
import time
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table

from l1trigger.data import crossings
from l1trigger.data.crossings import Pool, allocate, generate, natural

PILEUP = 50.0


def sums_only(pool, events, rng):
    lam = pool.means(PILEUP)
    for _ in range(events // crossings._BATCH):
        rows, crossing = crossings._draw(pool, lam, None, 0, crossings._BATCH, rng)
        crossings._sum(pool, rows, crossing, crossings._BATCH, rng)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("pool", type=Path)
    parser.add_argument("--events", type=int, default=5000)
    parser.add_argument("--repeats", type=int, default=5)
    args = parser.parse_args()
    pool = Pool.load(args.pool)
    rng = np.random.default_rng(1)
    strata = pool.strata(PILEUP)
    jobs = {
        "sums alone (reference)": lambda: sums_only(pool, args.events, rng),
        "unweighted crossings, whole chain": lambda: generate(pool, PILEUP, natural(strata, args.events, rng), 0, rng),
        "weighted crossings, whole chain": lambda: generate(
            pool, PILEUP, allocate(strata, args.events, least=1), 0, rng
        ),
    }
    table = Table("", "events/s, median", "best", "worst", "CPU events/s", "ratio to reference")
    reference = None
    for name, job in jobs.items():
        wall, cpu = [], []
        for _ in range(args.repeats):
            t, c = time.perf_counter(), time.process_time()
            job()
            wall.append(args.events / (time.perf_counter() - t))
            cpu.append(args.events / (time.process_time() - c))
        median = float(np.median(wall))
        reference = reference or median
        table.add_row(
            name, f"{median:.0f}", f"{max(wall):.0f}", f"{min(wall):.0f}", f"{np.median(cpu):.0f}",
            f"{median / reference:.2f}",
        )
    conditions = f"pile-up {PILEUP:g}, {args.events} events, {args.repeats} repeats, numpy {np.__version__}"
    Console().print(f"one process, {conditions}")
    Console().print(table)


if __name__ == "__main__":
    main()
