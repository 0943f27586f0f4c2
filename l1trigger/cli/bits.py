"""``l1trigger bits``: accuracy against bits."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from l1trigger.cli.run import Design, Overrides, Quick, Runs

if TYPE_CHECKING:
    from rich.console import Console

    from l1trigger.scan.bits import Study


def add_to(app: typer.Typer) -> None:
    """Adds the command."""
    app.command("bits")(bits)


def bits(
    design: Design,
    widths: Annotated[str, typer.Option(
        "--bits", help="Widths of weights and activations, e.g. 2-16 or 2,4,8.",
    )] = "2-16",
    methods: Annotated[str, typer.Option(help="qat (training), ptq (after training), or both.")] = "qat,ptq",
    pruned: Annotated[list[float] | None, typer.Option(
        "--pruned", help="Also with this fraction of the weights pruned; may be repeated.",
    )] = None,
    structured: Annotated[bool, typer.Option(
        "--structured", help="--pruned removes filters and neurons, not single weights.",
    )] = False,
    epochs: Annotated[int | None, typer.Option(min=1, help="Epochs of fine tuning; the design's by default.")] = None,
    figure: Annotated[str | None, typer.Option(help="To draw, e.g. accuracy or mean_auc.")] = None,
    lut: Annotated[bool, typer.Option("--lut", help="Also estimates look-up tables, fully parallel.")] = False,
    overrides: Overrides = None, runs: Runs = Path("runs"), quick: Quick = False,
) -> None:
    """Compresses a design at many bit widths and holds each against the float reference; a picture and tables."""
    from rich.console import Console

    from l1trigger import pipeline
    from l1trigger.cli.display import RichDisplay, stderr_to
    from l1trigger.design import load
    from l1trigger.scan import bits as library
    from l1trigger.scan.bits_plot import draw

    asked = load(design, overrides or [])
    points = library.points(_widths(widths), methods.split(","), [0.0, *(pruned or [])], structured)
    plan = library.Plan(points, figure, epochs, lut)
    console = Console()
    display = RichDisplay(console)
    try:
        done = pipeline.run(asked, runs, None, "train", quick, display=display)
    finally:
        display.stop()
    used = pipeline.quick_design(asked) if quick else asked
    folder = done.folder / "bits"
    with console.status("bits") as status, stderr_to(done.folder / "log.txt"):
        study = library.study(
            used, done.results, done.records["train"].digest, plan, folder,
            lambda text: status.update(f"[bold]bits[/]  {text}"),
        )
        picture = draw(study, folder)
    _print(study, console)
    for path in (picture, folder / "bits.csv", folder / "bits.json"):
        console.print(f"{path.suffix[1:]:7} {path.resolve()}", highlight=False, soft_wrap=True)


def _widths(text: str) -> list[int]:
    """Whole numbers and ranges, separated by commas."""
    from l1trigger.errors import ArgumentError

    widths: list[int] = []
    for part in text.split(","):
        first, _, last = part.partition("-")
        if not (first.strip().isdigit() and (last or first).strip().isdigit()):
            raise ArgumentError("widths", f"'{text}' is no list of widths", "write e.g. 2-16 or 2,4,8")
        widths += range(int(first), int(last or first) + 1)
    if not widths:
        raise ArgumentError("widths", f"'{text}' holds no width", "write e.g. 2-16 or 2,4,8")
    return widths


def _print(study: Study, console: Console) -> None:
    from rich import box
    from rich.table import Table

    float_value = study.value(study.reference).value
    title = f"[bold]{study.design}[/]  {study.figure} at level quantized; float {float_value:.4f}"
    table = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False)
    lut = any(m.estimated_lut is not None for m in study.points)
    for head in ("pruned", "method", "bits", study.figure, "error", "relative", "weights not zero"):
        table.add_column(head, justify="left" if head in ("pruned", "method") else "right")
    if lut:
        table.add_column("LUT (estimate)", justify="right")
    before = None
    for m in study.points:
        p, f, relative = m.point, study.value(m.figures), study.relative(m)
        if before is not None and (p.pruned, p.method) != before:
            table.add_section()
        before = (p.pruned, p.method)
        error = "" if f.interval is None else f"± {(f.interval[1] - f.interval[0]) / 2:.4f}"
        what = f"{100 * p.pruned:g} % of {'units' if p.structured else 'weights'}" if p.pruned else "-"
        cells = [what, p.method, str(p.bits), "not measured" if f.value is None else f"{f.value:.4f}", error,
                 "" if relative is None else f"{relative:.4f}", f"{m.nonzero:,}"]
        table.add_row(*cells, *([f"{m.estimated_lut:,.0f}"] if m.estimated_lut is not None else []))
    console.print(table, highlight=False)
    console.print(
        "[dim]Source dataset. C-simulation and RTL equal the level quantized bit for bit, which `l1trigger run` proves "
        "event by event.[/]", highlight=False,
    )
