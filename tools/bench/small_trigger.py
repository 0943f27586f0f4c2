"""The anomaly trigger with learned bit widths beside one width per layer and magnitude pruning, on the same events.

    .venv/bin/python tools/bench/small_trigger.py [--levers] [--quick] [--runs runs/bench]

Both learn from the committed full-precision reference; everything behind is the same. ``--levers`` also takes each
lever of the small one away, one at a time. What is finished in the run folders is not redone. Prints a table with the
ratio to the first row; LUT and FF by Yosys, clock edges by Verilator, the longest stage by alkaid's delay model.
"""

import argparse
from pathlib import Path

from rich.console import Console
from rich.table import Table

from l1trigger import pipeline
from l1trigger.design import load
from l1trigger.report.model import Report

DESIGN = Path(__file__).parents[2] / "models" / "anomaly.yaml"
ONE_WIDTH = (
    "compress.method=qat", "compress.hidden=[32,16]", "compress.fold=[]", "compress.link=identity", "compress.tail=0",
    "compress.pruning.sparsity=0.53", "compress.quantization.weights=6", "compress.quantization.biases=8",
    "compress.quantization.activations=8", "compress.fine_tune.epochs=30", "synth.stages=5", "synth.hard_dc=-1",
)
"""What the shipped design was before widths were learned."""
LEVERS = {
    "angles as they are": ("compress.fold=[]",), "no link": ("compress.link=identity",),
    "no tail": ("compress.tail=0",), "hard_dc -1": ("synth.hard_dc=-1",), "no hold": ("compress.learned.ramp=0.9",),
}


def measured(name: str, settings: tuple[str, ...], runs: Path, quick: bool) -> Report:
    """The report of the design with some settings replaced, in a run folder of its own."""
    done = pipeline.run(load(DESIGN, settings), runs / name.replace(" ", "_"), start="compress", quick=quick)
    pipeline.judge(done)
    return done.results.report


def value(report: Report, name: str, level: str | None = None, **conditions: object) -> float:
    """A figure of a report; not a number where it was not measured."""
    figure = report.figure(name, level, **conditions)
    return float("nan") if figure is None or figure.value is None else figure.value


def row(report: Report) -> list[float]:
    """The numbers of a row."""
    tpr = [value(report, "tpr_interpolated", "csim", signal=s, false_positive_rate=1e-3) for s in ("A4l", "LQ")]
    return [
        value(report, "lut", "rtl"), value(report, "ff", "rtl"), value(report, "latency_cycles", "rtl"),
        value(report, "estimated_stage_delay_ns", "rtl"), value(report, "spearman_rho", "csim"),
        value(report, "mean_auc", "csim"), *tpr, value(report, "ebops"),
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--levers", action="store_true")
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--runs", type=Path, default=Path("runs/bench"))
    given = parser.parse_args()
    cases = {"one width": ONE_WIDTH, "learned": (), **(LEVERS if given.levers else {})}
    table = Table("network", "LUT", "FF", "edges", "longest stage [ns]", "ρ", "mean AUC", "TPR A4l at 1e-3",
                  "TPR LQ at 1e-3", "EBOPs", "LUT ratio")
    reference = 0.0
    for name, settings in cases.items():
        numbers = row(measured(name, settings, given.runs, given.quick))
        reference = reference or numbers[0]
        table.add_row(name, *(f"{n:.5g}" for n in numbers), f"{numbers[0] / reference:.3f}")
    Console(width=150).print(table)


if __name__ == "__main__":
    main()
