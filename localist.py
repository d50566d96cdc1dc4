"""The front door: one command line, whose sub-commands load when they are called."""

from __future__ import annotations

import importlib
import sys
from typing import Any

import typer
from typer.core import TyperGroup

from theory.errors import LocalistError

COMMANDS = {
    "check": "theory.commands",
    "verify": "proofs_check.commands",
    "train": "empirical.commands",
    "measure": "empirical.commands",
    "figures": "figures.commands",
    "demo": "demo",
}


class LazyCommands(TyperGroup):
    """Sub-commands by name; the module that holds one is imported when it is asked for."""

    def list_commands(self, ctx: Any) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        if cmd_name not in COMMANDS:
            return None
        function = getattr(importlib.import_module(COMMANDS[cmd_name]), cmd_name)
        single = typer.Typer(add_completion=False)
        single.command(cmd_name, help=function.__doc__)(function)
        return typer.main.get_command(single)


app = typer.Typer(cls=LazyCommands, add_completion=False, no_args_is_help=True)


@app.callback()
def localist() -> None:
    """Thresholds, theorems and measurements for localist language models.

    Entropies are in nats unless an option says bits.
    """


def main() -> None:
    """Run the command line; a user's mistake ends with one line and status 2, Ctrl-C with 130."""
    try:
        app()
    except LocalistError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(2)
    except KeyboardInterrupt:
        print("interrupted; what was finished is kept", file=sys.stderr)
        sys.exit(130)


if __name__ == "__main__":
    main()
