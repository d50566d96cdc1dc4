"""Exact changes of variable that bring an infinite end to a finite one, where a Taylor argument can reach it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction

import sympy
from sympy import Expr, Symbol

from proofs_check.inequalities.search.boxes import Side
from theory.errors import DomainError

KINDS = ("reciprocal", "exp", "fraction")


@dataclass(frozen=True)
class Change:
    """`letter = shift + sign * g(t)`, one to one from the new letter's side onto the old one's.

    `g(t)` is `-log t` (exp), `1/t` (reciprocal) or `t/(1 - t)` (fraction).
    """

    kind: str
    letter: str
    new: str
    shift: Fraction
    sign: int
    side: Side

    def expression(self) -> Expr:
        """The old letter, written in the new one."""
        side = self.side
        positive = side.low is not None and (side.low > 0 or (side.low == 0 and side.low_open))
        t = Symbol(self.new, positive=True) if positive else Symbol(self.new, nonnegative=True)
        g = {"exp": -sympy.log(t), "reciprocal": 1 / t, "fraction": t / (1 - t)}[self.kind]
        return sympy.Rational(self.shift.numerator, self.shift.denominator) + self.sign * g

    def to_json(self) -> dict[str, str | int]:
        """Its entry in a certificate."""
        return {"kind": self.kind, "new": self.new, "shift": str(self.shift), "sign": self.sign}


def change_of(kind: str, letter: str, new: str, side: Side) -> Change | None:
    """The change of that kind for an unbounded side; None where there is none."""
    zero, one = Fraction(0), Fraction(1)
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
