"""Holds the C++ of shipped designs against QKeras on a million events: ``tools/million_events.py [DESIGN ...]``.

A third of the events is zero bias, a third synthetic outliers, a third random integers over the whole range of the
hardware, its ends included. Starts from the committed weights; exit status 1 if a single integer differs.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table

from l1trigger import pipeline
from l1trigger.bit_exact import compare
from l1trigger.compress.outliers import make_outliers
from l1trigger.csim import compile, simulate
from l1trigger.data.objects import maximum_table
from l1trigger.design import load

ROOT = Path(__file__).parent.parent
EVENTS = 1_000_000
BATCH = 100_000


def events(background: np.ndarray, seed: int = 1) -> np.ndarray:
    rng = np.random.default_rng(seed)
    third = EVENTS // 3
    limit = maximum_table()
    wild = rng.integers(-limit, limit + 1, (EVENTS - 2 * third, *limit.shape))
    ends = rng.random(wild.shape) < 0.1
    wild = np.where(ends, np.where(wild < 0, -limit, limit), wild)
    wild[..., 0] = np.abs(wild[..., 0])
    wild[rng.random(wild.shape[:2]) < 0.3] = 0
    ordinary = background[rng.integers(0, len(background), third)]
    return np.concatenate([ordinary, make_outliers(background, third, seed), wild.astype(np.int16)])


def main(designs: list[Path]) -> int:
    table = Table("design", "events", "outputs", "mismatches", "mismatches of score, decision", "csim events/s")
    wrong = 0
    for path in designs:
        design = load(path)
        committed = path.parent / "artefacts" / design.name
        with tempfile.TemporaryDirectory() as folder:
            done = pipeline.run(design, Path(folder), start="convert", stop="convert", committed=committed).results
            inputs = events(done.data.train.inputs)
            program = compile.build(done.convert, design.csim, Path(folder))
            trigger = done.compress.trigger
            parts = [trigger.evaluate(inputs[i : i + BATCH]) for i in range(0, len(inputs), BATCH)]
            expected = [np.concatenate([getattr(p, k) for p in parts]) for k in ("network", "score", "accept")]
            got = simulate.simulate(program, inputs, expected[0].shape[1], design.csim, Path(folder))
        found = [got.outputs.network, got.outputs.score, got.outputs.accept]
        compared = [
            compare(a.astype(np.int64), b.astype(np.int64), ("quantized", "csim"))
            for a, b in zip(expected, found, strict=True)
        ]
        bad = [c.mismatches for c in compared]
        wrong += sum(bad)
        speed = got.events / got.seconds
        table.add_row(design.name, f"{len(inputs):,}", f"{compared[0].outputs:,}", str(bad[0]), str(bad[1] + bad[2]),
                      f"{speed:,.0f}")
    Console().print(table)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main([Path(a).resolve() for a in sys.argv[1:]] or sorted((ROOT / "models").glob("*.yaml"))))
