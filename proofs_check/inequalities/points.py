"""Decides a claim at one exact point of real numbers by Arb: certainly true, certainly false, or undecided."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from fractions import Fraction
from functools import lru_cache, reduce
from typing import Any

import sympy
from flint import arb, ctx, fmpq
from sympy import Expr, Float, Function, Ge, Gt, Le, Lt, Piecewise, Rational, Symbol
from sympy.core.relational import Relational
from sympy.logic.boolalg import And, Boolean, BooleanAtom, Equivalent, Implies, Not, Or, true

from proofs_check.inequalities.verdict import Verdict, both
from theory.booleans import Logic
from theory.errors import DomainError
from theory.lowering import Target, Undecided, arb_target, evaluate

CONNECTIVES = (And, Or, Not, Implies, Equivalent)
_PRECISIONS = (96, 384, 2048)
# Powers of larger numbers may not fit into memory.
_SIMPLE = 2**12


class RealPower(Function):
    """A power whose exponent is not a whole number or a half: real if its base is positive, or 0 with value 0."""

    nargs = 2


def real_target() -> Target:
    """Arb's balls, with the theorems' functions and those that only derivations and users' claims use."""
    plain = arb_target()
    more: dict[Any, Any] = {
        sympy.sin: lambda x: x.sin(),
        sympy.tan: lambda x: x.tan(),
        sympy.atan: lambda x: x.atan(),
        sympy.LambertW: lambda x: x.lambertw(),
        sympy.sinh: lambda x: x.sinh(),
        sympy.cosh: lambda x: x.cosh(),
        sympy.tanh: lambda x: x.tanh(),
        RealPower: _power,
    }
    return replace(plain, operations={**plain.operations, **more})


def _power(base: Any, exponent: Any) -> Any:
    if base.is_zero() and exponent > 0:
        return arb(0)
    if base > 0 or exponent.is_integer():
        return base**exponent
    raise Undecided("the base of a power may be 0 or negative")


@lru_cache(maxsize=4096)
def exactly(side: Expr) -> Expr:
    """The expression with every float as the rational it stores."""
    return side.xreplace({number: Rational(number) for number in side.atoms(Float)})


@lru_cache(maxsize=4096)
def readable(side: Expr) -> Expr:
    """The expression for evaluation at real numbers: floats exact, and powers that need a sign as `RealPower`."""

    def needs_a_sign(node: Any) -> bool:
        return bool(node.is_Pow and not node.exp.is_Integer and node.exp != sympy.S.Half)

    return exactly(side).replace(needs_a_sign, lambda node: RealPower(*node.args))


def decide_at(claim: Boolean, point: Mapping[Symbol, Fraction]) -> Verdict:
    """PROVED or REFUTED at one exact point by Arb, or UNDECIDED; sides count as equal only where exact."""
    return _AtPoint(point).value(claim)


class _AtPoint(Logic[Verdict]):
    """Truth at one exact point; UNDECIDED spreads unless another part settles the whole."""

    def __init__(self, point: Mapping[Symbol, Fraction]) -> None:
        self._point = point

    def constant(self, holds: bool) -> Verdict:
        return Verdict.PROVED if holds else Verdict.REFUTED

    def relation(self, claim: Relational) -> Verdict:
        sign = _sign(claim, self._point)
        return Verdict.UNDECIDED if sign is None else self.constant(holds_for(claim.rel_op, sign))

    def conjunction(self, parts: Iterator[Verdict]) -> Verdict:
        return reduce(both, parts, Verdict.PROVED)

    def negation(self, part: Verdict) -> Verdict:
        return _OPPOSITE[part]


_OPPOSITE = {
    Verdict.PROVED: Verdict.REFUTED,
    Verdict.REFUTED: Verdict.PROVED,
    Verdict.UNDECIDED: Verdict.UNDECIDED,
}


def holds_for(rel_op: str, sign: int) -> bool:
    """Whether a relation holds where the left side minus the right has that sign."""
    signs = {"<=": sign <= 0, "<": sign < 0, ">=": sign >= 0, ">": sign > 0, "==": sign == 0, "!=": sign != 0}
    return signs[rel_op]


def _sign(claim: Relational, point: Mapping[Symbol, Fraction]) -> int | None:
    """Sign of the left side minus the right; None where it is unknown or a side has no value."""
    # Algebra may cancel what has no value at the point, so each side must have a value too.
    gap_of = exactly(claim.lhs) - exactly(claim.rhs)
    asked, defined = [gap_of, claim.lhs, claim.rhs], False
    for precision in _PRECISIONS:
        with ctx.workprec(precision):
            try:
                gap, *sides = _balls(asked, point)
            except (Undecided, ZeroDivisionError):
                continue
            if not all(each.is_finite() for each in (gap, *sides)):
                continue
            if gap > 0 or gap < 0:
                return 1 if gap > 0 else -1
            if gap.is_zero():
                return 0
            defined = True
    return 0 if defined and _is_exactly_zero(gap_of, point) else None


def _is_exactly_zero(gap: Expr, point: Mapping[Symbol, Fraction]) -> bool:
    """Whether exact arithmetic on numbers and their logarithms gives 0, which no ball can show."""
    if any(abs(v.numerator) + v.denominator > _SIMPLE for v in point.values()):
        return False
    if any(power.exp.is_Rational and abs(power.exp) > _SIMPLE for power in gap.atoms(sympy.Pow)):
        return False
    exact = gap.xreplace({x: Rational(v.numerator, v.denominator) for x, v in point.items()})
    return bool(sympy.expand_log(sympy.expand_func(exact), force=True) == 0)


def _balls(exprs: list[Expr], point: Mapping[Symbol, Fraction]) -> list[Any]:
    values = {x: arb(fmpq(v.numerator, v.denominator)) for x, v in point.items()}
    target = real_target()
    return [evaluate(readable(each), values, target) for each in exprs]


def slack_at(claim: Boolean, point: Mapping[Symbol, Fraction] | None, otherwise: float) -> float:
    """`(rhs - lhs)/(|lhs| + |rhs|)` of one relation at a point, by Arb; `otherwise` where unknown."""
    if point is None or not isinstance(claim, Relational):
        return otherwise
    with ctx.workprec(1024):
        try:
            left, right = _balls([claim.lhs, claim.rhs], point)
        except (Undecided, ZeroDivisionError):
            return otherwise
        if left == right:
            return 0.0
        gap = (right - left) / (abs(left) + abs(right))
        slack = {">=": -gap, ">": -gap, "==": -abs(gap), "!=": abs(gap)}.get(claim.rel_op, gap)
        return float(slack) if slack.is_finite() else otherwise


def check_form(claim: Boolean, connectives: tuple[Any, ...] = CONNECTIVES) -> None:
    """Raise `DomainError` unless the claim is built from relations between numbers by the connectives."""
    if isinstance(claim, Relational):
        for side in claim.args:
            if not isinstance(side, Expr):
                raise DomainError(f"side {side} of {claim} must be a number")
        for piecewise in claim.atoms(Piecewise):
            for _, condition in piecewise.args:
                if condition != true and not isinstance(condition, Ge | Gt | Le | Lt):
                    raise DomainError(f"condition {condition} of a Piecewise must be a single inequality")
        return
    if isinstance(claim, BooleanAtom):
        return
    if not isinstance(claim, connectives):
        names = ", ".join(connective.__name__ for connective in connectives)
        raise DomainError(f"claim {claim} must be built from relations by {names}")
    for part in claim.args:
        check_form(part, connectives)
