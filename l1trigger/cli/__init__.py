"""The command line: reads options, calls the library, prints. Nothing is computed here."""

from __future__ import annotations

import sys
from typing import Any

import typer
from typer.core import TyperGroup

from l1trigger.errors import L1TriggerError


class ClearErrors(TyperGroup):
    """Turns the package's errors into one sentence and an exit code, without a traceback."""

    def invoke(self, ctx: Any) -> Any:
        """Runs the command."""
        try:
            return super().invoke(ctx)
        except L1TriggerError as e:
            sys.stdout.flush()
            print(f"l1trigger: {e}", file=sys.stderr)
            raise typer.Exit(e.exit_code) from None
        except KeyboardInterrupt:
            print("l1trigger: interrupted; run the same command again to continue", file=sys.stderr)
            raise typer.Exit(130) from None


app = typer.Typer(
    cls=ClearErrors, no_args_is_help=True, add_completion=False, pretty_exceptions_show_locals=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="From collisions to a bit-exact trigger network: data, train, compress, convert, csim, report.",
)


def _add_commands() -> None:
    from l1trigger.cli import data, inspect, run

    run.add_to(app)
    data.add_to(app)
    inspect.add_to(app)


_add_commands()


def main() -> None:
    """Entry point of the command ``l1trigger``."""
    app()
