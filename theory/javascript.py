"""Lowers expressions to JavaScript: a target whose values are pieces of code.

`evaluate` walks the expression, as for numpy and Arb, and a statement needs no code of its own. A part that occurs
more than once is computed once. `RUNTIME` is the text of the helpers that the code calls.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import sympy
from sympy import Expr, Symbol
from sympy.codegen.cfunctions import expm1, log1p

from theory.functions import BinaryDivergence, BinaryEntropy, Logistic, Logit, LowestEntropy
from theory.lowering import Operation, Target, UnknownNode, evaluate, relation
from theory.stable_forms import EntropyOfLogit, stable

_NEGATED, _INVERSE = "(-{})", "(1 / {})"
RUNTIME = (Path(__file__).parent / "runtime.js").read_text(encoding="utf-8")


@dataclass(frozen=True, eq=False)
class Code:
    """A piece of JavaScript: a template with a place for each part. Arithmetic on pieces writes new ones."""

    template: str
    parts: tuple[Code, ...] = ()

    def __add__(self, other: Code) -> Code:
        if other.template == _NEGATED:
            return Code("({} - {})", (self, *other.parts))
        return Code("({} + {})", (self, other))

    def __mul__(self, other: Code) -> Code:
        if self.template == "-1":
            return Code(_NEGATED, (other,))
        if other.template == _INVERSE:
            return Code("({} / {})", (self, *other.parts))
        if self.template == _INVERSE:
            return Code("({} / {})", (other, *self.parts))
        return Code("({} * {})", (self, other))

    def __truediv__(self, other: Code) -> Code:
        return Code("({} / {})", (self, other))

    def __rtruediv__(self, one: int) -> Code:
        return Code(_INVERSE, (self,)) if one == 1 else Code(f"({one} / {{}})", (self,))

    def __pow__(self, other: Code) -> Code:
        return Code("Math.pow({}, {})", (self, other))


def _number(value: Fraction) -> Code:
    # Both languages print the shortest decimal that reads back as the same float.
    return Code(str(value) if value.denominator == 1 else repr(float(value)))


def _call(name: str) -> Operation:
    return lambda *parts: Code(f"{name}({', '.join(['{}'] * len(parts))})", parts)


def _choose(branches: list[tuple[Any, Operation, Expr]]) -> Code:
    *conditional, (last_condition, walk, last) = branches
    if last_condition != sympy.true:
        raise UnknownNode("a Piecewise must end with a branch that always applies")
    chosen: Code = walk(last)
    for condition, walk, branch in reversed(conditional):
        left, sign, right = relation(condition, walk)
        chosen = Code(f"({{}} {sign} {{}} ? {{}} : {{}})", (left, right, walk(branch), chosen))
    return chosen


_OPERATIONS: dict[type, Operation] = {
    sympy.exp: _call("Math.exp"),
    sympy.log: _call("Math.log"),
    log1p: _call("Math.log1p"),
    expm1: _call("Math.expm1"),
    sympy.cos: _call("Math.cos"),
    sympy.acos: _call("Math.acos"),
    sympy.asin: _call("Math.asin"),
    sympy.ceiling: _call("Math.ceil"),
    sympy.floor: _call("Math.floor"),
    sympy.Abs: _call("Math.abs"),
    sympy.Max: _call("Math.max"),
    sympy.Min: _call("Math.min"),
    sympy.Pow: _call("Math.sqrt"),
    sympy.LambertW: lambda x, branch=Code("0"): Code("lambertW({}, {})", (x, branch)),
    Logistic: _call("logistic"),
    Logit: _call("logit"),
    BinaryEntropy: _call("binaryEntropy"),
    EntropyOfLogit: _call("binaryEntropyOfLogit"),
    BinaryDivergence: _call("binaryDivergence"),
    LowestEntropy: _call("lowestEntropy"),
    type(sympy.E): lambda: Code("Math.E"),
    type(sympy.pi): lambda: Code("Math.PI"),
}

JAVASCRIPT = Target("JavaScript", _number, _OPERATIONS, _choose)


def function(name: str, expr: Expr, letters: Sequence[Symbol]) -> str:
    """The function of the letters, in their order, that computes the expression in its stable form.

    Raises `UnknownNode` for a node without a meaning in JavaScript and `KeyError` for a letter that is missing.

    >>> from theory.symbols import eps, lam
    >>> print(function("dialled", (1 - lam) * eps, (eps, lam)))
    function dialled(epsilon, lambda) {
      return epsilon * (1 - lambda);
    }
    """
    values = {letter: Code(_parameter(letter)) for letter in letters}
    lines, result = _written(evaluate(stable(sympy.sympify(expr)), values, JAVASCRIPT))
    body = "".join(f"  {line}\n" for line in [*lines, f"return {_bare(result)};"])
    return f"function {name}({', '.join(map(_parameter, letters))}) {{\n{body}}}"


def _parameter(letter: Symbol) -> str:
    return "".join(sign if sign.isalnum() else "_" for sign in letter.name)


def _written(code: Code) -> tuple[list[str], str]:
    """Constants for the parts that occur more than once, and the expression that uses them."""
    uses: dict[Code, int] = {}

    def count(piece: Code) -> None:
        uses[piece] = uses.get(piece, 0) + 1
        if uses[piece] == 1:
            for part in piece.parts:
                count(part)

    count(code)
    lines: list[str] = []
    names: Mapping[Code, str] = {}

    def text(piece: Code) -> str:
        if piece in names:
            return names[piece]
        written = piece.template.format(*(text(part) for part in piece.parts))
        if uses[piece] > 1 and piece.parts:
            names_of[piece] = f"t{len(names_of)}"
            lines.append(f"const {names_of[piece]} = {_bare(written)};")
            return names_of[piece]
        return written

    names_of: dict[Code, str] = {}
    names = names_of
    return lines, text(code)


def _bare(written: str) -> str:
    """The text without brackets around the whole of it."""
    if not written.startswith("("):
        return written
    depth = 0
    for index, sign in enumerate(written):
        depth += (sign == "(") - (sign == ")")
        if depth == 0:
            return written[1:-1] if index == len(written) - 1 else written
    return written
