"""The front door: one command line, whose sub-commands load when they are called."""

from __future__ import annotations

import importlib
import sys
from typing import Any, NoReturn

import typer
from rich.markup import escape
from typer.core import TyperGroup

from theory.errors import LocalistError

COMMANDS = {
    "check": "theory.commands",
    "design": "theory.commands",
    "theorems": "theory.commands",
    "verify": "proofs_check.commands",
    "train": "empirical.train_command",
    "sweep": "empirical.sweep_command",
    "measure": "empirical.measure_command",
    "generate": "empirical.generate_command",
    "bench": "empirical.bench_command",
    "figures": "figures.commands",
    "demo": "demo",
}


# typer carries its own copy of click in some versions; its BadParameter leads to the one in use.
UsageError: type[Exception] = typer.BadParameter.__bases__[0]


_INTERRUPTED = 130
_KEPT = "interrupted; what was finished is kept"


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
        command: Any = typer.main.get_command(single)
        for parameter in command.params:
            # Square brackets are rich's markup: what stands between them would not be shown.
            parameter.help = escape(parameter.help or "")
        return command


app = typer.Typer(cls=LazyCommands, add_completion=False, no_args_is_help=True)


@app.callback()
def localist() -> None:
    """Thresholds, theorems and measurements for localist language models.

    Entropies are in nats unless an option says bits.
    """


def main() -> None:
    """Run the command line; a user's mistake ends with one line and status 2, Ctrl-C with 130."""
    try:
        status = app(standalone_mode=False)
    except LocalistError as error:
        _fail(str(error), 2)
    except UsageError as error:
        _fail(_one_line(error), 2)
    except (KeyboardInterrupt, typer.Abort):
        _fail(_KEPT, _INTERRUPTED)
    if status == _INTERRUPTED:
        _fail(_KEPT, _INTERRUPTED)
    sys.exit(status if isinstance(status, int) else 0)


def _one_line(error: Any) -> str:
    """What the command line could not read, with the option's name and the value given."""
    message = " ".join(error.format_message().split())
    for option in getattr(getattr(error, "param", None), "opts", ()):
        value = _given(option)
        if value is not None and value not in message:
            return f"{option} {value}: {message}"
    return message


def _given(option: str) -> str | None:
    """The text that last follows an option on the command line."""
    value = None
    for word, following in zip(sys.argv, [*sys.argv[1:], None], strict=True):
        if word == option:
            value = following
        elif word.startswith(f"{option}="):
            value = word.removeprefix(f"{option}=")
    return value


def _fail(message: str, status: int) -> NoReturn:
    print(f"error: {message}", file=sys.stderr)
    sys.exit(status)


if __name__ == "__main__":
    main()
