"""``l1trigger run``, and one command per stage that runs up to it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from rich.console import Console

    from l1trigger.pipeline import Run

Design = Annotated[Path, typer.Argument(help="Design file, e.g. models/anomaly.yaml.", show_default=False)]
Start = Annotated[str | None, typer.Option(
    "--from", metavar="STAGE", help="First stage that may be run; before it, saved or committed results are taken.",
)]
Stop = Annotated[str | None, typer.Option("--to", metavar="STAGE", help="Last stage.")]
Overrides = Annotated[list[str] | None, typer.Option(
    "--set", metavar="KEY=VALUE", help="Replaces a setting, e.g. train.epochs=5; may be repeated.",
)]
Runs = Annotated[Path, typer.Option("--runs", metavar="DIR", help="Folder of the run folders.")]
Quick = Annotated[bool, typer.Option("--quick", help="Few events and epochs, in a run folder of its own.")]
Strict = Annotated[bool, typer.Option("--strict", help="Exit status 1 when a limit of the budget is not met.")]
Seeds = Annotated[int | None, typer.Option(
    "--seeds", min=1, metavar="N", help="Number of trainings; the report shows their spread.",
)]


def add_to(app: typer.Typer) -> None:
    """Adds the commands."""
    app.command("run")(run)
    for stage in ("train", "compress", "convert", "csim", "synth", "report"):
        app.command(stage, help=f"Runs a design up to the stage {stage}.")(up_to(stage))


def run(
    design: Design, start: Start = None, stop: Stop = None, overrides: Overrides = None, runs: Runs = Path("runs"),
    quick: Quick = False, strict: Strict = False, seeds: Seeds = None,
) -> None:
    """Runs a design through all stages; what is up to date is skipped, what was interrupted goes on."""
    from rich.console import Console

    from l1trigger import pipeline
    from l1trigger.cli.display import RichDisplay
    from l1trigger.design import load

    asked = load(design, [*(overrides or []), *([f"train.seeds={seeds}"] if seeds else [])])
    console = Console()
    display = RichDisplay(console)
    try:
        done = pipeline.run(asked, runs, start, stop, quick, display=display)
    finally:
        display.stop()
    if "report" in done.records:
        _print_report(done, console)
    pipeline.judge(done, strict)


def _print_report(done: Run, console: Console) -> None:
    from l1trigger.cli.summary import print_report

    print_report(done.results.report, console)
    console.print(f"report  {(done.folder / 'report.html').resolve()}", highlight=False, soft_wrap=True)


def up_to(stage: str) -> Callable[..., None]:
    """The command of one stage."""

    def command(
        design: Design, start: Start = None, overrides: Overrides = None, runs: Runs = Path("runs"),
        quick: Quick = False, seeds: Seeds = None,
    ) -> None:
        run(design, start, stage, overrides, runs, quick, seeds=seeds)

    return command
