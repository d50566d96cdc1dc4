"""Promises as text, such as `fidelity>=0.9 in layers 8-11`: one strict grammar, errors with their column.

PROMISE = ("fidelity" ">=" NUMBER | "entropy" "<=" NUMBER) { CLAUSE }
CLAUSE  = "in" ( "layers" LIST | "heads" LIST | NUMBER "%" "of" "rows" )
LIST    = RANGE { "," RANGE },  RANGE = INTEGER [ "-" INTEGER ]
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import NoReturn

from theory.errors import DomainError

_RELATIONS = {"fidelity": ">=", "entropy": "<="}
_TOKEN = re.compile(r"\s*(?:(?P<number>\d+(?:\.\d+)?(?:e-?\d+)?)|(?P<word>[A-Za-z]+)|(?P<sign>>=|<=|[,%-]))")
# Above the layers and heads of any model.
_MOST_INDEX = 10**4


@dataclass(frozen=True)
class Promise:
    """What each row with a key off its block must keep: a least fidelity, or a largest entropy in nats.

    `layers` and `heads` count from 0; None: all of them. `percent` of the rows must keep it, of these heads together.
    """

    quantity: str
    value: float
    layers: frozenset[int] | None = None
    heads: frozenset[int] | None = None
    percent: float = 100.0

    def __str__(self) -> str:
        """The promise as its grammar writes it."""
        said = f"{self.quantity}{_RELATIONS[self.quantity]}{_number(self.value)}"
        for name, chosen in (("layers", self.layers), ("heads", self.heads)):
            said += "" if chosen is None else f" in {name} {_ranges(chosen)}"
        return said if self.percent == 100 else f"{said} in {_number(self.percent)} % of rows"

    @property
    def share(self) -> float:
        """Share of the rows that must keep it."""
        return self.percent / 100

    def covers(self, layer: int, head: int) -> bool:
        """Whether this head's rows must keep it."""
        return (self.layers is None or layer in self.layers) and (self.heads is None or head in self.heads)


def parse_promise(text: str) -> Promise:
    """The promise in a text. Raises DomainError with the column of what is not understood.

    >>> str(parse_promise("fidelity >= 0.9 in layers 8-11 in 95 % of rows"))
    'fidelity>=0.9 in layers 8-11 in 95 % of rows'
    """
    return _Reader(text).promise()


class _Reader:
    """Reads a promise token by token."""

    def __init__(self, text: str) -> None:
        self._text, self._at = text, 0

    def promise(self) -> Promise:
        start = self._at
        quantity = self._word()
        if quantity not in _RELATIONS:
            self._fail(start, "must begin with fidelity>= or entropy<=")
        self._expect("sign", _RELATIONS[quantity], f"must be {_RELATIONS[quantity]}")
        value = self._value(quantity)
        chosen: dict[str, frozenset[int]] = {}
        percent: float | None = None
        while self._text[self._at :].strip():
            start = self._at
            self._expect("word", "in", "must be in, before layers, heads or N % of rows")
            if (name := self._peek("word")) in ("layers", "heads"):
                if name in chosen:
                    self._fail(self._at, f"must not name {name} twice")
                self._word()
                chosen[name] = self._list()
            elif self._peek("number") is not None:
                if percent is not None:
                    self._fail(start, "must not name a share of rows twice")
                percent = self._percent()
            else:
                self._fail(self._at, "must be layers, heads or N % of rows")
        return Promise(
            quantity, value, chosen.get("layers"), chosen.get("heads"), 100.0 if percent is None else percent
        )

    def _value(self, quantity: str) -> float:
        start = self._at
        value = float(self._expect("number", None, "must be a number"))
        if quantity == "fidelity" and not 0 < value <= 1:
            self._fail(start, "must be a fidelity in (0, 1]")
        if value == float("inf"):
            self._fail(start, "must be finite")
        return value

    def _percent(self) -> float:
        start = self._at
        percent = float(self._expect("number", None, "must be a number"))
        self._expect("sign", "%", "must be %")
        for word in ("of", "rows"):
            self._expect("word", word, "must be: % of rows")
        if not 0 < percent <= 100:
            self._fail(start, "must be a share in (0, 100] %")
        return percent

    def _list(self) -> frozenset[int]:
        found = set(self._range())
        while self._peek("sign") == ",":
            self._next()
            found |= set(self._range())
        return frozenset(found)

    def _range(self) -> range:
        start = self._at
        first = self._index()
        last = first
        if self._peek("sign") == "-":
            self._next()
            last = self._index()
        if last < first:
            self._fail(start, "must have the smaller end of a range first")
        return range(first, last + 1)

    def _index(self) -> int:
        start = self._at
        text = self._expect("number", None, "must be a whole number")
        if not text.isdecimal() or int(text) > _MOST_INDEX:
            self._fail(start, f"must be a whole number up to {_MOST_INDEX}")
        return int(text)

    def _word(self) -> str:
        return self._expect("word", None, "must be a word")

    def _match(self) -> re.Match[str] | None:
        return _TOKEN.match(self._text, self._at)

    def _peek(self, kind: str) -> str | None:
        found = self._match()
        return None if found is None else found[kind]

    def _next(self) -> None:
        found = self._match()
        assert found is not None
        self._at = found.end()

    def _expect(self, kind: str, wanted: str | None, law: str) -> str:
        text = self._peek(kind)
        if text is None or (wanted is not None and text != wanted):
            self._fail(self._at, law)
        self._next()
        return text

    def _fail(self, at: int, law: str) -> NoReturn:
        rest = self._text[at:]
        at += len(rest) - len(rest.lstrip())
        shown = self._text[at : at + 20].split()
        raise DomainError(f"promise {self._text!r}, column {at + 1}: {shown[0] if shown else 'its end'!s} {law}")


def _number(value: float) -> str:
    """The shortest decimal that reads back as this number, without a trailing `.0`."""
    return repr(value).removesuffix(".0")


def _ranges(chosen: frozenset[int]) -> str:
    """Numbers as ranges.

    >>> _ranges(frozenset({0, 1, 2, 5}))
    '0-2,5'
    """
    parts: list[list[int]] = []
    for number in sorted(chosen):
        if parts and number == parts[-1][-1] + 1:
            parts[-1].append(number)
        else:
            parts.append([number])
    return ",".join(f"{part[0]}-{part[-1]}" if len(part) > 1 else f"{part[0]}" for part in parts)
