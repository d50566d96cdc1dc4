"""Formulas of rules: text to sympy logic over predicates, and the targets that are built from them.

    formula:  predicates joined by `and`, `or`, `not` and parentheses; `not` binds most, `or` least
    target:   own block | block 3 | first token | tokens(FORMULA) | anchors("NAME")

Text is data here: the grammar is fixed, and nothing of it is ever evaluated as Python.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import sympy
from lark import Lark, Token, Transformer, Tree
from lark.exceptions import UnexpectedCharacters, UnexpectedEOF, UnexpectedInput, UnexpectedToken
from sympy.logic.boolalg import Boolean

from empirical.rules.predicates import (
    CLASSES,
    PLACES,
    HasText,
    Matches,
    Number,
    OfClass,
    Predicate,
    SeenBefore,
    compiled,
)
from theory.numbers.checked import MOST_KEYS, abbreviated

MOST_CHARACTERS = 4000
_MOST_DEPTH = 40
_KNOWN = "text, matches, class, position, block_position, block, seen_before"
_TARGETS = 'own block, block N, first token, tokens(FORMULA), anchors("NAME")'
_GRAMMAR = r"""
formula: _any
_any: any
any: all ("or" all)*
all: not_ ("and" not_)*
not_: NOT* (predicate | "(" any ")")
predicate: NAME                     -> flag
    | NAME "(" (STRING | NAME) ")"  -> call
    | NAME COMPARE (STRING | INT)   -> compare
target: NAME NAME                   -> two_words
    | NAME INT                      -> numbered
    | NAME "(" STRING ")"           -> named
    | NAME "(" any ")"              -> chosen
NOT: "not"
COMPARE: "==" | "!=" | "<=" | ">=" | "<" | ">"
NAME: /[A-Za-z_][A-Za-z_0-9]*/
STRING: /"(?:[^"\\]|\\.)*"/s
INT: /[0-9]+/
%ignore /[ \t\r\n]+/
"""
_STRING = re.compile(r'"(?:[^"\\]|\\.)*"', re.DOTALL)


class FormulaError(Exception):
    """A mistake in a formula: what is wrong, and at which character of the formula."""

    def __init__(self, at: int, law: str) -> None:
        super().__init__(law)
        self.at, self.law = at, law


@dataclass(frozen=True)
class Formula:
    """Sympy logic over symbols, and the predicate that each symbol stands for."""

    logic: Boolean
    predicates: Mapping[sympy.Symbol, Predicate]


@dataclass(frozen=True)
class Target:
    """The keys that a rule is about: those of `formula`, or with `formula` None the query's own block."""

    formula: Formula | None


def parse_formula(text: str) -> Formula:
    """The formula in this text. Raises FormulaError.

    >>> parse_formula('text == "a" and not block >= 3').logic
    block < 3 & text == "a"
    """
    reader = _Reader({})
    logic = reader.transform(_parsed(text, "formula"))
    return Formula(logic, reader.predicates)


def parse_target(text: str, anchors: Mapping[str, Sequence[str]]) -> Target:
    """The target in this text; `anchors` are the lists of token texts that it may name. Raises FormulaError.

    >>> parse_target("own block", {}).formula is None
    True
    """
    reader = _Reader(anchors)
    logic = reader.transform(_parsed(text, "target"))
    return Target(None if logic is None else Formula(logic, reader.predicates))


def formula_of(predicate: Predicate) -> Formula:
    """The formula that is one predicate."""
    reader = _Reader({})
    return Formula(reader.symbol(predicate), reader.predicates)


def shown(predicate: Predicate) -> str:
    """A predicate as a formula writes it."""
    match predicate:
        case HasText(text):
            return f"text == {json.dumps(text, ensure_ascii=False)}"
        case Matches(expression):
            return f'matches("{expression}")'
        case OfClass(name):
            return f"class({name})"
        case Number(place, value, below):
            return f"{place} {'<' if below else '=='} {value}"
        case SeenBefore():
            return "seen_before"


@cache
def _parser() -> Lark:
    return Lark(_GRAMMAR, parser="lalr", start=["formula", "target"], maybe_placeholders=False)


def _parsed(text: str, start: str) -> Tree[Any]:
    if len(text) > MOST_CHARACTERS:
        raise FormulaError(0, f"has {len(text)} characters: at most {MOST_CHARACTERS} are allowed")
    # The tree is walked recursively.
    depth = 0
    for found in re.finditer(r"[()]", _STRING.sub(lambda part: " " * len(part[0]), text)):
        depth += 1 if found[0] == "(" else -1
        if depth > _MOST_DEPTH:
            raise FormulaError(found.start(), f"parentheses are nested deeper than {_MOST_DEPTH}")
    try:
        return _parser().parse(text, start=start)
    except UnexpectedEOF:
        raise FormulaError(len(text), "ends too early") from None
    except UnexpectedToken as error:
        found = error.token
        if found.type == "$END":
            raise FormulaError(len(text), "ends too early") from None
        raise FormulaError(found.start_pos or 0, _surprise(found, text)) from None
    except UnexpectedCharacters as error:
        at = error.pos_in_stream or 0
        law = "the text that begins here has no closing quote" if text[at] == '"' else f"unexpected {text[at]!r}"
        raise FormulaError(at, law) from None
    except UnexpectedInput as error:
        raise FormulaError(error.pos_in_stream or 0, "cannot be read") from None


def _surprise(found: Token, text: str) -> str:
    before = text[: found.start_pos].split()
    if found.type == "INT" and not before:
        return f"unexpected {abbreviated(str(found))}"
    return f"unexpected {abbreviated(str(found))}" + (f" after {abbreviated(before[-1])}" if before else "")


class _Reader(Transformer[Any, Any]):
    """Builds sympy logic from a parsed formula, and collects its predicates."""

    def __init__(self, anchors: Mapping[str, Sequence[str]]) -> None:
        super().__init__()
        self.anchors = anchors
        self.predicates: dict[sympy.Symbol, Predicate] = {}

    def symbol(self, predicate: Predicate) -> Boolean:
        """The symbol of a predicate."""
        named = sympy.Symbol(shown(predicate))
        self.predicates[named] = predicate
        return named

    def _call_userfunc(self, tree: Any, new_children: Any = None) -> Any:
        # Not lark's own, which wraps a FormulaError in one of its errors.
        return getattr(self, tree.data)(new_children)

    def formula(self, parts: list[Any]) -> Boolean:
        """The whole formula."""
        return parts[0]

    def any(self, parts: list[Boolean]) -> Boolean:
        """A disjunction."""
        return sympy.Or(*parts)

    def all(self, parts: list[Boolean]) -> Boolean:
        """A conjunction."""
        return sympy.And(*parts)

    def not_(self, parts: list[Any]) -> Boolean:
        """A predicate or a formula in parentheses after any number of `not`."""
        *nots, inner = parts
        return sympy.Not(inner) if len(nots) % 2 else inner

    def flag(self, parts: list[Token]) -> Boolean:
        """A predicate that is one word."""
        (name,) = parts
        if name == "seen_before":
            return self.symbol(SeenBefore())
        raise _unknown(name)

    def call(self, parts: list[Token]) -> Boolean:
        """`matches("...")` and `class(...)`."""
        name, given = parts
        if name == "matches":
            if given.type != "STRING":
                raise FormulaError(_at(given), 'matches takes a text in quotes: matches("...")')
            # As written, so that a backslash need not be doubled.
            expression = given[1:-1].replace('\\"', '"')
            _require_text(given, expression)
            try:
                compiled(expression)
            except ValueError as error:
                raise FormulaError(_at(given), f"the regular expression is refused: {error}") from None
            return self.symbol(Matches(expression))
        if name == "class":
            if given.type != "NAME" or given not in CLASSES:
                raise FormulaError(_at(given), f"class {abbreviated(str(given))} must be one of {', '.join(CLASSES)}")
            return self.symbol(OfClass(str(given)))
        raise _unknown(name)

    def compare(self, parts: list[Token]) -> Boolean:
        """A comparison of the text with a text, or of a place with a number."""
        name, sign, given = parts
        if name == "text":
            if given.type != "STRING":
                raise FormulaError(_at(given), 'text is compared with a text in quotes: text == "..."')
            if sign not in ("==", "!="):
                raise FormulaError(_at(sign), f"text is compared by == or !=, not by {sign}")
            same = self.symbol(HasText(_unquoted(given)))
            return same if sign == "==" else sympy.Not(same)
        if name not in PLACES:
            raise _unknown(name)
        if given.type != "INT":
            raise FormulaError(_at(given), f"{name} is compared with a number")
        place, value = str(name), _number(given)
        if sign in ("==", "!="):
            same = self.symbol(Number(place, value, below=False))
            return same if sign == "==" else sympy.Not(same)
        below = self.symbol(Number(place, value + (sign in ("<=", ">")), below=True))
        return below if sign in ("<", "<=") else sympy.Not(below)

    def two_words(self, parts: list[Token]) -> Boolean | None:
        """`own block` and `first token`."""
        words = " ".join(parts)
        if words == "own block":
            return None
        if words == "first token":
            return self.symbol(Number("position", 0, below=False))
        raise _no_target(parts[0], words)

    def numbered(self, parts: list[Token]) -> Boolean:
        """`block 3`."""
        name, given = parts
        if name != "block":
            raise _no_target(name, f"{name} {given}")
        return self.symbol(Number("block", _number(given), below=False))

    def named(self, parts: list[Token]) -> Boolean:
        """`anchors("NAME")`."""
        name, given = parts
        if name != "anchors":
            raise _no_target(name, f"{name}(...)")
        chosen = _unquoted(given)
        if chosen not in self.anchors:
            have = ", ".join(map(repr, self.anchors)) or "none"
            raise FormulaError(_at(given), f"anchors {chosen!r} must be a list of [anchors]; the file has {have}")
        return sympy.Or(*(self.symbol(HasText(text)) for text in self.anchors[chosen]))

    def chosen(self, parts: list[Any]) -> Boolean:
        """`tokens(FORMULA)`."""
        name, logic = parts
        if name != "tokens":
            raise _no_target(name, f"{name}(...)")
        return logic


def _at(token: Token) -> int:
    return token.start_pos or 0


def _unknown(name: Token) -> FormulaError:
    return FormulaError(_at(name), f"unknown predicate {abbreviated(str(name))}; known are {_KNOWN}")


def _no_target(name: Token, words: str) -> FormulaError:
    return FormulaError(_at(name), f"target {abbreviated(words)} must be one of: {_TARGETS}")


def _number(token: Token) -> int:
    # Python refuses to read an integer of very many digits.
    if len(token) > len(str(MOST_KEYS)) or int(token) > MOST_KEYS:
        raise FormulaError(_at(token), f"{abbreviated(str(token))} must be at most {MOST_KEYS}")
    return int(token)


def _unquoted(token: Token) -> str:
    try:
        text = json.loads(token, strict=False)
    except ValueError:
        raise FormulaError(_at(token), 'a backslash must be followed by ", \\, n, t, r, or u and four digits') from None
    _require_text(token, text)
    return str(text)


def _require_text(token: Token, text: str) -> None:
    if any("\ud800" <= character <= "\udfff" for character in text):
        raise FormulaError(_at(token), "a text must hold whole characters, not half of a surrogate pair")
