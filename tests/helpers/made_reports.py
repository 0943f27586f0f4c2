"""Small reports, made by hand."""

from __future__ import annotations

from typing import Any

from l1trigger.figures import Figure, Judgement, Source
from l1trigger.report.model import BitExact, DataCard, DesignRecord, Report, Sample

SIGNALS = {"A4l": 0.9, "LQ": 0.95}


def sample(name: str, role: Any, events: int = 1000) -> Sample:
    return Sample(name=name, title=name, role=role, events=events, evaluated=events, equally_weighted=True,
                  sub_pools=10, rows=events, card={"seed": 1, "pileup": 50.0})


def data(**changes: Any) -> DataCard:
    content: dict[str, Any] = {
        "zero_bias": True, "colliding_bunches": 2760, "crossing_rate_khz": 31037.58, "pileup": 50.0,
        "samples": [sample("zerobias", "train"), sample("zerobias", "test"), *(sample(s, "signal") for s in SIGNALS)],
        "approximations": [],
    }
    return DataCard(**{**content, **changes})


def hardware(source: Source = Source.YOSYS, **values: float | None) -> list[Figure]:
    units = {"latency_cycles": "cycles", "latency_ns": "ns"}
    conditions: dict[str, Any] = {"latency_cycles": {"counted": "edges", "stages": values.get("latency_cycles")}}
    return [
        Figure(name=n, value=v, reason=None if v is not None else "not run", unit=units.get(n, ""), source=source,
               tool=f"{source} 1.0", part="xcvu9p", clock_ns=5.0, level="rtl", conditions=conditions.get(n, {}))
        for n, v in values.items()
    ]


def physics(shift: float = 0.0, rate: float = 10.0, threshold: float = 3.25) -> list[Figure]:
    found = []
    for level, source in (("float", Source.DATASET), ("csim", Source.CSIM)):
        made: dict[str, Any] = {"source": source, "level": level, "tool": "g++ 12"}
        found += [
            Figure(name="auc", value=v + shift, interval=(v + shift - 0.01, v + shift + 0.01), conditions={"signal": s},
                   **made) for s, v in SIGNALS.items()
        ]
        found += [
            Figure(name="tpr", value=0.4 + shift, conditions={
                "signal": s, "false_positive_rate": 0.001, "threshold": threshold, "n_eff": 100 * threshold,
                "achieved_false_positive_rate": 0.0009 + shift / 100}, **made) for s in SIGNALS
        ]
        found.append(Figure(name="rate_khz", value=rate, unit="kHz", conditions={
            "threshold": threshold, "colliding_bunches": 2760}, **made))
    made = {"source": Source.CSIM, "level": "csim"}
    found.append(Figure(name="rate_shift_khz", value=10 * shift, unit="kHz", **made))
    found.append(Figure(name="bit_mismatches", value=0, conditions={"between": "quantized and csim", "integers": 9},
                        **made))
    found.append(Figure(name="auc", value=0.8, source=Source.CSIM, level="baseline",
                        conditions={"signal": "A4l", "baseline": "sum_pt"}))
    return found


def report(
    name: str = "student", figures: list[Figure] | None = None, mismatches: int = 0, settings: Any = None,
    card: DataCard | None = None, versions: Any = None, levels: tuple[str, ...] = ("float", "quantized", "csim"),
) -> Report:
    return Report(
        created="2026-01-02T03:04:05Z", quick=False,
        design=DesignRecord(name=name, digest="0123456789abcdef", resolved={
            "name": name, "task": "anomaly", "compress": {"score": "student", "quantization": {"weights": 6}},
            **(settings or {})}),
        versions={"python": "3.11", "hls4ml": "1.3.0", **(versions or {})}, timings={"csim": 1.0},
        data=card or data(), levels=list(levels), figures=physics() if figures is None else figures,
        bit_exact=[BitExact(between=("quantized", "csim"), what="score", events=100, outputs=100,
                            mismatches=mismatches, max_difference=mismatches)],
        budget=[Judgement(figure="auc", minimum=0.5, value=0.9, met=True)], layers=[], seeds=[],
    )
