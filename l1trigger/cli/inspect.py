"""Commands that only look: ``check``, ``schema``, ``doctor``, ``show``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

Design = Annotated[Path, typer.Argument(help="Design file, e.g. models/anomaly.yaml.", show_default=False)]
Settings = Annotated[list[str] | None, typer.Option(
    "--set", metavar="KEY=VALUE", help="Replaces a setting, e.g. convert.reuse_factor=2; may be repeated.",
)]
RunPath = Annotated[Path, typer.Argument(
    metavar="RUN", help="Run folder, e.g. runs/anomaly, or a report.json.", show_default=False,
)]


def add_to(app: typer.Typer) -> None:
    """Adds the commands."""
    for command in (check, schema, doctor, show):
        app.command()(command)


def check(design: Design, settings: Settings = None) -> None:
    """Looks for what would fail later in a design, before anything is trained; exit status 2 when there is."""
    from l1trigger.convert import lint
    from l1trigger.design import load
    from l1trigger.errors import DesignError

    asked = load(design, settings or [])
    found = lint.check(asked)
    for warning in found:
        typer.echo(str(warning))
    errors = [f for f in found if f.fatal]
    if errors:
        raise DesignError(design, "", f"{len(errors)} of these would fail")
    typer.echo(f"{design}: {asked.name} can be converted" + (f", with {len(found)} remarks" if found else ""))


def schema() -> None:
    """Prints the JSON schema of design files, for editors."""
    import json

    from l1trigger.design import json_schema

    typer.echo(json.dumps(json_schema(), indent=1))


def doctor() -> None:
    """Says what is installed, whether it works together, and what to do; exit status 1 when something is broken."""
    from rich.console import Console
    from rich.table import Table

    from l1trigger.doctor import State, diagnose, gather, healthy

    marks = {State.OK: "[green]ok[/]", State.WARN: "[yellow]warn[/]", State.FAIL: "[red]fail[/]",
             State.ABSENT: "[dim]absent[/]"}
    findings = diagnose(gather())
    table = Table(box=None, show_header=False, pad_edge=False)
    for f in findings:
        table.add_row(marks[f.state], f.name, f.found or "[dim]-[/]", f.remedy)
    console = Console()
    console.print(table, highlight=False)
    if not healthy(findings):
        broken = [f.name for f in findings if f.state is State.FAIL]
        console.print(f"[red]Needs mending:[/] {', '.join(broken)}")
        raise typer.Exit(1)
    console.print("[green]Everything that is needed is here.[/] Absent vendor tools are no fault.")


def show(run: RunPath) -> None:
    """Prints the main figures of a run's report."""
    from rich.console import Console

    from l1trigger.cli.figures import print_report
    from l1trigger.report.model import load_report

    path = run / "report.json" if run.is_dir() else run
    print_report(load_report(path), Console())
