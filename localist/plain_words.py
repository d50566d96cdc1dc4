"""Error messages in the user's words: options as typed, and no Python types."""

from __future__ import annotations

import re
from collections.abc import Mapping

# A validator's name for a type, and a user's.
_TYPES = {
    "a valid integer": "a whole number",
    "a valid number": "a number",
    "a valid float": "a number",
    "a valid string": "text",
    "a valid boolean": "true or false",
    "a valid tuple": "a list",
    "a valid list": "a list",
    "a valid dictionary": "a table",
}
_SUBJECT = re.compile(r"\b(Input|List|Tuple|String|Value|Data)\b[a-z ]* should ")
# The text after a type's name is about the parser, not about the value.
_KIND = re.compile(rf"({'|'.join(_TYPES)})\b(?:,[^;]*| or instance of \w+| or object to extract fields from)?")


def plain_law(message: str) -> str:
    """A validator's message without the names of Python types.

    >>> plain_law("Input should be a valid integer, unable to parse string as an integer")
    'must be a whole number'
    >>> plain_law("Input should be greater than or equal to 1")
    'must be greater than or equal to 1'
    """
    return _KIND.sub(lambda found: _TYPES[found[1]], _SUBJECT.sub("must ", message))


def as_typed(message: str, typed: Mapping[str, str]) -> str:
    """The message, with each setting that an option gave named as that option.

    `typed` holds the options of the command line, each with the last value given.

    >>> as_typed("configuration: locality.largest_dial=2.0: must be at most 1", {"--largest-dial": "2"})
    'configuration: --largest-dial=2.0: must be at most 1'
    >>> as_typed("block=0 must satisfy 1 <= block < keys=10", {"--block": "0", "--keys": "10"})
    '--block=0 must satisfy 1 <= block < --keys=10'
    >>> as_typed("width 30 must be a multiple of heads 4", {"--width": "30"})
    '--width 30 must be a multiple of heads 4'
    >>> as_typed("RUN.toml, line 3: locality.dial=2: must be less than 1", {"--out": "a"})
    'RUN.toml, line 3: locality.dial=2: must be less than 1'
    """
    for option in sorted(typed, key=len, reverse=True):
        words = option.removeprefix("--").split("-")
        name = rf"(?<![\w.\-])(?:\w+\.)*{'[_ ]'.join(map(re.escape, words))}"
        value = rf"| {re.escape(typed[option])}(?![\w.])" if typed[option] else ""
        # A name before its value is the setting. Elsewhere a one-word name may be a word of the sentence.
        message = re.sub(rf"{name}(?=={value})", option, message)
        if len(words) > 1:
            message = re.sub(rf"(?<![\w.\-]){'_'.join(map(re.escape, words))}(?![\w.])", option, message)
    return message
