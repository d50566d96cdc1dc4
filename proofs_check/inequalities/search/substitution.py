"""Exact changes of variable that bring an infinite end to a finite one, where a Taylor argument can reach it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import sympy
from flint import arb, ctx, fmpq
from sympy import Expr, Symbol

from proofs_check.inequalities.search.boxes import Side
from theory.errors import DomainError

# Changes that cover one case of several.
CASES = ("above", "line")
KINDS = ("reciprocal", "exp", "fraction", "growth", "square")


@dataclass(frozen=True)
class Change:
    """`letter = shift + sign * g(t)`, one to one from the new letter's side onto the old one's.

    `g(t)` is `-log t` (exp), `1/t` (reciprocal), `t/(1 - t)` (fraction), `e^t` (growth), `t^2` (square) or `t e^t`
    (lambert). In a case, `g(t)` is `t` (line), or the letter is `other + t` (above), with `t >= 0`.
    """

    kind: str
    letter: str
    new: str
    shift: Fraction
    sign: int
    side: Side
    other: str = ""

    def expression(self, others: Mapping[str, Side] | None = None) -> Expr:
        """The old letter, written in the new one; `others` are the sides of the letters at that time."""
        t = letter_of(self.new, self.side)
        if self.kind == "above":
            return letter_of(self.other, (others or {})[self.other]) + t
        return sympy.Rational(self.shift.numerator, self.shift.denominator) + self.sign * self._of(t)

    def _of(self, t: Any) -> Any:
        """`g(t)`, also of a number as a ball."""
        grown = {"growth": 1, "lambert": t}.get(self.kind)
        if grown is not None:
            return grown * (sympy.exp(t) if isinstance(t, Expr) else t.exp())
        if self.kind == "exp":
            return -(sympy.log(t) if isinstance(t, Expr) else t.log())
        return {"reciprocal": lambda: 1 / t, "fraction": lambda: t / (1 - t), "square": lambda: t**2}.get(
            self.kind, lambda: t
        )()

    def back(self, values: Mapping[str, Fraction]) -> Fraction:
        """The old letter's value; through a logarithm or an exponential, a rational close to it."""
        t = values[self.new]
        if self.kind == "above":
            return values[self.other] + t
        if self.kind not in ("exp", "growth", "lambert"):
            return self.shift + self.sign * Fraction(self._of(t))
        with ctx.workprec(128):
            mantissa, exponent = self._of(arb(fmpq(t.numerator, t.denominator))).mid().man_exp()
        return self.shift + self.sign * Fraction(int(mantissa)) * Fraction(2) ** int(exponent)

    def to_json(self) -> dict[str, str | int]:
        """Its entry in a certificate."""
        return {"kind": self.kind, "new": self.new, "shift": str(self.shift), "sign": self.sign}


def letter_of(name: str, side: Side) -> Symbol:
    """The letter with what its side says of its sign."""
    if side.low is not None and (side.low > 0 or (side.low == 0 and side.low_open)):
        return Symbol(name, positive=True)
    return Symbol(name, nonnegative=True) if side.low is not None and side.low >= 0 else Symbol(name, real=True)


def change_of(kind: str, letter: str, new: str, side: Side) -> Change | None:
    """The change of that kind for an unbounded side; None where there is none."""
    zero, one = Fraction(0), Fraction(1)
    if kind in ("growth", "square", "lambert"):
        low, high = side.low, side.high
        fits = low in {"growth": (0, 1), "square": (0,), "lambert": (0,)}[kind]
        if not fits or high not in (None, 1) or low == high or (kind == "growth" and low == 0 and not side.low_open):
            return None
        if kind != "growth":
            return None if kind == "lambert" and high else Change(kind, letter, new, zero, 1, side)
        start, end = (None if low == 0 else zero), (None if high is None else zero)
        return Change(kind, letter, new, zero, 1, Side(start, end, side.low_open or low == 0, side.high_open))
    if side.low is not None and side.high is None:
        end, is_open, sign = side.low, side.low_open, 1
    elif side.high is not None and side.low is None:
        end, is_open, sign = side.high, side.high_open, -1
    elif kind == "exp" and side.low is None and side.high is None:
        return Change(kind, letter, new, zero, 1, Side(zero, None, True, True))
    else:
        return None
    if kind == "exp":
        return Change(kind, letter, new, end, sign, Side(zero, one, True, is_open))
    if kind == "fraction":
        return Change(kind, letter, new, end, sign, Side(zero, one, is_open, True))
    if sign * end > 0:
        return Change(kind, letter, new, zero, sign, Side(zero, 1 / (sign * end), True, is_open))
    if end == 0 and is_open:
        return Change(kind, letter, new, zero, sign, Side(zero, None, True, True))
    return Change(kind, letter, new, end - sign, sign, Side(zero, one, True, is_open))


def matching(symbol: Symbol, written: Expr, side: Side, new: str) -> Change:
    """The change that a user wrote as an expression of one letter; `DomainError` if it is not one of the exact ones."""
    letters = written.free_symbols
    if len(letters) == 1:
        (old,) = letters
        for kind in KINDS:
            change = change_of(kind, symbol.name, new, side)
            if change is not None:
                ours = change.expression()
                (t,) = ours.free_symbols
                if sympy.simplify(written.subs(old, t) - ours) == 0:
                    return change
    offered = ", ".join(
        f"{symbol} = {c.expression()}" for kind in KINDS if (c := change_of(kind, symbol.name, new, side)) is not None
    )
    raise DomainError(f"substitution {symbol} = {written} must be one of: {offered or 'none, as the side is bounded'}")


def fresh(letter: str, taken: Mapping[str, Side] | set[str]) -> str:
    """A name for the new letter that is not taken."""
    name = f"t_{letter}"
    while name in taken:
        name += "_"
    return name
