"""The picture of accuracy against bits, in the way of arXiv:2006.10159 and arXiv:2101.05108."""

from __future__ import annotations

from pathlib import Path

from l1trigger.catalogue import Better, entry
from l1trigger.report.style import style
from l1trigger.scan.bits import Measured, Study

_COLORS = ("#5790fc", "#e42536", "#964a8b", "#f89c20", "#9c9ca1")
_MARKERS = {"qat": "o", "ptq": "s"}


def draw(study: Study, folder: Path) -> Path:
    """Draws ``bits.png`` and ``bits.svg`` into a folder; gives the first.

    Filled markers were trained with quantization, open ones quantized after training; pruned networks are dashed.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure as Canvas

    known = entry(study.figure)
    with style():
        canvas = Canvas()
        FigureCanvasAgg(canvas)
        ax = canvas.subplots()
        reference = study.value(study.reference).value
        ax.axhline(1, color="black", linewidth=1.8, label=f"float reference ({reference:.4g})")
        pruned = sorted({(m.point.pruned, m.point.structured) for m in study.points})
        for color, kind in zip(_COLORS, pruned, strict=False):
            for method in ("qat", "ptq"):
                line = [m for m in study.points if m.point.method == method and kind == _kind(m)]
                if line:
                    _line(ax, study, line, color)
        bits = sorted({m.point.bits for m in study.points})
        ax.set_xticks(bits)
        ax.xaxis.minorticks_off()
        ax.set_xlim(bits[0] - 0.6, bits[-1] + 0.6)
        ax.set_xlabel("bits of weights and activations")
        ax.set_ylabel(f"{known.title}, relative to float")
        ax.set_title(f"{study.design}, level quantized", loc="right", fontsize=17)
        ax.legend(loc="lower right" if known.better is Better.HIGHER else "upper right", handlelength=2.8)
        for suffix in ("svg", "png"):
            canvas.savefig(folder / f"bits.{suffix}", bbox_inches="tight", metadata=_undated(suffix))
    return folder / "bits.png"


def _kind(measured: Measured) -> tuple[float, bool]:
    return measured.point.pruned, measured.point.structured


def _undated(suffix: str) -> dict[str, None]:
    return {"Date": None} if suffix == "svg" else {}


def _line(ax: object, study: Study, line: list[Measured], color: str) -> None:
    """One method at one pruning, with the errors of its figures."""
    from matplotlib.axes import Axes

    assert isinstance(ax, Axes)
    point = line[0].point
    reference = study.value(study.reference).value or 1.0
    known = [(m, v) for m in line if (v := study.relative(m)) is not None]
    errors = []
    for m, v in known:
        low, high = study.value(m.figures).interval or (v * reference, v * reference)
        errors.append((max(v - low / reference, 0), max(high / reference - v, 0)))
    what = {"qat": "trained with quantization", "ptq": "quantized after training"}[point.method]
    units = "units" if point.structured else "weights"
    ax.errorbar(
        [m.point.bits for m, _ in known], [v for _, v in known], list(zip(*errors, strict=True)), color=color,
        marker=_MARKERS[point.method], markersize=9, linewidth=2, capsize=2,
        linestyle="--" if point.pruned else "-", markerfacecolor=color if point.method == "qat" else "white",
        label=what + (f", {100 * point.pruned:g} % of {units} pruned" if point.pruned else ""),
    )
