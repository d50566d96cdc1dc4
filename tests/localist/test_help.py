"""A terminal shows every help text in full."""

import shlex
import typing

import pytest
from typer.testing import CliRunner

from localist.cli import COMMANDS, EXAMPLES, LazyCommands, app


def words(text):
    return "".join(text.replace("│", " ").split())


@pytest.mark.parametrize("name", COMMANDS)
def test_help_texts_are_shown_in_full(name):
    shown = words(CliRunner().invoke(app, [name, "--help"], env={"COLUMNS": "250"}).output)
    function = LazyCommands().get_command(None, name).callback.__wrapped__
    hints = typing.get_type_hints(function, include_extras=True)
    helps = [note.help for hint in hints.values() for note in getattr(hint, "__metadata__", ()) if note.help]
    assert helps
    for text in [*helps, function.__doc__]:
        assert words(text) in shown


@pytest.mark.parametrize("name", COMMANDS)
def test_help_ends_with_a_valid_example(name):
    program, command, *arguments = shlex.split(EXAMPLES[name])
    assert (program, command) == ("localist", name)
    assert words(EXAMPLES[name]) in words(CliRunner().invoke(app, [name, "--help"], env={"COLUMNS": "120"}).output)
    asked = LazyCommands().get_command(None, name)
    # Raises for an unknown option or a value of the wrong type.
    asked.make_context(name, arguments)
