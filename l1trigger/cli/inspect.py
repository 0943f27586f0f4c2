"""Commands that only look: ``check``, ``schema``, ``doctor``, ``show``."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

Design = Annotated[Path, typer.Argument(help="Design file, e.g. models/anomaly.yaml.", show_default=False)]
Overrides = Annotated[list[str] | None, typer.Option(
    "--set", metavar="KEY=VALUE", help="Replaces a setting, e.g. convert.reuse_factor=2; may be repeated.",
)]
RunPath = Annotated[Path, typer.Argument(
    metavar="RUN", help="Run folder, e.g. runs/anomaly, or a report.json.", show_default=False,
)]


def add_to(app: typer.Typer) -> None:
    """Adds the commands."""
    for command in (check, schema, doctor, show):
        app.command()(command)


def check(design: Design, overrides: Overrides = None) -> None:
    """Tries a design out on a few events, and lists what would fail later; exit status 2 when something would."""
    from rich.console import Console

    from l1trigger.cli.display import stderr_to
    from l1trigger.design import load
    from l1trigger.errors import DesignError
    from l1trigger.rehearsal import rehearse

    asked = load(design, overrides or [])
    console = Console()
    with stderr_to(os.devnull), console.status("rehearsal") as status:
        findings = rehearse(asked, status.update)
    for f in findings:
        colour = "red" if f.severity == "error" else "yellow"
        text = f"{f.where}: {f.message.rstrip('.')}. Remedy: {f.remedy}"
        console.print(f"[{colour}]{f.severity}[/] {escape(text)}", highlight=False, soft_wrap=True)
    errors = [f for f in findings if f.severity == "error"]
    if errors:
        raise DesignError(design, errors[0].where, f"{len(errors)} of these would prevent the conversion")
    remarks = f"; {len(findings)} warnings" if findings else ""
    console.print(f"{design}: {asked.name} can be converted{remarks}", highlight=False, soft_wrap=True)


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
        table.add_row(marks[f.state], f.name, f.value or "[dim]-[/]", f.remedy)
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

    from l1trigger.cli.summary import print_report
    from l1trigger.report.model import load_report

    path = run / "report.json" if run.is_dir() else run
    print_report(load_report(path), Console())
