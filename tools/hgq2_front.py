"""The learned bit widths of this project beside those of HGQ2: look-up tables at equal rank correlation.

HGQ2 (arXiv:2405.00645) has an environment of its own, so that this takes three steps:

    .venv/bin/python tools/hgq2_front.py events front                        # in this project's environment
    KERAS_BACKEND=jax python tools/hgq2_front.py train front --epochs 200    # in HGQ2's (hgq2, onnx, jax)
    .venv/bin/python tools/hgq2_front.py measure front                       # in this project's environment again

Both follow the committed full-precision reference of `models/anomaly.yaml` on the same events (background and synthetic
outliers), with the same layers, inputs, link and weights of the loss; both give several networks from one training.
What is measured is the same, too: each network with the input scaling in front and the threshold behind it, as RTL, by
Yosys. HGQ2's networks come in as `hgq2_to_onnx.py` writes them. Prints a table, and draws both fronts.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

DESIGN = Path(__file__).parents[1] / "models" / "anomaly.yaml"
TARGETS = (3000.0, 2200.0, 1600.0, 1100.0)
"""EBOPs of this project's networks."""
BETAS = (2e-5, 6e-5, 1.5e-4, 4e-4)
"""Strengths of HGQ2's penalty, one after the other."""


def trained_before() -> tuple[Any, Any, Any]:
    """The design, its data, and its committed reference."""
    import tempfile

    from l1trigger import pipeline
    from l1trigger.design import load

    design = load(DESIGN)
    with tempfile.TemporaryDirectory() as name:
        done = pipeline.run(design, name, start="convert", stop="convert").results
        return design, done.data, done.train


def events(folder: Path) -> None:
    """Writes what the student learns from."""
    from l1trigger.data.objects import FEATURES, OBJECTS
    from l1trigger.quantize.score_link import LogLink
    from l1trigger.scores import base

    design, data, trained = trained_before()
    options = design.compress
    given = base.with_outliers(data, options.outliers, trained.trainings[trained.best].seed)
    scaling = trained.scaling.folded([f in options.fold for f in FEATURES] * OBJECTS)
    target = trained.float_score(given).astype(np.float32)
    link = LogLink.of(target)
    folder.mkdir(parents=True, exist_ok=True)
    np.savez_compressed(folder / "events.npz", x=scaling.firmware(given).astype(np.float32), target=target)
    facts = {"hidden": options.hidden, "mean": link.mean, "deviation": link.deviation, "tail": options.tail,
             "fraction": scaling.network_type.fraction}
    (folder / "events.json").write_text(json.dumps(facts))


def train(folder: Path, epochs: int, batch: int = 2048) -> None:
    """Trains HGQ2's networks, and writes them as QONNX."""
    import hgq2_to_onnx
    import keras  # noqa: TID251  (that of HGQ2)
    import onnx
    from hgq.config import LayerConfigScope, QuantizerConfigScope
    from hgq.layers import QDense
    from hgq.quantizer import QuantizerConfig
    from hgq.utils import trace_minmax
    from hgq.utils.sugar import BetaScheduler, FreeEBOPs, PieceWiseSchedule

    facts = json.loads((folder / "events.json").read_text())
    with np.load(folder / "events.npz") as z:
        x, y = z["x"], z["target"][:, None]
    keras.utils.set_random_seed(1)
    each = {"homogeneous_axis": (0,), "heterogeneous_axis": None}
    with (QuantizerConfigScope(place=("weight", "bias"), default_q_type="kbi", b0=6, i0=0, overflow_mode="SAT_SYM"),
          QuantizerConfigScope(place="datalane", default_q_type="kif", f0=6, overflow_mode="WRAP", **each),
          LayerConfigScope(enable_ebops=True, beta0=1e-7)):
        first = QuantizerConfig("kif", "datalane", f0=7, round_mode="TRN", overflow_mode="WRAP", **each)
        layers = [QDense(n, activation="relu", **({"iq_conf": first} if i == 0 else {}))
                  for i, n in enumerate(facts["hidden"])]
        model = keras.Sequential([keras.Input(x.shape[1:]), *layers, QDense(1)])

    def loss(target: Any, output: Any) -> Any:
        ops = keras.ops
        link = facts["mean"] + 2 * facts["deviation"] * ops.log(ops.softplus(8 * output) / 8 + 1e-3)
        weight = 1 + facts["tail"] * ops.relu((target - facts["mean"]) / facts["deviation"])
        return ops.mean(weight * ops.square(target - link), axis=-1)

    before = 1e-7
    for i, beta in enumerate(BETAS):
        n = epochs if i == 0 else epochs // 2
        rate = keras.optimizers.schedules.CosineDecay(4e-3 if i == 0 else 2e-3, n * -(-len(x) // batch), alpha=0.02)
        model.compile(keras.optimizers.Adam(rate), loss=loss, steps_per_execution=8)
        ramp = PieceWiseSchedule([(0, before, "log"), (int(0.6 * n), beta, "constant")])
        model.fit(x, y, epochs=n, batch_size=batch, verbose=0, callbacks=[BetaScheduler(ramp), FreeEBOPs()])
        ebops = float(trace_minmax(model, x, batch_size=8192))
        writer, output = hgq2_to_onnx.converted(model, facts["fraction"])
        hgq2_to_onnx.require_same(model, writer, output, x[:: max(1, len(x) // 20_000)].astype(np.float64))
        onnx.save(writer.model(output, wide=False), folder / f"hgq2_{beta:g}.onnx")
        (folder / f"hgq2_{beta:g}.json").write_text(json.dumps({"ebops": ebops}))
        print(f"beta {beta:g}: {ebops:.0f} EBOPs", flush=True)
        before = beta


def measure(folder: Path) -> None:
    """Measures both fronts, prints them, and draws them."""
    from rich.console import Console
    from rich.table import Table

    from l1trigger import keras_import
    from l1trigger.compress.stage import trigger_function
    from l1trigger.contracts.score import SCORES
    from l1trigger.data.objects import FEATURES, OBJECTS

    design, data, trained = trained_before()
    options = design.compress
    networks: list[tuple[str, float, Any]] = []
    folded = trained.scaling.folded([f in options.fold for f in FEATURES] * OBJECTS)
    for path in sorted(folder.glob("hgq2_*.onnx")):
        network = keras_import.imported(path.read_bytes(), path.name).quantized_network(folded)
        ebops = json.loads(path.with_suffix(".json").read_text())["ebops"]
        networks.append(("HGQ2", ebops, trigger_function(design, trained, network, folded)))
    learned = options.learned.model_copy(update={"lut": TARGETS[0], "front": TARGETS[1:]})
    changed = options.model_copy(update={"learned": learned})
    made = SCORES.of(changed).compress(data, trained, trained.best, folder / "learned", _told)
    own = [(made.ebops or 0.0, made.network, made.scaling), *((f.ebops, f.network, f.scaling) for f in made.front)]
    networks += [("l1trigger", e, trigger_function(design, trained, n, s)) for e, n, s in own]
    rows: list[tuple[Any, ...]] = [(name, *_measured(design, data, trained, t, ebops, folder / f"{name}_{ebops:.0f}"))
                                   for name, ebops, t in networks]
    table = Table("method", "EBOPs", "LUT", "FF", "delay [ns], model", "ρ", "mean AUC", title=f"{design.name}")
    for name, *numbers in sorted(rows, key=lambda r: (r[0], -r[1])):
        table.add_row(name, *(f"{n:.5g}" for n in numbers))
    Console(width=120).print(table)
    _draw(rows, folder / "fronts.png")


def _told(text: str) -> None:
    print(text, file=sys.stderr)


def _measured(design: Any, data: Any, trained: Any, trigger: Any, ebops: float, folder: Path) -> tuple[float, ...]:
    """EBOPs, LUT, FF, delay, rank correlation and mean AUC of a network; its logic equals it integer by integer."""
    from l1trigger.compress.stage import find_threshold
    from l1trigger.convert import hls4ml
    from l1trigger.figures import FigureMaker, Source
    from l1trigger.physics import measure
    from l1trigger.synth import parallel
    from l1trigger.synth.machine import Subject
    from l1trigger.synth.synthesizer import SYNTHESIZERS

    trigger = replace(trigger, threshold=find_threshold(design.compress.threshold, trigger, data))
    samples = {e.name: e.inputs for e in data.evaluated}
    subject = Subject(trigger, hls4ml.graph_layers(trigger.network, design.convert), design.synth, design.convert.part,
                      design.convert.clock_ns, samples, None)
    machine = parallel.machine(subject, folder / "rtl")
    seen = data.test.inputs[:5000]
    score, accept = machine.logic.evaluate(seen)
    truth = trigger.evaluate(seen)
    if (score != truth.score).any() or (accept != truth.accept).any():
        raise SystemExit(f"{folder.name}: the logic is not equal to the network")
    (share,) = machine.shares(subject)
    cells = SYNTHESIZERS.of(design.synth).synthesize(share.module, folder / "yosys")
    scores = {name: trigger.value(trigger.evaluate(x).score) for name, x in samples.items()}
    reference = {name: trained.float_score(x) for name, x in samples.items()}
    make = FigureMaker("quantized", Source.DATASET, None)
    figures = measure.level_figures(scores, data, make) + measure.comparison_figures(reference, scores, data, make)
    rho, area = (next(f.value for f in figures if f.name == n) for n in ("spearman_rho", "mean_auc"))
    return ebops, cells["lut"], cells["ff"], machine.logic.delay_ns, rho or 0.0, area or 0.0


def _draw(rows: list[tuple[Any, ...]], path: Path) -> None:
    """Rank correlation against look-up tables."""
    from matplotlib.figure import Figure

    canvas = Figure((7, 5), layout="constrained")
    axes = canvas.subplots()
    for name, marker in (("l1trigger", "o"), ("HGQ2", "s")):
        points = sorted((r[2], r[5]) for r in rows if r[0] == name)
        axes.plot(*zip(*points, strict=True), marker=marker, label=name)
    axes.set_xlabel("look-up tables (Yosys)")
    axes.set_ylabel("rank correlation with the full-precision score")
    axes.legend()
    canvas.savefig(path, dpi=110)


def main() -> None:
    """Runs one of the steps."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("step", choices=["events", "train", "measure"])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--epochs", type=int, default=200)
    given = parser.parse_args()
    steps: dict[str, Callable[[], None]] = {
        "events": lambda: events(given.folder), "train": lambda: train(given.folder, given.epochs),
        "measure": lambda: measure(given.folder),
    }
    steps[given.step]()


if __name__ == "__main__":
    main()
