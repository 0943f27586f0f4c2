"""How the command line fails: one sentence and an exit status, without a traceback."""

from __future__ import annotations

import sys
from typing import Any

import typer
from typer.core import TyperGroup

from l1trigger.errors import L1TriggerError


class ClearErrors(TyperGroup):
    """A group of commands that turns the package's errors into one sentence and an exit status."""

    def invoke(self, ctx: Any) -> Any:
        """Runs the command."""
        try:
            return super().invoke(ctx)
        except L1TriggerError as e:
            _say(str(e))
            raise typer.Exit(e.exit_code) from None
        except KeyboardInterrupt:
            _say("interrupted; run the same command again to continue")
            raise typer.Exit(130) from None


def _say(text: str) -> None:
    sys.stdout.flush()
    typer.echo(f"l1trigger: {text}", err=True)
