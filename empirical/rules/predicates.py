"""Predicates of one token, which the formulas of rules combine.

A predicate is about the token's text (`OfText`) or about its place (`Number`, `SeenBefore`). Each is a value with a
canonical name, so that two formulas share the predicates that they share.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import re2

from theory.numbers.checked import abbreviated

# Bytes that one compiled expression may use, 1/8 of the engine's own limit: a rule file may hold hundreds.
_EXPRESSION_BYTES = 2**20
MOST_EXPRESSION = 1000
PLACES = ("position", "block_position", "block")


@dataclass(frozen=True)
class HasText:
    """The token's text is exactly `text`, spaces included."""

    text: str


@dataclass(frozen=True)
class Matches:
    """The regular expression is found in the token's text."""

    expression: str


@dataclass(frozen=True)
class OfClass:
    """The token is of a class of `CLASSES`; spaces around its text do not count."""

    name: str


@dataclass(frozen=True)
class Number:
    """A number of the token's place equals `value`, or is `below` it.

    `place` is the position in the text, the position in the block, or the block's number; each counts from 0.
    """

    place: str
    value: int
    below: bool


@dataclass(frozen=True)
class SeenBefore:
    """An earlier token of the text has the same text."""


OfText = HasText | Matches | OfClass
Predicate = OfText | Number | SeenBefore


def holds_for(predicate: OfText, text: str) -> bool:
    """Whether a predicate of the text holds for this one.

    >>> holds_for(OfClass("digit"), " 12"), holds_for(Matches("^a+$"), "aab")
    (True, False)
    """
    match predicate:
        case HasText(wanted):
            return text == wanted
        case Matches(expression):
            return compiled(expression).search(text) is not None
        case OfClass(name):
            return CLASSES[name](text)


@lru_cache(maxsize=1024)
def compiled(expression: str) -> Any:
    """A regular expression for an engine whose time is linear in the text. Raises ValueError with the reason.

    The engine refuses what it cannot match in linear time: back references and look-around.
    """
    if len(expression) > MOST_EXPRESSION:
        raise ValueError(f"it has {len(expression)} characters: at most {MOST_EXPRESSION} are allowed")
    options = re2.Options()
    options.log_errors = False
    options.max_mem = _EXPRESSION_BYTES
    try:
        return re2.compile(expression, options)
    except re2.error as error:
        reason = error.args[0] if error.args else "it cannot be read"
        said = reason.decode("utf-8", "replace") if isinstance(reason, bytes) else str(reason)
        raise ValueError(abbreviated(said).strip("'\"")) from None


def _word(text: str) -> bool:
    return text.strip().isalpha()


def _punctuation(text: str) -> bool:
    inner = text.strip()
    return inner != "" and all(unicodedata.category(character)[0] in "PS" for character in inner)


# No token is of two classes, except that every capitalised one is a word.
CLASSES: dict[str, Callable[[str], bool]] = {
    "digit": lambda text: text.strip().isdigit(),
    "punctuation": _punctuation,
    "space": str.isspace,
    "word": _word,
    "capitalised": lambda text: _word(text) and text.strip()[0].isupper(),
}
