"""Where a value stands in the text of a TOML file, by line and column."""

from __future__ import annotations

from typing import Any

import tomlkit
from tomlkit.exceptions import TOMLKitError

_MARK = "localist\u2063marks\u2063this"
# The shortest escape sequences of TOML by the character after the backslash; all others take two characters.
_LONG_ESCAPES = {"x": 4, "u": 6, "U": 10}


def place_of(text: str, keys: list[str | int], at: int = 0) -> str:
    """`, line L, column C` of a value, or of the character `at` of a text value; empty if it is not found.

    >>> place_of('[[rule]]\\nwhen = "a or b"', ["rule", 0, "when"], 5)
    ', line 2, column 14'
    """
    start = _start(text, keys)
    if start is None:
        return ""
    if text[start : start + 1] in ("'", '"'):
        start = _inside(text, start, at)
    before = text[:start]
    return f", line {before.count(chr(10)) + 1}, column {start - before.rfind(chr(10))}"


def _start(text: str, keys: list[str | int]) -> int | None:
    """Where the value begins: the file is written again with a mark in its place, and all before it stays as it is."""
    try:
        document: Any = tomlkit.parse(text)
        table = document
        for key in keys[:-1]:
            table = table[key]
        table[keys[-1]] = tomlkit.string(_MARK, literal=True)
        written = tomlkit.dumps(document)
    # Lists, numbers and texts on the way have no such key.
    except (TOMLKitError, LookupError, TypeError, ValueError, AttributeError, RecursionError):
        return None
    found = written.find(f"'{_MARK}'")
    return found if found >= 0 and written[:found] == text[:found] else None


def _inside(text: str, start: int, at: int) -> int:
    """Where the character `at` of the string value that begins at `start` is written."""
    quote = text[start]
    long = text[start : start + 3] == quote * 3
    place = start + (3 if long else 1)
    # A line break right after the opening quotes does not count.
    if long and text[place : place + 1] == "\n":
        place += 1
    if quote == "'":
        return min(place + at, len(text))
    for _ in range(at):
        place = _line_end(text, place) if long else place
        place += _LONG_ESCAPES.get(text[place + 1 : place + 2], 2) if text[place : place + 1] == "\\" else 1
    return min(_line_end(text, place) if long else place, len(text))


def _line_end(text: str, place: int) -> int:
    """After a backslash at a line's end, which swallows all blanks up to the next character."""
    while text[place : place + 1] == "\\" and text[place + 1 :].lstrip(" \t").startswith("\n"):
        rest = text[place + 1 :]
        place += 1 + len(rest) - len(rest.lstrip(" \t\n"))
    return place
