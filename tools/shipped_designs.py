"""Commits reports of the shipped designs, and writes the table of them in README.md.

    python tools/shipped_designs.py                      # the table, from models/reports
    python tools/shipped_designs.py keep runs/anomaly    # first takes over the report of a finished run, or of several

``models/reports/NAME.json`` is a run's ``report.json`` without details: figures of the level ``float`` and of the
deepest one, the events compared, budget, data, design and versions. ``l1trigger show`` and ``compare`` read it.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from l1trigger.errors import ReportError
from l1trigger.figures import Figure
from l1trigger.report.model import Report, load_report
from l1trigger.report.text import fixed, number

ROOT = Path(__file__).parent.parent
MODELS = ROOT / "models"
REPORTS = MODELS / "reports"

HARDWARE = frozenset({
    "latency_cycles", "latency_ns", "initiation_interval", "lut", "lut_percent", "ff", "dsp", "bram18",
})
PHYSICS = frozenset({
    "auc", "mean_auc", "tpr_at_threshold", "rate_khz", "spearman_rho", "accuracy", "resolution", "auc_ratio",
    "resolution_ratio", "accuracy_loss", "mean_auc_loss", "worst_auc_loss",
})
DETAILS = frozenset({"seed", "baseline", "layer", "function", "module"})
"""Conditions of figures that are not of the whole design."""

ABSENT = "–"


def kept(report: Report) -> Report:
    """What of a report is committed."""
    return report.model_copy(update={
        "figures": [f for f in report.figures if _is_kept(f, deepest(report))], "timings": {}, "layers": [],
        "seeds": [], "confusion": [], "pictures": [],
    })


def deepest(report: Report) -> str:
    """The level nearest to hardware."""
    return report.levels[-1]


def _is_kept(figure: Figure, level: str) -> bool:
    if DETAILS & figure.conditions.keys() or figure.conditions.get("true_energy_gev", "all") != "all":
        return False
    if figure.name in HARDWARE:
        return figure.source != "estimate"
    return figure.name in PHYSICS and figure.level in ("float", level)


def write_report(run: Path) -> Path:
    """Takes over the report of a finished run.

    Raises:
        ReportError: there is none, or it is of a quick run.
    """
    report = load_report(run / "report.json")
    if report.quick:
        raise ReportError(f"{run}: is a quick run, whose figures mean little. Remedy: run the design without --quick")
    path = REPORTS / f"{report.design.name}.json"
    path.write_text(compact(kept(report)), encoding="utf-8")
    return path


def compact(report: Report) -> str:
    """JSON with one line per figure, section and sample, so that a change is seen in a diff, without what is empty."""
    content = report.model_dump(mode="json")
    for name in ("figures", "bit_exact", "budget"):
        content[name] = [{k: v for k, v in item.items() if k == "value" or v not in (None, "", {})}
                         for item in content[name]]
    return _lines(content, depth=3) + "\n"


def _lines(value: Any, depth: int, indent: str = "") -> str:
    """JSON that is broken into lines down to a depth."""
    if not depth or not isinstance(value, dict | list) or not value:
        return json.dumps(value, allow_nan=False, ensure_ascii=False)
    if isinstance(value, dict):
        items = [f"{json.dumps(k)}: {_lines(v, depth - 1, indent + ' ')}" for k, v in value.items()]
    else:
        items = [_lines(v, 0) for v in value]
    inner = ",\n".join(f"{indent} {item}" for item in items)
    start, end = "{}" if isinstance(value, dict) else "[]"
    return f"{start}\n{inner}\n{indent}{end}"


def designs_table() -> str:
    """All shipped designs with their measured figures, as Markdown."""
    head = ["design", "network → score", "latency", "interval", "LUT", "DSP", "physics: RTL (float)",
            "events compared", "mismatches"]
    rule = ["---", "---", "---:", "---:", "---:", "---:", "---", "---:", "---:"]
    rows = [_row(path.stem) for path in sorted(MODELS.glob("*.yaml"))]
    return "\n".join("| " + " | ".join(row) + " |" for row in [head, rule, *rows])


def _row(name: str) -> list[str]:
    report = load_report(REPORTS / f"{name}.json")
    resolved = report.design.resolved
    network = f"{resolved['model']['architecture']} → {resolved['compress']['score']}"
    return [f"[`{name}`](models/{name}.yaml)", network, *_hardware(report), _physics(report), *_compared(report)]


def _hardware(report: Report) -> list[str]:
    """Latency, interval, LUT and DSP."""
    ns, edges, interval, lut, dsp = (
        _value(report, name) for name in ("latency_ns", "latency_cycles", "initiation_interval", "lut", "dsp")
    )
    if ns is None or edges is None:
        return ["no RTL", ABSENT, ABSENT, ABSENT]
    return [f"{number(ns)} ns = {edges:.0f} × {number(ns / edges)} ns",
            *(ABSENT if v is None else number(v) for v in (interval, lut, dsp))]


def _value(report: Report, name: str, level: str | None = None, **conditions: Any) -> float | None:
    figure = report.figure(name, level, **conditions)
    return figure.value if figure is not None else None


def _physics(report: Report) -> str:
    """The figures that a network of this task is judged by, at the deepest level and, in brackets, at level float."""
    level = deepest(report)

    def both(title: str, name: str, show: Callable[[float], str], **conditions: Any) -> str:
        values = [_value(report, name, at, **conditions) for at in (level, "float")]
        deep, full = (ABSENT if v is None else show(v) for v in values)
        return f"{title} {deep} ({full})"

    def four(value: float) -> str:
        return fixed(value, 4)

    note = "" if level == "rtl" else f" at level {level}"
    if report.find("accuracy", level):
        return both("accuracy", "accuracy", four) + note
    resolutions = report.find("resolution", level)
    if not resolutions:
        return both("mean AUC", "mean_auc", four) + note
    cells = [both(f"σ(E)/E {f.conditions['sample']}", "resolution", four, **f.conditions) for f in resolutions]
    return ", ".join([both("AUC", "auc", four), *cells]) + note


def _compared(report: Report) -> list[str]:
    """How many events were compared, at the level where it is fewest, and how many of their integers differ."""
    events = {
        pair: sum(b.events for b in report.bit_exact if b.between == pair and b.what.startswith("score of "))
        for pair in {b.between for b in report.bit_exact}
    }
    return [number(min(events.values())), str(sum(b.mismatches for b in report.bit_exact))]


MARKED = re.compile(r"(?<=<!-- designs: tools/shipped_designs.py -->\n).*?(?=<!-- end -->)", re.DOTALL)


def filled(text: str) -> str:
    """README.md with its table made anew."""
    return MARKED.sub(lambda _: f"{designs_table()}\n", text)


def main(arguments: Sequence[str]) -> None:
    """Takes over reports when asked, and writes the table."""
    if arguments[:1] == ["keep"]:
        for run in arguments[1:]:
            print(write_report(Path(run)).relative_to(ROOT))
    elif arguments:
        raise SystemExit(__doc__)
    path = ROOT / "README.md"
    path.write_text(filled(path.read_text(encoding="utf-8")), encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
