"""``l1trigger import-reports``: hardware figures of vendors' tools that ran elsewhere."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

Folder = Annotated[Path, typer.Argument(
    metavar="DIR", help="Folder with reports of Vivado HLS, Vitis HLS or Vivado; searched with all inside.",
    show_default=False,
)]
DesignPath = Annotated[Path | None, typer.Option(
    "--design", metavar="DESIGN", help="Design file that the reports are of; its budget is judged.",
)]
Name = Annotated[str | None, typer.Option("--name", metavar="NAME", help="Of the run; DESIGN-imported by default.")]
Runs = Annotated[Path, typer.Option("--runs", metavar="DIR", help="Folder of the run folders.")]
Project = Annotated[Path | None, typer.Option(
    "--project", metavar="DIR", help="HLS project that the reports are of; reports older than its sources are refused.",
)]
Top = Annotated[str | None, typer.Option(
    "--top", metavar="NAME", help="Top function, where the reports do not tell or the design calls it otherwise.",
)]
Solution = Annotated[str | None, typer.Option(
    "--solution", metavar="DIR", help="Solution that counts, of several in the folder: its path or the end of it.",
)]
TrustTimes = Annotated[float | None, typer.Option(
    "--trust-times", metavar="SECONDS", min=0.0, help="Judge by file times alone whether reports are older than the "
    "sources of their project, which may be newer by that much; otherwise the dates inside the reports count, too.",
)]


def add_to(app: typer.Typer) -> None:
    """Adds the command."""
    app.command("import-reports")(import_reports)


def import_reports(
    folder: Folder, design: DesignPath = None, name: Name = None, runs: Runs = Path("runs"), project: Project = None,
    top: Top = None, solution: Solution = None, trust_times: TrustTimes = None,
) -> None:
    """Makes a run from reports of vendors' tools, so that compare shows them beside other runs."""
    from rich.console import Console

    from l1trigger.cli.summary import print_report
    from l1trigger.design import load
    from l1trigger.report import imported

    origin = imported.Origin(folder, project, top, solution, trust_times)
    run, report = imported.import_reports(origin, runs, name, load(design) if design else None)
    console = Console()
    print_report(report, console)
    console.print(f"report  {(run / 'report.html').resolve()}", highlight=False, soft_wrap=True)
