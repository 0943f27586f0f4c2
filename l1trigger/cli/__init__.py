"""The command line: reads options, calls the library, prints. Nothing is computed here."""

from __future__ import annotations

from typing import Annotated

import typer

from l1trigger.cli import bits, compare, data, import_reports, inspect, rate, run
from l1trigger.cli.errors import ClearErrors

app = typer.Typer(
    cls=ClearErrors, no_args_is_help=True, add_completion=False, pretty_exceptions_show_locals=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
run.add_to(app)
data.add_to(app)
inspect.add_to(app)
bits.add_to(app)
rate.add_to(app)
compare.add_to(app)
import_reports.add_to(app)


def _print_version(asked: bool) -> None:
    if asked:
        from l1trigger import __version__

        typer.echo(f"l1trigger {__version__}")
        raise typer.Exit


@app.callback()
def options(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Shows the version.")
    ] = False,
) -> None:
    """From collisions to a bit-exact trigger network: data, train, compress, convert, csim, synth, report."""


def main() -> None:
    """Entry point of the command ``l1trigger``."""
    app()
