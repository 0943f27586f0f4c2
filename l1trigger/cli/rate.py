"""``l1trigger rate``: rates from very many crossings."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from l1trigger.cli.options import Cluster

if TYPE_CHECKING:
    from collections.abc import Sequence

RunPath = Annotated[Path, typer.Argument(metavar="RUN", help="Run folder, e.g. runs/anomaly.", show_default=False)]
Pool = Annotated[Path, typer.Option(
    "--pool", metavar="DIR", help="Collisions that crossings are made from; see `l1trigger data make pool`.",
    show_default=False,
)]
Events = Annotated[float, typer.Option("--events", min=1, help="Crossings at each pile-up, e.g. 1e7.")]
Pileup = Annotated[str | None, typer.Option(
    "--pileup", metavar="LIST", help="Mean collisions per crossing, e.g. 30,50,70; that of the test sample by default.",
)]
Khz = Annotated[str, typer.Option("--khz", metavar="LIST", help="Rates that thresholds are wanted for [kHz].")]
MenuKhz = Annotated[float, typer.Option(
    "--menu-khz", help="Rate of each cut of the menu beside the network, on the test sample [kHz].",
)]
Cuts = Annotated[list[str] | None, typer.Option(
    "--cut", metavar="SCORE=THRESHOLD", help="A cut of the menu, in place of --menu-khz, e.g. missing_et=200 (in units "
    "of 0.5 GeV); may be repeated.",
)]
FloatEvents = Annotated[float, typer.Option(
    "--float-events", min=0, help="Crossings at each pile-up that the float reference sees too, for the rate shift.",
)]
Seed = Annotated[int, typer.Option("--seed", min=0, help="Of the random numbers.")]
Workers = Annotated[int | None, typer.Option("--workers", min=1, help="At once; all cores by default.")]


def add_to(app: typer.Typer) -> None:
    """Adds the command."""
    app.command("rate")(rate)


def rate(
    run: RunPath, pool: Pool, events: Events = 1e6, pileup: Pileup = None, khz: Khz = "1,10,100",
    menu_khz: MenuKhz = 10.0, cut: Cuts = None, float_events: FloatEvents = 5e5, seed: Seed = 1,
    workers: Workers = None, cluster: Cluster = None,
) -> None:
    """Makes crossings at each pile-up, scores them bit-exactly, and puts their rates into the run's report."""
    from rich.console import Console

    from l1trigger.cli.display import bar, stderr_to
    from l1trigger.cli.summary import print_tables
    from l1trigger.farm import Farm
    from l1trigger.rate.study import Request, study
    from l1trigger.report import pileup_tables
    from l1trigger.report.again import make_again, require_report
    from l1trigger.report.tables import Book
    from l1trigger.run_folder import RunFolder, disk_full_is_clear

    asked = Request(
        pool, int(events), tuple(_numbers(pileup, "pileup")) if pileup else (), tuple(_numbers(khz, "khz")), menu_khz,
        dict(_cut(text) for text in cut or []), int(float_events), seed,
    )
    folder, console = RunFolder.existing(run), Console()
    require_report(folder)
    with folder.locked(), disk_full_is_clear(folder.path), stderr_to(folder.path / "log.txt"):
        with bar("crossings", console) as progress:
            study(folder, asked, Farm(workers, cluster), progress)
        with console.status("report"):
            report = make_again(folder)
    print_tables(pileup_tables.tables(Book(report)), console)
    console.print(f"report  {(folder.path / 'report.html').resolve()}", highlight=False, soft_wrap=True)


def _numbers(text: str, parameter: str) -> Sequence[float]:
    """Numbers separated by commas."""
    from l1trigger.errors import ArgumentError

    try:
        return list(dict.fromkeys(float(part) for part in text.split(",")))
    except ValueError as e:
        raise ArgumentError(parameter, f"'{text}' is no list of numbers", "write e.g. 30,50,70") from e


def _cut(text: str) -> tuple[str, float]:
    """Score and threshold."""
    from l1trigger.errors import ArgumentError

    name, _, threshold = text.partition("=")
    try:
        return name.strip(), float(threshold)
    except ValueError as e:
        raise ArgumentError("cut", f"'{text}' is no cut", "write e.g. missing_et=200") from e
