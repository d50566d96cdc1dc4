"""Exact changes of variable that bring an infinite end to a finite one, where a Taylor argument can reach it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction

import sympy
from flint import arb, ctx, fmpq
from sympy import Expr, Symbol

from proofs_check.inequalities.search.boxes import Side
from proofs_check.inequalities.search.pool import rational
from proofs_check.inequalities.search.spans import as_fraction

# Changes that cover one case of several.
CASES = ("above", "line")


@dataclass(frozen=True)
class Change:
    """`letter = shift + sign * g(t)`, one to one from the new letter's side onto the old one's.

    `g(t)` is `1/t` (reciprocal) or `t e^t` (lambert). In a case, `g(t)` is `t` (line), or the letter is `other + t`
    (above), with `t >= 0`.
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
        g = {"reciprocal": 1 / t, "lambert": t * sympy.exp(t)}.get(self.kind, t)
        return rational(self.shift) + self.sign * g

    def back(self, values: Mapping[str, Fraction]) -> Fraction:
        """The old letter's value; through an exponential, a rational close to it."""
        t = values[self.new]
        if self.kind == "above":
            return values[self.other] + t
        if self.kind == "lambert":
            with ctx.workprec(128):
                return as_fraction((arb(fmpq(t.numerator, t.denominator)).exp()).mid()) * t
        return self.shift + self.sign * (1 / t if self.kind == "reciprocal" else t)

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
    if (side.low is None) == (side.high is None):
        return None
    if kind == "lambert":
        return Change(kind, letter, new, zero, 1, side) if side.low == 0 else None
    end, is_open, sign = (side.low, side.low_open, 1) if side.low is not None else (side.high, side.high_open, -1)
    assert end is not None
    if sign * end > 0:
        return Change(kind, letter, new, zero, sign, Side(zero, 1 / (sign * end), True, is_open))
    if end == 0 and is_open:
        return Change(kind, letter, new, zero, sign, Side(zero, None, True, True))
    return Change(kind, letter, new, end - sign, sign, Side(zero, one, True, is_open))


def fresh(letter: str, taken: Mapping[str, Side] | set[str]) -> str:
    """A name for the new letter that is not taken."""
    name = f"t_{letter}"
    while name in taken:
        name += "_"
    return name
