"""What a command's options say of themselves is what a terminal shows."""

import typing

import pytest
from typer.testing import CliRunner

from localist.cli import COMMANDS, LazyCommands, app


def words(text):
    return "".join(text.replace("│", " ").split())


@pytest.mark.parametrize("name", COMMANDS)
def test_every_help_text_is_shown_whole(name):
    shown = words(CliRunner().invoke(app, [name, "--help"], env={"COLUMNS": "250"}).output)
    function = LazyCommands().get_command(None, name).callback.__wrapped__
    hints = typing.get_type_hints(function, include_extras=True)
    helps = [note.help for hint in hints.values() for note in getattr(hint, "__metadata__", ()) if note.help]
    assert helps
    for text in [*helps, function.__doc__]:
        assert words(text) in shown
