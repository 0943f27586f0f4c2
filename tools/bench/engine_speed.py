"""Events per second and core of the engine beside everything else that computes the trigger function.

For shipped designs, from their committed weights and on their own test events, in one run: the engine in one thread,
hls4ml's ``predict`` (the network only), the C-simulation in one process, alkaid's interpreter of the logic where the
network is not streamed, and QKeras in float64. Ratios are to hls4ml's ``predict``, by processor time. Exit status 1 if
an integer differs.

    python tools/bench/engine_speed.py [DESIGN ...] [--events 20000] [--alkaid]
"""

import argparse
import sys
import tempfile
from pathlib import Path

import numpy as np
from csim_speed import Clock, hls4ml_speed, our_speed
from rows import Row, add_json, publish

from l1trigger import kernels, pipeline
from l1trigger.convert import hls4ml
from l1trigger.csim import compile
from l1trigger.design import load
from l1trigger.engine import Engine, library
from l1trigger.synth import lower

ROOT = Path(__file__).parents[2]
REPEATS = 5


def measured(path, n, with_alkaid):
    """Events per processor second by what computes them, of one design, and whether all integers are equal."""
    design = load(path)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        done = pipeline.run(design, folder, start="convert", stop="convert").results
        trigger, data = done.compress.trigger, done.data
        inputs = np.concatenate([e.inputs for e in data.evaluated])
        inputs = np.ascontiguousarray(np.resize(inputs, (n, *inputs.shape[1:])))
        layers = hls4ml.graph_layers(trigger.network, design.convert)
        with Clock() as making:
            engine = Engine.of(trigger, layers)
        speeds, fast = {}, None
        many = np.concatenate([inputs] * max(1, 200_000 // n)) if n * inputs[0].size < 10**7 else inputs
        for _ in range(REPEATS):
            with Clock() as clock:
                scores = engine.scores(many, threads=1)
            speeds["engine"] = max(speeds.get("engine", 0.0), len(many) / clock.cpu)
        fast = engine.evaluate(inputs)
        compiled, clock, theirs = hls4ml_speed(trigger, design.convert, inputs, folder)
        speeds["hls4ml predict"] = n / clock.cpu
        program = compile.build(done.convert, design.csim, folder)
        clock, simulated = our_speed(program, inputs, fast.network.shape[1], 1, folder)
        speeds["csim"] = n / clock.cpu
        with Clock() as clock:
            quantized = trigger.evaluate(inputs)
        speeds["QKeras"] = n / clock.cpu
        equal = [np.array_equal(getattr(o, k), getattr(fast, k)) for o in (simulated, quantized)
                 for k in ("network", "score", "accept")]
        equal += [np.array_equal(theirs, fast.network), np.array_equal(scores[:n], fast.score)]
        if with_alkaid:
            logic = lower.lower(trigger, design.synth, lower.ports(trigger.scaling, [inputs]), layers)
            with Clock() as clock:
                score, _ = logic.evaluate(inputs)
            speeds["alkaid"] = n / clock.cpu
            equal.append(np.array_equal(score, fast.score))
    return design.name, speeds, making.wall, compiled, all(equal)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("designs", type=Path, nargs="*", default=[ROOT / "models" / "anomaly.yaml"])
    parser.add_argument("--events", type=int, default=20_000)
    parser.add_argument("--alkaid", action="store_true", help="alkaid's interpreter, too, for networks that fit it")
    add_json(parser)
    arguments = parser.parse_args()
    rows, exact = [], True
    for path in arguments.designs:
        name, speeds, making, compiled, equal = measured(path.resolve(), arguments.events, arguments.alkaid)
        exact &= equal
        for by, speed in speeds.items():
            ready = {"engine": f"ready in {making:.1f} s; ", "hls4ml predict": f"compiled in {compiled:.1f} s; "}
            note = f"{ready.get(by, '')}{speed / speeds['csim']:.2f} times csim"
            to = "hls4ml predict"
            rows.append(Row(name, by, speed, "events per CPU s", speed / speeds[to], to, note))
        rows.append(Row(name, "integers that differ" if not equal else "all integers equal", float(not equal), ""))
    publish(rows, f"engine: {kernels.levels()[0]}, one thread, {library.BLOCK} events side by side; "
            f"{arguments.events} events", arguments.json)
    return 0 if exact else 1


if __name__ == "__main__":
    sys.exit(main())
