"""Holds the C++ of shipped designs against QKeras on very many events: ``tools/million_events.py [DESIGN ...]``.

For trigger objects a million: a third zero bias, a third synthetic outliers, a third random integers over the whole
range of the hardware, its ends included. For calorimeter hits, whose networks are slower, 20 000: the shipped clusters
over and over, and random hits over the whole range. Networks that stream are held against their RTL as well, on the
shipped clusters and as many random ones. Starts from the committed weights; exit status 1 if a single integer differs.
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
from l1trigger.convert import hls4ml
from l1trigger.csim import compile, simulate
from l1trigger.data import hits
from l1trigger.data.events import DataSet
from l1trigger.data.objects import maximum_table
from l1trigger.design import Design, load
from l1trigger.physics.hit_baselines import are_hits
from l1trigger.quantize.outliers import make_outliers
from l1trigger.results import Results
from l1trigger.synth import verilator
from l1trigger.synth.streaming import machine
from l1trigger.trigger import TriggerOutputs

ROOT = Path(__file__).parent.parent
EVENTS, CLUSTERS, STREAMED = 1_000_000, 20_000, 4_000
BATCH = 100_000


def objects(data: DataSet, rng: np.random.Generator) -> np.ndarray:
    background, third, limit = data.train.inputs, EVENTS // 3, maximum_table()
    wild = rng.integers(-limit, limit + 1, (EVENTS - 2 * third, *limit.shape))
    ends = rng.random(wild.shape) < 0.1
    wild = np.where(ends, np.where(wild < 0, -limit, limit), wild)
    wild[..., 0] = np.abs(wild[..., 0])
    wild[rng.random(wild.shape[:2]) < 0.3] = 0
    ordinary = background[rng.integers(0, len(background), third)]
    return np.concatenate([ordinary, make_outliers(background, third, 1), wild.astype(np.int16)])


def clusters(data: DataSet, rng: np.random.Generator) -> np.ndarray:
    """Shipped and random clusters by turns, so that any first part has both."""
    shipped = np.concatenate([e.inputs for e in (data.train, data.validation, *data.evaluated)])
    half, slots = CLUSTERS // 2, shipped.shape[1]
    low = np.array([-hits.MAX_XY, -hits.MAX_XY, 0, 0])
    high = np.array([hits.MAX_XY, hits.MAX_XY, hits.LAYERS - 1, hits.MAX_ENERGY])
    wild = rng.integers(low, high + 1, (half, slots, 4))
    ends = rng.random(wild.shape) < 0.1
    wild = np.where(ends, np.where(rng.random(wild.shape) < 0.5, low, high), wild)
    wild[np.arange(slots) >= rng.integers(0, slots + 1, (half, 1))] = 0
    both = np.stack([shipped[rng.permutation(len(shipped))[np.arange(half) % len(shipped)]], wild], 1)
    return both.reshape(CLUSTERS, slots, 4).astype(np.int16)


def mismatches(expected: TriggerOutputs, got: TriggerOutputs, levels: tuple[str, str]) -> tuple[int, int]:
    """Of network outputs, and of score and decision."""
    bad = [
        compare(getattr(expected, k).astype(np.int64), getattr(got, k).astype(np.int64), levels).mismatches
        for k in ("network", "score", "accept")
    ]
    return bad[0], bad[1] + bad[2]


def rtl(design: Design, done: Results, inputs: np.ndarray, folder: Path) -> TriggerOutputs | None:
    """What the RTL gives; None where the network does not stream or the design has no RTL."""
    layers = hls4ml.graph_layers(done.compress.trigger.network, design.convert)
    if not machine.applies(layers, design.synth) or design.synth.route not in ("rtl", "both"):
        return None
    trigger = done.compress.trigger
    engine = machine.build(trigger, layers, design.synth, {"all": inputs}, design.convert.clock_ns)
    made = machine.write(engine, folder / "rtl")
    simulator = verilator.build(made, folder / "verilator", design.csim.compiler, design.synth.time_limit_s)
    return machine.simulate(simulator, engine, trigger, inputs).outputs


def main(designs: list[Path]) -> int:
    table = Table("design", "levels", "events", "outputs", "mismatches", "mismatches of score, decision",
                  "csim events/s")
    wrong = 0
    for path in designs:
        design = load(path)
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            done = pipeline.run(design, folder, start="convert", stop="convert").results
            data = done.data
            inputs = (clusters if are_hits(data.train.inputs) else objects)(data, np.random.default_rng(1))
            program = compile.build(done.convert, design.csim, folder)
            trigger = done.compress.trigger
            parts = [trigger.evaluate(inputs[i : i + BATCH]) for i in range(0, len(inputs), BATCH)]
            expected = TriggerOutputs(*(
                np.concatenate([getattr(p, k) for p in parts]) for k in ("network", "score", "accept")
            ))
            got = simulate.simulate(program, inputs, expected.network.shape[1], design.csim, folder)
            bad = mismatches(expected, got.outputs, ("quantized", "csim"))
            table.add_row(design.name, "quantized = csim", f"{len(inputs):,}", f"{expected.network.size:,}",
                          *map(str, bad), f"{got.events / got.seconds:,.0f}")
            wrong += sum(bad)
            streamed = rtl(design, done, inputs[:STREAMED], folder)
        if streamed is not None:
            first = TriggerOutputs(*(getattr(got.outputs, k)[:STREAMED] for k in ("network", "score", "accept")))
            bad = mismatches(first, streamed, ("csim", "rtl"))
            table.add_row(design.name, "csim = rtl", f"{len(first.score):,}", f"{first.network.size:,}",
                          *map(str, bad), "")
            wrong += sum(bad)
    Console().print(table)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main([Path(a).resolve() for a in sys.argv[1:]] or sorted((ROOT / "models").glob("*.yaml"))))
