"""Fits correction and error of the analytic HLS model on published rows and on users' own reports.

    .venv/bin/python tools/fit_hls_estimate.py [REPORT.json ...] [--write]

Published rows count where network sizes, bits and a number of the hardware were read. Numbers of LUTs count only
where the tool that gave them is stated, because HLS and RTL synthesis differ by factors; cycles, DSPs and FFs count
also where it is not. Published weights are not known: normal ones of Glorot's width stand in, the smallest set to zero
where the number of non-zero ones was read. A report counts where it holds both estimate and numbers of a vendor's tool.
"""

from __future__ import annotations

import argparse
import json
import math
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

import numpy as np
from scipy.stats import t

from l1trigger.compare.published import all_published
from l1trigger.report.model import load_report
from l1trigger.synth import hls_estimate
from l1trigger.synth.hls_operations import Logic, Products, Tables

DRAWS = 5
FEW = 3
"""Fewer rows than this tell no spread; ``ASSUMED`` stands in for it."""
ASSUMED = math.log(3)
SILENT = 0.02
"""Where the model puts less than this share of the products into DSPs, what it misses is counted per product."""
TARGET = Path(hls_estimate.__file__).with_suffix(".json")


@dataclass(frozen=True)
class Network:
    """A published dense network: sizes, bits (input, weight, fraction of weights, activation), non-zero weights."""

    sizes: tuple[int, ...]
    bits: tuple[int, int, int, int]
    nonzero: tuple[int, ...] = ()
    accumulator: int | None = None
    normalized: bool = False
    output: str = ""

    def operations(self, rng):
        """As plain operations, with weights drawn at random."""
        data, width, fraction, activation = self.bits
        operations = []
        for k, (n, m) in enumerate(zip(self.sizes, self.sizes[1:], strict=False)):
            raw = np.rint(rng.normal(0, math.sqrt(2 / (n + m)), (n, m)) * 2**fraction).astype(int)
            raw = np.clip(raw, -(2 ** (width - 1)), 2 ** (width - 1) - 1)
            if self.nonzero:
                raw[raw == 0] = 1
                raw.flat[np.argsort(np.abs(raw).ravel())[: n * m - self.nonzero[k]]] = 0
            sums = self.accumulator or data + width + math.ceil(math.log2(n))
            operations.append(Products(f"dense{k}", raw, m, data, width, sums))
            last = k == len(self.sizes) - 2
            if self.normalized and not last:
                scale = np.rint(rng.uniform(0.5, 2, (1, m)) * 2**10).astype(int)
                operations.append(Products(f"normalization{k}", scale, m, 16, 16, 32, own_inputs=True))
            if not last:
                operations.append(Logic(f"relu{k}", 2 * m * activation, 1))
            data = activation
        if self.output == "softmax":
            m = self.sizes[-1]
            operations.append(Tables("softmax", m + 1, 1024, 18, m, math.ceil(math.log2(m))))
        elif self.output == "sigmoid":
            operations.append(Tables("sigmoid", self.sizes[-1], 1024, 18))
        return operations


@dataclass(frozen=True)
class Published:
    """A row of the shipped table, by system, beginning of the model's name, precision and stage."""

    system: str
    model: str
    precision: str
    stage: str
    network: Network
    backend: str
    quantities: tuple[str, ...]
    remark: str = ""


JETS = (16, 64, 32, 32, 5)
ATLAS = (44, 32, 16, 3)
FOLDED = Network(ATLAS, (19, 10, 4, 15), (1039, 482, 47))
_SOFT = {"output": "softmax"}
ROWS = (
    Published("ATLAS-L1AD", "VAE encoder 44-32-16-3, separate BN", "", "csynth",
              Network(ATLAS, (15, 10, 4, 15), (985, 451, 44), normalized=True), "Vitis",
              ("csynth_lut", "ff", "dsp", "latency_cycles")),
    Published("ATLAS-L1AD", "VAE encoder 44-32-16-3, BN folded", "", "csynth", FOLDED, "Vitis",
              ("csynth_lut", "dsp", "latency_cycles"), "combinational"),
    Published("ATLAS-L1AD", "VAE encoder 44-32-16-3, BN folded", "", "vsynth", FOLDED, "Vitis", ("lut",)),
    Published("FastML2026-Sloot", "QKeras", "7", "csynth",
              Network((16, 64, 32, 32, 1), (7, 7, 6, 7), output="sigmoid"), "Vitis",
              ("csynth_lut", "dsp", "latency_cycles"), "16 inputs assumed, 7 bits of everything"),
    *(Published("hls4ml-review", "PTQ", str(b), "not stated", Network(JETS, (b, b, b - 6, b), accumulator=b, **_SOFT),
                "Vivado", ("ff", "dsp", "latency_cycles")) for b in (16, 14)),
    Published("hls4ml-review", "QAT (QKeras)", "6", "not stated", Network(JETS, (16, 6, 5, 6), **_SOFT), "Vivado",
              ("ff", "dsp", "latency_cycles"), "16-bit inputs assumed"),
    Published("hls4ml-2018", "uncompressed", "<16,6>", "not stated",
              Network(JETS, (16, 16, 10, 16), accumulator=16, **_SOFT), "Vivado", ("dsp", "latency_cycles")),
    Published("hls4ml-2018", "compressed", "<16,6>", "not stated",
              Network(JETS, (16, 16, 10, 16), (290, 580, 290, 45), accumulator=16, **_SOFT), "Vivado",
              ("dsp", "latency_cycles"), "1,205 products shared out by layer size"),
    Published("QKeras", "Q6", "6", "not stated", Network(JETS, (16, 6, 5, 6), **_SOFT), "Vivado", ("latency_cycles",)),
)
"""Left out: rows with bits per weight (HGQ and the like), of other networks than dense ones, without sizes or bits."""


@dataclass(frozen=True)
class Point:
    """One measured number beside what the model says without correction."""

    quantity: str
    row: str
    measured: float
    model: float
    products: int


def published_points():
    """All points of the published table."""
    points = []
    for row in ROWS:
        source, = [p for p in all_published() if p.system == row.system and p.model.startswith(row.model)
                   and p.stage == row.stage and row.precision in ("", p.precision)]
        clock = float(source.clock_ns)
        raws = [hls_estimate.raw_totals(row.network.operations(np.random.default_rng(seed)), clock,
                                        hls_estimate.UNCERTAINTY[row.backend]) for seed in range(DRAWS)]
        raw = {k: float(np.mean([r[k] for r in raws])) for k in raws[0]}
        label = f"{source.system}: {source.model}, {row.precision or '10'} bits, {row.stage} ({source.paper})"
        label += f"; {row.remark}" if row.remark else ""
        for quantity in row.quantities:
            points.append(Point(quantity, label, _measured(source, quantity, clock), _model(raw, quantity),
                                int(raw["products"])))
    return points


def _measured(source, quantity, clock):
    """A number of the table; a latency as its pipelined part, with one added so that combinational logic counts."""
    if quantity == "latency_cycles":
        return (float(source.latency_cycles) if source.latency_cycles else float(source.latency_ns) / clock) + 1
    text = getattr(source, quantity.removeprefix("csynth_"))
    return float(text[:-1]) * 1000 if text.endswith("k") else float(text)


def _model(raw, quantity):
    if quantity == "latency_cycles":
        return raw["pipeline"] + 1
    return raw["lut" if quantity == "csynth_lut" else quantity]


STAGES = {
    "csynth": {"csynth_lut": "lut", "latency_cycles": "latency_cycles"},
    "vsynth": {k: k for k in ("lut", "ff", "dsp", "bram18")},
}
"""Which figure of a vendor's tool each quantity is held against, by source."""


def own_points(paths):
    """Points of reports that hold both the estimate and numbers of a vendor's tool."""
    points = []
    for path in paths:
        report = load_report(path)
        weights = report.figure("nonzero_weights")
        for source, names in STAGES.items():
            for quantity, name in names.items():
                guess = report.figure(f"hls_{quantity}")
                counted = [f for f in report.find(name) if f.source == source and f.value is not None]
                if guess is None or guess.value is None or not counted:
                    continue
                model, measured = float(guess.conditions["uncorrected"]), float(counted[0].value)
                if quantity == "latency_cycles":
                    measured += 1 - float(guess.conditions.get("loop_clocks", 0))
                points.append(Point(quantity, f"{report.design.name}, {source} ({path.name})", measured, model,
                                    int(weights.value) if weights and weights.value else 0))
    return points


def fit(points):
    """Correction, error and what they rest on, for one quantity."""
    silent = [p for p in points if p.quantity == "dsp" and p.model < SILENT * p.products]
    usable = [p for p in points if p not in silent and p.measured > 0 and p.model > 0]
    logs = np.log([p.measured / p.model for p in usable])
    n = len(usable)
    spread = float(np.std(logs, ddof=1)) if n > 1 else 0.0
    # A further design scatters about a mean that is itself uncertain: Student's prediction interval of 68 %.
    sigma = spread * math.sqrt(1 + 1 / n) * float(t.ppf(0.84, n - 1)) if n >= FEW else max(spread, ASSUMED)
    missed = math.sqrt(np.mean([((p.measured - p.model) / p.products) ** 2 for p in silent])) if silent else 0.0
    how = f"{n} row{'s' * (n != 1)}" if n >= FEW else f"{n} row{'s' * (n != 1)} only, a factor 3 is assumed"
    note = f"68 % interval of a correction fitted on {how}"
    note += f" and {missed:.1%} of the products where the model has none ({len(silent)} rows)" if silent else ""
    return {
        "factor": round(math.exp(float(np.mean(logs))), 4) if n else 1.0, "sigma": round(sigma, 4),
        "scatter": round(spread, 4), "rows_used": n, "missed": round(missed, 4), "note": note,
        "rows": [{"row": p.row, "measured": p.measured, "model": round(p.model, 1),
                  "used": "fit" if p in usable else "missed share" if p in silent else "no, a number is 0"}
                 for p in points],
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("reports", nargs="*", type=Path, help="report.json of runs with numbers of a vendor's tool")
    parser.add_argument("--write", action="store_true", help=f"write {TARGET.name} of the package")
    parser.add_argument("--out", type=Path, help="write the fit elsewhere")
    arguments = parser.parse_args()
    points = published_points() + own_points(arguments.reports)
    grouped = {q: [p for p in points if p.quantity == q] for q in hls_estimate.QUANTITIES}
    quantities = {q: fit(of_quantity) for q, of_quantity in grouped.items() if of_quantity}
    for name, fitted in quantities.items():
        print(f"\n{name}: x {fitted['factor']:.3g}, error a factor {math.exp(fitted['sigma']):.2f}; {fitted['note']}")
        for row in fitted["rows"]:
            ratio = f"{row['measured'] / row['model']:8.2f}" if row["model"] else f"{'-':>8}"
            numbers = f"{row['measured']:10.0f} measured {row['model']:10.0f} model {ratio}"
            print(f"  {numbers}  {row['used']:12} {row['row']}")
    content = json.dumps({"made_by": f"tools/fit_hls_estimate.py of l1trigger {version('l1trigger')}",
                          "quantities": quantities}, indent=1, ensure_ascii=False) + "\n"
    for path in ([TARGET] if arguments.write else []) + ([arguments.out] if arguments.out else []):
        path.write_text(content, encoding="utf-8")


if __name__ == "__main__":
    main()
