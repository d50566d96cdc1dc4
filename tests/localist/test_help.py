"""A terminal shows every help text in full."""

import shlex
import typing

import pytest
from typer.testing import CliRunner

from localist.cli import COMMANDS, EXAMPLES, GROUPS, LazyCommands, app


def words(text):
    return "".join(text.replace("│", " ").split())


# The words of every command.
WORDS = [
    words
    for name, place in COMMANDS.items()
    for words in ([(name, each) for each in place] if isinstance(place, dict) else [(name,)])
]


def found(words):
    """The command that these words name."""
    group = LazyCommands()
    for word in words[:-1]:
        group = group.get_command(None, word)
    return group.get_command(None, words[-1])


@pytest.mark.parametrize("name", WORDS, ids=" ".join)
def test_help_texts_are_shown_in_full(name):
    shown = words(CliRunner().invoke(app, [*name, "--help"], env={"COLUMNS": "250"}).output)
    function = found(name).callback.__wrapped__
    hints = typing.get_type_hints(function, include_extras=True)
    helps = [note.help for hint in hints.values() for note in getattr(hint, "__metadata__", ()) if note.help]
    assert helps
    for text in [*helps, function.__doc__]:
        assert words(text) in shown


@pytest.mark.parametrize("name", WORDS, ids=" ".join)
def test_help_ends_with_a_valid_example(name):
    example = EXAMPLES[" ".join(name)]
    program, *arguments = shlex.split(example)
    assert (program, *arguments[: len(name)]) == ("localist", *name)
    assert words(example) in words(CliRunner().invoke(app, [*name, "--help"], env={"COLUMNS": "120"}).output)
    # Raises for an unknown option or a value of the wrong type.
    found(name).make_context(name[-1], arguments[len(name) :])


@pytest.mark.parametrize("name", GROUPS)
def test_help_of_a_group_lists_its_commands(name):
    shown = words(CliRunner().invoke(app, [name, "--help"], env={"COLUMNS": "250"}).output)
    assert words(GROUPS[name]) in shown
    for inner in COMMANDS[name]:
        assert words(f"{inner} {found((name, inner)).get_short_help_str(1000)}") in shown
