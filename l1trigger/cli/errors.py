"""How the command line fails: one sentence and an exit status, without a traceback.

Messages of the library name parameters of its functions (``errors.argument``); those of a command have the same names,
and what a user reads are the command's options.
"""

from __future__ import annotations

import sys
from typing import Any

import typer
from typer.core import TyperGroup

from l1trigger.errors import L1TriggerError, argument


class ClearErrors(TyperGroup):
    """A group of commands that turns the package's errors into one sentence and an exit status."""

    def invoke(self, ctx: Any) -> Any:
        """Runs the command."""
        try:
            return super().invoke(ctx)
        except L1TriggerError as e:
            _say(self._with_options(str(e), ctx))
            raise typer.Exit(e.exit_code) from None
        except KeyboardInterrupt:
            _say("interrupted; run the same command again to continue")
            raise typer.Exit(130) from None

    def _with_options(self, text: str, ctx: Any) -> str:
        """A message with the options of the command that was called in place of parameters."""
        command = self.get_command(ctx, ctx.invoked_subcommand or "")
        options = {p.name: p.opts[0] for p in command.params if p.opts[0].startswith("-")} if command else {}
        for name, option in options.items():
            text = text.replace(argument(name), option)
        return text


def _say(text: str) -> None:
    sys.stdout.flush()
    typer.echo(f"l1trigger: {text}", err=True)
