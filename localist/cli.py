"""The command line; each sub-command is loaded when it is called."""

from __future__ import annotations

import codecs
import importlib
import importlib.metadata
import io
import json
import os
import select
import sys
import traceback
from collections.abc import Mapping
from typing import Annotated, Any, NoReturn

import typer
from rich.markup import escape
from typer.core import TyperGroup

from localist.extras import advice
from localist.plain_words import as_typed, plain_law
from theory.errors import LocalistError, first_line

# A command's module, or the commands of a group.
COMMANDS: dict[str, str | dict[str, str]] = {
    "check": "localist.checking",
    "design": "theory.design.commands",
    "theorems": "theory.design.commands",
    "verify": "proofs_check.commands",
    "train": "empirical.training.command",
    "sweep": "empirical.sweep.command",
    "measure": "empirical.measuring.measure_command",
    "calibrate": "empirical.calibration.command",
    "anchors": "empirical.anchors.command",
    "audit": "empirical.audit.command",
    "generate": "empirical.measuring.generate_command",
    "rules": {"check": "empirical.rules.command", "simulate": "empirical.checkers.command"},
    "bench": "empirical.measuring.bench",
    "figures": "figures.commands",
    "explore": "figures.explorer.command",
    "report": "figures.report.command",
    "demo": "localist.demo",
}
GROUPS = {"rules": "What the rules of a file can promise together, and what they keep under an imperfect checker."}
# Shown at the end of each command's help.
EXAMPLES = {
    "check": "localist check --keys 1024 --block 64 --margin 6 --target-fidelity 0.99",
    "design": "localist design examples/OPEN.toml --out SOLVED.toml",
    "theorems": "localist theorems A4",
    "verify": "localist verify A4 B1 --rows 500",
    "train": "localist train runs/quintic --schedule quintic --max-seconds 60",
    "sweep": "localist sweep records/reference/SWEEP.toml runs/reference --jobs 2",
    "measure": "localist measure runs/quintic --dial 0:1:0.1",
    "calibrate": "localist calibrate runs/quintic --fidelity 0.9 --rows 0.95 --max-loss 0.02",
    "anchors": "localist anchors --text FILE --blocks paragraphs --labels LABELS.json",
    "audit": 'localist audit runs/quintic --promise "fidelity>=0.9 in layers 2-3"',
    "generate": 'localist generate runs/quintic --prompt "The import statement" --dial 0,0.9',
    "rules check": "localist rules check examples/RULES.toml --run examples/RUN.toml",
    "rules simulate": "localist rules simulate RULES.toml MODEL --text FILE --missed 0.3,0.1 --false-firings 0.02",
    "bench": "localist bench --tokens 256",
    "figures": "localist figures --records runs/quintic",
    "explore": "localist explore --out EXPLORER.html",
    "report": "localist report runs/quintic",
    "demo": "localist demo --seconds 20",
}


# Some versions of typer bundle a copy of click; BadParameter belongs to the one in use.
UsageError: type[Exception] = typer.BadParameter.__bases__[0]

BAD_INPUT, DEFECT, INTERRUPTED, CLOSED = 2, 70, 130, 141
_STATUSES = f"""Exit status of every command:

0: done; the answer, if there is one, is yes.

1: the answer is no: not guaranteed, a bound violated or undecided, a check failed.

{BAD_INPUT}: bad input, or not enough memory, disk or network. One line on standard error says which; with --json it
is the object {{"error": ..., "status": ...}}.

{DEFECT}: a defect of localist, with its traceback.

{INTERRUPTED}: interrupted by Ctrl-C; one line says whether what was finished is kept.

{CLOSED}: the program that read the output closed it."""

_KEPT, _LOST = "interrupted; what was finished is kept", "interrupted; unfinished work is not kept"
# Commands that finish their work in parts and keep them; some only with an option, or only without one.
_IN_PARTS = ("train", "sweep", "measure", "calibrate", "generate", "verify", "figures", "demo")
_ONLY_WITH = {"generate": "--log", "verify": "--full"}
_ONLY_WITHOUT = {"measure": "--truncate", "figures": "--check"}
_HELP: dict[str, Any] = {"help_option_names": ["-h", "--help"]}

# Replacements for characters that the output's encoding lacks; any other is written as its code.
_PLAIN = {"≤": "<=", "≥": ">=", "±": "+-", "−": "-", "…": "...", "–": "-", "\u201c": '"', "\u201d": '"', "\u2019": "'"}


class LazyCommands(TyperGroup):
    """Sub-commands by name; a command's module is imported when the command is requested."""

    # Name of the group and its commands; the top level has no name.
    group = ""
    commands_of: Mapping[str, str | dict[str, str]] = COMMANDS

    def list_commands(self, ctx: Any) -> list[str]:
        return list(self.commands_of)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        place = self.commands_of.get(cmd_name)
        if place is None:
            return None
        if isinstance(place, dict):
            group = LazyCommands(name=cmd_name, help=GROUPS[cmd_name], no_args_is_help=True, context_settings=_HELP)
            group.group, group.commands_of = cmd_name, place
            return group
        function = getattr(importlib.import_module(place), cmd_name)
        single = typer.Typer(add_completion=False)
        example = f"Example: {EXAMPLES[f'{self.group} {cmd_name}'.strip()]}"
        single.command(cmd_name, help=function.__doc__, epilog=example, context_settings=_HELP)(function)
        command: Any = typer.main.get_command(single)
        for parameter in command.params:
            # rich reads square brackets as markup and would not show their content.
            parameter.help = escape(parameter.help or "")
        return command


app = typer.Typer(
    cls=LazyCommands, add_completion=False, no_args_is_help=True, context_settings=_HELP, epilog=escape(_STATUSES)
)


def _print_version(asked: bool) -> None:
    if asked:
        print(f"localist {importlib.metadata.version('localist')}")
        raise typer.Exit


@app.callback()
def localist(
    version: Annotated[
        bool, typer.Option("--version", "-V", callback=_print_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Thresholds, theorems and measurements for localist language models.

    Entropies are in nats unless an option says bits.
    """


def main() -> None:
    """Runs the command line and exits with its status; a user's mistake is one line on standard error."""
    _prepare_streams()
    try:
        status, message = _run()
        sys.stdout.flush()
    except BrokenPipeError:
        status, message = CLOSED, ""
        _discard_output()
    except OSError as error:
        status, message = BAD_INPUT, _of_the_system(error)
        _discard_output()
    if message:
        _fail(message, status)
    sys.exit(status)


def _run() -> tuple[int, str]:
    """Exit status of the command line, and its error in one line. Raises BrokenPipeError if the output is closed."""
    try:
        status = app(standalone_mode=False)
    except LocalistError as error:
        return BAD_INPUT, as_typed(plain_law(str(error)), _typed())
    except UsageError as error:
        return BAD_INPUT, _usage(error)
    except (KeyboardInterrupt, typer.Abort):
        return INTERRUPTED, _interrupted()
    except SystemExit as ended:
        # typer exits like this when a pipe is closed, with the status of a violated bound.
        if not isinstance(ended.__context__, BrokenPipeError):
            raise
        if _output_is_closed():
            raise ended.__context__ from None
        return DEFECT, f"a pipe to another process is closed: {_of_the_system(ended.__context__)}"
    except OSError as error:
        return BAD_INPUT, _of_the_system(error)
    except Exception as error:
        if isinstance(error, ModuleNotFoundError) and (line := advice(error.name or "")):
            return BAD_INPUT, line
        # torch has no exception type for CPU memory.
        if isinstance(error, MemoryError) or "DefaultCPUAllocator" in str(error):
            return BAD_INPUT, f"out of memory: {first_line(error)}"
        traceback.print_exc()
        return DEFECT, f"a defect of localist: {type(error).__name__}: {first_line(error)}"
    if status == INTERRUPTED:
        return INTERRUPTED, _interrupted()
    return (status if isinstance(status, int) else 0), ""


def _interrupted() -> str:
    """What became of the work of the command that was typed."""
    command = next((word for word in sys.argv[1:] if word in COMMANDS), "")
    given = _typed()
    kept = command in _IN_PARTS and _ONLY_WITH.get(command, "") in (*given, "")
    return _KEPT if kept and _ONLY_WITHOUT.get(command) not in given else _LOST


def _of_the_system(error: OSError) -> str:
    return f"{error.filename or 'standard output or a file'}: {error.strerror or first_line(error)}"


def _output_is_closed() -> bool:
    """Whether standard output is closed; the broken pipe may be one to another process."""
    # rich replaces a closed output with the null device.
    if not hasattr(select, "poll") or os.path.samestat(os.fstat(sys.stdout.fileno()), os.stat(os.devnull)):
        return True
    watched = select.poll()
    watched.register(sys.stdout.fileno(), 0)
    return any(event & select.POLLERR for _, event in watched.poll(0))


def _discard_output() -> None:
    """Sends all further output to the null device, also that of the interpreter's exit."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _prepare_streams() -> None:
    """Makes the output streams replace a character that their encoding lacks, instead of raising an error."""
    if sys.stdout is None:
        _fail("standard output is closed", BAD_INPUT)
    codecs.register_error("localist", _plainer)
    for stream in (sys.stdout, sys.stderr):
        # Skips streams that a test or another program has put in place.
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="localist")


def _plainer(error: UnicodeError) -> tuple[str | bytes, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    character = error.object[error.start]
    return _PLAIN.get(character) or character.encode("ascii", "backslashreplace").decode(), error.start + 1


def _usage(error: Any) -> str:
    """A usage error in one line, with the option's name and value; empty if help was shown."""
    message = plain_law(" ".join(error.format_message().split()))
    for option in getattr(getattr(error, "param", None), "opts", ()):
        value = _typed().get(option)
        if value is not None and value not in message:
            law = message.removeprefix(f"Invalid value for '{option}': ")
            return f"{option} {value}: {law}"
    return message


def _typed() -> dict[str, str]:
    """The options of the command line, each with the last text that follows it."""
    words, found = sys.argv[1:], {}
    for word, following in zip(words, [*words[1:], ""], strict=True):
        if word == "--":
            break
        if word.startswith("--"):
            name, equals, value = word.partition("=")
            found[name] = value if equals else following
    return found


def _fail(message: str, status: int) -> NoReturn:
    if "--json" in _typed():
        print(json.dumps({"error": message, "status": status}), file=sys.stderr)
    else:
        print(f"error: {message}", file=sys.stderr)
    sys.exit(status)
