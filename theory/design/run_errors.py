"""The first mistake in a run file, as one line with its place."""

from __future__ import annotations

import re
from typing import Any

import tomlkit
from pydantic import ValidationError

from theory.numbers.checked import abbreviated


def toml_key(name: str) -> str:
    """A key as TOML writes it, on one line; quoted only if necessary."""
    return tomlkit.key(name).as_string()


def first_complaint(error: ValidationError, text: str) -> str:
    """Place, value and law of the first mistake, to follow the file's name; `text` is the file's text."""
    complaints = error.errors(include_url=False)
    # An unknown key is usually a misspelt one, and the reason why another is missing.
    first = next((c for c in complaints if c["type"] == "extra_forbidden"), complaints[0])
    place = _place(first)
    # A union of types complains once per type.
    laws = {_law(c) for c in complaints if _place(c) == place}
    law = " or ".join(sorted(laws))
    shown = (
        "" if first["type"] in ("missing", "value_error", "extra_forbidden") else f"={abbreviated(first.get('input'))}"
    )
    dotted = ".".join(toml_key(str(part)) for part in place)
    line = _line_of([str(part) for part in place], text)
    where = f", line {line}" if line else ""
    return f"{where}: {dotted}{shown}: {law}" if dotted else f"{where}: {law}"


def _law(complaint: Any) -> str:
    message = complaint["msg"].removeprefix("Value error, ")
    if complaint["type"] == "missing":
        return "must be given"
    if complaint["type"] == "extra_forbidden":
        return "no such key; is it misspelt?"
    return re.sub(r"^(Input|List|String) should", "must", message)


def _place(complaint: Any) -> list[str | int]:
    """The file's keys in pydantic's location, without the names of the types that it tried."""
    location = complaint["loc"]
    # A rule may have any name, even a type's.
    named = location[:2] if location[:1] == ("rules",) else location[:1]
    return [*named, *(part for part in location[len(named) :] if _is_key(part))]


def _is_key(part: Any) -> bool:
    return isinstance(part, int) or (re.fullmatch(r"[\w-]+", part) is not None and part not in _TYPE_NAMES)


_TYPE_NAMES = {"float", "int", "str", "literal", "constrained-str", "constrained-float", "constrained-int"}


def _line_of(place: list[str], text: str) -> int | None:
    """Line of the named key, or else of its table; None if the scan does not find it."""
    table: list[str] = []
    found = None
    for number, line in enumerate(text.splitlines(), 1):
        header = re.match(r"\s*\[+\s*([\w.\-\"' ]+?)\s*\]+", line)
        if header:
            table = [part.strip(" \"'") for part in header.group(1).split(".")]
            if table == place[: len(table)] and len(table) <= len(place):
                found = number
            continue
        key = re.match(r"\s*([\w.\-\"']+)\s*=", line)
        if key:
            path = [*table, *(part.strip("\"'") for part in key.group(1).split("."))]
            if path == place[: len(path)]:
                return number
    return found
