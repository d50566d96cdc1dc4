"""Reads a firing log line by line, over all its files, and checks that each line can follow the one before."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from empirical.settings import first_message
from empirical.steering.firing_log import part, part_numbers
from empirical.steering.log_lines import EndLine, FiringLine, Line, LogLine, PassLine, RefusedLine, RulesLine, TextLine
from empirical.steering.rule_versions import version_of
from theory.errors import InputError

_LINES: TypeAdapter[Any] = TypeAdapter(Line)


@dataclass(frozen=True)
class LoggedPass:
    """A pass and the firings that the log holds of it."""

    line: PassLine
    firings: list[FiringLine] = field(default_factory=list)


@dataclass(frozen=True)
class CutOff:
    """The log ends before its texts do, after so many whole passes of the last one."""

    passes: int


Entry = LogLine | TextLine | RulesLine | RefusedLine | LoggedPass | EndLine | CutOff


def read_log(path: Path) -> Iterator[Entry]:
    """What a log says, in its order: its first line, then texts with versions of the rules, passes and an end.

    A log whose last text has no end, or that lacks texts, gives `CutOff` in its place; a last line without a line end
    and a last pass with fewer firings than it counts are left out. Raises InputError with file and line for one that is
    not of a log or cannot stand there.
    """
    state, held = _State(), None
    for place, line in _lines(path):
        if isinstance(line, FiringLine):
            if held is None:
                raise InputError(f"{place}: a firing that follows no pass")
            held.firings.append(line)
            continue
        if held is not None:
            yield held
            held = None
        state.check(place, line)
        if isinstance(line, PassLine):
            held = LoggedPass(line)
        else:
            yield line
    if held is not None:
        if len(held.firings) >= held.line.firings:
            yield held
        else:
            state.passes -= 1
    if not state.begun:
        raise InputError(f"{path} holds no line of a firing log")
    if state.open or state.left > 0:
        yield CutOff(state.passes)


@dataclass
class _State:
    """Where a log stands: whether it and a text have begun, the version in force, and the text's passes and tokens.

    `left` is how many texts are still to end.
    """

    begun: bool = False
    left: int = 0
    open: bool = False
    version: str | None = None
    passes: int = 0
    tokens: int = 0

    def check(self, place: str, line: Any) -> None:
        """Take a line that is no firing. Raises InputError if it cannot follow."""
        if isinstance(line, LogLine) == self.begun:
            raise InputError(
                f"{place}: {'a second first line' if self.begun else 'not the first line of a firing log'}"
            )
        self.begun = True
        if isinstance(line, LogLine):
            self.left = line.texts or 0
            return
        if isinstance(line, TextLine) == self.open:
            raise InputError(
                f"{place}: a text {'begins before the one before has ended' if self.open else 'is missing'}"
            )
        if isinstance(line, TextLine):
            self.open, self.version, self.passes, self.tokens = True, None, 0, 0
        elif isinstance(line, EndLine):
            if line.passes != self.passes:
                raise InputError(f"{place}: {line.passes} passes have ended, and {self.passes} are in the log")
            self.open, self.left = False, 0 if line.stopped else self.left - 1
        else:
            self._place(place, line)

    def _place(self, place: str, line: PassLine | RulesLine | RefusedLine) -> None:
        if line.position != self.tokens:
            raise InputError(f"{place}: position {line.position} follows {self.tokens} tokens")
        if isinstance(line, RulesLine):
            if version_of(line.text.encode(errors="surrogatepass"), line.anchors) != line.sha256:
                raise InputError(f"{place}: the text of the rules has another hash than {line.sha256[:12]}")
            self.version = line.sha256
        elif isinstance(line, PassLine):
            if self.version is None or line.rules != self.version:
                raise InputError(f"{place}: the pass names other rules than those in force")
            if len(line.tokens) != 1 or not line.tokens[0]:
                raise InputError(f"{place}: {len(line.tokens)} texts: the replay takes one text at a time")
            self.passes, self.tokens = self.passes + 1, self.tokens + len(line.tokens[0])


def _lines(path: Path) -> Iterator[tuple[str, Any]]:
    """Place and content of each line, without a last one that has no line end."""
    numbers = part_numbers(path)
    for expected, number in enumerate(numbers, 1):
        if number != expected:
            raise InputError(f"{part(path, number)} exists and {part(path, expected)} does not: a part is missing")
    for number in (0, *numbers):
        file = part(path, number)
        last = number == len(numbers)
        try:
            with file.open("rb") as stream:
                for count, data in enumerate(stream, 1):
                    place = f"{file}, line {count}"
                    if data.endswith(b"\n"):
                        yield place, _parsed(place, data)
                    elif not last:
                        raise InputError(f"{place} has no line end")
        except (OSError, ValueError) as error:
            raise InputError(f"cannot read {file}: {getattr(error, 'strerror', None) or error}") from error


def _parsed(place: str, data: bytes) -> Any:
    try:
        value = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise InputError(f"{place} is not JSON: {error}") from None
    try:
        return _LINES.validate_python(_tuples(value))
    except ValidationError as error:
        named = ".".join(str(each) for each in error.errors()[0]["loc"][1:])
        raise InputError(f"{place}: {f'{named}: ' if named else ''}{first_message(error)}") from None


def _tuples(value: Any) -> Any:
    """Lists of lists as tuples, which JSON lacks."""
    if isinstance(value, list):
        return tuple(map(_tuples, value))
    return {name: _tuples(each) for name, each in value.items()} if isinstance(value, dict) else value
